"""Muon: its updates against numpy's singular values, timm's Muon, and what it does not see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic_corpus import SyntheticCorpus
from torch import nn
from training_assertions import assert_resumes

from mtl_helpers.losses import task_losses
from mtl_helpers.networks import MultiTaskNetwork, seeded_network
from mtl_helpers.training.batches import labelled_batches, to_input
from mtl_helpers.training.joint import JointTraining
from mtl_helpers.training.muon import Muon, orthogonalised
from mtl_helpers.training.optimizers import MuonConfig
from mtl_helpers.training.plan import Plan
from mtl_helpers.training.weighting import FixedWeights
from mtl_helpers.trunks import CASIANet

SHAPES = pytest.mark.parametrize("shape", [(6, 40), (40, 6), (12, 12), (1, 9), (16, 9)])


def quintic(values, rounds):
    """Singular values after so many rounds, each x -> 3.4445 x - 4.775 x^3 + 2.0315 x^5."""
    x = values / np.sqrt((values**2).sum())
    for _ in range(rounds):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    return x


def by_svd(matrix, rounds):
    """The same update from numpy's singular vectors, in float64."""
    u, values, v = np.linalg.svd(np.asarray(matrix, dtype=np.float64), full_matrices=False)
    return u @ np.diag(quintic(values, rounds)) @ v


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


# ---- making a matrix orthogonal


@SHAPES
@pytest.mark.parametrize("rounds", [1, 3, 5])
def test_singular_vectors_stay_and_values_follow_the_quintic(shape, rounds):
    matrix = normal(*shape)
    np.testing.assert_allclose(orthogonalised(matrix, rounds), by_svd(matrix, rounds), atol=2e-5)


@pytest.mark.parametrize(
    ("rounds", "smallest", "band"), [(3, 0.05, (0.67, 1.21)), (5, 0.004, (0.67, 1.21))]
)
def test_singular_values_come_near_one(rounds, smallest, band):
    u, v = (np.linalg.qr(np.random.default_rng(seed).normal(size=(40, 8)))[0] for seed in (1, 2))
    values = np.geomspace(smallest, 1, 8)
    values /= np.sqrt((values**2).sum())  # the smallest is ``smallest`` of the largest
    matrix = torch.from_numpy(u * values @ v.T).float()
    after = np.linalg.svd(orthogonalised(matrix, rounds).numpy(), compute_uv=False)[:8]
    assert band[0] < after.min() and after.max() < band[1]
    # a round less is not enough for the smallest
    before = np.linalg.svd(orthogonalised(matrix, rounds - 1).numpy(), compute_uv=False)[:8]
    assert before.min() < band[0]


def test_a_thousandth_of_the_largest_needs_more_rounds():
    matrix = torch.diag(torch.tensor([1.0, 1e-3]))
    least = {rounds: float(orthogonalised(matrix, rounds).diag().min()) for rounds in (3, 5, 7)}
    assert least[3] < 0.05 and least[5] < 0.6 < least[7]


@SHAPES
def test_the_transposed_is_made_orthogonal_alike(shape):
    matrix = normal(*shape)
    there, back = orthogonalised(matrix, 3), orthogonalised(matrix.T.contiguous(), 3)
    assert there.shape == shape
    assert torch.allclose(there, back.T, atol=1e-6)


def test_nothing_is_made_of_nothing():
    assert not orthogonalised(torch.zeros(3, 5), 5).any()


def test_a_direction_that_is_missing_stays_missing():
    matrix = normal(6, 1) @ normal(1, 9, seed=1)  # of rank one
    values = np.linalg.svd(orthogonalised(matrix, 5).numpy(), compute_uv=False)
    assert values[0] > 0.67 and values[1:].max() < 1e-3


# ---- a step


def kernels(seed=0):
    shapes = ((8, 4, 3, 3), (40, 3, 3, 3), (6, 20))
    return [nn.Parameter(5 * normal(*shape, seed=seed + k)) for k, shape in enumerate(shapes)]


def gradients(parameters, step, scale=1.0):
    for number, parameter in enumerate(parameters):
        parameter.grad = scale * normal(*parameter.shape, seed=1000 * step + number)


def stepped(parameters, steps=4, scale=1.0, **settings):
    """The parameters after some steps along random gradients."""
    optimizer = Muon(parameters, **settings)
    for step in range(steps):
        gradients(parameters, step + 1, scale)
        optimizer.step()
    return [parameter.detach().clone() for parameter in parameters]


@pytest.mark.parametrize(("momentum", "rounds"), [(0.6, 3), (0.0, 3), (0.9, 5)])
def test_a_step_is_what_numpy_makes_of_it(momentum, rounds):
    after = stepped(kernels(), lr=0.1, momentum=momentum, rounds=rounds)
    for number, (first, found) in enumerate(zip(kernels(), after, strict=True)):
        kernel = first.detach().double().numpy()
        memory = np.zeros_like(kernel)
        for step in range(1, 5):
            gradient = normal(*kernel.shape, seed=1000 * step + number).double().numpy()
            memory = momentum * memory + gradient
            update = gradient + momentum * memory  # Nesterov's look ahead
            kernel = np.sqrt(len(kernel)) * kernel / np.sqrt((kernel**2).sum())
            flat = update.reshape(len(update), -1)
            kernel = kernel - 0.1 * by_svd(flat, rounds).reshape(kernel.shape)
        np.testing.assert_allclose(found.numpy(), kernel, atol=2e-5)


def test_timm_s_muon_turns_a_kernel_by_the_same_update():
    timm_optim = pytest.importorskip("timm.optim")
    ours, theirs = ([nn.Parameter(normal(8, 4, 3, 3))] for _ in range(2))
    optimizers = [
        Muon(ours, lr=0.1, momentum=0.6, rounds=5),
        timm_optim.Muon(
            theirs, lr=0.1, momentum=0.6, nesterov=True, ns_steps=5,
            ns_coefficients="original", adjust_lr_fn=None, weight_decay=0.0,
        ),
    ]  # fmt: skip
    for step in range(1, 5):
        moved = []
        for parameters, optimizer in zip((ours, theirs), optimizers, strict=True):
            gradients(parameters, step)
            with torch.no_grad():  # timm does not hold the norm
                parameters[0].mul_(8**0.5 / parameters[0].norm())
            before = parameters[0].detach().clone()
            optimizer.step()
            moved.append((before - parameters[0].detach()) / 0.1)
        # timm's memory is a mean, not a sum, whose size the update does not see; and in bfloat16
        cosine = torch.cosine_similarity(*(update.flatten() for update in moved), dim=0)
        assert cosine > 0.999
        assert torch.allclose(*moved, atol=0.03)


def test_the_norm_of_every_kernel_is_held():
    parameters = kernels()
    optimizer = Muon(parameters, lr=0.1)
    for step in range(1, 30):
        gradients(parameters, step)
        optimizer.step()
        for kernel in parameters:
            flat = kernel.detach().flatten(1)
            # the root of the number of rows, but for one update: 0.1 times a norm of 1.21 a row
            turned = 0.1 * 1.21 * min(flat.shape) ** 0.5
            assert abs(float(flat.norm()) - len(flat) ** 0.5) < turned


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_size_of_gradients_does_not_matter(scale):
    for one, other in zip(stepped(kernels()), stepped(kernels(), scale=scale), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_size_of_a_kernel_does_not_matter():
    larger = [nn.Parameter(100 * kernel.detach()) for kernel in kernels()]
    for one, other in zip(stepped(kernels()), stepped(larger), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_rate_is_the_angle_by_which_a_kernel_turns():
    (kernel,) = parameters = [nn.Parameter(normal(16, 16, 3, 3))]
    before = kernel.detach().flatten().clone()
    stepped(parameters, steps=1, lr=0.01, rounds=5)
    cosine = torch.cosine_similarity(kernel.detach().flatten(), before, dim=0)
    assert 0.0067 < float(cosine.acos()) < 0.0121


def test_a_kernel_without_gradient_is_left_alone():
    parameters = kernels()
    before = parameters[0].detach().clone()
    optimizer = Muon(parameters)
    gradients(parameters[1:], 1)
    optimizer.step()
    assert torch.equal(parameters[0], before)
    assert parameters[0] not in optimizer.state


@pytest.mark.parametrize("shape", [(), (4,)])
def test_vectors_are_refused(shape):
    with pytest.raises(ValueError, match="Muon updates matrices and kernels, found shape"):
        Muon([nn.Parameter(torch.zeros(shape))])


def test_a_closure_is_asked_for_the_loss():
    (kernel,) = parameters = [nn.Parameter(normal(3, 5))]

    def closure():
        kernel.grad = None
        loss = kernel.square().sum()
        loss.backward()
        return loss

    before = float(kernel.detach().square().sum())
    assert Muon(parameters).step(closure).item() == pytest.approx(before)
    assert kernel.grad is not None


# ---- in the trunk only the mix of the losses counts


CORPUS = SyntheticCorpus()


def method(weights, seed=0, **settings):
    counts = {task: CORPUS.class_counts[task] for task in weights}
    network = seeded_network(
        lambda: CASIANet(0.125, 1, 0.0), lambda t: MultiTaskNetwork(t, counts), seed
    )
    return JointTraining(network, FixedWeights(weights), MuonConfig(), **settings)


def after_one_step(weights):
    """A network after one step, the parameters of trunk and heads by name."""
    joint = method(weights).train()
    index = CORPUS.split("train")[::7]
    labels = {task: torch.from_numpy(v) for task, v in CORPUS.labels(index).items()}
    for optimizer in joint.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * group["scale"]
    out = joint.model(to_input(torch.from_numpy(CORPUS.images[index])))
    losses = task_losses(out.logits, labels)
    joint.descend(joint.weighting(losses, out.features), *joint.optimizers)
    return {name: p.detach() for name, p in joint.model.named_parameters()}


def furthest(one, other, kernels):
    """The largest difference between the kernels of two networks, or between their heads."""
    names = [n for n, p in one.items() if p.ndim == 4] if kernels else ["heads.id.weight"]
    return max(float((one[name] - other[name]).abs().max()) for name in names)


def test_ten_times_all_weights_leave_the_kernels_as_they_are():
    plain = after_one_step({"id": 1.0, "pos": 0.3})
    tenfold = after_one_step({"id": 10.0, "pos": 3.0})
    assert furthest(plain, tenfold, kernels=True) < 1e-4
    assert furthest(plain, tenfold, kernels=False) > 1e-2


def test_another_mix_of_weights_changes_the_kernels():
    plain = after_one_step({"id": 1.0, "pos": 0.3})
    mixed = after_one_step({"id": 1.0, "pos": 3.0})
    assert furthest(plain, mixed, kernels=True) > 1e-2


def test_clipping_the_gradient_leaves_the_kernels_as_they_are():
    """It scales the whole gradient, of which the kernels see the direction alone."""
    plain, clipped = method({"id": 1.0}), method({"id": 1.0}, clip_norm=1e-3)
    for joint in (plain, clipped):
        for optimizer in joint.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = 0.1
        images = to_input(torch.from_numpy(CORPUS.images[:16]))
        joint.descend(joint.model(images).features.square().sum(), *joint.optimizers)
    one, other = (joint.model.trunk.blocks[0] for joint in (plain, clipped))
    assert torch.allclose(one.conv1.weight, other.conv1.weight, atol=1e-3)
    assert not torch.allclose(one.bn1.weight, other.bn1.weight, atol=1e-2)


# ---- resumed


@pytest.mark.parametrize("died_at", [1, 5, 12])
@pytest.mark.parametrize("every", [1, 3])
def test_momentum_resumes_bit_for_bit(tmp_path, died_at, every):
    plan = Plan(
        steps=12, batch=16, learning_rate=0.1, warmup_steps=3, average_decay=0.9,
        statistics_batches=2,
    )  # fmt: skip
    batches = labelled_batches(CORPUS, ("id", "pos"), plan)

    def make():
        return method({"id": 1.0, "pos": 0.3})

    assert_resumes(make, batches, plan, tmp_path / "state.pt", died_at, every)
