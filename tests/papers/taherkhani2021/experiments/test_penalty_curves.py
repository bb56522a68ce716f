"""Curves of the penalties on frozen features, and what is chosen from them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_up_runs import record
from tiny_structures import TINY, on

from mtl_helpers.papers.taherkhani2021.experiments.choices import CHOSEN, GRID, Penalties
from mtl_helpers.papers.taherkhani2021.experiments.penalty_curves import (
    BY_SGD,
    CURVES,
    EXPERIMENT,
    choose,
    configs,
    curve,
    fitted_method,
    run_on,
)
from mtl_helpers.papers.taherkhani2021.smidas import L1Subgradient, Smidas
from mtl_helpers.presets import get_preset
from mtl_helpers.runs.query import load_records

LAPTOP = get_preset("laptop")


def test_every_seed_has_all_labels_and_some_have_few():
    runs = [(config.arm, config.seed) for config in configs(LAPTOP)]
    assert runs == [("all", s) for s in range(5)] + [("few", s) for s in range(3)]
    assert configs(LAPTOP)[0].fit.steps == 300


@pytest.fixture(scope="module")
def outcome(tiny_attributes):
    config = on(tiny_attributes, configs(TINY)[0])
    fit = dataclasses.replace(config.fit, steps=30)
    return run_on(tiny_attributes, dataclasses.replace(config, grid=(1e-3, 1.0), fit=fit))


def test_every_penalty_has_a_point_for_each_weight(outcome):
    assert outcome.metrics["grid"] == [1e-3, 1.0]
    for name in (*CURVES, BY_SGD):
        points = outcome.metrics[name]
        assert list(points) == ["0", "1"]
        for place, point in points.items():
            assert 0 < point["validation"]["all"]["accuracy"] < 1
            part = outcome.arrays[f"people/{name} {place}/accuracy/all"]
            assert part.mean() == pytest.approx(point["test"]["all"]["accuracy"], abs=1e-5)


def test_a_heavy_price_on_codes_leaves_zeros_by_smidas_alone(outcome):
    smidas, sgd = (outcome.metrics[name]["1"]["zeros"] for name in ("sparsity", BY_SGD))
    assert smidas > 0.5
    assert sgd == 0
    assert outcome.metrics["sparsity"]["0"]["zeros"] < smidas


def test_only_the_named_penalty_changes(tiny_attributes):
    config = on(tiny_attributes, configs(TINY)[0])
    middle = Penalties()
    for name in (*CURVES, BY_SGD):
        method = fitted_method(tiny_attributes, config, 10, name, 0.7)
        if name == "length":
            assert method.penalty == 0.7
        elif name == "xi":
            assert method.xi == 0.7
        else:
            codes, basis = method.optimizers["S"], method.optimizers["L"]
            assert isinstance(codes, L1Subgradient if name == BY_SGD else Smidas)
            sparsity, gamma = codes.param_groups[0]["penalty"], basis.param_groups[0]["gamma"]
            expected = (middle.sparsity, 0.7) if name == "gamma" else (0.7, middle.gamma)
            assert (sparsity, gamma) == expected
        moved = {id(p) for o in method.optimizers.values() for g in o.param_groups
                 for p in g["params"]}  # fmt: skip
        assert moved == {id(p) for p in method.parameters()}


def made_up(best, fall=0.01):
    """Records that are best on validation people at these places of the grid, and fall from it."""
    records = []
    for config in configs(LAPTOP):
        metrics = {"grid": list(config.grid)}
        for name in CURVES:
            metrics[name] = {}
            for place in range(len(GRID)):
                gaps = {"all": place - best[name], "starved": place - best[name] + 1}
                validation = {
                    subset: dict.fromkeys(
                        ("accuracy", "average_precision"), 0.8 - fall * gap**2 + 0.001 * config.seed
                    )
                    for subset, gap in gaps.items()
                }
                metrics[name][str(place)] = {"validation": validation}
        records.append(record(EXPERIMENT.name, "laptop", config, metrics))
    return records


def test_the_best_weight_on_validation_people_is_chosen():
    best = {"length": 1, "sparsity": 3, "gamma": 4, "xi": 2}
    chosen = {name: GRID[place] for name, place in best.items()}
    assert choose(made_up(best), "all") == Penalties(**chosen)
    # where labels are few, by the attributes that lack them
    starved = {name: GRID[place - 1] for name, place in best.items()}
    assert choose(made_up(best), "few") == Penalties(**starved)


def test_the_largest_weight_within_a_standard_error_is_chosen():
    middle = dict.fromkeys(CURVES, 2)
    # five seeds, 0.001 apart: the standard error of their mean is 0.00071
    assert choose(made_up(middle, fall=0.0006), "all") == Penalties(*[GRID[3]] * 4)
    assert choose(made_up(middle, fall=0.0008), "all") == Penalties(*[GRID[2]] * 4)


def test_few_labels_are_chosen_for_by_average_precision():
    records = made_up(dict.fromkeys(CURVES, 2))
    for made in records:
        for name in CURVES:
            made.metrics[name]["4"]["validation"]["starved"]["accuracy"] = 1.0
    assert choose(records, "few") == Penalties(*[GRID[1]] * 4)


def test_what_was_chosen_is_what_the_stored_runs_say():
    records = load_records(EXPERIMENT, LAPTOP)
    assert CHOSEN["laptop"] == {budget: choose(records, budget) for budget in ("all", "few")}


def test_a_curve_has_a_row_per_seed():
    table = curve(made_up(dict.fromkeys(CURVES, 2)), "all", "xi", "validation.all.accuracy")
    assert table.shape == (5, len(GRID))
    np.testing.assert_allclose(table[:, 2], 0.8 + 0.001 * np.arange(5))
