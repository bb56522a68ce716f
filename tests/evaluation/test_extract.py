from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from mapped_memory import noise_file, on_linux, resident
from synthetic_corpus import SyntheticCorpus
from torch import Tensor, nn
from untrained_networks import untrained

from mtl_helpers.evaluation.extract import extract, output_tensors
from mtl_helpers.training.batches import to_input
from mtl_helpers.trunks import CASIANet
from mtl_helpers.trunks.timm_trunk import TimmTrunk

INDEX = np.array([5, 0, 299, 17, 5])


@pytest.fixture(scope="module")
def corpus():
    return SyntheticCorpus()


@pytest.fixture(scope="module")
def network(corpus):
    return untrained(corpus, ("id", "pos", "exp"))


def one_by_one(network, corpus):
    network.eval()
    with torch.no_grad():
        return [network(to_input(torch.from_numpy(corpus.images[i : i + 1]))) for i in INDEX]


def test_each_image_is_looked_at_as_if_alone(corpus, network):
    outputs = extract(network, corpus.images, INDEX, batch=2)
    assert list(outputs) == ["x", "id", "pos", "exp"]
    for row, alone in enumerate(one_by_one(network, corpus)):
        assert torch.allclose(outputs["x"][row], alone.features[0], atol=1e-5)
        for task in ("id", "pos", "exp"):
            assert torch.allclose(outputs[task][row], alone.logits[task][0], atol=1e-5)


@pytest.mark.parametrize(
    "trunk",
    [CASIANet(width=0.125), TimmTrunk("test_resnet", in_channels=1)],
    ids=["CASIA-Net", "timm"],
)
def test_a_trunk_alone_gives_x(corpus, trunk):
    outputs = extract(trunk, corpus.images, INDEX, batch=2)
    assert list(outputs) == ["x"]
    alone = torch.cat(one_by_one(trunk, corpus))
    assert torch.allclose(outputs["x"], alone, atol=1e-5)


class WithCentres(NamedTuple):
    features: Tensor
    logits: dict[str, Tensor]
    centres: Tensor
    branches: Tensor | None = None
    note: str = ""


class Answering(nn.Module):
    """A network whose output is what a function of the images gives."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, images):
        return self.answer(images.flatten(1)[:, :4])


def test_further_tensors_are_named_by_their_field(corpus):
    network = Answering(lambda x: WithCentres(x, {"id": 2 * x, "pos": 3 * x}, 4 * x))
    outputs = extract(network, corpus.images, INDEX, batch=2)
    assert list(outputs) == ["x", "id", "pos", "centres"]
    for name, factor in (("id", 2), ("pos", 3), ("centres", 4)):
        assert torch.equal(outputs[name], factor * outputs["x"])


def test_a_mapping_stays_as_it_is(corpus):
    network = Answering(lambda x: {"photo": x, "caricature": -x})
    outputs = extract(network, corpus.images, INDEX, batch=2)
    assert list(outputs) == ["photo", "caricature"]
    assert torch.equal(outputs["photo"], -outputs["caricature"])
    assert outputs["photo"].shape == (5, 4)


def test_halves_come_back_in_float32(corpus):
    network = Answering(lambda x: x.bfloat16())
    assert extract(network, corpus.images, INDEX)["x"].dtype == torch.float32
    assert output_tensors(torch.ones(1).bfloat16())["x"].dtype == torch.bfloat16


def test_the_network_stays_as_it_was(corpus, network):
    network.train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    extract(network, corpus.images, [0, 1, 2])
    assert network.training
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_an_error_inside_leaves_the_mode_as_it_was(corpus):
    network = Answering(lambda x: x / None).train()
    with pytest.raises(TypeError):
        extract(network, corpus.images, INDEX)
    assert network.training


def test_no_image_is_refused(corpus, network):
    with pytest.raises(ValueError, match="no image to look at"):
        extract(network, corpus.images, [])


@on_linux
def test_pictures_of_a_file_do_not_stay_in_memory(tmp_path):
    path = tmp_path / "noise.npy"
    images = noise_file(path, (400, 64, 64))
    held = []

    class Watching(nn.Module):
        def forward(self, images):
            held.append(resident(path))
            return images.flatten(1)

    outputs = extract(Watching(), images, np.arange(400), batch=8)
    assert held[::20] == [0, 0, 0] and min(held[1:20]) > 0
    by_parts = [to_input(torch.tensor(images[k : k + 8])) for k in range(0, 400, 8)]
    assert torch.equal(outputs["x"], torch.cat(by_parts).flatten(1))
