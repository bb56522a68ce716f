"""The six expressions of Multi-PIE as facial actions of the head model.

Multi-PIE (Gross et al., "Multi-PIE", Image and Vision Computing 2010) records neutral, smile,
surprise, squint, disgust and scream. Here each is a set of facial actions with strengths, and each
person shows it with strengths of their own, as the people of Multi-PIE do.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor

from mtl_helpers.faces.model.head import load_asset

_STREAM: Final = 0x65787072

_BOTH: Final[dict[str, dict[str, float]]] = {
    "neutral": {},
    "smile": {
        "mouthSmile": 0.85,
        "cheekSquint": 0.55,
        "mouthUpperUp": 0.25,
        "mouthDimple": 0.25,
        "mouthStretch": 0.15,
        "eyeSquint": 0.20,
    },
    "surprise": {"browOuterUp": 0.9, "eyeWide": 0.9},
    "squint": {
        "eyeSquint": 1.0,
        "eyeBlink": 0.35,
        "browDown": 0.8,
        "cheekSquint": 0.8,
        "noseSneer": 0.3,
        "mouthPress": 0.3,
    },
    "disgust": {
        "noseSneer": 1.0,
        "mouthUpperUp": 0.75,
        "browDown": 0.75,
        "mouthFrown": 0.45,
        "cheekSquint": 0.5,
        "eyeSquint": 0.5,
    },
    "scream": {
        "mouthStretch": 0.7,
        "mouthLowerDown": 0.6,
        "mouthUpperUp": 0.5,
        "eyeSquint": 0.6,
        "eyeBlink": 0.3,
        "cheekSquint": 0.5,
        "noseSneer": 0.4,
    },
}
_MIDDLE: Final[dict[str, dict[str, float]]] = {
    "smile": {"jawOpen": 0.08},
    "surprise": {"browInnerUp": 0.9, "jawOpen": 0.5, "mouthFunnel": 0.2},
    "disgust": {"mouthShrugUpper": 0.3, "jawOpen": 0.04},
    "scream": {"jawOpen": 0.95, "browInnerUp": 0.3},
}

EXPRESSIONS: Final[tuple[str, ...]] = tuple(_BOTH)
"""neutral, smile, surprise, squint, disgust, scream: the order of the corpus's `exp` label."""


@functools.cache
def _places() -> Mapping[str, int]:
    """Return the place of each facial action among the K coefficients."""
    names = [str(name) for name in load_asset()["coefficient_names"]]
    return {name[7:]: index for index, name in enumerate(names) if name.startswith("action:")}


def _check(name: str) -> None:
    if name not in _BOTH:
        raise ValueError(
            f"expected an expression among {', '.join(EXPRESSIONS)}, found {name!r}; "
            "correct the name"
        )


def expression_actions(name: str) -> dict[str, float]:
    """Return the usual strength of each facial action (ARKit's names) of an expression."""
    _check(name)
    sided = {
        f"{action}{side}": value
        for action, value in _BOTH[name].items()
        for side in ("Left", "Right")
    }
    return sided | _MIDDLE.get(name, {})


def expression_coefficients(
    name: str, strength: float = 1.0, rng: np.random.Generator | None = None
) -> Tensor:
    """Return an expression as coefficients (K,) of the head model, to be added to an identity's.

    They are zero but for facial actions, each within [0, 1]. A strength of 1 is usual, 0 the
    neutral face. ``rng`` draws how this face shows the expression: an overall strength of 0.75 to
    1.1, each action's own factor of 0.7 to 1.2, and sides that differ by up to 8 %.
    """
    _check(name)
    row = torch.zeros(len(load_asset()["coefficient_names"]))
    places = _places()
    overall = 1.0 if rng is None else 0.75 + 0.35 * rng.random()
    for action, value in _BOTH[name].items():
        own, lean = (1.0, 0.0) if rng is None else (0.7 + 0.5 * rng.random(), rng.random() - 0.5)
        for side, sign in (("Left", 1), ("Right", -1)):
            amount = strength * overall * own * value * (1 + 0.08 * sign * lean)
            row[places[action + side]] = min(max(amount, 0.0), 1.0)
    for action, value in _MIDDLE.get(name, {}).items():
        own = 1.0 if rng is None else 0.7 + 0.5 * rng.random()
        row[places[action]] = min(max(strength * overall * own * value, 0.0), 1.0)
    return row


def identity_expression(name: str, *, seed: int, identity: int) -> Tensor:
    """Return how one identity of a corpus shows an expression: (K,), always the same.

    Seed, identity and expression key the generator, so the result depends on nothing else.
    """
    _check(name)
    rng = np.random.default_rng([_STREAM, seed, identity, EXPRESSIONS.index(name)])
    return expression_coefficients(name, rng=rng)
