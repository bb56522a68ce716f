from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mtl_helpers.losses import task_losses
from mtl_helpers.papers.yin2018.weighting import (
    RULES,
    DynamicWeights,
    ReleasedDynamicWeights,
    weighting,
)
from mtl_helpers.training.weighting import FixedWeights

FEATURES = 6
DYNAMIC = [DynamicWeights, ReleasedDynamicWeights]
PAPER = {("id",): 1.0, ("pos", "illum", "exp"): 0.3}
# one, two and five side tasks, and several groups
LAYOUTS = [
    {("id",): 1.0, ("pos",): 0.2},
    {("id",): 1.0, ("pos", "exp"): 0.2},
    {("id",): 1.0, tuple("abcde"): 0.5},
    {("id", "id_pose"): 1.0, ("pos", "illum", "exp"): 0.1, ("a", "b"): 0.7},
]


def make(kind, groups=PAPER, spread=0.7, seed=0):
    torch.manual_seed(seed)
    rule = kind(FEATURES, groups)
    rule.reset_parameters(spread)
    for layer in rule.layers.values():
        torch.nn.init.normal_(layer.bias)
    return rule


def draw(groups, batch=5, seed=1):
    """Features and losses that want gradients."""
    torch.manual_seed(seed)
    x = torch.randn(batch, FEATURES, requires_grad=True)
    losses = (3 * torch.rand(sum(map(len, groups)))).requires_grad_()
    return x, losses


def softmax(scores):
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


def exact(*tensors):
    return [tensor.detach().double().numpy() for tensor in tensors]


def eq8_of_one_group(omega, epsilon, x, losses, phi):
    """Value and gradients of phi * sum_k mu_k L_k, by the derivative of the softmax on paper."""
    mu = softmax(x @ omega.T + epsilon)  # (B, T)
    lead = mu * (losses - (mu * losses).sum(axis=1, keepdims=True))  # mu_bk (L_k - sum mu_bj L_j)
    return {
        "value": phi * mu.mean(axis=0) @ losses,
        "losses": phi * mu.mean(axis=0),
        "epsilon": phi * lead.mean(axis=0),
        "omega": phi * lead.T @ x / len(x),
        "x": phi * lead @ omega / len(x),
    }


# ---- weights that a layer reads off x


def test_dynamic_sum_by_hand():
    rule = DynamicWeights(2, {("id",): 1.0, ("pos", "exp"): 0.5})
    layer = rule.layers["pos-exp"]
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]]))
    # The scores (log 3, 0) and (0, 0) give the shares (3/4, 1/4) and (1/2, 1/2): 5/8 and 3/8.
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert rule.shares(x).tolist() == pytest.approx([1.0, 5 / 8, 3 / 8])
    # 2 + 0.5 * (5/8 * 8 + 3/8 * 16) = 7.5
    assert rule(torch.tensor([2.0, 8.0, 16.0]), x).item() == pytest.approx(7.5)
    assert rule.weights.tolist() == pytest.approx([1.0, 5 / 16, 3 / 16])


@pytest.mark.parametrize("kind", DYNAMIC)
@pytest.mark.parametrize("groups", LAYOUTS)
def test_shares_of_a_group_add_up_to_1_and_weights_to_its_total(kind, groups):
    rule = make(kind, groups)
    x, losses = draw(groups)
    rule(losses, x)
    shares = dict(zip(rule.tasks, rule.shares(x).tolist(), strict=True))
    weights = dict(zip(rule.tasks, rule.weights.tolist(), strict=True))
    for tasks, total in groups.items():
        assert sum(shares[task] for task in tasks) == pytest.approx(1.0)
        assert sum(weights[task] for task in tasks) == pytest.approx(total)


@pytest.mark.parametrize("kind", DYNAMIC)
@pytest.mark.parametrize("groups", LAYOUTS)
def test_training_begins_with_equal_shares(kind, groups):
    rule = kind(FEATURES, groups)
    shares = rule.shares(draw(groups)[0])
    equal = [1 / len(tasks) for tasks in groups for _ in tasks]
    assert shares.tolist() == pytest.approx(equal)


@pytest.mark.parametrize("kind", DYNAMIC)
def test_a_lone_task_has_exactly_the_total_and_no_layer(kind):
    rule = kind(FEATURES, {("id",): 1.0, ("pos",): 0.25})
    assert not list(rule.parameters())
    x, losses = draw(rule.groups)
    rule(losses, 100 * x).backward()
    assert rule.weights.tolist() == [1.0, 0.25]
    assert losses.grad.tolist() == [1.0, 0.25]


@pytest.mark.parametrize("groups", LAYOUTS)
def test_value_and_gradients_of_eq8_are_those_on_paper(groups):
    rule = make(DynamicWeights, groups)
    x, losses = draw(groups)
    total = rule(losses, x)
    total.backward()
    exact_x, exact_losses = exact(x, losses)
    value, to_x, start = 0.0, np.zeros_like(exact_x), 0
    for tasks, phi in groups.items():
        own = slice(start, start + len(tasks))
        start += len(tasks)
        if len(tasks) == 1:
            value += phi * exact_losses[own].item()
            assert losses.grad[own].item() == pytest.approx(phi)
            continue
        layer = rule.layers["-".join(tasks)]
        paper = eq8_of_one_group(*exact(layer.weight, layer.bias), exact_x, exact_losses[own], phi)
        value, to_x = value + paper["value"], to_x + paper["x"]
        np.testing.assert_allclose(losses.grad[own], paper["losses"], atol=1e-6)
        np.testing.assert_allclose(layer.bias.grad, paper["epsilon"], atol=1e-6)
        np.testing.assert_allclose(layer.weight.grad, paper["omega"], atol=1e-6)
    assert total.item() == pytest.approx(value, rel=1e-6)
    if len(rule.layers):
        np.testing.assert_allclose(x.grad, to_x, atol=1e-6)


def test_gradients_of_eq8_are_difference_quotients():
    rule = make(DynamicWeights)
    x, losses = draw(PAPER)
    rule(losses, x).backward()
    layer = rule.layers["pos-illum-exp"]
    found = {
        "omega": layer.weight.grad, "epsilon": layer.bias.grad, "x": x.grad, "losses": losses.grad
    }  # fmt: skip
    omega, epsilon, features, values = exact(layer.weight, layer.bias, x, losses)
    point = {"omega": omega, "epsilon": epsilon, "x": features, "losses": values}

    def printed_sum():
        total = 1.0 * values[0]
        for image in features:
            scores = [float(w @ image + e) for w, e in zip(omega, epsilon, strict=True)]
            normaliser = sum(math.exp(score) for score in scores)
            for score, loss in zip(scores, values[1:], strict=True):
                total += 0.3 * math.exp(score) / normaliser * loss / len(features)
        return total

    for name, array in point.items():
        slopes = np.empty_like(array)
        for place in np.ndindex(array.shape):
            middle, sums = array[place], []
            for step in (1e-5, -1e-5):
                array[place] = middle + step
                sums.append(printed_sum())
            array[place] = middle
            slopes[place] = (sums[0] - sums[1]) / 2e-5
        np.testing.assert_allclose(found[name], slopes, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("groups", LAYOUTS)
def test_the_released_layer_has_the_value_of_eq8_to_the_last_bit(groups):
    for seed in range(20):
        pair = [make(kind, groups, spread=3.0, seed=seed) for kind in DYNAMIC]
        x, losses = draw(groups, seed=seed)
        assert pair[0](losses, x).item() == pair[1](losses, x).item()
        assert torch.equal(pair[0].weights, pair[1].weights)


@pytest.mark.parametrize("groups", LAYOUTS)
def test_the_released_layer_trains_tasks_in_full(groups):
    gradients = []
    for kind in DYNAMIC:
        rule = make(kind, groups)
        x, losses = draw(groups)
        rule(losses, x).backward()
        gradients.append((rule, x.grad, losses.grad))
    (eq8, x_of_eq8, _), (released, x_of_released, to_losses) = gradients
    totals = [total for tasks, total in groups.items() for _ in tasks]
    np.testing.assert_allclose(to_losses, totals, rtol=1e-6)
    for ours, theirs in zip(eq8.parameters(), released.parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-6)
    if x_of_eq8 is not None:
        assert torch.allclose(x_of_eq8, x_of_released, atol=1e-6)


@pytest.mark.parametrize("classes", [(4,), (4, 3), (5, 4, 3, 2, 2)])
def test_the_released_layer_is_caffe_s_forward_and_backward_pass(classes):
    """One layer a task, each with its own loss_weight, joined by the chain rule by hand."""
    batch, phi = 7, 0.6
    tasks = tuple(f"task {number}" for number in range(len(classes)))
    rule = make(ReleasedDynamicWeights, {tasks: phi})
    torch.manual_seed(2)
    x = torch.randn(batch, FEATURES, requires_grad=True)
    heads = [torch.nn.Linear(FEATURES, count) for count in classes]
    labels = {t: torch.randint(k, (batch,)) for t, k in zip(tasks, classes, strict=True)}
    losses = task_losses({t: h(x) for t, h in zip(tasks, heads, strict=True)}, labels)
    total = rule(losses, x)
    total.backward()

    (features,) = exact(x)
    if len(tasks) > 1:
        layer = rule.layers["-".join(tasks)]
        omega, epsilon = exact(layer.weight, layer.bias)
        image_weights = softmax(features @ omega.T + epsilon)  # (N, T)
    else:
        image_weights = np.ones((batch, 1))
    value, to_x, to_image_weights = 0.0, np.zeros_like(features), np.zeros_like(image_weights)
    for number, (task, head) in enumerate(zip(tasks, heads, strict=True)):
        weight, bias = exact(head.weight, head.bias)
        probability = softmax(features @ weight.T + bias)
        target = np.eye(len(bias))[labels[task].numpy()]
        mean_loss = -np.log((probability * target).sum(axis=1)).mean()
        value += mean_loss * image_weights[:, number].mean() * phi
        to_logits = (probability - target) / batch * phi
        to_image_weights[:, number] = mean_loss / batch * phi
        to_x += to_logits @ weight
        np.testing.assert_allclose(head.weight.grad, to_logits.T @ features, atol=1e-6)
        np.testing.assert_allclose(head.bias.grad, to_logits.sum(axis=0), atol=1e-6)
    if len(tasks) > 1:
        centred = to_image_weights - (image_weights * to_image_weights).sum(1, keepdims=True)
        to_scores = image_weights * centred
        to_x += to_scores @ omega
        np.testing.assert_allclose(layer.weight.grad, to_scores.T @ features, atol=1e-6)
        np.testing.assert_allclose(layer.bias.grad, to_scores.sum(axis=0), atol=1e-6)
    assert total.item() == pytest.approx(value, abs=1e-6)
    np.testing.assert_allclose(x.grad, to_x, atol=1e-6)


@pytest.mark.parametrize("kind", DYNAMIC)
@pytest.mark.parametrize("groups", LAYOUTS)
def test_applied_weights_are_what_gradients_are_multiplied_by(kind, groups):
    rule = make(kind, groups)
    x, losses = draw(groups)
    rule(losses, x).backward()
    assert torch.allclose(rule.applied, losses.grad, rtol=1e-6)


@pytest.mark.parametrize("kind", DYNAMIC)
def test_over_the_shares_the_smallest_loss_gets_all_weight(kind):
    rule = kind(FEATURES, PAPER)
    x, losses = torch.randn(8, FEATURES), torch.tensor([0.1, 1.5, 1.4, 2.0])
    parameters = list(rule.parameters())
    sums = []
    for _ in range(300):
        total = rule(losses, x)
        sums.append(total.item())
        with torch.no_grad():
            for parameter, slope in zip(
                parameters, torch.autograd.grad(total, parameters), strict=True
            ):
                parameter -= 20.0 * slope
    shares = rule.shares(x).tolist()
    assert shares[2] > 0.95 > 0.05 > max(shares[1], shares[3])
    assert sums[0] > sums[-1] > 0.1 + 0.3 * 1.4


@pytest.mark.parametrize("kind", DYNAMIC)
def test_x_may_be_of_half_precision_while_the_sum_is_not(kind):
    rule = make(kind)
    x, losses = draw(PAPER)
    shares = rule.shares(x.bfloat16())
    assert shares.dtype == rule(losses, x.bfloat16()).dtype == torch.float32
    np.testing.assert_allclose(exact(shares)[0], exact(rule.shares(x))[0], atol=0.02)


@pytest.mark.parametrize("kind", DYNAMIC)
def test_the_order_of_the_images_does_not_matter(kind):
    rule = make(kind)
    x, _ = draw(PAPER)
    assert torch.allclose(rule.shares(x), rule.shares(x.flip(0)), atol=1e-6)


def test_the_printed_rule_tells_kinds_and_totals_apart():
    shown = {repr(kind(FEATURES, groups)) for kind in DYNAMIC for groups in LAYOUTS}
    assert len(shown) == 2 * len(LAYOUTS)
    assert "pos+illum+exp: 0.3" in repr(DynamicWeights(FEATURES, PAPER))


@pytest.mark.parametrize("kind", DYNAMIC)
@pytest.mark.parametrize("count", [0, 3, 5])
def test_a_wrong_number_of_losses_is_refused(kind, count):
    with pytest.raises(ValueError, match=r"one loss for each of \('id', .*\), found shape"):
        make(kind)(torch.ones(count), draw(PAPER)[0])


@pytest.mark.parametrize("kind", DYNAMIC)
def test_without_a_batch_there_are_no_weights(kind):
    with pytest.raises(RuntimeError, match="call the weighting before"):
        _ = make(kind).weights


@pytest.mark.parametrize("kind", DYNAMIC)
@pytest.mark.parametrize("total", [0.0, -0.1, math.nan, math.inf])
def test_totals_that_are_not_above_0_are_refused(kind, total):
    with pytest.raises(ValueError, match="total weight of pos, exp must be finite and above 0"):
        kind(FEATURES, {("id",): 1.0, ("pos", "exp"): total})


@pytest.mark.parametrize("kind", DYNAMIC)
@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({}, "at least one group of tasks, found none"),
        ({("id",): 1.0, (): 0.1}, "at least one task in every group"),
        ({("id",): 1.0, ("pos", "id"): 0.1}, "Each task may stand once"),
        ({("pos", "pos"): 0.1}, "Each task may stand once"),
    ],
)
def test_bad_groups_are_refused(kind, groups, message):
    with pytest.raises(ValueError, match=message):
        kind(FEATURES, groups)


# ---- by name


def test_rules_by_name():
    kinds = [type(weighting(rule, FEATURES, PAPER)) for rule in RULES]
    assert kinds == [FixedWeights, DynamicWeights, ReleasedDynamicWeights]
    assert weighting("fixed", FEATURES, PAPER).weights.tolist() == pytest.approx([1, 0.1, 0.1, 0.1])


def test_every_rule_starts_from_the_same_sum():
    x, losses = draw(PAPER)
    sums = []
    for name in RULES:
        rule = weighting(name, FEATURES, PAPER)
        sums.append(rule(losses, x).item())
    assert sums == pytest.approx([sums[0]] * 3)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="Unknown rule 'eq9'; choose one of: fixed, eq8, released"):
        weighting("eq9", FEATURES, PAPER)
