from __future__ import annotations

import pytest
import torch
from torch import nn

from mtl_helpers.losses import UNLABELLED, task_losses
from mtl_helpers.networks import MultiTaskNetwork, count_parameters, seeded_network
from mtl_helpers.papers.yin2018.model import PoseDirectedCNN
from mtl_helpers.trunks import CASIANet

CLASSES = {"id": 7, "pos": 5, "illum": 3, "exp": 2}
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
def test_merging_by_a_sum_would_add_other_groups_biases(groups):
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
    twin = MultiTaskNetwork(
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
def test_branches_answer_alone_in_training_and_together_later(groups):
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


def test_the_branches_loss_comes_after_that_of_id():
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


def test_unknown_poses_take_no_part_in_the_branches_loss():
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
    plain = MultiTaskNetwork(CASIANet(width=0.125), CLASSES)
    extra = [
        count_parameters(make_directed(groups)) - count_parameters(plain) for groups in PARTITIONS
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


def test_p_cnn_starts_from_the_trunk_and_heads_of_m_cnn():
    def first_weights(build):
        return seeded_network(lambda: CASIANet(width=0.05), build, 0).state_dict()

    plain = first_weights(lambda trunk: MultiTaskNetwork(trunk, CLASSES))
    directed = first_weights(lambda trunk: PoseDirectedCNN(trunk, CLASSES, THREE))
    assert all(torch.equal(directed[name], plain[name]) for name in plain)
    branches = [directed[f"branches.{number}.weight"] for number in range(3)]
    assert not torch.equal(branches[0], branches[1])
    coarse = first_weights(lambda trunk: PoseDirectedCNN(trunk, CLASSES, PARTITIONS[0]))
    assert torch.equal(coarse["branches.0.weight"], branches[0])
