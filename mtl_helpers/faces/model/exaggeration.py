"""Caricature by exaggeration: what sets a face apart from its like, made larger.

A caricaturist draws what is unusual about somebody, and unusual compared with people of the same
kind: a woman's caricature is not more of a woman. So the mean that a face is compared with is the
mean of its own gender, age and ancestry
(:func:`mtl_helpers.faces.model.identity.expected_coefficients`):

    v = v_mean + a (v_id - v_mean),

after Brennan, "Caricature generator: the dynamic exaggeration of faces by computer", Leonardo 18
(1985). Vertices are linear in the head model's coefficients, so the same formula holds for these,
and a factor ``a`` of its own for each region of the face is a factor on that region's coefficients.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.model.head import load_asset
from mtl_helpers.faces.model.identity import Identity, expected_coefficients

__all__ = [
    "REGIONS",
    "distinctness",
    "exaggerate",
    "exaggerate_colours",
    "region_factors",
    "region_of_coefficients",
]

_PREFIXES: Final = {
    "nose": ("change:nose",),
    "eyes": ("change:l-eye", "change:r-eye"),
    "brows": ("change:eyebrows",),
    "mouth": ("change:mouth",),
    "jaw": ("change:chin",),
    "cheeks": ("change:l-cheek", "change:r-cheek"),
    "ears": ("change:l-ear", "change:r-ear"),
    "forehead": ("change:forehead",),
    "head": ("change:head", "change:neck", "change:measure-neck", "shape:", "race:", "body:"),
}

REGIONS: Final[tuple[str, ...]] = tuple(_PREFIXES)
"""nose, eyes, brows, mouth, jaw, cheeks, ears, forehead, head; the last holds the outline of the
head, its proportions, neck and build."""

# How far a coefficient may go: beyond 1, what is added fades so that it never gets there.
_LIMIT: Final = 1.7
# These fold the mesh over itself earlier; the number is about where the first triangles turn.
_LIMITS: Final = {
    "nose-scale-depth-decr": 1.1,
    "nose-flaring-decr": 1.3,
    "eyebrows-angle-up": 1.15,
    "eye-epicanthus-out": 1.05,
    "eye-eyefold-down": 1.05,
    "ear-flap-incr": 1.3,
    "ear-scale-decr": 1.4,
    "mouth-trans-up": 1.4,
    "mouth-trans-down": 1.3,
    "mouth-trans-forward": 1.3,
    "chin-prognathism-decr": 1.3,
    "chin-prognathism-incr": 1.4,
    "ear-wing-decr": 1.3,
    "ear-wing-incr": 1.4,
}

# Means of an identity's colours; that of a brow's thickness is for a gender of 0 (male).
_COLOUR_MEANS: Final = {
    "skin_redness": 0.0,
    "lip_darkness": 0.5,
    "lip_redness": 0.5,
    "brow_thickness": 1.12,
    "brow_density": 0.725,
}
_BROW_THICKNESS_BY_GENDER: Final = -0.3
_COLOUR_RANGES: Final = {
    "skin_redness": (-1.5, 1.5),
    "lip_darkness": (0.0, 1.0),
    "lip_redness": (0.0, 1.0),
    "brow_thickness": (0.4, 2.2),
    "brow_density": (0.3, 1.0),
}


@functools.cache
def _names() -> tuple[str, ...]:
    return tuple(str(name) for name in load_asset()["coefficient_names"])


@functools.cache
def region_of_coefficients() -> NDArray[np.int64]:
    """Return the place in :data:`REGIONS` of every coefficient, (K,); facial actions have -1."""
    places = np.full(len(_names()), -1)
    for place, prefixes in enumerate(_PREFIXES.values()):
        places[[name.startswith(prefixes) for name in _names()]] = place
    places.flags.writeable = False
    return places


@functools.cache
def _limits() -> Tensor:
    """How far each coefficient may go, (K,)."""
    limits = torch.full((len(_names()),), _LIMIT)
    for index, name in enumerate(_names()):
        bare = name.removeprefix("change:").removeprefix("l-").removeprefix("r-")
        limits[index] = _LIMITS.get(bare, _LIMIT)
    return limits


@functools.lru_cache(maxsize=64)
def _mean(*phenotype: tuple[str, float]) -> Tensor:
    """The mean of a phenotype's like, (K,); a corpus asks for an identity's many times."""
    return expected_coefficients(dict(phenotype))


def region_factors(amount: float | Mapping[str, float], elsewhere: float = 1.0) -> dict[str, float]:
    """Return the factor ``a`` of every region: one for the whole face, or some by name.

    ``elsewhere`` is the factor of the regions that ``amount`` leaves out.
    """
    if isinstance(amount, Mapping):
        unknown = sorted(set(amount) - set(REGIONS))
        if unknown:
            raise ValueError(
                f"expected regions among {', '.join(REGIONS)}, found {', '.join(unknown)}; "
                "correct their names"
            )
        factors = dict.fromkeys(REGIONS, float(elsewhere)) | {
            name: float(value) for name, value in amount.items()
        }
    else:
        factors = dict.fromkeys(REGIONS, float(amount))
    wrong = [value for value in factors.values() if not 0 <= value < math.inf]
    if wrong:
        raise ValueError(
            f"expected factors of at least 0, found {wrong[0]}; 1 gives the identity, 2 doubles "
            "what sets it apart"
        )
    return factors


def exaggerate(
    identity: Identity,
    amount: float | Mapping[str, float],
    *,
    elsewhere: float = 1.0,
    limited: bool = True,
) -> Tensor:
    """Return the neutral shape (K,) of an identity's caricature; expressions may be added to it.

    Parameters
    ----------
    amount
        The factor ``a``: 1 gives the identity, 0 the mean of its gender, age and ancestry, 1.5 to 3
        a caricature. A mapping gives regions factors of their own, ``elsewhere`` all others.
    limited
        Whether coefficients that would leave the range in which faces can be drawn are held back: a
        coefficient c above 1 becomes ``1 + (l - 1) tanh((c - 1) / (l - 1))``, which never reaches
        its limit l, mostly 1.7. Without it the formula holds exactly.

    Note
    ----
    Muscle and weight are not part of the mean: a heavy face becomes heavier. Identities draw
    coefficients within -1 and 1, on which the limit does nothing, so that ``a = 1`` gives back the
    identity.
    """
    factors = region_factors(amount, elsewhere)
    mean = _mean(*identity.phenotype.items())  # (K,)
    by_region = torch.tensor([*factors.values(), 1.0])  # the last is for facial actions, at -1
    factor = by_region[torch.from_numpy(region_of_coefficients().copy())]  # (K,)
    own = identity.coefficients.to("cpu", torch.float32)
    # written so that a factor of 1 gives the coefficient back to the bit
    row = own + (factor - 1) * (own - mean)
    if not limited:
        return row
    room = _limits() - 1
    return torch.where(row > 1, 1 + room * torch.tanh((row - 1) / room), row)


def exaggerate_colours(identity: Identity, amount: float) -> Identity:
    """Return an identity whose brows, lips and redness are exaggerated, clipped to their ranges.

    ``amount`` is the factor ``a`` on the difference from the mean colours of the same gender.
    Shape, iris and the lightness of the skin stay: a caricature does not paint anybody lighter or
    darker.
    """
    factor = region_factors(amount)["brows"]
    changed = {}
    for name, mean in _COLOUR_MEANS.items():
        if name == "brow_thickness":
            mean += _BROW_THICKNESS_BY_GENDER * identity.phenotype["gender"]
        own = getattr(identity, name)
        low, high = _COLOUR_RANGES[name]
        # an identity's own value may lie on the edge of its range, and a = 1 must give it back
        value = min(max(own + (factor - 1) * (own - mean), low), high)
        changed[name] = own if factor == 1 else value
    return dataclasses.replace(identity, **changed)


def distinctness(identity: Identity) -> NDArray[np.float64]:
    """Return how far an identity is from the mean in each region, (9,), in the regions' order.

    The root mean square of the deviations of a region's coefficients, each in units of its own
    spread over identities, so that 1 is usual. It is what a caricaturist would look for.
    """
    deviation = (identity.coefficients - _mean(*identity.phenotype.items())).numpy()
    spread = _spreads()
    regions = region_of_coefficients()
    distances = np.zeros(len(REGIONS))
    for place in range(len(REGIONS)):
        members = (regions == place) & (spread > 0)
        distances[place] = np.sqrt(np.mean((deviation[members] / spread[members]) ** 2))
    return distances


@functools.cache
def _spreads() -> NDArray[np.float64]:
    """Standard deviation of each coefficient about its mean, (K,); 0 where it does not vary.

    That of a change follows from its mean m: a normal number of mean 0 and standard deviation s,
    cut at 0, has mean s / sqrt(2 pi) and variance s^2 (1/2 - 1/(2 pi)). Clipping at 1 is left out.
    The phenotype's rows are left out too, for gender, age and ancestry move them most.
    """
    mean = expected_coefficients({"gender": 0.5, "age": 0.7}).numpy().astype(np.float64)
    personal = [name.startswith(("change:", "shape:")) for name in _names()]
    spread = mean * math.sqrt(2 * math.pi) * math.sqrt(0.5 - 1 / (2 * math.pi))
    return np.where(personal, spread, 0.0)
