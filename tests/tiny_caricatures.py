"""Pictures of 32 x 32 pixels: photographs are patterns, caricatures their doubled negatives."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from mtl_helpers.corpus import CARICATURE, PHOTO
from mtl_helpers.faces.corpora.caricature import CaricatureCorpus, CaricatureSpec
from mtl_helpers.faces.corpora.wild import WildSpec
from mtl_helpers.papers.ming2021.experiments.networks import BranchedConfig
from mtl_helpers.papers.ming2021.experiments.pretraining import Pretraining
from mtl_helpers.papers.ming2021.model import TASKS, branched_network
from mtl_helpers.training.batches import Batches, BatchOrder
from mtl_helpers.training.plan import Plan

PEOPLE, EACH, SIDE = 5, 6, 32


def pictures(people=PEOPLE, each=EACH, seed=0):
    """Images (N, 32, 32), identities and modalities (N,): of everybody ``each`` of both kinds."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, 35, (people, 4, 4))
    identity, modality = (
        grid.ravel()
        for grid in np.meshgrid(
            np.arange(people), np.repeat([PHOTO, CARICATURE], each), indexing="ij"
        )
    )
    patterns = coarse.repeat(8, axis=1).repeat(8, axis=2)
    # drawings are negatives, so that what is learnt of photographs says little of them
    strength = np.where(modality == CARICATURE, -2.0, 1.0)[:, None, None]
    shown = strength * patterns[identity]
    noise = rng.normal(0, 12, (len(identity), SIDE, SIDE))
    return np.clip(128 + shown + noise, 0, 255).astype(np.uint8), identity, modality


def make_plan(**changes):
    settings = {
        "steps": 10, "batch": 12, "learning_rate": 0.02, "warmup_steps": 0, "average_decay": 0.0,
        "statistics_batches": 0,
    }  # fmt: skip
    return Plan(**(settings | changes))


def make_batches(plan, keep=None):
    """Batches of the pictures; ``keep(identity, modality)`` says which of them are there."""
    images, identity, modality = pictures()
    index = np.arange(len(images)) if keep is None else np.flatnonzero(keep(identity, modality))
    targets = {"id": identity[index], "modality": modality[index]}
    return Batches(images, index, targets, BatchOrder(len(index), plan.batch, plan.seed))


def network(tasks=TASKS, **changes):
    settings = {"width": 0.05, "channels": 1, "seed": 0} | changes
    return branched_network("small", tasks, PEOPLE, **settings)


# ---- corpora that need no renderer, for the experiments

SPEC = CaricatureSpec(8, 4, 12, photos=7, caricatures=7, side=SIDE)
PHOTOS = WildSpec(4, 0, 0, pictures=8, side=SIDE, channels=3)


def fake_caricatures(spec=SPEC, seed=0):
    """The corpus of a specification whose pictures are patterns of people under noise."""
    rng = np.random.default_rng(seed)
    each = spec.per_identity
    patterns = rng.normal(0, 30, (spec.identities, 1, 4, 4, 3)).repeat(8, 2).repeat(8, 3)
    noise = rng.normal(0, 20, (spec.identities, each, SIDE, SIDE, 3))
    arrays = {
        "images": np.clip(128 + patterns + noise, 0, 255).astype(np.uint8),
        "exaggeration": rng.uniform(1.5, 3.0, (spec.identities, each)).astype(np.float32),
    }
    return CaricatureCorpus(spec, SimpleNamespace(arrays=arrays))


class FakePhotos:
    """Photographs for pretraining: noise."""

    def __init__(self, spec=PHOTOS, seed=1):
        rng = np.random.default_rng(seed)
        self.images = rng.integers(0, 256, (len(spec), SIDE, SIDE, 3), dtype=np.uint8)
        self.class_counts = {"id": spec.train_identities}
        self.labels = lambda index: {"id": spec.identity(index)}
        self.split = lambda name: np.arange(len(spec))


def tiny_config(**changes):
    """A network that is pretrained in two steps and fine-tuned in three."""
    plan = make_plan(steps=2, batch=8)
    start = Pretraining("pretraining", 0, PHOTOS, plan, "small", 0.05)
    settings = {
        "arm": "any", "seed": 0, "corpus": SPEC, "pretraining": start,
        "plan": make_plan(steps=3, batch=8),
    }  # fmt: skip
    return BranchedConfig(**(settings | changes))
