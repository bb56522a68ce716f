"""The claims of Ming, Burie & Luqman (2021) on made-up runs, recomputed from their records."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_caricature_runs import metrics_and_arrays
from made_up_runs import close, pairs, record, runs, values

from mtl_helpers.ledger.verdict import evaluate
from mtl_helpers.papers.ming2021.claims import CLAIMS
from mtl_helpers.papers.ming2021.experiments import caricature_folds, caricature_weights
from mtl_helpers.presets import get_preset

TESTED = [name for name, claim in CLAIMS.items() if claim.parts]


@pytest.fixture(scope="module")
def all_records():
    rng, made = np.random.default_rng(0), {}
    for module in (caricature_weights, caricature_folds):
        experiment = module.EXPERIMENT
        made[experiment.name] = []
        for config in experiment.configs(get_preset("laptop")):
            metrics, arrays = metrics_and_arrays(config, rng)
            made[experiment.name].append(
                record(experiment.name, "laptop", config, metrics, None, arrays)
            )
    return made


def records_of(name, all_records):
    return [r for e in CLAIMS[name].experiments for r in all_records[e.name]]


def effects_of(name, all_records):
    records = records_of(name, all_records)
    return {part.label: part.effect(records) for part in CLAIMS[name].parts}


def gap(records, arm, other, *path):
    """The difference in points, replicate by replicate."""
    return 100 * (values(records, arm, *path) - values(records, other, *path))


def test_the_claims_are_the_nine_of_the_paper():
    assert list(CLAIMS) == [f"M{number}" for number in range(1, 10)]
    assert set(CLAIMS) - set(TESTED) == {"M9"} and "released code" in CLAIMS["M9"].untested


@pytest.mark.parametrize("name", TESTED)
def test_every_claim_is_judged_and_has_words(name, all_records):
    claim, records = CLAIMS[name], records_of(name, all_records)
    evaluation = evaluate(claim, records)
    assert evaluation.judgement.verdict != "not tested"
    assert set(evaluation.effects) == {part.label for part in claim.parts}
    assert "1,000 people" in claim.setting(records)
    if claim.remark is not None:
        assert claim.remark(records)


def test_the_weight_of_the_hardest_minus_that_of_the_easiest(all_records):
    effects, records = effects_of("M1", all_records), records_of("M1", all_records)
    for label, arm in (
        ("L4: as printed in the toy", "toy-printed"),
        ("L4: as printed of three tasks", "printed"),
        ("L4: as released of three tasks", "released"),
        ("the naive rule: in the toy", "toy-naive"),
    ):
        expected = []
        for made in runs(records, arm):
            rows = zip(made.made["steps/loss"], made.made["steps/weight"], strict=True)
            expected.append(100 * np.mean([w[L.argmax()] - w[L.argmin()] for L, w in rows]))
        close(effects[label], expected)


def by_person(records, arm, other, name, other_name=None):
    """The difference in points, person by person: (S, P)."""
    return [
        100 * (a.made[f"people/{name}"] - b.made[f"people/{other_name or name}"])
        for a, b in pairs(records, arm, other)
    ]


def test_known_people_against_single_tasks(all_records):
    records = records_of("M3", all_records)
    effects = effects_of("M3", all_records)
    for words, arm in (("as printed", "printed"), ("as released", "released")):
        for task, single, name in (
            ("verification", "single-verification", "verification/accuracy"),
            ("photographs", "single-photo", "identification/V2V"),
            ("caricatures", "single-caricature", "identification/C2C"),
        ):
            close(effects[f"{task}, {words}"], by_person(records, arm, single, name))
    across = effects_of("M4", all_records)
    name = "identification/V2C"
    close(across["V2C, as printed"], by_person(records, "printed", "single-photo", name))
    naive = effects_of("M2", all_records)["naive minus alone"]
    name = "identification/C2C"
    close(naive, by_person(records, "naive", "single-caricature", name))


def test_the_gap_is_within_minus_across(all_records):
    effects, records = effects_of("M5", all_records), records_of("M5", all_records)
    for label, arm, within, across in (
        ("photographs", "single-photo", "V2V", "V2C"),
        ("caricatures", "single-caricature", "C2C", "C2V"),
    ):
        names = (f"identification/{within}", f"identification/{across}")
        close(effects[label], by_person(records, arm, arm, *names))


def test_folds_are_paired_and_are_the_replicates(all_records):
    records = records_of("M6", all_records)
    effects = effects_of("M6", all_records)
    for words, far in (("0.1 %", "1e-3"), ("1 %", "1e-2")):
        for other in ("naive", "single"):
            effect = effects[f"FAR {words}, as printed, minus {other}"]
            path = ("verification", f"VAL@FAR={far}")
            close(effect, gap(records, "verification-printed", f"verification-{other}", *path))
            assert effect.over_seeds.n == 10
    effects = effects_of("M7", all_records)
    expected = gap(
        records, "identification-released", "identification-single", "search", "P2C", "rank1"
    )
    close(effects["P2C, as released, minus single"], expected)


def test_how_often_caricatures_are_hardest(all_records):
    effects, records = effects_of("M8", all_records), records_of("M8", all_records)
    expected = [
        100 * np.mean(made.made["steps/loss"].argmax(axis=1) == 1) - 95
        for made in runs(records, "naive")
    ]
    close(effects["naive"], expected)
    shares = []
    for made in runs(records, "printed"):
        first, caricature, photo = made.made["steps/loss"].T
        entropy = first - 0.1 * made.made["steps/centering"]
        hardest = (caricature > entropy) & (caricature > photo)
        shares.append(100 * hardest.mean() - 95)
    close(effects["as printed, entropies alone"], shares)


def test_perfect_photographs_leave_no_room(all_records):
    (condition,) = CLAIMS["M3"].conditions
    records = records_of("M3", all_records)
    assert condition(records) == ""
    kept = [(made, made.metrics["identification"]["V2V"]) for made in records
            if "V2V" in made.metrics.get("identification", {})]  # fmt: skip
    before = [rates["rank1"] for _, rates in kept]
    for _, rates in kept:
        rates["rank1"] = 0.998
    assert "no lead that matters was possible" in condition(records)
    for (_, rates), rank1 in zip(kept, before, strict=True):
        rates["rank1"] = rank1


def test_the_number_of_impostors_stands_with_val(all_records):
    remark = CLAIMS["M6"].remark(records_of("M6", all_records))
    assert "1,000 pairs of two people" in remark
    assert values(records_of("M6", all_records), "verification-single", "verification",
                  "impostors").min() == 1000  # fmt: skip
