"""The ``pie`` corpus: every identity under every camera, shot and expression, exactly once.

It has the factors of Multi-PIE (Gross et al., 2010) as Yin and Liu (2018, sections 3 and 4) use
them, rendered, so that every factor of every picture is known. The pictures stand in row-major
order of identity, camera, shot and expression: a picture's number follows from its factors by
arithmetic, and the factors from the number.

Note
----
Multi-PIE is not a full factorial: a subject shows two or three expressions in each of up to four
sessions, and not every subject came to every session. Here every combination occurs once, and
there are no sessions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.faces.corpora.rendered import (
    LANDMARK_COUNT,
    RenderedCorpus,
    RenderedSpec,
    head_model,
)
from mtl_helpers.faces.model.expression import EXPRESSIONS
from mtl_helpers.faces.scene.cameras import PIE_CAMERAS
from mtl_helpers.faces.scene.lights import (
    GALLERY_CAMERA,
    GALLERY_EXPRESSION,
    GALLERY_SHOT,
    PIE_SHOTS,
    SHOT_CONDITION,
)
from mtl_helpers.presets import Preset
from mtl_helpers.store import Field

__all__ = ["PIE_VERSION", "Factors", "PieCorpus", "PieSpec", "load_pie"]

PIE_VERSION = 2
"""Raised with every change of head, lights, paint or renderer that changes a pixel."""


class Factors(NamedTuple):
    """Where pictures stand in the factorial; each field a number, or arrays of one shape.

    Attributes
    ----------
    identity
        The identity's number: training identities first, then validation, then test.
    camera, shot, expression
        Places in the specification's ``cameras``, ``shots`` and ``expressions``.
    """

    identity: Any
    camera: Any
    shot: Any
    expression: Any


@dataclass(frozen=True)
class PieSpec(RenderedSpec):
    """All that decides a ``pie`` corpus, byte for byte; beside what every corpus has:

    Multi-PIE's camera names and shot numbers (0 to 19) and names out of
    :data:`mtl_helpers.faces.model.expression.EXPRESSIONS`, each in the order in which pictures are
    stored, and the number of ``channels``: 1 for grey, 3 for RGB.
    """

    name = "pie"

    cameras: tuple[str, ...]
    shots: tuple[int, ...]
    expressions: tuple[str, ...]
    channels: int = field(default=1, kw_only=True)
    version: int = field(default=PIE_VERSION, kw_only=True)

    def __post_init__(self) -> None:
        """Check the values and bring them to plain, hashable types."""
        super().__post_init__()
        object.__setattr__(self, "cameras", tuple(str(name) for name in self.cameras))
        object.__setattr__(self, "shots", tuple(int(shot) for shot in self.shots))
        object.__setattr__(self, "expressions", tuple(str(name) for name in self.expressions))
        _check_levels("cameras", self.cameras, tuple(PIE_CAMERAS))
        _check_levels("shots", self.shots, tuple(shot.number for shot in PIE_SHOTS))
        _check_levels("expressions", self.expressions, EXPRESSIONS)

    @classmethod
    def from_preset(cls, preset: Preset, *, seed: int = 0) -> PieSpec:
        """Return the specification of a preset's corpus; other seeds give other people."""
        return cls(
            train_identities=preset.train_identities,
            validation_identities=preset.pie_validation_identities,
            test_identities=preset.pie_test_identities,
            cameras=preset.cameras,
            shots=preset.shots,
            expressions=preset.expressions,
            side=preset.side,
            channels=preset.channels,
            seed=seed,
        )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Levels of identity, camera, shot and expression."""
        return (self.identities, len(self.cameras), len(self.shots), len(self.expressions))

    @property
    def per_identity(self) -> int:
        """Number of pictures of each identity."""
        _, cameras, shots, expressions = self.shape
        return cameras * shots * expressions

    def arrays(self) -> tuple[Field, ...]:
        """Return the arrays of one part; the shots of a camera share their landmarks."""
        _, cameras, shots, expressions = self.shape
        return (
            Field("images", (cameras, shots, expressions, *self.image_shape), "uint8"),
            Field("landmarks", (cameras, expressions, LANDMARK_COUNT, 2), "float32"),
            Field("visible", (cameras, expressions, LANDMARK_COUNT), "bool"),
        )

    def make_part(self, part: int, device: str = "cpu") -> Mapping[str, np.ndarray]:
        """Render one identity."""
        # imported where it is used: a corpus that is already there needs no renderer
        from mtl_helpers.faces.draw.render import render_identity

        rendered = render_identity(
            head_model(device),
            self.person(part),
            cameras=self.cameras,
            shots=self.shots,
            expressions=self.expressions,
            side=self.side,
            channels=self.channels,
            seed=self.seed,
            device=device,
        )
        return {
            "images": rendered.images,
            "landmarks": rendered.landmarks,
            "visible": rendered.visible,
        }

    # -- number <-> factors -------------------------------------------------------------------

    def factors(self, index: ArrayLike) -> Factors:
        """Return the factors of pictures: numbers, or arrays of the shape of ``index``."""
        numbers = _integers("index", index)
        _check_range("picture", numbers, len(self))
        return Factors(*(_plain(place) for place in np.unravel_index(numbers, self.shape)))

    def index(
        self, identity: ArrayLike, camera: ArrayLike, shot: ArrayLike, expression: ArrayLike
    ) -> Any:
        """Return the numbers of pictures: the inverse of :meth:`factors`.

        Places are numbers, or integer arrays that broadcast.
        """
        given = Factors(identity, camera, shot, expression)
        places = [
            _integers(name, place) for name, place in zip(Factors._fields, given, strict=True)
        ]
        for name, place, levels in zip(Factors._fields, places, self.shape, strict=True):
            _check_range(name, place, levels)
        return _plain(np.ravel_multi_index(np.broadcast_arrays(*places), self.shape))

    def at(
        self,
        identity: ArrayLike,
        camera: str = GALLERY_CAMERA,
        shot: int = GALLERY_SHOT,
        expression: str = GALLERY_EXPRESSION,
    ) -> Any:
        """Return the numbers of identities' pictures by Multi-PIE's names."""
        return self.index(
            identity,
            _place("camera", camera, self.cameras),
            _place("shot", shot, self.shots),
            _place("expression", expression, self.expressions),
        )

    def gallery(self, split: str) -> NDArray[np.int64]:
        """Return the numbers of the gallery: frontal, frontal flash, neutral, one per identity.

        Note
        ----
        Yin and Liu (2018) ask for one frontal image with neutral illumination and expression;
        that the neutral illumination is the frontal flash, shot 7, is our reading.
        """
        identities = np.asarray(self.identity_range(split), dtype=np.int64)
        return np.asarray(self.at(identities), dtype=np.int64)

    def probes(self, split: str) -> NDArray[np.int64]:
        """Return the numbers of a split's pictures that are not in the gallery, ascending."""
        return np.setdiff1d(self.split(split), self.gallery(split), assume_unique=True)

    # -- labels -------------------------------------------------------------------------------

    @property
    def yaw_degrees(self) -> tuple[int, ...]:
        """The yaw classes that occur, ascending; overhead cameras count as +-45."""
        return tuple(sorted({PIE_CAMERAS[name].label_deg for name in self.cameras}))

    @property
    def conditions(self) -> tuple[int, ...]:
        """The illumination conditions that occur, ascending; shots 0 and 19 are condition 0."""
        return tuple(sorted({int(SHOT_CONDITION[shot]) for shot in self.shots}))

    @property
    def class_counts(self) -> dict[str, int]:
        """Number of classes by task; of identities, those to train on."""
        return {
            "id": self.train_identities,
            "pos": len(self.yaw_degrees),
            "illum": len(self.conditions),
            "exp": len(self.expressions),
        }

    def labels(self, index: ArrayLike) -> dict[str, NDArray[np.int64]]:
        """Return the labels of pictures.

        ``"pos"`` is the place in :attr:`yaw_degrees`, ``"illum"`` in :attr:`conditions` and
        ``"exp"`` in ``expressions``.
        """
        factors = self.factors(np.asarray(index))
        yaw_of = [self.yaw_degrees.index(PIE_CAMERAS[name].label_deg) for name in self.cameras]
        light_of = [self.conditions.index(int(SHOT_CONDITION[shot])) for shot in self.shots]
        return {
            "id": np.asarray(factors.identity, dtype=np.int64),
            "pos": np.asarray(yaw_of, dtype=np.int64)[factors.camera],
            "illum": np.asarray(light_of, dtype=np.int64)[factors.shot],
            "exp": np.asarray(factors.expression, dtype=np.int64),
        }


class PieCorpus(RenderedCorpus[PieSpec], spec_class=PieSpec):
    """A rendered ``pie`` corpus. Made by :func:`load_pie`."""

    @property
    def contents(self) -> str:
        """What the corpus is made of, in a few words."""
        identities, cameras, shots, expressions = self.spec.shape
        return (
            f"{identities} identities x {cameras} cameras x {shots} shots x "
            f"{expressions} expressions"
        )

    def take(self, name: str, index: ArrayLike) -> Any:
        """Return pictures' entries of an array that has no axis of shots."""
        at = self.spec.factors(index)
        return self.store.arrays[name][at.identity, at.camera, at.expression]

    def labels(self, index: ArrayLike) -> dict[str, NDArray[np.int64]]:
        """Return :meth:`PieSpec.labels`."""
        return self.spec.labels(index)

    def gallery(self, split: str) -> NDArray[np.int64]:
        """Return :meth:`PieSpec.gallery`."""
        return self.spec.gallery(split)

    def probes(self, split: str) -> NDArray[np.int64]:
        """Return :meth:`PieSpec.probes`."""
        return self.spec.probes(split)

    @property
    def yaw_degrees(self) -> tuple[int, ...]:
        """:attr:`PieSpec.yaw_degrees`."""
        return self.spec.yaw_degrees


load_pie = PieCorpus.load


def _check_levels(name: str, levels: Sequence[Any], known: Sequence[Any]) -> None:
    if not levels:
        raise ValueError(f"A corpus needs at least one level of {name}, but none is given.")
    unknown = [level for level in levels if level not in known]
    if unknown:
        choice = ", ".join(str(level) for level in known)
        raise ValueError(f"Unknown {name} {unknown}; choose out of: {choice}.")
    if len(set(levels)) < len(levels):
        raise ValueError(f"Each of the {name} may occur once, but {list(levels)} repeats one.")


def _place(name: str, level: Any, levels: Sequence[Any]) -> int:
    if level not in levels:
        raise ValueError(
            f"This corpus has no {name} {level!r}; it has: {', '.join(map(str, levels))}."
        )
    return levels.index(level)


def _integers(name: str, value: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(value)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be of whole numbers, not of type {array.dtype}.")
    return array.astype(np.int64, copy=False)


def _check_range(name: str, numbers: NDArray[np.int64], count: int) -> None:
    outside = numbers[(numbers < 0) | (numbers >= count)]
    if outside.size:
        raise IndexError(f"There is no {name} {outside.flat[0]}; they are 0 to {count - 1}.")


def _plain(value: Any) -> Any:
    """A number for a 0-d result, so that ``spec.factors(5).camera`` is an int."""
    return int(value) if np.ndim(value) == 0 else np.asarray(value, dtype=np.int64)
