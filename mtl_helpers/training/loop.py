"""Training s-CNN, m-CNN and p-CNN, with whatever combines the losses.

Everything random is drawn from streams that depend on the seed and the step alone: the trunk's
first weights, each head's, the order of the batches and the dropout masks. Two arms of an
experiment with the same seed therefore start from the same trunk and see the same batches, and a
run that was interrupted goes on as if it had not been.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from mtl_helpers.corpus import Corpus
from mtl_helpers.errors import CourseError
from mtl_helpers.losses import UNLABELLED, feature_l2, task_losses
from mtl_helpers.papers.yin2018.model import (
    BRANCH_TASK,
    POSE_TASK,
    MultiTaskCNN,
    MultiTaskOutput,
    PoseDirectedCNN,
)
from mtl_helpers.papers.yin2018.weighting import DynamicWeights, FixedWeights
from mtl_helpers.presets import Preset
from mtl_helpers.training.averaging import WeightAverage, reestimate_statistics
from mtl_helpers.training.batches import BatchOrder, BatchSource, stream_seed, to_input
from mtl_helpers.training.checkpoints import CheckpointError, read_checkpoint, write_checkpoint
from mtl_helpers.trunks import CASIANet

__all__ = [
    "CheckpointError",
    "FitResult",
    "StepState",
    "TrainConfig",
    "TrainingError",
    "amp_pays",
    "build_model",
    "fit",
    "learning_rate_at",
    "make_optimizer",
    "to_input",
]

_CURVE_POINTS = 100

# The paper cuts the rate by ten at epochs 10, 15 and 19 of 20.
STEP_CUTS: tuple[float, ...] = (10 / 20, 15 / 20, 19 / 20)


class TrainingError(CourseError):
    """Training could not go on: a loss is no finite number."""


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run, apart from the corpus and the machine.

    Parameters
    ----------
    tasks, weights
        Names of the tasks and their fixed loss weights (Yin & Liu 2018, Eq. 6); one task is s-CNN.
    feature_l2
        Weight of the penalty on x (see :func:`mtl_helpers.losses.feature_l2`); 0 is off.
    steps, batch
        Number of updates, and images in each.
    learning_rate, warmup_steps, schedule
        Peak rate, steps of linear warm-up, and what follows: see :func:`learning_rate_at`.
    momentum, nesterov, weight_decay
        SGD. Weight decay acts on the weights of convolutions and heads, not on biases and
        normalisations.
    dropout, width
        Of the trunk: see :class:`~mtl_helpers.trunks.CASIANet`.
    average_decay
        Decay of the moving average of the weights (see :class:`WeightAverage`); 0 is off.
    statistics_batches
        Batches from which the statistics of batch normalisation are taken anew after training, for
        the trained and the averaged network; 0 keeps the running ones.
    label_smoothing
        Share of each target that is spread over all classes.
    clip_norm
        Largest allowed norm of the whole gradient; 0 is off.
    seed
        Of first weights, batches and dropout.
    amp
        bfloat16 arithmetic in the forward and backward pass; None decides by :func:`amp_pays`.

    Raises
    ------
    ValueError
        If a value is out of its range, or tasks and weights differ in number.

    Note
    ----
    Published: SGD, momentum 0.9, weight decay 5e-4, batch 4, 20 epochs, rate 0.01, no warm-up, no
    averaging (Sec. IV-A). Some of the released prototxts decay only the fully connected layers.
    """

    tasks: tuple[str, ...] = ("id",)
    weights: tuple[float, ...] = (1.0,)
    feature_l2: float = 0.0
    steps: int = 1500
    batch: int = 64
    learning_rate: float = 0.05
    warmup_steps: int = 100
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    dropout: float = 0.4
    width: float = 0.25
    average_decay: float = 0.99
    statistics_batches: int = 50
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    seed: int = 0
    amp: bool | None = None

    def __post_init__(self) -> None:
        if not self.tasks or len(self.tasks) != len(self.weights):
            raise ValueError(
                f"Expected one weight for each task, found tasks {self.tasks} and weights "
                f"{self.weights}."
            )
        if len(set(self.tasks)) != len(self.tasks):
            raise ValueError(f"Each task may stand once, found {self.tasks}.")
        if self.schedule not in ("cosine", "step", "constant"):
            raise ValueError(
                f"Unknown schedule {self.schedule!r}: choose 'cosine', 'step' or 'constant'."
            )
        if self.steps < 1 or self.batch < 2:
            raise ValueError(
                f"Training needs at least one step of at least two images, found steps="
                f"{self.steps}, batch={self.batch}."
            )
        if not 0 <= self.warmup_steps <= self.steps:
            raise ValueError(
                f"warmup_steps must lie between 0 and steps ({self.steps}), found "
                f"{self.warmup_steps}."
            )
        for name, low, high in (
            ("average_decay", 0, 1),
            ("label_smoothing", 0, 1),
            ("dropout", 0, 1),
            ("momentum", 0, 1),
        ):
            value = getattr(self, name)
            if not low <= value < high:
                raise ValueError(f"{name} must lie in [{low}, {high}), found {value}.")
        for name in ("learning_rate", "weight_decay", "feature_l2", "clip_norm", "width"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be finite and not negative, found {value}.")

    @classmethod
    def from_preset(
        cls,
        preset: Preset,
        tasks: Sequence[str] = ("id",),
        weights: Sequence[float] = (1.0,),
        **changes: Any,
    ) -> TrainConfig:
        """Return a config with a preset's sizes and schedule.

        Parameters
        ----------
        preset
            Gives steps, batch, rate, warm-up, schedule, weight decay, dropout, width, averaging.
        tasks, weights
            As in the class.
        **changes
            Any other field, e.g. ``seed``; wins over the preset.
        """
        values: dict[str, Any] = {
            "steps": preset.steps,
            "batch": preset.batch,
            "learning_rate": preset.learning_rate,
            "warmup_steps": preset.warmup_steps,
            "schedule": preset.schedule,
            "weight_decay": preset.weight_decay,
            "dropout": preset.dropout,
            "width": preset.width,
            "average_decay": preset.average_decay,
        }
        return cls(tasks=tuple(tasks), weights=tuple(weights), **(values | changes))


@dataclass
class FitResult:
    """A trained network and how it came about.

    Attributes
    ----------
    model : MultiTaskCNN
        The network after the last step, in evaluation mode.
    averaged : MultiTaskCNN or None
        The moving average of its weights; None when ``average_decay`` is 0.
    curves : dict of str to ndarray
        ``"step"``, ``"learning_rate"``, and for each task ``"loss/<task>"`` and
        ``"weight/<task>"``; with the penalty also ``"loss/feature_l2"``. Losses and weights are
        means over the steps since the point before.
    seconds : float
        Wall time of the steps, those before an interruption included.
    amp : bool
        Whether bfloat16 was used.
    """

    model: MultiTaskCNN
    averaged: MultiTaskCNN | None
    curves: dict[str, NDArray[np.float64]]
    seconds: float
    amp: bool

    @property
    def final(self) -> MultiTaskCNN:
        """The network to evaluate: the averaged one if there is one."""
        return self.model if self.averaged is None else self.averaged


@dataclass(frozen=True)
class StepState:
    """What ``on_step`` is told after each update.

    Attributes
    ----------
    step : int
        Number of updates done, 1 after the first.
    model : MultiTaskCNN
        The network in training; look, do not change.
    losses : Tensor
        (T,) loss of each task on this step's batch, before the update; detached. For p-CNN they
        are those of :attr:`PoseDirectedCNN.losses
        <mtl_helpers.papers.yin2018.model.PoseDirectedCNN.losses>`.
    learning_rate : float
        Rate of this update.
    averaged : MultiTaskCNN or None
        The moving average so far.
    """

    step: int
    model: MultiTaskCNN
    losses: Tensor
    learning_rate: float
    averaged: MultiTaskCNN | None = None


def build_model(
    config: TrainConfig,
    classes: Mapping[str, int],
    in_channels: int,
    pose_groups: Sequence[Sequence[int]] | None = None,
) -> MultiTaskCNN:
    """Return the untrained network of a config.

    The trunk's weights depend on the seed alone and each head's on the seed and the task's name,
    so that arms with different tasks start from the same place.

    Parameters
    ----------
    config
        Gives tasks, width, dropout and seed.
    classes
        Number of classes of at least the config's tasks.
    in_channels
        1 or 3.
    pose_groups
        Classes of ``"pos"`` of each branch, for p-CNN; without them the network has no branches.

    Raises
    ------
    ValueError
        If a task has no class count, or for the reasons of
        :class:`~mtl_helpers.papers.yin2018.model.PoseDirectedCNN`.
    """
    missing = [task for task in config.tasks if task not in classes]
    if missing:
        raise ValueError(f"The corpus has no labels for {missing}; it has {sorted(classes)}.")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed(config.seed, "trunk"))
        trunk = CASIANet(config.width, in_channels, config.dropout)
        counts = {task: int(classes[task]) for task in config.tasks}
        model = (
            MultiTaskCNN(trunk, counts)
            if pose_groups is None
            else PoseDirectedCNN(trunk, counts, pose_groups)
        )
        named = dict(model.heads.items())
        if isinstance(model, PoseDirectedCNN):
            named |= {f"{BRANCH_TASK} {g}": branch for g, branch in enumerate(model.branches)}
        for name, head in named.items():
            torch.default_generator.manual_seed(stream_seed(config.seed, f"head {name}"))
            head.reset_parameters()  # type: ignore[operator]
    return model


def learning_rate_at(step: int, config: TrainConfig) -> float:
    """Return the learning rate of update ``step``, counted from 0.

    During warm-up: peak * (step + 1) / warmup_steps. After it, with p the share of the remaining
    steps that are done: ``"cosine"`` gives peak * (1 + cos(pi p)) / 2, ``"step"`` peak divided by
    ten for each of 10/20, 15/20 and 19/20 of *all* steps that has been reached, ``"constant"`` the
    peak.

    Parameters
    ----------
    step
        From 0 to ``config.steps - 1``.
    config
        Gives the rate, the warm-up and the schedule.
    """
    peak = config.learning_rate
    if step < config.warmup_steps:
        return peak * (step + 1) / config.warmup_steps
    if config.schedule == "cosine":
        share = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
        return peak * 0.5 * (1 + math.cos(math.pi * share))
    if config.schedule == "step":
        return peak * 0.1 ** sum(step >= cut * config.steps for cut in STEP_CUTS)
    return peak


def amp_pays(device: torch.device | str) -> bool:
    """Return whether bfloat16 is faster than float32 on this device, for these networks.

    True where the arithmetic is in hardware: on CPUs with AVX-512 BF16 or AMX (1.6 times as many
    images/s for a quarter-width CASIA-Net at 48 px, measured on an AMD EPYC of 2024), and on CUDA
    devices with bfloat16 units (Ampere and later). Elsewhere bfloat16 is emulated and slower.

    Parameters
    ----------
    device
        Where training will run.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, probe, bool)() for probe in probes)
    return False


def _run_description(
    config: TrainConfig, classes: Mapping[str, int], source: BatchSource, amp: bool
) -> dict[str, Any]:
    """Return all that a resumed run must have in common with its beginning."""
    data = hashlib.sha256(source.index.tobytes())
    for task in config.tasks:
        data.update(source.labels[task].numpy().tobytes())
    return {
        **asdict(config),
        "amp": amp,
        "classes": [int(classes[task]) for task in config.tasks],
        "image shape": list(source.images.shape[1:]),
        "training set": data.hexdigest()[:16],
    }


@dataclass
class _Curves:
    """Losses and weights of every step, averaged over windows of ``every`` steps."""

    names: list[str]
    every: int
    columns: dict[str, list[float]] = field(default_factory=dict)
    total: list[float] = field(default_factory=list)
    steps: int = 0

    def __post_init__(self) -> None:
        for name in ("step", "learning_rate", *self.names):
            self.columns.setdefault(name, [])
        self.total = self.total or [0.0] * len(self.names)

    def add(self, step: int, values: list[float], learning_rate: float, *, last: bool) -> None:
        self.total = [t + v for t, v in zip(self.total, values, strict=True)]
        self.steps += 1
        if self.steps < self.every and not last:
            return
        self.columns["step"].append(float(step))
        self.columns["learning_rate"].append(learning_rate)
        for name, total in zip(self.names, self.total, strict=True):
            self.columns[name].append(total / self.steps)
        self.total, self.steps = [0.0] * len(self.names), 0

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        return {name: np.array(values) for name, values in self.columns.items()}


def make_optimizer(
    model: nn.Module,
    config: TrainConfig,
    weighting: nn.Module | None = None,
    weighting_rate: float = 1.0,
) -> torch.optim.SGD:
    """Return SGD with weight decay on matrices and kernels, not on biases and normalisations.

    Parameters
    ----------
    model, config
        What to train and how.
    weighting
        Its parameters, if it has any, learn too.
    weighting_rate
        Their learning rate as a multiple of the network's; each group keeps its own multiple as
        ``"scale"``.
    """
    groups: list[dict[str, Any]] = []
    for module, scale in ((model, 1.0), (weighting, weighting_rate)):
        parameters = [] if module is None else list(module.parameters())
        decayed = [p for p in parameters if p.ndim > 1]
        others = [p for p in parameters if p.ndim <= 1]
        if decayed:
            groups.append({"params": decayed, "scale": scale})
        if others:
            groups.append({"params": others, "weight_decay": 0.0, "scale": scale})
    return torch.optim.SGD(
        groups,
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        fused=True,
    )


def fit(
    corpus: Corpus,
    config: TrainConfig,
    *,
    index: ArrayLike | None = None,
    classes: Mapping[str, int] | None = None,
    pose_groups: Sequence[Sequence[int]] | None = None,
    weighting: nn.Module | None = None,
    weighting_rate: float = 1.0,
    device: torch.device | str = "cpu",
    progress: bool = True,
    checkpoint: Path | None = None,
    checkpoint_every: int = 500,
    on_step: Callable[[StepState], None] | None = None,
) -> FitResult:
    """Train a network.

    Each step: total = weighting(L) + feature_l2 * mean 0.5 ||x||^2, then one step of SGD. With
    the fixed weights of the config the first term is sum_t w_t L_t (Yin & Liu 2018, Eq. 6).

    Parameters
    ----------
    corpus
        Gives ``images``, ``labels(index)``, ``split("train")`` and ``class_counts``.
    config
        What to train and how.
    index
        Images to train on, (n,); the corpus's training split when None.
    classes
        Number of classes of each task; the corpus's ``class_counts`` when None.
    pose_groups
        Classes of ``"pos"`` of each branch, to train p-CNN.
    weighting
        What makes one number of the losses: any module with ``forward(losses) -> scalar``, losses
        (T,) in the order of :attr:`MultiTaskCNN.losses
        <mtl_helpers.papers.yin2018.model.MultiTaskCNN.losses>`. One of
        :mod:`mtl_helpers.papers.yin2018.weighting`, or a scalarizer of TorchJD as it is. Its
        parameters are trained with the network's. When None, the config's fixed weights.
    weighting_rate
        Learning rate of the weighting's parameters, as a multiple of the network's.
    device
        Where to compute.
    progress
        Show a bar.
    checkpoint
        File to write to every ``checkpoint_every`` steps and at the end. If it exists already, the
        run continues from it, with the same result as without the interruption.
    checkpoint_every
        Steps between two checkpoints.
    on_step
        Called after every update with a :class:`StepState`.

    Returns
    -------
    FitResult
        The network, its average, the curves.

    Raises
    ------
    TrainingError
        If a loss is not finite.
    CheckpointError
        If the checkpoint is unreadable or of another run.
    ValueError
        If the corpus lacks a task's labels, a label lies outside its classes, p-CNN is given no
        weighting, or a weighting of ours is for other tasks or in another order.
    """
    device = torch.device(device)
    amp = amp_pays(device) if config.amp is None else config.amp
    classes = dict(corpus.class_counts if classes is None else classes)
    images = corpus.images
    in_channels = 1 if images.ndim == 3 else int(images.shape[3])
    model = build_model(config, classes, in_channels, pose_groups)
    source = _make_source(corpus, config, classes, index, device)
    model = model.to(device).train()
    run = _run_description(config, classes, source, amp) if checkpoint else {}
    if pose_groups is not None:
        run["pose groups"] = [[int(pose) for pose in group] for group in pose_groups]
    if weighting is None:
        if pose_groups is not None:
            raise ValueError(
                "The config has one weight a task, but p-CNN has two losses of identity: pass a "
                f"weighting of {', '.join(model.losses)}."
            )
        weighting = FixedWeights(dict(zip(config.tasks, config.weights, strict=True)))
    else:
        weighted = tuple(getattr(weighting, "tasks", model.losses))
        if weighted != model.losses:
            raise ValueError(
                f"Expected weights of {', '.join(model.losses)}, in the order of the losses, found "
                f"{', '.join(weighted)}."
            )
        run |= {"weighting": repr(weighting), "weighting rate": weighting_rate}
    weighting = weighting.to(device).train()
    optimizer = make_optimizer(model, config, weighting, weighting_rate)
    average = WeightAverage(model, config.average_decay) if config.average_decay else None
    named = [*model.losses, "feature_l2"] if config.feature_l2 else list(model.losses)
    names = [f"loss/{name}" for name in named] + [f"weight/{name}" for name in model.losses]
    curves = _Curves(names, every=math.ceil(config.steps / _CURVE_POINTS))
    first, seconds_before = 0, 0.0

    if checkpoint is not None and checkpoint.exists():
        saved = read_checkpoint(checkpoint, run)
        model.load_state_dict(saved["model"])
        weighting.load_state_dict(saved["weighting"])
        optimizer.load_state_dict(saved["optimizer"])
        if average is not None:
            average.model.load_state_dict(saved["averaged"])
            average.updates = saved["average_updates"]
        curves.columns, curves.total = saved["curves"], saved["curve_total"]
        curves.steps = saved["curve_steps"]
        first, seconds_before = saved["step"], saved["seconds"]

    pending: list[tuple[int, float, Tensor]] = []

    def settle(last: bool) -> None:
        """Check and note the losses that have come in; on a GPU this waits for them."""
        if not pending:
            return
        values = torch.stack([losses for _, _, losses in pending]).tolist()  # (steps, T)
        for (step, rate, _), row in zip(pending, values, strict=True):
            _check_finite(named, row[: len(named)], step, rate)
            curves.add(step, row, rate, last=last and step == config.steps)
        pending.clear()

    def save(step: int) -> None:
        assert checkpoint is not None
        write_checkpoint(
            checkpoint,
            run,
            {
                "step": step,
                "model": model.state_dict(),
                "weighting": weighting.state_dict(),
                "averaged": average.model.state_dict() if average else None,
                "average_updates": average.updates if average else 0,
                "optimizer": optimizer.state_dict(),
                "curves": curves.columns,
                "curve_total": curves.total,
                "curve_steps": curves.steps,
                "seconds": seconds_before + time.perf_counter() - started,
            },
        )

    settle_every = 1 if device.type == "cpu" else curves.every
    started = time.perf_counter()
    with (
        _dropout_streams(device),
        tqdm(total=config.steps, initial=first, disable=not progress, unit="step") as bar,
        contextlib.closing(source.batches(first, config.steps)) as batches,
    ):
        for step, (pixels, labels) in enumerate(batches, start=first):
            rate = learning_rate_at(step, config)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["scale"]
            _seed_dropout(stream_seed(config.seed, "dropout", step), device)
            with torch.autocast(device.type, torch.bfloat16, enabled=amp):
                out = _ask(model, pixels, labels)
            losses = task_losses(out.logits, labels, config.label_smoothing)  # (T,)
            if device.type == "cpu":  # elsewhere it would wait; settle() looks there
                _check_finite(model.losses, losses.tolist(), step + 1, rate)
            if isinstance(weighting, DynamicWeights):
                weighting.observe(out.features)
            total = weighting(losses)
            weights = _weights_now(weighting, total, losses)  # (T,)
            seen = [losses.detach(), weights]
            if config.feature_l2:
                penalty = feature_l2(out.features)
                total = total + config.feature_l2 * penalty
                seen.insert(1, penalty.detach().unsqueeze(0))
            optimizer.zero_grad(set_to_none=True)
            total.backward()
            if config.clip_norm:
                nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimizer.step()
            if average is not None:
                average.update()

            done = step + 1
            pending.append((done, rate, torch.cat(seen)))  # (T [+ 1] + T,)
            save_now = checkpoint is not None and (
                done % checkpoint_every == 0 or done == config.steps
            )
            if len(pending) >= settle_every or save_now or done == config.steps:
                settle(last=True)
            if on_step is not None:
                followed = average.model if average else None
                on_step(StepState(done, model, losses.detach(), rate, followed))
            if save_now:
                save(done)
            bar.update()
    seconds = seconds_before + time.perf_counter() - started

    for network in (model, average.model if average else None):
        if network is not None and config.statistics_batches:
            order = BatchOrder(len(source.index), config.batch, config.seed, "statistics")
            fresh = BatchSource(source.images, source.index, source.labels, order, device)
            inputs = (pixels for pixels, _ in fresh.batches(0, config.statistics_batches))
            reestimate_statistics(network, inputs, amp=amp)
    return FitResult(
        model.eval(), average.model.eval() if average else None, curves.arrays(), seconds, amp
    )


def _ask(model: MultiTaskCNN, pixels: Tensor, labels: dict[str, Tensor]) -> MultiTaskOutput:
    """Ask a network about a training batch; p-CNN is told the poses, and its loss is added."""
    if not isinstance(model, PoseDirectedCNN):
        return model(pixels)
    pose = labels[POSE_TASK]
    labels[BRANCH_TASK] = labels["id"].where(pose != UNLABELLED, UNLABELLED)
    return model(pixels, pose=pose)


def _weights_now(weighting: nn.Module, total: Tensor, losses: Tensor) -> Tensor:
    """Return the weights that a weighting shows, or, if it shows none, d total / d losses: (T,)."""
    shown = getattr(weighting, "weights", None)
    if isinstance(shown, Tensor):
        return shown
    return torch.autograd.grad(total, losses, retain_graph=True)[0]


def _check_finite(names: Sequence[str], values: Sequence[float], step: int, rate: float) -> None:
    for name, value in zip(names, values, strict=True):
        if not math.isfinite(value):
            raise TrainingError(
                f"Expected a finite loss, found {value} for {name!r} at step {step} (learning "
                f"rate {rate:.3g}): lower the learning rate or lengthen the warm-up."
            )


def _make_source(
    corpus: Corpus,
    config: TrainConfig,
    classes: Mapping[str, int],
    index: ArrayLike | None,
    device: torch.device,
) -> BatchSource:
    chosen = np.asarray(corpus.split("train") if index is None else index, dtype=np.int64)
    order = BatchOrder(len(chosen), config.batch, config.seed)
    given = corpus.labels(chosen)
    labels: dict[str, Tensor] = {}
    for task in config.tasks:
        values = np.asarray(given[task], dtype=np.int64)
        if values.min() < UNLABELLED or values.max() >= classes[task]:
            raise ValueError(
                f"Expected labels of task {task!r} in 0 .. {classes[task] - 1}, or {UNLABELLED} "
                f"for none, found {values.min()} .. {values.max()}: train on images of the "
                "training split."
            )
        labels[task] = torch.from_numpy(values)
    return BatchSource(corpus.images, chosen, labels, order, device)


@contextlib.contextmanager
def _dropout_streams(device: torch.device) -> Iterator[None]:
    """Lend the global generators to dropout, and give them back as they were."""
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


def _seed_dropout(seed: int, device: torch.device) -> None:
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
