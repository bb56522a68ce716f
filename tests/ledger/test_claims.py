from __future__ import annotations

import dataclasses
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from stored_runs import store_run

from mtl_helpers.ledger.claim import (
    VERDICTS,
    Claim,
    Finding,
    compare_arms,
    evaluate_claim,
    find,
    judge,
    judge_family,
    ledger_markdown,
)
from mtl_helpers.ledger.statistics import Interval, holm, mean_interval, paired_difference
from mtl_helpers.presets import PRESETS
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.runs.query import load_records
from mtl_helpers.runs.record import Record, ResultsError

SMOKE = PRESETS["smoke"]


@dataclass(frozen=True)
class Config:
    arm: str
    seed: int


ARMS = {
    "s-cnn": (0.50, 0.52, 0.51),
    "id+pos": (0.60, 0.625, 0.61),  # differences 10, 10.5, 10 points
    "id+exp": (0.50, 0.56, 0.49),  # differences 0, 4, -2
}
CONFIGS = [Config(arm, seed) for arm in ARMS for seed in range(3)]
TOY = Experiment("toy", lambda preset: CONFIGS, lambda config: Outcome({}))
CODE = {"commit": "0123456789abcdef", "dirty": False, "sources": "f" * 16}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for config in CONFIGS:
        store_run(
            TOY,
            SMOKE,
            config,
            tmp_path,
            metrics={"rank1": ARMS[config.arm][config.seed]},
            seconds=60,
            code=CODE,
        )
    return tmp_path


@pytest.fixture
def records(root: Path) -> list[Record]:
    return load_records(TOY, SMOKE, CONFIGS, root=root)


def interval(low: float, high: float, n: int = 3) -> Interval:
    return Interval((low + high) / 2, low, high, n)


# --- verdicts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.5, 3.0, "holds"),
        (0.1, 0.3, "holds"),
        (-3.0, -0.5, "does not hold here"),
        (-0.5, 0.9, "does not hold here"),
        (0.0, 0.5, "does not hold here"),
        (-0.5, 1.0, "not settled"),
        (-8.0, 9.0, "not settled"),
        (0.0, 2.0, "not settled"),
    ],
)
def test_verdict_of_one_effect(low: float, high: float, verdict: str) -> None:
    assert judge(interval(low, high), smallest_effect=1.0) == verdict
    assert judge(interval(-high, -low), smallest_effect=1.0, direction="less") == verdict


def test_verdict_follows_the_written_rule_everywhere() -> None:
    rng = random.Random(0)
    for _ in range(500):
        low, high = sorted(rng.uniform(-3, 3) for _ in range(2))
        smallest = rng.uniform(0.1, 2)
        if low > 0:
            expected = "holds"
        elif smallest <= high:
            expected = "not settled"
        else:
            expected = "does not hold here"
        assert judge(interval(low, high), smallest) == expected


def test_verdict_does_not_depend_on_the_unit() -> None:
    rng = random.Random(1)
    for _ in range(100):
        low, high = sorted(rng.uniform(-3, 3) for _ in range(2))
        points = interval(low, high)
        assert judge(points, 1.0) == judge(points.scaled(0.01), 0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: judge(interval(0, 1), 0.0), "must be > 0"),
        (lambda: judge(interval(0, 1), 1.0, "up"), "'greater' or 'less', got 'up'"),
        (lambda: judge(Interval(0, math.nan, 1, 3), 1.0), "has no order"),
        (lambda: judge_family([], 1.0), "at least one interval"),
    ],
)
def test_senseless_questions_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


YES, NO, OPEN = (9.0, 10.0), (-0.5, 0.5), (-5.0, 5.0)


@pytest.mark.parametrize(
    ("family", "verdict"),
    [
        ([YES], "holds"),
        ([YES, YES, YES], "holds"),
        ([YES, NO], "holds in part"),
        ([OPEN, YES], "holds in part"),
        ([NO, NO], "does not hold here"),
        ([NO, OPEN], "not settled"),
        ([OPEN], "not settled"),
    ],
)
def test_verdict_of_a_family(family: list[tuple[float, float]], verdict: str) -> None:
    for order in itertools.permutations(family):
        assert judge_family([interval(*ends) for ends in order], 1.0) == verdict
        mirrored = [interval(-high, -low) for low, high in order]
        assert judge_family(mirrored, 1.0, "less") == verdict


def test_lucky_comparison_of_a_family_does_not_count() -> None:
    barely = mean_interval([1.5, 1.9, 2.4])  # p = 0.018: holds alone, not among four
    others = [interval(*OPEN)] * 3
    assert judge(barely, 1.0) == "holds" and 0.0125 < barely.p_value < 0.05
    assert holm([barely.p_value, *(other.p_value for other in others)])[0] > 0.05
    assert judge_family([barely, *others], 1.0) == "not settled"
    # that all hold needs no correction
    assert judge_family([barely] * 4, 1.0) == "holds"
    finding = find([barely, *others], 1.0)
    assert "does not stand once the number of comparisons is accounted for" in finding.reason


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((2.0, 3.0), "The whole interval lies above zero."),
        ((0.1, 0.3), "smaller than the 1 point that we said"),
        ((-3.0, -2.0), "below zero: the effect goes the other way"),
        ((-0.5, 0.5), "ends before the 1 point that would matter"),
        ((-5.0, 5.0), "holds both zero and an effect of 1 point,"),
    ],
)
def test_reason_says_what_the_interval_shows(ends: tuple[float, float], words: str) -> None:
    effect = interval(*ends)
    finding = find(effect, 1.0, remark="A remark.")
    assert words in finding.reason and finding.reason.endswith(" A remark.")
    assert finding.verdict == judge(effect, 1.0)
    mirrored = find(interval(-ends[1], -ends[0]), 1.0, "less").reason
    swapped = words.replace("above", "\0").replace("below", "above").replace("\0", "below")
    assert swapped in mirrored


def test_reason_of_a_family_names_its_members() -> None:
    family = {"pose": interval(*YES), "light": interval(*NO), "smile": interval(*NO)}
    finding = find(family, 2.0)
    assert finding.verdict == "holds in part"
    assert finding.reason == (
        "Of 3 comparisons, each by itself, holds: pose; does not hold here: light, smile."
    )
    assert list(find(list(family.values()), 2.0).effects()) == ["1", "2", "3"]


# --- comparisons --------------------------------------------------------------------------------


def test_compare_arms_pairs_by_seed_and_gives_points(records: list[Record]) -> None:
    shuffled = records[:]
    random.Random(0).shuffle(shuffled)
    effect = compare_arms(shuffled, "id+pos", "s-cnn", "rank1")
    expected = paired_difference(100 * np.array(ARMS["id+pos"]), 100 * np.array(ARMS["s-cnn"]))
    assert dataclasses.astuple(effect) == pytest.approx(dataclasses.astuple(expected))
    assert effect.mean == pytest.approx((10 + 10.5 + 10) / 3)


def test_compare_arms_refuses_arms_with_other_seeds(records: list[Record]) -> None:
    with pytest.raises(ResultsError, match=r"\(0, 1\) and \(0, 1, 2\)"):
        compare_arms(
            [item for item in records if (item.arm, item.seed) != ("id+pos", 2)],
            "id+pos",
            "s-cnn",
            "rank1",
        )


# --- the ledger ---------------------------------------------------------------------------------


def _evaluate_pose(records: list[Record]) -> Finding:
    return find(compare_arms(records, "id+pos", "s-cnn", "rank1"), 1.0)


def _evaluate_all(records: list[Record]) -> Finding:
    arms = ("id+pos", "id+exp")
    return find({arm: compare_arms(records, arm, "s-cnn", "rank1") for arm in arms}, 1.0)


POSE = Claim(
    id="T1",
    paper="Toy (2018)",
    statement="Pose | helps.",
    paper_figure="Table 1",
    experiment="toy",
    evaluate=_evaluate_pose,
    chapter="../notebooks/toy.ipynb",
    comparison="rank-1 of id+pos minus s-CNN",
)
ALL = dataclasses.replace(POSE, id="T2", evaluate=_evaluate_all, chapter="")
LATER = Claim("T 3b", "Toy (2018)", "More helps.", "Fig. 2")
EXPERIMENTS = {"toy": TOY}


def page(root: Path, *claims: Claim) -> str:
    return ledger_markdown(claims, SMOKE, experiments=EXPERIMENTS, root=root)


def test_ledger_shows_effect_interval_seeds_and_verdict(root: Path) -> None:
    text = page(root, POSE, ALL, LATER)
    records = load_records(TOY, SMOKE, CONFIGS, root=root)
    effect = compare_arms(records, "id+pos", "s-cnn", "rank1")
    shown = f"{effect.mean:+.1f} [{effect.low:+.1f}, {effect.high:+.1f}]"
    assert shown == "+10.2 [+9.4, +10.9]"
    rows = [line for line in text.splitlines() if line.startswith("| [")]
    assert rows[0] == (
        "| [T1](#claim-t1) | Pose \\| helps. | Toy (2018); Table 1 "
        "| +10.2 [+9.4,\N{NO-BREAK SPACE}+10.9] | **holds** "
        "| [`toy`](../notebooks/toy.ipynb), 3 seeds |"
    )
    assert (
        "| id+pos: +10.2 [+9.4,\N{NO-BREAK SPACE}+10.9]"
        "<br>id+exp: +0.7 [−6.9,\N{NO-BREAK SPACE}+8.3] | **holds in part** | `toy`, 3 seeds |"
    ) in rows[1]
    assert "+8.3] steps" in page(root, dataclasses.replace(ALL, unit="steps"))
    assert rows[2] == (
        "| [T 3b](#claim-t-3b) | More helps. | Toy (2018); Fig. 2 | – | **not tested** | none yet |"
    )


def test_ledger_has_a_section_for_every_claim(root: Path) -> None:
    text = page(root, POSE, ALL, LATER)
    for anchor in ("claim-t1", "claim-t2", "claim-t-3b", "claims-ledger"):
        assert text.count(f"\n({anchor})=\n") + text.startswith(f"({anchor})=\n") == 1
    first = text.split("(claim-t1)=")[1].split("(claim-t2)=")[0]
    for part in (
        "- Smallest effect that matters: 1 point\n",
        "- Effect: rank-1 of id+pos minus s-CNN\n",
        "- Conditions: 9 stored runs, seeds 0, 1, 2, preset smoke; ",
        "code 01234567; 9 min of computing",
        "**Verdict: holds.** The whole interval lies above zero.",
    ):
        assert part in first
    assert "| id+exp | +0.7 | −6.9 to +8.3 |" in text
    assert "**Verdict: not tested.** No experiment of this course tests it yet." in text


def test_claim_is_judged_by_the_effect_it_declares(root: Path) -> None:
    with pytest.raises(ValueError, match="T1 declares 2.5 as .* but is judged by 1; make"):
        page(root, dataclasses.replace(POSE, smallest_effect=2.5))


def test_ledger_tables_have_as_many_cells_as_headings(root: Path) -> None:
    width = None
    for line in page(root, POSE, ALL, LATER).splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = line.replace("\\|", "").count("|")
        assert width in (None, cells)
        width = cells


def test_ledger_explains_every_verdict(root: Path) -> None:
    text = page(root)
    for verdict in VERDICTS:
        assert f"| **{verdict}** |" in text
    assert "No claims are registered." in text


def test_ledger_is_the_same_every_time(root: Path) -> None:
    claims = {claim.id: claim for claim in (POSE, ALL)}
    text = ledger_markdown(claims, SMOKE, experiments=EXPERIMENTS, root=root)
    assert text == page(root, POSE, ALL)
    assert str(root) not in text


def test_claim_without_runs_is_not_tested(tmp_path: Path) -> None:
    evaluation = evaluate_claim(POSE, SMOKE, experiments=EXPERIMENTS, root=tmp_path)
    assert evaluation.finding.verdict == "not tested"
    assert "no stored runs of toy at the preset smoke" in evaluation.finding.reason
    assert evaluation.records == ()


def test_claim_with_some_runs_missing_is_refused(root: Path) -> None:
    next(iter((root / "laboratory" / "toy" / "smoke").glob("id+exp-s1-*.json"))).unlink()
    with pytest.raises(ResultsError, match="no stored run toy/smoke/id.exp-s1"):
        page(root, POSE)


def test_claim_about_an_unknown_experiment_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="T1 names the experiment 'tyo'; known: toy"):
        page(root, dataclasses.replace(POSE, experiment="tyo"))


OTHER_CONFIGS = [Config("p-cnn", seed) for seed in range(3)]
OTHER = Experiment("other", lambda preset: OTHER_CONFIGS, lambda config: Outcome({}))
BOTH = {"toy": TOY, "other": OTHER}


def _evaluate_both(records: list[Record]) -> Finding:
    return find(compare_arms(records, "p-cnn", "s-cnn", "rank1"), 1.0)


BESIDE = dataclasses.replace(POSE, beside=("other",), evaluate=_evaluate_both)


def store_other(root: Path) -> None:
    for config in OTHER_CONFIGS:
        store_run(
            dataclasses.replace(TOY, name="other"),
            SMOKE,
            config,
            root,
            metrics={"rank1": 0.7 + 0.01 * config.seed},
            seconds=60,
            code=CODE,
        )


def test_claim_is_evaluated_on_the_runs_of_every_experiment_that_it_names(root: Path) -> None:
    store_other(root)
    evaluation = evaluate_claim(BESIDE, SMOKE, experiments=BOTH, root=root)
    expected = [("toy", config.arm, config.seed) for config in CONFIGS]
    expected += [("other", "p-cnn", seed) for seed in range(3)]
    assert [(item.experiment, item.arm, item.seed) for item in evaluation.records] == expected
    effect = paired_difference(100 * np.array([0.70, 0.71, 0.72]), 100 * np.array(ARMS["s-cnn"]))
    assert evaluation.finding.effects()[""].mean == pytest.approx(effect.mean)
    # the claim without the second experiment sees its own runs alone
    alone = evaluate_claim(POSE, SMOKE, experiments=BOTH, root=root)
    assert {item.experiment for item in alone.records} == {"toy"}


def test_ledger_names_every_experiment_of_a_claim_and_counts_all_runs(root: Path) -> None:
    store_other(root)
    text = ledger_markdown([BESIDE], SMOKE, experiments=BOTH, root=root)
    assert "[`toy` and `other`](../notebooks/toy.ipynb), 3 seeds" in text
    assert "- Conditions: 12 stored runs, seeds 0, 1, 2, preset smoke; " in text


@pytest.mark.parametrize("missing", ["toy", "other"])
def test_claim_is_not_tested_while_one_experiment_has_no_runs(root: Path, missing: str) -> None:
    store_other(root)
    for path in (root / "laboratory" / missing / "smoke").glob("*.json"):
        path.unlink()
    evaluation = evaluate_claim(BESIDE, SMOKE, experiments=BOTH, root=root)
    assert evaluation.finding.verdict == "not tested"
    assert f"no stored runs of {missing} at the preset smoke" in evaluation.finding.reason
    assert evaluation.records == ()


def test_claim_with_some_runs_of_the_second_experiment_missing_is_refused(root: Path) -> None:
    store_other(root)
    next(iter((root / "laboratory" / "other" / "smoke").glob("p-cnn-s1-*.json"))).unlink()
    with pytest.raises(ResultsError, match="no stored run other/smoke/p-cnn-s1"):
        evaluate_claim(BESIDE, SMOKE, experiments=BOTH, root=root)


def test_claim_beside_an_unknown_experiment_is_refused(root: Path) -> None:
    wrong = dataclasses.replace(BESIDE, beside=("othre",))
    with pytest.raises(ValueError, match="T1 names the experiment 'othre'; known: toy, other"):
        evaluate_claim(wrong, SMOKE, experiments=BOTH, root=root)


def test_two_claims_with_one_anchor_are_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="Two claims have the anchor 'claim-t1'"):
        page(root, POSE, dataclasses.replace(POSE, id="t1"))


def test_registry_and_preset_are_found_by_themselves(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mtl_helpers import registry as experiments

    monkeypatch.setenv("MTL_PRESET", "smoke")
    monkeypatch.setenv("MTL_RESULTS", str(root))
    monkeypatch.setattr(experiments, "EXPERIMENTS", EXPERIMENTS)
    assert evaluate_claim(POSE).finding.verdict == "holds"
    assert ledger_markdown([POSE]) == page(root, POSE)
