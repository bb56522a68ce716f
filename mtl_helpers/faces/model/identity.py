"""Identities: who a face is, drawn so that number ``i`` is the same in every corpus of a seed.

An identity is a shape (phenotype, local changes, an outline of the head) and the colours of its
skin, lips, brows and irises. Nothing is fitted to people: phenotype numbers and changes are drawn
from plain distributions, wide enough to tell some hundreds of faces apart at 48 pixels and narrow
enough that two of them can be confused.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.model.head import PHENOTYPES, HeadModel

_STREAM: Final = 0x66616365

# Standard deviation of a signed local change, by the region that begins its name.
_SPREADS: Final = {
    "cheek": 0.46,
    "chin": 0.46,
    "ear": 0.42,
    "eyebrows": 0.48,
    "eye": 0.42,
    "forehead": 0.42,
    "head": 0.36,
    "mouth": 0.42,
    "neck": 0.25,
    "nose": 0.46,
}
# Changes that shift a whole region, open the jaw, only move the neck or shape what is never seen.
_UNUSED: Final = frozenset(
    {
        *("head-trans-forward", "head-trans-up", "head-trans-out", "chin-jaw-drop-incr"),
        *("measure-neck-circ-incr", "measure-neck-height-incr", "neck-scale-vert-incr"),
        *("neck-trans-forward", "neck-trans-up", "neck-trans-out", "neck-scale-depth-incr"),
        *("mouth-lowerlip-middle-up", "mouth-upperlip-middle-up", "mouth-scale-depth-incr"),
        *("mouth-angles-up", "mouth-dimples-out", "nose-septumangle-incr"),
    }
)
# Changes that are no mirror pairs yet move the face to one side: they get the spread of asymmetry.
_SIDEWAYS: Final = frozenset({"nose-trans-out", "mouth-trans-out"})
# Changes whose full range is larger than the others'.
_FACTORS: Final = {
    "forehead-nubian-incr": 0.3,
    "l-eye-trans-out": 0.5,
    "head-age-incr": 0.5,
    "head-fat-incr": 0.7,
    "head-scale-vert-incr": 0.7,
    "nose-compression-uncompress": 0.5,
    "nose-curve-convex": 0.7,
    "nose-hump-incr": 0.7,
    "chin-prognathism-incr": 0.6,
}
_ASYMMETRY: Final = 0.06
_LARGEST_CHANGE: Final = 1.0
# Standard deviation and upper end of an outline, a half-normal number.
_OUTLINE, _LARGEST_OUTLINE = 0.25, 0.6
# Muscle and weight are drawn from Beta(x, x).
_MUSCLE, _WEIGHT = 3.0, 2.5


@dataclass(frozen=True)
class Identity:
    """One person: the neutral shape's ``coefficients`` (K,), the phenotype, and colours.

    ``phenotype`` holds the numbers of :data:`mtl_helpers.faces.model.head.PHENOTYPES`; the races
    sum to 1. Ranges of the rest: ``skin_tone`` 0 (light) to 1 (dark); ``skin_redness`` -1 (sallow)
    to 1 (ruddy); ``lip_darkness`` and ``lip_redness`` 0 (as the skin) to 1; ``brow_darkness`` 0
    (fair) to 1 (black); ``brow_thickness`` 0.6 to 1.5 of the usual; ``brow_density`` 0.45 to 1;
    ``iris`` linear RGB reflectance; ``unevenness`` of the skin, the strength of its blotches, 0.05
    to 0.3, in a ``pattern`` that a number selects; ``gloss``, the strength of its highlight, 0.02
    to 0.1.
    """

    index: int
    coefficients: Tensor
    phenotype: dict[str, float]
    skin_tone: float
    skin_redness: float
    lip_darkness: float
    lip_redness: float
    brow_darkness: float
    brow_thickness: float
    brow_density: float
    iris: tuple[float, float, float]
    unevenness: float
    gloss: float
    pattern: int


@dataclass(frozen=True)
class IdentityBatch:
    """Several identities, field by field; ``batch[i]`` is an :class:`Identity`.

    Fields are (n,), but ``coefficients`` (n, K) float32, ``iris`` (n, 3), and ``phenotypes`` (n, 7)
    in the order of :data:`mtl_helpers.faces.model.head.PHENOTYPES`.
    """

    index: NDArray[np.int64]
    coefficients: Tensor
    phenotypes: NDArray[np.float64]
    skin_tone: NDArray[np.float64]
    skin_redness: NDArray[np.float64]
    lip_darkness: NDArray[np.float64]
    lip_redness: NDArray[np.float64]
    brow_darkness: NDArray[np.float64]
    brow_thickness: NDArray[np.float64]
    brow_density: NDArray[np.float64]
    iris: NDArray[np.float64]
    unevenness: NDArray[np.float64]
    gloss: NDArray[np.float64]
    pattern: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, place: int) -> Identity:
        """Return the identity at a place of the batch (not its number)."""
        return Identity(
            index=int(self.index[place]),
            coefficients=self.coefficients[place],
            phenotype=dict(zip(PHENOTYPES, self.phenotypes[place].tolist(), strict=True)),
            skin_tone=float(self.skin_tone[place]),
            skin_redness=float(self.skin_redness[place]),
            lip_darkness=float(self.lip_darkness[place]),
            lip_redness=float(self.lip_redness[place]),
            brow_darkness=float(self.brow_darkness[place]),
            brow_thickness=float(self.brow_thickness[place]),
            brow_density=float(self.brow_density[place]),
            iris=tuple(self.iris[place].tolist()),
            unevenness=float(self.unevenness[place]),
            gloss=float(self.gloss[place]),
            pattern=int(self.pattern[place]),
        )


class _Colours(TypedDict):
    """The fields of :class:`Identity` that hold colours and their patterns."""

    skin_tone: float
    skin_redness: float
    lip_darkness: float
    lip_redness: float
    brow_darkness: float
    brow_thickness: float
    brow_density: float
    iris: tuple[float, float, float]
    unevenness: float
    gloss: float
    pattern: int


@functools.cache
def _head() -> HeadModel:
    return HeadModel.load()


@functools.cache
def _changes() -> tuple[tuple[tuple[str, ...], float], ...]:
    """Return the changes that vary: their names (two for a mirror pair) and their spread."""
    pairs = []
    for name in _head().change_names:
        if name in _UNUSED or name.startswith("r-"):
            continue
        bare = name.removeprefix("l-")
        region = bare.split("-")[0]
        spread = _SPREADS[region] * _FACTORS.get(name, 1.0)
        names = (name, "r-" + bare) if name.startswith("l-") else (name,)
        pairs.append((names, _ASYMMETRY if name in _SIDEWAYS else spread))
    return tuple(pairs)


def sample_identities(n: int, seed: int, start: int = 0) -> IdentityBatch:
    """Draw identities ``start`` to ``start + n - 1`` of a seed.

    Identity ``i`` is the same whatever ``n`` and ``start`` are, for each has a generator keyed by
    the seed and its own number.
    """
    if n < 1 or seed < 0 or start < 0:
        raise ValueError(
            f"expected n of at least 1 and seed and start of at least 0, found n={n}, "
            f"seed={seed}, start={start}; correct them"
        )
    people = [_draw(seed, index) for index in range(start, start + n)]
    columns: dict[str, NDArray[np.generic]] = {
        field.name: np.array([getattr(person, field.name) for person in people])
        for field in dataclasses.fields(Identity)
        if field.name not in ("coefficients", "phenotype")
    }
    phenotypes = np.array([list(person.phenotype.values()) for person in people])
    coefficients = torch.stack([person.coefficients for person in people])  # (n, K)
    return IdentityBatch(coefficients=coefficients, phenotypes=phenotypes, **columns)  # type: ignore[arg-type]


def _draw(seed: int, index: int) -> Identity:
    rng = np.random.default_rng([_STREAM, seed, index])
    phenotype = _draw_phenotype(rng)
    changes: dict[str, float] = {}
    for names, spread in _changes():
        shared = spread * rng.standard_normal()
        leans = _ASYMMETRY * rng.standard_normal(2)
        for side, name in enumerate(names):
            value = shared + (leans[side] if len(names) == 2 else 0.0)
            changes[name] = float(np.clip(value, -_LARGEST_CHANGE, _LARGEST_CHANGE))
    outlines = np.clip(
        _OUTLINE * rng.standard_normal(len(_head().shape_names)), 0, _LARGEST_OUTLINE
    )
    shapes = dict(zip(_head().shape_names, outlines.tolist(), strict=True))
    coefficients = _head().coefficients(phenotype, changes=changes, shapes=shapes)
    return Identity(
        index=index, coefficients=coefficients, phenotype=phenotype, **_draw_colours(rng, phenotype)
    )


def _draw_phenotype(rng: np.random.Generator) -> dict[str, float]:
    """Draw an adult: mostly of one gender and one race, of any age from 20 or so upward."""
    return {
        "gender": float(rng.beta(0.4, 0.4)),
        "age": float(0.60 + 0.40 * rng.beta(1.0, 1.6)),
        "muscle": float(rng.beta(_MUSCLE, _MUSCLE)),
        "weight": float(rng.beta(_WEIGHT, _WEIGHT)),
        **dict(zip(PHENOTYPES[4:], rng.dirichlet((0.5, 0.5, 0.5)).tolist(), strict=True)),
    }


def expected_coefficients(phenotype: Mapping[str, float]) -> Tensor:
    """Return the mean shape (K,) of all identities of one gender, age and ancestry.

    Muscle and weight, which are personal, are averaged over like everything else. Vertices are
    linear in coefficients, so the mean coefficients give the mean face.
    """
    head = _head()
    row = torch.zeros(len(head.coefficient_names))
    # the phenotype's rows are linear in the weights of the three anchors of muscle and of weight
    grid = [(*m, *w) for m in _expected_anchors(_MUSCLE) for w in _expected_anchors(_WEIGHT)]
    muscle, muscle_share, weight, weight_share = torch.tensor(grid).T  # (9,) each
    rows = head.phenotype_coefficients(dict(phenotype) | {"muscle": muscle, "weight": weight})
    row[: rows.shape[1]] = (muscle_share * weight_share) @ rows  # (9,) x (9, 72)
    for names, spread in _changes():
        sd = math.hypot(spread, _ASYMMETRY) if len(names) == 2 else spread
        for name in names:
            positive = head.index(f"change:{name}")
            # a change and its opposite are drawn equally often and stand one after the other
            row[positive : positive + 2] = _expected_part(sd, _LARGEST_CHANGE)
    for name in head.shape_names:
        row[head.index(f"shape:{name}")] = _expected_part(_OUTLINE, _LARGEST_OUTLINE)
    return row


def _expected_part(sd: float, largest: float) -> float:
    """Mean of a normal number of mean 0 that is clipped to 0 .. ``largest``."""
    bound = largest / sd
    density = (1 - math.exp(-(bound**2) / 2)) / math.sqrt(2 * math.pi)
    return sd * density + largest * 0.5 * math.erfc(bound / math.sqrt(2))


@functools.cache
def _expected_anchors(shape: float) -> tuple[tuple[float, float], ...]:
    """The anchors 0, 1/2, 1 and their mean interpolation weights under Beta(shape, shape)."""
    places = (np.arange(4096) + 0.5) / 4096
    density = (places * (1 - places)) ** (shape - 1)
    ends = 0.5 * float(np.sum(density * np.abs(2 * places - 1)) / density.sum())
    return (0.0, ends), (0.5, 1 - 2 * ends), (1.0, ends)


def _draw_colours(rng: np.random.Generator, phenotype: Mapping[str, float]) -> _Colours:
    """Draw the colours; only the ranges of skin, brow and iris follow the phenotype."""
    african, asian, caucasian = (phenotype[race] for race in PHENOTYPES[4:])
    tone = 0.72 * african + 0.30 * asian + 0.20 * caucasian + 0.10 * rng.standard_normal()
    greying = max(0.0, (phenotype["age"] - 0.8) / 0.2)
    darkness = 1.0 - caucasian * 0.7 * rng.random() - 0.4 * greying * rng.random()
    light_eyes = caucasian > 0.5 and rng.random() < 0.5
    brown = np.array([0.15, 0.068, 0.026]) * (0.12 + 0.75 * rng.random() ** 1.5)
    blue, green = np.array([0.16, 0.27, 0.42]), np.array([0.20, 0.26, 0.13])
    mix = rng.random()
    pale = (mix * blue + (1 - mix) * green) * (0.6 + 0.6 * rng.random())
    iris = pale if light_eyes else brown
    return {
        "skin_tone": float(np.clip(tone, 0.02, 0.95)),
        "skin_redness": float(np.clip(0.4 * rng.standard_normal(), -1, 1)),
        "lip_darkness": float(rng.beta(2, 2)),
        "lip_redness": float(rng.beta(2, 2)),
        "brow_darkness": float(np.clip(darkness, 0, 1)),
        "brow_thickness": float(
            np.clip(1.12 - 0.3 * phenotype["gender"] + 0.2 * rng.standard_normal(), 0.6, 1.5)
        ),
        "brow_density": float(0.45 + 0.55 * rng.random()),
        "iris": (float(iris[0]), float(iris[1]), float(iris[2])),
        "unevenness": float(0.05 + 0.25 * rng.random()),
        "gloss": float(0.02 + 0.08 * rng.random()),
        "pattern": int(rng.integers(2**31)),
    }
