"""The Inception-ResNet form: it keeps the trunk protocol, and is timm's blocks in a shorter row."""

from __future__ import annotations

import pytest
import timm
import torch
from trunk_assertions import (
    assert_a_missing_stage_is_refused,
    assert_keeps_the_protocol,
    assert_shapes_follow,
    assert_stages_are_what_hooks_see,
    assert_the_final_maps_are_the_features,
    assert_wrong_images_are_refused,
)

from mtl_helpers.papers.ming2021.inception import InceptionResNet, residual_branch
from mtl_helpers.papers.ming2021.model import TASKS, branched_network


@pytest.fixture(scope="module")
def trunk():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return InceptionResNet(1)


@pytest.mark.parametrize(
    "property_of",
    [
        assert_shapes_follow,
        assert_the_final_maps_are_the_features,
        assert_a_missing_stage_is_refused,
        assert_stages_are_what_hooks_see,
        assert_wrong_images_are_refused,
    ],
)
def test_it_is_a_trunk(trunk, property_of):
    assert_keeps_the_protocol(trunk)
    property_of(trunk, 80)


def test_it_is_timm_s_network_with_one_block_of_each_kind(trunk):
    whole = timm.create_model("inception_resnet_v2", in_chans=1).eval()
    del whole.repeat[1:], whole.repeat_1[1:]
    own = {f"{n}": p for n, p in trunk.state_dict().items()}
    names = ("conv2d_1a", "conv2d_2a", "conv2d_2b", "", "conv2d_3b", "conv2d_4a", "", "mixed_5b",
             "repeat.0")  # fmt: skip
    renamed = {}
    for name, value in own.items():
        part, _, rest = name.partition(".")
        place, _, inner = rest.partition(".")
        if part == "stem":
            renamed[f"{names[int(place)]}.{inner}"] = value
        elif part == "middle":
            renamed[f"{('mixed_6a', 'repeat_1.0')[int(place)]}.{inner}"] = value
        else:
            renamed[f"mixed_7a.{rest}"] = value
    missing, unexpected = whole.load_state_dict(renamed, strict=False)
    assert unexpected == []
    assert {n.split(".")[0] for n in missing} == {"repeat_2", "block8", "conv2d_7b", "classif"}
    outputs = []
    whole.mixed_7a.register_forward_hook(lambda _m, _i, out: outputs.append(out))
    images = torch.randn(2, 1, 90, 90, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole.forward_features(images)
        # rounding differs between layouts in memory
        assert torch.allclose(trunk.eval().forward_features(images), outputs[0], atol=1e-5)


def test_the_smallest_side_is_the_one_that_it_names(trunk):
    with pytest.raises(ValueError, match="at least 75 pixels per side"):
        trunk.forward_features(torch.zeros(1, 1, 74, 80))
    with torch.no_grad():
        assert trunk.forward_features(torch.zeros(1, 1, 75, 75)).shape == (1, 2080, 1, 1)


def test_a_branch_keeps_the_shape_and_gives_either_sign():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        branch = residual_branch().eval()
    maps = torch.randn(1, 2080, 2, 2, generator=torch.Generator().manual_seed(0)).relu()
    with torch.no_grad():
        out = branch(maps)
    assert out.shape == maps.shape and (out < 0).any() and (out > 0).any()


def test_three_branches_share_it():
    model = branched_network("inception", TASKS, 4, channels=1).eval()
    with torch.no_grad():
        out = model(torch.zeros(1, 1, 80, 80))
    assert out.embeddings.shape == (1, 3, 2080) and model.shared_length(80) == 2080
