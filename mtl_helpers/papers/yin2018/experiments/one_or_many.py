"""One task or many? The rows of Table II of Yin & Liu (2018), and what was chosen for them.

Each arm is trained on the same identities with the same batches; seeds are paired. Two choices are
made on validation identities, which no network is trained on: phi_s, the total weight of the side
tasks, and the factor of the penalty on x in "id+L2". What was chosen stands in
:mod:`mtl_helpers.papers.yin2018.experiments.choices`. Beside the penalty stands a control that the
paper lacks: label smoothing, with and without side tasks.

Of the table's networks, s-CNN and those with all side tasks are trained by
:mod:`mtl_helpers.papers.yin2018.experiments.weighting_rules`, and p-CNN by
:mod:`mtl_helpers.papers.yin2018.experiments.pose_branches`, where more is asked of them; this
experiment adds the others, and :func:`compared_runs` brings all together.

The question can be asked of a real set too (:func:`on`): one with a gallery and with labels of
pose, illumination or expression, such as Multi-PIE. There this experiment trains the whole table,
but for learned weights and branches.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mtl_helpers.faces.corpora.pie import PieCorpus, PieSpec, load_pie
from mtl_helpers.papers.yin2018.experiments import pose_branches, weighting_rules
from mtl_helpers.papers.yin2018.experiments.choices import (
    CHOSEN,
    L2_GRID,
    L2_SEEDS,
    PHI_GRID,
    PUBLISHED,
    Choice,
)
from mtl_helpers.papers.yin2018.experiments.networks import (
    ALL_TASKS,
    SIDE_TASKS,
    NetworkConfig,
    measured,
    network_config,
    some_probes,
    train_on,
)
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.runs.query import select, values
from mtl_helpers.runs.record import Record
from mtl_helpers.runs.sweep import on_chosen_data, stored_or_rerun

if TYPE_CHECKING:
    from mtl_helpers.datasets import FaceCorpus, RealSpec

__all__ = [
    "EXPERIMENT",
    "SMOOTHING",
    "S_CNN",
    "arm_name",
    "choose",
    "compared_runs",
    "configs",
    "fitted_peak",
    "load_corpus",
    "nearest_phi",
    "on",
    "summary",
]

VALIDATION = "validation.rank1.y_d.overall"
"""What choices go by."""

SMOOTHING = 0.1
"""Label smoothing of the control: the share of each target that is spread over all people."""

SHARE_SEEDS = 3
"""How many of a preset's seeds train one side task with its share of phi_s: it decides nothing."""

S_CNN = weighting_rules.arm_name("fixed", 0.0)
"""The arm with identity alone: without weight, side heads change nothing."""


def arm_name(
    tasks: Sequence[str], phi_s: float = 0.0, feature_l2: float = 0.0, smoothing: float = 0.0
) -> str:
    """Return the name under which an arm's runs are stored, by whichever experiment.

    Tasks are in the order of ``("id", *SIDE_TASKS)``; the penalty is for identity alone.

    >>> arm_name(("id",)), arm_name(("id",), feature_l2=1e-3), arm_name(("pos",))
    ('fixed-phi0', 'id+L2-0.001', 'pos')
    >>> arm_name(("id", "pos", "illum", "exp"), phi_s=0.3), arm_name(("id", "pos"), phi_s=0.3)
    ('fixed-phi0.3', 'id+pos-phi0.3')
    >>> arm_name(("id",), smoothing=0.1)
    'fixed-phi0-smooth0.1'
    """
    if smoothing:
        return f"{arm_name(tasks, phi_s)}-smooth{smoothing:g}"
    if feature_l2:
        return f"id+L2-{feature_l2:g}"
    if tuple(tasks) == ("id",):
        return S_CNN
    if tuple(tasks) == ("id", *SIDE_TASKS):
        return weighting_rules.arm_name("fixed", phi_s)
    if len(tasks) == 1:
        return tasks[0]
    return f"{'+'.join(tasks)}-phi{phi_s:.3g}"


def _config(
    preset: Preset,
    corpus: PieSpec | RealSpec,
    seed: int,
    tasks: tuple[str, ...],
    phi_s: float = 0.0,
    feature_l2: float = 0.0,
    smoothing: float = 0.0,
) -> NetworkConfig:
    # a side task alone is learnt long before people are
    steps = preset.steps if "id" in tasks else max(1, preset.steps // 3)
    return network_config(
        preset,
        arm_name(tasks, phi_s, feature_l2, smoothing),
        seed,
        phi_s=phi_s,
        corpus=corpus,
        tasks=tasks,
        feature_l2=feature_l2,
        label_smoothing=smoothing,
        steps=steps,
        warmup_steps=min(preset.warmup_steps, steps // 2),
        gallery=preset.gallery if isinstance(corpus, PieSpec) else None,
    )


def configs(preset: Preset, data: RealSpec | None = None) -> list[NetworkConfig]:
    """Return every run of the experiment, the main comparisons first.

    ``data`` is a real set instead of the rendered corpus; its side tasks are those of
    ``SIDE_TASKS`` for which it has at least two classes.
    """
    if data is None:
        corpus: PieSpec | RealSpec = PieSpec.from_preset(preset)
        choice, side = CHOSEN[preset.name], list(SIDE_TASKS)
    else:
        corpus, choice = data, PUBLISHED
        side = [task for task in SIDE_TASKS if task in data.tasks]
    config = functools.partial(_config, preset, corpus)
    runs: list[NetworkConfig] = []
    for seed in preset.seeds:
        if data is not None:
            runs.append(config(seed, ("id",)))
            runs.append(config(seed, ("id", *side), phi_s=choice.phi_s))
        runs += [config(seed, ("id", task), phi_s=choice.phi_s) for task in side]
    # each side task with the weight that it has among the others
    for task in side:
        runs += [
            config(seed, ("id", task), phi_s=choice.phi_s / len(side))
            for seed in preset.seeds[:SHARE_SEEDS]
        ]
    if data is not None:
        runs += [
            config(seed, ("id", *side), phi_s=phi) for seed in preset.seeds for phi in PHI_GRID
        ]
    for seed in preset.seeds:
        runs += [
            config(seed, ("id",), smoothing=SMOOTHING),
            config(seed, ("id", *side), phi_s=choice.phi_s, smoothing=SMOOTHING),
        ]
    for seed in preset.seeds[:L2_SEEDS]:
        runs += [config(seed, ("id",), feature_l2=factor) for factor in L2_GRID]
    runs += [config(seed, ("id",), feature_l2=choice.feature_l2) for seed in preset.seeds]
    for seed in preset.seeds:
        runs += [config(seed, (task,)) for task in side]
    # with a single side task, "that task" and "all of them" are the same run
    return list(dict.fromkeys(runs))


def run(config: NetworkConfig) -> Outcome:
    """Train one arm and identify faces of the validation and the test identities.

    Settings of real sets without validation identities are reported on test identities alone.
    Of the rendered corpus only some probes are asked about.
    """
    corpus = _open(config.corpus, progress=False)
    splits = ("validation", "test")
    if isinstance(corpus, PieCorpus):
        probes = {split: some_probes(corpus, split) for split in splits}
    else:
        enrolled = [split for split in splits if split in corpus.table.galleries]
        probes = {split: corpus.probes(split) for split in enrolled}
    result = train_on(corpus, config)
    return measured(result, corpus, probes, config.gallery)


def _open(spec: PieSpec | RealSpec, *, progress: bool) -> PieCorpus | FaceCorpus:
    if isinstance(spec, PieSpec):
        return load_pie(spec, progress=progress)
    # imported where it is used: runs on the rendered corpus need no adapters
    from mtl_helpers.datasets import open_real

    return open_real(spec, progress=progress)


def load_corpus(preset: Preset) -> PieCorpus | FaceCorpus:
    """Return a preset's corpus, or the real set that ``MTL_DATA`` chooses."""
    from mtl_helpers.datasets import chosen_data

    data = chosen_data(preset.side, preset.channels)
    return _open(PieSpec.from_preset(preset) if data is None else data, progress=True)


def prepare(preset: Preset, data: RealSpec | None = None) -> None:
    """Render or decode the corpus before the workers start, so that none of them waits for it."""
    _open(PieSpec.from_preset(preset) if data is None else data, progress=True)


def on(data: RealSpec) -> Experiment:
    """Return the experiment on a real set."""
    if not set(SIDE_TASKS) & set(data.tasks):
        raise ValueError(
            f"The experiment 'one_or_many' needs a set with labels of {', '.join(SIDE_TASKS)}, but "
            f"{data.name} has only: {', '.join(data.tasks)}; choose multipie."
        )
    return EXPERIMENT.asked_of(data, configs, prepare)


EXPERIMENT = Experiment(
    paper="yin2018",
    name="one_or_many",
    configs=configs,
    run=run,
    prepare=prepare,
    on=on,
)


def compared_runs(preset: Preset) -> list[Record]:
    """Return the stored runs of Table II, whichever experiment trained them, or train them.

    On a real set that ``MTL_DATA`` chooses, they are those of this experiment alone.
    """
    experiment = on_chosen_data(EXPERIMENT, preset)
    records = stored_or_rerun(experiment, preset)
    if experiment.data is None:
        for other in (weighting_rules.EXPERIMENT, pose_branches.EXPERIMENT):
            records = [*records, *stored_or_rerun(other, preset)]
    return records


def summary(records: Sequence[Record], arms: Mapping[str, str]) -> pd.DataFrame:
    """Return Table II of the paper for stored runs of one preset: a row per arm, in per cent.

    ``arms`` gives the stored arm by the name of its row. The columns: rank-1 for ``left``,
    ``frontal``, ``right`` and ``all`` test probes, by y_d or, for p-CNN, by stochastic routing,
    mean over seeds; the ``spread`` of the last (sample standard deviation over seeds); the mean
    class accuracy of ``pos``, ``illum`` and ``exp``, empty where the arm lacks the task; ``seeds``.
    """
    rows = {}
    for name, arm in arms.items():
        runs = [record for record in records if record.arm == arm]
        config = runs[0].config
        tasks = config.get("tasks", ALL_TASKS)
        row: dict[str, float] = {}
        if "id" in tasks:
            matched = "routing.clean.stochastic" if config.get("phi_m") else "test.rank1.y_d"
            rank1 = [record.metric(matched) for record in runs]
            for group in ("left", "frontal", "right"):
                row[group] = 100 * float(np.mean([r["by_group"][group] for r in rank1]))
            row["all"] = 100 * float(np.mean([r["overall"] for r in rank1]))
            row["spread"] = 100 * float(np.std([r["overall"] for r in rank1], ddof=1))
        for task in tasks:
            if task != "id" and (config.get("phi_s") or len(tasks) == 1):
                row[task] = 100 * float(values(runs, f"test.side.{task}").mean())
        rows[name] = row | {"seeds": len(runs)}
    columns = ["left", "frontal", "right", "all", "spread", *SIDE_TASKS, "seeds"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def fitted_peak(rank1: Mapping[float, float]) -> float:
    """Return where a parabola in log phi_s, fitted to mean rank-1 by phi_s, has its peak.

    A peak outside the values given is their nearest. A parabola that opens upwards has none; then
    it is the phi_s with the largest rank-1.
    """
    places = np.log(list(rank1))
    square, linear, _ = np.polyfit(places, list(rank1.values()), 2)
    if square >= 0:
        return max(rank1, key=lambda phi: rank1[phi])
    return float(np.exp(np.clip(-linear / (2 * square), places.min(), places.max())))


def nearest_phi(phi_s: float) -> float:
    """Return the value of the grid that is nearest on a logarithmic scale."""
    return min(PHI_GRID, key=lambda phi: abs(math.log(phi / phi_s)))


def choose(records: Sequence[Record]) -> Choice:
    """Return what validation identities choose at a preset.

    Of phi_s: the value of the grid that is nearest to the :func:`fitted_peak` of all seeds. On the
    laptop's runs it is the same in 99 % of resamplings of seeds and people; that of the best mean
    is in 45 %, the smallest within a standard error of it in 49 %. Of the penalty's factor: the one
    with the best mean over the first
    :data:`~mtl_helpers.papers.yin2018.experiments.choices.L2_SEEDS` seeds.
    """
    networks = select(records, rule="fixed", phi_m=None, label_smoothing=0.0)

    def mean(seeds: int | None = None, **fields: Any) -> float:
        return float(values(select(networks, **fields), VALIDATION)[:seeds].mean())

    searched = {phi: mean(tasks=ALL_TASKS, phi_s=phi, feature_l2=0.0) for phi in PHI_GRID}
    return Choice(
        phi_s=nearest_phi(fitted_peak(searched)),
        feature_l2=max(
            L2_GRID, key=lambda factor: mean(L2_SEEDS, tasks=("id",), feature_l2=factor)
        ),
    )
