"""How large everything is: corpus, network and training, under one of three names.

``smoke`` runs in seconds and shows only that the parts fit together; ``laptop`` makes the
numbers that the book prints; ``gpu`` has the sizes and the schedule of Yin and Liu (2018).
A preset is chosen by argument, else by the environment variable ``MTL_PRESET``, else it is
``laptop``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

__all__ = ["PRESETS", "Preset", "get_preset"]

_ALL_CAMERAS = (
    "11_0",
    "12_0",
    "09_0",
    "08_0",
    "13_0",
    "14_0",
    "05_1",
    "05_0",
    "04_1",
    "19_0",
    "20_0",
    "01_0",
    "24_0",
    "19_1",
    "08_1",
)
_ALL_EXPRESSIONS = ("neutral", "smile", "surprise", "squint", "disgust", "scream")


@dataclass(frozen=True)
class Preset:
    """Every size that a chapter depends on.

    ``pie`` has as many people to train on as the other corpora, and more to validate and to test,
    because the sample of test people is the larger part of an identification's error. They are
    asked about in galleries of ``gallery`` people. Cameras and shots have Multi-PIE's names and
    numbers (``"05_1"`` is frontal; 7 is the frontal flash, 0 and 19 have none). Every combination
    of identity, camera, shot and expression occurs once; training, validation and test identities
    are disjoint. ``width`` multiplies the channels of CASIA-Net; 1 gives the published
    320-dimensional feature. Schedules are those of
    :meth:`mtl_helpers.training.plan.Plan.rate`; ``average_decay`` 0 is off. With ``muon``, kernels
    are trained by it and all else by SGD; without, all by SGD.

    Note
    ----
    Yin and Liu (2018) train with batches of 4 for 20 epochs at 0.01, weight decay 5e-4, dropout
    0.4, without warm-up or averaging: that is ``gpu``. The other two presets have Muon, warm-up, a
    cosine schedule and averaging and no dropout: what a small budget can train to the end was
    measured by the experiment ``recipes``.
    """

    name: str
    side: int
    channels: int
    width: float
    train_identities: int
    validation_identities: int
    test_identities: int
    pie_validation_identities: int
    pie_test_identities: int
    gallery: int
    cameras: tuple[str, ...]
    shots: tuple[int, ...]
    expressions: tuple[str, ...]
    steps: int
    batch: int
    learning_rate: float
    warmup_steps: int
    schedule: Literal["cosine", "step"]
    weight_decay: float
    dropout: float
    average_decay: float
    muon: bool
    seeds: tuple[int, ...]

    @property
    def identities(self) -> int:
        """Number of identities in the three sets together."""
        return self.train_identities + self.validation_identities + self.test_identities

    @property
    def images(self) -> int:
        """Number of images in the ``pie`` corpus of this preset."""
        people = self.train_identities + self.pie_validation_identities + self.pie_test_identities
        return people * len(self.cameras) * len(self.shots) * len(self.expressions)


_SMOKE = Preset(
    name="smoke",
    side=32,
    channels=1,
    width=0.125,
    train_identities=12,
    validation_identities=6,
    test_identities=8,
    pie_validation_identities=6,
    pie_test_identities=8,
    gallery=4,
    cameras=("09_0", "13_0", "05_1", "04_1", "20_0"),
    shots=(0, 7, 14),
    expressions=("neutral", "smile", "surprise"),
    steps=40,
    batch=32,
    learning_rate=0.05,
    warmup_steps=5,
    schedule="cosine",
    weight_decay=5e-4,
    dropout=0.0,
    average_decay=0.9,
    muon=True,
    seeds=(0, 1),
)

_LAPTOP = Preset(
    name="laptop",
    side=48,
    channels=1,
    width=0.25,
    train_identities=300,
    validation_identities=40,
    test_identities=100,
    pie_validation_identities=100,
    pie_test_identities=400,
    gallery=100,
    cameras=_ALL_CAMERAS,
    shots=(0, 2, 5, 7, 11, 16),
    expressions=_ALL_EXPRESSIONS,
    steps=600,
    batch=128,
    learning_rate=0.1,
    warmup_steps=50,
    schedule="cosine",
    weight_decay=5e-4,
    dropout=0.0,
    average_decay=0.99,
    muon=True,
    seeds=(0, 1, 2, 3, 4),
)

_GPU = Preset(
    name="gpu",
    side=100,
    channels=1,
    width=1.0,
    train_identities=200,
    validation_identities=20,
    test_identities=137,
    pie_validation_identities=20,
    pie_test_identities=137,
    gallery=137,
    cameras=_ALL_CAMERAS,
    shots=tuple(range(20)),
    expressions=_ALL_EXPRESSIONS,
    # 20 epochs over 200 identities x 15 cameras x 20 shots x 6 expressions, four at a time
    steps=20 * 200 * 1800 // 4,
    batch=4,
    learning_rate=0.01,
    warmup_steps=0,
    schedule="step",
    weight_decay=5e-4,
    dropout=0.4,
    average_decay=0.0,
    muon=False,
    seeds=(0, 1, 2, 3, 4),
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (_SMOKE, _LAPTOP, _GPU)}


def get_preset(name: str | None = None) -> Preset:
    """Return the preset of that name.

    Parameters
    ----------
    name
        One of :data:`PRESETS`; if absent, the value of ``MTL_PRESET``, else ``"laptop"``.
    """
    source = "the argument"
    if name is None:
        name = os.environ.get("MTL_PRESET") or "laptop"
        source = "MTL_PRESET"
    try:
        return PRESETS[name]
    except KeyError:
        known = ", ".join(PRESETS)
        raise ValueError(
            f"Unknown preset {name!r} (from {source}); choose one of: {known}."
        ) from None
