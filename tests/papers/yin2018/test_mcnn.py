from __future__ import annotations

import pytest
import torch
from torch import nn

from mtl_helpers.losses import UNLABELLED, feature_l2, task_losses
from mtl_helpers.papers.yin2018.model import MultiTaskCNN, PoseDirectedCNN, count_parameters
from mtl_helpers.trunks import CASIANet

CLASSES = {"id": 7, "pos": 5, "illum": 3, "exp": 2}


def make(classes=CLASSES, **changes):
    torch.manual_seed(0)
    return MultiTaskCNN(CASIANet(width=0.125, **changes), classes)


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


def test_the_feature_penalty_reaches_the_trunk():
    model = make({"id": 7})
    feature_l2(model(torch.randn(4, 1, 32, 32)).features).backward()
    assert model.trunk.blocks[0].conv1.weight.grad.abs().sum() > 0
    assert model.heads["id"].weight.grad is None


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="at least one task"):
        make({})
    with pytest.raises(ValueError, match="Task 'pos' needs at least two classes"):
        make({"id": 7, "pos": 1})
    with pytest.raises(TypeError, match="must be an nn.Module, found str"):
        MultiTaskCNN("trunk", CLASSES)


# ---- branches for groups of poses

THREE = ((0, 1), (2,), (3, 4))
# one, two, three and five groups of five poses
PARTITIONS = [((0, 1, 2, 3, 4),), ((4, 0), (1, 2, 3)), THREE, ((3,), (1,), (0,), (4,), (2,))]
POSE = torch.tensor([0, 2, 4, 1, 3, 2])
LABELS = {
    "id": torch.tensor([0, 1, 2, 3, 4, 5]),
    "pos": POSE,
    "illum": torch.tensor([0, 1, 2, 0, 1, 2]),
    "exp": torch.tensor([0, 1, 0, 1, 0, 1]),
}


class ImageIsFeature(nn.Module):
    """A trunk that hands its input on, so that x can want a gradient."""

    feature_dim = 6

    def __init__(self):
        super().__init__()
        self.dropout = nn.Identity()

    def forward_features(self, images):
        return images

    def forward_head(self, maps, *, pre_dropout=False):
        return maps.mean(dim=(2, 3))


def make_directed(groups=THREE, classes=CLASSES, trunk=None):
    torch.manual_seed(0)
    return PoseDirectedCNN(trunk or CASIANet(width=0.125, dropout=0.0), classes, groups)


def zero_filled(model, x, pose):
    """The paper's batch split: each branch gets the whole batch, other groups' rows being zero.

    Returns the scores of every branch on it, (G, B, K), and each image's own group.
    """
    scores, own = [], [None] * len(pose)
    for number, (group, branch) in enumerate(zip(model.pose_groups, model.branches, strict=True)):
        rows = []
        for place, known in enumerate(pose.tolist()):
            if known in group:
                own[place] = number
            rows.append(x[place] if known in group else torch.zeros_like(x[place]))
        scores.append(torch.stack(rows) @ branch.weight.T + branch.bias)
    return torch.stack(scores), own


def gradients_of(model, x, scores):
    """Gradients of some loss of the scores, as to the branches and x."""
    weights = [p for branch in model.branches for p in branch.parameters()]
    loss = (scores * torch.arange(float(scores.numel())).reshape(scores.shape).cos()).sum()
    return torch.autograd.grad(loss, [*weights, x])


@pytest.mark.parametrize("groups", PARTITIONS)
def test_selecting_rows_is_filling_others_with_zeros(groups):
    model = make_directed(groups, trunk=ImageIsFeature())
    x = torch.randn(6, 6, 1, 1, requires_grad=True)
    found = model(x, pose=POSE).logits["id_pose"]
    scores, own = zero_filled(model, x.flatten(1), POSE)
    picked = torch.stack([scores[group, row] for row, group in enumerate(own)])
    assert torch.allclose(found, picked, atol=1e-6)
    for ours, theirs in zip(
        gradients_of(model, x, found), gradients_of(model, x, picked), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("groups", PARTITIONS)
def test_merging_by_a_sum_would_add_the_biases_of_the_other_groups(groups):
    model = make_directed(groups, trunk=ImageIsFeature())
    x = torch.randn(6, 6, 1, 1)
    scores, own = zero_filled(model, x.flatten(1), POSE)
    biases = torch.stack([branch.bias for branch in model.branches])  # (G, K)
    others = torch.stack([biases.sum(0) - biases[group] for group in own])
    found = model(x, pose=POSE).logits["id_pose"]
    assert torch.allclose(scores.sum(0) - found, others, atol=1e-6)
    assert (others.abs().max() > 0.01) == (len(groups) > 1)


def test_one_group_is_m_cnn_with_a_second_identity_head():
    directed = make_directed(((0, 1, 2, 3, 4),))
    torch.manual_seed(1)
    twin = MultiTaskCNN(
        CASIANet(width=0.125, dropout=0.0), {"id": 7, "id_pose": 7, "pos": 5, "illum": 3, "exp": 2}
    )
    weights = directed.state_dict()
    renamed = {name.replace("branches.0", "heads.id_pose"): w for name, w in weights.items()}
    twin.load_state_dict(renamed)
    images = torch.randn(6, 1, 32, 32)
    labels = LABELS | {"id_pose": LABELS["id"]}
    ours, theirs = directed(images, pose=POSE), twin(images)
    assert list(ours.logits) == list(theirs.logits)
    assert torch.allclose(ours.features, theirs.features, atol=1e-6)
    losses = task_losses(ours.logits, labels), task_losses(theirs.logits, labels)
    assert torch.allclose(*losses, atol=1e-6)
    for task, scores in theirs.logits.items():
        assert torch.allclose(ours.logits[task], scores, atol=1e-5), task
    for loss in losses:
        loss.sum().backward()
    expected = {name: p.grad for name, p in twin.named_parameters()}
    for name, p in directed.named_parameters():
        other = expected[name.replace("branches.0", "heads.id_pose")]
        assert torch.allclose(p.grad, other, atol=1e-5), name


@pytest.mark.parametrize("groups", PARTITIONS)
def test_branches_answer_alone_in_training_and_together_in_evaluation(groups):
    model = make_directed(groups)
    images = torch.randn(6, 1, 32, 32)
    trained = model(images, pose=POSE)
    assert trained.branches is None
    assert list(trained.logits) == list(model.losses) == ["id", "id_pose", "pos", "illum", "exp"]
    assert model.tasks == tuple(CLASSES)
    model.eval()
    asked, told = model(images), model(images, pose=POSE)
    assert list(asked.logits) == list(CLASSES)
    assert asked.branches.shape == (6, len(groups), 7)
    for row, pose in enumerate(POSE.tolist()):
        (own,) = [number for number, group in enumerate(groups) if pose in group]
        assert torch.allclose(asked.branches[row, own], told.logits["id_pose"][row], atol=1e-5)
    for number, branch in enumerate(model.branches):
        assert torch.allclose(asked.branches[:, number], branch(asked.features), atol=1e-5)


def test_the_branches_loss_comes_after_that_of_id_wherever_it_stands():
    model = make_directed(classes={"pos": 5, "id": 7, "exp": 2})
    assert model.losses == ("pos", "id", "id_pose", "exp")
    assert list(model(torch.randn(6, 1, 32, 32), pose=POSE).logits) == list(model.losses)


def test_a_group_without_images_is_left_alone():
    model = make_directed()
    pose = torch.tensor([0, 1, 0, 3, 4, 3])  # nobody looks straight ahead
    out = model(torch.randn(6, 1, 32, 32), pose=pose)
    losses = task_losses(out.logits, LABELS | {"id_pose": LABELS["id"], "pos": pose})
    losses.sum().backward()
    assert losses.isfinite().all()
    for number, branch in enumerate(model.branches):
        for parameter in branch.parameters():
            still = parameter.grad is None or not parameter.grad.any()
            assert still == (number == 1)
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_an_image_of_unknown_pose_takes_no_part_in_the_branches_loss():
    model = make_directed().eval()
    images = torch.randn(6, 1, 32, 32)
    unknown = POSE.clone()
    unknown[[1, 4]] = UNLABELLED
    known = unknown != UNLABELLED
    out = model(images, pose=unknown)
    assert not out.logits["id_pose"][~known].any()
    labels = LABELS | {"pos": unknown, "id_pose": LABELS["id"].where(known, UNLABELLED)}
    loss = task_losses(out.logits, labels)[1]
    alone = model(images[known], pose=POSE[known]).logits["id_pose"]
    expected = nn.functional.cross_entropy(alone, LABELS["id"][known])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    gradients = torch.autograd.grad(loss, list(model.branches.parameters()))
    wanted = torch.autograd.grad(expected, list(model.branches.parameters()))
    for ours, theirs in zip(gradients, wanted, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_batch_of_unknown_poses_only_has_no_branches_loss():
    model = make_directed()
    out = model(torch.randn(6, 1, 32, 32), pose=torch.full((6,), UNLABELLED))
    loss = task_losses(
        {"id_pose": out.logits["id_pose"]}, {"id_pose": torch.full((6,), UNLABELLED)}
    ).sum()
    assert loss.item() == 0.0
    loss.backward()
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_one_side_task_and_a_class_that_never_occurs():
    model = make_directed(classes={"id": 7, "pos": 5})
    pose = torch.tensor([0, 1, 3, 0, 1, 3])  # poses 2 and 4 and identity 6 are never seen
    out = model(torch.randn(6, 1, 32, 32), pose=pose)
    losses = task_losses(out.logits, {"id": LABELS["id"], "id_pose": LABELS["id"], "pos": pose})
    assert losses.shape == (3,)
    losses.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    # a class without images is pushed down, like any wrong answer
    assert model.heads["pos"].bias.grad[2] > 0
    assert model.branches[0].bias.grad[6] > 0


def test_branches_add_a_head_of_identities_each():
    extra = [
        count_parameters(make_directed(groups)) - count_parameters(make()) for groups in PARTITIONS
    ]
    assert extra == [(40 * 7 + 7) * len(groups) for groups in PARTITIONS]


@pytest.mark.parametrize(
    "groups",
    [
        ((0, 1), (3, 4)),  # one is missing
        ((0, 1), (1, 2), (3, 4)),  # one is in two groups
        ((0, 1), (), (2, 3, 4)),
        ((0, 1), (2,), (3, 4, 5)),
        (),
    ],
)
def test_bad_groups_of_poses_are_refused(groups):
    with pytest.raises(ValueError, match="groups that hold each of 5 pose classes once, found"):
        make_directed(groups)


@pytest.mark.parametrize(("classes", "missing"), [({"id": 7}, "pos"), ({"pos": 5}, "id")])
def test_branches_need_identities_and_poses(classes, missing):
    with pytest.raises(ValueError, match=rf"needs the tasks \['{missing}'\] too"):
        make_directed(classes=classes)
