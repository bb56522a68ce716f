"""The ``attributes`` corpus: binary attributes drawn from a known task graph.

The names are CelebA's (Liu et al., 2015), the correlations are those of
:func:`mtl_helpers.faces.corpora.task_graphs.face_graph`, and what a label says is what a ruler
finds in the rendered picture (:mod:`mtl_helpers.faces.corpora.measures`), with a margin in which
there is no label. It serves Taherkhani et al. (2021): methods that learn how tasks belong together
can be compared with how they do.

Attributes of a person (the shape of the nose) are the same in all of the person's pictures;
attributes of a picture (a smile, a hat, the colour of the hair) are drawn anew for each, given the
person.

Every picture is drawn by generators keyed by the seed, the identity and the picture's place. An
identity's pictures are numbered one after the other, the identities' in order.

Note
----
CelebA has 40 attributes. Attractive is left out because it is nobody's measurable property;
Double_Chin, Straight_Hair and Wavy_Hair because a frontal picture of 64 pixels does not show what
the head model and the wardrobe can do about them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.corpus import PairList
from mtl_helpers.faces.corpora.task_graphs import FACE_GROUPS, TaskGraph, face_graph
from mtl_helpers.presets import Preset
from mtl_helpers.store import Field, Layout, Store, load_store

__all__ = [
    "ATTRIBUTES",
    "ATTRIBUTES_VERSION",
    "FIRST_IDENTITY",
    "GROUPS",
    "AttributesCorpus",
    "AttributesSpec",
    "load_attributes",
    "make_part",
]

ATTRIBUTES_VERSION = 1
"""Raised with every change of head, lights, paint, renderer, draws or measures that changes a pixel
or a label."""

FIRST_IDENTITY = 3_000_000
"""Number in the seed's population of this corpus's identity 0."""

GROUPS: Mapping[str, tuple[str, ...]] = FACE_GROUPS
"""The attributes by the groups of Hand and Chellappa (2017)."""

ATTRIBUTES: tuple[str, ...] = tuple(name for group in GROUPS.values() for name in group)
"""Names of the attributes, CelebA's, in the order of the groups."""

Split = Literal["train", "validation", "test"]
_SPLITS: tuple[Split, ...] = get_args(Split)

_STARVING_STREAM, _PAIR_STREAM = 0x73746172, 0x61707273
_LANDMARKS = 51
_FOLDS, _FOLD_PAIRS = 10, 300
_SIDE = 64
_SIDES = {"gpu": 128}
_PICTURES = {"smoke": 12}
_USUAL_PICTURES = 25


@dataclass(frozen=True)
class AttributesSpec:
    """All that decides an ``attributes`` corpus, byte for byte.

    Parameters
    ----------
    train_identities, validation_identities, test_identities
        Counts of identities; the three sets are disjoint.
    pictures
        Pictures of each identity.
    strength
        Strength of the task graph's links, 0 for independent attributes; see
        :func:`mtl_helpers.faces.corpora.task_graphs.face_graph`.
    starved
        Pairs of an attribute and the number of training pictures that keep its label; those of all
        others are withheld. A mapping may be given. It changes labels of the training split only,
        and no pixel.
    side
        Image side in pixels, at least 32: the measures need to see something.
    channels
        3 for RGB; 1 for grey, of the same pictures.
    seed
        Key of everything that is drawn at random.
    version
        Version of pixels and labels; :data:`ATTRIBUTES_VERSION` is the only one that this code can
        render.

    Raises
    ------
    ValueError
        If a number is out of range, or an unknown attribute is to be starved.
    """

    train_identities: int
    validation_identities: int
    test_identities: int
    pictures: int
    strength: float = 1.0
    starved: tuple[tuple[str, int], ...] = ()
    side: int = _SIDE
    channels: int = 3
    seed: int = 0
    version: int = ATTRIBUTES_VERSION

    def __post_init__(self) -> None:
        """Check the values and bring them to plain, hashable types."""
        whole = ("train_identities", "validation_identities", "test_identities", "pictures")
        for name in (*whole, "side", "channels", "seed", "version"):
            value = getattr(self, name)
            if isinstance(value, bool) or int(value) != value or value < 0:
                raise ValueError(f"{name} must be a whole number of at least 0, not {value!r}.")
            object.__setattr__(self, name, int(value))
        if self.identities < 1 or self.pictures < 1:
            raise ValueError("A corpus needs at least one identity and one picture of each.")
        if self.side < 32 or self.channels not in (1, 3):
            raise ValueError(
                "A picture needs a side of at least 32 and 1 or 3 channels, not "
                f"side {self.side} and {self.channels} channels."
            )
        object.__setattr__(self, "strength", float(self.strength))
        starved = self.starved.items() if isinstance(self.starved, Mapping) else self.starved
        kept = {str(name): int(count) for name, count in starved}
        unknown = sorted(set(kept) - set(ATTRIBUTES))
        if unknown or min(kept.values(), default=0) < 0:
            raise ValueError(
                "starved must map attributes to numbers of at least 0, found "
                f"{kept}; the attributes are {', '.join(ATTRIBUTES)}."
            )
        object.__setattr__(self, "starved", tuple(sorted(kept.items())))
        face_graph(self.strength)  # refuses a strength that no graph can have

    @classmethod
    def from_preset(
        cls,
        preset: Preset,
        *,
        seed: int = 0,
        strength: float = 1.0,
        starved: Mapping[str, int] | None = None,
    ) -> AttributesSpec:
        """Return the specification of a preset's corpus.

        Parameters
        ----------
        preset
            Any preset; gives the counts of identities. An identity has 25 pictures, at the preset
            ``smoke`` 12. Pictures have 64 pixels a side, at ``gpu`` 128, and are in colour: hair
            and lips have one.
        seed
            Key of what is drawn at random; other seeds give other people.
        strength, starved
            As for the specification.
        """
        return cls(
            train_identities=preset.train_identities,
            validation_identities=preset.validation_identities,
            test_identities=preset.test_identities,
            pictures=_PICTURES.get(preset.name, _USUAL_PICTURES),
            strength=strength,
            starved=tuple((starved or {}).items()),
            side=_SIDES.get(preset.name, _SIDE),
            seed=seed,
        )

    @property
    def identities(self) -> int:
        """Number of identities in the three sets together."""
        return self.train_identities + self.validation_identities + self.test_identities

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one picture: (side, side), or (side, side, 3) in colour."""
        return (self.side, self.side) if self.channels == 1 else (self.side, self.side, 3)

    @property
    def graph(self) -> TaskGraph:
        """The task graph from which the attributes are drawn."""
        return face_graph(self.strength)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return self.identities * self.pictures

    def fingerprint(self) -> str:
        """Return a hash of all fields, the same in every process and on every machine."""
        return Layout("attributes", self.version, asdict(self), 0, ()).fingerprint

    def layout(self) -> Layout:
        """Return how the corpus lies in the cache: one part for each identity.

        Corpora that differ only in what is starved share their pictures.
        """
        count = len(ATTRIBUTES)
        return Layout(
            name="attributes",
            version=self.version,
            spec={name: value for name, value in asdict(self).items() if name != "starved"},
            parts=self.identities,
            fields=(
                Field("images", (self.pictures, *self.image_shape), "uint8"),
                Field("landmarks", (self.pictures, _LANDMARKS, 2), "float32"),
                Field("visible", (self.pictures, _LANDMARKS), "bool"),
                Field("labels", (self.pictures, count), "int8"),
                Field("drawn", (self.pictures, count), "int8"),
                Field("measures", (self.pictures, count), "float32"),
            ),
            part_name="identity",
        )

    def identity(self, index: ArrayLike) -> NDArray[np.int64]:
        """Return the numbers of the identities that pictures show.

        Raises
        ------
        IndexError
            If a picture's number is not in 0 .. ``len(self) - 1``.
        """
        numbers = np.asarray(index, dtype=np.int64)
        outside = numbers[(numbers < 0) | (numbers >= len(self))]
        if outside.size:
            raise IndexError(
                f"There is no picture {outside.flat[0]}; they are 0 to {len(self) - 1}."
            )
        return numbers // self.pictures

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
        return np.arange(identities.start * self.pictures, identities.stop * self.pictures)

    def withheld(self, attribute: str) -> NDArray[np.bool_]:
        """Return which pictures' labels of an attribute are withheld, (N,).

        Which training pictures keep theirs is a shuffle keyed by seed and attribute: those kept for
        a small number are among those kept for a larger one.
        """
        hidden = np.zeros(len(self), dtype=bool)
        kept = dict(self.starved).get(attribute)
        if kept is not None:
            train = self.split("train")
            key = [_STARVING_STREAM, self.seed, ATTRIBUTES.index(attribute)]
            hidden[np.random.default_rng(key).permutation(train)[kept:]] = True
        return hidden

    @property
    def class_counts(self) -> dict[str, int]:
        """Number of classes by task; of identities, those to train on."""
        return {"id": self.train_identities, **dict.fromkeys(ATTRIBUTES, 2)}


class AttributesCorpus:
    """A rendered ``attributes`` corpus, memory-mapped and read-only.

    Made by :func:`load_attributes`. It pickles as its place on disk, so it may be sent to other
    processes.

    Parameters
    ----------
    spec
        What the corpus holds.
    store
        Its arrays.

    Attributes
    ----------
    spec : AttributesSpec
        What the corpus holds.
    images : numpy.ndarray
        (N, side, side) uint8, or (N, side, side, 3) in colour.
    """

    def __init__(self, spec: AttributesSpec, store: Store) -> None:
        self.spec = spec
        self.store = store
        self.images = store.arrays["images"].reshape(len(spec), *spec.image_shape)
        self._withheld = np.stack([spec.withheld(name) for name in ATTRIBUTES], axis=1)  # (N, T)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.spec)

    def __repr__(self) -> str:
        """Return the sizes in a line."""
        return (
            f"AttributesCorpus({len(self):,} images of {self.spec.side} px: "
            f"{self.spec.identities} identities x {self.spec.pictures} pictures, "
            f"{len(ATTRIBUTES)} attributes)"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the place and not the pictures; what was verified here is not verified again."""
        return _reopen, (self.spec, self.store.directory)

    def _take(self, field: str, index: ArrayLike) -> Any:
        numbers = np.asarray(index, dtype=np.int64)
        return self.store.arrays[field][self.spec.identity(numbers), numbers % self.spec.pictures]

    def landmarks(self, index: ArrayLike) -> NDArray[np.float32]:
        """Return pixel coordinates (..., 51, 2) of the landmarks: x right, y down."""
        return np.asarray(self._take("landmarks", index))

    def visible(self, index: ArrayLike) -> NDArray[np.bool_]:
        """Return whether each landmark is seen, (..., 51)."""
        return np.asarray(self._take("visible", index))

    def attributes(self, index: ArrayLike) -> NDArray[np.int8]:
        """Return the labels of all attributes, (..., T) for :data:`ATTRIBUTES`.

        Parameters
        ----------
        index
            Numbers of pictures.

        Returns
        -------
        numpy.ndarray
            int8: 1 the attribute holds, 0 it does not, -1 no label: the measure lies in the
            margin, or the label is withheld.
        """
        numbers = np.asarray(index, dtype=np.int64)
        stored = np.asarray(self._take("labels", numbers), dtype=np.int8)
        return np.where(self._withheld[numbers], np.int8(-1), stored)

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
            and larger for the others; and every attribute as in :meth:`attributes`.
        """
        found = self.attributes(index).astype(np.int64)
        columns = {name: found[..., place] for place, name in enumerate(ATTRIBUTES)}
        return {"id": np.asarray(self.spec.identity(index)), **columns}

    def drawn(self, index: ArrayLike) -> NDArray[np.int8]:
        """Return what the task graph drew for pictures, (..., T), 0 or 1.

        That is what the generator was asked for; :meth:`attributes` is what it made.
        """
        return np.asarray(self._take("drawn", index))

    def measures(self, name: str, index: ArrayLike | None = None) -> NDArray[np.float32]:
        """Return the measure of an attribute.

        Parameters
        ----------
        name
            One of :data:`ATTRIBUTES`; see :data:`mtl_helpers.faces.corpora.measures.MEASURES`.
        index
            Numbers of pictures; all of them if absent.

        Returns
        -------
        numpy.ndarray
            float32 of the shape of ``index``, NaN where the picture does not show it.

        Raises
        ------
        ValueError
            If there is no such attribute.
        """
        if name not in ATTRIBUTES:
            raise ValueError(f"Unknown attribute {name!r}; choose one of: {', '.join(ATTRIBUTES)}.")
        numbers = np.arange(len(self)) if index is None else index
        return np.asarray(self._take("measures", numbers)[..., ATTRIBUTES.index(name)])

    def split(self, name: str) -> NDArray[np.int64]:
        """Return :meth:`AttributesSpec.split`."""
        return self.spec.split(name)

    @property
    def class_counts(self) -> dict[str, int]:
        """:attr:`AttributesSpec.class_counts`."""
        return self.spec.class_counts

    def pairs(self, split: str = "test") -> PairList:
        """Return pairs of pictures to verify, in ten folds that share no identity.

        Parameters
        ----------
        split
            Whose identities.

        Returns
        -------
        PairList
            In each fold as many pairs of one person as of two, at most 300 of each as in LFW. With
            under twenty identities there are half as many folds as those.

        Raises
        ------
        ValueError
            If the split is unknown, has fewer than two identities, or one picture of each.
        """
        people = np.array(self.spec.identity_range(split))
        each = self.spec.pictures
        if len(people) < 2 or each < 2:
            raise ValueError(
                f"Pairs need two identities with two pictures each, but the split {split!r} has "
                f"{len(people)} with {each}."
            )
        rng = np.random.default_rng([_PAIR_STREAM, self.spec.seed, _SPLITS.index(split)])
        folds = np.array_split(rng.permutation(people), min(_FOLDS, len(people) // 2))
        columns = []
        for number, members in enumerate(folds):
            pictures = (members[:, None] * each + np.arange(each)).ravel()
            first, second = (pictures[side] for side in np.triu_indices(len(pictures), 1))
            same = first // each == second // each
            count = min(_FOLD_PAIRS, int(same.sum()), int((~same).sum()))
            for kind in (True, False):
                chosen = np.sort(rng.choice(np.flatnonzero(same == kind), count, replace=False))
                columns.append(
                    (first[chosen], second[chosen], same[chosen], np.full(count, number))
                )
        return PairList(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def load_attributes(
    spec: AttributesSpec | Preset,
    processes: int | None = None,
    progress: bool = True,
    *,
    root: Path | None = None,
    device: str = "cpu",
    verify: bool = True,
    repair: bool = False,
) -> AttributesCorpus:
    """Open an ``attributes`` corpus, rendering it into the cache first if it is not there.

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
        Whether to check every byte of a corpus that is already there.
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
        spec = AttributesSpec.from_preset(spec)
    if spec.version != ATTRIBUTES_VERSION:
        raise ValueError(
            f"This code renders version {ATTRIBUTES_VERSION} of the attributes corpus, not version "
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
    return AttributesCorpus(spec, store)


def _reopen(spec: AttributesSpec, directory: Path) -> AttributesCorpus:
    return AttributesCorpus(spec, Store(directory, spec.layout(), verify=False))


def make_part(spec: AttributesSpec, part: int, device: str = "cpu") -> Mapping[str, np.ndarray]:
    """Render one identity.

    Parameters
    ----------
    spec
        The corpus.
    part
        The identity's number in it.
    device
        Where to render.

    Returns
    -------
    Mapping
        Arrays by the field names of :meth:`AttributesSpec.layout`.
    """
    # Imported where it is used: a corpus that is already there needs no renderer.
    from mtl_helpers.faces.corpora.attribute_drivers import render_person

    drawn = spec.graph.sample(spec.seed, FIRST_IDENTITY + part, spec.pictures)  # (P, T)
    person = render_person(
        dict(zip(ATTRIBUTES, drawn.T.astype(bool), strict=True)),
        seed=spec.seed,
        identity=FIRST_IDENTITY + part,
        side=spec.side,
        channels=spec.channels,
        device=device,
    )
    return {
        "images": person.images,
        "landmarks": person.landmarks,
        "visible": person.visible,
        "labels": np.stack([person.labels[name] for name in ATTRIBUTES], axis=1),
        "drawn": drawn,
        "measures": np.stack([person.measures[name] for name in ATTRIBUTES], axis=1).astype(
            np.float32
        ),
    }
