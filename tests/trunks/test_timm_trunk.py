from __future__ import annotations

import subprocess
import sys

import pytest
import timm
import torch
import trunk_assertions as trunks
from torch import nn

from mtl_helpers.trunks.timm_trunk import TimmTrunk


@pytest.mark.parametrize(
    ("name", "channels", "reductions"),
    [
        ("resnet50", [64, 256, 512, 1024, 2048], [2, 4, 8, 16, 32]),
        ("vgg16", [64, 128, 256, 512, 512, 512], [1, 2, 4, 8, 16, 32]),
        ("inception_resnet_v2", [64, 192, 320, 1088, 1536], [2, 4, 8, 16, 32]),
    ],
)
def test_the_papers_networks_are_trunks(name, channels, reductions):
    trunk = TimmTrunk(name, in_channels=1, dropout=0.4)
    assert [stage["num_chs"] for stage in trunk.feature_info] == channels
    assert [stage["reduction"] for stage in trunk.feature_info] == reductions
    assert trunk.feature_dim == channels[-1]
    trunks.assert_keeps_the_protocol(trunk)
    trunks.assert_shapes_follow(trunk, 96)
    trunks.assert_stages_are_what_hooks_see(trunk, 96)


def test_vgg_loses_its_fully_connected_layers():
    trunk = TimmTrunk("vgg11", in_channels=3)
    assert not [module for module in trunk.modules() if isinstance(module, nn.Linear)]
    # eight convolutions, each with a bias
    widths = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    by_hand = sum((9 * a + 1) * b for a, b in zip(widths, widths[1:], strict=False))
    assert sum(p.numel() for p in trunk.parameters()) == by_hand
    trunks.assert_gradients_reach_every_parameter(trunk, 64)


def test_the_features_are_those_of_timm_s_own_network():
    torch.manual_seed(3)
    trunk = TimmTrunk("test_resnet", in_channels=1).eval()
    torch.manual_seed(3)
    plain = timm.create_model("test_resnet", in_chans=1, num_classes=0).eval()
    images = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        final, features = trunk.forward_features(images), plain.forward_features(images)
        assert torch.allclose(final, features, atol=1e-5)
        assert torch.allclose(trunk(images), plain(images), atol=1e-5)


def test_building_leaves_statistics_and_mode_untouched():
    trunk = TimmTrunk("test_resnet", in_channels=1)
    assert all(module.training for module in trunk.modules())
    for name, values in trunk.state_dict().items():
        if "running_mean" in name or "num_batches" in name:
            assert not values.any(), name
    assert not any(module._forward_hooks for module in trunk.modules())


def test_options_go_to_timm():
    trunk = TimmTrunk("test_resnet", in_channels=1, output_stride=8)
    assert [stage["reduction"] for stage in trunk.feature_info] == [2, 4, 8, 8, 8]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet9000", r"timm .* has no network 'resnet9000': choose one of timm\.list_models"),
        ("test_vit", r"test_vit gives \(1, 101, 64\): choose a convolutional network"),
    ],
)
def test_networks_without_maps_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        TimmTrunk(name)


def test_a_network_without_stages_is_refused(monkeypatch):
    monkeypatch.delattr(timm.models.resnet.ResNet, "forward_intermediates")
    with pytest.raises(ValueError, match="test_resnet gives no features by stage"):
        TimmTrunk("test_resnet")


def test_other_errors_of_a_network_pass_through():
    with pytest.raises(RuntimeError, match="type"):
        TimmTrunk("test_resnet", in_channels=1)(torch.zeros(1, 1, 64, 64, dtype=torch.float64))


def test_nobody_else_waits_for_timm_to_be_imported():
    code = "import sys, mtl_helpers.trunks, mtl_helpers.networks; sys.exit('timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_images_that_are_too_small_are_refused():
    trunk = TimmTrunk("vgg11", in_channels=1)
    for forward in (trunk.forward_features, trunk.forward_intermediates):
        with pytest.raises(ValueError, match=r"\(16, 16\) pixels are too small for vgg11"):
            forward(torch.zeros(1, 1, 16, 16))


@pytest.mark.parametrize(
    ("name", "words"),
    [("crossvit_tiny_240", "gives a list"), ("resnet18.nosuch", "cannot build 'resnet18.nosuch'")],
)
def test_what_gives_no_maps_is_refused(name, words):
    with pytest.raises(ValueError, match=words):
        TimmTrunk(name)
