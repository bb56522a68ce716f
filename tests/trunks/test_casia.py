from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from mtl_helpers.trunks import CASIANet, Trunk


def test_block_maps_at_100_px_are_the_paper_s():
    trunk = CASIANet().eval()
    with torch.no_grad():
        final, maps = trunk.forward_intermediates(torch.zeros(1, 1, 100, 100))
    # Yin & Liu (2018), Fig. 2; the last block before its average pooling.
    assert [tuple(m.shape[1:]) for m in maps] == [
        (64, 50, 50),
        (128, 25, 25),
        (192, 13, 13),
        (256, 7, 7),
        (320, 7, 7),
    ]
    assert torch.equal(final, maps[-1])
    assert trunk.feature_dim == 320


def test_parameter_count_is_the_one_counted_by_hand():
    # Convolutions 9 * in * out, without bias.
    by_hand = 9 * (1 * 32 + 32 * 64)  # 18,720
    by_hand += 9 * (64 * 64 + 64 * 128)  # 110,592
    by_hand += 9 * (128 * 96 + 96 * 192)  # 276,480
    by_hand += 9 * (192 * 128 + 128 * 256)  # 516,096
    by_hand += 9 * (256 * 160 + 160 * 320)  # 829,440
    assert by_hand == 1_751_328
    # Two numbers a channel for each normalisation.
    by_hand += 2 * (32 + 64 + 64 + 128 + 96 + 192 + 128 + 256 + 160 + 320)
    assert sum(p.numel() for p in CASIANet().parameters()) == by_hand == 1_754_208


def test_every_convolution_is_normalised_and_all_but_the_last_rectified():
    trunk = CASIANet(width=0.125)
    kinds = [type(m) for m in trunk.modules()]
    assert kinds.count(nn.Conv2d) == kinds.count(nn.BatchNorm2d) == 10
    torch.manual_seed(0)
    _, maps = trunk.forward_intermediates(torch.randn(8, 1, 32, 32))
    assert all((m >= 0).all() for m in maps[:-1])
    assert (maps[-1] < 0).float().mean() > 0.3


@pytest.mark.parametrize("width", [0.05, 0.125, 0.25, 0.5, 1.3])
@pytest.mark.parametrize("side", [32, 33, 48])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_width_side_and_channels(width, side, channels):
    trunk = CASIANet(width, channels).eval()
    with torch.no_grad():
        final, maps = trunk.forward_intermediates(torch.zeros(2, channels, side, side))
        x = trunk(torch.zeros(2, channels, side, side))
    assert x.shape == (2, max(1, round(320 * width)))
    for m, info in zip(maps, trunk.feature_info, strict=True):
        assert m.shape[1] == info["num_chs"]
        # Rounding up at each halving is rounding up once.
        assert m.shape[2] == m.shape[3] == math.ceil(side / info["reduction"])
    assert torch.allclose(trunk.forward_head(final), x)


def test_feature_info_names_the_modules_that_make_the_maps():
    trunk = CASIANet(width=0.125).eval()
    images = torch.randn(2, 1, 32, 32)
    _, maps = trunk.forward_intermediates(images)
    tapped = {}
    for info in trunk.feature_info:
        trunk.get_submodule(info["module"]).register_forward_hook(
            lambda _m, _i, out, name=info["module"]: tapped.__setitem__(name, out)
        )
    trunk(images)
    for m, info in zip(maps, trunk.feature_info, strict=True):
        assert torch.equal(tapped[info["module"]], m)


def test_chosen_taps_come_in_the_order_asked_for():
    trunk = CASIANet(width=0.125).eval()
    images = torch.randn(1, 1, 32, 32)
    _, every = trunk.forward_intermediates(images)
    _, some = trunk.forward_intermediates(images, indices=(-1, 1))
    assert torch.equal(some[0], every[4])
    assert torch.equal(some[1], every[1])
    with pytest.raises(ValueError, match="Block 5 does not exist"):
        trunk.forward_intermediates(images, indices=(5,))


def test_x_is_the_mean_of_the_last_maps():
    trunk = CASIANet(width=0.125).eval()
    maps = trunk.forward_features(torch.randn(3, 1, 48, 48))
    by_loop = torch.stack([torch.stack([m.mean() for m in image]) for image in maps])
    assert torch.allclose(trunk.forward_head(maps), by_loop, atol=1e-6)


def test_dropout_only_in_training_and_only_when_wanted():
    trunk = CASIANet(width=0.25, dropout=0.4)
    maps = torch.ones(64, 80, 3, 3)
    torch.manual_seed(0)
    dropped = trunk.train().forward_head(maps)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.4, abs=0.03)
    assert torch.allclose(dropped[dropped != 0], torch.tensor(1 / 0.6))
    assert (trunk.forward_head(maps, pre_dropout=True) == 1).all()
    assert (trunk.eval().forward_head(maps) == 1).all()


def test_memory_is_channels_last_throughout():
    trunk = CASIANet(width=0.125)
    final, maps = trunk.forward_intermediates(torch.randn(2, 1, 48, 48))
    for m in (*maps, final):
        assert m.is_contiguous(memory_format=torch.channels_last)


def test_the_trunk_keeps_the_protocol():
    assert isinstance(CASIANet(width=0.125), Trunk)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width must be positive"),
        ({"in_channels": 0}, "in_channels must be at least 1"),
        ({"dropout": 1.0}, "dropout must lie in"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CASIANet(**arguments)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 48, 48), r"Expected images of shape \(B, 1, H, W\)"),
        ((1, 48, 48), r"Expected images of shape"),
        ((2, 1, 31, 48), "at least 32 pixels"),
    ],
)
def test_bad_images_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        CASIANet(width=0.125)(torch.zeros(shape))
