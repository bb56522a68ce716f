"""One set of properties, over CASIA-Net and networks of timm of several families."""

from __future__ import annotations

import pytest
import trunk_assertions as trunks

from mtl_helpers.trunks import CASIANet, MapTrunk
from mtl_helpers.trunks.timm_trunk import TimmTrunk

# name: how to build it, and a side that it bears
TRUNKS = {
    "CASIA-Net": (lambda: CASIANet(width=0.125, in_channels=1), 33),
    "CASIA-Net, colour": (lambda: CASIANet(width=0.25, in_channels=3, dropout=0.2), 48),
    "residual": (lambda: TimmTrunk("test_resnet", in_channels=1, dropout=0.3), 64),
    "residual, colour": (lambda: TimmTrunk("resnet10t", in_channels=3, dropout=0.5), 64),
    "inverted residual": (lambda: TimmTrunk("test_efficientnet", in_channels=3, dropout=0.4), 64),
    "head after pooling": (
        lambda: TimmTrunk("mobilenetv3_small_050", in_channels=1, dropout=0.4),
        64,
    ),
    "patches": (lambda: TimmTrunk("convnext_atto", in_channels=1, dropout=0.4), 64),
}


@pytest.fixture(scope="module", params=TRUNKS)
def case(request):
    build, side = TRUNKS[request.param]
    return build(), build, side


def test_it_keeps_the_protocol(case):
    trunks.assert_keeps_the_protocol(case[0])


def test_shapes_follow_from_the_images(case):
    trunks.assert_shapes_follow(case[0], case[2])


def test_the_final_maps_are_the_features(case):
    trunks.assert_the_final_maps_are_the_features(case[0], case[2])


def test_stages_come_in_the_order_asked_for(case):
    trunks.assert_stages_come_in_the_order_asked_for(case[0], case[2])


def test_a_missing_stage_is_refused(case):
    trunks.assert_a_missing_stage_is_refused(case[0], case[2])


def test_stages_are_what_hooks_see(case):
    trunks.assert_stages_are_what_hooks_see(case[0], case[2])


def test_feature_info_is_true_to_the_maps(case):
    trunks.assert_feature_info_is_true(case[0], case[2])


def test_gradients_reach_every_parameter(case):
    trunks.assert_gradients_reach_every_parameter(case[0], case[2])


def test_gradients_reach_the_images_from_each_stage(case):
    trunks.assert_gradients_reach_the_images_from_each_stage(case[0], case[2])


def test_it_survives_pickling(case):
    trunks.assert_survives_pickling(case[0], case[2])


def test_its_state_goes_round(case):
    trunk, build, side = case
    trunks.assert_state_goes_round(trunk, build, side)


def test_memory_is_channels_last(case):
    trunks.assert_memory_is_channels_last(case[0], case[2])


def test_dropout_acts_on_x_in_training_only(case):
    trunks.assert_dropout_acts_on_x_in_training_only(case[0])


def test_wrong_images_are_refused(case):
    trunks.assert_wrong_images_are_refused(case[0], case[2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0, "dropout": 0.0}, "in_channels must be at least 1"),
        ({"in_channels": 1, "dropout": 1.0}, r"dropout must lie in \[0, 1\)"),
        ({"in_channels": 1, "dropout": -0.1}, r"dropout must lie in \[0, 1\)"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MapTrunk(**arguments)
