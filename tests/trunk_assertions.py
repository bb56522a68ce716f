"""Properties that every trunk has, whatever network it is."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import nn

from mtl_helpers.trunks import Trunk


def pictures(trunk, side, batch=2):
    return torch.randn(
        batch, trunk.in_channels, side, side, generator=torch.Generator().manual_seed(0)
    )


@torch.no_grad()
def tapped(trunk, side, indices=None):
    return trunk.eval().forward_intermediates(pictures(trunk, side), indices)


def assert_keeps_the_protocol(trunk):
    assert isinstance(trunk, Trunk)
    assert isinstance(trunk, nn.Module) and isinstance(trunk.dropout, nn.Module)
    for stage in trunk.feature_info:
        assert list(map(type, stage.values())) == [str, int, int]
        assert set(stage) == {"module", "num_chs", "reduction"}


def assert_shapes_follow(trunk, side):
    images = pictures(trunk, side)
    with torch.no_grad():
        maps = trunk.eval().forward_features(images)
        x = trunk(images)
    assert maps.ndim == 4 and maps.shape[:2] == (2, trunk.feature_dim)
    assert x.shape == (2, trunk.feature_dim)
    by_loop = torch.stack([torch.stack([m.mean() for m in image]) for image in maps])
    assert torch.allclose(trunk.forward_head(maps), by_loop, atol=1e-5)
    assert torch.equal(trunk.forward_head(maps), x)


def assert_the_final_maps_are_the_features(trunk, side):
    final, _ = tapped(trunk, side)
    with torch.no_grad():
        assert torch.equal(final, trunk.forward_features(pictures(trunk, side)))


def assert_stages_come_in_the_order_asked_for(trunk, side):
    _, every = tapped(trunk, side)
    count = len(trunk.feature_info)
    assert len(every) == count > 2
    final, some = tapped(trunk, side, (-1, 1, -count, 1))
    assert len(some) == 4
    for maps, number in zip(some, (count - 1, 1, 0, 1), strict=True):
        assert torch.equal(maps, every[number])
    alone, none = tapped(trunk, side, ())
    assert none == [] and torch.equal(alone, final)


def assert_a_missing_stage_is_refused(trunk, side):
    count = len(trunk.feature_info)
    for index in (count, -count - 1):
        with pytest.raises(ValueError, match=f"Stage {index} does not exist: choose from 0 to"):
            trunk.forward_intermediates(pictures(trunk, side), (0, index))


def assert_stages_are_what_hooks_see(trunk, side):
    outputs = {}
    hooks = [
        trunk.get_submodule(stage["module"]).register_forward_hook(
            lambda _m, _i, out, name=stage["module"]: outputs.__setitem__(name, out)
        )
        for stage in trunk.feature_info
    ]
    with torch.no_grad():
        trunk.eval()(pictures(trunk, side))  # by forward, not by forward_intermediates
    for hook in hooks:
        hook.remove()
    for maps, stage in zip(tapped(trunk, side)[1], trunk.feature_info, strict=True):
        assert torch.equal(outputs[stage["module"]], maps)


def assert_feature_info_is_true(trunk, side):
    # a side longer by 64 px makes maps longer by 64 / reduction, padded or not
    for small, large, stage in zip(
        tapped(trunk, side)[1], tapped(trunk, side + 64)[1], trunk.feature_info, strict=True
    ):
        assert small.shape[1] == large.shape[1] == stage["num_chs"]
        grown = 64 // stage["reduction"]
        assert tuple(large.shape[2:]) == tuple(length + grown for length in small.shape[2:])


def assert_gradients_reach_every_parameter(trunk, side):
    trunk = copy.deepcopy(trunk).train()
    for parameter in trunk.parameters():  # a residual branch may begin with a scale of 0
        if not parameter.any():
            nn.init.constant_(parameter, 0.1)
    x = trunk(pictures(trunk, side, batch=4))
    (x * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    for name, parameter in trunk.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def assert_gradients_reach_the_images_from_each_stage(trunk, side):
    """An adversary on hidden maps, or a map of what matters, needs them."""
    for number in range(len(trunk.feature_info)):
        images = pictures(trunk, side).requires_grad_()
        _, (maps,) = trunk.eval().forward_intermediates(images, (number,))
        (gradient,) = torch.autograd.grad(maps.square().sum(), images)
        assert gradient.isfinite().all() and gradient.any()


def assert_survives_pickling(trunk, side):
    images = pictures(trunk, side)
    with torch.no_grad():
        x = trunk.eval()(images)
        again = pickle.loads(pickle.dumps(trunk))
        assert torch.equal(again(images), x)
        assert again.feature_info == trunk.feature_info


def assert_state_goes_round(trunk, build, side):
    buffer = io.BytesIO()
    torch.save(trunk.state_dict(), buffer)
    buffer.seek(0)
    other = build().eval()
    images = pictures(trunk, side)
    with torch.no_grad():
        x = trunk.eval()(images)
        assert not torch.equal(other(images), x)
        other.load_state_dict(torch.load(buffer, weights_only=True))
        assert torch.equal(other(images), x)


def assert_memory_is_channels_last(trunk, side):
    final, maps = tapped(trunk, side)
    for values in (*maps, final):
        assert values.is_contiguous(memory_format=torch.channels_last)
    for parameter in trunk.parameters():
        if parameter.ndim == 4:
            assert parameter.is_contiguous(memory_format=torch.channels_last)


def assert_dropout_acts_on_x_in_training_only(trunk):
    share, twin = trunk.dropout.p, copy.deepcopy(trunk)
    maps = torch.ones(64, trunk.feature_dim, 2, 2)
    torch.manual_seed(0)
    dropped = twin.train().forward_head(maps)
    assert 0 < share < 1
    assert (dropped == 0).float().mean().item() == pytest.approx(share, abs=0.05)
    assert torch.allclose(dropped[dropped != 0], torch.tensor(1 / (1 - share)))
    assert (twin.forward_head(maps, pre_dropout=True) == 1).all()
    assert (twin.eval().forward_head(maps) == 1).all()


def assert_wrong_images_are_refused(trunk, side):
    channels = trunk.in_channels
    for shape in ((2, channels + 1, side, side), (channels, side, side)):
        with pytest.raises(ValueError, match=rf"Expected images of shape \(B, {channels}, H, W\)"):
            trunk.forward_features(torch.zeros(shape))
        with pytest.raises(ValueError, match="Expected images of shape"):
            trunk.forward_intermediates(torch.zeros(shape))
