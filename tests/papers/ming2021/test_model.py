"""Trunk and branches: shapes, first weights, what pretraining hands over, timm's blocks."""

from __future__ import annotations

import itertools

import pytest
import torch
from tiny_caricatures import PEOPLE, network
from torch import nn

from mtl_helpers.papers.ming2021.model import TASKS, BranchedNetwork, branched_network

SUBSETS = [s for n in (1, 2, 3) for s in itertools.combinations(TASKS, n)]


def draw(count=4, channels=1, side=32):
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("tasks", SUBSETS, ids="+".join)
def test_each_task_has_a_branch_and_a_head(tasks):
    model = network(tasks)
    out = model(draw())
    E = model.embedding
    assert list(out.logits) == list(tasks)
    assert all(scores.shape == (4, PEOPLE) for scores in out.logits.values())
    assert out.embeddings.shape == (4, len(tasks), E) and out.features.shape == (4, E)
    assert torch.equal(out.features, out.embeddings[:, 0])
    assert torch.allclose(out.embeddings.norm(dim=2), torch.ones(4, len(tasks)), atol=1e-5)


def test_an_embedding_is_the_mean_of_the_branch_s_maps():
    model = network().eval()
    maps = model.shared(draw())
    out = model.answers(maps)
    for place, task in enumerate(TASKS):
        pooled = model.branches[task](maps).flatten(2).mean(2)  # (B, E)
        head = model.heads[task]
        assert torch.allclose(out.logits[task], pooled @ head.weight.T + head.bias, atol=1e-5)
        unit = pooled / pooled.norm(dim=1, keepdim=True)
        assert torch.allclose(out.embeddings[:, place], unit, atol=1e-5)


def test_a_branch_s_loss_moves_the_trunk_and_no_other_branch():
    model = network()
    model(draw()).logits["photo"].square().sum().backward()
    moved = {name.split(".")[0] + "." + name.split(".")[1] for name, p in model.named_parameters()
             if p.grad is not None and p.grad.any()}  # fmt: skip
    assert "branches.photo" in moved and "trunk.blocks" in moved
    assert not {"branches.caricature", "branches.verification", "heads.caricature"} & moved


def test_first_weights_depend_on_seed_and_task_alone():
    whole, alone, more, other = (
        network(),
        network(("photo",)),
        branched_network("small", TASKS, PEOPLE + 3, width=0.05, channels=1),
        network(seed=1),
    )
    for part in ("trunk", "branches.photo", "heads.photo"):
        a, b = whole.get_submodule(part).state_dict(), alone.get_submodule(part).state_dict()
        assert all(torch.equal(a[name], b[name]) for name in a)
    kernel = "blocks.0.conv1.weight"
    assert torch.equal(whole.trunk.state_dict()[kernel], more.trunk.state_dict()[kernel])
    assert not torch.equal(whole.trunk.state_dict()[kernel], other.trunk.state_dict()[kernel])


def test_equal_seeds_give_equal_networks():
    torch.manual_seed(3)
    first = network()
    torch.manual_seed(4)
    for a, b in zip(first.parameters(), network().parameters(), strict=True):
        assert torch.equal(a, b)


def test_every_branch_starts_from_the_pretrained_one():
    pretrained = network(("verification",), seed=5)
    pretrained(draw())  # moves the statistics of batch normalisation too
    model = network()
    heads = {name: p.clone() for name, p in model.heads.state_dict().items()}
    model.start_from(pretrained)
    images = draw(count=3)
    model.eval()
    pretrained.eval()
    expected = pretrained(images).features
    for place in range(3):
        assert torch.equal(model(images).embeddings[:, place], expected)
    assert all(torch.equal(model.heads.state_dict()[name], p) for name, p in heads.items())
    with torch.no_grad():  # a copy, not the same tensors
        next(model.branches["photo"].parameters()).add_(1)
    assert torch.equal(pretrained(images).features, expected)


def test_a_network_of_another_width_is_no_start():
    with pytest.raises(RuntimeError, match="size mismatch"):
        network().start_from(network(("verification",), width=0.1))


def test_rectified_scores_speak_against_nobody():
    plain, rectified = network().eval(), network(rectified=True).eval()
    a, b = plain(draw()).logits, rectified(draw()).logits
    assert torch.equal(a["verification"], b["verification"])
    for task in ("caricature", "photo"):
        assert torch.equal(b[task], a[task].clamp(min=0)) and (a[task] < 0).any()


def test_the_length_of_z_is_that_of_the_flattened_maps():
    model = network().train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    assert model.shared_length(48) == model.shared(draw(side=48)).flatten(1).shape[1]
    length = network().shared_length(33)
    assert length == network().shared(draw(side=33))[0].numel()
    fresh = network()
    fresh.shared_length(32)
    assert fresh.training
    assert all(torch.equal(fresh.state_dict()[n], v) for n, v in state.items())


def test_dropout_acts_in_training_only():
    model = network(dropout=0.5)
    images = draw()
    assert not torch.equal(model(images).logits["photo"], model(images).logits["photo"])
    model.eval()
    assert torch.equal(model(images).logits["photo"], model(images).logits["photo"])


@pytest.mark.parametrize(
    ("tasks", "identities", "message"),
    [
        ((), 5, "Expected some of the tasks"),
        (("photo", "verification"), 5, "in that order"),
        (("photo", "photo"), 5, "Expected some of the tasks"),
        (("photo", "sketch"), 5, "Expected some of the tasks"),
        (TASKS, 1, "at least two identities, found 1"),
    ],
)
def test_tasks_and_people_that_make_no_sense_are_refused(tasks, identities, message):
    with pytest.raises(ValueError, match=message):
        branched_network("small", tasks, identities, width=0.05)


def test_other_sizes_and_trunks_are_refused():
    with pytest.raises(ValueError, match="Unknown size 'large'"):
        branched_network("large", TASKS, 5)
    with pytest.raises(TypeError, match=r"must be an nn\.Module, found object"):
        BranchedNetwork(object(), nn.Identity, 4, TASKS, 5)
