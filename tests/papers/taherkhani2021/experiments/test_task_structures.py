"""One seed in one condition: its arms, its graphs, its maps, and the list of all runs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from stored_runs import store_run
from tiny_structures import TINY, on, with_few_labels

from mtl_helpers.faces.corpora.attribute_regions import REGIONS
from mtl_helpers.faces.corpora.attributes import ATTRIBUTES
from mtl_helpers.papers.taherkhani2021.experiments.networks import STRUCTURES
from mtl_helpers.papers.taherkhani2021.experiments.task_structures import (
    EXPERIMENT,
    MAIN,
    arm_of,
    configs,
    run_on,
)
from mtl_helpers.papers.taherkhani2021.localisation import SHARES
from mtl_helpers.presets import get_preset
from mtl_helpers.runs.config import config_hash

LAPTOP = get_preset("laptop")
GRAPHS = {
    "distance", "cosine", "printed", "log degree", "fixed total", "signed", "covariance",
    "label correlations", "graphical lasso",
}  # fmt: skip


# ---- the runs


def test_conditions_that_decide_have_every_seed():
    runs = configs(LAPTOP)
    seeds = {}
    for config in runs:
        seeds.setdefault(config.arm, []).append(config.seed)
    few = list(LAPTOP.seeds[:3])
    assert seeds == {
        **dict.fromkeys(("strength1-all", "strength1-few", "strength0-all"), list(LAPTOP.seeds)),
        **dict.fromkeys(("strength0-few", "strength0.5-all", "strength0.5-few"), few),
    }
    assert len({config_hash(config) for config in runs}) == len(runs)
    for config in runs:
        budget = "few" if config.corpus.starved else "all"
        assert config.arm == arm_of(config.corpus.strength, budget)
        names = {structure.name for structure in config.structures}
        assert set(MAIN) <= names <= set(STRUCTURES)
        assert bool(config.mapped) == (config.arm == "strength1-all")


def test_trunk_and_arm_take_half_of_a_preset_s_steps():
    recipe = configs(LAPTOP)[0].recipe
    assert (recipe.shared.steps, recipe.own.steps) == (240, 60)
    assert (recipe.shared.schedule, recipe.own.schedule) == ("constant", "cosine")
    assert recipe.shared.learning_rate == recipe.own.learning_rate


# ---- one run


@pytest.fixture(scope="module")
def corpus(tiny_attributes):
    return with_few_labels(tiny_attributes)


@pytest.fixture(scope="module")
def config(corpus):
    config = next(run for run in configs(TINY) if run.arm == "strength1-few")
    structures = [STRUCTURES[name] for name in ("alone", "groups", "log degree", "labels")]
    return dataclasses.replace(on(corpus, config), structures=tuple(structures), mapped=1)


@pytest.fixture(scope="module")
def outcome(corpus, config):
    return run_on(corpus, config)


def test_every_arm_has_its_measures_by_subset_and_by_person(outcome, config, corpus):
    people = len(corpus.spec.identity_range("test"))
    assert list(outcome.metrics["structures"]) == [each.name for each in config.structures]
    for name, means in outcome.metrics["structures"].items():
        for subset in ("all", "starved", "others"):
            for measure in ("accuracy", "balanced_accuracy"):
                part = outcome.arrays[f"people/{name}/{measure}/{subset}"]
                assert part.shape == (people,)
                assert part.mean() == pytest.approx(means[subset][measure], abs=1e-5)
            assert 0 <= means[subset]["average_precision"] <= 1
        assert outcome.arrays[f"attribute/{name}/accuracy"].shape == (len(ATTRIBUTES),)


def test_graphs_are_scored_for_every_kind_of_pair(outcome):
    graphs = outcome.metrics["graphs"]
    assert set(graphs) == GRAPHS | {"log degree, trained"}
    counts = {kind: graphs["cosine"][kind]["edges"] for kind in ("all", "none", "one", "both")}
    assert counts["all"] == counts["none"] + counts["one"] + counts["both"]
    for report in graphs.values():
        assert 0 <= report["all"]["auc"] <= 1
    assert graphs["printed"]["all"]["auc"] == 0.5
    assert graphs["printed"]["claimed"] == {"links": 0, "strangers": 0}
    assert outcome.arrays["graph/cosine"].shape == (36, 36)


def test_pairs_of_two_with_few_labels_hardly_have_a_correlation(outcome):
    correlations = outcome.arrays["graph/label correlations"].astype(float)
    few, full = (
        correlations[np.ix_(part, part)] for part in (np.arange(1, 36, 2), np.arange(0, 36, 2))
    )
    unknown = [(matrix == 0)[~np.eye(18, dtype=bool)].mean() for matrix in (few, full)]
    assert unknown[0] > unknown[1] + 0.2


def test_maps_are_compared_with_two_nulls(outcome, corpus):
    maps = outcome.metrics["maps"]
    assert 0 < maps["attributes"] <= maps["of"]
    for key in (*SHARES, "best", *(f"{share}_of_best" for share in SHARES)):
        part = outcome.arrays[f"people/maps/{key}"]
        assert part.mean() == pytest.approx(maps[key], abs=1e-5)
        assert 0 <= maps[key] <= 1
    assert maps["inside"] < maps["best"]


def test_the_run_says_what_its_training_was(outcome, config, corpus):
    training = outcome.metrics["training"]
    steps = config.recipe.shared.steps + config.recipe.own.steps
    assert training["passes"] == pytest.approx(steps * 12 / len(corpus.split("train")))
    assert len(outcome.curves["shared"]) == config.recipe.shared.steps
    assert len(outcome.curves["groups"]) == config.recipe.own.steps
    assert 0 <= outcome.metrics["zeros"]["groups"] <= 1


def test_the_run_can_be_stored(outcome, config, tmp_path):
    path = store_run(
        EXPERIMENT, TINY, config, tmp_path, metrics=outcome.metrics, curves=outcome.curves,
        arrays=outcome.arrays,
    )  # fmt: skip
    assert path.parent == tmp_path / "taherkhani2021" / "task_structures" / "smoke"


def test_a_map_is_kept_of_each_attribute_that_a_picture_shows(outcome, corpus):
    index, maps = outcome.arrays["shown/index"], outcome.arrays["shown/maps"]
    assert index.shape == (len(REGIONS),) and maps.ndim == 3 and len(maps) == len(REGIONS)
    shown = np.flatnonzero(index >= 0)
    assert len(shown) == outcome.metrics["maps"]["attributes"]
    assert np.isin(index[shown], corpus.split("test")).all()
    columns = [ATTRIBUTES.index(name) for name in REGIONS]
    labels = corpus.attributes(index[shown])[np.arange(len(shown)), np.array(columns)[shown]]
    assert (labels == 1).all()
