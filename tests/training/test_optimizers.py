from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

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
from mtl_helpers.presets import PRESETS
from mtl_helpers.runs.config import config_dict, config_hash
from mtl_helpers.training.loop import train
from mtl_helpers.training.muon import Muon
from mtl_helpers.training.optimizers import (
    AdamWConfig,
    MuonConfig,
    OptimizerConfig,
    SGDConfig,
    optimizer_of,
    optimizers,
)
from mtl_helpers.trunks import CASIANet

CONFIGS = {
    "sgd": SGDConfig(weight_decay=0.1),
    "muon": MuonConfig(0.7, 4, others=SGDConfig(momentum=0.8, nesterov=True, weight_decay=0.1)),
    "adamw": AdamWConfig(weight_decay=0.1),
}
EVERY = pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
NETWORK = MultiTaskNetwork(CASIANet(width=0.05), {"id": 3, "pos": 2})
WEIGHTING = nn.Linear(NETWORK.trunk.feature_dim, 2)
NAMES = {id(p): name for module in (NETWORK, WEIGHTING) for name, p in module.named_parameters()}


def parameters_of(optimizer):
    """Each parameter's name, with the settings of its group."""
    return [(NAMES[id(p)], group) for group in optimizer.param_groups for p in group["params"]]


def made(config):
    """The optimisers of a network and of its weighting, which learns at a tenth of the rate."""
    return optimizers(config, {NETWORK: 1.0, WEIGHTING: 0.1})


@EVERY
def test_every_parameter_is_in_one_optimiser_once(config):
    names = [name for one in made(config).values() for name, _ in parameters_of(one)]
    assert sorted(names) == sorted(NAMES.values())


@EVERY
def test_weight_decay_spares_biases_and_normalisations(config):
    matrices = set()
    for name, one in made(config).items():
        for parameter, group in parameters_of(one) if name != "kernels" else ():
            spared = parameter.endswith("bias") or ".bn" in parameter
            assert group["weight_decay"] == (0.0 if spared else 0.1), parameter
            if not spared:
                matrices.add(parameter)
    assert "heads.id.weight" in matrices and len(matrices) > 1


@EVERY
def test_every_module_has_its_own_multiple_of_the_rate(config):
    for one in made(config).values():
        for parameter, group in parameters_of(one):
            of_weighting = parameter in dict(WEIGHTING.named_parameters())
            assert group["scale"] == (0.1 if of_weighting else 1.0), parameter


def test_muon_has_the_kernels_and_sgd_all_else():
    pair = made(CONFIGS["muon"])
    assert set(pair) == {"kernels", "others"}
    kernels = {name for name, _ in parameters_of(pair["kernels"])}
    assert kernels == {f"trunk.blocks.{k}.conv{n}.weight" for k in range(5) for n in (1, 2)}
    assert isinstance(pair["kernels"], Muon) and isinstance(pair["others"], torch.optim.SGD)
    assert pair["kernels"].defaults["momentum"] == 0.7
    assert pair["kernels"].defaults["rounds"] == 4
    assert pair["others"].defaults["momentum"] == 0.8 and pair["others"].defaults["nesterov"]


@pytest.mark.parametrize(
    ("config", "kind"), [(SGDConfig(), torch.optim.SGD), (AdamWConfig(), torch.optim.AdamW)]
)
def test_sgd_and_adamw_have_all_parameters_to_themselves(config, kind):
    (one,) = made(config).values()
    assert type(one) is kind


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (nn.Linear(2, 2), {"others"}),
        (nn.Conv2d(1, 2, 3, bias=False), {"kernels"}),
        (nn.Conv2d(1, 2, 3), {"kernels", "others"}),
    ],
)
def test_muon_makes_the_optimisers_that_there_is_work_for(module, names):
    assert set(optimizers(MuonConfig(), {module: 1.0, nn.Identity(): 9.0})) == names


@EVERY
def test_frozen_parameters_are_left_out(config):
    layer = nn.Conv2d(1, 2, 3)
    layer.bias.requires_grad_(False)
    (one,) = optimizers(config, {layer: 1.0}).values()
    (group,) = one.param_groups
    assert group["params"][0] is layer.weight and len(group["params"]) == 1


def test_two_kinds_of_optimiser_never_have_one_hash():
    @dataclass(frozen=True)
    class Run:
        optimizer: OptimizerConfig = field(default_factory=SGDConfig)

    kinds = [Run(), Run(MuonConfig()), Run(AdamWConfig())]
    assert len({config_hash(run) for run in kinds}) == 3
    assert [config_dict(run)["optimizer"].get("kind") for run in kinds] == [None, "muon", "adamw"]


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_a_preset_names_its_optimiser_and_weight_decay(preset):
    config = optimizer_of(dataclasses.replace(preset, weight_decay=0.07))
    assert type(config) is (MuonConfig if preset.muon else SGDConfig)
    by_sgd = config.others if preset.muon else config
    assert by_sgd == SGDConfig(weight_decay=0.07, nesterov=preset.muon)


@pytest.mark.parametrize(
    ("config", "settings", "message"),
    [
        (SGDConfig, {"momentum": 1.0}, "momentum must lie in"),
        (SGDConfig, {"momentum": -0.1}, "momentum must lie in"),
        (SGDConfig, {"weight_decay": -1.0}, "weight_decay must be finite and not negative"),
        (SGDConfig, {"weight_decay": math.inf}, "weight_decay must be finite and not negative"),
        (AdamWConfig, {"weight_decay": -1.0}, "weight_decay must be finite and not negative"),
        (MuonConfig, {"momentum": 1.0}, "momentum must lie in"),
        (MuonConfig, {"rounds": 0}, "rounds must be at least 1, found 0"),
    ],
)
def test_bad_settings_are_refused(config, settings, message):
    with pytest.raises(ValueError, match=message):
        config(**settings)


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
