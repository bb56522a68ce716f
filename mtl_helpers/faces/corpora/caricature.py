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

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.corpus import CARICATURE, MODALITIES, PHOTO, PairList
from mtl_helpers.faces.corpora.caricature_protocols import cavi_pairs
from mtl_helpers.faces.corpora.rendered import RenderedCorpus, RenderedSpec
from mtl_helpers.faces.draw.styles import STYLES
from mtl_helpers.faces.model.exaggeration import REGIONS
from mtl_helpers.presets import Preset
from mtl_helpers.store import Field

__all__ = [
    "CARICATURE_VERSION",
    "FIRST_IDENTITY",
    "CaricatureCorpus",
    "CaricatureSpec",
    "load_caricature",
]

CARICATURE_VERSION = 1
"""Raised with every change of head, lights, paint, renderer, styles or draws that changes a
pixel."""

FIRST_IDENTITY = 2_000_000
"""Number in the seed's population of this corpus's identity 0."""

_STYLE_STREAM = 0x63737479
_PRESETS: Final = {
    # training, validation and test identities, photographs and caricatures of each, side
    "smoke": (12, 4, 8, 7, 7, 48),
    "laptop": (126, 26, 100, 14, 14, 64),
    "gpu": (126, 26, 100, 14, 14, 100),
}


@dataclass(frozen=True)
class CaricatureSpec(RenderedSpec):
    """All that decides a ``caricature`` corpus, byte for byte; beside what every corpus has:

    Parameters
    ----------
    photos, caricatures
        Pictures of each identity in each modality, at least 4. They are the same for everybody, so
        that no identity and no modality is rarer than another.

    Note
    ----
    CaVI has 10 to 15 pictures of each modality for an identity; WebCaricature has 1 to 114
    caricatures and 7 to 59 photographs.
    """

    name = "caricature"
    first_identity = FIRST_IDENTITY
    least_side = 16
    splits = ("train", "identification", "validation", "test")

    photos: int
    caricatures: int
    version: int = field(default=CARICATURE_VERSION, kw_only=True)

    def __post_init__(self) -> None:
        """Check the values and bring them to plain integers."""
        super().__post_init__()
        if min(self.photos, self.caricatures) < 4:
            raise ValueError(
                "An identity needs at least 4 pictures of each modality, not "
                f"{self.photos} photos and {self.caricatures} caricatures."
            )

    @classmethod
    def from_preset(cls, preset: Preset, *, seed: int = 0) -> CaricatureSpec:
        """Return the specification of a preset's corpus; other seeds give other people.

        ``smoke`` has 24 identities with 7 pictures of each modality, of 48 pixels; ``laptop`` 252
        with 14, of 64 pixels, and ``gpu`` the same, of 100 pixels. Any other preset gets its own
        counts of identities and its side, with 14.
        """
        counts = tuple(cls.identity_counts(preset).values())
        *numbers, side = _PRESETS.get(preset.name, (*counts, 14, 14, preset.side))
        return cls(*numbers, side=side, seed=seed)

    @property
    def per_identity(self) -> int:
        """Number of pictures of each identity, both modalities."""
        return self.photos + self.caricatures

    @property
    def class_counts(self) -> dict[str, int]:
        """Number of classes by task; of identities, those to train on."""
        return {"id": self.train_identities, "modality": len(MODALITIES), "style": len(STYLES)}

    def arrays(self) -> tuple[Field, ...]:
        """Return the arrays of one part."""
        each = self.per_identity
        return (
            *super().arrays(),
            Field("landmarks_17", (each, 17, 2), "float32"),
            Field("exaggeration", (each,), "float32"),
            Field("factors", (each, len(REGIONS)), "float32"),
        )

    def labels(self, index: ArrayLike) -> dict[str, NDArray[np.int64]]:
        """Return the labels of pictures.

        ``"modality"`` is the place in :data:`mtl_helpers.corpus.MODALITIES` and ``"style"`` in
        :data:`mtl_helpers.faces.draw.styles.STYLES`, -1 for a photograph.
        """
        identity = self.identity(index)
        place = np.asarray(index, dtype=np.int64) % self.per_identity
        return {
            "id": np.asarray(identity),
            "modality": np.asarray(place >= self.photos, dtype=np.int64),
            "style": styles_of(self)[identity, place],
        }

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
        last = self.per_identity if modality != PHOTO else self.photos
        people = np.asarray(identities, dtype=np.int64).reshape(-1, 1)
        return (people * self.per_identity + np.arange(first, last)).ravel()

    def split(self, name: str) -> NDArray[np.int64]:
        """Return the numbers of a split's pictures, ascending.

        ``"train"`` are the training identities' pictures, all but the last two sevenths of each
        modality; ``"identification"`` those held back, for the accuracy of a classifier of the
        training identities; ``"validation"`` and ``"test"`` all pictures of identities that
        training never sees, for verification.

        Note
        ----
        In CaVI's protocol the identities of training and of verification are disjoint, and
        caricature and photograph identification are classification of known identities.
        """
        pictures = super().split(name)
        if name in ("validation", "test"):
            return pictures
        place = pictures % self.per_identity
        photo = place < self.photos
        count = np.where(photo, self.photos, self.caricatures)
        place = np.where(photo, place, place - self.photos)
        held = place >= count - np.maximum(1, 2 * count // 7)
        return pictures[held] if name == "identification" else pictures[~held]

    def make_part(self, part: int, device: str = "cpu") -> Mapping[str, np.ndarray]:
        """Render one identity."""
        # imported where it is used: a corpus that is already there needs no renderer
        from mtl_helpers.faces.corpora.caricature_pictures import (
            draw_picture,
            landmarks_17,
            render_picture,
        )

        person, styles = self.person(part), styles_of(self)[part]
        pictures = [
            draw_picture(person, (self.seed, person.index, place), style)
            for place, style in enumerate(styles.tolist())
        ]
        rendered = [render_picture(picture, self.side, device) for picture in pictures]
        images, points, visible = (np.stack(column) for column in zip(*rendered, strict=True))
        factors = np.array(
            [list(picture.factors.values()) for picture in pictures], dtype=np.float32
        )
        return {
            "images": images,
            "landmarks": points.astype(np.float32),
            "visible": visible,
            "landmarks_17": np.stack(
                [landmarks_17(picture, self.side) for picture in pictures]
            ).astype(np.float32),
            "exaggeration": factors.max(axis=1),
            "factors": factors,
        }


@functools.lru_cache(maxsize=8)
def styles_of(spec: CaricatureSpec) -> NDArray[np.int64]:
    """Style of every picture, (identities, pictures), -1 for photographs.

    Each identity's caricatures go through the styles as often as they fit; which styles come once
    more, and in which order, is drawn.
    """
    styles = np.full((spec.identities, spec.per_identity), -1)
    for identity in range(spec.identities):
        rng = np.random.default_rng([_STYLE_STREAM, spec.seed, FIRST_IDENTITY + identity])
        rounds = -(-spec.caricatures // len(STYLES))
        turns = np.concatenate([rng.permutation(len(STYLES)) for _ in range(rounds)])
        styles[identity, spec.photos :] = rng.permutation(turns[: spec.caricatures])
    styles.flags.writeable = False
    return styles


class CaricatureCorpus(RenderedCorpus[CaricatureSpec], spec_class=CaricatureSpec):
    """A rendered ``caricature`` corpus. Made by :func:`load_caricature`."""

    @property
    def contents(self) -> str:
        """What the corpus is made of, in a few words."""
        return (
            f"{self.spec.identities} identities x ({self.spec.photos} photos + "
            f"{self.spec.caricatures} caricatures)"
        )

    def landmarks_17(self, index: ArrayLike) -> NDArray[np.float32]:
        """Return pixel coordinates (..., 17, 2) of WebCaricature's landmarks.

        Their names are :data:`mtl_helpers.faces.model.landmarks.NAMES_17`.
        """
        return np.asarray(self.take("landmarks_17", index))

    def exaggeration(self, index: ArrayLike) -> NDArray[np.float32]:
        """Return the factor ``a`` of pictures, that of their most exaggerated region; photos: 1."""
        return np.asarray(self.take("exaggeration", index))

    def factors(self, index: ArrayLike) -> NDArray[np.float32]:
        """Return the factor ``a`` of every region, (..., 9).

        Their names are :data:`mtl_helpers.faces.model.exaggeration.REGIONS`.
        """
        return np.asarray(self.take("factors", index))

    def labels(self, index: ArrayLike) -> dict[str, NDArray[np.int64]]:
        """Return :meth:`CaricatureSpec.labels`."""
        return self.spec.labels(index)

    def pairs(self, split: str = "test") -> PairList:
        """Return :func:`~mtl_helpers.faces.corpora.caricature_protocols.cavi_pairs`."""
        return cavi_pairs(self.spec, split)


load_caricature = CaricatureCorpus.load
