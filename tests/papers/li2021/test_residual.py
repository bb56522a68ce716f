"""The residual trunk: its stages, and the embedding behind its last maps."""

from __future__ import annotations

import pytest
import torch

from mtl_helpers.papers.li2021.recogniser import ArcFaceRecogniser
from mtl_helpers.papers.li2021.regressor import maps_and_head
from mtl_helpers.papers.li2021.residual import ARCFACE, RESIDUAL, ResidualTrunk, residual_trunk
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.trunks import Trunk

SMOKE = get_preset("smoke")


def test_it_has_five_stages_and_every_layer_learns():
    trunk = residual_trunk(SMOKE)
    assert [stage["num_chs"] for stage in trunk.feature_info] == [16, 8, 16, 24, 32]
    model = ArcFaceRecogniser(trunk, 5)
    loss = model.identity_loss(model.shared(torch.randn(4, 1, 32, 32))[1], torch.arange(4))
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_the_embedding_is_of_the_mean_of_the_last_maps():
    torch.manual_seed(0)
    trunk, images = ResidualTrunk("resnet10t", 7, 1).eval(), torch.randn(3, 1, 32, 32)
    maps = trunk.forward_features(images)
    layer, normal = trunk.embedding
    expected = normal(maps.mean(dim=(2, 3)) @ layer.weight.T)
    torch.testing.assert_close(trunk(images), expected)
    assert (trunk.feature_dim, trunk(images).shape) == (7, (3, 7))


def test_x_has_numbers_of_either_sign_and_its_maps_have_not():
    torch.manual_seed(0)
    trunk, images = residual_trunk(SMOKE).train(), torch.randn(16, 1, 32, 32)
    maps = trunk.forward_features(images)
    assert maps.min() >= 0
    share = (trunk.forward_head(maps) > 0).float().mean()
    assert 0.3 < share < 0.7


def test_dropout_is_behind_the_embedding():
    trunk = ResidualTrunk("resnet10t", 400, 1, dropout=0.5).train()
    maps = trunk.forward_features(torch.randn(4, 1, 32, 32))
    assert (trunk.forward_head(maps, pre_dropout=True) == 0).float().mean() < 0.01
    assert 0.4 < (trunk.forward_head(maps) == 0).float().mean() < 0.6


def test_a_recogniser_gives_the_maps_before_the_embedding():
    model = ArcFaceRecogniser(residual_trunk(SMOKE), 5).eval()
    maps, x = maps_and_head(model, torch.zeros(2, 1, 32, 32), -1)
    assert maps.shape[1] == model.trunk.feature_info[-1]["num_chs"]
    torch.testing.assert_close(x, model(torch.zeros(2, 1, 32, 32)).features)


def test_an_embedding_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1, found 0"):
        ResidualTrunk("resnet10t", 0, 1)


def test_every_preset_has_one():
    assert set(RESIDUAL) == set(ARCFACE) == set(PRESETS)
    assert isinstance(residual_trunk(SMOKE), Trunk)
    other = residual_trunk(SMOKE, "resnet18")
    assert (other.name, other.feature_dim) == ("resnet18", residual_trunk(SMOKE).feature_dim)
