"""p-CNN: m-CNN with a branch for each group of poses (Yin & Liu 2018, Sec. III-C).

s-CNN and m-CNN (Sec. III-A, Eqs. 2 and 5) are :class:`~mtl_helpers.networks.MultiTaskNetwork` with
one task and with several. The paper's text shares every layer up to x; its released networks fork
at pool4 and give the side tasks a second conv51/conv52. Here, as in the text, there is one x.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mtl_helpers.losses import UNLABELLED
from mtl_helpers.networks import MultiTaskNetwork, MultiTaskOutput
from mtl_helpers.trunks import Trunk

__all__ = ["BRANCH_TASK", "POSE_TASK", "PoseDirectedCNN"]

POSE_TASK = "pos"
BRANCH_TASK = "id_pose"
"""Name of p-CNN's second main task: identity from the branch of the picture's pose group."""


class PoseDirectedCNN(MultiTaskNetwork):
    r"""m-CNN with one more identity head for each group of poses (Yin & Liu 2018, Sec. III-C).

    .. math:: y^g = W_g^\top x + b_g \quad\text{for an image whose pose lies in group } g

    where :math:`x` is the shared feature and :math:`y^d` the generic scores of the head ``"id"``.
    :math:`W_g, b_g` see the images of their own group only, so they may be robust within a small
    range of poses instead of all of them.

    In training the true pose decides the branch (the paper's *batch split*, Eq. 9), and the scores
    of all groups go through one softmax, as task :data:`BRANCH_TASK`. In testing no pose is known:
    every branch is asked, and :mod:`mtl_helpers.papers.yin2018.routing` weighs what they say.

    There must be the tasks ``"id"`` and ``"pos"``; the groups hold every class of ``"pos"`` once.

    Note
    ----
    *Paper, released code, here.* The paper hands each branch the whole batch with the rows of the
    other groups set to zero, so that no branch is ever without input, and merges the branches'
    outputs. Here each branch takes its own rows by index: a linear layer does the same to a row
    whatever stands in the others, and a zero row adds nothing to the gradient of its weights, so
    scores and gradients agree at a third of the work. Only the bias tells the two apart: where
    branches are merged by *summing*, each image also gets the biases of the other groups, which is
    one bias that all groups share. The paper does not say how it merges.

    Examples
    --------
    >>> from mtl_helpers.trunks import CASIANet
    >>> groups = ((0,), (1, 2), (3,))
    >>> model = PoseDirectedCNN(CASIANet(width=0.125), {"id": 10, "pos": 4}, groups)
    >>> out = model(torch.zeros(5, 1, 32, 32), pose=torch.tensor([0, 1, 2, 3, 0]))
    >>> out.logits["id_pose"].shape, model.eval()(torch.zeros(5, 1, 32, 32)).branches.shape
    (torch.Size([5, 10]), torch.Size([5, 3, 10]))
    """

    group_of_pose: Tensor

    def __init__(
        self, trunk: Trunk, classes: Mapping[str, int], pose_groups: Sequence[Sequence[int]]
    ) -> None:
        super().__init__(trunk, classes)
        missing = [task for task in ("id", POSE_TASK) if task not in classes]
        if missing:
            raise ValueError(f"A pose-directed network needs the tasks {missing} too.")
        poses = sorted(pose for group in pose_groups for pose in group)
        if poses != list(range(classes[POSE_TASK])) or not all(pose_groups):
            raise ValueError(
                f"Expected groups that hold each of {classes[POSE_TASK]} pose classes once, found "
                f"{[list(group) for group in pose_groups]}."
            )
        self.pose_groups = tuple(tuple(group) for group in pose_groups)
        # The paper's generic head stands in ``heads``, so that energies and y_d are where they
        # are in m-CNN.
        self.branches = nn.ModuleList(
            nn.Linear(trunk.feature_dim, classes["id"]) for _ in self.pose_groups
        )
        where = torch.empty(classes[POSE_TASK], dtype=torch.int64)
        for number, group in enumerate(self.pose_groups):
            where[list(group)] = number
        self.register_buffer("group_of_pose", where, persistent=False)

    def layers_by_name(self) -> dict[str, nn.Linear]:
        """Return heads and branches, by the name of the stream of their first weights."""
        layers = super().layers_by_name()
        for number, branch in enumerate(self.branches):
            assert isinstance(branch, nn.Linear)
            layers[f"{BRANCH_TASK} {number}"] = branch
        return layers

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of the losses of a training batch: the branches' comes after that of ``"id"``."""
        place = self.tasks.index("id") + 1
        return (*self.tasks[:place], BRANCH_TASK, *self.tasks[place:])

    def forward(self, images: Tensor, pose: Tensor | None = None) -> MultiTaskOutput:
        """Return x, each task's logits, and the branches' scores of images (B, C, H, W).

        With a pose (B,), the true class of ``"pos"`` or -1 for none, the logits hold
        :data:`BRANCH_TASK`, each row from its own branch and zero where no pose is known; a group
        without images takes no part. Without it all branches answer.
        """
        x, dropped = self.shared(images)
        logits = self.scores(dropped)
        if pose is None:
            every = torch.stack([branch(dropped) for branch in self.branches], dim=1)  # (B, G, K)
            return MultiTaskOutput(x, logits, every)
        group = self.group_of_pose[pose.clamp(min=0)].where(pose != UNLABELLED, UNLABELLED)  # (B,)
        merged = torch.zeros_like(logits["id"])  # (B, K)
        for number, branch in enumerate(self.branches):
            rows = (group == number).nonzero().squeeze(1)  # (B_g,)
            merged = merged.index_copy(0, rows, branch(dropped[rows]))
        logits[BRANCH_TASK] = merged
        return MultiTaskOutput(x, {task: logits[task] for task in self.losses})

    def extra_repr(self) -> str:
        """Show the pose groups, which a resumed run must have in common with its beginning."""
        return f"pose_groups={self.pose_groups}"
