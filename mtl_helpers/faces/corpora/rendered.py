"""What all rendered corpora share: the specification, the corpus in the cache, and how it is built.

A corpus is a frozen specification, from which every byte follows, and a class that reads its store.
Both derive from the classes here, which know identities, splits, landmarks and the cache; a corpus
adds its own factors and labels, and renders one identity at a time (`RenderedSpec.make_part`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.corpus import PairList
from mtl_helpers.presets import Preset
from mtl_helpers.store import Field, Layout, Store, load_store

if TYPE_CHECKING:
    from mtl_helpers.faces.model.head import HeadModel
    from mtl_helpers.faces.model.identity import Identity

__all__ = [
    "RenderedCorpus",
    "RenderedSpec",
    "balanced_pairs",
    "head_model",
    "identities_in_folds",
    "load_corpus",
    "pairs_in_folds",
]

LANDMARK_COUNT = 51
FOLDS = 10


@dataclass(frozen=True)
class RenderedSpec:
    """All that decides a corpus, byte for byte. Pictures are numbered identity by identity.

    The three sets of identities are disjoint; ``side`` is in pixels; ``seed`` keys everything that
    is drawn at random; ``version`` is that of the pixels, of which this code can render one.
    """

    name: ClassVar[str]
    """Name of the corpus, also in the cache."""
    first_identity: ClassVar[int] = 0
    """Number in the seed's population of the corpus's identity 0."""
    least_side: ClassVar[int] = 1
    splits: ClassVar[tuple[str, ...]] = ("train", "validation", "test")
    corpus_class: ClassVar[type[RenderedCorpus[Any]]]

    train_identities: int
    validation_identities: int
    test_identities: int
    side: int = field(kw_only=True)
    seed: int = field(default=0, kw_only=True)
    version: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        """Check the values and bring whole numbers to plain integers."""
        for entry in fields(self):
            if entry.type == "int":
                value = getattr(self, entry.name)
                if isinstance(value, bool) or int(value) != value or value < 0:
                    raise ValueError(
                        f"{entry.name} must be a whole number of at least 0, not {value!r}."
                    )
                object.__setattr__(self, entry.name, int(value))
        if self.identities < 1:
            raise ValueError("A corpus needs at least one identity, but all three counts are 0.")
        if self.side < self.least_side or self.channels not in (1, 3):
            raise ValueError(
                f"A picture needs a side of at least {self.least_side} and 1 or 3 channels, not "
                f"side {self.side} and {self.channels} channels."
            )

    @classmethod
    def from_preset(cls, preset: Preset, *, seed: int = 0) -> Self:
        """Return the specification of a preset's corpus; other seeds give other people."""
        raise NotImplementedError

    @staticmethod
    def identity_counts(preset: Preset) -> dict[str, int]:
        """Return a preset's counts of identities, as arguments of a specification."""
        return {
            name: getattr(preset, name)
            for name in ("train_identities", "validation_identities", "test_identities")
        }

    @property
    def identities(self) -> int:
        """Number of identities in the three sets together."""
        return self.train_identities + self.validation_identities + self.test_identities

    @property
    def per_identity(self) -> int:
        """Number of pictures of each identity."""
        raise NotImplementedError

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return 3

    @property
    def class_counts(self) -> dict[str, int]:
        """Number of classes by task; of identities, those to train on."""
        raise NotImplementedError

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one picture: (side, side), or (side, side, 3) in colour."""
        return (self.side, self.side) if self.channels == 1 else (self.side, self.side, 3)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return self.identities * self.per_identity

    # -- the cache ----------------------------------------------------------------------------

    def fingerprint(self) -> str:
        """Return a hash of all fields, the same in every process and on every machine."""
        return Layout(self.name, self.version, asdict(self), 0, ()).fingerprint

    def layout(self) -> Layout:
        """Return how the corpus lies in the cache: one part for each identity."""
        return Layout(
            name=self.name,
            version=self.version,
            spec=self.rendered_fields(),
            parts=self.identities,
            fields=self.arrays(),
            part_name="identity",
        )

    def rendered_fields(self) -> dict[str, Any]:
        """Return the fields that decide what is stored: corpora that share them share a store."""
        return asdict(self)

    def arrays(self) -> tuple[Field, ...]:
        """Return the arrays of one part."""
        each = self.per_identity
        return (
            Field("images", (each, *self.image_shape), "uint8"),
            Field("landmarks", (each, LANDMARK_COUNT, 2), "float32"),
            Field("visible", (each, LANDMARK_COUNT), "bool"),
        )

    def make_part(self, part: int, device: str = "cpu") -> Mapping[str, np.ndarray]:
        """Render one identity: the arrays of :meth:`arrays` by name."""
        raise NotImplementedError

    # -- identities and splits ----------------------------------------------------------------

    def person(self, number: int) -> Identity:
        """Return who an identity of the corpus is."""
        from mtl_helpers.faces.model.identity import sample_identities

        return sample_identities(1, self.seed, start=self.first_identity + number)[0]

    def identity(self, index: ArrayLike) -> NDArray[np.int64]:
        """Return the numbers of the identities that pictures show."""
        numbers = np.asarray(index, dtype=np.int64)
        outside = numbers[(numbers < 0) | (numbers >= len(self))]
        if outside.size:
            raise IndexError(
                f"There is no picture {outside.flat[0]}; they are 0 to {len(self) - 1}."
            )
        return numbers // self.per_identity

    def identity_range(self, split: str) -> range:
        """Return the numbers of a split's identities."""
        if split not in self.splits:
            raise ValueError(f"Unknown split {split!r}; choose one of: {', '.join(self.splits)}.")
        end_of_train = self.train_identities
        end_of_validation = end_of_train + self.validation_identities
        if split == "validation":
            return range(end_of_train, end_of_validation)
        if split == "test":
            return range(end_of_validation, self.identities)
        return range(end_of_train)

    def pictures_of(self, identities: ArrayLike) -> NDArray[np.int64]:
        """Return the numbers of all pictures of identities, identity by identity."""
        people = np.asarray(identities, dtype=np.int64).reshape(-1, 1)
        return (people * self.per_identity + np.arange(self.per_identity)).ravel()

    def split(self, name: str) -> NDArray[np.int64]:
        """Return the numbers of a split's pictures, ascending."""
        return self.pictures_of(np.array(self.identity_range(name)))


SpecT = TypeVar("SpecT", bound=RenderedSpec)


class RenderedCorpus(Generic[SpecT]):
    """A rendered corpus, memory-mapped and read-only. Made by :meth:`load`.

    It pickles as its place on disk, so it may be sent to other processes. ``images`` are (N, side,
    side) uint8, or (N, side, side, 3) in colour.
    """

    spec_class: ClassVar[type[RenderedSpec]]

    def __init_subclass__(cls, *, spec_class: type[RenderedSpec], **options: Any) -> None:
        """Tie the corpus to its specification."""
        super().__init_subclass__(**options)
        cls.spec_class = spec_class
        spec_class.corpus_class = cls

    def __init__(self, spec: SpecT, store: Store) -> None:
        self.spec = spec
        self.store = store
        self.images: NDArray[np.uint8] = store.arrays["images"].reshape(
            len(spec), *spec.image_shape
        )

    @classmethod
    def load(
        cls,
        spec: SpecT | Preset,
        processes: int | None = None,
        progress: bool = True,
        *,
        root: Path | None = None,
        device: str = "cpu",
        verify: bool = True,
        repair: bool = False,
    ) -> Self:
        """Open a corpus, rendering it into the cache first if it is not there.

        Parameters
        ----------
        spec
            A specification, or a preset that has one.
        processes
            Processes that render, one thread each; one per available core if absent.
        root
            The cache; ``MTL_CACHE`` or ``~/.cache/mtl_helpers`` if absent.
        device
            Where to render: ``"cpu"``, or a CUDA device, which a single process then uses.
        verify
            Whether to check every byte of a corpus that is already there: about half a second per
            gigabyte, once the file is in memory.
        repair
            Whether to render damaged identities anew instead of raising.
        """
        specification: Any = cls.spec_class.from_preset(spec) if isinstance(spec, Preset) else spec
        newest = cls.spec_class.version
        if specification.version != newest:
            raise ValueError(
                f"This code renders version {newest} of the {specification.name} corpus, not "
                f"version {specification.version}; use the release of mtl_helpers that made it."
            )
        store = load_store(
            specification.layout(),
            functools.partial(specification.make_part, device=device),
            root=root,
            processes=processes if device == "cpu" else 1,
            progress=progress,
            verify=verify,
            repair=repair,
        )
        return cls(specification, store)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.spec)

    def __repr__(self) -> str:
        """Return the sizes in a line."""
        return (
            f"{type(self).__name__}({len(self):,} images of {self.spec.side} px: {self.contents})"
        )

    @property
    def contents(self) -> str:
        """What the corpus is made of, in a few words."""
        return f"{self.spec.identities} identities x {self.spec.per_identity} pictures"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the place and not the pictures; what was verified here is not verified again."""
        return _reopen, (self.spec, self.store.directory)

    def take(self, name: str, index: ArrayLike) -> Any:
        """Return pictures' entries of a stored array."""
        numbers = np.asarray(index, dtype=np.int64)
        return self.store.arrays[name][
            self.spec.identity(numbers), numbers % self.spec.per_identity
        ]

    def landmarks(self, index: ArrayLike) -> NDArray[np.float32]:
        """Return pixel coordinates (..., 51, 2): x right, y down, first pixel's centre at 0.5."""
        return np.asarray(self.take("landmarks", index))

    def visible(self, index: ArrayLike) -> NDArray[np.bool_]:
        """Return whether each landmark is seen, (..., 51)."""
        return np.asarray(self.take("visible", index))

    def labels(self, index: ArrayLike) -> dict[str, NDArray[np.int64]]:
        """Return the labels of pictures, each an int64 array of the shape of ``index``.

        ``"id"`` is 0 .. ``train_identities`` - 1 in the training split and larger in the others.
        """
        raise NotImplementedError

    def split(self, name: str) -> NDArray[np.int64]:
        """Return the numbers of a split's pictures, ascending."""
        return self.spec.split(name)

    @property
    def class_counts(self) -> dict[str, int]:
        """Number of classes by task; of identities, those to train on."""
        return self.spec.class_counts


def _reopen(spec: RenderedSpec, directory: Path) -> RenderedCorpus[Any]:
    return spec.corpus_class(spec, Store(directory, spec.layout(), verify=False))


def load_corpus(
    spec: RenderedSpec,
    processes: int | None = None,
    progress: bool = True,
    *,
    root: Path | None = None,
    repair: bool = False,
) -> RenderedCorpus[Any]:
    """Open any corpus by its specification; see :meth:`RenderedCorpus.load`."""
    if not isinstance(spec, RenderedSpec):
        raise TypeError(
            f"Expected the specification of a corpus, found {type(spec).__name__}; make one with "
            "from_preset."
        )
    return spec.corpus_class.load(spec, processes, progress, root=root, repair=repair)


@functools.cache
def head_model(device: str = "cpu") -> HeadModel:
    """Return the head model, read once per process and device."""
    # imported here: a corpus that is already in the cache needs no head
    from mtl_helpers.faces.model.head import HeadModel

    return HeadModel.load(device)


# -- pairs ----------------------------------------------------------------------------------------

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]


def balanced_pairs(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    per_identity: int,
    count: int,
    rng: np.random.Generator,
) -> Pairs:
    """Draw pairs out of P candidates: ``count`` of one person, which come first, and of two.

    There are fewer where there are not so many, but as many of one kind as of the other.
    """
    same = first // per_identity == second // per_identity
    each = min(count, int(same.sum()), int((~same).sum()))
    drawn = np.concatenate(
        [
            np.sort(rng.choice(np.flatnonzero(same == kind), each, replace=False))
            for kind in (True, False)
        ]
    )
    return first[drawn], second[drawn], same[drawn]


def identities_in_folds(
    people: NDArray[np.int64], rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Deal identities out to ten folds; with under twenty, to half as many folds as those."""
    if len(people) < 2:
        raise ValueError(f"Pairs need at least two identities, found {len(people)}.")
    return np.array_split(rng.permutation(people), min(FOLDS, len(people) // 2))


def pairs_in_folds(
    folds: Iterable[NDArray[np.int64]], pairs_of: Callable[[NDArray[np.int64]], Pairs]
) -> PairList:
    """Join the pairs that ``pairs_of`` gives for the identities of each fold."""
    columns = []
    for number, members in enumerate(folds):
        pairs = pairs_of(members)
        columns.append([*pairs, np.full(len(pairs[0]), number)])
    return PairList(*(np.concatenate(column) for column in zip(*columns, strict=True)))
