"""The training loop: it knows no paper.

Everything random is drawn from streams that depend on the seed and the step alone: the order of
the batches and the dropout masks. Two arms of an experiment with the same seed therefore see the
same batches, and a run that was interrupted goes on as if it had not been.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from tqdm.auto import tqdm

from mtl_helpers.distributed import place_in_group
from mtl_helpers.errors import CourseError
from mtl_helpers.machine import keep_freed_memory
from mtl_helpers.streams import stream_seed
from mtl_helpers.training.averaging import WeightAverage
from mtl_helpers.training.batches import Batches, BatchOrder
from mtl_helpers.training.checkpoints import read_checkpoint, write_checkpoint
from mtl_helpers.training.curves import Curves
from mtl_helpers.training.method import Method, Terms
from mtl_helpers.training.plan import Plan, bfloat16_pays

__all__ = ["StepState", "Trained", "TrainingError", "train"]


class TrainingError(CourseError):
    """Training could not go on: a loss or a weight is no finite number."""


@dataclass(frozen=True)
class StepState:
    """What ``on_step`` is told after each update: look, do not change.

    ``step`` counts the updates that are done, 1 after the first.
    """

    step: int
    method: Method
    terms: Terms
    learning_rate: float
    averaged: nn.Module | None = None


@dataclass
class Trained:
    """A trained method, in evaluation mode, and how it came about.

    Attributes
    ----------
    curves : dict of str to ndarray
        ``"step"``, ``"learning_rate"`` and the terms that the method reports, each a mean over
        the steps since the point before. A term ``NAME`` that does not come with every point has
        its own ``"NAME/step"``.
    seconds : float
        Wall time of the steps, those before an interruption included.
    passes : float
        How often each image was seen, on average.
    """

    method: Method
    averaged: nn.Module | None
    curves: dict[str, NDArray[np.float64]]
    seconds: float
    bfloat16: bool
    batches: Batches
    passes: float

    @property
    def final(self) -> Any:
        """The network to evaluate: the averaged one if there is one."""
        return self.method.network() if self.averaged is None else self.averaged

    def summary(self) -> dict[str, Any]:
        """Return what happened, for a record: see :mod:`mtl_helpers.runs`.

        ``"losses"`` and ``"weights"`` are means over the last tenth of the steps, by name; the
        weights are those by which each loss's gradient was really multiplied.
        """

        def last(prefix: str) -> dict[str, float]:
            return {
                name.removeprefix(prefix): float(values[-max(1, len(values) // 10) :].mean())
                for name, values in self.curves.items()
                if name.startswith(prefix) and not name.endswith("/step")
            }

        return {
            "losses": last("loss/"),
            "weights": last("applied/"),
            "images": len(self.batches.index),
            "passes": self.passes,
            "seconds": self.seconds,
            "bfloat16": self.bfloat16,
            "processes": place_in_group()[1],
        }


def train(
    method: Method,
    batches: Batches,
    plan: Plan,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
    checkpoint: Path | None = None,
    checkpoint_every: int = 500,
    on_step: Callable[[StepState], None] | None = None,
) -> Trained:
    """Train a method.

    Parameters
    ----------
    method
        Is moved to the device and trained in place.
    checkpoint
        File to write to every ``checkpoint_every`` steps and at the end. If it exists already,
        the run continues from it, with the same result as without the interruption.
    on_step
        Called after every update.

    Raises
    ------
    TrainingError
        If a loss, or a weight at a checkpoint or at the end, is not finite.
    """
    device = torch.device(device)
    keep_freed_memory()
    _require_own_parameters(method)
    if checkpoint_every < 1:
        raise ValueError(f"checkpoint_every must be at least 1, found {checkpoint_every}.")
    move(method, device)
    method.train()
    method.use_bfloat16 = bfloat16_pays(device) if plan.bfloat16 is None else plan.bfloat16
    average = WeightAverage(method.network(), plan.average_decay) if plan.average_decay else None
    curves = Curves(plan.steps)
    run = _run_description(method, batches, plan) if checkpoint else {}
    first, seconds_before = 0, 0.0
    if checkpoint is not None and checkpoint.exists():
        state = read_checkpoint(checkpoint, run)
        method.load_state_dict(state["method"])
        for name, optimizer in method.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        if average is not None:
            average.network.load_state_dict(state["averaged"])
            average.updates = state["average_updates"]
        curves.restore(state["curves"])
        first, seconds_before = state["step"], state["seconds"]

    # Reading a number off a GPU waits for it, so there it is done once per window.
    flush_every = 1 if device.type == "cpu" else curves.every
    pending: list[tuple[int, float, Terms]] = []

    def flush() -> None:
        if not pending:
            return
        # one transfer, though not every step need report the same terms
        everything = [value for *_, reported in pending for value in reported.values()]
        values = iter(torch.stack(everything).tolist() if everything else ())
        for step, rate, reported in pending:
            terms = {name: next(values) for name in reported}
            _require_finite_losses(terms, step, rate)
            curves.add(step, rate, terms, last=step == plan.steps)
        pending.clear()

    started = time.perf_counter()
    with (
        _dropout_streams(device),
        tqdm(total=plan.steps, initial=first, disable=not progress, unit="step") as bar,
    ):
        for step, batch in enumerate(batches.between(first, plan.steps, device), start=first):
            rate = plan.rate(step)
            for optimizer in method.optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = rate * group.get("scale", 1.0)
            _seed_dropout(plan.seed, step, device)
            terms = _checked(method.step(batch, step))
            if average is not None:
                average.update()
            done = step + 1
            pending.append((done, rate, terms))
            epoch = batches.order.epochs_after(step)
            if epoch > batches.order.epochs_after(step - 1):
                reported = method.between(epoch)
                curves.add_event(done, {name: float(value) for name, value in reported.items()})
            save = checkpoint is not None and (done % checkpoint_every == 0 or done == plan.steps)
            if len(pending) >= flush_every or save or done == plan.steps:
                flush()
            if save or done == plan.steps:
                # the losses of a step are those before its update, which may have spoilt it
                for module in (method, average.network if average else None):
                    _require_finite_weights(module, done, rate)
            if on_step is not None:
                on_step(StepState(done, method, terms, rate, average.network if average else None))
            if save and checkpoint is not None and place_in_group()[0] == 0:
                seconds = seconds_before + time.perf_counter() - started
                write_checkpoint(checkpoint, run, _state(method, average, curves, done, seconds))
            bar.update()
    seconds = seconds_before + time.perf_counter() - started

    for network in (method.network(), average.network if average else None):
        if network is not None and plan.statistics_batches:
            _renew_statistics(network, batches, plan, device, bfloat16=method.use_bfloat16)
            # what large weights make of pictures shows in the statistics first
            _require_finite_weights(network, plan.steps, plan.rate(plan.steps - 1))
    return Trained(
        method.eval(),
        average.network.eval() if average else None,
        curves.arrays(),
        seconds,
        method.use_bfloat16,
        batches=batches,
        passes=plan.steps * plan.batch / len(batches.index),
    )


def move(method: Method, device: torch.device) -> None:
    """Move a method and what its optimisers remember to a device."""
    method.to(device)
    for optimizer in method.optimizers.values():
        # loading a state casts it to the device of its parameters
        optimizer.load_state_dict(optimizer.state_dict())


def _state(
    method: Method, average: WeightAverage | None, curves: Curves, step: int, seconds: float
) -> dict[str, Any]:
    return {
        "step": step,
        "method": method.state_dict(),
        "optimizers": {name: o.state_dict() for name, o in method.optimizers.items()},
        "averaged": average.network.state_dict() if average else None,
        "average_updates": average.updates if average else 0,
        "curves": curves.state(),
        "seconds": seconds,
    }


def _run_description(method: Method, batches: Batches, plan: Plan) -> dict[str, Any]:
    """Return all that a resumed run must have in common with its beginning."""
    description = {**dataclasses.asdict(plan), "method": repr(method), **batches.describe()}
    # what is no module need not show in the representation
    description |= {
        f"method.{name}": value
        for name, value in vars(method).items()
        if name != "use_bfloat16" and isinstance(value, bool | int | float | str)
    }
    for name, optimizer in method.optimizers.items():
        common = {key: value for key, value in optimizer.defaults.items() if key != "lr"}
        description[f"optimizer {name}"] = type(optimizer).__name__
        description |= {f"{key} of {name}": _plain(value) for key, value in common.items()}
        description[f"groups of {name}"] = [
            {
                "shapes": [list(parameter.shape) for parameter in group["params"]],
                **{
                    key: _plain(value)
                    for key, value in group.items()
                    if key not in ("params", "lr") and (key not in common or common[key] != value)
                },
            }
            for group in optimizer.param_groups
        ]
    return description


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | None) else repr(value)


def _require_own_parameters(method: Method) -> None:
    own = {id(parameter): name for name, parameter in method.named_parameters()}
    network = method.network()
    if not isinstance(network, nn.Module) or any(id(p) not in own for p in network.parameters()):
        raise ValueError(
            "Expected network() to return a part of the method, found "
            f"{type(network).__name__} with parameters of its own: return what is trained, no copy."
        )
    holders: dict[int, str] = {}
    for holder, optimizer in method.optimizers.items():
        for parameter in (p for group in optimizer.param_groups for p in group["params"]):
            if id(parameter) not in own:
                raise ValueError(
                    f"Expected parameters of the method in its optimiser {holder!r}, found a "
                    f"tensor of shape {tuple(parameter.shape)} that is none: assign it, or its "
                    "module, to an attribute of the method."
                )
            if holders.setdefault(id(parameter), holder) != holder:
                raise ValueError(
                    f"Expected each parameter in one optimiser, found {own[id(parameter)]} in "
                    f"{holders[id(parameter)]!r} and {holder!r}."
                )


def _checked(terms: Terms) -> Terms:
    for name, value in terms.items() if isinstance(terms, dict) else [("all terms", terms)]:
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise TypeError(
                "Expected a method to report scalar tensors by name, found "
                f"{type(value).__name__} {tuple(getattr(value, 'shape', ()))} as {name!r}: return "
                "e.g. {'loss/id': loss.detach()}."
            )
    return terms


def _require_finite_losses(terms: Mapping[str, float], step: int, rate: float) -> None:
    for name, value in terms.items():
        if name.startswith("loss/") and not math.isfinite(value):
            raise TrainingError(
                f"Expected a finite loss, found {value} for {name.removeprefix('loss/')!r} at "
                f"step {step} (learning rate {rate:.3g}): lower the learning rate or lengthen the "
                "warm-up."
            )


def _require_finite_weights(module: nn.Module | None, step: int, rate: float) -> None:
    for name, value in module.state_dict().items() if module else ():
        # a weight of 1e30 is a number still, but what a layer makes of it is none
        squares = float(value.float().square().sum()) if value.is_floating_point() else 0.0
        if not math.isfinite(squares):
            raise TrainingError(
                f"Expected finite weights, found a sum of squares of {squares} in {name} after "
                f"step {step} (learning rate {rate:.3g}): lower the learning rate or lengthen the "
                "warm-up."
            )


def _renew_statistics(
    network: nn.Module, batches: Batches, plan: Plan, device: torch.device, *, bfloat16: bool
) -> None:
    """Take the statistics of batch normalisation anew, as plain means over some batches.

    The running ones look back about ten batches, and those of averaged weights belong to no
    network (stochastic weight averaging: Izmailov et al. 2018, Sec. 3.2).
    """
    order = BatchOrder(len(batches.index), plan.batch, plan.seed, "statistics")
    fresh = Batches(batches.images, batches.index, {}, order)
    inputs = (batch.images for batch in fresh.between(0, plan.statistics_batches, device))
    network.eval()
    with (
        _dropout_streams(device),  # update_bn lets dropout draw
        torch.autocast(device.type, torch.bfloat16, enabled=bfloat16),
    ):
        update_bn(inputs, network)
    network.eval()


@contextlib.contextmanager
def _dropout_streams(device: torch.device) -> Iterator[None]:
    """Lend the global generators to dropout, and give them back as they were."""
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


def _seed_dropout(seed: int, step: int, device: torch.device) -> None:
    rank, _ = place_in_group()
    stream = stream_seed(seed, "dropout" if rank == 0 else f"dropout {rank}", step)
    torch.default_generator.manual_seed(stream)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(stream)
