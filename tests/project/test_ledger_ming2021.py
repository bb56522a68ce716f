"""The recomputation of paper 2's ledger, on made-up runs and against the page."""

from __future__ import annotations

import ledger_ming2021 as ledger
import numpy as np
import pytest
import recompute_ledger as recompute
from ledger_scripts import agrees_without_the_package
from made_up_caricature_runs import metrics_and_arrays
from stored_runs import store_run

from mtl_helpers.ledger.page import ledger_markdown
from mtl_helpers.papers.ming2021.claims import CLAIMS
from mtl_helpers.papers.ming2021.experiments import caricature_folds, caricature_weights
from mtl_helpers.presets import get_preset

LAPTOP = get_preset("laptop")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("results"), np.random.default_rng(0)
    for experiment in (caricature_weights.EXPERIMENT, caricature_folds.EXPERIMENT):
        for config in experiment.configs(LAPTOP):
            metrics, arrays = metrics_and_arrays(config, rng)
            arrays = {name: values.astype(np.float32) for name, values in arrays.items()}
            store_run(experiment, LAPTOP, config, root, metrics=metrics, arrays=arrays)
    return root


@pytest.fixture
def runs(results):
    return recompute.Runs(results, "laptop")


def test_it_agrees_with_the_page_without_the_package(results, tmp_path):
    page = ledger_markdown(CLAIMS, LAPTOP, root=results)
    rows = sum(len(claim.parts) for claim in CLAIMS.values())
    agrees_without_the_package("ledger_ming2021.py", results, page, rows, len(CLAIMS), tmp_path)


def test_another_page_is_noticed(results, tmp_path, capsys):
    page = ledger_markdown(CLAIMS, LAPTOP, root=results)
    path = tmp_path / "claims.md"
    path.write_text(page.replace("## M5: ", "## M5: not "), encoding="utf-8")
    arguments = ["--results", str(results), "--compare", str(path)]
    assert recompute.main(arguments, ledger.CLAIMS, "M") == 1
    assert "M5: not " in capsys.readouterr().out


def test_runs_are_picked_by_how_they_were_trained(runs):
    for name, arm in (("printed", "as printed"), ("released", "as released"), ("naive", "naive")):
        assert {run["arm"] for run in ledger.network(runs, arm)} == {name}
        folds = ledger.fold(runs, "verification", arm)
        assert [run["seed"] for run in folds] == list(range(10))
        assert {run["arm"] for run in folds} == {f"verification-{name}"}
    assert {run["arm"] for run in ledger.alone(runs, "photo")} == {"single-photo"}
    toy = ledger.network(runs, "as released", ledger.TOY, first=recompute.FEW)
    assert [(run["arm"], run["seed"]) for run in toy] == [("toy-released", s) for s in range(3)]


def test_a_missing_seed_leaves_a_claim_untested(runs):
    stored = runs.stored["caricature_weights"]
    runs.stored["caricature_weights"] = [
        run for run in stored if (run["arm"], run["seed"]) != ("single-photo", 3)
    ]
    claims = recompute.recomputed(runs, ledger.CLAIMS)
    assert claims["M5"]["verdict"] == "not tested" != claims["M2"]["verdict"]
    assert "no run of seeds [3]" in claims["M5"]["why"][0]


def test_steps_without_some_task_are_refused(runs):
    run = ledger.network(runs, "fixed")[0]
    run["config"]["plan"]["steps"] += 1
    with pytest.raises(ValueError, match="lacks the loss"):
        ledger.lead_of_the_hardest(run)


def test_photographs_at_the_ceiling_cannot_be_beaten(runs):
    for run in runs.stored["caricature_weights"]:
        run["metrics"].get("identification", {}).get("V2V", {})["rank1"] = 0.995
    claim = recompute.recomputed(runs, ledger.CLAIMS)["M3"]
    assert claim["verdict"] == "not tested" and "within a point" in claim["why"][0]
