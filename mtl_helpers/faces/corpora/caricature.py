"""The ``caricature`` corpus: every identity in photographs and in drawn caricatures.

It serves the protocols of Ming, Burie and Luqman (2021): those of CaVI (Garg et al., "Deep cross
modal learning for caricature verification and identification", ACM Multimedia 2018), which has 10
to 15 pictures of each modality for an identity, and those of WebCaricature (Huo et al.,
"WebCaricature: a benchmark for caricature recognition", BMVC 2018), which has 252 people.

An identity's pictures are numbered one after the other, photographs first. A photograph shows the
person in a pose of up to 40 degrees, a light, an expression and a look of its own. A caricature
shows the person's shape exaggerated (`mtl_helpers.faces.model.exaggeration`), as a whole or in the
regions that set the person apart, with a stronger expression, and drawn in one of the styles of
`mtl_helpers.faces.draw.styles`. Every identity is drawn equally often in every style, up to one
picture, so that a style says nothing of who is shown.

Note
----
The people of a seed are others than those of ``pie`` and ``wild`` with the same seed: identity
``i`` of this corpus is number ``FIRST_IDENTITY + i`` of the population. A trunk that was pretrained
on another corpus has therefore seen nobody of this one.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.corpus import IdentificationSplit, PairList
from mtl_helpers.faces.draw.styles import STYLES, Sight, draw
from mtl_helpers.faces.model.exaggeration import (
    REGIONS,
    distinctness,
    exaggerate,
    exaggerate_colours,
    region_factors,
)
from mtl_helpers.faces.model.expression import EXPRESSIONS, expression_coefficients
from mtl_helpers.faces.scene.cameras import Camera
from mtl_helpers.presets import Preset
from mtl_helpers.store import Field, Layout, Store, load_store

if TYPE_CHECKING:
    from torch import Tensor

    from mtl_helpers.faces.draw.scenes import Light, Scene
    from mtl_helpers.faces.model.identity import Identity

__all__ = [
    "CARICATURE",
    "CARICATURE_VERSION",
    "FIRST_IDENTITY",
    "MODALITIES",
    "PHOTO",
    "CaricatureCorpus",
    "CaricaturePicture",
    "CaricatureSpec",
    "draw_picture",
    "load_caricature",
    "make_part",
    "render_picture",
]

CARICATURE_VERSION = 1
"""Raised with every change of head, lights, paint, renderer, styles or draws that changes a
pixel."""

FIRST_IDENTITY = 2_000_000
"""Number in the seed's population of this corpus's identity 0."""

MODALITIES: Final = ("photo", "caricature")
"""The order of the `modality` label."""

PHOTO, CARICATURE = 0, 1

Split = Literal["train", "identification", "validation", "test"]

_STREAM, _LOOK_STREAM, _STYLE_STREAM = 0x63617269, 0x636C6F6F, 0x63737479
_PAIR_STREAM, _SPLIT_STREAM = 0x63706169, 0x6373706C
_FOLDS = 10
_SPLITS = 10
# The finer grid that is drawn on has at least this many samples a side, and two a pixel.
_SAMPLES = 128
_PRESETS: Final = {
    # training, validation and test identities, photographs and caricatures of each, side
    "smoke": (12, 4, 8, 7, 7, 48),
    "laptop": (126, 26, 100, 14, 14, 64),
    "gpu": (126, 26, 100, 14, 14, 100),
}


@dataclass(frozen=True)
class CaricatureSpec:
    """All that decides a ``caricature`` corpus, byte for byte.

    Parameters
    ----------
    train_identities, validation_identities, test_identities
        Counts of identities; the three sets are disjoint.
    photos, caricatures
        Pictures of each identity in each modality, at least 4. They are the same for everybody, so
        that no identity and no modality is rarer than another.
    side
        Image side in pixels, at least 16. Pictures have three channels.
    seed
        Key of everything that is drawn at random.
    version
        Version of the pixels; :data:`CARICATURE_VERSION` is the only one that this code can render.

    Raises
    ------
    ValueError
        If a number is out of range.

    Note
    ----
    CaVI has 10 to 15 pictures of each modality for an identity; WebCaricature has 1 to 114
    caricatures and 7 to 59 photographs.
    """

    train_identities: int
    validation_identities: int
    test_identities: int
    photos: int
    caricatures: int
    side: int
    seed: int = 0
    version: int = CARICATURE_VERSION

    def __post_init__(self) -> None:
        """Check the values and bring them to plain integers."""
        for name, value in asdict(self).items():
            if isinstance(value, bool) or int(value) != value or value < 0:
                raise ValueError(f"{name} must be a whole number of at least 0, not {value!r}.")
            object.__setattr__(self, name, int(value))
        if self.identities < 1:
            raise ValueError("A corpus needs at least one identity, but all three counts are 0.")
        if min(self.photos, self.caricatures) < 4:
            raise ValueError(
                "An identity needs at least 4 pictures of each modality, not "
                f"{self.photos} photos and {self.caricatures} caricatures."
            )
        if self.side < 16:
            raise ValueError(f"A drawing needs a side of at least 16 pixels, not {self.side}.")

    @classmethod
    def from_preset(cls, preset: Preset, *, seed: int = 0) -> CaricatureSpec:
        """Return the specification of a preset's corpus.

        Parameters
        ----------
        preset
            ``smoke`` has 24 identities with 7 pictures of each modality, of 48 pixels; ``laptop``
            252 with 14, of 64 pixels, and ``gpu`` the same, of 100 pixels. Any other preset gets
            its own counts of identities and its side, with 14.
        seed
            Key of what is drawn at random; other seeds give other people.
        """
        counts = (preset.train_identities, preset.validation_identities, preset.test_identities)
        numbers = _PRESETS.get(preset.name, (*counts, 14, 14, preset.side))
        return cls(*numbers, seed=seed)

    @property
    def channels(self) -> int:
        """Always 3."""
        return 3

    @property
    def identities(self) -> int:
        """Number of identities in the three sets together."""
        return self.train_identities + self.validation_identities + self.test_identities

    @property
    def pictures(self) -> int:
        """Pictures of each identity, both modalities."""
        return self.photos + self.caricatures

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one picture: (side, side, 3)."""
        return (self.side, self.side, 3)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return self.identities * self.pictures

    def fingerprint(self) -> str:
        """Return a hash of all fields, the same in every process and on every machine."""
        return self.layout().fingerprint

    def layout(self) -> Layout:
        """Return how the corpus lies in the cache: one part for each identity."""
        return Layout(
            name="caricature",
            version=self.version,
            spec=asdict(self),
            parts=self.identities,
            fields=(
                Field("images", (self.pictures, *self.image_shape), "uint8"),
                Field("landmarks", (self.pictures, 51, 2), "float32"),
                Field("visible", (self.pictures, 51), "bool"),
                Field("landmarks_17", (self.pictures, 17, 2), "float32"),
                Field("exaggeration", (self.pictures,), "float32"),
                Field("factors", (self.pictures, len(REGIONS)), "float32"),
            ),
            part_name="identity",
        )

    # -- numbers and labels -------------------------------------------------------------------

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
            and larger for the others; ``"modality"``: place in :data:`MODALITIES`; ``"style"``:
            place in :data:`mtl_helpers.faces.draw.styles.STYLES`, -1 for a photograph.
        """
        identity = self.identity(index)
        place = np.asarray(index, dtype=np.int64) % self.pictures
        return {
            "id": np.asarray(identity),
            "modality": np.asarray(place >= self.photos, dtype=np.int64),
            "style": _styles(self)[identity, place],
        }

    @property
    def class_counts(self) -> dict[str, int]:
        """Number of classes by task; of identities, those to train on."""
        return {"id": self.train_identities, "modality": len(MODALITIES), "style": len(STYLES)}

    def pictures_of(self, identities: ArrayLike, modality: int | None = None) -> NDArray[np.int64]:
        """Return the numbers of identities' pictures, identity by identity.

        Parameters
        ----------
        identities
            (I,) numbers of identities.
        modality
            :data:`PHOTO` or :data:`CARICATURE`; both if absent.
        """
        first = 0 if modality != CARICATURE else self.photos
        last = self.pictures if modality != PHOTO else self.photos
        people = np.asarray(identities, dtype=np.int64).reshape(-1, 1)
        return (people * self.pictures + np.arange(first, last)).ravel()

    # -- CaVI's form --------------------------------------------------------------------------

    def identity_range(self, split: str) -> range:
        """Return the numbers of a split's identities.

        Raises
        ------
        ValueError
            If the split is not ``"train"``, ``"identification"``, ``"validation"`` or ``"test"``.
        """
        if split not in get_args(Split):
            raise ValueError(
                f"Unknown split {split!r}; choose one of: {', '.join(get_args(Split))}."
            )
        train, validation = self.train_identities, self.validation_identities
        if split in ("train", "identification"):
            return range(train)
        start = train if split == "validation" else train + validation
        return range(start, train + validation if split == "validation" else self.identities)

    def split(self, name: str) -> NDArray[np.int64]:
        """Return the numbers of a split's pictures, ascending.

        Parameters
        ----------
        name
            ``"train"``: the training identities' pictures, all but the last two sevenths of each
            modality; ``"identification"``: those held back, for the accuracy of a classifier of
            the training identities; ``"validation"`` and ``"test"``: all pictures of identities
            that training never sees, for verification.

        Note
        ----
        In CaVI's protocol the identities of training and of verification are disjoint, and
        caricature and photograph identification are classification of known identities.
        """
        pictures = self.pictures_of(np.array(self.identity_range(name)))
        if name in ("validation", "test"):
            return pictures
        place = pictures % self.pictures
        photo = place < self.photos
        count = np.where(photo, self.photos, self.caricatures)
        place = np.where(photo, place, place - self.photos)
        held = place >= count - np.maximum(1, 2 * count // 7)
        return pictures[held] if name == "identification" else pictures[~held]

    def pairs(self, split: str = "test", *, count: int = 3000) -> PairList:
        """Return pairs of a photograph and a caricature of a split, in one fold (CaVI's form).

        Parameters
        ----------
        split
            Whose identities.
        count
            Pairs of one person, and as many of two; fewer where there are not so many.

        Returns
        -------
        PairList
            ``first`` are photographs and ``second`` caricatures; none occurs twice.

        Raises
        ------
        ValueError
            If the split is unknown or has fewer than two identities.
        """
        members = np.array(self.identity_range(split))
        rng = np.random.default_rng([_PAIR_STREAM, self.seed, 1 + get_args(Split).index(split)])
        columns = _fold_pairs(self, self.split(split), members, count, rng)
        return PairList(*columns, np.zeros(len(columns[0]), dtype=np.int64))

    # -- WebCaricature's form -----------------------------------------------------------------

    def folds(self) -> tuple[NDArray[np.int64], ...]:
        """Return the identities of the ten folds of verification, each ascending.

        They are drawn from *all* identities, whatever the splits of CaVI's form; with under twenty
        identities there are half as many folds as those.
        """
        rng = np.random.default_rng([_SPLIT_STREAM, self.seed, _SPLITS + 1])
        order = rng.permutation(self.identities)
        count = max(min(_FOLDS, self.identities // 2), 1)
        return tuple(np.sort(fold) for fold in np.array_split(order, count))

    def verification(self, *, count: int = 1000) -> PairList:
        """Return pairs of a photograph and a caricature in ten folds that share no identity.

        Parameters
        ----------
        count
            Pairs of one person in a fold, and as many of two; fewer where there are not so many.

        Returns
        -------
        PairList
            ``first`` are photographs and ``second`` caricatures. Under the *restricted* protocol
            one learns from the pairs of the nine other folds and from nothing else; under the
            *unrestricted* one from :meth:`unrestricted_training`.

        Raises
        ------
        ValueError
            If there are fewer than two identities.
        """
        rng = np.random.default_rng([_PAIR_STREAM, self.seed, 0])
        columns = []
        for number, members in enumerate(self.folds()):
            found = _fold_pairs(self, self.pictures_of(members), members, count, rng)
            columns.append([*found, np.full(len(found[0]), number)])
        return PairList(*(np.concatenate(column) for column in zip(*columns, strict=True)))

    def restricted_training(self, fold: int, *, count: int = 1000) -> PairList:
        """Return the pairs from which the restricted protocol learns when it tests on a fold.

        Parameters
        ----------
        fold
            The fold that is tested on.
        count
            As for :meth:`verification`.

        Returns
        -------
        PairList
            The pairs of the other folds, these numbered anew.

        Raises
        ------
        IndexError
            If there is no such fold.
        """
        pairs = self.verification(count=count)
        if not 0 <= fold < pairs.folds:
            raise IndexError(f"There is no fold {fold}; they are 0 to {pairs.folds - 1}.")
        kept = pairs.fold != fold
        number = pairs.fold[kept]
        return PairList(
            pairs.first[kept], pairs.second[kept], pairs.same[kept], number - (number > fold)
        )

    def unrestricted_training(self, fold: int) -> NDArray[np.int64]:
        """Return the pictures from which the unrestricted protocol learns, ascending.

        Parameters
        ----------
        fold
            The fold that is tested on: all pictures of the other folds' identities may be used,
            and who they show.

        Raises
        ------
        IndexError
            If there is no such fold.
        """
        folds = self.folds()
        if not 0 <= fold < len(folds):
            raise IndexError(f"There is no fold {fold}; they are 0 to {len(folds) - 1}.")
        others = [members for number, members in enumerate(folds) if number != fold]
        return self.pictures_of(np.sort(np.concatenate(others)))

    def identification(self, number: int) -> IdentificationSplit:
        """Return one of the random splits of the identities into two halves.

        Parameters
        ----------
        number
            0 is the split for development (WebCaricature's ``FR_Train_dev``), 1 to 10 are those
            whose results are averaged (``FR_Train1`` to ``FR_Train10``).

        Raises
        ------
        IndexError
            If there is no such split.
        ValueError
            If there are fewer than two identities.
        """
        if not 0 <= number <= _SPLITS:
            raise IndexError(f"There is no split {number}; they are 0 (development) to {_SPLITS}.")
        if self.identities < 2:
            raise ValueError("A split into halves needs at least two identities, found 1.")
        rng = np.random.default_rng([_SPLIT_STREAM, self.seed, number])
        order = rng.permutation(self.identities)
        half = self.identities // 2
        known, unknown = np.sort(order[:half]), np.sort(order[half:])
        photos, caricatures = (
            self.pictures_of(unknown, modality).reshape(len(unknown), -1)
            for modality in (PHOTO, CARICATURE)
        )
        one_photo = photos[
            np.arange(len(unknown)), rng.integers(photos.shape[1], size=len(unknown))
        ]
        one_drawing = caricatures[
            np.arange(len(unknown)), rng.integers(caricatures.shape[1], size=len(unknown))
        ]
        return IdentificationSplit(
            train_identities=known,
            test_identities=unknown,
            train=self.pictures_of(known),
            photo_gallery=one_photo,
            caricature_probes=caricatures.ravel(),
            caricature_gallery=one_drawing,
            photo_probes=photos.ravel(),
        )


def _fold_pairs(
    spec: CaricatureSpec,
    pictures: NDArray[np.int64],
    members: NDArray[np.int64],
    count: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """As many pairs of one person as of two, of the photographs and caricatures among pictures."""
    if len(members) < 2:
        raise ValueError(f"Pairs need at least two identities, found {len(members)}.")
    drawn = pictures % spec.pictures >= spec.photos
    first, second = (
        pair.ravel() for pair in np.meshgrid(pictures[~drawn], pictures[drawn], indexing="ij")
    )
    same = first // spec.pictures == second // spec.pictures
    each = min(count, int(same.sum()), int((~same).sum()))
    chosen = np.concatenate(
        [
            np.sort(rng.choice(np.flatnonzero(same == kind), each, replace=False))
            for kind in (True, False)
        ]
    )
    return first[chosen], second[chosen], same[chosen]


@functools.lru_cache(maxsize=8)
def _styles(spec: CaricatureSpec) -> NDArray[np.int64]:
    """Style of every picture, (identities, pictures), -1 for photographs.

    Each identity's caricatures go through the styles as often as they fit; which styles come once
    more, and in which order, is drawn.
    """
    found = np.full((spec.identities, spec.pictures), -1)
    for identity in range(spec.identities):
        rng = np.random.default_rng([_STYLE_STREAM, spec.seed, FIRST_IDENTITY + identity])
        rounds = -(-spec.caricatures // len(STYLES))
        turns = np.concatenate([rng.permutation(len(STYLES)) for _ in range(rounds)])
        found[identity, spec.photos :] = rng.permutation(turns[: spec.caricatures])
    found.flags.writeable = False
    return found


class CaricatureCorpus:
    """A rendered ``caricature`` corpus, memory-mapped and read-only. Made by
    :func:`load_caricature`.

    It pickles as its place on disk, so it may be sent to other processes.

    Parameters
    ----------
    spec
        What the corpus holds; its methods give splits, pairs and galleries.
    store
        Its arrays.

    Attributes
    ----------
    spec : CaricatureSpec
        What the corpus holds.
    images : numpy.ndarray
        (N, side, side, 3) uint8.
    """

    def __init__(self, spec: CaricatureSpec, store: Store) -> None:
        self.spec = spec
        self.store = store
        self.images = store.arrays["images"].reshape(len(spec), *spec.image_shape)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.spec)

    def __repr__(self) -> str:
        """Return the sizes in a line."""
        return (
            f"CaricatureCorpus({len(self):,} images of {self.spec.side} px: "
            f"{self.spec.identities} identities x ({self.spec.photos} photos + "
            f"{self.spec.caricatures} caricatures))"
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
        """Return whether each of the 51 landmarks is seen, (..., 51)."""
        return np.asarray(self._take("visible", index))

    def landmarks_17(self, index: ArrayLike) -> NDArray[np.float32]:
        """Return pixel coordinates (..., 17, 2) of WebCaricature's landmarks.

        Their names are :data:`mtl_helpers.faces.model.landmarks.NAMES_17`.
        """
        return np.asarray(self._take("landmarks_17", index))

    def exaggeration(self, index: ArrayLike) -> NDArray[np.float32]:
        """Return the factor ``a`` of pictures, that of their most exaggerated region; photos: 1."""
        return np.asarray(self._take("exaggeration", index))

    def factors(self, index: ArrayLike) -> NDArray[np.float32]:
        """Return the factor ``a`` of every region, (..., 9).

        Their names are :data:`mtl_helpers.faces.model.exaggeration.REGIONS`.
        """
        return np.asarray(self._take("factors", index))

    def labels(self, index: ArrayLike) -> dict[str, NDArray[np.int64]]:
        """Return :meth:`CaricatureSpec.labels`."""
        return self.spec.labels(index)

    def split(self, name: str) -> NDArray[np.int64]:
        """Return :meth:`CaricatureSpec.split`."""
        return self.spec.split(name)

    @property
    def class_counts(self) -> dict[str, int]:
        """:attr:`CaricatureSpec.class_counts`."""
        return self.spec.class_counts


def load_caricature(
    spec: CaricatureSpec | Preset,
    processes: int | None = None,
    progress: bool = True,
    *,
    root: Path | None = None,
    device: str = "cpu",
    verify: bool = True,
    repair: bool = False,
) -> CaricatureCorpus:
    """Open a ``caricature`` corpus, rendering it into the cache first if it is not there.

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
        spec = CaricatureSpec.from_preset(spec)
    _check_version(spec)
    store = load_store(
        spec.layout(),
        functools.partial(make_part, spec, device=device),
        root=root,
        processes=processes if device == "cpu" else 1,
        progress=progress,
        verify=verify,
        repair=repair,
    )
    return CaricatureCorpus(spec, store)


def _check_version(spec: CaricatureSpec) -> None:
    if spec.version != CARICATURE_VERSION:
        raise ValueError(
            f"This code renders version {CARICATURE_VERSION} of the caricature corpus, not version "
            f"{spec.version}; use the release of mtl_helpers that made it."
        )


def _reopen(spec: CaricatureSpec, directory: Path) -> CaricatureCorpus:
    return CaricatureCorpus(spec, Store(directory, spec.layout(), verify=False))


# -- drawing at random ----------------------------------------------------------------------------


@dataclass(frozen=True)
class CaricaturePicture:
    """What one picture is to show.

    Attributes
    ----------
    style
        Place in :data:`mtl_helpers.faces.draw.styles.STYLES`, -1 for a photograph.
    vertices
        (V, 3), the framed face with its expression.
    scene
        Camera, lights, look and colours.
    factors
        Factor ``a`` by region; 1 everywhere in a photograph.
    key
        Numbers that key the drawing.
    """

    style: int
    vertices: Tensor
    scene: Scene
    factors: Mapping[str, float]
    key: tuple[int, ...]


def draw_picture(spec: CaricatureSpec, identity: Identity, place: int) -> CaricaturePicture:
    """Draw everything that one picture shows.

    Parameters
    ----------
    spec
        Gives the seed, the counts of pictures and hence the styles.
    identity
        Who; `mtl_helpers.faces.model.identity.sample_identities` from :data:`FIRST_IDENTITY`.
    place
        Which of the identity's pictures, from 0; photographs come first.
    """
    from mtl_helpers.faces.draw.scenes import Scene, framed_vertices
    from mtl_helpers.faces.scene.appearance import draw_wild_look, skin_of

    key = (spec.seed, identity.index, place)
    rng = np.random.default_rng([_STREAM, *key])
    style = int(_styles(spec)[identity.index - FIRST_IDENTITY, place])
    photo = style < 0
    factors = region_factors(1.0) if photo else _draw_factors(identity, rng)
    name, strength = _draw_expression(rng, photo)
    expression = expression_coefficients(name, strength, rng)
    shape = exaggerate(identity, factors)
    vertices = framed_vertices(_head("cpu"), shape, expression[None])[0]  # (V, 3)
    coloured = exaggerate_colours(identity, 1 + 0.5 * (max(factors.values()) - 1))
    camera = _draw_camera(vertices, rng, photo)
    lights, ambient, exposure = _draw_lights(camera, rng, photo)
    look = draw_wild_look(
        np.random.default_rng([_LOOK_STREAM, *key]),
        gender=identity.phenotype["gender"],
        skin_tone=identity.skin_tone,
        age=identity.phenotype["age"],
    )
    scene = Scene(
        camera=camera,
        lights=lights,
        ambient=ambient,
        look=look,
        skin=skin_of(coloured),
        noise=float(rng.uniform(1.0, 4.0)) if photo else 0.0,
        noise_seed=int(rng.integers(2**31)),
        exposure=exposure,
    )
    return CaricaturePicture(style, vertices, scene, factors, key)


def _draw_factors(identity: Identity, rng: np.random.Generator) -> dict[str, float]:
    """Factors of the regions: a third of the caricatures take the whole face, the others two or
    three regions, the likelier the more they set the person apart.
    """
    if rng.random() < 1 / 3:
        return region_factors(float(rng.uniform(1.5, 2.3)))
    count = int(rng.integers(2, 4))
    weight = distinctness(identity) ** 4
    chosen = rng.choice(len(REGIONS), count, replace=False, p=weight / weight.sum())
    amount = float(rng.uniform(1.9, 3.0))
    return region_factors(
        {REGIONS[place]: amount for place in chosen}, elsewhere=1 + 0.3 * (amount - 1)
    )


def _draw_expression(rng: np.random.Generator, photo: bool) -> tuple[str, float]:
    """Name and strength: photographs are often neutral or smile, caricatures lay it on thick."""
    shares = (0.35, 0.35, 0.08, 0.08, 0.07, 0.07) if photo else (0.2, 0.3, 0.15, 0.1, 0.15, 0.1)
    name = EXPRESSIONS[int(rng.choice(len(EXPRESSIONS), p=shares))]
    return name, float(rng.uniform(0.4, 1.0) if photo else rng.uniform(0.9, 1.4))


def _draw_camera(vertices: Tensor, rng: np.random.Generator, photo: bool) -> Camera:
    """A camera that holds the whole face, as a detector's box does, in both modalities alike."""
    spread, most = (18.0, 40.0) if photo else (16.0, 35.0)
    yaw = float(np.clip(spread * rng.standard_normal(), -most, most))
    pitch = float(np.clip(7 * rng.standard_normal(), -18, 18))
    roll = float(np.clip(5 * rng.standard_normal(), -15, 15))
    camera = Camera("caricature", yaw, pitch, 15 * round(yaw / 15), roll_deg=roll)
    axes = camera.axes
    face = vertices[_above_chin()].numpy().astype(np.float64)
    seen = face @ axes.T  # (V, 3), right, down, forward
    low, high = seen.min(0), seen.max(0)
    width = float(max(high[:2] - low[:2]) * rng.uniform(1.0, 1.15))
    middle = (low + high) / 2
    middle[:2] += 0.03 * width * np.clip(rng.standard_normal(2), -2, 2)
    target = middle @ axes
    return dataclasses.replace(
        camera,
        field_width=width,
        target=(float(target[0]), float(target[1]), float(target[2])),
    )


@functools.cache
def _above_chin() -> Tensor:
    """Vertices of the head without its neck, (U,)."""
    from mtl_helpers.faces.model.landmarks import LANDMARKS_17

    height = _head("cpu").template[:, 2]
    return (height >= height[LANDMARKS_17[16]]).nonzero().squeeze(1)


def _draw_lights(
    camera: Camera, rng: np.random.Generator, photo: bool
) -> tuple[tuple[Light, Light], float, float]:
    """A key light and a soft fill from the other side; a draughtsman's model is lit softly."""
    from mtl_helpers.faces.draw.scenes import Light

    turn = float(np.clip((40 if photo else 35) * rng.standard_normal(), -90, 90))
    height = float(np.clip(28 + 15 * rng.standard_normal(), -5, 65))
    strength = float(rng.uniform(0.5, 1.2) if photo else rng.uniform(0.6, 0.8))
    warmth = float(np.clip(0.4 * rng.standard_normal(), -1, 1)) if photo else 0.0
    hard = bool(photo and rng.random() < 0.5)
    ambient = float(rng.uniform(0.15, 0.45) if photo else rng.uniform(0.35, 0.5))
    fill = strength * float(rng.uniform(0.15, 0.5))
    lights = (
        Light(camera.yaw_deg + turn, height, strength, warmth, hard),
        Light(camera.yaw_deg - np.sign(turn) * 50.0, 0.0, fill, -0.5 * warmth, False),
    )
    exposure = 0.95 / (ambient + 0.7 * strength + 0.4 * fill)
    if photo:
        exposure *= float(np.exp(0.2 * rng.standard_normal()))
    return lights, ambient, exposure


# -- rendering ------------------------------------------------------------------------------------


def render_picture(
    picture: CaricaturePicture, side: int, device: str = "cpu"
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    """Render a photograph, or render and draw a caricature.

    Parameters
    ----------
    picture
        From :func:`draw_picture`.
    side
        Pixels a side.
    device
        Where to render; drawing runs on the CPU.

    Returns
    -------
    image, landmarks, visible
        (side, side, 3) uint8; (51, 2) float32 pixel coordinates; (51,) bool.
    """
    from mtl_helpers.faces.draw.scenes import render_scenes

    photo = picture.style < 0
    finer = 1 if photo else max(2, -(-_SAMPLES // side))
    rendered = render_scenes(
        _head(device),
        picture.vertices[None].to(device),
        [picture.scene],
        side=side * finer,
        channels=3,
        device=device,
        supersample=2 if photo else 1,
        record=not photo,
    )
    landmarks, visible = rendered.landmarks[0] / finer, rendered.visible[0]
    if photo or rendered.record is None:
        return rendered.images[0], landmarks, visible
    record = rendered.record
    axes = picture.scene.camera.axes.astype(np.float32)
    sight = Sight(
        image=rendered.images[0],
        material=record.material[0],
        depth=record.depth[0],
        normal=record.normal[0] @ axes.T,
    )
    return draw(STYLES[picture.style], sight, side, picture.key), landmarks, visible


def make_part(spec: CaricatureSpec, part: int, device: str = "cpu") -> Mapping[str, np.ndarray]:
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
        Arrays by the field names of :meth:`CaricatureSpec.layout`.
    """
    from mtl_helpers.faces.model.identity import sample_identities
    from mtl_helpers.faces.model.landmarks import landmarks
    from mtl_helpers.faces.scene.cameras import project

    identity = sample_identities(1, spec.seed, start=FIRST_IDENTITY + part)[0]
    pictures = [draw_picture(spec, identity, place) for place in range(spec.pictures)]
    rendered = [render_picture(picture, spec.side, device) for picture in pictures]
    images, points, visible = (np.stack(column) for column in zip(*rendered, strict=True))
    factors = np.array([list(picture.factors.values()) for picture in pictures], dtype=np.float32)
    return {
        "images": images,
        "landmarks": points.astype(np.float32),
        "visible": visible,
        "landmarks_17": np.stack(
            [
                project(landmarks(p.vertices[None], 17)[0], p.scene.camera, spec.side).numpy()
                for p in pictures
            ]
        ).astype(np.float32),
        "exaggeration": factors.max(axis=1),
        "factors": factors,
    }


@functools.cache
def _head(device: str) -> Any:
    from mtl_helpers.faces.model.head import HeadModel

    return HeadModel.load(device)
