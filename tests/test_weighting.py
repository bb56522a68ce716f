from __future__ import annotations

import math

import pytest
import torch

from mtl_helpers.weighting import FixedWeights


def test_weighted_sum_by_hand():
    weighting = FixedWeights({"id": 1.0, "pos": 0.3, "exp": 0.1})
    # 2 + 0.3 * 5 + 0.1 * 10 = 4.5
    assert weighting(torch.tensor([2.0, 5.0, 10.0])).item() == pytest.approx(4.5)


def test_linear_in_the_losses():
    weighting = FixedWeights({"id": 1.0, "pos": 0.25})
    torch.manual_seed(0)
    a, b = torch.rand(2), torch.rand(2)
    assert torch.allclose(weighting(2 * a + 3 * b), 2 * weighting(a) + 3 * weighting(b))


def test_the_gradient_of_each_loss_is_its_weight():
    losses = torch.tensor([1.0, 2.0], requires_grad=True)
    FixedWeights({"id": 1.0, "pos": 0.25})(losses).backward()
    assert losses.grad.tolist() == [1.0, 0.25]


def test_nothing_is_learned():
    weighting = FixedWeights({"id": 1.0})
    assert not list(weighting.parameters())
    assert weighting.state_dict()["weights"].tolist() == [1.0]
    assert "id=1" in repr(weighting)


@pytest.mark.parametrize("weight", [-0.1, math.inf, math.nan])
def test_bad_weights_are_refused(weight):
    with pytest.raises(ValueError, match="task 'pos' must be finite and not negative"):
        FixedWeights({"id": 1.0, "pos": weight})


def test_no_weights_and_wrong_numbers_of_losses_are_refused():
    with pytest.raises(ValueError, match="at least one task"):
        FixedWeights({})
    with pytest.raises(ValueError, match="one loss for each of"):
        FixedWeights({"id": 1.0})(torch.zeros(2))
