"""Class activation maps: what they add up to, where they look, and how that is measured."""

from __future__ import annotations

import pytest
import torch
from tiny_attributes import CORNERS, NAMES, SIDE, SQUARE, make_batches, make_plan, seeded_trunk

from mtl_helpers.papers.taherkhani2021.cam import activation_maps, share_inside, upsampled
from mtl_helpers.papers.taherkhani2021.method import IndependentTraining
from mtl_helpers.papers.taherkhani2021.model import MTFAP
from mtl_helpers.training.loop import train


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_map_is_the_weighted_sum_of_the_channels():
    maps, W = draw(2, 3, 4, 5), draw(3, 6, seed=1)
    found = activation_maps(maps, W)
    assert found.shape == (2, 6, 4, 5)
    expected = sum(W[k, 2] * maps[1, k, 3, 4] for k in range(3))
    assert found[1, 2, 3, 4].item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_score_is_the_mean_of_its_map_and_not_the_sum():
    network = MTFAP(seeded_trunk(), NAMES).eval()
    images = draw(3, 1, SIDE, SIDE)
    maps = activation_maps(network.trunk.forward_features(images), network.heads.matrix())
    scores = network(images).scores - network.bias
    assert torch.allclose(maps.mean(dim=(2, 3)), scores, atol=1e-6)
    # as Eq. 15 has it: too large by the number of places
    assert torch.allclose(maps.sum(dim=(2, 3)), 16 * scores, atol=1e-5)


def test_upsampling_repeats_the_nearest_value():
    found = upsampled(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 4, 4)[0, 0]
    assert found.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_the_share_inside_by_hand():
    maps = torch.tensor([[1.0, 3.0], [-5.0, 4.0]])
    mask = torch.tensor([[False, True], [True, False]])
    assert share_inside(maps, mask).item() == pytest.approx(3 / 8)
    assert share_inside(torch.full((2, 4, 4), 0.5), torch.arange(16).view(4, 4) < 4).tolist() == [
        0.25, 0.25,
    ]  # fmt: skip
    assert share_inside(-maps.abs(), mask).isnan()


def test_trained_maps_look_where_the_attribute_is():
    plan = make_plan(steps=400)
    batches = make_batches(plan)
    network = train(
        IndependentTraining(MTFAP(seeded_trunk(), NAMES), 1e-3), batches, plan, progress=False
    ).final
    (batch,) = batches.between(0, 1, torch.device("cpu"))
    with torch.no_grad():
        maps = network.trunk.forward_features(batch.images)
        cam = upsampled(activation_maps(maps, network.heads.matrix()), SIDE, SIDE)
    for name in ("beard", "smile"):
        row, column = CORNERS[name]
        mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
        mask[row : row + SQUARE, column : column + SQUARE] = True
        holds = batch.targets[name] == 1
        share = share_inside(cam[holds, NAMES.index(name)], mask).mean()
        assert share > 1.5 * mask.float().mean(), name


def test_maps_and_weights_must_fit():
    with pytest.raises(ValueError, match=r"Expected maps \(B, D, h, w\) and W \(D, T\)"):
        activation_maps(draw(2, 3, 4, 4), draw(4, 5))
