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

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
from mtl_helpers.store import Field, Layout, Store, load_store

__all__ = ["PIE_VERSION", "Factors", "PieCorpus", "PieSpec", "load_pie", "make_part"]

PIE_VERSION = 2
"""Raised with every change of head, lights, paint or renderer that changes a pixel."""

LANDMARK_COUNT = 51

Split = Literal["train", "validation", "test"]
_SPLITS: tuple[Split, ...] = ("train", "validation", "test")


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
class PieSpec:
    """All that decides a ``pie`` corpus, byte for byte.

    Parameters
    ----------
    train_identities, validation_identities, test_identities
        Counts of identities; the three sets are disjoint.
    cameras
        Multi-PIE camera names, in the order in which they are stored.
    shots
        Multi-PIE shot numbers, 0 to 19.
    expressions
        Names out of :data:`mtl_helpers.faces.model.expression.EXPRESSIONS`.
    side
        Image side in pixels.
    channels
        1 for grey, 3 for RGB.
    seed
        Key of everything that is drawn at random.
    version
        Version of the pixels; :data:`PIE_VERSION` is the only one that this code can render.

    Raises
    ------
    ValueError
        If a factor has no level, an unknown level or a level twice, or a size is out of range.
    """

    train_identities: int
    validation_identities: int
    test_identities: int
    cameras: tuple[str, ...]
    shots: tuple[int, ...]
    expressions: tuple[str, ...]
    side: int
    channels: int = 1
    seed: int = 0
    version: int = PIE_VERSION

    def __post_init__(self) -> None:
        """Check the values and bring them to plain, hashable types."""
        counts = ("train_identities", "validation_identities", "test_identities")
        for name in (*counts, "side", "channels", "seed", "version"):
            value = getattr(self, name)
            if isinstance(value, bool) or int(value) != value or value < 0:
                raise ValueError(f"{name} must be a whole number of at least 0, not {value!r}.")
            object.__setattr__(self, name, int(value))
        object.__setattr__(self, "cameras", tuple(str(name) for name in self.cameras))
        object.__setattr__(self, "shots", tuple(int(shot) for shot in self.shots))
        object.__setattr__(self, "expressions", tuple(str(name) for name in self.expressions))
        _check_levels("cameras", self.cameras, tuple(PIE_CAMERAS))
        _check_levels("shots", self.shots, tuple(shot.number for shot in PIE_SHOTS))
        _check_levels("expressions", self.expressions, EXPRESSIONS)
        if self.identities < 1:
            raise ValueError("A corpus needs at least one identity, but all three counts are 0.")
        if self.side < 1 or self.channels not in (1, 3):
            raise ValueError(
                "A picture needs a side of at least 1 and 1 or 3 channels, not "
                f"side {self.side} and {self.channels} channels."
            )

    @classmethod
    def from_preset(cls, preset: Preset, *, seed: int = 0) -> PieSpec:
        """Return the specification of a preset's corpus.

        Parameters
        ----------
        preset
            Any preset.
        seed
            Key of what is drawn at random; other seeds give other people.
        """
        return cls(
            train_identities=preset.train_identities,
            validation_identities=preset.validation_identities,
            test_identities=preset.test_identities,
            cameras=preset.cameras,
            shots=preset.shots,
            expressions=preset.expressions,
            side=preset.side,
            channels=preset.channels,
            seed=seed,
        )

    @property
    def identities(self) -> int:
        """Number of identities in the three sets together."""
        return self.train_identities + self.validation_identities + self.test_identities

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Levels of identity, camera, shot and expression."""
        return (self.identities, len(self.cameras), len(self.shots), len(self.expressions))

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one picture: (side, side), or (side, side, 3) in colour."""
        return (self.side, self.side) if self.channels == 1 else (self.side, self.side, 3)

    def __len__(self) -> int:
        """Return the number of pictures."""
        identities, cameras, shots, expressions = self.shape
        return identities * cameras * shots * expressions

    def fingerprint(self) -> str:
        """Return a hash of all fields, the same in every process and on every machine."""
        return self.layout().fingerprint

    def layout(self) -> Layout:
        """Return how the corpus lies in the cache: one part for each identity."""
        _, cameras, shots, expressions = self.shape
        return Layout(
            name="pie",
            version=self.version,
            spec=asdict(self),
            parts=self.identities,
            fields=(
                Field("images", (cameras, shots, expressions, *self.image_shape), "uint8"),
                Field("landmarks", (cameras, expressions, LANDMARK_COUNT, 2), "float32"),
                Field("visible", (cameras, expressions, LANDMARK_COUNT), "bool"),
            ),
            part_name="identity",
        )

    # -- number <-> factors -------------------------------------------------------------------

    def factors(self, index: ArrayLike) -> Factors:
        """Return the factors of pictures.

        Parameters
        ----------
        index
            A picture's number, or an integer array of any shape.

        Returns
        -------
        Factors
            Of numbers, or of arrays of the same shape.

        Raises
        ------
        IndexError
            If a number is not in 0 .. ``len(self) - 1``.
        TypeError
            If the numbers are not integers.
        """
        numbers = _integers("index", index)
        _check_range("picture", numbers, len(self))
        return Factors(*(_plain(place) for place in np.unravel_index(numbers, self.shape)))

    def index(
        self, identity: ArrayLike, camera: ArrayLike, shot: ArrayLike, expression: ArrayLike
    ) -> Any:
        """Return the numbers of pictures: the inverse of :meth:`factors`.

        Parameters
        ----------
        identity, camera, shot, expression
            Places as in :class:`Factors`; numbers or integer arrays that broadcast.

        Returns
        -------
        int or numpy.ndarray
            A number, or int64 of the broadcast shape.

        Raises
        ------
        IndexError
            If a place is out of range.
        TypeError
            If the places are not integers.
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
        """Return the numbers of identities' pictures by Multi-PIE's names.

        Parameters
        ----------
        identity
            An identity's number, or an integer array.
        camera, shot, expression
            A camera's name, a shot's number and an expression's name.

        Raises
        ------
        ValueError
            If the corpus does not hold the camera, shot or expression.
        """
        return self.index(
            identity,
            _place("camera", camera, self.cameras),
            _place("shot", shot, self.shots),
            _place("expression", expression, self.expressions),
        )

    def identity_range(self, split: str) -> range:
        """Return the numbers of a split's identities.

        Raises
        ------
        ValueError
            If the split is not ``"train"``, ``"validation"`` or ``"test"``.
        """
        if split not in _SPLITS:
            raise ValueError(f"Unknown split {split!r}; choose one of: {', '.join(_SPLITS)}.")
        counts = (self.train_identities, self.validation_identities, self.test_identities)
        place = _SPLITS.index(split)
        start = sum(counts[:place])
        return range(start, start + counts[place])

    def split(self, name: str) -> NDArray[np.int64]:
        """Return the numbers of all pictures of a split, ascending."""
        identities = self.identity_range(name)
        each = len(self) // self.identities
        return np.arange(identities.start * each, identities.stop * each, dtype=np.int64)

    def gallery(self, split: str) -> NDArray[np.int64]:
        """Return the numbers of the gallery: frontal, frontal flash, neutral, one an identity.

        Raises
        ------
        ValueError
            If the corpus lacks camera 05_1, shot 7 or the neutral expression.

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
        """Return the labels of pictures, each an int64 array of the shape of ``index``.

        Parameters
        ----------
        index
            Numbers of pictures.

        Returns
        -------
        dict
            ``"id"``: the identity's number, 0 .. ``train_identities`` - 1 for the training split
            and larger for the others; ``"pos"``: place in :attr:`yaw_degrees`; ``"illum"``: place
            in :attr:`conditions`; ``"exp"``: place in ``expressions``.
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


class PieCorpus:
    """A rendered ``pie`` corpus, memory-mapped and read-only. Made by :func:`load_pie`.

    It pickles as its place on disk, so it may be sent to other processes.

    Parameters
    ----------
    spec
        What the corpus holds.
    store
        Its arrays.

    Attributes
    ----------
    spec : PieSpec
        What the corpus holds.
    images : numpy.ndarray
        (N, side, side) uint8, or (N, side, side, 3) in colour.
    """

    def __init__(self, spec: PieSpec, store: Store) -> None:
        self.spec = spec
        self.store = store
        self.images = store.arrays["images"].reshape(len(spec), *spec.image_shape)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.spec)

    def __repr__(self) -> str:
        """Return the sizes in a line."""
        identities, cameras, shots, expressions = self.spec.shape
        return (
            f"PieCorpus({len(self):,} images of {self.spec.side} px: {identities} identities x "
            f"{cameras} cameras x {shots} shots x {expressions} expressions)"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the place and not the pictures; what was verified here is not verified again."""
        return _reopen, (self.spec, self.store.directory)

    def landmarks(self, index: ArrayLike) -> NDArray[np.float32]:
        """Return pixel coordinates (..., 51, 2) of the landmarks: x right, y down.

        Parameters
        ----------
        index
            Numbers of pictures. The centre of the first pixel is at (0.5, 0.5).
        """
        at = self.spec.factors(index)
        found = self.store.arrays["landmarks"][at.identity, at.camera, at.expression]
        return cast("NDArray[np.float32]", found)

    def visible(self, index: ArrayLike) -> NDArray[np.bool_]:
        """Return whether each landmark is seen, (..., 51).

        Parameters
        ----------
        index
            Numbers of pictures.
        """
        at = self.spec.factors(index)
        found = self.store.arrays["visible"][at.identity, at.camera, at.expression]
        return cast("NDArray[np.bool_]", found)

    def labels(self, index: ArrayLike) -> dict[str, NDArray[np.int64]]:
        """Return :meth:`PieSpec.labels`."""
        return self.spec.labels(index)

    def split(self, name: str) -> NDArray[np.int64]:
        """Return :meth:`PieSpec.split`."""
        return self.spec.split(name)

    def gallery(self, split: str) -> NDArray[np.int64]:
        """Return :meth:`PieSpec.gallery`."""
        return self.spec.gallery(split)

    def probes(self, split: str) -> NDArray[np.int64]:
        """Return :meth:`PieSpec.probes`."""
        return self.spec.probes(split)

    @property
    def class_counts(self) -> dict[str, int]:
        """:attr:`PieSpec.class_counts`."""
        return self.spec.class_counts

    @property
    def yaw_degrees(self) -> tuple[int, ...]:
        """:attr:`PieSpec.yaw_degrees`."""
        return self.spec.yaw_degrees


def load_pie(
    spec: PieSpec | Preset,
    processes: int | None = None,
    progress: bool = True,
    *,
    root: Path | None = None,
    device: str = "cpu",
    verify: bool = True,
    repair: bool = False,
) -> PieCorpus:
    """Open a ``pie`` corpus, rendering it into the cache first if it is not there.

    Parameters
    ----------
    spec
        A specification, or a preset that has one.
    processes
        Processes that render, one thread each; one per available core if absent.
    progress
        Whether to show a progress bar and messages while rendering.
    root
        The cache; ``MTL_CACHE`` or ``~/.cache/mtl_helpers`` if absent.
    device
        Where to render: ``"cpu"``, or a CUDA device, which a single process then uses.
    verify
        Whether to check every byte of a corpus that is already there: about half a second a
        gigabyte, once the file is in memory.
    repair
        Whether to render damaged identities anew instead of raising.

    Raises
    ------
    CacheError
        If the cache cannot be written, the disk is too small, or the corpus that is there is
        damaged or of another specification.
    ValueError
        If the specification is of another version than this code renders.
    """
    if isinstance(spec, Preset):
        spec = PieSpec.from_preset(spec)
    if spec.version != PIE_VERSION:
        raise ValueError(
            f"This code renders version {PIE_VERSION} of the pie corpus, not version "
            f"{spec.version}; use the release of mtl_helpers that made it."
        )
    store = load_store(
        spec.layout(),
        functools.partial(make_part, spec, device=device),
        root=root,
        processes=processes if device == "cpu" else 1,
        progress=progress,
        verify=verify,
        repair=repair,
    )
    return PieCorpus(spec, store)


def _reopen(spec: PieSpec, directory: Path) -> PieCorpus:
    return PieCorpus(spec, Store(directory, spec.layout(), verify=False))


def make_part(spec: PieSpec, part: int, device: str = "cpu") -> Mapping[str, np.ndarray]:
    """Render one identity.

    Parameters
    ----------
    spec
        The corpus.
    part
        The identity's number.
    device
        Where to render.

    Returns
    -------
    Mapping
        Arrays by the field names of :meth:`PieSpec.layout`.
    """
    # Imported where it is used: a corpus that is already there needs no renderer.
    from mtl_helpers.faces.draw.render import render_identity
    from mtl_helpers.faces.model.identity import sample_identities

    rendered = render_identity(
        _head(device),
        sample_identities(1, spec.seed, start=part)[0],
        cameras=spec.cameras,
        shots=spec.shots,
        expressions=spec.expressions,
        side=spec.side,
        channels=spec.channels,
        seed=spec.seed,
        device=device,
    )
    return {
        "images": rendered.images,
        "landmarks": rendered.landmarks,
        "visible": rendered.visible,
    }


@functools.cache
def _head(device: str) -> Any:
    from mtl_helpers.faces.model.head import HeadModel

    return HeadModel.load(device)


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
