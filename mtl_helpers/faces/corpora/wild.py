"""The ``wild`` corpus: faces under conditions that nobody arranged.

Where ``pie`` shows every combination of its factors once, here each picture draws its own: a
continuous yaw, pitch and roll with the frontal bias of CASIA-WebFace, light, expression, hair,
accessories, backdrop, blur, noise and JPEG. It serves protocols in the form of CFP (Sengupta et
al., 2016) and LFW (Huang et al., 2007), and networks that train on *estimated* poses, as Yin and
Liu (2018, section 4) train theirs on CASIA-WebFace.

Every picture is drawn by a generator keyed by the seed, the identity and the picture's place, so
that it is the same in a small corpus and in a large one of as many pictures per identity. An
identity's pictures are numbered one after the other, the identities' in order.

Note
----
The people of a seed are others than those of ``pie`` with the same seed: identity ``i`` of this
corpus is number ``FIRST_IDENTITY + i`` of the population. A network that was trained on ``pie``
has therefore seen nobody of ``wild``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.corpus import PairList
from mtl_helpers.faces.corpora.rendered import (
    Pairs,
    RenderedCorpus,
    RenderedSpec,
    balanced_pairs,
    head_model,
    identities_in_folds,
    pairs_in_folds,
)
from mtl_helpers.faces.model.expression import EXPRESSIONS
from mtl_helpers.faces.scene.cameras import FRONTAL_YAW, PROFILE_YAW, YAW_CLASSES
from mtl_helpers.presets import Preset
from mtl_helpers.store import Field

__all__ = [
    "FACTORS",
    "FIRST_IDENTITY",
    "TASKS",
    "WILD_VERSION",
    "WildCorpus",
    "WildSpec",
    "load_wild",
]

WILD_VERSION = 1
"""Raised with every change of head, lights, paint, renderer or draws that changes a pixel."""

FIRST_IDENTITY = 1_000_000
"""Number in the seed's population of this corpus's identity 0."""

TASKS: Mapping[str, tuple[str, ...]] = {
    "pos": tuple(str(yaw) for yaw in YAW_CLASSES),
    "exp": EXPRESSIONS,
    "glasses": ("none", "clear", "dark"),
    "hat": ("none", "hat"),
    "beard": ("none", "beard"),
}
"""Classes of each task beside ``id``. ``pos`` is the nearest of the thirteen yaw classes, ``exp``
the strongest expression, ``beard`` any facial hair that covers more than a third of its region."""

FACTORS: tuple[str, ...] = (
    *("yaw", "pitch", "roll", "width"),
    *("key_yaw", "key_pitch", "key", "fill", "ambient", "warmth", "exposure"),
    *("blur", "motion", "noise", "quality"),
    *(f"strength_{name}" for name in EXPRESSIONS[1:]),
)
"""Names of the numbers that are kept for each picture; see :class:`WildPicture`."""

Form = Literal["frontal-frontal", "frontal-profile", "lfw"]

_PAIR_STREAM = 0x70616972
# Pairs of each kind in a fold of the published lists.
_FOLD_PAIRS: Mapping[str, int] = {"frontal-frontal": 350, "frontal-profile": 350, "lfw": 300}
_PICTURES = {"smoke": 16, "gpu": 100}
_USUAL_PICTURES = 40


@dataclass(frozen=True)
class WildSpec(RenderedSpec):
    """All that decides a ``wild`` corpus, byte for byte; beside what every corpus has:

    Parameters
    ----------
    pictures
        Pictures of each identity, at least 8: 12 % of them (at least two) show the head turned by
        more than :data:`~mtl_helpers.faces.scene.cameras.FRONTAL_YAW`, and more than half of these
        by more than :data:`~mtl_helpers.faces.scene.cameras.PROFILE_YAW`.
    channels
        1 for grey, 3 for RGB.
    """

    name = "wild"
    first_identity = FIRST_IDENTITY
    least_side = 8

    pictures: int
    channels: int = field(default=1, kw_only=True)
    version: int = field(default=WILD_VERSION, kw_only=True)

    def __post_init__(self) -> None:
        """Check the values and bring them to plain integers."""
        super().__post_init__()
        if self.pictures < 8:
            raise ValueError(f"An identity needs at least 8 pictures, not {self.pictures}.")

    @classmethod
    def from_preset(cls, preset: Preset, *, seed: int = 0) -> WildSpec:
        """Return the specification of a preset's corpus; other seeds give other people.

        An identity has 40 pictures, at the preset ``smoke`` 16 and at ``gpu`` 100.
        """
        return cls(
            **cls.identity_counts(preset),
            pictures=_PICTURES.get(preset.name, _USUAL_PICTURES),
            side=preset.side,
            channels=preset.channels,
            seed=seed,
        )

    @property
    def per_identity(self) -> int:
        """Number of pictures of each identity."""
        return self.pictures

    @property
    def class_counts(self) -> dict[str, int]:
        """Number of classes by task; of identities, those to train on."""
        return {
            "id": self.train_identities,
            **{task: len(classes) for task, classes in TASKS.items()},
        }

    def arrays(self) -> tuple[Field, ...]:
        """Return the arrays of one part."""
        return (
            *super().arrays(),
            Field("labels", (self.pictures, len(TASKS)), "int64"),
            Field("factors", (self.pictures, len(FACTORS)), "float32"),
        )

    def make_part(self, part: int, device: str = "cpu") -> Mapping[str, np.ndarray]:
        """Render one identity."""
        # imported where it is used: a corpus that is already there needs no renderer
        from mtl_helpers.faces.corpora.wild_pictures import draw_picture, photograph

        person = self.person(part)
        pictures = [
            draw_picture(person, self.seed, place, self.pictures) for place in range(self.pictures)
        ]
        images, landmarks, visible = photograph(
            head_model(device),
            person,
            pictures,
            side=self.side,
            channels=self.channels,
            seed=self.seed,
            device=device,
        )
        return {
            "images": images,
            "landmarks": landmarks,
            "visible": visible,
            "labels": np.array(
                [[picture.labels[task] for task in TASKS] for picture in pictures], dtype=np.int64
            ),
            "factors": np.array(
                [[picture.factors[name] for name in FACTORS] for picture in pictures],
                dtype=np.float32,
            ),
        }


class WildCorpus(RenderedCorpus[WildSpec], spec_class=WildSpec):
    """A rendered ``wild`` corpus. Made by :func:`load_wild`."""

    def labels(self, index: ArrayLike) -> dict[str, NDArray[np.int64]]:
        """Return the labels of pictures: ``"id"`` and the tasks of :data:`TASKS`."""
        stored = self.take("labels", index)  # (..., T)
        columns = {task: stored[..., column] for column, task in enumerate(TASKS)}
        return {"id": np.asarray(self.spec.identity(index)), **columns}

    def factor(self, name: str, index: ArrayLike | None = None) -> NDArray[np.float32]:
        """Return one of :data:`FACTORS` for pictures, for all if no index is given."""
        if name not in FACTORS:
            raise ValueError(f"Unknown factor {name!r}; choose one of: {', '.join(FACTORS)}.")
        numbers = np.arange(len(self)) if index is None else index
        return np.asarray(self.take("factors", numbers)[..., FACTORS.index(name)])

    @property
    def yaw(self) -> NDArray[np.float32]:
        """True yaw of every picture in degrees, (N,): positive shows the left cheek."""
        return self.factor("yaw")

    @property
    def pitch(self) -> NDArray[np.float32]:
        """True pitch of every picture in degrees, (N,): positive is seen from above."""
        return self.factor("pitch")

    @property
    def roll(self) -> NDArray[np.float32]:
        """True roll of every picture in degrees, (N,): positive leans to the picture's right."""
        return self.factor("roll")

    @property
    def yaw_degrees(self) -> tuple[int, ...]:
        """Yaw of each class of ``pos``, in degrees."""
        return YAW_CLASSES

    def pairs(self, split: str = "test", form: Form = "lfw") -> PairList:
        """Return pairs of pictures to verify, in ten folds that share no identity.

        ``"frontal-frontal"`` and ``"frontal-profile"`` are CFP's: 350 pairs of one person and 350
        of two in a fold, the first picture frontal and the second of the kind that the name says.
        ``"lfw"`` is LFW's: 300 and 300, of any pose. Every pair of one kind in a fold is as likely
        as another, none occurs twice, and both kinds are equally many: fewer than published where a
        small preset has fewer. With under twenty identities there are half as many folds as those.

        Note
        ----
        CFP takes 7 pairs of each of 50 people in a fold; here chance decides how many of each.
        LFW's second list, for training and choosing, is what the validation split is for.
        """
        if form not in get_args(Form):
            raise ValueError(f"Unknown form {form!r}; choose one of: {', '.join(get_args(Form))}.")
        people = np.array(self.spec.identity_range(split))
        places = get_args(Form).index(form), self.spec.splits.index(split)
        rng = np.random.default_rng([_PAIR_STREAM, self.spec.seed, *places])

        def pairs_of(members: NDArray[np.int64]) -> Pairs:
            candidates = self._candidates(form, members)
            return balanced_pairs(*candidates, self.spec.pictures, _FOLD_PAIRS[form], rng)

        return pairs_in_folds(identities_in_folds(people, rng), pairs_of)

    def _candidates(
        self, form: Form, people: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Every pair of a fold that the form allows, (P,) and (P,)."""
        pictures = self.spec.pictures_of(people)
        angle = np.abs(self.factor("yaw", pictures))
        left = pictures if form == "lfw" else pictures[angle <= FRONTAL_YAW]
        right = pictures[angle >= PROFILE_YAW] if form == "frontal-profile" else left
        first, second = (pair.ravel() for pair in np.meshgrid(left, right, indexing="ij"))
        if right is left:  # each pair once, and no picture with itself
            once = first < second
            first, second = first[once], second[once]
        return first, second


load_wild = WildCorpus.load
