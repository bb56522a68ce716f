"""One task or many? The arms of Table II of Yin & Liu (2018) that have fixed weights.

Each arm is trained on the same identities with the same batches; seeds are paired. Two choices are
made on validation identities, which no network is trained on: phi_s, the total weight of the side
tasks, and the factor of the penalty on x in "id+L2". What was chosen stands in :data:`CHOSEN`, and
a test compares it with what the stored runs say.

The question can be asked of a real set too (:func:`on`): one with a gallery and with labels of
pose, illumination or expression, such as Multi-PIE.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mtl_helpers.evaluation import identification_report
from mtl_helpers.faces.pie import PieCorpus, PieSpec, load_pie
from mtl_helpers.presets import Preset, pick_device
from mtl_helpers.results import Record, seed_values
from mtl_helpers.sweep import Experiment, Outcome
from mtl_helpers.training import TrainConfig, fit

if TYPE_CHECKING:
    from mtl_helpers.datasets.schema import FaceCorpus, RealSpec

__all__ = [
    "CHOSEN",
    "EXPERIMENT",
    "L2_GRID",
    "PHI_GRID",
    "SIDE_TASKS",
    "OneOrManyConfig",
    "choice_at",
    "choose",
    "configs",
    "load_corpus",
    "on",
    "summary",
]

SIDE_TASKS = ("pos", "illum", "exp")
PHI_GRID = (0.03, 0.1, 0.3, 1.0, 3.0)
L2_GRID = (1e-3, 1e-2, 1e-1)
SEEDS = 3
"""How many of a preset's seeds are used."""


@dataclass(frozen=True)
class Choice:
    """What the validation identities chose at a preset."""

    phi_s: float
    feature_l2: float


# The smoke preset is too small to choose anything; it takes the paper's phi_s.
CHOSEN: Mapping[str, Choice] = {
    "smoke": Choice(phi_s=0.1, feature_l2=1e-3),
    "laptop": Choice(phi_s=1.0, feature_l2=1e-2),
    "gpu": Choice(phi_s=0.1, feature_l2=1e-3),
}


# On a real set nothing has been chosen: the paper's phi_s, and the smallest factor of the grid.
PUBLISHED = Choice(phi_s=0.1, feature_l2=1e-3)


def choice_at(place: str) -> Choice:
    """Return what was chosen at a preset, or the paper's choice on a real set.

    Parameters
    ----------
    place
        What records call the preset: ``"laptop"``, or ``"laptop-multipie"``.
    """
    return CHOSEN.get(place, PUBLISHED)


@dataclass(frozen=True)
class OneOrManyConfig:
    """One training run: an arm, a seed, the corpus and the training.

    Parameters
    ----------
    arm
        ``"id"``, ``"pos"``, ``"illum"``, ``"exp"`` (one task each), ``"id+pos"``, ``"id+illum"``,
        ``"id+exp"``, ``"id+all"`` (with ``-phi0.1`` and the like), ``"id+L2"`` (with ``-0.001``).
    seed
        Of first weights, batches and dropout.
    phi_s
        Total weight of the side tasks; 0 where there is none or no main task.
    corpus, train
        What was rendered, or which real set was read, and how the network was trained.
    """

    arm: str
    seed: int
    phi_s: float
    corpus: PieSpec | RealSpec
    train: TrainConfig


def arm_name(tasks: Sequence[str], phi_s: float = 0.0, feature_l2: float = 0.0) -> str:
    """Return the name under which an arm's runs are stored.

    Examples
    --------
    >>> arm_name(("id", "pos", "illum", "exp"), phi_s=0.3)
    'id+all-phi0.3'
    >>> arm_name(("id",), feature_l2=1e-3)
    'id+L2-0.001'
    """
    if feature_l2:
        return f"id+L2-{feature_l2:g}"
    if len(tasks) == 1:
        return tasks[0]
    side = "all" if tuple(tasks[1:]) == SIDE_TASKS else "+".join(tasks[1:])
    return f"id+{side}-phi{phi_s:g}"


def _config(
    preset: Preset,
    corpus: PieSpec | RealSpec,
    seed: int,
    tasks: tuple[str, ...],
    phi_s: float = 0.0,
    feature_l2: float = 0.0,
) -> OneOrManyConfig:
    side = len(tasks) - 1
    weights = (1.0, *(phi_s / side,) * side) if side else (1.0,)
    return OneOrManyConfig(
        arm=arm_name(tasks, phi_s, feature_l2),
        seed=seed,
        phi_s=phi_s,
        corpus=corpus,
        train=TrainConfig.from_preset(preset, tasks, weights, feature_l2=feature_l2, seed=seed),
    )


def configs(preset: Preset, data: RealSpec | None = None) -> list[OneOrManyConfig]:
    """Return every run of the experiment, those that later choices depend on first.

    Parameters
    ----------
    preset
        Sizes and schedule.
    data
        A real set instead of the rendered corpus; its side tasks are those of ``SIDE_TASKS`` for
        which it has at least two classes.
    """
    if data is None:
        corpus: PieSpec | RealSpec = PieSpec.from_preset(preset)
        chosen, side = CHOSEN[preset.name], list(SIDE_TASKS)
    else:
        corpus, chosen = data, PUBLISHED
        side = [task for task in SIDE_TASKS if task in data.tasks]
    config = functools.partial(_config, preset, corpus)
    seeds = preset.seeds[:SEEDS]
    runs: list[OneOrManyConfig] = []
    for seed in seeds:
        runs.append(config(seed, ("id",)))
        runs += [config(seed, ("id", *side), phi_s=phi) for phi in PHI_GRID]
    for seed in seeds:
        runs += [config(seed, ("id",), feature_l2=factor) for factor in L2_GRID]
    for seed in seeds:
        runs += [config(seed, (task,)) for task in side]
    for seed in seeds:
        runs += [config(seed, ("id", task), phi_s=chosen.phi_s) for task in side]
    # with a single side task, "that task" and "all of them" are the same run
    return list(dict.fromkeys(runs))


def run(config: OneOrManyConfig) -> Outcome:
    """Train one arm and identify the faces of the validation and the test identities.

    Settings of real sets without validation identities are reported on test identities alone.
    """
    corpus = _open(config.corpus, progress=False)
    splits = ["validation", "test"]
    if not isinstance(corpus, PieCorpus):
        splits = [split for split in splits if split in corpus.table.galleries]
    device = pick_device()
    result = fit(corpus, config.train, device=device, progress=False)
    metrics: dict[str, Any] = {
        split: identification_report(corpus, split, result.final, device=device, amp=result.amp)
        for split in splits
    }
    metrics["training_seconds"] = result.seconds
    metrics["amp"] = result.amp
    curves = {name: values.tolist() for name, values in result.curves.items()}
    return Outcome(metrics=metrics, curves=curves, arrays={})


def _open(spec: PieSpec | RealSpec, *, progress: bool) -> PieCorpus | FaceCorpus:
    if isinstance(spec, PieSpec):
        return load_pie(spec, progress=progress)
    # imported where it is used: runs on the rendered corpus need no adapters
    from mtl_helpers.datasets import open_real

    return open_real(spec, progress=progress)


def load_corpus(preset: Preset) -> PieCorpus | FaceCorpus:
    """Return the corpus of the experiment: a preset's, or the real set that ``MTL_DATA`` chooses.

    Raises
    ------
    DatasetError
        If the real set is missing or malformed.
    CacheError
        If the cache cannot be written or is damaged.
    """
    from mtl_helpers.datasets import chosen_data

    data = chosen_data(preset.side, preset.channels)
    return _open(PieSpec.from_preset(preset) if data is None else data, progress=True)


def prepare(preset: Preset, data: RealSpec | None = None) -> None:
    """Render or decode the corpus before the workers start, so that none of them waits for it."""
    _open(PieSpec.from_preset(preset) if data is None else data, progress=True)


def on(data: RealSpec) -> Experiment:
    """Return the experiment on a real set.

    Raises
    ------
    ValueError
        If the set has none of the side tasks.
    """
    if not set(SIDE_TASKS) & set(data.tasks):
        raise ValueError(
            f"The experiment 'one_or_many' needs a set with labels of {', '.join(SIDE_TASKS)}, but "
            f"{data.name} has only: {', '.join(data.tasks)}; choose multipie."
        )
    return Experiment(
        name=EXPERIMENT.name,
        configs=functools.partial(configs, data=data),
        run=run,
        prepare=functools.partial(prepare, data=data),
        data=data,
    )


EXPERIMENT = Experiment(name="one_or_many", configs=configs, run=run, prepare=prepare, on=on)


def summary(records: Sequence[Record], arms: Mapping[str, str]) -> pd.DataFrame:
    """Return Table II of the paper for these runs: a row an arm, in per cent.

    Parameters
    ----------
    records
        The experiment's runs at one preset.
    arms
        Stored arm by the name that the row shall have.

    Returns
    -------
    DataFrame
        Mean over seeds of rank-1 of y_d for ``right``, ``frontal``, ``left`` and ``all`` test
        probes, the ``spread`` of the last (sample standard deviation over seeds), and the mean
        class accuracy of ``pos``, ``illum`` and ``exp``; empty where the arm lacks the task.
    """
    rows = {}
    for name, arm in arms.items():
        runs = [record for record in records if record.arm == arm]
        row: dict[str, float] = {}
        if "id" in runs[0].config["train"]["tasks"]:
            rank1 = [record.metric("test.rank1.y_d") for record in runs]
            for group in ("right", "frontal", "left"):
                row[group] = float(np.mean([r["by_group"][group] for r in rank1]))
            row["all"] = float(np.mean([r["overall"] for r in rank1]))
            row["spread"] = float(np.std([r["overall"] for r in rank1], ddof=1))
        for task in SIDE_TASKS:
            if task in runs[0].config["train"]["tasks"]:
                row[task] = float(np.mean([r.metric(f"test.side.{task}") for r in runs]))
        rows[name] = {column: 100 * value for column, value in row.items()}
    columns = ["right", "frontal", "left", "all", "spread", *SIDE_TASKS]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def choose(records: Sequence[Record]) -> Choice:
    """Return the phi_s and the L2 factor with the best mean validation rank-1.

    Parameters
    ----------
    records
        The experiment's runs at one preset, all seeds.
    """

    def mean(arm: str) -> float:
        return float(seed_values(records, arm, "validation.rank1.y_d.overall")[1].mean())

    return Choice(
        phi_s=max(PHI_GRID, key=lambda phi: mean(arm_name(("id", *SIDE_TASKS), phi_s=phi))),
        feature_l2=max(L2_GRID, key=lambda factor: mean(arm_name(("id",), feature_l2=factor))),
    )
