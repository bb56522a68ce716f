from __future__ import annotations

import math

import pytest
import torch

from mtl_helpers.losses import task_losses


def naive_cross_entropy(logits, labels, smoothing=0.0):
    """Log-sum-exp minus the target's mean score, one image at a time."""
    total = 0.0
    for scores, label in zip(logits.tolist(), labels.tolist(), strict=True):
        log_sum = math.log(sum(math.exp(s) for s in scores))
        target = (1 - smoothing) * scores[label] + smoothing * sum(scores) / len(scores)
        total += log_sum - target
    return total / len(labels)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_task_losses_are_the_naive_log_sum_exp(smoothing):
    torch.manual_seed(0)
    logits = {"id": torch.randn(7, 5), "pos": 3 * torch.randn(7, 13)}
    labels = {"pos": torch.randint(13, (7,)), "id": torch.randint(5, (7,)), "exp": torch.ones(7)}
    found = task_losses(logits, labels, smoothing)
    assert found.shape == (2,)
    for value, task in zip(found.tolist(), logits, strict=True):
        assert value == pytest.approx(
            naive_cross_entropy(logits[task], labels[task], smoothing), rel=1e-5
        )


def test_equal_scores_cost_the_logarithm_of_the_class_count():
    logits = {"id": torch.full((3, 200), 7.0), "exp": torch.zeros(3, 6)}
    labels = {"id": torch.tensor([0, 5, 199]), "exp": torch.tensor([0, 1, 5])}
    assert task_losses(logits, labels).tolist() == pytest.approx([math.log(200), math.log(6)])


def test_unlabelled_images_count_in_neither_mean_nor_gradient():
    torch.manual_seed(3)
    logits = torch.randn(5, 4, requires_grad=True)
    labels = torch.tensor([2, -1, 0, -1, 3])
    labelled = labels >= 0
    found = task_losses({"hat": logits}, {"hat": labels})
    assert found.item() == pytest.approx(
        naive_cross_entropy(logits.detach()[labelled], labels[labelled]), rel=1e-5
    )
    found.sum().backward()
    assert torch.equal(logits.grad.abs().sum(dim=1) > 0, labelled)


def test_a_task_that_no_image_is_labelled_for_costs_nothing():
    logits = {"hat": torch.randn(3, 2, requires_grad=True), "id": torch.zeros(3, 4)}
    nothing = torch.full((3,), -1)
    found = task_losses(logits, {"hat": nothing, "id": torch.tensor([0, 1, 2])})
    assert found.tolist() == pytest.approx([0.0, math.log(4)])
    found.sum().backward()
    assert not logits["hat"].grad.any()


def test_half_precision_logits_give_a_full_precision_loss():
    logits = {"id": torch.tensor([[12.0, 0.0]], dtype=torch.bfloat16)}
    loss = task_losses(logits, {"id": torch.tensor([0])})
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(math.log1p(math.exp(-12)), rel=0.02)


def test_missing_labels_are_named():
    with pytest.raises(ValueError, match=r"found none for \['pos'\]"):
        task_losses({"pos": torch.zeros(1, 2)}, {"id": torch.zeros(1, dtype=torch.long)})
