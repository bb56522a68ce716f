"""The recomputation of paper 3's ledger, on made-up runs and against the page."""

from __future__ import annotations

import ledger_li2021 as ledger
import numpy as np
import pytest
import recompute_ledger as recompute
from ledger_scripts import agrees_without_the_package
from made_up_games import metrics_and_arrays
from stored_runs import store_run

from mtl_helpers.ledger.page import ledger_markdown
from mtl_helpers.papers.li2021.claims import CLAIMS
from mtl_helpers.papers.li2021.experiments import forgetting_pose, in_the_wild
from mtl_helpers.presets import get_preset

LAPTOP = get_preset("laptop")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("results"), np.random.default_rng(0)
    for experiment in (forgetting_pose.EXPERIMENT, in_the_wild.EXPERIMENT):
        for config in experiment.configs(LAPTOP):
            metrics, arrays = metrics_and_arrays(experiment.name, config, rng)
            arrays = {name: values.astype(np.float32) for name, values in arrays.items()}
            store_run(experiment, LAPTOP, config, root, metrics=metrics, arrays=arrays)
    return root


@pytest.fixture
def runs(results):
    return recompute.Runs(results, "laptop")


def test_it_agrees_with_the_page_without_the_package(results, tmp_path):
    page = ledger_markdown(CLAIMS, LAPTOP, root=results)
    rows = sum(len(claim.parts) for claim in CLAIMS.values())
    agrees_without_the_package("ledger_li2021.py", results, page, rows, len(CLAIMS), tmp_path)


def test_another_page_is_noticed(results, tmp_path, capsys):
    page = ledger_markdown(CLAIMS, LAPTOP, root=results)
    path = tmp_path / "claims.md"
    path.write_text(page.replace("## A9: ", "## A9: not "), encoding="utf-8")
    arguments = ["--results", str(results), "--compare", str(path)]
    assert recompute.main(arguments, ledger.CLAIMS, "A") == 1
    assert "A9: not " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("played", "name"),
    [
        ({}, "alpha200"),
        ({"alpha": 0.03}, "alpha30"),
        ({"kind": "none", "alpha": 0.0}, "longer"),
        ({"stage": 0}, "stem"),
        ({"kind": "L2"}, "L2"),
    ],
)
def test_games_are_picked_by_how_they_were_played(runs, played, name):
    found, called = ledger.arm(runs, **played)
    assert called == name
    assert [run["seed"] for run in found] == list(range(5))


def test_games_that_decide_nothing_have_fewer_seeds(runs):
    found, name = ledger.arm(runs, leak=True, first=recompute.FEW)
    assert (name, len(found)) == ("leak", 3)
    with pytest.raises(recompute.Missing, match="no run of seeds"):
        ledger.arm(runs, leak=True)
