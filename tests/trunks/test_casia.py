from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from trunk_assertions import assert_keeps_the_protocol

from mtl_helpers.trunks import CASIANet


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


def test_convolutions_are_normalised_and_all_but_one_rectified():
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


def test_a_shorter_trunk_is_the_beginning_of_the_whole():
    whole, short = CASIANet(0.125).eval(), CASIANet(0.125, depth=4).eval()
    assert_keeps_the_protocol(short)
    short.load_state_dict({k: v for k, v in whole.state_dict().items() if k in short.state_dict()})
    images = torch.randn(2, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        _, (fourth,) = whole.forward_intermediates(images, (3,))
        assert torch.equal(short.forward_features(images), fourth)
    assert short.feature_dim == 32 and len(short.feature_info) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width must be positive"),
        ({"width": -1.0}, "width must be positive"),
        ({"depth": 0}, r"depth must lie in 1 \.\. 5, found 0"),
        ({"depth": 6}, r"depth must lie in 1 \.\. 5, found 6"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CASIANet(**arguments)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 1, 48, 8), "at least 32 pixels"),
        ((2, 1, 31, 48), "at least 32 pixels"),
    ],
)
def test_bad_images_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        CASIANet(width=0.125)(torch.zeros(shape))
