"""The claims of Yin & Liu (2018) on made-up runs."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random

import numpy as np
import pytest
from made_up_runs import (
    CONDITIONS,
    DIMENSIONS,
    GROUPS,
    STEPS,
    close,
    interval,
    made_up_records,
    pairs,
    runs,
    values,
)
from made_up_runs import records_of as records_of_experiments

from mtl_helpers.papers.yin2018 import claims as yin2018_claims
from mtl_helpers.papers.yin2018.experiments import one_or_many, pose_branches, weighting_rules
from mtl_helpers.papers.yin2018.experiments.networks import ALL_TASKS, SIDE_TASKS
from mtl_helpers.presets import PRESETS
from mtl_helpers.registry import CLAIMS, EXPERIMENTS

TESTED = [name for name, claim in CLAIMS.items() if claim.evaluate is not None]


def records_of(claim, preset_name="laptop", seed=0):
    """What the ledger hands to a claim."""
    return records_of_experiments((claim.experiment, *claim.beside), preset_name, seed)


def overall(records, arm):
    return values(records, arm, "test", "rank1", "y_d", "overall")


def all_close(finding, expected):
    effects = finding.effects()
    assert list(effects) == list(expected)
    for name, differences in expected.items():
        close(effects[name], differences)


# At the laptop preset phi_s is 1, and the released layer gets a third.
FIXED, EQ8, RELEASED = "fixed-phi1", "eq8-phi1", "released-phi0.333"


def test_the_arms_of_the_three_rules_are_found_by_name():
    records = made_up_records("weighting_rules")
    assert yin2018_claims.rule_arms(records) == {"fixed": FIXED, "eq8": EQ8, "released": RELEASED}


def test_runs_of_an_arm_come_in_the_order_of_their_seeds():
    records = made_up_records("weighting_rules")
    random.Random(1).shuffle(records)
    found = yin2018_claims.runs_of(records, EQ8)
    assert [(made.arm, made.seed) for made in found] == [(EQ8, seed) for seed in range(5)]


# ---- each claim against numbers of our own


def test_y4_compares_the_rules_with_fixed_weights_and_pose_alone_with_all_side_tasks():
    records = records_of(CLAIMS["Y4"])
    all_close(
        yin2018_claims.dynamic_beats_fixed(records),
        {
            "Eq. 8 minus fixed": 100 * (overall(records, EQ8) - overall(records, FIXED)),
            "released minus fixed": 100 * (overall(records, RELEASED) - overall(records, FIXED)),
            "id+pos minus id+all, fixed": 100
            * (overall(records, "id+pos-phi1") - overall(records, FIXED)),
        },
    )


def test_y6_compares_p_cnn_by_stochastic_routing_with_m_cnn_of_the_same_rule():
    records = records_of(CLAIMS["Y6"])

    def branched(arm):
        return values(records, arm, "routing", "clean", "stochastic", "overall")

    all_close(
        yin2018_claims.branches_help(records),
        {
            "fixed: p-CNN minus m-CNN": 100 * (branched("p-fixed") - overall(records, FIXED)),
            "Eq. 8: p-CNN minus m-CNN": 100 * (branched("p-eq8") - overall(records, EQ8)),
        },
    )


def mean_share(made, task, first, last):
    """Mean share of a side task over the points ``first`` to ``last - 1``, by a loop."""
    shares = []
    for k in range(first, last):
        total = sum(made.curves[f"weight/{side}"][k] for side in SIDE_TASKS)
        shares.append(made.curves[f"weight/{task}"][k] / total)
    return math.fsum(shares) / len(shares)


def test_y7_looks_at_shares_in_the_first_twentieth_the_first_half_and_the_second():
    records = records_of(CLAIMS["Y7"])
    expected = {}
    for name, arm in (("Eq. 8", EQ8), ("released", RELEASED)):
        first, then, falls = [], [], []
        for made in runs(records, arm):
            early = {task: mean_share(made, task, 0, 5) for task in SIDE_TASKS}
            middle = {task: mean_share(made, task, 5, 50) for task in SIDE_TASKS}
            first.append(100 * (early["exp"] - max(early["pos"], early["illum"])))
            then.append(100 * (middle["pos"] - max(middle["exp"], middle["illum"])))
            fall = 100 * (middle["pos"] - mean_share(made, "pos", 50, 100))
            falls.append(min(fall, then[-1]))
        expected[f"{name}: expression leads at first"] = first
        expected[f"{name}: pose leads then"] = then
        expected[f"{name}: pose falls from its lead"] = falls
    all_close(yin2018_claims.weights_are_handed_over(records), expected)


@pytest.mark.parametrize(
    ("before", "after", "fall"),
    [(0.5, 0.2, 25), (0.5, 0.4, 10), (0.3, 0.1, -5), (0.5, 0.6, -10)],
)
def test_y7_counts_a_fall_only_of_a_pose_that_led(before, after, fall):
    pose = np.where(STEPS > 750, after, before)  # the others share the rest evenly
    weights = {"pos": pose, "illum": (1 - pose) / 2, "exp": (1 - pose) / 2}
    records = [
        dataclasses.replace(
            made,
            curves=made.curves | {f"weight/{task}": w.tolist() for task, w in weights.items()},
        )
        for made in made_up_records("weighting_rules")
    ]
    effects = yin2018_claims.weights_are_handed_over(records).effects()
    assert effects["Eq. 8: pose falls from its lead"].mean == pytest.approx(fall)


def test_y7_does_not_depend_on_the_total_weight():
    records = made_up_records("weighting_rules")
    heavier = [
        dataclasses.replace(
            made,
            curves={
                name: [7.0 * value for value in values] if name.startswith("weight/") else values
                for name, values in made.curves.items()
            },
        )
        for made in records
    ]
    ours, theirs = (
        yin2018_claims.weights_are_handed_over(each).effects() for each in (records, heavier)
    )
    for name, effect in ours.items():
        assert theirs[name].mean == pytest.approx(effect.mean)


def test_y8_looks_at_the_weights_of_the_two_main_tasks_in_the_first_and_the_last_fifth():
    records = records_of(CLAIMS["Y8"])
    lead, rise = [], []
    for made in runs(records, "p-eq8"):
        generic, specific = made.curves["weight/id"], made.curves["weight/id_pose"]
        lead.append(100 * (np.mean(specific[:20]) - np.mean(generic[:20])))
        rise.append(100 * (np.mean(generic[80:]) - np.mean(generic[:20])))
    all_close(
        yin2018_claims.specific_first_then_generic(records),
        {
            "pose-specific minus generic, first fifth": lead,
            "generic, last fifth minus first": rise,
        },
    )


def index_of_separation(energies):
    """Mutual information of task and dimension over the entropy of the task, term by term."""
    joint = np.stack([values / values.sum() for values in energies]) / len(energies)  # (T, D)
    of_dimension = joint.sum(axis=0)
    information = 0.0
    for row in joint:
        for p, q in zip(row, of_dimension, strict=True):
            information += p * math.log(p / (q / len(energies)))
    return information / math.log(len(energies))


def test_y9_measures_unevenness_and_separation_above_chance():
    records = records_of(CLAIMS["Y9"])
    effects = yin2018_claims.tasks_keep_apart(records).effects()
    growth = []
    for made in runs(records, FIXED):
        history = made.curves["energy"]
        ratios = [np.divide(history[f"std/{task}"], history[f"mean/{task}"]) for task in ALL_TASKS]
        growth.append(100 * np.mean([ratio[-1] - ratio[0] for ratio in ratios]))
    close(effects.pop("fixed: unevenness"), growth)

    assert list(effects) == [
        f"{rule}: separation above chance" for rule in ("fixed", "Eq. 8", "released")
    ]
    rng = np.random.default_rng(12)
    for arm, effect in zip((FIXED, EQ8, RELEASED), effects.values(), strict=True):
        above = []
        for made in runs(records, arm):
            energies = [made.arrays()[f"energy/{task}"].astype(float) for task in ALL_TASKS]
            chance = [
                index_of_separation([rng.permutation(values) for values in energies])
                for _ in range(60)
            ]
            above.append(100 * (index_of_separation(energies) - np.mean(chance)))
        # other shuffles: the mean of 60 of them is good to some tenths of a point
        np.testing.assert_allclose([effect.mean, effect.low, effect.high], interval(above), atol=1)
        assert abs(effect.mean) < 10


def test_y10_compares_shares_of_the_dimensions_that_are_laid_down():
    records = records_of(CLAIMS["Y10"])
    x, y = (
        100 * np.array([made.metrics["dimensions"][name] for made in runs(records, FIXED)])
        for name in ("x_n", "y_n")
    )
    all_close(
        yin2018_claims.few_dimensions_do(records),
        {
            "x rises at first": x[:, 4] - x[:, 0],
            "x falls at last": x[:, 7] - x[:, 9],
            "y_d rises to the end": y[:, 9] - y[:, 7],
        },
    )


def test_y11_is_the_change_from_the_first_to_the_last_look_in_per_cent():
    records = records_of(CLAIMS["Y11"])
    expected = {}
    for task in ALL_TASKS:
        mean, std = (
            np.array([made.curves["energy"][f"{kind}/{task}"] for made in runs(records, FIXED)])
            for kind in ("mean", "std")
        )
        expected[f"{task}: fall of the mean"] = 100 * (mean[:, 0] - mean[:, -1]) / mean[:, 0]
        expected[f"{task}: rise of the spread"] = 100 * (std[:, -1] - std[:, 0]) / std[:, 0]
    all_close(yin2018_claims.mean_falls_and_spread_rises(records), expected)


def side_share(made):
    """Share of the dimensions that a side task uses most, in per cent, by a loop."""
    energies = {task: made.arrays()[f"energy/{task}"].astype(float) for task in ALL_TASKS}
    taken = 0
    for i in range(DIMENSIONS):
        shares = {task: values[i] / values.sum() for task, values in energies.items()}
        taken += max(shares, key=shares.get) != "id"
    return 100 * taken / DIMENSIONS


def test_y12_counts_the_dimensions_of_the_side_tasks_and_the_energy_of_identity():
    """On the seeds that both networks have."""
    records = records_of(CLAIMS["Y12"])
    expected = {}
    for phi in (0.2, 0.3, 1):  # the paper's other two, and the chosen one
        both = pairs(records, f"fixed-phi{phi}", "fixed-phi0.1")
        expected[f"side dimensions, phi_s = {phi} minus 0.1"] = [
            side_share(a) - side_share(b) for a, b in both
        ]
        expected[f"energy of identity, phi_s = {phi} minus 0.1"] = [
            100 * (np.mean(a.arrays()["energy/id"].astype(float))
                   / np.mean(b.arrays()["energy/id"].astype(float)) - 1)
            for a, b in both
        ]  # fmt: skip
    all_close(yin2018_claims.phi_moves_dimensions(records), expected)


def test_y12_says_how_many_dimensions_side_tasks_have():
    flat = np.ones(4)
    arrays = {f"energy/{task}": flat for task in ALL_TASKS}
    (made, *_) = made_up_records("weighting_rules")
    one = dataclasses.replace(made, made=arrays | {"energy/pos": np.array([9.0, 1, 1, 1])})
    assert yin2018_claims.side_dimensions(one) == 25
    # a head of many classes has more energy, but no larger share
    loud = dataclasses.replace(made, made=one.made | {"energy/pos": 100 * one.made["energy/pos"]})
    assert yin2018_claims.side_dimensions(loud) == 25
    assert yin2018_claims.side_dimensions(dataclasses.replace(made, made=arrays)) == 0


def test_y13_compares_routings_on_degraded_faces_and_after_wrong_labels():
    records = records_of(CLAIMS["Y13"])

    def gap(arm, condition):
        found = [made.metrics["routing"][condition] for made in runs(records, arm)]
        return [100 * (each["stochastic"]["overall"] - each["hard"]["overall"]) for each in found]

    expected = {condition: gap("p-fixed", condition) for condition in CONDITIONS[1:]}
    expected["50 % wrong labels"] = gap("p-fixed-noise0.5", "clean")
    expected["90 % wrong labels"] = gap("p-fixed-noise0.9", "clean")
    all_close(yin2018_claims.stochastic_beats_hard(records), expected)


# ---- every claim


@pytest.mark.parametrize("preset", ["smoke", "laptop", "gpu"])
@pytest.mark.parametrize("name", TESTED)
def test_a_claim_needs_no_runs_but_those_it_names_and_is_judged_as_it_says(name, preset):
    claim = CLAIMS[name]
    finding = claim.evaluate(records_of(claim, preset))
    assert finding.smallest_effect == claim.smallest_effect == 1.0
    assert finding.effects() and finding.verdict != "not tested"


@pytest.mark.parametrize("name", TESTED)
def test_the_order_of_the_runs_does_not_matter(name):
    claim = CLAIMS[name]
    records = records_of(claim)
    # the first record tells the preset, which all share
    shuffled = random.Random(3).sample(records, len(records))
    assert claim.evaluate(shuffled) == claim.evaluate(records)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_arms_of_experiments_that_are_compared_have_different_names(preset):
    for claim in CLAIMS.values():
        arms = [
            {run.arm for run in EXPERIMENTS[name].configs(preset)}
            for name in (claim.experiment, *claim.beside)
            if name is not None
        ]
        for a, b in itertools.combinations(arms, 2):
            assert not a & b


def test_claims_that_compare_experiments_name_both():
    named = {name: (claim.experiment, *claim.beside) for name, claim in CLAIMS.items()}
    table = (one_or_many.EXPERIMENT.name, weighting_rules.EXPERIMENT.name)
    for name in ("Y1", "Y2", "Y5", "Y14"):
        assert named[name] == table
    assert named["Y4"] == table[::-1]
    assert named["Y6"] == (pose_branches.EXPERIMENT.name, weighting_rules.EXPERIMENT.name)
    assert all(name in EXPERIMENTS for names in named.values() for name in names if name)


# ---- a world in which the paper is right, and one in which it is wrong


# By how much each arm is better than s-CNN in a world in which the paper is right.
BETTER = {
    "id+L2-0.001": 1, FIXED: 2, "id+illum-phi1": 2, "id+exp-phi1": 2, "id+pos-phi1": 4,
    EQ8: 4, RELEASED: 4, "p-fixed": 7, "p-eq8": 7,
}  # fmt: skip


def world(claim, right, seed=0):
    """Runs in which a claim plainly is right, or the contrary of it."""
    sign = 1 if right else -1
    rng = np.random.default_rng(seed)

    def noisy(value):
        return value + rng.normal(0, 0.001)

    changed = []
    for made in records_of(claim):
        metrics, curves, arrays = dict(made.metrics), dict(made.curves), dict(made.made)
        gain = sign * 0.02 * BETTER.get(made.arm, 0)
        score = noisy(0.5 + gain)
        by_group = {
            group: noisy(0.5 + gain * (0.5 if group == "frontal" else 1)) for group in GROUPS
        }
        metrics["test"] = {
            "rank1": {"y_d": {"overall": score, "by_group": by_group}},
            "side": {
                task: noisy(0.5 + sign * tilt)
                for task, tilt in zip(SIDE_TASKS, (0.1, 0, -0.1), strict=True)
            },
        }
        if "routing" in metrics:
            metrics["routing"] = {
                condition: {
                    "stochastic": {"overall": score + sign * 0.01},
                    "hard": {"overall": noisy(score - sign * 0.01)},
                }
                for condition in CONDITIONS
            }
            tilt = sign * np.linspace(-0.3, 0.3, 100)
            curves["weight/id"] = (0.5 + tilt + rng.normal(0, 0.001)).tolist()
            curves["weight/id_pose"] = (0.5 - tilt).tolist()
        if "dimensions" in metrics:
            x = np.array([0.2, 0.4, 0.5, 0.55, 0.6, 0.6, 0.6, 0.6, 0.5, 0.4])
            y = np.linspace(0.1, 0.9, 10)
            metrics["dimensions"] = {
                feature: [noisy(0.5 + sign * (value - 0.5)) for value in values]
                for feature, values in (("x_n", x), ("y_n", y))
            }
            curves |= {
                f"weight/{task}": (values + rng.normal(0, 0.001)).tolist()
                for task, values in handed_over(right).items()
            }
            curves["energy"] = {}
            for task in ALL_TASKS:
                mean = np.linspace(1.5, 1.5 - sign * 0.5, 21)
                std = np.linspace(1.5, 1.5 + sign * 0.5, 21)
                curves["energy"] |= {
                    f"mean/{task}": (mean * noisy(1)).tolist(),
                    f"std/{task}": (std * noisy(1)).tolist(),
                }
            arrays = energies_of_a_world(claim, made.arm, sign, noisy(1))
        changed.append(dataclasses.replace(made, metrics=metrics, curves=curves, made=arrays))
    return changed


def handed_over(right):
    """Shares of the side tasks: from expression to pose to illumination; or never given away."""
    if not right:
        return {
            task: np.full(100, share)
            for task, share in zip(SIDE_TASKS, (0.2, 0.5, 0.3), strict=True)
        }
    leader = np.where(STEPS <= 75, "exp", np.where(STEPS <= 750, "pos", "illum"))
    return {task: np.where(leader == task, 0.6, 0.2) for task in SIDE_TASKS}


def energies_of_a_world(claim, arm, sign, noise):
    """Energies with dimensions for each task, and as Y12 says of phi_s; or contrary to that."""
    number = np.arange(DIMENSIONS)
    if claim.id != "Y12":
        own = {
            task: number % 4 == k if sign > 0 else number < 5 for k, task in enumerate(ALL_TASKS)
        }
        return {f"energy/{task}": noise * (1 + 5.0 * own[task]) for task in ALL_TASKS}
    phi = float(arm.rsplit("phi", 1)[1])
    level = math.log10(max(phi, 0.03) / 0.03)  # 0 to 2
    side = number < 10 + sign * round(4 * level)
    arrays = {f"energy/{task}": 1 + 3.0 * side for task in SIDE_TASKS}
    identity = 1 + 3.0 * ~side
    arrays["energy/id"] = noise * (2 + sign * level / 2) * identity / identity.mean()
    return arrays


@pytest.mark.parametrize("name", TESTED)
def test_a_claim_holds_where_the_paper_is_right(name):
    claim = CLAIMS[name]
    finding = claim.evaluate(world(claim, right=True))
    assert finding.verdict == "holds", finding.reason


@pytest.mark.parametrize("name", TESTED)
def test_a_claim_does_not_hold_where_the_paper_is_wrong(name):
    claim = CLAIMS[name]
    finding = claim.evaluate(world(claim, right=False))
    assert finding.verdict == "does not hold here", finding.reason
