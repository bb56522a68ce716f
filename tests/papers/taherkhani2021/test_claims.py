"""Claims T1 to T8 on runs that nobody trained: in a world where they are right, and in another."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
from made_up_runs import close
from made_up_structures import world_of

from mtl_helpers.ledger.page import ledger_markdown
from mtl_helpers.ledger.verdict import evaluate, judge
from mtl_helpers.papers.taherkhani2021 import claims as paper_claims
from mtl_helpers.papers.taherkhani2021.claims import CLAIMS, condition, right
from mtl_helpers.papers.taherkhani2021.experiments.choices import GRID, Penalties
from mtl_helpers.papers.taherkhani2021.experiments.penalty_curves import BY_SGD
from mtl_helpers.papers.taherkhani2021.experiments.task_structures import MAIN
from mtl_helpers.presets import get_preset
from mtl_helpers.registry import CLAIMS as REGISTERED
from mtl_helpers.registry import EXPERIMENTS

LAPTOP = get_preset("laptop")
TESTED = [name for name, claim in CLAIMS.items() if claim.parts]


def world(claim, sign=1, preset="laptop"):
    """A record for every configuration of a claim's experiments."""
    return world_of(CLAIMS[claim].experiments, sign, preset)


def effects_of(claim, records):
    found = {part.label: part.effect(records) for part in CLAIMS[claim].parts}
    return {label: effect for label, effect in found.items() if effect is not None}


# ---- every claim


def test_claims_are_eight_and_one_says_why_nothing_tests_it():
    assert list(CLAIMS) == [f"T{number}" for number in range(1, 9)]
    for claim in CLAIMS.values():
        assert REGISTERED[claim.id] is claim
        assert claim.chapter.endswith("06_tasks_that_know_each_other.ipynb")
        assert bool(claim.parts) == bool(claim.experiments)
        for experiment in claim.experiments:
            assert experiment.paper == "taherkhani2021"
            assert EXPERIMENTS[experiment.name] is experiment
    assert "rebuilds none of them" in CLAIMS["T2"].untested


def test_without_runs_no_claim_is_tested(tmp_path):
    page = ledger_markdown(CLAIMS, LAPTOP, root=tmp_path)
    assert [line for line in page.splitlines() if line.startswith("## T")] == [
        f"## {name}: not tested" for name in CLAIMS
    ]
    assert "There are no stored runs of task_structures at the preset laptop yet." in page


@pytest.mark.parametrize("name", TESTED)
@pytest.mark.parametrize(("sign", "verdict"), [(1, "holds"), (-1, "does not hold here")])
def test_a_claim_holds_where_the_paper_is_right_only(name, sign, verdict):
    judgement = judge(CLAIMS[name], effects_of(name, world(name, sign)))
    assert judgement.verdict == verdict, judgement.reason


@pytest.mark.parametrize("name", TESTED)
@pytest.mark.parametrize("preset", ["smoke", "laptop", "gpu"])
def test_a_claim_needs_no_runs_but_those_it_names(name, preset):
    evaluation = evaluate(CLAIMS[name], world(name, preset=preset))
    assert evaluation.verdict != "not tested"
    assert "to train on" in evaluation.setting


@pytest.mark.parametrize("name", TESTED)
def test_the_order_of_the_runs_does_not_matter(name):
    records = world(name)
    shuffled = random.Random(3).sample(records, len(records))
    assert effects_of(name, shuffled) == effects_of(name, records)


# ---- effects, by walking the records


def runs_of(records, arm):
    return sorted((run for run in records if run.arm == arm), key=lambda run: run.seed)


def accuracy(run, structure, subset="all"):
    """By person (P,)."""
    return run.made[f"people/{structure}/accuracy/{subset}"]


def points(differences):
    """Differences of fractions by seed and person (S, P), in points."""
    return 100 * np.stack(differences).astype(np.float64)


def test_t1_is_differences_of_arms_of_one_trunk():
    records = world("T1")
    found = effects_of("T1", records)
    runs = runs_of(records, "strength1-all")
    close(
        found["known groups minus learned graph"],
        points([accuracy(run, "groups") - accuracy(run, "log degree") for run in runs]),
    )
    nothing = zip(*(runs_of(records, arm) for arm in ("groups", "log-degree")), strict=True)
    close(
        found["known groups minus learned graph, from nothing"],
        points([accuracy(a, "whole") - accuracy(b, "whole") for a, b in nothing]),
    )
    assert [p.name for p in CLAIMS["T1"].parts if p.role == "decides"] == [
        "known groups minus learned graph",
        "learned graph minus independent",
    ]


def test_average_precision_has_no_parts_by_person():
    records = world("T1")
    found = effects_of("T1", records)["learned graph minus independent, average precision"]
    assert found.over_people is None
    assert right("alone", "average_precision").people == ""


def test_t3_takes_the_gain_with_all_labels_from_that_with_few():
    records = world("T3")
    found = effects_of("T3", records)["known groups: minus the gain with all"]
    few, full = (runs_of(records, f"strength1-{budget}") for budget in ("few", "all"))

    def gain(run):
        return accuracy(run, "groups", "starved") - accuracy(run, "alone", "starved")

    close(found, points([gain(a) - gain(b) for a, b in zip(few, full, strict=True)]))


def test_t4_compares_links_with_strength_0_seed_by_seed():
    records = world("T4")
    found = effects_of("T4", records)["edges: links minus the same pairs at strength 0"]
    linked, strange = (runs_of(records, f"strength{s}-all") for s in (1, 0))

    def auc(run):
        return 100 * run.metrics["graphs"]["log degree"]["all"]["links_auc"]

    close(found, [auc(a) - auc(b) for a, b in zip(linked, strange, strict=True)])


def test_t4_is_refuted_where_only_look_alikes_are_found():
    records = []
    for run in world("T4"):
        graphs = {
            name: report
            | {"all": {"auc": 0.8, "links_auc": 0.8 + run.seed / 1e4}, "clusters": run.seed / 1e4}
            for name, report in run.metrics["graphs"].items()
        }
        records.append(dataclasses.replace(run, metrics=run.metrics | {"graphs": graphs}))
    judgement = judge(CLAIMS["T4"], effects_of("T4", records))
    assert judgement.verdict == "does not hold here"
    assert judgement.outcomes["edges: learned graph minus guessing"] == "holds"


def test_t5_is_what_is_left_of_a_point():
    records = world("T5")
    found = effects_of("T5", records)["xi ten times more"]
    place = GRID.index(Penalties().xi)

    def at(run, where):
        return run.made[f"people/xi {where}/accuracy/all"]

    runs = runs_of(records, "all")
    close(found, 1 - points([at(run, place) - at(run, place + 1) for run in runs]))


def test_t5_needs_weights_that_can_vary_both_ways(monkeypatch):
    edge = Penalties(gamma=GRID[-1])
    monkeypatch.setattr(paper_claims, "penalties_at", lambda preset, budget: edge)
    records = world("T5")
    evaluation = evaluate(CLAIMS["T5"], records)
    assert evaluation.verdict == "not tested"
    assert "for gamma" in evaluation.judgement.reason
    assert "gamma ten times more" not in evaluation.effects
    assert "gamma ten times less" in evaluation.effects


def test_t6_is_about_zeros_of_the_same_penalty():
    records = world("T6")
    place = str(GRID.index(Penalties().sparsity))
    expected = [
        100 * (run.metrics["sparsity"][place]["zeros"] - run.metrics[BY_SGD][place]["zeros"])
        for run in runs_of(records, "all")
    ]
    close(effects_of("T6", records)["at the chosen lambda"], expected)


def test_t7_needs_more_than_maps_that_know_where_faces_are():
    records = []
    for run in world("T7"):
        if "maps" in run.metrics:
            made = run.made | {"people/maps/others_of_best": run.made["people/maps/inside_of_best"]}
            run = dataclasses.replace(run, made=made)
        records.append(run)
    judgement = judge(CLAIMS["T7"], effects_of("T7", records))
    assert judgement.outcomes["minus the region's area"] == "holds"
    assert judgement.verdict != "holds"


def test_t8_compares_arms_of_one_run():
    records = world("T8")
    found = effects_of("T8", records)["right ones minus a third wrong"]
    reports = [run.metrics["verification"] for run in runs_of(records, "attributes")]
    close(found, [100 * (r["right"]["tar"] - r["a third wrong"]["tar"]) for r in reports])


def test_a_condition_is_found_by_strength_and_budget():
    records = world("T1")
    for strength, budget in ((1.0, "all"), (0.5, "few"), (0.0, "all")):
        runs = condition(records, strength, budget)
        assert {run.config["corpus"]["strength"] for run in runs} == {strength}
        assert all(bool(run.config["corpus"]["starved"]) == (budget == "few") for run in runs)
        assert set(MAIN) <= set(runs[0].metrics["structures"])


def test_the_setting_names_sizes_lengths_and_budgets():
    setting = evaluate(CLAIMS["T3"], world("T3")).setting
    assert setting == (
        "300 people with 25 pictures each to train on and 100 to test, 64 × 64 pixels; 240 steps "
        "of 128 pictures for the trunk, then 60 for each arm; few labels: 18 attributes with 100 "
        "each"
    )
    assert "few labels" not in evaluate(CLAIMS["T7"], world("T7")).setting
