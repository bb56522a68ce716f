"""The claims of Yin & Liu (2018) as data, and how the effects of their parts are measured.

The smallest effect that matters is one point of rank-1 or accuracy: about half of the smallest gain
of a side-task network that the paper's text states (75.67 to 77.59). Where a claim
speaks of training over 20 epochs, a run must make at least a quarter of that, five passes over the
training data, so that all but the first fifth of it sees pictures that it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_helpers.faces.corpora.pie import PieSpec
from mtl_helpers.ledger.claim import (
    Claim,
    Effect,
    Measure,
    Part,
    Role,
    Runs,
    Window,
    ceiling,
    compare,
    over_pairs,
    over_runs,
)
from mtl_helpers.papers.yin2018.energy import separation, task_shares
from mtl_helpers.papers.yin2018.experiments import (
    by_sgd,
    one_or_many,
    pose_branches,
    side_task_gains,
    twenty_epochs,
    weighting_rules,
)
from mtl_helpers.papers.yin2018.experiments.choices import (
    L2_GRID,
    L2_SEEDS,
    PHI_GRID,
    choice_at,
)
from mtl_helpers.papers.yin2018.experiments.networks import ALL_TASKS, SIDE_TASKS
from mtl_helpers.papers.yin2018.experiments.one_or_many import SMOOTHING, fitted_peak
from mtl_helpers.papers.yin2018.experiments.pose_branches import (
    CONDITIONS,
    HEAVY,
    RELEASED_PHI,
    WRONG_SHARES,
    wrong_pose,
)
from mtl_helpers.papers.yin2018.experiments.weighting_rules import PAPER_PHI
from mtl_helpers.papers.yin2018.model import BRANCH_TASK
from mtl_helpers.papers.yin2018.words import TASK_WORDS
from mtl_helpers.presets import get_preset
from mtl_helpers.runs.query import select, values
from mtl_helpers.runs.record import Record

__all__ = ["CLAIMS", "RANK1", "ROUTED", "SIDE_NETWORKS", "network", "passes_of", "side_dimensions"]

CHAPTER = "../notebooks/02_one_task_or_many.ipynb"
WEIGHTS_CHAPTER = "../notebooks/03_weights_that_learn_themselves.ipynb"
ENERGY_CHAPTER = "../notebooks/04_where_the_energy_goes.ipynb"
BRANCH_CHAPTER = "../notebooks/05_one_branch_per_pose.ipynb"

RANK1 = Measure("test.rank1.y_d.overall", "people/test/y_d")
ROUTED = Measure("routing.clean.stochastic.overall", "people/clean/stochastic")
RULES = {"eq8": "Eq. 8", "released": "released"}
SIDE_NETWORKS = {f"id+{task}": ("id", task) for task in SIDE_TASKS} | {"id+all": ALL_TASKS}
"""Tasks of each m-CNN of Table II with fixed weights, by the name that it has there."""


# --- runs by field ------------------------------------------------------------------------------


def network(records: Runs, **fields: Any) -> list[Record]:
    """Return the runs of one network, in the order of their seeds.

    Without fields it is m-CNN with all side tasks under fixed weights at the chosen phi_s, trained
    on all people with true poses; each field changes one thing. s-CNN is ``phi_s=0``. The released
    layer trains *every* side task at its phi_s, so there the chosen one is a third.
    """
    wanted: dict[str, Any] = {
        "tasks": ALL_TASKS,
        "rule": "fixed",
        "phi_m": None,
        "people": None,
        "pose_noise": 0.0,
        "feature_l2": 0.0,
        "label_smoothing": 0.0,
        "experiment": lambda name: name != by_sgd.EXPERIMENT.name,
    } | fields
    if "phi_s" not in wanted:
        phi_s = choice_at(records[0].preset).phi_s
        wanted["phi_s"] = phi_s / len(SIDE_TASKS) if wanted["rule"] == "released" else phi_s
    return select(records, **wanted)


def s_cnn(records: Runs, **fields: Any) -> list[Record]:
    """Return the runs of s-CNN: without weight, side heads change nothing."""
    return network(records, phi_s=0.0, **fields)


def penalised(records: Runs) -> list[Record]:
    """Return the runs of id+L2 at the chosen factor of the penalty."""
    factor = choice_at(records[0].preset).feature_l2
    return network(records, tasks=("id",), phi_s=0.0, feature_l2=factor)


def passes_of(run: Record) -> float:
    """Return how many passes over its training pictures a run made."""
    return float(run.metric("training.passes"))


def _twenty_epochs(figure: str) -> Window:
    return Window(f"20 epochs ({figure})", passes=5.0, of=passes_of)


# --- effects of rank-1 --------------------------------------------------------------------------


def gain(records: Runs, tasks: tuple[str, ...], share: float = 1.0) -> Effect:
    """Rank-1 with side tasks minus that of s-CNN, at a share of the chosen phi_s."""
    phi_s = share * choice_at(records[0].preset).phi_s
    return compare(network(records, tasks=tasks, phi_s=phi_s), s_cnn(records), RANK1)


def gain_with_fewer_people(records: Runs, phi_s: float) -> Effect:
    """Rank-1 with all side tasks minus that of s-CNN, of a quarter of the people."""
    preset = get_preset(records[0].preset)
    people = round(side_task_gains.CELLS[0][0] * preset.train_identities)
    cell: dict[str, Any] = {"people": people, "plan.steps": preset.steps}
    return compare(
        network(records, phi_s=phi_s, **cell), network(records, phi_s=0.0, **cell), RANK1
    )


def gain_with_smoothing(records: Runs) -> Effect:
    """Rank-1 with all side tasks minus that of s-CNN, both with label smoothing."""
    both = {"label_smoothing": SMOOTHING}
    alone = network(records, tasks=("id",), phi_s=0.0, **both)
    return compare(network(records, **both), alone, RANK1)


def gain_of_smoothing(records: Runs) -> Effect:
    """Rank-1 of s-CNN with label smoothing minus that of s-CNN."""
    smooth = network(records, tasks=("id",), phi_s=0.0, label_smoothing=SMOOTHING)
    return compare(smooth, s_cnn(records), RANK1)


def gain_by_sgd(records: Runs, arm: str, base: str) -> Effect:
    """Rank-1 of one arm minus that of another, both trained by SGD for longer."""
    return compare(select(records, arm=arm), select(records, arm=base), RANK1)


PROFILE, FRONTAL = (
    Measure(f"test.rank1.y_d.by_view.{view}", f"people/test/y_d/{view}")
    for view in ("profile", "frontal")
)


def gain_on_profiles(records: Runs, tasks: tuple[str, ...], beyond_frontal: bool) -> Effect:
    """Gain in rank-1 on faces at 45 degrees and more, or its lead over the gain on frontal ones."""
    measure = replace(PROFILE, minus=FRONTAL) if beyond_frontal else PROFILE
    return compare(network(records, tasks=tasks), s_cnn(records), measure)


def easier(records: Runs, task: str, other: str) -> Effect:
    """Accuracy of one task minus that of another, each trained by itself."""
    mine, theirs = (network(records, tasks=(name,), phi_s=0.0) for name in (task, other))
    first, second = (
        Measure(f"test.side_accuracy.{name}", f"people/test/{name}") for name in (task, other)
    )
    return compare(mine, theirs, first, second)


def rule_gain(records: Runs, rule: str) -> Effect:
    """Rank-1 with learned weights minus that with fixed ones."""
    return compare(network(records, rule=rule), network(records), RANK1)


def single_task_lead(records: Runs, task: str) -> Effect:
    """Rank-1 with one side task minus that with all, both with fixed weights."""
    return compare(network(records, tasks=("id", task)), network(records), RANK1)


def penalty_gain(records: Runs) -> Effect:
    """Rank-1 of id+L2 minus that of s-CNN."""
    return compare(penalised(records), s_cnn(records), RANK1)


def lead_over_penalty(records: Runs, tasks: tuple[str, ...]) -> Effect:
    """Rank-1 with side tasks minus that of id+L2."""
    return compare(network(records, tasks=tasks), penalised(records), RANK1)


def branch_gain(records: Runs, rule: str, **fields: Any) -> Effect:
    """Rank-1 of p-CNN by stochastic routing minus that of m-CNN under the same rule."""
    branched = network(records, rule=rule, **fields)
    return compare(branched, network(records, rule=rule), ROUTED, RANK1)


def branch_gain_in_the_same_mix(records: Runs) -> Effect:
    """As :func:`branch_gain`, with side tasks as heavy beside two main tasks as beside one."""
    phi_s = HEAVY * choice_at(records[0].preset).phi_s
    return branch_gain(records, "fixed", phi_m=HEAVY, phi_s=phi_s)


def phi_lead(records: Runs, phi_s: float) -> Effect | None:
    """Rank-1 at the chosen phi_s minus that at another; None where it is the chosen one.

    The choice is made on validation identities and the effect is measured on test identities, so
    that picking the best of several does not count as an effect.
    """
    if choice_at(records[0].preset).phi_s == phi_s:
        return None
    return compare(network(records), network(records, phi_s=phi_s), RANK1)


def routing_gain(records: Runs, condition: str) -> Effect:
    """Rank-1 of p-CNN with main weights of 1 by stochastic routing minus that by hard routing."""
    runs = network(records, phi_m=HEAVY)
    stochastic, hard = (
        Measure("", f"people/{condition}/{routing}") for routing in ("stochastic", "hard")
    )
    return compare(runs, runs, stochastic, hard)


# --- effects of weights in training -------------------------------------------------------------


def _during(run: Record, task: str, start: float, stop: float) -> float:
    """Return the mean weight of a task while training goes from one share of it to another."""
    done = np.array(run.curves["step"]) / run.curves["step"][-1]
    inside = (done > start) & (done <= stop)
    return float(np.array(run.curves[f"weight/{task}"])[inside].mean())


def _mean_share(run: Record, task: str, start: float, stop: float) -> float:
    """Return a task's mean share of the side tasks' weight, in points."""
    weights = {side: np.array(run.curves[f"weight/{side}"]) for side in SIDE_TASKS}
    done = np.array(run.curves["step"]) / run.curves["step"][-1]
    share = weights[task] / sum(weights.values())
    return 100 * float(share[(done > start) & (done <= stop)].mean())


def _lead(run: Record, task: str, start: float, stop: float) -> float:
    """Return a task's mean share minus the largest of the others'."""
    shares = {side: _mean_share(run, side, start, stop) for side in SIDE_TASKS}
    return shares.pop(task) - max(shares.values())


def expression_leads(run: Record) -> float:
    """Lead of expression in the first twentieth: the paper's first epoch of 20."""
    return _lead(run, "exp", 0, 0.05)


def pose_leads(run: Record) -> float:
    """Lead of pose until the rate is first cut, at half of training."""
    return _lead(run, "pos", 0.05, 0.5)


def pose_falls(run: Record) -> float:
    """By how much pose falls in the second half if it led before.

    Who never led has no lead to give up: it is the fall or the lead, whichever is smaller.
    """
    fall = _mean_share(run, "pos", 0.05, 0.5) - _mean_share(run, "pos", 0.5, 1)
    return min(fall, pose_leads(run))


def specific_leads(run: Record) -> float:
    """Weight of the pose-specific main task minus that of the generic one, in the first fifth."""
    return 100 * (_during(run, BRANCH_TASK, 0, 0.2) - _during(run, "id", 0, 0.2))


def generic_rises(run: Record) -> float:
    """Weight of the generic main task in the last fifth minus that in the first."""
    return 100 * (_during(run, "id", 0.8, 1) - _during(run, "id", 0, 0.2))


def of_rule(records: Runs, rule: str, measure: Callable[[Record], float]) -> Effect:
    """What is measured of each run of m-CNN under a rule."""
    return over_runs(network(records, rule=rule), measure)


def of_long(records: Runs, arm: str, measure: Callable[[Record], float]) -> Effect:
    """What is measured of each run of an arm that was trained for twenty epochs."""
    return over_runs(select(records, arm=arm), measure)


# --- effects of energies ------------------------------------------------------------------------


def _energies(run: Record) -> dict[str, NDArray[np.float64]]:
    stored = run.arrays()
    return {task: stored[f"energy/{task}"].astype(np.float64) for task in ALL_TASKS}


def unevenness_grows(run: Record) -> float:
    """Growth in training of spread over mean of the energies, mean over tasks, in points."""
    history = run.curves["energy"]
    ratios = [np.divide(history[f"std/{task}"], history[f"mean/{task}"]) for task in ALL_TASKS]
    return 100 * float(np.mean([ratio[-1] - ratio[0] for ratio in ratios]))


def apart(records: Runs, task: str, other: str, rule: str = "fixed") -> Effect:
    """Separation of two tasks' energies beyond that of shuffled dimensions, in points."""

    def excess(run: Record) -> float:
        energies = _energies(run)
        pair = {name: energies[name] for name in (task, other)}
        return 100 * separation(pair, shuffles=200).excess

    return of_rule(records, rule, excess)


def dimensions_gain(records: Runs, feature: str, more: float, less: float) -> Effect:
    """Rank-1 with one share of the dimensions minus that with another.

    The sizes are laid down beforehand, for the best of several would look better than all by luck.
    """
    runs = network(records)
    many, few = (Measure("", f"people/test/{feature}/{share:g}") for share in (more, less))
    return compare(runs, runs, many, few)


def energy_change(records: Runs, task: str, what: str) -> Effect:
    """Change in training of an energy vector's ``"mean"`` or ``"std"``, in % of the first value."""

    def measure(run: Record) -> float:
        values = run.curves["energy"][f"{what}/{task}"]
        return 100 * float(values[-1] / values[0] - 1)

    return of_long(records, "fixed", measure)


def side_dimensions(run: Record, per_class: bool = False) -> float:
    """Return the share of dimensions, in %, that a side task uses more than identity does.

    By the share of each task's whole energy; or by mean absolute weight per class, the paper's
    energy made comparable between heads of different numbers of classes.
    """
    energies = _energies(run)
    if per_class:
        table = np.stack([energies[task] / _classes(run)[task] for task in ALL_TASKS])  # (T, D)
    else:
        table = task_shares(energies)  # (T, D), identity first
    return 100 * float((table.argmax(axis=0) > 0).mean())


def _classes(run: Record) -> dict[str, int]:
    """Return the number of classes of each task in the rendered corpus that a run trained on."""
    counts = PieSpec(**run.config["corpus"]).class_counts
    return counts | {"id": run.config["people"] or counts["id"]}


def phi_moves(records: Runs, phi_s: float, measure: Callable[[Record], float]) -> Effect:
    """What is measured at one phi_s minus that at the smallest of the paper's, seed by seed."""
    runs, base = (network(records, phi_s=phi) for phi in (phi_s, PAPER_PHI[0]))
    return over_pairs(runs, base, lambda run, other: measure(run) - measure(other))


def energy_of_identity(records: Runs, phi_s: float) -> Effect:
    """Mean energy of identity at one phi_s, in % above that at the smallest of the paper's."""
    runs, base = (network(records, phi_s=phi) for phi in (phi_s, PAPER_PHI[0]))

    def measure(run: Record, other: Record) -> float:
        mine, theirs = (_energies(each)["id"].mean() for each in (run, other))
        return 100 * float(mine / theirs - 1)

    return over_pairs(runs, base, measure)


# --- conditions ---------------------------------------------------------------------------------


def expression_has_fewest_classes(records: Runs) -> str:
    """The paper's reason why expression leads at first."""
    classes = _classes(records[0])
    if classes["exp"] < min(classes["pos"], classes["illum"]):
        return ""
    return (
        "The paper explains the first leader by the number of classes, and expression must have "
        f"the fewest; here it has {classes['exp']}, light {classes['illum']} and pose "
        f"{classes['pos']}."
    )


def pose_may_lead(records: Runs) -> str:
    """Pose can be the easier task only where light leaves room above it."""
    pos, illum = (network(records, tasks=(task,), phi_s=0.0) for task in ("pos", "illum"))
    names, metrics = ("pose", "light"), ("test.side_accuracy.pos", "test.side_accuracy.illum")
    return ceiling(names, pos, illum, metrics, smallest=1.0)


ABOVE_CHANCE = 2.0
"""Multiple of a task's chance from which its head has clearly learnt it."""


HALF_LEARNT = 0.5
"""Share of training pictures whose class must be known for a task to count as learnt."""


def side_tasks_are_learnt(records: Runs) -> str:
    """Heads near their first weights own dimensions by the luck of the draw."""
    phi_s, classes = PAPER_PHI[0], _classes(records[0])
    runs = network(records, phi_s=phi_s)
    found = {task: values(runs, f"test.side.{task}").mean() for task in SIDE_TASKS}
    if all(found[task] >= ABOVE_CHANCE / classes[task] for task in SIDE_TASKS):
        return ""
    stored = ", ".join(
        f"{TASK_WORDS[task]} {100 * found[task]:.0f} % ({100 / classes[task]:.0f} %)"
        for task in SIDE_TASKS
    )
    return (
        "Before training, too, the side tasks own most dimensions by the share of own energy: more "
        "than four fifths of them, by the luck of the first weights. So at the smallest phi_s that "
        f"is compared, every side task must reach at least {ABOVE_CHANCE:g} times the accuracy of "
        f"chance; at phi_s = {phi_s:g} they reach (chance in brackets): {stored}."
    )


def pose_is_learnt(records: Runs) -> str:
    """Weights can move on from a task only when it is learnt."""
    classes = _classes(records[0])["pos"]
    reached = float(values(select(records, arm="fixed"), "training.accuracy.pos").mean())
    if reached >= HALF_LEARNT:
        return ""
    return (
        f"The weights can move on only when pose is learnt, that is, known of at least "
        f"{100 * HALF_LEARNT:.0f} % of the training pictures under fixed weights; here it is of "
        f"{100 * reached:.0f} % (chance: {100 / classes:.0f} %)."
    )


def phi_lies_inside(records: Runs) -> str:
    """An end of the grid may be chosen because the best lies beyond it."""
    chosen = choice_at(records[0].preset).phi_s
    if chosen not in (PHI_GRID[0], PHI_GRID[-1]):
        return ""
    return (
        f"Validation people chose phi_s = {chosen:g}, an end of the grid ({PHI_GRID[0]:g} to "
        f"{PHI_GRID[-1]:g}), so the best may lie beyond it; the grid must reach further."
    )


# --- what stands with a claim -------------------------------------------------------------------


def setting(records: Runs) -> str:
    """Say on how many people and pixels runs were trained, how long, and with which phi_s."""

    def any_of(measure: Callable[[Record], float], spec: str = ",") -> str:
        found = sorted({measure(run) for run in records})
        return " or ".join(dict.fromkeys(f"{value:{spec}}" for value in found))

    def people(run: Record) -> int:
        return int(run.config["people"] or run.config["corpus"]["train_identities"])

    corpus = records[0].config["corpus"]
    text = (
        f"{any_of(people)} people to train on and {corpus['test_identities']} to test in "
        f"galleries of {records[0].config['gallery'] or corpus['test_identities']}, "
        f"{corpus['side']} × {corpus['side']} pixels; "
        f"{any_of(lambda run: run.config['plan']['steps'])} steps of "
        f"{any_of(lambda run: run.config['plan']['batch'])} pictures, which are "
        f"{any_of(passes_of, '.2f')} passes over the data"
    )
    if any(run.config["phi_s"] for run in records):
        chosen = choice_at(records[0].preset).phi_s
        text += f"; phi_s {any_of(lambda run: run.config['phi_s'], '.2g')}"
        text += f" ({chosen:g} was [chosen](#claim-y14) on validation people)"
    return text


def _validation(runs: Runs) -> float:
    """Return the mean rank-1 on validation people, in %."""
    return 100 * float(values(runs, "validation.rank1.y_d.overall").mean())


def _listed(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def how_phi_was_chosen(records: Runs) -> str:
    """Say what the choice of phi_s rests on."""
    chosen = choice_at(records[0].preset).phi_s
    means = {phi: _validation(network(records, phi_s=phi)) for phi in PHI_GRID}
    found = _listed(f"{mean:.1f} % at {phi:g}" for phi, mean in means.items())
    pose = {phi: _validation(network(records, tasks=("id", "pos"), phi_s=phi))
            for phi in (chosen / len(SIDE_TASKS), chosen)}  # fmt: skip
    least, most = pose.values()
    return (
        f"How phi_s was chosen: rank-1 on validation people, all seeds, is {found}, and without "
        f"side tasks {_validation(s_cnn(records)):.1f} %. A parabola in the logarithm of phi_s "
        f"that is fitted to these has its peak at {fitted_peak(means):.2f}, and {chosen:g} is the "
        f"nearest. With pose alone, a third of that gives {least:.1f} % and the whole {most:.1f} %."
    )


def how_the_penalty_was_chosen(records: Runs) -> str:
    """Say whether the grid shows a peak on validation people, on the seeds of the search."""
    arms = {factor: network(records, tasks=("id",), phi_s=0.0, feature_l2=factor)
            for factor in L2_GRID}  # fmt: skip
    means = {factor: _validation(runs[:L2_SEEDS]) for factor, runs in arms.items()}
    found = _listed(f"{mean:.1f} % at {factor:g}" for factor, mean in means.items())
    best = max(means, key=lambda factor: means[factor])
    inside = best not in (L2_GRID[0], L2_GRID[-1])
    return (
        f"The penalty's factor on validation people, {L2_SEEDS} seeds: {found}; s-CNN "
        f"{_validation(s_cnn(records)[:L2_SEEDS]):.1f} %. The best lies "
        f"{'inside the grid' if inside else 'at an end of the grid, so it is untuned there'}."
    )


# --- the claims ---------------------------------------------------------------------------------

_TABLE_2 = (one_or_many.EXPERIMENT, weighting_rules.EXPERIMENT)
_SGD = by_sgd.EXPERIMENT
_claim = partial(Claim, paper="{cite:t}`yin2018`", setting=setting)
_AFTERWARDS = "laid down after the first runs, before those to come"
_energy_claim = partial(_claim, experiments=(weighting_rules.EXPERIMENT,), chapter=ENERGY_CHAPTER)

_ROLES: dict[str, Role] = {"eq8": "decides", "released": "beside"}
_PRINTED = (
    "The paper states the claim of its Eq. 8, so that decides; the layer of the released code is "
    "another algorithm and stands beside"
)

_Y1 = _claim(
    id="Y1",
    statement="Every side task, alone or with the others, raises rank-1 identification.",
    paper_figure="Table II: s-CNN 75.67 %, above it every m-CNN",
    experiments=(*_TABLE_2, side_task_gains.EXPERIMENT, _SGD),
    parts=(
        *(Part(name, partial(gain, tasks=tasks)) for name, tasks in SIDE_NETWORKS.items()),
        *(
            Part(
                f"id+{task} at phi_s / 3",
                partial(gain, tasks=("id", task), share=1 / 3),
                role="beside",
            )
            for task in SIDE_TASKS
        ),
        *(
            Part(
                f"id+all, a quarter of the people, phi_s = {phi:g}",
                partial(gain_with_fewer_people, phi_s=phi),
                role="beside",
            )
            for phi in side_task_gains.PHI
        ),
        Part("s-CNN with label smoothing minus s-CNN", gain_of_smoothing, role="beside"),
        Part("id+all, both with label smoothing", gain_with_smoothing, role="beside"),
        Part(
            f"id+all, both by SGD, {by_sgd.LENGTH} times as long",
            partial(gain_by_sgd, arm="sgd-fixed", base="sgd-alone"),
            role="beside",
        ),
    ),
    chapter=CHAPTER,
    comparison="rank-1 of y_d on test people, network with side tasks minus s-CNN",
)

_Y2 = _claim(
    id="Y2",
    statement="The gain from side tasks is mostly on profile faces.",
    paper_figure="Table II, by pose group",
    experiments=_TABLE_2,
    parts=tuple(
        Part(f"{name}: {words}", partial(gain_on_profiles, tasks=tasks, beyond_frontal=beyond))
        for name, tasks in SIDE_NETWORKS.items()
        for words, beyond in (("profiles", False), ("profiles minus frontal", True))
    ),
    chapter=CHAPTER,
    comparison="gain in rank-1 on profile faces (45° and more), and its lead over the gain on "
    "frontal ones; the claim needs both, for where side tasks harm, they may harm frontal faces "
    "more",
)

_Y3 = _claim(
    id="Y3",
    statement="Pose is the easiest side task, then illumination; expression is the hardest.",
    paper_figure="Table II, single-task networks",
    experiments=(one_or_many.EXPERIMENT,),
    parts=(
        Part("pose minus light", partial(easier, task="pos", other="illum")),
        Part("light minus expression", partial(easier, task="illum", other="exp")),
    ),
    conditions=(pose_may_lead,),
    chapter=CHAPTER,
    comparison="share of test pictures that are classified correctly, each task trained by itself",
)

_Y4 = _claim(
    id="Y4",
    statement="Dynamic weights beat fixed ones, and fixed ones on all side tasks are worse than "
    "pose alone.",
    paper_figure="Table II: 79.35 % dynamic, 77.59 % fixed",
    experiments=(*_TABLE_2[::-1], _SGD),
    parts=(
        *(
            Part(f"{name} minus fixed", partial(rule_gain, rule=rule), role=_ROLES[rule])
            for rule, name in RULES.items()
        ),
        Part("id+pos minus id+all", partial(single_task_lead, task="pos")),
        Part(
            f"Eq. 8 minus fixed, both by SGD, {by_sgd.LENGTH} times as long",
            partial(gain_by_sgd, arm="sgd-eq8", base="sgd-fixed"),
            role="beside",
        ),
    ),
    chapter=WEIGHTS_CHAPTER,
    comparison=f"rank-1 of y_d on test people. {_PRINTED}",
)

_Y5 = _claim(
    id="Y5",
    statement="An L2 penalty on the shared feature helps identity, but far less than side tasks "
    "do.",
    paper_figure="Table II, row id+L2",
    experiments=_TABLE_2,
    parts=(
        Part("id+L2 minus id", penalty_gain),
        *(
            Part(f"{name} minus id+L2", partial(lead_over_penalty, tasks=tasks))
            for name, tasks in SIDE_NETWORKS.items()
        ),
    ),
    chapter=CHAPTER,
    comparison="rank-1 of y_d on test people; the penalty's factor is the best of "
    f"{len(L2_GRID)} on validation people",
    remark=how_the_penalty_was_chosen,
)

_Y6 = _claim(
    id="Y6",
    statement="The pose-directed network beats m-CNN.",
    paper_figure="Table II: 79.55 % against 79.35 %",
    experiments=(pose_branches.EXPERIMENT, weighting_rules.EXPERIMENT),
    parts=(
        Part("main weights of 1", partial(branch_gain, rule="fixed", phi_m=HEAVY)),
        Part("Eq. 11, phi_m = 1", partial(branch_gain, rule="eq8", phi_m=1.0), role="beside"),
        Part(
            "released weights, against fixed ones",
            partial(branch_gain, rule="fixed", phi_m=HEAVY, phi_s=RELEASED_PHI),
            role="beside",
        ),
        Part("side tasks in m-CNN's mix", branch_gain_in_the_same_mix, role="beside"),
    ),
    chapter=BRANCH_CHAPTER,
    comparison="rank-1 on test people, p-CNN by stochastic routing minus y_d of m-CNN trained "
    "under the same rule. In the released networks each main task weighs as much as m-CNN's one, "
    f"so that comparison decides ({_AFTERWARDS})",
)

_Y7 = _claim(
    id="Y7",
    statement="The dynamic weights favour expression first, then pose, and move on when pose is "
    "learnt.",
    paper_figure="Fig. 6a",
    experiments=(twenty_epochs.EXPERIMENT,),
    parts=tuple(
        Part(f"{name}: {words}", partial(of_long, arm=rule, measure=measure), role=_ROLES[rule])
        for rule, name in RULES.items()
        for words, measure in (
            ("expression leads at first", expression_leads),
            ("pose leads then", pose_leads),
            ("pose falls from its lead", pose_falls),
        )
    ),
    window=_twenty_epochs("Fig. 6"),
    conditions=(expression_has_fewest_classes, pose_is_learnt),
    chapter=WEIGHTS_CHAPTER,
    comparison="shares of phi_s: lead over the next task, or fall; first twentieth of training, "
    f"rest of its first half, second half. {_PRINTED}",
)

_Y8 = _claim(
    id="Y8",
    statement="In p-CNN the weight of the pose-specific main task leads early, that of the generic "
    "one later.",
    paper_figure="Fig. 6c",
    experiments=(twenty_epochs.EXPERIMENT,),
    parts=(
        Part(
            "specific minus generic, first fifth",
            partial(of_long, arm="p-eq8", measure=specific_leads),
        ),
        Part(
            "generic, last fifth minus first",
            partial(of_long, arm="p-eq8", measure=generic_rises),
        ),
    ),
    window=_twenty_epochs("Fig. 6"),
    chapter=BRANCH_CHAPTER,
    comparison="weights of the two main tasks in points of their sum",
)

_Y9 = _energy_claim(
    id="Y9",
    statement="Energy is spread unevenly, with separate dimensions for separate tasks.",
    paper_figure="Fig. 7a and 7b",
    logic="each",
    parts=(
        Part(
            "spread over mean grows",
            partial(of_rule, rule="fixed", measure=unevenness_grows),
            statement="uneven",
        ),
        *(
            Part(
                f"{TASK_WORDS[a]} and {TASK_WORDS[b]}",
                partial(apart, task=a, other=b),
                statement="identity apart" if a == "id" else "side tasks apart",
            )
            for a, b in combinations(ALL_TASKS, 2)
        ),
        *(
            Part(
                f"{name}: identity and {TASK_WORDS[task]}",
                partial(apart, task="id", other=task, rule=rule),
                role="beside",
            )
            for rule, name in RULES.items()
            for task in SIDE_TASKS
        ),
    ),
    comparison="fixed weights. Uneven: growth of spread over mean in training. Apart: separation "
    "index of two tasks minus its mean over shuffled dimensions, in points of its range "
    f"(both {_AFTERWARDS})",
)

_Y10 = _energy_claim(
    id="Y10",
    statement="Rank-1 of the n strongest dimensions of x rises and then falls with n; that of y_d "
    "keeps rising.",
    paper_figure="Fig. 7c",
    logic="each",
    parts=(
        Part(
            "50 % minus 10 %",
            partial(dimensions_gain, feature="x_n", more=0.5, less=0.1),
            role="trivial",
            statement="x",
        ),
        Part(
            "80 % minus 100 %",
            partial(dimensions_gain, feature="x_n", more=0.8, less=1.0),
            statement="x",
        ),
        Part(
            "100 % minus 80 %",
            partial(dimensions_gain, feature="y_n", more=1.0, less=0.8),
            statement="y_d",
        ),
    ),
    comparison="rank-1 on test people with a share of the dimensions, fixed weights",
)

_Y11 = _energy_claim(
    id="Y11",
    statement="During training the mean of each energy vector falls and its spread rises.",
    paper_figure="Fig. 8",
    parts=tuple(
        part
        for task in ALL_TASKS
        for part in (
            Part(
                f"{TASK_WORDS[task]}: mean", partial(energy_change, task=task, what="mean"), "less"
            ),
            Part(f"{TASK_WORDS[task]}: spread", partial(energy_change, task=task, what="std")),
        )
    ),
    experiments=(twenty_epochs.EXPERIMENT,),
    window=_twenty_epochs("Fig. 8"),
    unit="%",
    comparison="change in training in % of the first value, fixed weights; the mean should fall "
    "and the spread rise",
)

SIDE_DIMENSIONS = 2.5
"""Share of the dimensions, in points, that is two of the 80 at the laptop preset."""

_Y12 = _energy_claim(
    id="Y12",
    statement="A larger phi_s gives more dimensions to the side tasks and raises the energies of "
    "the identity head.",
    paper_figure="Fig. 9",
    parts=(
        *(
            part
            for phi in PAPER_PHI[1:]
            for part in (
                Part(
                    f"side dimensions at {phi:g}",
                    partial(phi_moves, phi_s=phi, measure=side_dimensions),
                    smallest_effect=SIDE_DIMENSIONS,
                ),
                Part(
                    f"energy of identity at {phi:g}",
                    partial(energy_of_identity, phi_s=phi),
                    unit="%",
                ),
            )
        ),
        *(
            Part(
                f"per class: side dimensions at {phi:g}",
                partial(phi_moves, phi_s=phi, measure=partial(side_dimensions, per_class=True)),
                role="beside",
                smallest_effect=SIDE_DIMENSIONS,
            )
            for phi in PAPER_PHI[1:]
        ),
    ),
    conditions=(side_tasks_are_learnt,),
    comparison="minus those at phi_s = 0.1. A change can be seen from two dimensions on: of the "
    "80 that x has at the laptop preset these are 2.5 points. A dimension belongs to the task that "
    "keeps the largest share of its own energy there. By mean absolute weight per class, which "
    "stands beside, side tasks would gain dimensions even if x stayed as it is, since a head that "
    "is trained with a larger weight grows faster: that measure cannot refute the claim. The paper "
    "explains its second observation by the first, so both are needed "
    f"(measure and size {_AFTERWARDS})",
)

_Y13 = _claim(
    id="Y13",
    statement="Stochastic routing beats hard routing when estimated poses are wrong.",
    paper_figure="Sec. III-C and IV-C",
    experiments=(pose_branches.EXPERIMENT,),
    parts=(
        *(
            Part(
                f"{100 * share:.0f} % wrong pose groups",
                partial(routing_gain, condition=wrong_pose(share, sure=False)),
            )
            for share in WRONG_SHARES
        ),
        *(
            Part(condition, partial(routing_gain, condition=condition), role="beside")
            for condition in CONDITIONS
        ),
    ),
    chapter=BRANCH_CHAPTER,
    comparison="rank-1 on test people, stochastic minus hard routing, of p-CNN with main weights "
    "of 1. Pose groups are made wrong on purpose, with probabilities that say how often; beside, "
    "those that the network itself estimates of clean and degraded faces",
)

_Y14 = _claim(
    id="Y14",
    statement="An interior total weight of the side tasks, phi_s, is best.",
    paper_figure="Sec. IV-A: 0.1, by validation",
    experiments=_TABLE_2,
    parts=(
        Part("chosen phi_s minus none", partial(phi_lead, phi_s=0.0)),
        Part(
            f"chosen phi_s minus {PHI_GRID[-1]:g}",
            partial(phi_lead, phi_s=PHI_GRID[-1]),
            role="trivial",
        ),
    ),
    conditions=(phi_lies_inside,),
    chapter=CHAPTER,
    comparison="rank-1 of y_d on test people, id+all at the phi_s chosen on validation people "
    "minus the ends of the range",
    remark=how_phi_was_chosen,
)

_Y15 = _claim(
    id="Y15",
    statement="With estimated poses the gain is large from frontal to profile and small elsewhere.",
    paper_figure="Tables V and VI: CFP-FP 94.39 %",
    untested="The faces are there (data card `wild`); no experiment on them is stored yet.",
)

CLAIMS: dict[str, Claim] = {
    claim.id: claim
    for claim in (_Y1, _Y2, _Y3, _Y4, _Y5, _Y6, _Y7, _Y8, _Y9, _Y10, _Y11, _Y12, _Y13, _Y14, _Y15)
}
