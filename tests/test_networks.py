from __future__ import annotations

import pytest
import torch

from mtl_helpers.losses import task_losses
from mtl_helpers.networks import MultiTaskNetwork, count_parameters, seeded_network
from mtl_helpers.trunks import CASIANet

CLASSES = {"id": 7, "pos": 5, "illum": 3, "exp": 2}


def make(classes=CLASSES, **changes):
    torch.manual_seed(0)
    return MultiTaskNetwork(CASIANet(width=0.125, **changes), classes)


def test_shapes_and_order_of_tasks():
    out = make()(torch.randn(4, 1, 32, 32))
    assert out.features.shape == (4, 40)
    assert {task: y.shape for task, y in out.logits.items()} == {
        task: (4, count) for task, count in CLASSES.items()
    }
    assert list(out.logits) == list(CLASSES) == list(make().tasks)


def test_logits_are_the_heads_applied_to_x():
    model = make().eval()
    out = model(torch.randn(4, 1, 32, 32))
    for task, weight in model.head_weights().items():
        by_loop = torch.stack(
            [
                torch.stack([(w * x).sum() for w in weight]) + model.heads[task].bias
                for x in out.features
            ]
        )
        assert torch.allclose(out.logits[task], by_loop, atol=1e-5)


def test_one_task_is_a_single_task_network():
    one, all_tasks = make({"id": 7}), make()
    extra = sum(40 * count + count for task, count in CLASSES.items() if task != "id")
    assert count_parameters(all_tasks) - count_parameters(one) == extra
    one.load_state_dict({k: v for k, v in all_tasks.state_dict().items() if k in one.state_dict()})
    images = torch.randn(4, 1, 32, 32)
    assert torch.equal(one.eval()(images).logits["id"], all_tasks.eval()(images).logits["id"])


def test_gradients_reach_every_parameter():
    model = make()
    labels = {task: torch.arange(6) % count for task, count in CLASSES.items()}
    out = model(torch.randn(6, 1, 32, 32))
    task_losses(out.logits, labels).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("task", list(CLASSES))
def test_each_task_reaches_the_trunk_and_its_own_head_only(task):
    model = make()
    out = model(torch.randn(6, 1, 32, 32))
    task_losses({task: out.logits[task]}, {task: torch.arange(6) % CLASSES[task]}).sum().backward()
    assert all(p.grad is not None for p in model.trunk.parameters())
    assert {name for name, head in model.heads.items() if head.weight.grad is not None} == {task}


def test_dropout_acts_on_the_logits_in_training_and_never_on_x():
    model = make(dropout=0.5)
    # Batch normalisation in evaluation mode, so that dropout is all that training changes.
    model.eval()
    images = torch.randn(4, 1, 32, 32)
    still = model(images)
    assert torch.equal(model(images).logits["id"], still.logits["id"])
    model.trunk.dropout.train()
    first, second = model(images), model(images)
    assert torch.equal(first.features, still.features)
    assert not torch.equal(first.logits["id"], second.logits["id"])


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="at least one task"):
        make({})
    with pytest.raises(ValueError, match="Task 'pos' needs at least two classes"):
        make({"id": 7, "pos": 1})
    with pytest.raises(TypeError, match="must be an nn.Module, found str"):
        MultiTaskNetwork("trunk", CLASSES)


# ---- first weights


def seeded(classes, seed=0):
    return seeded_network(
        lambda: CASIANet(width=0.05), lambda trunk: MultiTaskNetwork(trunk, classes), seed
    ).state_dict()


def test_networks_with_a_seed_share_trunk_and_heads():
    one, two = seeded({"id": 7}), seeded({"id": 7, "exp": 2, "pos": 5})
    other = seeded({"id": 7, "pos": 5})
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert all(torch.equal(other[name], two[name]) for name in other)
    again = seeded({"id": 7}, seed=1)
    assert not torch.equal(again["trunk.blocks.0.conv1.weight"], one["trunk.blocks.0.conv1.weight"])
    assert not torch.equal(again["heads.id.weight"], one["heads.id.weight"])


def test_first_weights_leave_the_caller_s_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    first = seeded({"id": 7})
    assert torch.equal(torch.rand(4), expected)
    assert torch.equal(seeded({"id": 7})["heads.id.weight"], first["heads.id.weight"])
