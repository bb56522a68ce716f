"""Pictures of 8 x 8 pixels whose attributes are bright squares, and a trunk of one convolution."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from mtl_helpers.training.batches import Batches, BatchOrder
from mtl_helpers.training.plan import Plan
from mtl_helpers.trunks import MapTrunk

NAMES = ("hat", "cap", "beard", "smile", "tie")
GROUPS = {"head": ("hat", "cap"), "below": ("beard", "smile", "tie")}
# Top left corner of the square of each attribute; hat and cap look alike.
CORNERS = {"hat": (0, 0), "cap": (0, 1), "beard": (5, 0), "smile": (5, 5), "tie": (2, 5)}
SIDE, SQUARE, COUNT = 8, 3, 120


class OneConvolution(MapTrunk):
    """Maps of half the side."""

    def __init__(self, channels=12):
        super().__init__(1, 0.0)
        self.conv = nn.Conv2d(1, channels, 5, padding=2, stride=2)
        self.feature_dim = channels
        self.feature_info = [{"module": "conv", "num_chs": channels, "reduction": 2}]

    def forward_features(self, images):
        # what is bright where: positions must show in the channels, whose mean the heads see
        height = torch.linspace(-1, 1, SIDE)
        maps = self.conv(images * (1 + height[:, None] + 0.5 * height))
        return maps.relu()


def seeded_trunk(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return OneConvolution()


def draw_labels(count=COUNT, seed=0):
    """(N, T) of 0 and 1; cap holds where hat does, nine times in ten."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((count, len(NAMES))) < 0.5).astype(np.int64)
    labels[:, 1] = labels[:, 0] ^ (rng.random(count) < 0.1)
    return labels


def draw_pictures(labels, seed=0):
    rng = np.random.default_rng(seed + 1)
    images = rng.normal(90, 12, (len(labels), SIDE, SIDE))
    for column, name in enumerate(NAMES):
        row, start = CORNERS[name]
        images[:, row : row + SQUARE, start : start + SQUARE] += 70 * labels[:, column, None, None]
    return np.clip(images, 0, 255).astype(np.uint8)


def make_plan(**changes):
    settings = {
        "steps": 60, "batch": 24, "learning_rate": 0.05, "warmup_steps": 0, "average_decay": 0.0,
        "statistics_batches": 0,
    }  # fmt: skip
    return Plan(**(settings | changes))


def make_batches(plan, labels=None, **more):
    labels = draw_labels() if labels is None else labels
    shown = np.where(labels < 0, 0, labels)
    targets = {name: labels[:, column] for column, name in enumerate(NAMES)}
    order = BatchOrder(len(labels), plan.batch, plan.seed)
    return Batches(draw_pictures(shown), np.arange(len(labels)), targets | more, order)
