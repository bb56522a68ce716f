"""CelebA and LFWA, from small folders in their layouts, in the place of the rendered faces."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fixture_sets.celeba import build_celeba, celeba_values
from fixture_sets.cfp import cfp_tree
from fixture_sets.lfwa import LFWA_TEST, build_lfwa, lfwa_values
from tiny_structures import TINY

from mtl_helpers.__main__ import main
from mtl_helpers.datasets import RealSpec, real_spec
from mtl_helpers.datasets.celeba import ATTRIBUTES
from mtl_helpers.faces.corpora.attributes import GROUPS
from mtl_helpers.papers.taherkhani2021.experiments import from_nothing, task_structures
from mtl_helpers.papers.taherkhani2021.experiments.networks import STRUCTURES, grouping, opened
from mtl_helpers.papers.taherkhani2021.real import ALL_GROUPS
from mtl_helpers.presets import get_preset

COUNT = 90


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MTL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def celeba(tmp_path, monkeypatch):
    root = build_celeba(tmp_path, COUNT)
    monkeypatch.setenv("MTL_DATA_ROOT", str(root))
    return real_spec("celeba", 32, 1, root=root)


@pytest.fixture
def lfwa(tmp_path, monkeypatch):
    root = build_lfwa(tmp_path)
    monkeypatch.setenv("MTL_DATA_ROOT", str(root))
    return real_spec("lfwa", 48, 1, root=root)


def test_groups_of_photographs_hold_forty_attributes():
    for kind in ("published", "shuffled"):
        groups = grouping(kind, 0.0, 0, ATTRIBUTES)
        assert sorted(name for names in groups.values() for name in names) == sorted(ATTRIBUTES)
        assert list(groups) == list(GROUPS)
    assert grouping("published", 0.0, 0) == dict(GROUPS)
    assert ALL_GROUPS["fat"] == ("Chubby", "Double_Chin")
    with pytest.raises(ValueError, match="of rendered attributes 'true'"):
        grouping("true", 0.0, 0, ATTRIBUTES)


def test_pictures_are_in_colour_and_splits_are_the_official_ones(celeba):
    experiment = from_nothing.EXPERIMENT.on_data(celeba)
    (spec, *others) = {config.corpus for config in experiment.configs(TINY)}
    assert not others and (spec.side, spec.channels) == (64, 3)
    # a stored record's set makes the same experiment
    assert from_nothing.EXPERIMENT.on_data(spec).data == experiment.data == spec
    corpus = opened(spec, progress=False)
    assert corpus.images.shape == (COUNT, 64, 64, 3)
    sizes = [len(corpus.split(name)) for name in ("train", "validation", "test")]
    assert sizes == [60, 15, 15]
    labels = corpus.attributes(np.arange(COUNT))
    np.testing.assert_array_equal(labels, celeba_values(COUNT) == 1)


def test_few_labels_are_kept_in_training_only(celeba):
    spec = task_structures.EXPERIMENT.on_data(celeba).data
    full, few = (opened(spec, count, progress=False) for count in (0, 7))
    train, test = few.split("train"), few.split("test")
    kept = (few.attributes(train) >= 0).sum(axis=0)
    assert kept[1::2].tolist() == [7] * 20 and kept[::2].tolist() == [60] * 20
    np.testing.assert_array_equal(few.attributes(test), full.attributes(test))
    known = few.attributes(train) >= 0
    assert (few.attributes(train)[known] == full.attributes(train)[known]).all()
    assert (few.labels(train)["Bags_Under_Eyes"] >= 0).sum() == 7


def test_every_structure_is_compared_but_the_true_groups(celeba):
    experiment = task_structures.EXPERIMENT.on_data(celeba)
    first = experiment.configs(TINY)[0]
    few = next(config for config in experiment.configs(TINY) if config.arm == "few")
    assert (first.few, few.few) == (0, 20)
    names = {structure.name for structure in first.structures}
    assert names == set(STRUCTURES) - {"true groups"}
    some = tuple(STRUCTURES[name] for name in ("alone", "groups", "labels"))
    short = dataclasses.replace(few, structures=some)
    outcome = experiment.run(short)
    assert "graphs" not in outcome.metrics and "maps" not in outcome.metrics
    for name in ("alone", "groups", "labels"):
        measured = outcome.metrics["structures"][name]["all"]
        assert 0 < measured["accuracy"] < 1
        people = outcome.arrays[f"people/{name}/accuracy/all"]
        assert len(people) == 5 and people.mean() == pytest.approx(measured["accuracy"], abs=1e-5)
    assert outcome.arrays["graph/label correlations"].shape == (40, 40)
    assert outcome.arrays["attribute/alone/accuracy"].shape == (40,)


def test_a_set_without_attributes_is_refused(tmp_path):
    spec = RealSpec("cfp", "default", "0", 48, 1, ("id", "view"))
    assert cfp_tree(tmp_path)
    for experiment in (task_structures.EXPERIMENT, from_nothing.EXPERIMENT):
        with pytest.raises(ValueError, match="has only: id, view; choose celeba or lfwa"):
            experiment.on_data(spec)


def test_lfwa_is_swept_by_its_name_and_folder(lfwa, tmp_path, capsys):
    root, results = tmp_path / "LFWA", tmp_path / "results"
    command = ["sweep", "from_nothing", "--preset", "smoke", "--data", "lfwa"]
    command += ["--root", str(root), "--results", str(results), "--processes", "1"]
    results.mkdir()
    assert main(command) == 0
    folder = results / "taherkhani2021" / "from_nothing" / "smoke-lfwa"
    count = len(from_nothing.EXPERIMENT.on_data(lfwa).configs(get_preset("smoke")))
    assert len(list(folder.glob("*.json"))) == count
    assert main(command) == 0
    assert f"0 runs done, {count} were stored already" in capsys.readouterr().out
    labels = opened(from_nothing.EXPERIMENT.on_data(lfwa).data, progress=False)
    test = np.array(LFWA_TEST) - 1
    np.testing.assert_array_equal(labels.attributes(test), lfwa_values()[test])
    assert labels.split("test").tolist() == test.tolist()
