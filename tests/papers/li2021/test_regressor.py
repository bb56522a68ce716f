"""Landmark regressors: the layers of Tables 1 and 4, one pass by hand, and stages that are none."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tiny_faces import MEAN_FACE, TwoStages, make_recogniser
from torch import nn

from mtl_helpers.papers.li2021 import regressor
from mtl_helpers.papers.li2021.regressor import (
    STAGES,
    LandmarkRegressor,
    casia_discriminator,
    map_shape,
    maps_and_head,
    stage_regressor,
)
from mtl_helpers.trunks import CASIANet, MapTrunk


class LikeResNet101(MapTrunk):
    """Maps of the sizes of Table 1, without the layers that would make them."""

    def __init__(self):
        super().__init__(3, 0.0)
        self.weight = nn.Parameter(torch.zeros(1))
        self.feature_dim = 2048
        sizes = zip((64, 256, 512, 1024, 2048), (4, 4, 8, 16, 32), strict=True)
        self.feature_info = [
            {"module": "", "num_chs": channels, "reduction": step} for channels, step in sizes
        ]

    def forward_intermediates(self, images, indices=None):
        side = images.shape[2]
        maps = [
            torch.zeros(len(images), info["num_chs"], side // info["reduction"],
                        side // info["reduction"])
            for info in self.feature_info
        ]  # fmt: skip
        return maps[-1], [maps[number] for number in self.stage_numbers(indices)]


# ---- the tables


@pytest.mark.parametrize(
    ("stage", "shape", "channels"),
    [
        (0, (64, 56, 56), [256, 512, 1024, 2048]),
        (1, (256, 56, 56), [512, 1024, 2048]),
        (2, (512, 28, 28), [1024, 2048]),
        (3, (1024, 14, 14), [2048]),
        (4, (2048, 7, 7), [2048]),
        (-1, (2048, 7, 7), [2048]),
    ],
)
def test_a_stage_s_convolutions_are_those_of_table_1(stage, shape, channels, monkeypatch):
    made = []
    monkeypatch.setattr(regressor, "LandmarkRegressor", lambda *given, **_: made.append(given))
    stage_regressor(LikeResNet101(), stage, 224)
    assert made == [(shape, channels, 51)]
    stage_regressor(LikeResNet101(), stage, 224, 68)
    assert made[1] == (shape, channels, 68)


def test_casia_net_s_discriminator_is_that_of_table_4():
    D = casia_discriminator(CASIANet(), 100)
    kernels = [tuple(m.weight.shape) for m in D.modules() if isinstance(m, nn.Conv2d)]
    assert kernels == [(320, 320, 3, 3)] * 3
    assert not any(isinstance(m, nn.MaxPool2d) for m in D.modules())
    assert tuple(D.fc.weight.shape) == (102, 320 * 7 * 7)
    assert casia_discriminator(CASIANet(0.25), 48, width=2).fc.in_features == 2 * 80 * 3 * 3


def test_the_five_stages_have_the_paper_s_names():
    assert len(STAGES) == len(CASIANet(0.05).feature_info) == 5


# ---- one pass


@pytest.mark.parametrize("pool", [True, False])
def test_a_pass_is_convolution_norm_relu_pooling_and_a_line(pool):
    D = LandmarkRegressor((3, 5, 4), (4, 6), points=7, pool=pool).eval()
    for module in D.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    maps = torch.randn(2, 3, 5, 4)
    state, values = D.state_dict(), maps
    for number in range(2):
        at = (4 if pool else 3) * number
        values = F.conv2d(values, state[f"layers.{at}.weight"], padding=1)
        mean, var, gamma, beta = (
            state[f"layers.{at + 1}.{name}"].view(-1, 1, 1)
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        values = ((values - mean) / (var + 1e-5).sqrt() * gamma + beta).clamp(min=0)
        if pool:  # over 3 x 3, of which what lies outside is none
            values = F.max_pool2d(F.pad(values, (1, 1, 1, 1), value=-torch.inf), 3, 2)
    expected = values.flatten(1) @ state["fc.weight"].T + state["fc.bias"]
    assert torch.allclose(D(maps).flatten(1), expected, atol=1e-5)


def test_it_starts_from_the_mean_face():
    D = LandmarkRegressor((3, 2, 2), (4,), points=3)
    D.start_from(MEAN_FACE)
    with torch.no_grad():
        D.fc.weight.zero_()
    assert torch.equal(D(torch.randn(5, 3, 2, 2)), torch.as_tensor(MEAN_FACE).expand(5, 3, 2))
    with pytest.raises(ValueError, match=r"mean face \(3, 2\), found shape \(51, 2\)"):
        D.start_from(torch.zeros(51, 2))


@pytest.mark.parametrize("unit", [1.0, 25.0])
def test_the_unit_multiplies_what_the_last_layer_says(unit):
    D = LandmarkRegressor((3, 2, 2), (4,), points=3, unit=unit).eval()
    plain = LandmarkRegressor((3, 2, 2), (4,), points=3).eval()
    plain.load_state_dict(D.state_dict())
    maps = torch.randn(5, 3, 2, 2)
    assert torch.allclose(D(maps), unit * plain(maps), rtol=1e-5)
    D.start_from(MEAN_FACE)
    with torch.no_grad():
        D.fc.weight.zero_()
    assert torch.allclose(D(maps)[0], torch.as_tensor(MEAN_FACE))


def test_a_unit_of_nothing_is_refused():
    with pytest.raises(ValueError, match="unit must be above 0"):
        LandmarkRegressor((3, 2, 2), (4,), unit=0.0)


def test_half_precision_does_not_round_landmarks_to_pixels():
    D = LandmarkRegressor((3, 2, 2), (4,), points=3).eval()
    D.start_from(torch.full((3, 2), 200.3))
    maps = torch.randn(2, 3, 2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        halved = D(maps)
    assert halved.dtype == torch.float32
    assert torch.allclose(halved, D(maps), atol=0.1)


# ---- bad input


def test_maps_of_another_stage_or_size_are_refused():
    D = LandmarkRegressor((3, 5, 4), (4,))
    for shape in ((2, 4, 5, 4), (2, 3, 4, 4), (3, 5, 4)):
        with pytest.raises(ValueError, match="made for one stage and one size of picture"):
            D(torch.zeros(shape))


@pytest.mark.parametrize("stage", [5, -6])
def test_a_stage_that_does_not_exist_is_named(stage):
    with pytest.raises(ValueError, match=f"Stage {stage} does not exist: choose from 0 to 4"):
        stage_regressor(CASIANet(0.05), stage, 32)


@pytest.mark.parametrize(
    ("shape", "channels"), [((0, 3, 3), (4,)), ((2, 3, 3), ()), ((2, 3, 3), (0,))]
)
def test_regressors_without_layers_are_refused(shape, channels):
    with pytest.raises(ValueError, match="channels and points of at least 1"):
        LandmarkRegressor(shape, channels)


def test_asking_for_the_size_of_maps_changes_nothing():
    trunk = TwoStages().train()
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    assert map_shape(trunk, 0, 8) == (6, 4, 4)
    assert trunk.training
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())


def test_maps_and_head_come_from_one_pass():
    model = make_recogniser().eval()
    images = torch.randn(3, 1, 8, 8)
    maps, dropped = maps_and_head(model, images, 0)
    assert torch.equal(maps, model.trunk.first(images))
    assert torch.equal(dropped, model(images).features)
