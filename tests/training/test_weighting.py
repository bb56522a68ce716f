from __future__ import annotations

import math

import pytest
import torch
from torchjd.scalarization import UW, Constant, Mean

from mtl_helpers.training.weighting import FixedWeights, Scalarized, Weighting, named_terms

# ---- constants


def test_weighted_sum_by_hand():
    fixed = FixedWeights({"id": 1.0, "pos": 0.3, "exp": 0.1})
    # 2 + 0.3 * 5 + 0.1 * 10 = 4.5
    assert fixed(torch.tensor([2.0, 5.0, 10.0])).item() == pytest.approx(4.5)


def test_linear_in_the_losses():
    fixed = FixedWeights({"id": 1.0, "pos": 0.25})
    torch.manual_seed(0)
    a, b = torch.rand(2), torch.rand(2)
    assert torch.allclose(fixed(2 * a + 3 * b), 2 * fixed(a) + 3 * fixed(b))


def test_the_gradient_of_each_loss_is_its_weight():
    losses = torch.tensor([1.0, 2.0], requires_grad=True)
    fixed = FixedWeights({"id": 1.0, "pos": 0.25})
    fixed(losses).backward()
    assert losses.grad.tolist() == [1.0, 0.25]
    assert fixed.applied.tolist() == fixed.weights.tolist() == [1.0, 0.25]


def test_nothing_is_learned():
    fixed = FixedWeights({"id": 1.0})
    assert not list(fixed.parameters())
    assert fixed.state_dict()["constants"].tolist() == [1.0]
    assert "id=1" in repr(fixed)


@pytest.mark.parametrize("weight", [-0.1, math.inf, math.nan])
def test_bad_weights_are_refused(weight):
    with pytest.raises(ValueError, match="task 'pos' must be finite and not negative"):
        FixedWeights({"id": 1.0, "pos": weight})


def test_no_weights_and_wrong_numbers_of_losses_are_refused():
    with pytest.raises(ValueError, match="at least one task"):
        FixedWeights({})
    with pytest.raises(ValueError, match="one loss for each of"):
        FixedWeights({"id": 1.0})(torch.zeros(2))
    with pytest.raises(ValueError, match="Each task may stand once"):
        Weighting(("id", "id"))


# ---- scalarizers of TorchJD


def losses():
    return torch.tensor([2.0, 5.0], requires_grad=True)


def test_constant_weights_of_torchjd_are_fixed_ones():
    rule = Scalarized(Constant(torch.tensor([1.0, 0.3])), ("id", "pos"))
    fixed = FixedWeights({"id": 1.0, "pos": 0.3})
    ours, theirs = losses(), losses()
    assert torch.equal(fixed(ours), rule(theirs))
    fixed(ours).backward()
    rule(theirs).backward()
    assert torch.equal(ours.grad, theirs.grad)
    assert torch.equal(rule.weights, fixed.weights)


def test_the_mean_of_torchjd_weighs_all_alike():
    rule = Scalarized(Mean(), ("id", "pos"))
    assert rule(losses()).item() == 3.5
    assert rule.weights.tolist() == rule.applied.tolist() == [0.5, 0.5]


def test_weights_are_what_each_gradient_is_multiplied_by():
    rule = Scalarized(UW(2), ("id", "pos"))
    with torch.no_grad():
        rule.scalarizer.log_var.copy_(torch.tensor([0.0, math.log(2.0)]))
    values = losses()
    rule(values).backward()
    assert torch.equal(rule.applied, values.grad)
    assert rule.applied.tolist() == pytest.approx([0.5, 0.25])  # half of one over the variance
    assert [name for name, _ in rule.named_parameters()] == ["scalarizer.log_var"]


def test_without_a_batch_there_are_no_weights():
    with pytest.raises(RuntimeError, match="call the weighting before"):
        _ = Scalarized(Mean(), ("id", "pos")).weights


def test_a_wrong_number_of_losses_is_refused():
    with pytest.raises(ValueError, match=r"one loss for each of \('id', 'pos'\), found shape"):
        Scalarized(Mean(), ("id", "pos"))(torch.ones(3, requires_grad=True))


# ---- what a step reports


def test_terms_are_named_for_their_tasks_and_hang_on_nothing():
    values = losses()
    terms = named_terms(FixedWeights({"id": 1.0, "pos": 0.25}), values)
    assert {name: float(value) for name, value in terms.items()} == {
        "loss/id": 2.0, "loss/pos": 5.0,
        "weight/id": 1.0, "weight/pos": 0.25,
        "applied/id": 1.0, "applied/pos": 0.25,
    }  # fmt: skip
    assert not any(value.requires_grad for value in terms.values())
