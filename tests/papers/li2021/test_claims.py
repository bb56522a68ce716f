"""The claims of Li, Wang & Zhang (2021) on made-up runs."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_games import PEOPLE, metrics_and_arrays
from made_up_runs import close, record

from mtl_helpers.ledger.verdict import evaluate, judge
from mtl_helpers.papers.li2021.claims import CLAIMS, chosen_alpha
from mtl_helpers.papers.li2021.experiments import forgetting_pose, in_the_wild
from mtl_helpers.papers.li2021.experiments.forgetting_pose import (
    ALPHAS,
    BESIDE_SEEDS,
    LONGER,
    MAIN,
    TIMES,
    alpha_arm,
    long_arm,
)
from mtl_helpers.papers.li2021.regressor import STAGES
from mtl_helpers.presets import get_preset

LAPTOP = get_preset("laptop")


@pytest.fixture(scope="module")
def records():
    rng, made = np.random.default_rng(0), []
    for experiment in (forgetting_pose.EXPERIMENT, in_the_wild.EXPERIMENT):
        for config in experiment.configs(LAPTOP):
            metrics, arrays = metrics_and_arrays(experiment.name, config, rng)
            made.append(record(experiment.name, "laptop", config, metrics, arrays=arrays))
    return made


def of(records, claim):
    names = {experiment.name for experiment in CLAIMS[claim].experiments}
    return [made for made in records if made.experiment in names]


def effects_of(records, claim):
    mine = of(records, claim)
    return {part.label: part.effect(mine) for part in CLAIMS[claim].parts}


def metric(records, group, name):
    """A metric of each seed, (S,)."""
    runs = sorted((r for r in records if r.arm == group), key=lambda r: r.seed)
    return np.array([run.metric(name) for run in runs])


def people(records, group, name):
    runs = sorted((r for r in records if r.arm == group), key=lambda r: r.seed)
    return np.array([run.arrays()[name].mean() for run in runs])


def test_the_ten_claims_are_there():
    assert list(CLAIMS) == [f"A{number}" for number in range(1, 11)]


@pytest.mark.parametrize("name", [name for name, claim in CLAIMS.items() if claim.parts])
def test_every_part_can_be_measured_and_judged(name, records):
    effects = effects_of(records, name)
    assert all(np.isfinite(effect.judged.mean) for effect in effects.values())
    assert judge(CLAIMS[name], effects).verdict


def test_what_is_read_is_set_against_the_mean_face(records):
    effects = effects_of(records, "A1")
    errors = {
        name: metric(records, "games", f"arms.baseline.probes.{name}.interocular")
        for name in ("guess", *STAGES)
    }
    for stage in STAGES:
        close(effects[f"read: {stage}"], 100 * (errors["guess"] - errors[stage]))
    close(effects["worse deeper: stage4 minus stage3"], 100 * (errors["stage4"] - errors["stage3"]))


def test_gains_are_over_the_arm_that_trained_as_long(records):
    profile = {a: people(records, "games", f"people/{a}/x/profile") for a in (MAIN, LONGER)}
    frontal = {a: people(records, "games", f"people/{a}/x/frontal") for a in (MAIN, LONGER)}
    gain = 100 * (profile[MAIN] - profile[LONGER])
    lead = gain - 100 * (frontal[MAIN] - frontal[LONGER])
    assert effects_of(records, "A2")["profiles of pie"].over_seeds.mean == pytest.approx(
        gain.mean()
    )
    effects = effects_of(records, "A3")
    assert effects["profiles"].over_people.people == PEOPLE
    assert effects["profiles minus frontal"].over_seeds.mean == pytest.approx(lead.mean())
    by_angle = [
        metric(records, "games", f"arms.{a}.test.rank1.x.by_angle.90") for a in (MAIN, LONGER)
    ]
    close(effects["90°"], 100 * (by_angle[0] - by_angle[1]))


def test_protocols_in_the_wild_are_those_of_the_trunk_meant(records):
    effects = effects_of(records, "A2")
    for label, trunk, arm, other in (
        ("CFP-FP", in_the_wild.CASIA, "aprn", "longer"),
        ("CFP-FP, alpha 0.01", in_the_wild.CASIA, "mild", "longer"),
        ("CFP-FP, against the baseline", in_the_wild.CASIA, "aprn", "baseline"),
        ("CFP-FP, residual trunk with ArcFace", in_the_wild.RESIDUAL, "aprn", "longer"),
    ):
        mine, theirs = (
            metric(records, trunk, f"arms.{name}.CFP-FP.accuracy") for name in (arm, other)
        )
        close(effects[label], 100 * (mine - theirs))


def test_arms_of_both_runs_of_a_seed_are_paired(records):
    effects = effects_of(records, "A8")
    mine = people(records, "games", f"people/{MAIN}/x/profile")
    theirs = people(records, "games", "people/L1/x/profile")
    assert effects_of(records, "A8")["the released leak minus none"].over_seeds.n == BESIDE_SEEDS
    expected = 100 * (mine - theirs).mean()
    assert effects["APRN minus L1_Reg"].over_seeds.mean == pytest.approx(expected)
    noise = effects_of(records, "A9")["APRN minus L2_Reg"]
    close(
        noise,
        metric(records, "games", f"arms.{MAIN}.noise.mean")
        - metric(records, "games", "arms.L2.noise.mean"),
    )


def test_alpha_is_chosen_on_validation_people_and_judged_on_test(records):
    runs = of(records, "A6")
    rates = {
        alpha: metric(runs, "games", f"arms.{alpha_arm(alpha)}.validation.rank1.x.by_view.profile")
        for alpha in ALPHAS
    }
    best = max(rates, key=lambda alpha: rates[alpha].mean())
    assert chosen_alpha(runs) == best
    mine, theirs = (
        people(runs, "games", f"people/{arm}/x/profile") for arm in (alpha_arm(best), LONGER)
    )
    expected = pytest.approx(100 * (mine - theirs).mean())
    for claim, label in (("A2", "profiles of pie, chosen alpha"), ("A6", "chosen alpha minus 0")):
        assert effects_of(records, claim)[label].over_seeds.mean == expected


def test_a_long_game_is_set_against_a_long_training_without_one(records):
    found = effects_of(records, "A6")[f"0.2 minus 0, {TIMES} times as long"]
    few = [run for run in records if run.arm == "games" and run.seed < BESIDE_SEEDS]
    mine, theirs = (
        people(few, "games", f"people/{long_arm(alpha)}/x/profile") for alpha in (0.2, 0)
    )
    assert found.over_seeds.n == BESIDE_SEEDS
    assert found.over_seeds.mean == pytest.approx(100 * (mine - theirs).mean())


def test_tighter_means_a_smaller_ratio_and_not_only_more_alike():
    parts = {part.name: part for part in CLAIMS["A5"].parts}
    assert parts["similarity to one's own centroid"].role == "trivial"
    ratio = parts["spread within people by that between them"]
    assert (ratio.role, ratio.direction) == ("decides", "less")


def test_the_claim_about_cost_says_why_nothing_tests_it():
    assert not CLAIMS["A10"].parts and "parameters" in CLAIMS["A10"].untested


def test_angles_that_no_camera_shows_are_not_spoken_of(records):
    far, near = CLAIMS["A3"].conditions[0], of(records, "A3")
    assert far(near) == ""
    kept = []
    for made in near:
        for arm in made.metrics["arms"].values():
            angles = arm["test"]["rank1"]["x"]["by_angle"]
            kept.append((angles, angles.pop("75"), angles.pop("90")))
    assert "turned by 75° or 90°" in far(near)
    evaluation = evaluate(CLAIMS["A3"], near)
    assert evaluation.verdict == "not tested"
    assert "60°" in evaluation.effects and "90°" not in evaluation.effects
    for angles, at_75, at_90 in kept:
        angles |= {"75": at_75, "90": at_90}
