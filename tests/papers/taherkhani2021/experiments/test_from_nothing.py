"""Networks that share no trunk: one run is one structure, trained whole."""

from __future__ import annotations

import pytest
from tiny_structures import TINY, on

from mtl_helpers.papers.taherkhani2021.experiments.from_nothing import COMPARED, configs, run_on
from mtl_helpers.presets import get_preset


def test_it_takes_as_long_as_a_trunk_and_an_arm():
    runs = configs(get_preset("laptop"))
    assert [(run.arm, run.seed) for run in runs[:3]] == [
        ("alone", 0), ("groups", 0), ("log-degree", 0),
    ]  # fmt: skip
    assert len(runs) == 9
    assert {run.recipe.shared.steps for run in runs} == {300}


@pytest.mark.parametrize("name", COMPARED)
def test_a_network_is_trained_and_measured_and_so_again(tiny_attributes, name):
    config = next(run for run in configs(TINY) if run.structure.name == name)
    outcome = run_on(tiny_attributes, on(tiny_attributes, config))
    accuracy = outcome.metrics["whole"]["all"]["accuracy"]
    part = outcome.arrays["people/whole/accuracy/all"]
    assert part.mean() == pytest.approx(accuracy, abs=1e-5)
    assert accuracy > 0.5
    again = run_on(tiny_attributes, on(tiny_attributes, config))
    assert again.metrics["whole"] == outcome.metrics["whole"]
    images = len(tiny_attributes.split("train"))
    assert outcome.metrics["training"]["passes"] == pytest.approx(10 * 12 / images)
