"""How paper 1's networks are trained: one update by hand, and each of its parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from synthetic_corpus import SyntheticCorpus
from training_assertions import assert_resumes

from mtl_helpers.evaluation.attributes import mean_class_accuracy
from mtl_helpers.networks import MultiTaskNetwork, seeded_network
from mtl_helpers.papers.yin2018.method import YinMethod, half_squared_length
from mtl_helpers.papers.yin2018.model import PoseDirectedCNN
from mtl_helpers.papers.yin2018.weighting import DynamicWeights, ReleasedDynamicWeights
from mtl_helpers.training.batches import BatchOrder, labelled_batches, to_input
from mtl_helpers.training.checkpoints import CheckpointError
from mtl_helpers.training.loop import TrainingError, train
from mtl_helpers.training.optimizers import SGDConfig
from mtl_helpers.training.plan import Plan
from mtl_helpers.training.weighting import FixedWeights
from mtl_helpers.trunks import CASIANet

DYNAMIC = [DynamicWeights, ReleasedDynamicWeights]
TASKS = ("id", "pos", "exp")
FIXED = {"id": 1.0, "pos": 0.2, "exp": 0.2}
PAIR = {("id",): 1.0, ("pos", "exp"): 0.4}
PAPER = {("id", "id_pose"): 1.0, ("pos", "exp"): 0.4}
GROUPS = ((0, 1), (2,), (3, 4))


def make_plan(**changes):
    settings = {
        "steps": 12, "batch": 16, "warmup_steps": 3, "average_decay": 0.9, "statistics_batches": 2,
    }  # fmt: skip
    return Plan(**(settings | changes))


def make_network(groups=None, tasks=TASKS, width=0.05, dropout=0.4, seed=0):
    counts = {task: SyntheticCorpus().class_counts[task] for task in tasks}

    def build(trunk):
        if groups is None:
            return MultiTaskNetwork(trunk, counts)
        return PoseDirectedCNN(trunk, counts, groups)

    return seeded_network(lambda: CASIANet(width, 1, dropout), build, seed)


def dynamic(kind, groups=PAIR):
    return kind(make_network().trunk.feature_dim, groups)


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


def run(corpus, rule, plan=None, groups=None, *, index=None, checkpoint=None, on_step=None,
        width=0.05, dropout=0.4, **settings):  # fmt: skip
    plan = plan or make_plan()
    tasks = tuple(task for task in rule.tasks if task != "id_pose")
    method = YinMethod(make_network(groups, tasks, width, dropout, plan.seed), rule, **settings)
    batches = labelled_batches(corpus, tasks, plan, index=index)
    return train(method, batches, plan, progress=False, checkpoint=checkpoint, on_step=on_step)


def losses_of(trained):
    """Curves of the losses, (steps, T), in their order."""
    names = trained.method.model.losses
    return np.stack([trained.curves[f"loss/{name}"] for name in names], axis=1)


# ---- the whole update


def test_one_step_is_gradient_descent_with_the_penalty_on_x(corpus):
    plan = make_plan(
        steps=1, warmup_steps=0, average_decay=0.0, statistics_batches=0, schedule="constant"
    )
    model = make_network(tasks=("id", "pos"), dropout=0.0).train()
    index = corpus.split("train")
    rows = index[BatchOrder(len(index), plan.batch, plan.seed)[0]]
    pixels = corpus.images[rows].astype(np.float32)
    spread = pixels.std(axis=(1, 2), keepdims=True) + 1
    pixels = (pixels - pixels.mean(axis=(1, 2), keepdims=True)) / spread
    out = model(torch.from_numpy(pixels).unsqueeze(1))
    loss = 0.2 * 0.5 * (out.features**2).sum(1).mean()
    for task, weight in (("id", 1.0), ("pos", 0.3)):
        p = out.logits[task].softmax(1)[torch.arange(16), corpus.labels(rows)[task]]
        loss = loss - weight * p.log().mean()
    loss.backward()
    trained = run(
        corpus, FixedWeights({"id": 1.0, "pos": 0.3}), plan, dropout=0.0, feature_l2=0.2,
        optimizer=SGDConfig(weight_decay=0.01),
    )  # fmt: skip
    for (name, before), after in zip(
        model.named_parameters(), trained.final.parameters(), strict=True
    ):
        decay = 0.01 if before.ndim > 1 else 0.0
        expected = before - plan.learning_rate * (before.grad + decay * before)
        assert torch.allclose(after, expected, atol=1e-5), name


def test_the_penalty_has_its_curve(corpus):
    curves = run(corpus, FixedWeights(FIXED), feature_l2=0.1).curves
    assert (curves["loss/feature_l2"] > 0).all()


@pytest.mark.parametrize("factor", [-1.0, math.nan])
def test_a_penalty_that_is_none_is_refused(factor):
    with pytest.raises(ValueError, match="feature_l2 must be finite and not negative"):
        YinMethod(make_network(), FixedWeights(FIXED), feature_l2=factor)


# ---- learned weights


@pytest.mark.parametrize("kind", DYNAMIC)
def test_dynamic_weights_are_trained_and_noted(corpus, kind):
    rule = dynamic(kind)
    trained = run(corpus, rule, make_plan(steps=40))
    curves = trained.curves
    assert curves["weight/id"].tolist() == [1.0] * 40
    side = np.stack([curves["weight/pos"], curves["weight/exp"]])
    np.testing.assert_allclose(side.sum(axis=0), 0.4, rtol=1e-6)
    assert side[:, 0].tolist() == pytest.approx([0.2, 0.2])
    # exp has two classes and so the smaller loss at first
    assert side[1, -1] > 0.21
    assert curves["loss/id"][-5:].mean() < curves["loss/id"][:5].mean()
    assert all(parameter.grad is not None for parameter in rule.parameters())


def test_the_summary_tells_weights_as_trained(corpus):
    """Under the released layer each side task is trained at all of phi_s, whatever its share."""
    weights = [run(corpus, dynamic(kind)).summary()["weights"] for kind in DYNAMIC]
    assert weights[0]["pos"] + weights[0]["exp"] == pytest.approx(0.4)
    assert weights[1] == pytest.approx({"id": 1.0, "pos": 0.4, "exp": 0.4})


def test_dynamic_weights_begin_where_fixed_ones_do(corpus):
    plan = make_plan(steps=4)
    plain = losses_of(run(corpus, FixedWeights(FIXED), plan))
    eq8, released = (losses_of(run(corpus, dynamic(kind), plan)) for kind in DYNAMIC)
    assert (plain[0] == eq8[0]).all() and (plain[0] == released[0]).all()
    # at equal shares Eq. 8 is the fixed sum, while the released layer trains twice as hard
    np.testing.assert_allclose(plain[1], eq8[1], atol=1e-5)
    assert not np.allclose(plain[1], released[1], atol=1e-5)


@pytest.mark.parametrize("rate", [0.0, 3.0])
def test_the_layer_learns_at_its_own_multiple_of_the_rate(corpus, rate):
    plan = make_plan(steps=1, warmup_steps=0, schedule="constant", statistics_batches=0)
    rule = dynamic(DynamicWeights)
    rule.reset_parameters(0.5)
    layer = rule.layers["pos-exp"]
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    run(corpus, rule, plan, weighting_rate=rate, optimizer=SGDConfig(weight_decay=0.01))
    for name, value in layer.named_parameters():
        decay = 0.01 * before[name] if name == "weight" else 0.0
        expected = before[name] - rate * plan.learning_rate * (value.grad + decay)
        assert torch.allclose(value, expected, atol=1e-6), name


@pytest.mark.parametrize("kind", DYNAMIC)
@pytest.mark.parametrize("pose_groups", [None, GROUPS])
def test_learned_weights_and_branches_are_resumed(corpus, tmp_path, kind, pose_groups):
    plan = make_plan()
    batches = labelled_batches(corpus, TASKS, plan)

    def make():
        rule = dynamic(kind, PAIR if pose_groups is None else PAPER)
        return YinMethod(make_network(pose_groups), rule, weighting_rate=5.0)

    assert_resumes(make, batches, plan, tmp_path / "state.pt", 8, 3)


def test_a_checkpoint_of_another_weighting_is_refused(corpus, tmp_path):
    path = tmp_path / "state.pt"
    run(corpus, dynamic(DynamicWeights), checkpoint=path)
    for other, message in (
        (dynamic(ReleasedDynamicWeights), r": DynamicWeights\(.* instead of .*: ReleasedDynamic"),
        (dynamic(DynamicWeights, PAIR | {("id",): 2.0}), "method 'id: 1, .*' instead of 'id: 2, "),
        (FixedWeights(FIXED), r": DynamicWeights\(.* instead of .*: FixedWeights"),
    ):
        with pytest.raises(CheckpointError, match=message):
            run(corpus, other, checkpoint=path)
    with pytest.raises(CheckpointError, match=r"groups of all .*'scale': 2\.0"):
        run(corpus, dynamic(DynamicWeights), checkpoint=path, weighting_rate=2.0)
    with pytest.raises(CheckpointError, match="feature_l2=0.0.* instead of .*feature_l2=0.1"):
        run(corpus, dynamic(DynamicWeights), checkpoint=path, feature_l2=0.1)


def test_a_checkpoint_of_other_pose_groups_is_refused(corpus, tmp_path):
    path, plan = tmp_path / "state.pt", make_plan(steps=3)
    run(corpus, dynamic(DynamicWeights, PAPER), plan, GROUPS, checkpoint=path)
    with pytest.raises(CheckpointError, match=r"\(0, 1\), \(2,\), \(3, 4\)"):
        other = ((0,), (1, 2), (3, 4))
        run(corpus, dynamic(DynamicWeights, PAPER), plan, other, checkpoint=path)


@pytest.mark.parametrize("kind", DYNAMIC)
def test_a_loss_that_is_no_number_stops_training(corpus, kind):
    def spoil(state):
        if state.step == 5:
            with torch.no_grad():
                state.method.model.heads["pos"].bias[0] = math.nan

    with pytest.raises(TrainingError, match=r"found nan for 'pos' at step 6 \(learning rate"):
        run(corpus, dynamic(kind), on_step=spoil)


def test_weights_in_another_order_than_the_losses_are_refused():
    swapped = FixedWeights({"pos": 0.2, "id": 1.0, "exp": 0.2})
    with pytest.raises(ValueError, match=r"weights of id, pos, exp, .* found pos, id, exp"):
        YinMethod(make_network(), swapped)
    with pytest.raises(ValueError, match=r"weights of id, id_pose, pos, exp, .* found id, pos"):
        YinMethod(make_network(GROUPS), dynamic(DynamicWeights, PAIR))


# ---- branches

BRANCHED = {"id": 0.5, "id_pose": 0.5, "pos": 0.2, "exp": 0.2}


def test_p_cnn_is_trained_with_the_branches_loss(corpus):
    plan = make_plan(steps=60, batch=32, learning_rate=0.1)
    trained = run(corpus, FixedWeights(BRANCHED), plan, GROUPS, width=0.125, dropout=0.1)
    losses = losses_of(trained)
    assert trained.method.model.losses == ("id", "id_pose", "pos", "exp")
    assert losses[-5:, 1].mean() < 0.5 * losses[:5, 1].mean()
    np.testing.assert_allclose(trained.curves["weight/id_pose"], 0.5)
    index = corpus.split("train")
    with torch.no_grad():
        branches = trained.averaged(to_input(torch.from_numpy(corpus.images[index]))).branches
    labels = corpus.labels(index)
    own = torch.tensor([0, 0, 1, 2, 2])[torch.from_numpy(labels["pos"])]
    said = branches[torch.arange(len(own)), own].argmax(dim=1).numpy()  # of (N, 3, 6)
    assert mean_class_accuracy(np.eye(6)[said], labels["id"]) > 0.9


def test_p_cnn_begins_with_the_losses_of_m_cnn(corpus):
    plan = make_plan(steps=1, warmup_steps=0)
    alone = losses_of(run(corpus, FixedWeights(FIXED), plan))
    beside = losses_of(run(corpus, dynamic(DynamicWeights, PAPER), plan, GROUPS))
    np.testing.assert_allclose(alone[0], beside[0, [0, 2, 3]], atol=1e-6)


def test_without_poses_the_branches_stay_as_they_are():
    class Unposed(SyntheticCorpus):
        def labels(self, index):
            labels = super().labels(index)
            return labels | {"pos": np.full_like(labels["pos"], -1)}

    trained = run(
        Unposed(), FixedWeights(BRANCHED), make_plan(steps=4), GROUPS,
        optimizer=SGDConfig(weight_decay=0.0),
    )  # fmt: skip
    assert not losses_of(trained)[:, [1, 2]].any()
    before, after = make_network(GROUPS).state_dict(), trained.method.model.state_dict()
    for name in before:
        if name.startswith("branches"):
            assert torch.equal(before[name], after[name])
    assert not torch.equal(before["heads.id.weight"], after["heads.id.weight"])


def test_poses_and_identities_that_never_occur_do_no_harm(corpus):
    index = corpus.split("train")
    labels = corpus.labels(index)
    few = index[(labels["pos"] == 0) & (labels["id"] < 4)]
    trained = run(corpus, FixedWeights(BRANCHED), groups=GROUPS, index=few)
    assert all(value.isfinite().all() for value in trained.final.state_dict().values())


def test_the_penalty_on_x_by_hand():
    # (3^2 + 4^2) / 2 = 12.5 and (2^2 + 0) / 2 = 2; mean 7.25
    x = torch.tensor([[3.0, 4.0], [2.0, 0.0]], requires_grad=True)
    penalty = half_squared_length(x)
    assert penalty.item() == 7.25
    penalty.backward()
    assert torch.equal(x.grad, x.detach() / 2)


def test_the_penalty_on_x_reaches_the_trunk_alone():
    network = make_network(tasks=("id",))
    half_squared_length(network(torch.randn(4, 1, 32, 32)).features).backward()
    assert network.trunk.blocks[0].conv1.weight.grad.abs().sum() > 0
    assert network.heads["id"].weight.grad is None
