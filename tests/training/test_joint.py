from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from synthetic_corpus import SyntheticCorpus
from torchjd.scalarization import DWA, UW, Constant
from training_assertions import assert_resumes, assert_same_training

from mtl_helpers.evaluation.attributes import mean_class_accuracy
from mtl_helpers.evaluation.extract import extract
from mtl_helpers.networks import MultiTaskNetwork, seeded_network
from mtl_helpers.training.batches import BatchOrder, labelled_batches
from mtl_helpers.training.checkpoints import CheckpointError
from mtl_helpers.training.joint import JointTraining
from mtl_helpers.training.loop import train
from mtl_helpers.training.optimizers import SGDConfig
from mtl_helpers.training.plan import Plan
from mtl_helpers.training.weighting import FixedWeights, Scalarized
from mtl_helpers.trunks import CASIANet

PAIR = {"id": 1.0, "pos": 0.3}


def make_plan(**changes):
    settings = {
        "steps": 12, "batch": 16, "warmup_steps": 3, "average_decay": 0.9, "statistics_batches": 2,
    }  # fmt: skip
    return Plan(**(settings | changes))


def make_method(weights=PAIR, *, width=0.05, dropout=0.4, seed=0, weighting=None, **settings):
    """Joint training on the synthetic corpus, of the tasks that have a weight."""
    counts = {task: SyntheticCorpus().class_counts[task] for task in weights}
    network = seeded_network(
        lambda: CASIANet(width, 1, dropout), lambda t: MultiTaskNetwork(t, counts), seed
    )
    return JointTraining(network, weighting or FixedWeights(weights), **settings)


@pytest.fixture(scope="module")
def corpus():
    return SyntheticCorpus()


@pytest.fixture(autouse=True)
def one_thread():
    # sums over several threads need not come out in the same order twice
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(corpus, plan=None, weights=PAIR, *, index=None, on_step=None, checkpoint=None, **settings):
    plan = plan or make_plan()
    batches = labelled_batches(corpus, tuple(weights), plan, index=index)
    method = make_method(weights, seed=plan.seed, **settings)
    return train(method, batches, plan, progress=False, on_step=on_step, checkpoint=checkpoint)


# ---- what an arm shares with another


def images_of(corpus, *args, **settings):
    """What the network is shown in each step of a training."""
    images = []

    def note(module, inputs):
        if module.training:
            images.append(inputs[0].clone())

    plan = settings.pop("plan", make_plan(statistics_batches=0))
    method = make_method(*args, seed=plan.seed, **settings)
    method.model.trunk.blocks[0].conv1.register_forward_pre_hook(note)
    batches = labelled_batches(corpus, tuple(method.model.tasks), plan)
    train(method, batches, plan, progress=False)
    return images


def test_arms_with_a_seed_see_the_same_batches(corpus):
    first = images_of(corpus)
    second = images_of(corpus, {"id": 1.0})
    assert len(first) == len(second) == 12
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    other = images_of(corpus, {"id": 1.0}, plan=make_plan(seed=1, statistics_batches=0))
    assert not torch.equal(second[0], other[0])


def test_a_task_of_no_weight_changes_nothing(corpus):
    """Side heads draw nothing from the streams of the main task, dropout's included."""
    plain = run(corpus, weights={"id": 1.0})
    weightless = run(corpus, weights={"id": 1.0, "pos": 0.0})
    for network in ("final", "averaged"):
        both = getattr(weightless, network).state_dict()
        for name, value in getattr(plain, network).state_dict().items():
            assert torch.allclose(both[name], value, atol=1e-6), name


def test_same_seed_twice_is_identical(corpus):
    first = run(corpus)
    torch.rand(3)  # whatever the caller draws in between
    assert_same_training(first, run(corpus))


# ---- learning


def test_a_small_set_is_learned_by_heart(corpus):
    index = corpus.split("train")[::4]
    plan = make_plan(steps=120, batch=32, learning_rate=0.1)
    trained = run(corpus, plan, index=index, width=0.125, dropout=0.1)
    assert trained.curves["loss/id"][-1] < 0.05 < 1 < trained.curves["loss/id"][0]
    labels = corpus.labels(index)
    for network in (trained.method.network(), trained.averaged):
        features = extract(network, corpus.images, index)
        assert mean_class_accuracy(features["id"], labels["id"]) > 0.98
        assert mean_class_accuracy(features["pos"], labels["pos"]) > 0.98


def test_one_step_is_gradient_descent_on_the_weighted_sum(corpus):
    plan = make_plan(
        steps=1, warmup_steps=0, average_decay=0.0, statistics_batches=0, schedule="constant"
    )
    model = make_method(dropout=0.0).model.train()
    index = corpus.split("train")
    rows = index[BatchOrder(len(index), plan.batch, plan.seed)[0]]
    pixels = corpus.images[rows].astype(np.float32)
    spread = pixels.std(axis=(1, 2), keepdims=True) + 1
    pixels = (pixels - pixels.mean(axis=(1, 2), keepdims=True)) / spread
    out = model(torch.from_numpy(pixels).unsqueeze(1))
    loss = torch.zeros(())
    for task, weight in PAIR.items():
        p = out.logits[task].softmax(1)[torch.arange(16), corpus.labels(rows)[task]]
        loss = loss - weight * p.log().mean()
    loss.backward()
    trained = run(corpus, plan, dropout=0.0, optimizer=SGDConfig(weight_decay=0.01))
    for (name, before), after in zip(
        model.named_parameters(), trained.final.parameters(), strict=True
    ):
        decay = 0.01 if before.ndim > 1 else 0.0
        expected = before - plan.learning_rate * (before.grad + decay * before)
        assert torch.allclose(after, expected, atol=1e-5), name


def test_clipping_bounds_the_step(corpus):
    plan = make_plan(steps=1, warmup_steps=0, statistics_batches=0, schedule="constant")
    trained = run(corpus, plan, clip_norm=1e-3, optimizer=SGDConfig(weight_decay=0.0))
    before = make_method().model
    moved = math.sqrt(
        sum(
            float((a - b).detach().square().sum())
            for a, b in zip(trained.method.model.parameters(), before.parameters(), strict=True)
        )
    )
    assert moved == pytest.approx(plan.learning_rate * 1e-3, rel=1e-2)


def test_label_smoothing_raises_the_loss_that_can_be_reached(corpus):
    plan = make_plan(steps=60)
    curves = run(corpus, plan, {"id": 1.0}, label_smoothing=0.3).curves
    # entropy of 0.75 and five times 0.05
    floor = -(0.75 * math.log(0.75) + 5 * 0.05 * math.log(0.05))
    assert curves["loss/id"][-5:].mean() > floor


def test_colour_images_are_trained_on():
    colour = SyntheticCorpus(train=3, channels=3)
    plan = make_plan(steps=2, warmup_steps=0)
    batches = labelled_batches(colour, ("id",), plan)
    network = MultiTaskNetwork(CASIANet(0.05, batches.channels), {"id": 3})
    trained = train(
        JointTraining(network, FixedWeights({"id": 1.0})), batches, plan, progress=False
    )
    assert trained.final.trunk.in_channels == 3


def test_bfloat16_learns_too(corpus):
    plan = make_plan(steps=60, batch=32, bfloat16=True)
    trained = run(corpus, plan, width=0.125)
    assert trained.curves["loss/id"][-1] < 0.5 * trained.curves["loss/id"][0]
    assert all(p.dtype == torch.float32 for p in trained.final.parameters())


# ---- the weighting


def test_the_summary_tells_the_weights_as_trained(corpus):
    summary = run(corpus).summary()
    assert summary["weights"] == pytest.approx(PAIR)
    assert set(summary["losses"]) == {"id", "pos"}


def test_weights_in_another_order_than_the_losses_are_refused():
    with pytest.raises(ValueError, match=r"weights of id, pos, in the order .* found pos, id"):
        make_method(weighting=FixedWeights({"pos": 0.2, "id": 1.0}))


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_that_is_no_share_is_refused(smoothing):
    with pytest.raises(ValueError, match=r"label_smoothing must lie in \[0, 1\)"):
        make_method(label_smoothing=smoothing)


def test_constant_weights_of_torchjd_train_the_same_network(corpus):
    ours = run(corpus)
    rule = Scalarized(Constant(torch.tensor([1.0, 0.3])), ("id", "pos"))
    theirs = run(corpus, weighting=rule)
    for name, value in ours.final.state_dict().items():
        assert torch.equal(theirs.final.state_dict()[name], value), name
    for name, values in ours.curves.items():
        np.testing.assert_array_equal(theirs.curves[name], values)


def test_uncertainty_weights_of_torchjd_move_and_are_noted(corpus):
    rule, variances = UW(2), []
    trained = run(
        corpus, weighting=Scalarized(rule, ("id", "pos")),
        on_step=lambda _: variances.append(rule.log_var.detach().clone()),
    )  # fmt: skip
    assert rule.log_var.abs().min() > 1e-3
    before = torch.stack([torch.zeros(2), *variances[:-1]])  # (12, 2), at the time of each loss
    noted = np.stack([trained.curves["applied/id"], trained.curves["applied/pos"]], axis=1)
    np.testing.assert_allclose(noted, 0.5 * torch.exp(-before).numpy(), rtol=1e-6)


@pytest.mark.parametrize("rate", [0.0, 3.0])
def test_the_weighting_learns_at_its_own_multiple_of_the_rate(corpus, rate):
    plan = make_plan(steps=1, warmup_steps=0, schedule="constant", statistics_batches=0)
    rule = UW(2)
    run(corpus, plan, weighting=Scalarized(rule, ("id", "pos")), weighting_rate=rate)
    assert torch.allclose(rule.log_var, -rate * plan.learning_rate * rule.log_var.grad, atol=1e-7)
    assert rule.log_var.grad.all()


@pytest.mark.parametrize("died_at", [2, 7])
def test_a_weighting_that_learns_is_resumed(corpus, tmp_path, died_at):
    plan = make_plan()
    batches = labelled_batches(corpus, ("id", "pos"), plan)

    def make():
        return make_method(weighting=Scalarized(UW(2), ("id", "pos")), weighting_rate=5.0)

    assert_resumes(make, batches, plan, tmp_path / "state.pt", died_at, 3)


def test_a_checkpoint_of_another_weighting_is_refused(corpus, tmp_path):
    path = tmp_path / "state.pt"
    run(corpus, checkpoint=path)
    with pytest.raises(CheckpointError, match=r"one with method '.*id=1, pos=0\.3"):
        run(corpus, weights={"id": 1.0, "pos": 0.4}, checkpoint=path)
    with pytest.raises(CheckpointError, match="label_smoothing=0.0"):
        run(corpus, label_smoothing=0.1, checkpoint=path)


def test_a_checkpoint_of_another_weighting_rate_is_refused(corpus, tmp_path):
    path = tmp_path / "state.pt"

    def learn(rate):
        rule = Scalarized(UW(2), ("id", "pos"))
        run(corpus, weighting=rule, weighting_rate=rate, checkpoint=path)

    learn(1.0)
    with pytest.raises(CheckpointError, match=r"groups of all .*'scale': 1\.0.* instead of "):
        learn(2.0)


def test_dynamic_weight_average_of_torchjd_follows_two_epochs(corpus):
    rule, losses = DWA(temperature=0.5), []

    def at_the_end_of_an_epoch_of_four_steps(state):
        losses.append(torch.stack([state.terms["loss/id"], state.terms["loss/pos"]]))
        if state.step % 4 == 0:
            rule.step()

    curves = run(
        corpus, weighting=Scalarized(rule, ("id", "pos")),
        on_step=at_the_end_of_an_epoch_of_four_steps,
    ).curves  # fmt: skip
    epochs = torch.stack(losses).view(3, 4, 2).mean(dim=1)
    expected = 2 * (epochs[1] / epochs[0] / 0.5).softmax(dim=0)
    for place, task in enumerate(("id", "pos")):
        assert curves[f"weight/{task}"][:8].tolist() == [1.0] * 8
        assert curves[f"weight/{task}"][8:].tolist() == pytest.approx([expected[place].item()] * 4)
