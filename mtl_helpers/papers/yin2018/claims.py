"""The claims of Yin & Liu (2018) and how each is tested.

The smallest effect that matters is one point of rank-1 or accuracy throughout: about half of the
smallest gain of a side-task network that the paper's text states (75.67 to 77.59).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_helpers.ledger.claim import Claim, Finding, compare_arms, find
from mtl_helpers.ledger.statistics import Interval, mean_interval, paired_difference
from mtl_helpers.papers.yin2018.energy import separation, task_shares
from mtl_helpers.papers.yin2018.experiments import pose_branches, weighting_rules
from mtl_helpers.papers.yin2018.experiments.choices import PHI_GRID, choice_at
from mtl_helpers.papers.yin2018.experiments.networks import ALL_TASKS, RANK1, SIDE_TASKS
from mtl_helpers.papers.yin2018.experiments.one_or_many import EXPERIMENT, S_CNN, arm_name
from mtl_helpers.papers.yin2018.experiments.weighting_rules import PAPER_PHI
from mtl_helpers.papers.yin2018.model import BRANCH_TASK
from mtl_helpers.presets import PRESETS
from mtl_helpers.runs.record import Record, ResultsError, seed_values

__all__ = ["CLAIMS", "rule_arms", "runs_of", "side_arms"]

PAPER = "{cite:t}`yin2018`"
CHAPTER = "../notebooks/02_one_task_or_many.ipynb"
WEIGHTS_CHAPTER = "../notebooks/03_weights_that_learn_themselves.ipynb"
ENERGY_CHAPTER = "../notebooks/04_where_the_energy_goes.ipynb"
BRANCH_CHAPTER = "../notebooks/05_one_branch_per_pose.ipynb"
FRONTAL = ("frontal",)
PROFILE = ("left", "right")


def side_arms(records: Sequence[Record]) -> dict[str, str]:
    """Return the stored arm of each network with side tasks, at the chosen phi_s, by short name."""
    phi_s = choice_at(records[0].preset).phi_s
    arms = {f"id+{task}": arm_name(("id", task), phi_s=phi_s) for task in SIDE_TASKS}
    return {**arms, "id+all": arm_name(("id", *SIDE_TASKS), phi_s=phi_s)}


def _values(records: Sequence[Record], arm: str, metric: str) -> list[float]:
    return [float(value) for value in seed_values(records, arm, metric)[1]]


def _group(records: Sequence[Record], arm: str, groups: Sequence[str]) -> list[float]:
    """Return, for each seed, rank-1 averaged over pose groups."""
    each = [_values(records, arm, f"test.rank1.y_d.by_group.{group}") for group in groups]
    return [sum(row) / len(row) for row in zip(*each, strict=True)]


def every_side_task_helps(records: list[Record]) -> Finding:
    """Y1: rank-1 of each network with side tasks minus that of the identity network."""
    effects = {
        name: compare_arms(records, arm, S_CNN, RANK1) for name, arm in side_arms(records).items()
    }
    return find(effects, 1.0)


def gain_is_on_profiles(records: list[Record]) -> Finding:
    """Y2: the gain on profile faces, or its lead over the gain on frontal ones.

    The claim needs both. Where side tasks harm, they may harm frontal faces more, which have more
    to lose; that is no gain on profiles. So each network is judged by the one with the smaller
    mean.
    """
    base = {groups: np.array(_group(records, S_CNN, groups)) for groups in (PROFILE, FRONTAL)}
    effects = {}
    for name, arm in side_arms(records).items():
        profile, frontal = (
            np.array(_group(records, arm, groups)) - base[groups] for groups in (PROFILE, FRONTAL)
        )  # (S,) each
        both = {
            "gain on profiles": mean_interval(profile).scaled(100),
            "profiles minus frontal": mean_interval(profile - frontal).scaled(100),
        }
        smaller = min(both, key=lambda what: both[what].mean)
        effects[f"{name} ({smaller})"] = both[smaller]
    return find(effects, 1.0)


def pose_then_light_then_expression(records: list[Record]) -> Finding:
    """Y3: differences of mean class accuracy between the networks that have one side task alone."""
    accuracy = {task: _values(records, task, f"test.side.{task}") for task in SIDE_TASKS}
    effects = {
        "pose minus illumination": paired_difference(accuracy["pos"], accuracy["illum"]),
        "illumination minus expression": paired_difference(accuracy["illum"], accuracy["exp"]),
    }
    return find({name: effect.scaled(100) for name, effect in effects.items()}, 1.0)


def l2_helps_less(records: list[Record]) -> Finding:
    """Y5: id+L2 minus id, and the best network with side tasks minus id+L2."""
    l2 = arm_name(("id",), feature_l2=choice_at(records[0].preset).feature_l2)
    effects = {"id+L2 minus id": compare_arms(records, l2, S_CNN, RANK1)}
    for name, arm in side_arms(records).items():
        effects[f"{name} minus id+L2"] = compare_arms(records, arm, l2, RANK1)
    return find(effects, 1.0)


def interior_phi_is_best(records: list[Record]) -> Finding:
    """Y14: rank-1 at the chosen phi_s minus that without side tasks and at the largest phi_s.

    The choice is made on validation identities and the effect is measured on test identities, so
    that picking the best of several does not count as an effect.
    """
    phi_s = choice_at(records[0].preset).phi_s
    best = arm_name(("id", *SIDE_TASKS), phi_s=phi_s)
    effects: dict[str, Interval] = {
        f"phi_s = {phi_s:g} minus none": compare_arms(records, best, S_CNN, RANK1)
    }
    if phi_s != PHI_GRID[-1]:
        largest = arm_name(("id", *SIDE_TASKS), phi_s=PHI_GRID[-1])
        effects[f"phi_s = {phi_s:g} minus {PHI_GRID[-1]:g}"] = mean_interval(
            [a.metric(RANK1) - b.metric(RANK1) for a, b in _pairs(records, best, largest)]
        ).scaled(100)
    return find(effects, 1.0)


def rule_arms(records: Sequence[Record]) -> dict[str, str]:
    """Return the stored arms of the three rules for weights by the rule's name."""
    main = list(weighting_rules.arms(PRESETS[records[0].preset]).items())[:3]
    return {rule: arm for arm, (rule, _) in main}


def runs_of(records: Sequence[Record], arm: str) -> list[Record]:
    """Return an arm's runs in the order of their seeds."""
    return sorted((run for run in records if run.arm == arm), key=lambda run: run.seed)


def _pairs(records: Sequence[Record], arm: str, baseline: str) -> list[tuple[Record, Record]]:
    """Return the runs of two arms with the same seed; of a search, one may have fewer seeds."""
    others = {run.seed: run for run in runs_of(records, baseline)}
    pairs = [(run, others[run.seed]) for run in runs_of(records, arm) if run.seed in others]
    if not pairs:
        raise ResultsError(f"The arms {arm!r} and {baseline!r} share no seed; run the sweep.")
    return pairs


def _over_seeds(
    records: Sequence[Record], arm: str, measure: Callable[[Record], float]
) -> Interval:
    """Return the mean over an arm's seeds of what is measured of each run."""
    return mean_interval([measure(run) for run in runs_of(records, arm)])


def dynamic_beats_fixed(records: list[Record]) -> Finding:
    """Y4: learned weights minus fixed ones; and pose alone minus all side tasks, both fixed."""
    arms = rule_arms(records)
    side = side_arms(records)
    return find(
        {
            "Eq. 8 minus fixed": compare_arms(records, arms["eq8"], arms["fixed"], RANK1),
            "released minus fixed": compare_arms(records, arms["released"], arms["fixed"], RANK1),
            "id+pos minus id+all, fixed": compare_arms(
                records, side["id+pos"], side["id+all"], RANK1
            ),
        },
        1.0,
    )


def _share(run: Record, task: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far training has come, 0 to 1, and a side task's share of phi_s there."""
    weights = {side: np.array(run.curves[f"weight/{side}"]) for side in SIDE_TASKS}
    done = np.array(run.curves["step"]) / run.curves["step"][-1]
    return done, weights[task] / sum(weights.values())


def _mean_share(run: Record, task: str, start: float, stop: float) -> float:
    done, share = _share(run, task)
    return float(share[(done > start) & (done <= stop)].mean())


def _lead(run: Record, task: str, start: float, stop: float) -> float:
    """Return a task's mean share minus the largest of the others', in points."""
    shares = {side: _mean_share(run, side, start, stop) for side in SIDE_TASKS}
    own = shares.pop(task)
    return 100 * (own - max(shares.values()))


def _fall_from_lead(run: Record) -> float:
    """Return by how much pose falls in the second half, in points, if it led before.

    Who never led has no lead to give up: it is the fall or the lead, whichever is smaller.
    """
    fall = 100 * (_mean_share(run, "pos", 0.05, 0.5) - _mean_share(run, "pos", 0.5, 1))
    return min(fall, _lead(run, "pos", 0.05, 0.5))


def weights_are_handed_over(records: list[Record]) -> Finding:
    """Y7: leads of expression and of pose in the paper's phases, and the later fall of pose.

    The paper trains 20 epochs: expression leads in the first, then pose, which falls from the
    eleventh on. So the phases are the first 5 % of training, the rest of its first half, and its
    second half.
    """
    effects = {}
    for rule in ("eq8", "released"):
        arm = rule_arms(records)[rule]
        named = "Eq. 8" if rule == "eq8" else rule
        effects[f"{named}: expression leads at first"] = _over_seeds(
            records, arm, lambda run: _lead(run, "exp", 0, 0.05)
        )
        effects[f"{named}: pose leads then"] = _over_seeds(
            records, arm, lambda run: _lead(run, "pos", 0.05, 0.5)
        )
        effects[f"{named}: pose falls from its lead"] = _over_seeds(records, arm, _fall_from_lead)
    return find(effects, 1.0)


def branches_help(records: list[Record]) -> Finding:
    """Y6: p-CNN by stochastic routing minus m-CNN, under the same rule and seed."""
    effects = {}
    for rule, ours in (("fixed", "p-fixed"), ("eq8", "p-eq8")):
        branched = _values(records, ours, "routing.clean.stochastic.overall")
        plain = _values(records, rule_arms(records)[rule], RANK1)
        named = "Eq. 8" if rule == "eq8" else rule
        effects[f"{named}: p-CNN minus m-CNN"] = paired_difference(branched, plain).scaled(100)
    return find(effects, 1.0)


def specific_first_then_generic(records: list[Record]) -> Finding:
    """Y8: lead of the pose-specific weight in the first fifth, and the generic weight's rise."""

    def weight(run: Record, task: str, start: float, stop: float) -> float:
        done = np.array(run.curves["step"]) / run.curves["step"][-1]
        values = np.array(run.curves[f"weight/{task}"])
        return 100 * float(values[(done > start) & (done <= stop)].mean())

    return find(
        {
            "pose-specific minus generic, first fifth": _over_seeds(
                records,
                "p-eq8",
                lambda run: weight(run, BRANCH_TASK, 0, 0.2) - weight(run, "id", 0, 0.2),
            ),
            "generic, last fifth minus first": _over_seeds(
                records, "p-eq8", lambda run: weight(run, "id", 0.8, 1) - weight(run, "id", 0, 0.2)
            ),
        },
        1.0,
    )


def _energies(run: Record) -> dict[str, NDArray[np.float64]]:
    stored = run.arrays()
    return {task: stored[f"energy/{task}"].astype(np.float64) for task in ALL_TASKS}


def tasks_keep_apart(records: list[Record]) -> Finding:
    """Y9: growth of the energies' unevenness in training, and separation above chance."""

    def uneven(run: Record) -> float:
        history = run.curves["energy"]
        growth = [
            history[f"std/{task}"][-1] / history[f"mean/{task}"][-1]
            - history[f"std/{task}"][0] / history[f"mean/{task}"][0]
            for task in ALL_TASKS
        ]
        return 100 * float(np.mean(growth))

    arms = rule_arms(records)
    effects = {"fixed: unevenness": _over_seeds(records, arms["fixed"], uneven)}
    for rule, arm in arms.items():
        named = "Eq. 8" if rule == "eq8" else rule
        effects[f"{named}: separation above chance"] = _over_seeds(
            records, arm, lambda run: 100 * separation(_energies(run), shuffles=200).excess
        )
    return find(effects, 1.0)


def few_dimensions_do(records: list[Record]) -> Finding:
    """Y10: rank-1 with 50 minus 10, 80 minus 100 (x) and 100 minus 80 (y_d) % of the dimensions.

    The sizes are laid down beforehand, for the best of several would look better than all by luck.
    """
    arm = rule_arms(records)["fixed"]
    place = {share: k for k, share in enumerate(weighting_rules.SIZES)}

    def gain(run: Record, feature: str, more: float, less: float) -> float:
        values = run.metric(f"dimensions.{feature}")
        return 100 * float(values[place[more]] - values[place[less]])

    return find(
        {
            "x rises at first": _over_seeds(records, arm, lambda run: gain(run, "x_n", 0.5, 0.1)),
            "x falls at last": _over_seeds(records, arm, lambda run: gain(run, "x_n", 0.8, 1.0)),
            "y_d rises to the end": _over_seeds(
                records, arm, lambda run: gain(run, "y_n", 1.0, 0.8)
            ),
        },
        1.0,
    )


def mean_falls_and_spread_rises(records: list[Record]) -> Finding:
    """Y11: change of each energy vector's mean and spread in training, in % of the first value."""
    arm = rule_arms(records)["fixed"]

    def change(run: Record, name: str) -> float:
        values = run.curves["energy"][name]
        return 100 * (values[-1] / values[0] - 1)

    effects = {}
    for task in ALL_TASKS:
        effects[f"{task}: fall of the mean"] = _over_seeds(
            records,
            arm,
            lambda run, task=task: -change(run, f"mean/{task}"),  # type: ignore[misc]
        )
        effects[f"{task}: rise of the spread"] = _over_seeds(
            records,
            arm,
            lambda run, task=task: change(run, f"std/{task}"),  # type: ignore[misc]
        )
    return find(effects, 1.0, unit="%")


def side_dimensions(run: Record) -> float:
    """Return the share of dimensions, in %, in which a side task has the largest share."""
    shares = task_shares(_energies(run))  # (T, D), identity first
    return 100 * float((shares.argmax(axis=0) > 0).mean())


def phi_moves_dimensions(records: list[Record]) -> Finding:
    """Y12: side tasks' dimensions and identity's energy at a larger phi_s minus those at 0.1.

    The larger ones are the paper's other two and the chosen one. A value that has fewer seeds is
    compared over those.
    """
    smallest, *larger = PAPER_PHI
    base = weighting_rules.arm_name("fixed", smallest)
    effects = {}
    for phi in dict.fromkeys((*larger, choice_at(records[0].preset).phi_s)):
        if phi <= smallest:
            continue
        name = f"phi_s = {phi:g} minus {smallest:g}"
        pairs = _pairs(records, weighting_rules.arm_name("fixed", phi), base)
        effects[f"side dimensions, {name}"] = mean_interval(
            [side_dimensions(a) - side_dimensions(b) for a, b in pairs]
        )
        effects[f"energy of identity, {name}"] = mean_interval(
            [100 * (_energies(a)["id"].mean() / _energies(b)["id"].mean() - 1) for a, b in pairs]
        )
    return find(effects, 1.0, unit="%")


def stochastic_beats_hard(records: list[Record]) -> Finding:
    """Y13: stochastic minus hard routing where poses are wrong: degraded faces, wrong labels."""

    def gap(arm: str, condition: str) -> Interval:
        stochastic, hard = (
            _values(records, arm, f"routing.{condition}.{routing}.overall")
            for routing in ("stochastic", "hard")
        )
        return paired_difference(stochastic, hard).scaled(100)

    effects = {
        condition: gap("p-fixed", condition)
        for condition in pose_branches.CONDITIONS
        if condition != "clean"
    }
    for share in pose_branches.POSE_NOISE:
        effects[f"{100 * share:.0f} % wrong labels"] = gap(f"p-fixed-noise{share:g}", "clean")
    return find(effects, 1.0)


_ALL = (
    Claim(
        id="Y1",
        paper=PAPER,
        statement="Every side task, alone or with the others, raises rank-1 identification.",
        paper_figure="Table II: s-CNN 75.67 %, above it every m-CNN",
        experiment=EXPERIMENT.name,
        beside=(weighting_rules.EXPERIMENT.name,),
        evaluate=every_side_task_helps,
        chapter=CHAPTER,
        comparison="rank-1 of y_d on test identities, network with side tasks minus s-CNN",
    ),
    Claim(
        id="Y2",
        paper=PAPER,
        statement="The gain from side tasks is mostly on profile faces.",
        paper_figure="Table II, by pose group",
        experiment=EXPERIMENT.name,
        beside=(weighting_rules.EXPERIMENT.name,),
        evaluate=gain_is_on_profiles,
        chapter=CHAPTER,
        comparison="gain in rank-1 on profile faces (45° and more), or its lead over the gain on "
        "frontal ones, whichever has the smaller mean",
    ),
    Claim(
        id="Y3",
        paper=PAPER,
        statement="Pose is the easiest side task, then illumination; expression is the hardest.",
        paper_figure="Table II, single-task networks",
        experiment=EXPERIMENT.name,
        evaluate=pose_then_light_then_expression,
        chapter=CHAPTER,
        comparison="mean class accuracy on test identities",
    ),
    Claim(
        id="Y4",
        paper=PAPER,
        statement="Dynamic weights beat fixed ones, and fixed ones on all side tasks are worse "
        "than pose alone.",
        paper_figure="Table II: 79.35 % dynamic, 77.59 % fixed",
        experiment=weighting_rules.EXPERIMENT.name,
        beside=(EXPERIMENT.name,),
        evaluate=dynamic_beats_fixed,
        chapter=WEIGHTS_CHAPTER,
        comparison="rank-1 of y_d on test identities",
    ),
    Claim(
        id="Y5",
        paper=PAPER,
        statement="An L2 penalty on the shared feature helps identity, but far less than side "
        "tasks do.",
        paper_figure="Table II, row id+L2",
        experiment=EXPERIMENT.name,
        beside=(weighting_rules.EXPERIMENT.name,),
        evaluate=l2_helps_less,
        chapter=CHAPTER,
        comparison="rank-1 of y_d on test identities",
    ),
    Claim(
        id="Y6",
        paper=PAPER,
        statement="The pose-directed network beats m-CNN.",
        paper_figure="Table II: 79.55 % against 79.35 %",
        experiment=pose_branches.EXPERIMENT.name,
        beside=(weighting_rules.EXPERIMENT.name,),
        evaluate=branches_help,
        chapter=BRANCH_CHAPTER,
        comparison="rank-1 on test identities, p-CNN by stochastic routing minus y_d of m-CNN",
    ),
    Claim(
        id="Y7",
        paper=PAPER,
        statement="The dynamic weights favour expression first, then pose, and move on when pose "
        "is learnt.",
        paper_figure="Fig. 6a",
        experiment=weighting_rules.EXPERIMENT.name,
        evaluate=weights_are_handed_over,
        chapter=WEIGHTS_CHAPTER,
        comparison="shares of phi_s in points: lead over the next task, or fall",
    ),
    Claim(
        id="Y8",
        paper=PAPER,
        statement="In p-CNN the weight of the pose-specific main task leads early, that of the "
        "generic one later.",
        paper_figure="Fig. 6c",
        experiment=pose_branches.EXPERIMENT.name,
        evaluate=specific_first_then_generic,
        chapter=BRANCH_CHAPTER,
        comparison="weights of the two main tasks in points of their sum",
    ),
    Claim(
        id="Y9",
        paper=PAPER,
        statement="Energy is spread unevenly, with separate dimensions for separate tasks.",
        paper_figure="Fig. 7a and 7b",
        experiment=weighting_rules.EXPERIMENT.name,
        evaluate=tasks_keep_apart,
        chapter=ENERGY_CHAPTER,
        comparison="unevenness: growth of spread over mean in training, in points; separation: "
        "index minus its mean over shuffled dimensions, in points of its range",
    ),
    Claim(
        id="Y10",
        paper=PAPER,
        statement="Rank-1 of the n strongest dimensions of x rises and then falls with n; that of "
        "y_d keeps rising.",
        paper_figure="Fig. 7c",
        experiment=weighting_rules.EXPERIMENT.name,
        evaluate=few_dimensions_do,
        chapter=ENERGY_CHAPTER,
        comparison="rank-1 on test identities with a share of the dimensions, fixed weights",
    ),
    Claim(
        id="Y11",
        paper=PAPER,
        statement="During training the mean of each energy vector falls and its spread rises.",
        paper_figure="Fig. 8",
        experiment=weighting_rules.EXPERIMENT.name,
        evaluate=mean_falls_and_spread_rises,
        chapter=ENERGY_CHAPTER,
        unit="%",
        comparison="change in training in % of the first value, fixed weights",
    ),
    Claim(
        id="Y12",
        paper=PAPER,
        statement="A larger phi_s gives more dimensions to the side tasks and raises the energies "
        "of the identity head.",
        paper_figure="Fig. 9",
        experiment=weighting_rules.EXPERIMENT.name,
        evaluate=phi_moves_dimensions,
        chapter=ENERGY_CHAPTER,
        unit="%",
        comparison="share of the dimensions in which a side task has the largest share of energy, "
        "and change of the mean energy of identity",
    ),
    Claim(
        id="Y13",
        paper=PAPER,
        statement="Stochastic routing beats hard routing when estimated poses are wrong.",
        paper_figure="Sec. III-C and IV-C",
        experiment=pose_branches.EXPERIMENT.name,
        evaluate=stochastic_beats_hard,
        chapter=BRANCH_CHAPTER,
        comparison="rank-1 on test identities, stochastic minus hard routing",
    ),
    Claim(
        id="Y14",
        paper=PAPER,
        statement="An interior total weight of the side tasks, phi_s, is best.",
        paper_figure="Sec. IV-A: 0.1, by validation",
        experiment=EXPERIMENT.name,
        beside=(weighting_rules.EXPERIMENT.name,),
        evaluate=interior_phi_is_best,
        chapter=CHAPTER,
        comparison="rank-1 of y_d on test identities, id+all at the phi_s chosen on validation "
        "identities minus the ends of the range",
    ),
    Claim(
        id="Y15",
        paper=PAPER,
        statement="With estimated poses the gain is large from frontal to profile and small "
        "elsewhere.",
        paper_figure="Tables V and VI: CFP-FP 94.39 %",
        untested="It needs faces in the wild, which the course has yet to render.",
    ),
)

CLAIMS: dict[str, Claim] = {claim.id: claim for claim in _ALL}
