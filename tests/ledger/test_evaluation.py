"""Claims are evaluated on the stored runs of their experiments."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_up_claims import (
    ALL,
    ARMS,
    BOTH,
    CONFIGS,
    LATER,
    POSE,
    SMOKE,
    store_other,
    store_toy,
)

from mtl_helpers.ledger.claim import Window
from mtl_helpers.ledger.statistics import paired_difference
from mtl_helpers.ledger.verdict import evaluate_claim
from mtl_helpers.runs.record import ResultsError


@pytest.fixture
def root(tmp_path):
    store_toy(tmp_path)
    return tmp_path


def test_claim_is_judged_by_its_stored_runs(root):
    evaluation = evaluate_claim(ALL, SMOKE, root=root)
    assert evaluation.verdict == "not settled"
    assert evaluation.judgement.outcomes == {"id+pos": "holds", "id+exp": "not settled"}
    assert list(evaluation.effects) == ["id+pos", "id+exp"]
    assert len(evaluation.records) == len(CONFIGS)


def test_claim_is_evaluated_on_all_its_experiments(root):
    store_other(root)
    evaluation = evaluate_claim(BOTH, SMOKE, root=root)
    expected = [("toy", config.arm, config.seed) for config in CONFIGS]
    expected += [("other", "p-cnn", seed) for seed in range(3)]
    # and names the runs that its effects use, no others
    expected = [one for one in expected if one[1] in ("s-cnn", "p-cnn")]
    assert [(item.experiment, item.arm, item.seed) for item in evaluation.records] == expected
    effect = paired_difference(100 * np.array([0.70, 0.71, 0.72]), 100 * np.array(ARMS["s-cnn"]))
    assert evaluation.effects["p-cnn"].over_seeds.mean == pytest.approx(effect.mean)


@pytest.mark.parametrize("missing", ["toy", "other"])
def test_claim_without_runs_is_not_tested(root, missing):
    store_other(root)
    for path in (root / "laboratory" / missing / "smoke").glob("*.json"):
        path.unlink()
    evaluation = evaluate_claim(BOTH, SMOKE, root=root)
    assert evaluation.verdict == "not tested"
    assert f"no stored runs of {missing} at the preset smoke" in evaluation.judgement.reason
    assert evaluation.records == () and evaluation.effects == {}


def test_claim_without_parts_is_not_tested(root):
    evaluation = evaluate_claim(LATER, SMOKE, root=root)
    assert evaluation.verdict == "not tested"
    assert evaluation.judgement.reason == "No experiment of this course tests it yet."


def test_claim_with_some_runs_missing_is_refused(root):
    next(iter((root / "laboratory" / "toy" / "smoke").glob("id+exp-s1-*.json"))).unlink()
    with pytest.raises(ResultsError, match="no stored run toy/smoke/id.exp-s1"):
        evaluate_claim(POSE, SMOKE, root=root)


@pytest.mark.parametrize(("passes", "verdict"), [(0.59, "not tested"), (6.0, "holds")])
def test_claim_about_epochs_needs_epochs(root, passes, verdict):
    # Y7, Y8 and Y11 were once judged on runs that end inside the first epoch
    window = Window("20 epochs", passes=5.0, of=lambda run: passes)
    evaluation = evaluate_claim(dataclasses.replace(POSE, window=window), SMOKE, root=root)
    assert evaluation.verdict == verdict
    # what was seen is there for the reader, and judged only if it may be
    assert list(evaluation.effects) == ["id+pos"]
    assert bool(evaluation.judgement.outcomes) is (verdict == "holds")


def test_claim_with_an_unmet_condition_is_not_tested(root):
    # Y7 needs the fewest classes to be expression's; Y13 needs poses that are wrong
    unmet = (lambda runs: "", lambda runs: f"These {len(runs)} runs cannot.")
    evaluation = evaluate_claim(dataclasses.replace(POSE, conditions=unmet), SMOKE, root=root)
    assert evaluation.verdict == "not tested"
    assert evaluation.judgement.reason == "These 9 runs cannot."


def test_preset_and_folder_are_found_by_themselves(root, monkeypatch):
    monkeypatch.setenv("MTL_PRESET", "smoke")
    monkeypatch.setenv("MTL_RESULTS", str(root))
    assert evaluate_claim(POSE).verdict == "holds"
