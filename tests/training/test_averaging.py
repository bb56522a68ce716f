from __future__ import annotations

import pytest
import torch
from tiny_methods import Classifier, make_batches, make_plan
from torch import nn

from mtl_helpers.training.averaging import WeightAverage
from mtl_helpers.training.batches import BatchOrder, to_input
from mtl_helpers.training.loop import train


def test_average_is_the_recursion_by_hand():
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = WeightAverage(network, decay=0.6)
    parameter, buffer = network[0].bias, network[1].running_mean
    by_hand = [parameter.detach().clone(), buffer.clone()]
    torch.manual_seed(0)
    for update in range(1, 30):
        with torch.no_grad():
            parameter.add_(torch.randn_like(parameter))
            buffer.add_(torch.randn_like(buffer))
        average.update()
        decay = min(0.6, update / (update + 9))
        by_hand = [
            decay * mean + (1 - decay) * now.detach()
            for mean, now in zip(by_hand, (parameter, buffer), strict=True)
        ]
    assert torch.allclose(average.network[0].bias, by_hand[0], atol=1e-5)
    assert torch.allclose(average.network[1].running_mean, by_hand[1], atol=1e-5)
    assert not any(p.requires_grad for p in average.network.parameters())


def test_the_average_of_a_still_network_is_the_network():
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = WeightAverage(network, decay=0.9)
    for _ in range(20):
        average.update()
    for name, value in average.network.state_dict().items():
        assert torch.allclose(value, network.state_dict()[name]), name


def test_the_followed_network_is_left_alone():
    network = nn.Linear(3, 4)
    before = network.weight.detach().clone()
    average = WeightAverage(network, 0.5)
    with torch.no_grad():
        average.network.weight.zero_()
    average.update()
    assert torch.equal(network.weight, before) and network.weight.requires_grad


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.1])
def test_decay_must_lie_between_0_and_1(decay):
    with pytest.raises(ValueError, match="decay must lie between 0 and 1"):
        WeightAverage(nn.Linear(2, 2), decay)


def test_training_averages_the_weights_of_each_step():
    plan = make_plan(average_decay=0.8)
    history = []
    trained = train(
        Classifier(), make_batches(plan), plan, progress=False,
        on_step=lambda s: history.append(s.method.model[3].weight.detach().clone()),
    )  # fmt: skip
    mean = Classifier().model[3].weight.detach()
    for update, weight in enumerate(history, start=1):
        decay = min(0.8, update / (update + 9))
        mean = decay * mean + (1 - decay) * weight
    assert torch.allclose(trained.averaged[3].weight, mean, atol=1e-6)
    assert trained.final is trained.averaged


def test_without_averaging_the_last_network_is_final():
    plan = make_plan(average_decay=0.0)
    trained = train(Classifier(), make_batches(plan), plan, progress=False)
    assert trained.averaged is None
    assert trained.final is trained.method.network()


def test_statistics_are_plain_means_over_the_batches():
    """Those of the averaged network are of its own inputs, over batches of their own order."""
    plan = make_plan(statistics_batches=6)
    batches = make_batches(plan)
    trained = train(Classifier(normalise=True), batches, plan, progress=False)
    order = BatchOrder(20, plan.batch, plan.seed, "statistics")
    images = to_input(torch.from_numpy(batches.images)).flatten(1)  # (20, 36)
    parts = [images[torch.from_numpy(order[step])] for step in range(6)]
    mean = torch.stack([part.mean(dim=0) for part in parts]).mean(dim=0)
    variance = torch.stack([part.var(dim=0) for part in parts]).mean(dim=0)
    for network in (trained.method.network(), trained.averaged):
        norm = network[1]
        assert torch.allclose(norm.running_mean, mean, atol=1e-5)
        assert torch.allclose(norm.running_var, variance, atol=1e-5)
        assert norm.momentum == 0.1 and not norm.training


def test_statistics_draw_nothing_from_the_caller():
    plan, method = make_plan(statistics_batches=3), Classifier(normalise=True)
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    train(method, make_batches(plan), plan, progress=False)
    assert torch.equal(torch.rand(4), expected)
