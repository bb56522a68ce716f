"""Pretraining: trained once, read again, made anew where it is damaged."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny_caricatures import FakePhotos, tiny_config

from mtl_helpers.papers.ming2021.experiments import pretraining
from mtl_helpers.papers.ming2021.experiments.pretraining import pretrained, starting_network

CONFIG = tiny_config().pretraining


@pytest.fixture
def trainings(monkeypatch):
    """Specifications of the corpora that were loaded, one per training."""
    loaded = []

    def load(spec, progress):
        loaded.append(spec)
        return FakePhotos(spec)

    monkeypatch.setattr(pretraining, "load_wild", load)
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    return loaded


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_it_is_trained_once_and_read_again(trainings, tmp_path):
    first, history = pretrained(CONFIG, tmp_path)
    again, told = pretrained(CONFIG, tmp_path)
    assert trainings == [CONFIG.corpus] and told == history
    assert torch.equal(weights(first), weights(again))
    untrained = starting_network(CONFIG, ("verification",), CONFIG.corpus.train_identities)
    assert not torch.equal(weights(first), weights(untrained))
    assert history["passes"] == pytest.approx(2 * 8 / 32)
    assert set(history["losses"]) == {"verification"}


def test_another_seed_or_plan_is_another_network(trainings, tmp_path):
    first, _ = pretrained(CONFIG, tmp_path)
    for other in (
        dataclasses.replace(CONFIG, seed=1),
        dataclasses.replace(CONFIG, plan=dataclasses.replace(CONFIG.plan, steps=3)),
    ):
        network, _ = pretrained(other, tmp_path)
        assert not torch.equal(weights(network), weights(first))
    assert len(trainings) == 3


def test_code_that_changed_trains_anew(trainings, tmp_path, monkeypatch):
    pretrained(CONFIG, tmp_path)
    monkeypatch.setattr(pretraining, "code_version", lambda: {"sources": "other"})
    pretrained(CONFIG, tmp_path)
    assert len(trainings) == 2


@pytest.mark.parametrize("damage", [b"", b"x" * 100, "cut", "flip"])
def test_a_damaged_file_is_made_anew(trainings, tmp_path, damage):
    first, _ = pretrained(CONFIG, tmp_path)
    (path,) = tmp_path.rglob("*.pt")
    data = bytearray(path.read_bytes())
    if damage == "cut":
        damage = bytes(data[:-50])
    elif damage == "flip":
        data[len(data) // 2] ^= 1
        damage = bytes(data)
    path.write_bytes(damage)
    again, _ = pretrained(CONFIG, tmp_path)
    assert len(trainings) == 2 and torch.equal(weights(first), weights(again))


def test_it_lies_in_the_cache_that_the_user_chose(trainings, tmp_path, monkeypatch):
    monkeypatch.setenv("MTL_CACHE", str(tmp_path / "elsewhere"))
    pretrained(CONFIG)
    assert list((tmp_path / "elsewhere" / "pretrained").glob("*.pt"))
