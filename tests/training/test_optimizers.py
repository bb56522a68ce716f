from __future__ import annotations

import math

import pytest
import torch
from tiny_methods import (
    Classifier,
    ExponentiatedGradient,
    SoftThreshold,
    Sparse,
    make_batches,
    make_plan,
)
from torch import nn
from training_assertions import assert_resumes

from mtl_helpers.networks import MultiTaskNetwork
from mtl_helpers.training.loop import train
from mtl_helpers.training.optimizers import SGDConfig, sgd
from mtl_helpers.trunks import CASIANet


def test_weight_decay_spares_biases_and_normalisations():
    model = MultiTaskNetwork(CASIANet(width=0.05), {"id": 3, "pos": 2})
    optimizer = sgd(SGDConfig(weight_decay=0.1), {model: 1.0})
    decays = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    for name, parameter in model.named_parameters():
        spared = name.endswith("bias") or ".bn" in name
        assert decays[id(parameter)] == (0.0 if spared else 0.1), name


def test_every_module_has_its_own_multiple_of_the_rate():
    first, second, still = nn.Linear(2, 2), nn.Linear(2, 2), nn.Identity()
    optimizer = sgd(SGDConfig(), {first: 1.0, second: 0.1, still: 9.0})
    scales = {id(p): g["scale"] for g in optimizer.param_groups for p in g["params"]}
    assert scales == {
        id(p): scale for module, scale in ((first, 1.0), (second, 0.1)) for p in module.parameters()
    }


def test_frozen_parameters_are_left_out():
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    optimizer = sgd(SGDConfig(), {layer: 1.0})
    (group,) = optimizer.param_groups
    assert group["params"][0] is layer.weight and len(group["params"]) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"momentum": 1.0}, "momentum must lie in"),
        ({"momentum": -0.1}, "momentum must lie in"),
        ({"weight_decay": -1.0}, "weight_decay must be finite and not negative"),
        ({"weight_decay": math.inf}, "weight_decay must be finite and not negative"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SGDConfig(**settings)


@pytest.mark.parametrize("scale", [0.0, 0.5, 3.0])
def test_a_group_descends_at_its_own_multiple_of_the_rate(scale):
    plan = make_plan(steps=1, warmup_steps=0, schedule="constant", average_decay=0.0)
    method = Classifier(dropout=0.0, scale=scale)
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    train(method, make_batches(plan), plan, progress=False)
    for name, parameter in method.named_parameters():
        rate = plan.learning_rate * (scale if name.endswith("bias") else 1.0)
        assert parameter.grad.any()
        assert torch.allclose(parameter, before[name] - rate * parameter.grad, atol=1e-7), name


# ---- optimisers of one's own


def test_the_proximal_step_by_hand():
    w = nn.Parameter(torch.tensor([1.0, -0.2, 0.05]))
    optimizer = SoftThreshold([w], penalty=2.0)
    optimizer.param_groups[0]["lr"] = 0.1
    w.grad = torch.tensor([1.0, 1.0, 0.0])
    optimizer.step()
    # (0.9, -0.3, 0.05), each 0.2 nearer to 0; the first step does not extrapolate
    assert w.tolist() == pytest.approx([0.7, -0.1, 0.0])


def test_the_mirror_step_by_hand():
    w = nn.Parameter(torch.tensor([0.5, 0.5]))
    optimizer = ExponentiatedGradient([w])
    optimizer.param_groups[0]["lr"] = 1.0
    for _ in range(2):
        w.grad = torch.tensor([0.0, math.log(2.0)])
        optimizer.step()
    # the second weight has been halved twice: 1 to 1/4
    assert w.tolist() == pytest.approx([0.8, 0.2])


def test_the_proximal_optimiser_leaves_few_weights():
    plan = make_plan(steps=200, average_decay=0.0, learning_rate=0.05)
    counts = []
    for penalty in (0.0, 0.1):
        method = train(Sparse(penalty), make_batches(plan), plan, progress=False).method
        counts.append(int(method.model[1].weight.count_nonzero()))
    assert counts[0] == 108 and 0 < counts[1] < 60


def test_the_mixture_stays_on_the_simplex_and_moves():
    plan = make_plan(steps=60, schedule="constant")
    mixtures = []
    train(
        Sparse(), make_batches(plan), plan, progress=False,
        on_step=lambda s: mixtures.append(s.method.mixture.detach().clone()),
    )  # fmt: skip
    for mixture in mixtures:
        assert (mixture > 0).all() and float(mixture.sum()) == pytest.approx(1)
    assert (mixtures[-1] - 0.5).abs().max() > 0.05


@pytest.mark.parametrize("died_at", [1, 2, 5, 12])
@pytest.mark.parametrize("every", [1, 3])
def test_the_state_of_one_s_own_optimiser_saves_itself(tmp_path, died_at, every):
    plan = make_plan()
    path = tmp_path / "state.pt"
    assert_resumes(Sparse, make_batches(plan), plan, path, died_at, every)
