"""The ``wild`` corpus: faces under conditions that nobody arranged.

Where ``pie`` shows every combination of its factors once, here each picture draws its own: a
continuous yaw, pitch and roll with the frontal bias of CASIA-WebFace, light, expression, hair,
accessories, backdrop, blur, noise and JPEG. It serves protocols in the form of CFP (Sengupta et
al., 2016) and LFW (Huang et al., 2007), and networks that train on *estimated* poses, as Yin and
Liu (2018, section 4) train theirs on CASIA-WebFace.

Every picture is drawn by a generator keyed by the seed, the identity and the picture's place, so
that it is the same in a small corpus and in a large one of as many pictures an identity. An
identity's pictures are numbered one after the other, the identities' in order.

Note
----
The people of a seed are others than those of ``pie`` with the same seed: identity ``i`` of this
corpus is number ``FIRST_IDENTITY + i`` of the population. A network that was trained on ``pie``
has therefore seen nobody of ``wild``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.corpus import PairList
from mtl_helpers.faces.model.expression import EXPRESSIONS, expression_coefficients
from mtl_helpers.faces.scene.cameras import TARGET, YAW_CLASSES, Camera
from mtl_helpers.presets import Preset
from mtl_helpers.store import Field, Layout, Store, load_store

if TYPE_CHECKING:
    from torch import Tensor

    from mtl_helpers.faces.draw.scenes import Light, Scene
    from mtl_helpers.faces.model.identity import Identity

__all__ = [
    "FACTORS",
    "FIRST_IDENTITY",
    "FRONTAL_YAW",
    "PROFILE_YAW",
    "TASKS",
    "WILD_VERSION",
    "WildCorpus",
    "WildPicture",
    "WildSpec",
    "draw_picture",
    "load_wild",
    "make_part",
]

WILD_VERSION = 1
"""Raised with every change of head, lights, paint, renderer or draws that changes a pixel."""

FIRST_IDENTITY = 1_000_000
"""Number in the seed's population of this corpus's identity 0."""

FRONTAL_YAW, PROFILE_YAW = 30.0, 60.0
"""A picture is frontal up to the first, and a profile from the second, in degrees of yaw.

Note
----
Yin and Liu (2018) call -30 to 30 degrees frontal. CFP asks for profiles beyond 60 degrees."""

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
Split = Literal["train", "validation", "test"]
_SPLITS: tuple[Split, ...] = get_args(Split)

# Keys of the generators: of pictures, of their looks, of the order of yaws, of pairs.
_STREAM, _LOOK_STREAM = 0x77696C64, 0x6C6F6F6B
_ORDER_STREAM, _PAIR_STREAM = 0x6F726472, 0x70616972
_LANDMARKS = 51
_FOLDS = 10
# Pairs of each kind in a fold of the published lists.
_FOLD_PAIRS: Mapping[str, int] = {"frontal-frontal": 350, "frontal-profile": 350, "lfw": 300}
_TURNED = 0.12
_REFERENCE_SIDE = 48  # blur is drawn in pixels of this side
_PICTURES = {"smoke": 16, "gpu": 100}
_USUAL_PICTURES = 40


@dataclass(frozen=True)
class WildSpec:
    """All that decides a ``wild`` corpus, byte for byte.

    Parameters
    ----------
    train_identities, validation_identities, test_identities
        Counts of identities; the three sets are disjoint.
    pictures
        Pictures of each identity, at least 8: 12 % of them (at least two) show the head turned by
        more than :data:`FRONTAL_YAW`, and more than half of these by more than
        :data:`PROFILE_YAW`.
    side
        Image side in pixels.
    channels
        1 for grey, 3 for RGB.
    seed
        Key of everything that is drawn at random.
    version
        Version of the pixels; :data:`WILD_VERSION` is the only one that this code can render.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    train_identities: int
    validation_identities: int
    test_identities: int
    pictures: int
    side: int
    channels: int = 1
    seed: int = 0
    version: int = WILD_VERSION

    def __post_init__(self) -> None:
        """Check the values and bring them to plain integers."""
        for name, value in asdict(self).items():
            if isinstance(value, bool) or int(value) != value or value < 0:
                raise ValueError(f"{name} must be a whole number of at least 0, not {value!r}.")
            object.__setattr__(self, name, int(value))
        if self.identities < 1:
            raise ValueError("A corpus needs at least one identity, but all three counts are 0.")
        if self.pictures < 8:
            raise ValueError(f"An identity needs at least 8 pictures, not {self.pictures}.")
        if self.side < 8 or self.channels not in (1, 3):
            raise ValueError(
                "A picture needs a side of at least 8 and 1 or 3 channels, not "
                f"side {self.side} and {self.channels} channels."
            )

    @classmethod
    def from_preset(cls, preset: Preset, *, seed: int = 0) -> WildSpec:
        """Return the specification of a preset's corpus.

        Parameters
        ----------
        preset
            Any preset; gives the counts of identities, the side and the channels. An identity has
            40 pictures, at the preset ``smoke`` 16 and at ``gpu`` 100.
        seed
            Key of what is drawn at random; other seeds give other people.
        """
        return cls(
            train_identities=preset.train_identities,
            validation_identities=preset.validation_identities,
            test_identities=preset.test_identities,
            pictures=_PICTURES.get(preset.name, _USUAL_PICTURES),
            side=preset.side,
            channels=preset.channels,
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

    def __len__(self) -> int:
        """Return the number of pictures."""
        return self.identities * self.pictures

    def fingerprint(self) -> str:
        """Return a hash of all fields, the same in every process and on every machine."""
        return self.layout().fingerprint

    def layout(self) -> Layout:
        """Return how the corpus lies in the cache: one part for each identity."""
        return Layout(
            name="wild",
            version=self.version,
            spec=asdict(self),
            parts=self.identities,
            fields=(
                Field("images", (self.pictures, *self.image_shape), "uint8"),
                Field("landmarks", (self.pictures, _LANDMARKS, 2), "float32"),
                Field("visible", (self.pictures, _LANDMARKS), "bool"),
                Field("labels", (self.pictures, len(TASKS)), "int64"),
                Field("factors", (self.pictures, len(FACTORS)), "float32"),
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

    @property
    def class_counts(self) -> dict[str, int]:
        """Number of classes by task; of identities, those to train on."""
        return {
            "id": self.train_identities,
            **{task: len(classes) for task, classes in TASKS.items()},
        }


class WildCorpus:
    """A rendered ``wild`` corpus, memory-mapped and read-only. Made by :func:`load_wild`.

    It pickles as its place on disk, so it may be sent to other processes.

    Parameters
    ----------
    spec
        What the corpus holds.
    store
        Its arrays.

    Attributes
    ----------
    spec : WildSpec
        What the corpus holds.
    images : numpy.ndarray
        (N, side, side) uint8, or (N, side, side, 3) in colour.
    """

    def __init__(self, spec: WildSpec, store: Store) -> None:
        self.spec = spec
        self.store = store
        self.images = store.arrays["images"].reshape(len(spec), *spec.image_shape)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.spec)

    def __repr__(self) -> str:
        """Return the sizes in a line."""
        return (
            f"WildCorpus({len(self):,} images of {self.spec.side} px: {self.spec.identities} "
            f"identities x {self.spec.pictures} pictures)"
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
            and larger for the others; and the tasks of :data:`TASKS`.
        """
        stored = self._take("labels", index)  # (..., T)
        columns = {task: stored[..., column] for column, task in enumerate(TASKS)}
        return {"id": np.asarray(self.spec.identity(index)), **columns}

    def factor(self, name: str, index: ArrayLike | None = None) -> NDArray[np.float32]:
        """Return a number that was drawn for each picture.

        Parameters
        ----------
        name
            One of :data:`FACTORS`; angles in degrees.
        index
            Numbers of pictures; all of them if absent.

        Raises
        ------
        ValueError
            If there is no such factor.
        """
        if name not in FACTORS:
            raise ValueError(f"Unknown factor {name!r}; choose one of: {', '.join(FACTORS)}.")
        numbers = np.arange(len(self)) if index is None else index
        return np.asarray(self._take("factors", numbers)[..., FACTORS.index(name)])

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

    def split(self, name: str) -> NDArray[np.int64]:
        """Return :meth:`WildSpec.split`."""
        return self.spec.split(name)

    @property
    def class_counts(self) -> dict[str, int]:
        """:attr:`WildSpec.class_counts`."""
        return self.spec.class_counts

    @property
    def yaw_degrees(self) -> tuple[int, ...]:
        """Yaw of each class of ``pos``, in degrees."""
        return YAW_CLASSES

    def pairs(self, form: Form, split: str = "test") -> PairList:
        """Return pairs to verify, in ten folds that share no identity.

        Parameters
        ----------
        form
            ``"frontal-frontal"`` and ``"frontal-profile"`` are CFP's: 350 pairs of one person and
            350 of two in a fold, the first picture frontal and the second of the kind that the
            name says. ``"lfw"`` is LFW's: 300 and 300, of any pose.
        split
            Whose identities.

        Returns
        -------
        PairList
            Numbers of pictures. Every pair of one kind in a fold is as likely as another, none
            occurs twice, and both kinds are equally many: fewer than published where a small
            preset has fewer. With under twenty identities there are half as many folds as those.

        Raises
        ------
        ValueError
            If the form or the split is unknown, or the split has fewer than two identities.

        Note
        ----
        CFP takes 7 pairs of each of 50 people a fold; here chance decides how many of each.
        LFW's second list, for training and choosing, is what the validation split is for.
        """
        if form not in _FOLD_PAIRS:
            raise ValueError(f"Unknown form {form!r}; choose one of: {', '.join(_FOLD_PAIRS)}.")
        people = np.array(self.spec.identity_range(split))
        if len(people) < 2:
            raise ValueError(
                f"Pairs need at least two identities, but the split {split!r} has {len(people)}."
            )
        key = [_PAIR_STREAM, self.spec.seed, list(_FOLD_PAIRS).index(form), _SPLITS.index(split)]
        rng = np.random.default_rng(key)
        folds = np.array_split(rng.permutation(people), min(_FOLDS, len(people) // 2))
        columns: list[list[NDArray[Any]]] = []
        for number, members in enumerate(folds):
            first, second, same = self._candidates(form, members)
            count = min(_FOLD_PAIRS[form], int(same.sum()), int((~same).sum()))
            for kind in (True, False):
                chosen = np.sort(rng.choice(np.flatnonzero(same == kind), count, replace=False))
                columns.append(
                    [first[chosen], second[chosen], same[chosen], np.full(count, number)]
                )
        return PairList(*(np.concatenate(column) for column in zip(*columns, strict=True)))

    def _candidates(
        self, form: Form, people: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Every pair of a fold: its two pictures, and whether they show one person."""
        each = self.spec.pictures
        pictures = (people[:, None] * each + np.arange(each)).ravel()
        angle = np.abs(self.factor("yaw", pictures))
        left = pictures if form == "lfw" else pictures[angle <= FRONTAL_YAW]
        right = pictures[angle >= PROFILE_YAW] if form == "frontal-profile" else left
        first, second = (pair.ravel() for pair in np.meshgrid(left, right, indexing="ij"))
        if right is left:  # each pair once, and no picture with itself
            once = first < second
            first, second = first[once], second[once]
        return first, second, first // each == second // each


def load_wild(
    spec: WildSpec | Preset,
    processes: int | None = None,
    progress: bool = True,
    *,
    root: Path | None = None,
    device: str = "cpu",
    verify: bool = True,
    repair: bool = False,
) -> WildCorpus:
    """Open a ``wild`` corpus, rendering it into the cache first if it is not there.

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
        spec = WildSpec.from_preset(spec)
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
    return WildCorpus(spec, store)


def _check_version(spec: WildSpec) -> None:
    if spec.version != WILD_VERSION:
        raise ValueError(
            f"This code renders version {WILD_VERSION} of the wild corpus, not version "
            f"{spec.version}; use the release of mtl_helpers that made it."
        )


def _reopen(spec: WildSpec, directory: Path) -> WildCorpus:
    return WildCorpus(spec, Store(directory, spec.layout(), verify=False))


# -- draws ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WildPicture:
    """All that was drawn for one picture.

    Parameters
    ----------
    scene
        Camera, lights, look and exposure. Positive yaw shows the left cheek, positive pitch is
        seen from above, positive roll leans the head to the picture's right.
    expression
        What is added to the identity's coefficients, shape (K,).
    strengths
        Strength of each expression but the neutral one, shape (5,); at most two are not 0.
    blur, motion, motion_angle
        Standard deviation of the lens's blur and length of the motion's, in pixels of a picture of
        48 pixels, and the motion's direction in degrees.
    noise
        Standard deviation of the sensor's noise in grey levels.
    quality
        Of the JPEG file.
    labels
        Of the tasks of :data:`TASKS`, in that order.
    """

    scene: Scene
    expression: Tensor
    strengths: tuple[float, ...]
    blur: float
    motion: float
    motion_angle: float
    noise: float
    quality: int
    labels: tuple[int, ...]

    @property
    def factors(self) -> tuple[float, ...]:
        """Numbers of :data:`FACTORS`, in that order."""
        scene, camera = self.scene, self.scene.camera
        key, fill = scene.lights
        return (
            *(camera.yaw_deg, camera.pitch_deg, camera.roll_deg, camera.field_width),
            *(key.yaw_deg, key.pitch_deg, key.intensity, fill.intensity, scene.ambient),
            *(key.warmth, scene.exposure),
            *(self.blur, self.motion, self.noise, self.quality),
            *self.strengths,
        )


def draw_picture(spec: WildSpec, identity: Identity, place: int) -> WildPicture:
    """Draw everything about one picture but its person.

    Parameters
    ----------
    spec
        Gives the seed and the number of pictures an identity.
    identity
        Who; `mtl_helpers.faces.model.identity.sample_identities` from :data:`FIRST_IDENTITY`.
    place
        Which of the identity's pictures, from 0.
    """
    from mtl_helpers.faces.draw.scenes import Scene
    from mtl_helpers.faces.scene.appearance import draw_wild_look, skin_of

    rng = np.random.default_rng([_STREAM, spec.seed, identity.index, place])
    look_rng = np.random.default_rng([_LOOK_STREAM, spec.seed, identity.index, place])
    yaw = _draw_yaw(spec, identity.index, place, rng)
    camera = _draw_camera(yaw, rng)
    lights, ambient, ambient_warmth, exposure = _draw_lights(camera, rng)
    strengths, expression = _draw_expression(rng)
    occurs = rng.random(2)
    blur = float(rng.uniform(0.25, 0.8)) * float(occurs[0] < 0.3)
    motion = float(rng.uniform(1.5, 3.5)) * float(occurs[1] < 0.12)
    look = draw_wild_look(
        look_rng,
        gender=identity.phenotype["gender"],
        skin_tone=identity.skin_tone,
        age=identity.phenotype["age"],
    )
    strongest = max(range(len(strengths)), key=lambda which: strengths[which])
    facial_hair = max(look.moustache, look.goatee, look.beard)
    return WildPicture(
        scene=Scene(
            camera=camera,
            lights=lights,
            ambient=ambient,
            look=look,
            skin=skin_of(identity),
            exposure=exposure,
            ambient_warmth=ambient_warmth,
        ),
        expression=expression,
        strengths=strengths,
        blur=blur,
        motion=motion,
        motion_angle=float(rng.uniform(0, 180)),
        noise=float(np.exp(rng.uniform(np.log(1.0), np.log(6.0)))),
        quality=int(rng.integers(40, 96)),
        labels=(
            YAW_CLASSES.index(15 * round(yaw / 15)),
            1 + strongest if strengths[strongest] >= _NAMED else 0,
            (1 + int(look.lens > 0.3)) if look.glasses else 0,
            int(look.hat > 0),
            int(facial_hair > 1 / 3),
        ),
    )


# A face with no expression stronger than this is labelled neutral; none is drawn near it.
_NAMED = 0.25


def _draw_yaw(spec: WildSpec, identity: int, place: int, rng: np.random.Generator) -> float:
    """Yaw in degrees: of an identity's pictures a fixed number is frontal, turned and in profile.

    Which of them are decides a permutation, so that a picture's place says nothing of its yaw.
    """
    order = np.random.default_rng([_ORDER_STREAM, spec.seed, identity]).permutation(spec.pictures)
    turned = max(2, round(_TURNED * spec.pictures))
    rank = int(order[place])
    sign = 1 if rng.random() < 0.5 else -1
    if rank < (turned + 1) // 2:
        return sign * float(rng.uniform(PROFILE_YAW, 90))
    if rank < turned:
        return sign * float(rng.uniform(FRONTAL_YAW, PROFILE_YAW))
    while True:
        yaw = 14.0 * rng.standard_normal()
        if abs(yaw) < FRONTAL_YAW:
            return float(yaw)


def _draw_camera(yaw: float, rng: np.random.Generator) -> Camera:
    """A camera that holds the face as a detector's box does: not quite upright or centred."""
    pitch = float(np.clip(9 * rng.standard_normal(), -30, 30))
    roll = float(np.clip(6 * rng.standard_normal(), -25, 25))
    width = float(rng.uniform(3.0, 3.7))
    right, down = 0.06 * rng.standard_normal(2)
    across, below, _ = Camera("wild", yaw, pitch, 0).axes
    target = np.array(TARGET) + right * across + down * below
    return Camera(
        "wild",
        yaw,
        pitch,
        15 * round(yaw / 15),
        roll_deg=roll,
        field_width=width,
        target=(float(target[0]), float(target[1]), float(target[2])),
    )


def _draw_lights(
    camera: Camera, rng: np.random.Generator
) -> tuple[tuple[Light, Light], float, float, float]:
    """A key light, a soft fill from the other side, the ambient light, and the exposure."""
    from mtl_helpers.faces.draw.scenes import Light

    turn = float(np.clip(45 * rng.standard_normal(), -110, 110))
    height = float(np.clip(25 + 20 * rng.standard_normal(), -20, 75))
    intensity = float(np.exp(rng.uniform(np.log(0.4), np.log(1.4))))
    warmth = float(np.clip(0.5 * rng.standard_normal(), -1, 1))
    hard = bool(rng.random() < 0.6)
    key = Light(camera.yaw_deg + turn, height, intensity, warmth, hard)
    opposite = camera.yaw_deg - math.copysign(float(rng.uniform(30, 80)), turn)
    fill = Light(opposite, 0.0, intensity * float(rng.uniform(0.1, 0.5)), -0.5 * warmth, False)
    ambient = float(rng.uniform(0.12, 0.45))
    # the camera meters the light that falls on the scene, not the face in it
    metered = ambient + 0.7 * key.intensity + 0.4 * fill.intensity
    exposure = 0.95 / metered * float(np.exp(0.22 * rng.standard_normal()))
    return (key, fill), ambient, float(np.clip(0.4 * rng.standard_normal(), -1, 1)), exposure


def _draw_expression(rng: np.random.Generator) -> tuple[tuple[float, ...], Tensor]:
    """Strengths of the five expressions, and the coefficients of their sum.

    Of the faces, 35 % are nearly neutral, 45 % show one expression at any strength, and 20 % one
    with a weaker second one.
    """
    kind = rng.random()
    first, second = rng.permutation(len(EXPRESSIONS) - 1)[:2]
    strengths = [0.0] * (len(EXPRESSIONS) - 1)
    if kind < 0.35:
        strengths[first] = float(rng.uniform(0.0, 0.15))
    elif kind < 0.80:
        strengths[first] = float(rng.uniform(0.35, 1.1))
    else:
        strengths[first] = float(rng.uniform(0.4, 0.8))
        strengths[second] = float(rng.uniform(0.1, 0.3))
    total = expression_coefficients("neutral")
    for name, strength in zip(EXPRESSIONS[1:], strengths, strict=True):
        if strength:
            total = total + expression_coefficients(name, strength, rng)
    return tuple(strengths), total.clamp(0, 1)


# -- rendering ------------------------------------------------------------------------------------


def make_part(spec: WildSpec, part: int, device: str = "cpu") -> Mapping[str, np.ndarray]:
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
        Arrays by the field names of :meth:`WildSpec.layout`.
    """
    # Imported where it is used: a corpus that is already there needs no renderer.
    import torch

    from mtl_helpers.faces.draw.scenes import framed_vertices, render_scenes
    from mtl_helpers.faces.model.identity import sample_identities

    identity = sample_identities(1, spec.seed, start=FIRST_IDENTITY + part)[0]
    pictures = [draw_picture(spec, identity, place) for place in range(spec.pictures)]
    head = _head(device)
    rows = torch.stack([picture.expression for picture in pictures])  # (P, K)
    rendered = render_scenes(
        head,
        framed_vertices(head, identity.coefficients, rows),
        [picture.scene for picture in pictures],
        side=spec.side,
        channels=spec.channels,
        device=device,
    )
    images = np.stack(
        [
            _photograph(image, picture, [spec.seed, identity.index, place])
            for place, (image, picture) in enumerate(zip(rendered.images, pictures, strict=True))
        ]
    )
    return {
        "images": images,
        "landmarks": rendered.landmarks,
        "visible": rendered.visible,
        "labels": np.array([picture.labels for picture in pictures], dtype=np.int64),
        "factors": np.array([picture.factors for picture in pictures], dtype=np.float32),
    }


def _photograph(
    image: NDArray[np.uint8], picture: WildPicture, seed: list[int]
) -> NDArray[np.uint8]:
    """What lens, hand, sensor and file format make of a rendered picture."""
    from mtl_helpers.faces.draw.degrade import blur, jpeg, motion_blur, sensor_noise

    scale = len(image) / _REFERENCE_SIDE
    image = blur(image, picture.blur * scale)
    image = motion_blur(image, picture.motion * scale, picture.motion_angle)
    image = sensor_noise(image, picture.noise, seed)
    return jpeg(image, picture.quality)


@functools.cache
def _head(device: str) -> Any:
    from mtl_helpers.faces.model.head import HeadModel

    return HeadModel.load(device)
