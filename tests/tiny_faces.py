"""Pictures of 8 x 8 pixels of people who turn: a pattern each, a bright spot where the face is."""

from __future__ import annotations

import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from mtl_helpers.papers.li2021.landmarks import landmark_batches, landmarks_in_frame, mean_face
from mtl_helpers.papers.li2021.recogniser import Recogniser
from mtl_helpers.papers.li2021.regressor import LandmarkRegressor, map_shape
from mtl_helpers.training.loop import train
from mtl_helpers.training.optimizers import SGDConfig
from mtl_helpers.training.plan import Plan
from mtl_helpers.trunks import MapTrunk

SIDE, POINTS, PEOPLE, FRAME = 8, 3, 4, 32
SHIFTS = (-2, -1, 0, 1, 2)


class TinyFaces:
    """Every person at five turns under six noises; three landmarks move with the spot.

    The third is hidden when the head is turned furthest, and then lies outside the picture. The
    last person is the test split.
    """

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        levels = (PEOPLE + 1, len(SHIFTS), 6)
        self.factors = np.stack(
            np.meshgrid(*(np.arange(n) for n in levels), indexing="ij"), axis=-1
        ).reshape(-1, 3)  # (N, 3)
        patterns = rng.normal(0, 30, (levels[0], SIDE, SIDE))
        images = 110 + patterns[self.factors[:, 0]] + rng.normal(0, 5, (len(self), SIDE, SIDE))
        shift = np.array(SHIFTS)[self.factors[:, 1]]
        for image, s in zip(images, shift, strict=True):
            image[3:5, 3 + s : 5 + s] += 90
        self.images = np.clip(images, 0, 255).astype(np.uint8)
        self.class_counts = {"id": PEOPLE}
        own = np.array([[4.0, 4.0], [2.5, 4.0], [7.0, 5.5]])
        move = np.stack([shift, np.zeros(len(self))], axis=1)[:, None]  # (N, 1, 2)
        self.points = (own + move).astype(np.float32)  # (N, 3, 2)

    def __len__(self):
        return len(self.factors)

    def labels(self, index):
        return {"id": self.factors[np.asarray(index), 0]}

    def split(self, name):
        inside = self.factors[:, 0] < PEOPLE
        return np.flatnonzero(inside if name == "train" else ~inside)

    def frontal(self):
        return np.flatnonzero((self.factors[:, 0] < PEOPLE) & (self.factors[:, 1] == 2))

    def landmarks(self, index):
        return self.points[np.asarray(index)]

    def visible(self, index):
        points = self.landmarks(index)
        return ((points >= 0) & (points <= SIDE)).all(axis=-1)


class TwoStages(MapTrunk):
    """Two convolutions, each with batch normalisation: maps of half the side."""

    def __init__(self):
        super().__init__(1, 0.0)
        self.first = nn.Sequential(nn.Conv2d(1, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(6, 8, 3, 1, 1), nn.BatchNorm2d(8))
        self.feature_dim = 8
        self.feature_info = [
            {"module": "first", "num_chs": 6, "reduction": 2},
            {"module": "second", "num_chs": 8, "reduction": 2},
        ]

    def forward_features(self, images):
        return self.second(self.first(self.checked_images(images)))

    def forward_intermediates(self, images, indices=None):
        numbers = self.stage_numbers(indices)
        first = self.first(self.checked_images(images))
        stages = (first, self.second(first))
        return stages[1], [stages[number] for number in numbers]


CORPUS = TinyFaces()
MEAN_FACE = mean_face(landmarks_in_frame(CORPUS, CORPUS.frontal(), FRAME))


def make_recogniser(seed=0, kind=Recogniser):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(TwoStages(), PEOPLE)


def make_discriminator(model, stage=-1, seed=1):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        shape = map_shape(model.trunk, stage, SIDE)
        D = LandmarkRegressor(shape, (8, 8), POINTS, pool=False)
    D.start_from(MEAN_FACE)
    return D


def make_plan(**changes):
    settings = {
        "steps": 40, "batch": 16, "learning_rate": 0.02, "warmup_steps": 0, "average_decay": 0.0,
        "statistics_batches": 0, "schedule": "constant",
    }  # fmt: skip
    return Plan(**(settings | changes))


def make_batches(plan, corpus=CORPUS, **options):
    return landmark_batches(corpus, plan, frame=FRAME, **options)


def first_batch(count=16, **options):
    plan = make_plan(batch=count)
    (batch,) = make_batches(plan, **options).between(0, 1, torch.device("cpu"))
    return batch


def set_rate(method, rate):
    for optimizer in method.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)


# ---- games

PLAIN = SGDConfig(momentum=0.0, weight_decay=0.0)
RATE = 0.05


def make_game(kind, alpha=0.2, stage=-1, model=None, face=MEAN_FACE, **options):
    model = model or make_recogniser()
    return kind(model, make_discriminator(model, stage), stage, face, alpha, **options)


def run(method, **changes):
    plan = make_plan(**changes)
    return train(method, make_batches(plan), plan, progress=False)


def parts(game, batch, *, running=False):
    """A copy of a game, and L_c, R's part, D's part of Eq. 2 and the leak, each on its own."""
    twin = copy.deepcopy(game)
    maps = twin.model.trunk.forward_intermediates(batch.images, [-1])[0]
    L_c = F.cross_entropy(twin.model.heads["id"](maps.mean((2, 3))), batch.targets["id"])
    played = copy.deepcopy(twin.discriminator)
    if running:
        played.eval()
    predicted = twin.discriminator(maps)

    def distance(points, target):
        return (points - torch.as_tensor(target)).abs().sum(dim=(1, 2)).mean() / 6

    fooled = distance(played(maps), MEAN_FACE)
    true = distance(predicted, batch.targets["landmarks"])
    return twin, L_c, fooled, true, distance(predicted, MEAN_FACE)


def moved(module, loss):
    """Weights after one step of gradient descent along a loss, by name."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    slopes = torch.autograd.grad(loss, parameters, retain_graph=True)
    return {
        name: p.detach() - RATE * slope
        for name, p, slope in zip(names, parameters, slopes, strict=True)
    }


def assert_weights(module, expected):
    for name, value in module.named_parameters():
        assert torch.allclose(value, expected[name], atol=1e-6), name
