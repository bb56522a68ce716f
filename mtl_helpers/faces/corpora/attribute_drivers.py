"""Drivers: how a face and its pictures are made to have given attributes.

Attributes of the shape are driven to a *target* of their measure: local changes are solved for by
Newton's method, so that a person with a big nose has one by the ruler, whatever else varies. Paint,
accessories and facial actions are drawn from ranges that lie well on one side of the thresholds of
:data:`mtl_helpers.faces.corpora.measures.MEASURES`. Some people and pictures are put between the
thresholds on purpose: they are those that nobody should label.

What comes out is measured, and labelled by the measure alone.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.corpora.measures import (
    label,
    motion_measures,
    picture_measures,
    portrait_measures,
    shape_measures,
    sharpness_lost,
)
from mtl_helpers.faces.draw.degrade import blur, sensor_noise
from mtl_helpers.faces.draw.scenes import Light, Scene, framed_vertices, render_scenes
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import Identity, sample_identities
from mtl_helpers.faces.model.landmarks import LANDMARKS_51, framing, normalise_framing
from mtl_helpers.faces.scene.appearance import FRAMES, HAIR_STYLES, Look, Skin, skin_of
from mtl_helpers.faces.scene.cameras import Camera
from mtl_helpers.faces.scene.look import EARRINGS

__all__ = [
    "RenderedPerson",
    "StagedPerson",
    "draw_look",
    "draw_person",
    "render_person",
    "stage_person",
]

_PERSON_STREAM, _PICTURE_STREAM = 0x70657273, 0x61747472
_UNSURE = 0.06
"""Share of people, or of pictures, that are put between the thresholds of a measure."""

_CALM: Final = {"eyebrows": 0.2, "eye": 0.3, "mouth": 0.25, "nose": 0.45, "ear": 0.6}
_USUAL_CALM = 0.4
"""Factors on a person's random local changes by region, so that the driven ones are seen."""

Wish = Mapping[str, bool]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class _Target:
    """Ranges of a shape measure, and the local changes and outlines that move it.

    ``lacks`` and ``holds`` are the ranges of the measure without and with the attribute. One unit
    of the driver makes signed local ``changes`` (``lr-`` for both sides), and outlines: ``shapes``
    when it is positive, ``opposite`` when it is negative.
    """

    lacks: tuple[float, float]
    holds: tuple[float, float]
    changes: Mapping[str, float] = dataclasses.field(default_factory=dict)
    shapes: Mapping[str, float] = dataclasses.field(default_factory=dict)
    opposite: Mapping[str, float] = dataclasses.field(default_factory=dict)


_TARGETS: Final[dict[str, _Target]] = {
    "Male": _Target((-0.45, -0.05), (1.05, 1.45)),
    "Young": _Target((-0.1, 0.3), (0.75, 1.1)),
    "Big_Nose": _Target(
        (0.30, 0.39),
        (0.52, 0.64),
        {
            "nose-volume-incr": 0.9,
            "nose-scale-horiz-incr": 0.9,
            "nose-scale-depth-incr": 0.4,
            "nose-scale-vert-incr": 0.3,
            "nose-width3-incr": 0.5,
        },
    ),
    "Pointy_Nose": _Target(
        (0.55, 0.90),
        (1.32, 1.75),
        {
            "nose-point-width-incr": -1.0,
            "nose-scale-depth-incr": 0.7,
            "nose-nostrils-width-incr": -0.4,
        },
    ),
    "Big_Lips": _Target(
        (0.24, 0.33),
        (0.46, 0.58),
        {
            "mouth-upperlip-volume-incr": 0.8,
            "mouth-lowerlip-volume-incr": 0.8,
            "mouth-upperlip-height-incr": 0.8,
            "mouth-lowerlip-height-incr": 0.8,
        },
    ),
    "Narrow_Eyes": _Target(
        (2.3, 3.0),
        (4.1, 4.8),
        {"lr-eye-height1-incr": -0.9, "lr-eye-height2-incr": -0.9, "lr-eye-height3-incr": -0.9},
    ),
    "Oval_Face": _Target(
        (1.22, 1.31), (1.43, 1.56), shapes={"head-oval": 1.0}, opposite={"head-square": 0.5}
    ),
    "High_Cheekbones": _Target(
        (1.13, 1.21),
        (1.37, 1.50),
        {"lr-cheek-bones-incr": 1.0, "lr-cheek-inner-incr": -0.4, "lr-cheek-volume-incr": -0.2},
    ),
    "Chubby": _Target(
        (1.58, 1.74),
        (1.94, 2.12),
        {"head-fat-incr": 0.9, "lr-cheek-volume-incr": 0.6, "lr-cheek-inner-incr": 0.4},
    ),
}
# Local changes that make bags under the eyes, which are painted too.
_BAGS: Final = {
    f"{side}-eye-{change}-incr": amount
    for side in ("l", "r")
    for change, amount in (("bag", 1.2), ("bag-height", 0.4))
}
_STEPS, _PROBE, _REACH, _LARGEST = 10, 0.08, 2.2, 1.5


def _amount(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


# -- the person -----------------------------------------------------------------------------------


def draw_person(wish: Wish, *, seed: int, identity: int, head: HeadModel) -> tuple[Tensor, Skin]:
    """Draw a person with given attributes: the neutral face's coefficients (K,), and its colours.

    Only identity-level attributes of the wish count; seed and identity key all that is drawn.
    """
    rng = np.random.default_rng([_PERSON_STREAM, seed, identity])
    person = sample_identities(1, seed, start=identity)[0]
    goals = {}
    for name, target in _TARGETS.items():
        u, unsure = rng.random(2)
        low, high = target.holds if wish[name] else target.lacks
        goals[name] = low + u * (high - low)
        if unsure < _UNSURE:
            goals[name] = (target.lacks[1] + target.holds[0]) / 2
    weight, bags = rng.uniform(0.3, 0.7), rng.uniform(0.0, 1.0)
    if rng.random() < _UNSURE:
        bags = 0.5
    elif wish["Bags_Under_Eyes"]:
        bags = 0.85 + 0.15 * bags
    else:
        bags = 0.1 * bags
    coefficients = _Solver(head, person, weight, bags).solve(goals)
    return coefficients, _draw_skin(rng, wish, person, bags)


def _draw_skin(rng: np.random.Generator, wish: Wish, person: Identity, bags: float) -> Skin:
    """Colours and brows; pale skin, bushy and arched brows are painted, bags are in part."""
    u = rng.random(7)
    unsure = rng.random(3) < _UNSURE
    tone = 0.07 * u[0] if wish["Pale_Skin"] else 0.36 + 0.42 * u[0] ** 1.5
    height = 1.55 + 0.5 * u[1] if wish["Bushy_Eyebrows"] else 0.6 + 0.25 * u[1]
    density = 0.92 + 0.08 * u[2] if wish["Bushy_Eyebrows"] else 0.62 + 0.2 * u[2]
    arch = 0.36 + 0.10 * u[3] if wish["Arched_Eyebrows"] else 0.02 + 0.10 * u[3]
    if unsure[0]:
        tone = 0.2
    if unsure[1]:
        height, density = 1.15, 0.85
    if unsure[2]:
        arch = 0.23
    age = 2 / 3 if wish["Young"] else 0.97
    usual = skin_of(
        dataclasses.replace(
            person,
            phenotype={**person.phenotype, "age": age},
            skin_tone=tone,
            skin_redness=0.4 * person.skin_redness,
            lip_redness=0.25 * person.lip_redness,
            lip_darkness=0.6 * person.lip_darkness,
        )
    )
    return dataclasses.replace(
        usual,
        brow_height=height,
        brow_density=density,
        brow_arch=arch,
        brow_slope=0.02 * (u[4] - 0.5),
        brow_length=1.0,
        flush=0.3 + 0.4 * u[5],
        under_eye=1.5 * bags,
        freckles=0.0,
        moles=0.04 * u[6],
    )


class _Solver:
    """Solves for the drivers of a person's shape; see :func:`draw_person`."""

    def __init__(self, head: HeadModel, person: Identity, weight: float, bags: float) -> None:
        self._head = head
        names = head.change_names
        self._places = {name: place for place, name in enumerate(names)}
        self._rows = _change_rows(head)
        self._shape_rows = [head.index(f"shape:{name}") for name in head.shape_names]
        base = person.coefficients.numpy().astype(np.float64)
        rows = self._rows
        calm = np.array([_CALM.get(_bare(name).split("-")[0], _USUAL_CALM) for name in names])
        self._changes = calm * (base[rows[0]] - base[rows[1]])  # (C,), signed
        for name, amount in _BAGS.items():
            self._changes[self._places[name]] += amount * bags
        self._shapes = _USUAL_CALM * base[self._shape_rows]
        others = {name: person.phenotype[name] for name in ("african", "asian", "caucasian")}
        corners = [
            head.phenotype_coefficients({**others, "weight": weight, "gender": g, "age": a})[0]
            for g in (1.0, 0.0)
            for a in (1.0, 2 / 3)
        ]
        self._corners = torch.stack(corners).cpu().numpy().reshape(2, 2, -1)  # male, young
        self._moves = np.zeros((len(_TARGETS), len(names)))
        self._outlines = np.zeros((2, len(_TARGETS), len(head.shape_names)))
        for place, target in enumerate(_TARGETS.values()):
            for name, amount in target.changes.items():
                for side in ("l-", "r-") if name.startswith("lr-") else ("",):
                    full = side + name.removeprefix("lr-")
                    self._moves[place, self._places[full]] = amount
            for sign, outlines in enumerate((target.shapes, target.opposite)):
                for name, amount in outlines.items():
                    self._outlines[sign, place, head.shape_names.index(name)] = amount

    def coefficients(self, drivers: NDArray[np.float64]) -> Tensor:
        """Coefficients (B, K) of driver values (B, D)."""
        row = np.zeros((len(drivers), len(self._head.coefficient_names)))
        gender, youth = (np.clip(drivers[:, i], -low, 1 + low) for i, low in ((0, 0.8), (1, 0.35)))
        weights = np.einsum(
            "ib,jb->bij", np.stack([1 - gender, gender]), np.stack([1 - youth, youth])
        )
        phenotype = np.einsum("bij,ijk->bk", weights, self._corners)
        row[:, : phenotype.shape[1]] = phenotype
        changes = np.clip(self._changes + drivers @ self._moves, -_LARGEST, _LARGEST)  # (B, C)
        positive, negative = self._rows
        row[:, positive] += np.maximum(changes, 0)
        row[:, negative] += np.maximum(-changes, 0)
        ahead, back = (np.maximum(sign * drivers, 0) for sign in (1, -1))
        outlines = self._shapes + ahead @ self._outlines[0] + back @ self._outlines[1]
        row[:, self._shape_rows] = np.clip(outlines, 0, 1.4)
        return torch.from_numpy(row.astype(np.float32))

    def _measure(self, drivers: NDArray[np.float64]) -> NDArray[np.float64]:
        with torch.no_grad():
            row = self.coefficients(drivers).to(self._head.template)
            neutral = normalise_framing(self._head(row))
        measures = shape_measures(self._head, neutral)
        return np.stack([measures[name] for name in _TARGETS], axis=1)  # (B, D)

    def solve(self, goals: Mapping[str, float]) -> Tensor:
        """Coefficients (K,) whose measures are the goals, as nearly as the drivers reach."""
        targets = np.array([goals[name] for name in _TARGETS])
        scale = np.array([t.holds[0] - t.lacks[1] for t in _TARGETS.values()])
        drivers = np.zeros(len(_TARGETS))
        drivers[:2] = targets[:2]
        best, least = drivers, np.inf
        for step in range(_STEPS):
            if step % 2 == 0:
                probes = drivers + _PROBE * np.eye(len(drivers))
                measures = self._measure(np.vstack([drivers, probes]))
                slopes = ((measures[1:] - measures[0]) / _PROBE / scale).T  # (measures, drivers)
                short = (targets - measures[0]) / scale
            else:
                short = (targets - self._measure(drivers[None])[0]) / scale
            if np.abs(short).max() < least:
                best, least = drivers, float(np.abs(short).max())
            # a little ridge, for outlines that stop at 0 have no slope on one side
            normal = slopes.T @ slopes + 0.01 * np.eye(len(drivers))
            move = np.linalg.solve(normal, slopes.T @ short)
            drivers = np.clip(drivers + np.clip(move, -0.8, 0.8), -_REACH, _REACH)
        return self.coefficients(best[None])[0]


def _bare(name: str) -> str:
    """A local change's name without its side."""
    return name[2:] if name[:2] in ("l-", "r-") else name


@functools.lru_cache(maxsize=2)
def _change_rows(head: HeadModel) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the coefficients that raise, and that lower, each local change."""
    bare = head.coefficients()
    rows = []
    for sign in (1.0, -1.0):
        columns = []
        for name in head.change_names:
            moved = head.coefficients(changes={name: sign}) - bare
            columns.append(int(moved.abs().argmax()))
        rows.append(np.array(columns))
    return rows[0], rows[1]


# -- the picture ----------------------------------------------------------------------------------

# Linear reflectances: black, brown, blond, grey, and red, which has no name among CelebA's.
_HAIR_COLOURS: Final[dict[str, tuple[Colour, Colour]]] = {
    "Black_Hair": ((0.009, 0.008, 0.008), (0.016, 0.013, 0.012)),
    "Brown_Hair": ((0.060, 0.031, 0.015), (0.120, 0.060, 0.026)),
    "Blond_Hair": ((0.340, 0.210, 0.085), (0.460, 0.310, 0.140)),
    "Gray_Hair": ((0.230, 0.225, 0.220), (0.480, 0.470, 0.455)),
    "": ((0.170, 0.042, 0.012), (0.210, 0.055, 0.016)),
}
_CUTS: Final = ("cropped", "short", "swept", "curly", "afro", "bob", "long", "bun")
_SHORT_CUTS: Final = ("cropped", "short", "swept")
_BARE_TEMPLES: Final = ("cropped", "short")
_FREE_EARS: Final = ("cropped", "short", "swept", "bun")
_UNDER_HATS: Final = ("short", "swept", "bob", "long")


def draw_look(rng: np.random.Generator, wish: Wish, skin: Skin) -> Look:
    """Draw a look that shows the picture-level attributes of a wish."""
    u = rng.random(40)
    unsure = rng.random(16) < _UNSURE
    named = [name for name in _HAIR_COLOURS if name and wish[name]]
    low, high = _HAIR_COLOURS[named[0] if named else ""]
    hair = tuple(float(a + u[0] * (b - a)) for a, b in zip(low, high, strict=True))
    red, pink, plum = np.array([[0.42, 0.02, 0.03], [0.50, 0.08, 0.13], [0.24, 0.015, 0.04]])
    lipstick = red + u[1] * (pink - red) if u[2] < 0.7 else plum

    if wish["Bald"]:
        cuts: Sequence[str] = ("bald",)
    elif wish["Bangs"]:
        cuts = ("fringe",)
    elif wish["Receding_Hairline"]:
        cuts = _BARE_TEMPLES
    elif wish["Sideburns"]:
        cuts = _SHORT_CUTS
    elif wish["Wearing_Earrings"]:
        cuts = _FREE_EARS
    elif wish["Wearing_Hat"]:
        cuts = _UNDER_HATS
    else:
        cuts = _CUTS
    cut = cuts[int(u[3] * len(cuts))]
    hairline = -0.25 + 0.15 * u[5]
    if wish["Bangs"]:
        hairline = -0.55 - 0.1 * u[5]
    elif wish["Receding_Hairline"]:
        hairline = -0.12 + 0.10 * u[5]
    stubble = 0.7 + 0.3 * u[6] if wish["5_o_Clock_Shadow"] else 0.0
    cover = 0.85 + 0.15 * u[7]
    walls = 0.03 + 0.45 * u[8:10, None] ** 1.5 * (0.55 + 0.45 * u[10:16].reshape(2, 3))
    metals = ((0.62, 0.46, 0.16), (0.55, 0.54, 0.52))

    def strength(name: str, at: int, low: float, high: float, middle: float) -> float:
        if unsure[at]:
            return middle
        return low + (high - low) * float(u[20 + at]) if wish[name] else 0.0

    return Look(
        colour=(hair[0], hair[1], hair[2]),
        cloth=_colour(0.03 + 0.4 * u[16] ** 2 * (0.45 + 0.55 * u[17:20])),
        backdrop=_colour(walls[0]),
        backdrop2=_colour(walls[1]),
        scene=int(rng.integers(4)),
        hairline=float(hairline),
        sideburn=float(0.1 + 0.2 * u[30]),
        nape=float(-0.2 + 0.4 * u[31]),
        tilt=float(0.1 * (u[32] - 0.5)),
        ragged=float(0.02 + 0.05 * u[33]),
        top=float(0.06 + 0.2 * u[34]),
        side=float(0.03 + 0.1 * u[35]),
        strands=float(0.25 + 0.3 * u[36]),
        pattern=int(rng.integers(2**31)),
        hair=HAIR_STYLES.index(cut),
        wave=float(u[4]),
        receding=float(0.34 + 0.04 * u[5]) if wish["Receding_Hairline"] else 0.0,
        stubble=float(0.25 if unsure[0] and wish["No_Beard"] else stubble),
        moustache=float(cover) if wish["Mustache"] else 0.0,
        goatee=float(cover) if wish["Goatee"] else 0.0,
        sideburns=float(cover) if wish["Sideburns"] else 0.0,
        beard_colour=_colour(np.minimum(0.5 * np.array(hair), 0.25 * np.array(skin.albedo))),
        lipstick=strength("Wearing_Lipstick", 1, 0.8, 1.0, 0.3),
        lipstick_colour=_colour(lipstick),
        eyeshadow=strength("Heavy_Makeup", 2, 0.85, 1.0, 0.35),
        rouge=strength("Rosy_Cheeks", 3, 0.8, 1.0, 0.5),
        glasses=1 + int(FRAMES * u[37]) if wish["Eyeglasses"] else 0,
        glasses_colour=(0.02, 0.018, 0.016) if u[38] < 0.7 else (0.2, 0.15, 0.08),
        hat=1 + int(3 * u[39]) if wish["Wearing_Hat"] else 0,
        hat_colour=_colour(rng.uniform(0.02, 0.5) * rng.uniform(0.2, 1.0, 3)),
        earrings=EARRINGS.index("hoops") if wish["Wearing_Earrings"] else 0,
        necklace=int(wish["Wearing_Necklace"]),
        necktie=int(wish["Wearing_Necktie"]),
        trinket_colour=metals[int(rng.integers(2))],
    )


def _colour(values: NDArray[np.float64]) -> Colour:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _draw_actions(rng: np.random.Generator, wish: Wish, head: HeadModel) -> tuple[Tensor, float]:
    """Facial actions (K,) of a smile or none, and the gap that is wanted between the lips.

    The gap is NaN where the lips are to stay as they are.
    """
    u = rng.random(2)
    unsure = rng.random(2) < _UNSURE
    smile = 0.6 + 0.4 * float(u[0]) if wish["Smiling"] else 0.0
    gap = 0.13 + 0.09 * float(u[1]) if wish["Mouth_Slightly_Open"] else float("nan")
    if unsure[0]:
        smile = 0.18
    if unsure[1]:
        gap = 0.095
    row = torch.zeros(len(head.coefficient_names))
    for action, share in (("mouthSmile", 0.9), ("cheekSquint", 0.4), ("mouthDimple", 0.2)):
        for side in ("Left", "Right"):
            row[head.index(f"action:{action}{side}")] = share * smile
    return row, gap


def _open_mouths(
    head: HeadModel, scale: Tensor, vertices: Tensor, gaps: NDArray[np.float64]
) -> Tensor:
    """Lower the jaws of framed faces (P, V, 3) until the lips are as far apart as wanted (P,).

    ``scale`` is the length in metres that their framing made 1.
    """
    upper, lower = LANDMARKS_51[[45, 49]]
    # how the jaw moves every vertex, in the units of the neutral face's framing
    jaw = head.basis[head.index("action:jawOpen")] / scale  # (V, 3)
    apart = (vertices[:, upper] - vertices[:, lower]).double().cpu().numpy()  # (P, 3)
    more = (jaw[upper] - jaw[lower]).double().cpu().numpy()  # (3,)
    # |apart + amount more| = gap is a quadratic in the amount
    b, c = apart @ more, (apart**2).sum(1) - gaps**2
    root = np.sqrt(np.maximum(b**2 - more @ more * c, 0))
    amount = np.nan_to_num(np.clip((root - b) / (more @ more), 0, 0.6), nan=0.0)
    return vertices + torch.from_numpy(amount).to(vertices)[:, None, None] * jaw


def _draw_scene(rng: np.random.Generator, look: Look, skin: Skin) -> Scene:
    """A camera before the face and soft, plain light: colours are to be judged."""
    yaw, pitch, roll = np.clip(
        np.array([9.0, 5.0, 4.0]) * rng.standard_normal(3), [-22, -10, -10], [22, 10, 10]
    )
    camera = Camera(
        "attributes",
        float(yaw),
        float(pitch),
        0,
        roll_deg=float(roll),
        field_width=_amount(rng, 5.2, 5.4),
        target=(0.0, -0.5, -0.12 + 0.05 * float(rng.standard_normal())),
    )
    key = Light(
        float(yaw) + _amount(rng, -40, 40),
        _amount(rng, 10, 40),
        _amount(rng, 0.40, 0.60),
        hard=bool(rng.random() < 0.5),
    )
    return Scene(
        camera=camera,
        lights=(key,),
        ambient=_amount(rng, 0.42, 0.55),
        look=look,
        skin=skin,
        exposure=_amount(rng, 0.92, 1.12),
    )


# -- pictures, measured ---------------------------------------------------------------------------


@dataclass(frozen=True)
class RenderedPerson:
    """A person's P pictures with what was measured in them.

    ``images`` are uint8 (P, side, side) or (P, side, side, 3), ``landmarks`` (P, 51, 2) float32,
    ``visible`` (P, 51) bool. Per attribute, ``measures`` are (P,), NaN where the picture does not
    show it, and ``labels`` int8 (P,): 1, 0, or -1 in the margin.
    """

    images: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    visible: NDArray[np.bool_]
    measures: dict[str, NDArray[np.float64]]
    labels: dict[str, NDArray[np.int8]]


@dataclass(frozen=True)
class StagedPerson:
    """A person's P pictures before they are drawn.

    ``still`` is the neutral face, framed, (1, V, 3), and ``vertices`` (P, V, 3) that of each
    picture, which has a scene, a blur ``sigmas`` in pixels of a side of 64, and a key of its noise.
    """

    head: HeadModel
    still: Tensor
    vertices: Tensor
    scenes: list[Scene]
    sigmas: list[float]
    keys: list[list[int]]


def stage_person(
    wishes: Mapping[str, NDArray[np.bool_]], *, seed: int, identity: int, device: str = "cpu"
) -> StagedPerson:
    """Return what :func:`render_person` draws, for the same arguments."""
    head = _head(device)
    pictures = [
        {name: bool(values[place]) for name, values in wishes.items()}
        for place in range(len(next(iter(wishes.values()))))
    ]
    coefficients, skin = draw_person(pictures[0], seed=seed, identity=identity, head=head)
    rows, gaps, scenes, sigmas, keys = [], [], [], [], []
    for place, wish in enumerate(pictures):
        key = [_PICTURE_STREAM, seed, identity, place]
        rng = np.random.default_rng(key)
        row, gap = _draw_actions(rng, wish, head)
        rows.append(row)
        gaps.append(gap)
        scenes.append(_draw_scene(rng, draw_look(rng, wish, skin), skin))
        u, unsure = rng.random(2)
        sigmas.append(0.55 if unsure < _UNSURE else 0.9 + 0.6 * u if wish["Blurry"] else 0.0)
        keys.append(key)
    with torch.no_grad():
        frame = framing(head(coefficients[None].to(head.template)))
    still = framed_vertices(head, coefficients, torch.zeros(1, len(coefficients)))  # (1, V, 3)
    vertices = framed_vertices(head, coefficients, torch.stack(rows))  # (P, V, 3)
    vertices = _open_mouths(head, frame.scale, vertices, np.array(gaps))
    return StagedPerson(head, still, vertices, scenes, sigmas, keys)


def render_person(
    wishes: Mapping[str, NDArray[np.bool_]],
    *,
    seed: int,
    identity: int,
    side: int,
    channels: int = 3,
    device: str = "cpu",
) -> RenderedPerson:
    """Draw, render and measure one person's pictures.

    Wishes say for each attribute whether it is to hold in each picture, (P,); those of the person
    are taken from the first. A picture depends on seed, identity, its place and its wish alone.
    Grey pictures are the luminance of the colour ones.
    """
    staged = stage_person(wishes, seed=seed, identity=identity, device=device)
    head, still, vertices, scenes = staged.head, staged.still, staged.vertices, staged.scenes
    rendered = render_scenes(
        head, vertices, scenes, side=side, channels=3, device=device, record=True
    )
    soft = np.stack(
        [
            blur(image, s * side / 64)
            for image, s in zip(rendered.images, staged.sigmas, strict=True)
        ]
    )
    own = {
        **shape_measures(head, still),
        **portrait_measures(head, still, [scenes[0].skin], device),
    }
    measures: dict[str, NDArray[np.float64]] = {
        **{name: np.repeat(value, len(scenes)) for name, value in own.items()},
        **motion_measures(vertices, still),
        **picture_measures(head, vertices, scenes, rendered),
        "Blurry": sharpness_lost(rendered.images, soft),
    }
    images = np.stack(
        [sensor_noise(image, 1.5, key) for image, key in zip(soft, staged.keys, strict=True)]
    )
    if channels == 1:
        grey = images.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
        images = np.rint(grey).astype(np.uint8)
    return RenderedPerson(
        images,
        rendered.landmarks,
        rendered.visible,
        measures,
        {name: label(name, values) for name, values in measures.items()},
    )


@functools.cache
def _head(device: str) -> Any:
    return HeadModel.load(device)
