"""Methods of a few lines on pictures of 6 x 6 pixels: one for each kind that the engine trains."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD, Adam, Optimizer

from mtl_helpers.losses import task_losses
from mtl_helpers.training.batches import Batches, BatchOrder
from mtl_helpers.training.method import Method
from mtl_helpers.training.plan import Plan

COUNT, SIDE, CLASSES = 20, 6, 3
PIXELS = SIDE * SIDE


def make_plan(**changes):
    """A plan of 12 steps; with batches of 8 of 20 pictures, epochs end with steps 3, 5, 8, 10."""
    settings = {
        "steps": 12,
        "batch": 8,
        "learning_rate": 0.1,
        "warmup_steps": 3,
        "average_decay": 0.9,
        "statistics_batches": 0,
    }
    return Plan(**(settings | changes))


def pictures(count=COUNT, seed=0):
    """Pictures of three patterns under noise, (N, 6, 6) uint8, and which one each shows."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    patterns = rng.normal(0, 50, (CLASSES, SIDE, SIDE))
    values = 128 + patterns[labels] + rng.normal(0, 20, (count, SIDE, SIDE))
    return np.clip(values, 0, 255).astype(np.uint8), labels


def make_batches(plan, index=None, **targets):
    """Batches of the pictures; the targets are ``what=labels`` if none are given."""
    images, labels = pictures()
    index = np.arange(COUNT) if index is None else index
    targets = targets or {"what": labels[index]}
    return Batches(images, index, targets, BatchOrder(len(index), plan.batch, plan.seed))


def seeded_init(module, seed=0):
    """Draw all parameters of a module from one stream."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    return module


class Classifier(Method):
    """Softmax regression with dropout: the least that can be trained."""

    def __init__(self, outputs=CLASSES, dropout=0.2, scale=1.0, normalise=False):
        super().__init__()
        norm = nn.BatchNorm1d(PIXELS) if normalise else nn.Identity()
        linear = seeded_init(nn.Linear(PIXELS, outputs))
        self.model = nn.Sequential(nn.Flatten(), norm, nn.Dropout(dropout), linear)
        self.optimizers["all"] = SGD(
            [{"params": [linear.weight]}, {"params": [linear.bias], "scale": scale}], momentum=0.9
        )

    def network(self):
        return self.model

    def step(self, batch, number):
        loss = task_losses({"what": self.model(batch.images)}, batch.targets)[0]
        self.descend(loss, "all")
        return {"loss/what": loss.detach()}


class Game(Method):
    """An encoder that classifies and hides which half of the set a picture is from.

    Every second step the encoder moves, every step the discriminator, on maps that are detached;
    ``leak`` lets the encoder's step move both.
    """

    def __init__(self, leak=False):
        super().__init__()
        self.encoder = seeded_init(nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 5), nn.Tanh()))
        self.head = seeded_init(nn.Linear(5, CLASSES), 1)
        self.discriminator = seeded_init(nn.Linear(5, 2), 2)
        players = [*self.encoder.parameters(), *self.head.parameters()]
        self.optimizers["R"] = SGD(players, momentum=0.9, nesterov=True)
        self.optimizers["D"] = Adam(self.discriminator.parameters(), betas=(0.5, 0.9))
        self.leak = leak

    def network(self):
        return nn.Sequential(self.encoder, self.head)

    def step(self, batch, number):
        terms = {}
        noise = torch.randn(len(batch.images), 5)  # from the stream of this step
        half = batch.targets["half"]
        if number % 2 == 0:
            maps = self.encoder(batch.images)
            loss = F.cross_entropy(self.head(maps), batch.targets["what"])
            fool = F.cross_entropy(self.discriminator(maps + 0.1 * noise), 1 - half)
            self.descend(loss + 0.5 * fool, *(("R", "D") if self.leak else ("R",)))
            terms = {"loss/what": loss.detach(), "loss/fool": fool.detach()}
        maps = self.encoder(batch.images).detach()
        loss = F.cross_entropy(self.discriminator(maps + 0.1 * noise), half)
        self.descend(loss, "D")
        return terms | {"loss/D": loss.detach()}

    def extra_repr(self):
        return f"leak={self.leak}"


def game_batches(plan):
    _, labels = pictures()
    return make_batches(plan, what=labels, half=(np.arange(COUNT) < COUNT // 2).astype(np.int64))


class Centres(Method):
    """Softmax regression whose features are drawn to the centres of their classes (centre loss).

    A centre follows the mean of its class's features in each batch, without a gradient.
    """

    centres: torch.Tensor

    def __init__(self, pull=0.1):
        super().__init__()
        self.features = seeded_init(nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 2)))
        self.head = seeded_init(nn.Linear(2, CLASSES), 1)
        self.register_buffer("centres", torch.zeros(CLASSES, 2))
        self.optimizers["all"] = SGD([*self.features.parameters(), *self.head.parameters()])
        self.pull = pull

    def network(self):
        return self.features

    def step(self, batch, number):
        labels = batch.targets["what"]
        x = self.features(batch.images)  # (B, 2)
        loss = F.cross_entropy(self.head(x), labels)
        distance = (x - self.centres[labels]).square().sum(dim=1).mean()
        self.descend(loss + self.pull * distance, "all")
        for k in labels.unique():
            self.centres[k] += 0.5 * (x.detach()[labels == k].mean(dim=0) - self.centres[k])
        return {"loss/what": loss.detach(), "loss/centre": distance.detach()}


class Landmarks(Method):
    """Regression of 51 points, (B, 51, 2), of which a mask (B, 51) says which are seen."""

    def __init__(self):
        super().__init__()
        linear = seeded_init(nn.Linear(PIXELS, 102))
        self.model = nn.Sequential(nn.Flatten(), linear, nn.Unflatten(1, (51, 2)))
        self.optimizers["all"] = SGD(self.model.parameters(), momentum=0.9)

    def network(self):
        return self.model

    def step(self, batch, number):
        points, seen = batch.targets["points"], batch.targets["seen"]
        errors = (self.model(batch.images) - points).square().sum(dim=2)  # (B, 51)
        loss = (errors * seen).sum() / seen.sum().clamp(min=1)
        self.descend(loss, "all")
        return {"loss/points": loss.detach()}


class Pairs(Method):
    """Contrastive loss of pairs: near if they show one pattern, a margin apart if not."""

    def __init__(self):
        super().__init__()
        self.model = seeded_init(nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 4)))
        self.optimizers["all"] = SGD(self.model.parameters())

    def network(self):
        return self.model

    def step(self, batch, number):
        same = batch.targets["same"]  # (B,)
        first, second = (self.model(batch.images[:, k]) for k in (0, 1))  # (B, 4) each
        distance = (first - second).square().sum(dim=1)
        loss = torch.where(same, distance, F.relu(2 - (distance + 1e-9).sqrt()).square()).mean()
        self.descend(loss, "all")
        return {"loss/pairs": loss.detach()}


class SoftThreshold(Optimizer):
    """Accelerated proximal gradient for an L1 penalty (FISTA, Beck & Teboulle 2009).

    v = y - lr g,  w' = sign(v) max(|v| - lr penalty, 0),  y' = w' + (t - 1) / t' (w' - w)
    """

    def __init__(self, parameters, penalty):
        super().__init__(parameters, {"lr": 0.0, "penalty": penalty})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for y in group["params"]:  # gradients are taken at the extrapolated point
                if y.grad is None:
                    continue
                state = self.state[y]
                before = state.get("w", y.clone())
                v = y - group["lr"] * y.grad
                w = v.sign() * (v.abs() - group["lr"] * group["penalty"]).clamp(min=0)
                t = state.get("t", 1.0)
                later = (1 + (1 + 4 * t * t) ** 0.5) / 2
                y.copy_(w + (t - 1) / later * (w - before))
                state["w"], state["t"] = w, later


class ExponentiatedGradient(Optimizer):
    """Mirror descent on the simplex: dual <- dual - lr g, w = softmax(dual)."""

    def __init__(self, parameters):
        super().__init__(parameters, {"lr": 0.0})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for w in group["params"]:
                state = self.state[w]
                if not state:
                    state["dual"] = w.log()
                state["dual"] -= group["lr"] * w.grad
                w.copy_(state["dual"].softmax(dim=0))


class Sparse(Method):
    """Softmax regression with few weights, and a mixture of two losses on the simplex."""

    def __init__(self, penalty=0.3):
        super().__init__()
        self.model = nn.Sequential(nn.Flatten(), seeded_init(nn.Linear(PIXELS, CLASSES)))
        self.mixture = nn.Parameter(torch.full((2,), 0.5))
        self.optimizers["weights"] = SoftThreshold(self.model.parameters(), penalty)
        self.optimizers["mixture"] = ExponentiatedGradient([self.mixture])

    def network(self):
        return self.model

    def step(self, batch, number):
        y = self.model(batch.images)
        labels = batch.targets["what"]
        losses = torch.stack(
            [F.cross_entropy(y, labels), F.mse_loss(y, F.one_hot(labels, CLASSES).float())]
        )
        self.descend((self.mixture.detach() * losses).sum(), "weights")
        # the worse loss gets the greater weight
        self.descend(-(self.mixture * losses.detach()).sum(), "mixture")
        return {"loss/entropy": losses[0].detach(), "loss/square": losses[1].detach()}


class TaskGraph(Method):
    """Three regressions whose covariance is solved for after each epoch (Zhang & Yeung 2010).

    Omega = (W'W)^(1/2) / tr (W'W)^(1/2), which minimises tr(W Omega^-1 W') at trace 1.
    """

    omega: torch.Tensor

    def __init__(self, strength=0.01):
        super().__init__()
        self.model = nn.Sequential(nn.Flatten(), seeded_init(nn.Linear(PIXELS, 3)))
        self.register_buffer("omega", torch.eye(3) / 3)
        self.optimizers["W"] = SGD(self.model.parameters(), momentum=0.9)
        self.strength = strength
        self.epochs = []

    def network(self):
        return self.model

    def step(self, batch, number):
        loss = F.mse_loss(self.model(batch.images), batch.targets["scores"])
        w = self.model[1].weight  # (3, D)
        penalty = torch.trace(w.T @ torch.linalg.solve(self.omega + 1e-3 * torch.eye(3), w))
        self.descend(loss + self.strength * penalty, "W")
        return {"loss/scores": loss.detach()}

    def between(self, epoch):
        self.epochs.append(epoch)
        w = self.model[1].weight.detach()
        values, vectors = torch.linalg.eigh(w @ w.T)
        root = vectors @ values.clamp(min=0).sqrt().diag() @ vectors.T
        self.omega.copy_(root / root.trace())
        return {"graph/largest": self.omega.max()}


def graph_batches(plan):
    rng = np.random.default_rng(3)
    return make_batches(plan, scores=rng.normal(size=(COUNT, 3)).astype(np.float32))
