"""Rendering on the fly: the samples of the cache, bit for bit, each once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mtl_helpers.faces.corpora.attributes import AttributesSpec
from mtl_helpers.faces.corpora.caricature import CaricatureSpec
from mtl_helpers.faces.corpora.kinds import load_corpus
from mtl_helpers.faces.corpora.pie import PieSpec
from mtl_helpers.faces.corpora.stream import RenderedStream, sample_of
from mtl_helpers.faces.corpora.wild import WildSpec
from mtl_helpers.presets import PRESETS

WILD = WildSpec(3, 1, 1, pictures=8, side=16, channels=3)
PIE = PieSpec(2, 0, 1, ("05_1", "20_0", "19_1"), (7, 0), ("smile", "neutral"), side=16)
FEW = {"train_identities": 2, "validation_identities": 0, "test_identities": 1}
SPECS = {
    "wild": WILD,
    "pie": PIE,
    "caricature": dataclasses.replace(CaricatureSpec.from_preset(PRESETS["smoke"]), side=24, **FEW),
    "attributes": AttributesSpec(**FEW, pictures=3, side=32, starved={"Male": 2}),
}


@pytest.fixture(scope="module", params=SPECS, ids=SPECS.keys())
def cached(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    return load_corpus(SPECS[request.param], processes=1, progress=False, root=root)


def assert_same_sample(sample, expected):
    assert sample.keys() == expected.keys()
    assert sample["index"] == expected["index"]
    assert sample["labels"] == expected["labels"]
    for name in ("image", "landmarks", "visible"):
        assert sample[name].dtype == expected[name].dtype
        np.testing.assert_array_equal(sample[name], expected[name])


def test_stream_gives_the_samples_of_the_cache(cached):
    count = 0
    for number, sample in enumerate(RenderedStream(cached.spec)):
        assert_same_sample(sample, sample_of(cached, number))
        count += 1
    assert count == len(cached)


def test_samples_are_what_the_corpus_says(cached):
    number = len(cached) - 3
    sample = sample_of(cached, number)
    np.testing.assert_array_equal(sample["image"], cached.images[number])
    np.testing.assert_array_equal(sample["landmarks"], cached.landmarks(number))
    np.testing.assert_array_equal(sample["visible"], cached.visible(number))
    labels = cached.labels(np.array([number]))
    assert sample["labels"] == {task: values.item() for task, values in labels.items()}
    assert sample["landmarks"].shape == (51, 2) and sample["visible"].shape == (51,)


def test_two_workers_give_every_sample_once(tmp_path):
    cached = load_corpus(WILD, processes=1, progress=False, root=tmp_path)
    stream = RenderedStream(cached.spec)
    loader = DataLoader(
        stream, batch_size=5, num_workers=2, multiprocessing_context="spawn", timeout=120
    )
    found = {}
    for batch in loader:
        assert batch["image"].dtype == torch.uint8
        for place, number in enumerate(batch["index"].tolist()):
            assert number not in found
            found[number] = batch["image"][place].numpy()
    assert sorted(found) == list(range(len(cached)))
    for number, image in found.items():
        np.testing.assert_array_equal(image, cached.images[number])


def test_a_split_is_streamed_alone(cached):
    for split in ("train", "test"):
        stream = RenderedStream(cached.spec, split=split)
        numbers = [sample["index"] for sample in stream]
        np.testing.assert_array_equal(numbers, cached.split(split))
        assert len(stream) == len(numbers)


def test_shuffling_changes_only_the_order_with_the_epoch(cached):
    stream = RenderedStream(cached.spec, shuffle=True, seed=4)
    first = [sample["index"] for sample in stream]
    again = [sample["index"] for sample in stream]
    stream.set_epoch(1)
    second = [sample["index"] for sample in stream]
    assert first == again != second
    assert sorted(first) == sorted(second) == list(range(len(cached)))
    assert first != sorted(first)


def test_samples_outlive_their_part():
    """A sample is a copy: what is rendered next does not change it."""
    samples = list(RenderedStream(WildSpec(2, 0, 0, pictures=8, side=8)))
    samples[0]["image"][:] = 0
    assert samples[1]["image"].any()
    assert samples[0]["image"].base is None or samples[0]["image"].flags.owndata


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="Unknown split 'dev'"):
        RenderedStream(WILD, split="dev")
