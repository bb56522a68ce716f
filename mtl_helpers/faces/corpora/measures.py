"""Measures: one continuous number for each attribute, read off the face or the picture.

A label of the ``attributes`` corpus is not what the generator wished for but what a ruler finds:
``Big_Nose`` is a nose that is large in inter-ocular distances, ``Wearing_Hat`` a picture in which
the renderer hit a hat. Every measure has two thresholds. At or above the upper one the attribute
holds (1), at or below the lower one it does not (0), and between them nobody should say
(-1).

Measures come from four sources:

- ``shape``: lengths between vertices of the neutral face;
- ``portrait``: a plain frontal picture of the neutral face, bald, in even light;
- ``motion``: vertices of the picture's face against the neutral one's;
- ``picture``: which material the renderer hit where a part of the face projects to, and the colour
  of the picture there, brought back to reflectance by the inverse of the tone curve and the light
  that falls on the surface.

The first two are the same in all pictures of a person. Lengths are inter-ocular distances of the
neutral face, areas their squares.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.draw.render import EXPOSURE, GAMMA
from mtl_helpers.faces.draw.scenes import Light, RenderedScenes, Scene, render_scenes
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.landmarks import LANDMARKS_51, normalise_framing
from mtl_helpers.faces.scene.appearance import MATERIAL_NAMES, paint_coordinates
from mtl_helpers.faces.scene.cameras import Camera, project
from mtl_helpers.faces.scene.look import Look, Skin

__all__ = [
    "MEASURES",
    "Measure",
    "face_parts",
    "label",
    "motion_measures",
    "picture_measures",
    "portrait_measures",
    "shape_measures",
    "sharpness_lost",
]

Source = Literal["shape", "portrait", "motion", "picture"]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """How an attribute is read, and from where on it holds.

    ``what`` says it in a line, ``source`` is one of the module's four. At or below ``low`` the
    attribute does not hold, at or above ``high`` it does.
    """

    what: str
    source: Source
    low: float
    high: float


MEASURES: Final[dict[str, Measure]] = {
    "Male": Measure("share of the shape that only the gender control explains", "shape", 0.3, 0.7),
    "Young": Measure("share of the shape that only the age control explains", "shape", 0.42, 0.64),
    "Big_Nose": Measure("width across the wings x length, area", "shape", 0.42, 0.48),
    "Pointy_Nose": Measure("how far the tip stands out / width of the tip", "shape", 1.0, 1.2),
    "Big_Lips": Measure("height of the upper lip + that of the lower one", "shape", 0.37, 0.42),
    "Narrow_Eyes": Measure("width of the eye / its opening", "shape", 3.35, 3.75),
    "Oval_Face": Measure("width at the temples / width at the jaw", "shape", 1.34, 1.39),
    "High_Cheekbones": Measure(
        "width at the cheekbones / width at the hollow of the cheeks", "shape", 1.26, 1.32
    ),
    "Chubby": Measure("width of the lower cheeks", "shape", 1.80, 1.88),
    "Arched_Eyebrows": Measure(
        "height of the brow's arch above the chord of its ends", "portrait", 0.035, 0.055
    ),
    "Bags_Under_Eyes": Measure(
        "darkness of the skin under the eyes against the cheeks, log ratio", "portrait", 0.14, 0.19
    ),
    "Bushy_Eyebrows": Measure("area of the brows", "portrait", 0.14, 0.205),
    "Pale_Skin": Measure("reflectance of the face's skin (luminance)", "portrait", 0.335, 0.375),
    "Smiling": Measure("rise of the mouth's corners + half its widening", "motion", 0.04, 0.08),
    "Mouth_Slightly_Open": Measure("gap between the lips", "motion", 0.08, 0.11),
    "Wearing_Lipstick": Measure(
        "redness of the lips less that of the skin, log ratio", "picture", 0.32, 0.5
    ),
    "Heavy_Makeup": Measure(
        "darkness of the skin over the eyes against the face, log ratio", "picture", 0.66, 0.88
    ),
    "Rosy_Cheeks": Measure(
        "redness of the cheeks less that of the face, log ratio", "picture", 0.18, 0.25
    ),
    "Eyeglasses": Measure("area of frame and lenses", "picture", 0.02, 0.08),
    "Blurry": Measure("share of the fine detail that is lost", "picture", 0.25, 0.45),
    "Black_Hair": Measure("nearness of the hair's colour to black", "picture", -0.1, 0.1),
    "Brown_Hair": Measure("nearness of the hair's colour to brown", "picture", -0.1, 0.1),
    "Blond_Hair": Measure("nearness of the hair's colour to blond", "picture", -0.1, 0.1),
    "Gray_Hair": Measure("nearness of the hair's colour to gray", "picture", -0.1, 0.1),
    "Bald": Measure("share of bare skin on top of the head", "picture", 0.4, 0.65),
    "Receding_Hairline": Measure(
        "share of bare skin at the temples, times that of hair on top", "picture", 0.33, 0.45
    ),
    "Bangs": Measure("share of the forehead under hair", "picture", 0.25, 0.45),
    "Wearing_Earrings": Measure("area of jewels near the ear lobes", "picture", 0.004, 0.01),
    "Wearing_Necklace": Measure("area of jewels elsewhere", "picture", 0.01, 0.03),
    "Wearing_Hat": Measure("area of the hat", "picture", 0.1, 0.4),
    "Wearing_Necktie": Measure("area of the tie", "picture", 0.01, 0.04),
    "5_o_Clock_Shadow": Measure(
        "darkness of the bare skin of the jaw against the face, log ratio", "picture", 0.33, 0.43
    ),
    "Mustache": Measure("share of beard between nose and mouth", "picture", 0.2, 0.5),
    "Goatee": Measure("share of beard on the chin", "picture", 0.2, 0.5),
    "Sideburns": Measure("share of beard before the ear, better side", "picture", 0.15, 0.35),
    "No_Beard": Measure(
        "1 - the largest share of beard or shadow on any part", "picture", 0.75, 0.9
    ),
}
"""Every attribute's measure; the order is that of the sources."""


def label(name: str, values: NDArray[np.floating]) -> NDArray[np.int8]:
    """Turn measures of one attribute into labels, int8 of the same shape.

    -1 (unlabelled) stands between the thresholds, and where the measure is NaN because the picture
    does not show what is to be measured.
    """
    measure = MEASURES[name]
    values = np.asarray(values)
    holds, lacks = values >= measure.high, values <= measure.low
    return np.where(holds, 1, np.where(lacks, 0, -1)).astype(np.int8)


# -- shape and motion -----------------------------------------------------------------------------

# Rows of the 51-point set.
_NOSE_ROOT, _NOSE_TIP, _NOSE_BASE = 10, 13, 16
_WINGS: Final = (14, 18)
_EYES: Final = ((19, 20, 21, 22, 23, 24), (28, 27, 26, 25, 30, 29))  # outer corner first
_CORNERS: Final = (31, 37)
_UPPER_LIP, _LOWER_LIP = (34, 45), (40, 49)  # outer and inner edge

# Vertices that are no landmarks, the subject's right and left; chosen on the template.
_TIP_SIDES: Final = (277, 2416)
_TEMPLES: Final = (1918, 3964)
_JAW: Final = (740, 2830)
_CHEEKBONES: Final = (1531, 3592)
_HOLLOWS: Final = (1655, 3709)
_LOW_CHEEKS: Final = (1595, 3653)


def shape_measures(head: HeadModel, neutral: Tensor) -> dict[str, Array]:
    """Measure neutral, framed faces (B, V, 3).

    Gives (B,) for each attribute whose source is ``shape``.
    """
    points = neutral.detach().cpu().numpy().astype(np.float64)  # (B, V, 3)
    marks = points[:, LANDMARKS_51]  # (B, 51, 3)

    def across(a: int, b: int) -> Array:
        return _length(points[:, a], points[:, b])

    def between(a: int, b: int) -> Array:
        return _length(marks[:, a], marks[:, b])

    opening = [
        (between(eye[1], eye[5]) + between(eye[2], eye[4])) / 2 / between(eye[0], eye[3])
        for eye in _EYES
    ]
    gender, age = _phenotype_reader(head).read(neutral)
    return {
        "Male": gender,
        "Young": age,
        "Big_Nose": between(*_WINGS) * between(_NOSE_ROOT, _NOSE_BASE),
        # the face looks toward -y
        "Pointy_Nose": (marks[:, list(_WINGS), 1].mean(1) - marks[:, _NOSE_TIP, 1])
        / across(*_TIP_SIDES),
        "Big_Lips": between(*_UPPER_LIP) + between(*_LOWER_LIP),
        "Narrow_Eyes": 1 / np.mean(opening, axis=0),
        "Oval_Face": across(*_TEMPLES) / across(*_JAW),
        "High_Cheekbones": across(*_CHEEKBONES) / across(*_HOLLOWS),
        "Chubby": (across(*_LOW_CHEEKS) + across(*_HOLLOWS)) / 2,
    }


def motion_measures(vertices: Tensor, neutral: Tensor) -> dict[str, Array]:
    """Measure what faces (B, V, 3) do: (B,) for each attribute whose source is ``motion``.

    ``neutral`` are the same people's neutral faces in the same framing, (B, V, 3) or (1, V, 3).
    """
    moved, still = (
        x[:, torch.from_numpy(LANDMARKS_51)].detach().cpu().numpy().astype(np.float64)
        for x in (vertices, neutral)
    )  # (B, 51, 3)

    def rise(marks: Array) -> Array:
        # above the middle of the lips, so that an opening jaw counts for little
        middle = [_UPPER_LIP[0], _LOWER_LIP[0]]
        return np.asarray(marks[:, list(_CORNERS), 2].mean(1) - marks[:, middle, 2].mean(1))

    def width(marks: Array) -> Array:
        return _length(marks[:, _CORNERS[0]], marks[:, _CORNERS[1]])

    smile = rise(moved) - rise(still) + (width(moved) - width(still)) / 2
    gap = _length(moved[:, _UPPER_LIP[1]], moved[:, _LOWER_LIP[1]])
    return {"Smiling": smile, "Mouth_Slightly_Open": gap}


def _length(a: Array, b: Array) -> Array:
    return np.asarray(np.linalg.norm(a - b, axis=-1))


class _PhenotypeReader:
    """Reads gender and age off a shape, by least squares beside everything else that varies.

    A face's displacement from a reference is fitted by those of gender, age, weight, muscle and
    ancestry, of every local change in both directions and of every outline, with a small ridge;
    the coefficients of the first two are the measures.
    """

    _RIDGE = 0.01
    _REFERENCE: Final = {"gender": 0.5, "age": 0.75}

    def __init__(self, head: HeadModel) -> None:
        places = paint_coordinates(head)  # (V, 3)
        face = (places[:, 1] < 0.6) & (places[:, 2].abs() < 1.9)
        skin = torch.zeros(len(places), dtype=torch.bool)
        skin[head.faces.cpu()[head.face_segments.cpu() == 0].flatten()] = True
        # every third vertex says as much as all of them
        self._chosen = (face & skin).nonzero().squeeze(1)[::3]
        self._centre = self._points(head, {})
        ends = [
            ({"gender": 0.0}, {"gender": 1.0}),
            ({"age": 2 / 3}, {"age": 1.0}),
            ({"weight": 1.0}, {"weight": 0.0}),
            ({"muscle": 1.0}, {"muscle": 0.0}),
            ({"african": 1.0, "asian": 0.0, "caucasian": 0.0}, {}),
            ({"african": 0.0, "asian": 1.0, "caucasian": 0.0}, {}),
        ]
        columns = [self._points(head, a) - self._points(head, b) for a, b in ends]
        for name in head.change_names:
            if name.startswith("r-"):
                continue
            pair = (name, "r-" + name[2:]) if name.startswith("l-") else (name,)
            for sign in (0.4, -0.4):
                changes = dict.fromkeys(pair, sign)
                columns.append(self._points(head, {}, changes=changes) - self._centre)
        for name in head.shape_names:
            columns.append(self._points(head, {}, shapes={name: 0.3}) - self._centre)
        directions = torch.stack(columns, dim=1).double()  # (3 N, D)
        normal = directions.T @ directions + self._RIDGE * torch.eye(len(columns))
        self._weights = torch.linalg.solve(normal, directions.T)[:2]  # (2, 3 N)

    def _points(
        self,
        head: HeadModel,
        phenotype: Mapping[str, float],
        changes: Mapping[str, float] | None = None,
        shapes: Mapping[str, float] | None = None,
    ) -> Tensor:
        row = head.coefficients({**self._REFERENCE, **phenotype}, changes=changes, shapes=shapes)
        with torch.no_grad():
            return normalise_framing(head(row[None]))[0, self._chosen].flatten().cpu()  # (3 N,)

    def read(self, neutral: Tensor) -> tuple[Array, Array]:
        """Return gender (0 female, 1 male) and youth (0 old, 1 young) of (B, V, 3), (B,) each."""
        points = neutral.detach()[:, self._chosen.to(neutral.device)].flatten(1).cpu()
        phenotypes = (points - self._centre).double() @ self._weights.T  # (B, 2)
        # the reference's own place between the two ends
        gender, age = (phenotypes + torch.tensor([0.5, 0.75])).numpy().T
        return gender, age


@functools.lru_cache(maxsize=2)
def _phenotype_reader(head: HeadModel) -> _PhenotypeReader:
    return _PhenotypeReader(head)


# -- portraits ------------------------------------------------------------------------------------

_PORTRAIT_SIDE = 128
_PORTRAIT_CAMERA: Final = Camera("portrait", 0.0, 0.0, 0)
_PORTRAIT_LIGHT: Final = Light(0.0, 10.0, 0.5, hard=False)
_PORTRAIT_AMBIENT = 0.5
_LUMINANCE: Final = np.array([0.2126, 0.7152, 0.0722])
_M: Final = {name: number for number, name in enumerate(MATERIAL_NAMES)}


def portrait_measures(
    head: HeadModel, neutral: Tensor, skins: Sequence[Skin], device: str | torch.device = "cpu"
) -> dict[str, Array]:
    """Draw plain frontal portraits of neutral, bald faces (B, V, 3), and measure them.

    Gives (B,) for each attribute whose source is ``portrait``.
    """
    plain = Look(colour=(0.0,) * 3, cloth=(0.2,) * 3, backdrop=(0.3,) * 3, hair=0)
    scenes = [
        Scene(_PORTRAIT_CAMERA, (_PORTRAIT_LIGHT,), _PORTRAIT_AMBIENT, plain, skin)
        for skin in skins
    ]
    rendered = render_scenes(
        head,
        neutral,
        scenes,
        side=_PORTRAIT_SIDE,
        channels=3,
        device=device,
        supersample=1,
        record=True,
    )
    readings = _Readings(head, neutral, scenes, rendered)
    skin = readings.colour(("forehead", "nose", "cheek"), "skin") @ _LUMINANCE
    pixel = _PORTRAIT_CAMERA.field_width / _PORTRAIT_SIDE
    area, arch = np.empty((2, len(skins)))
    for place, brows in enumerate(readings.material == _M["brow"]):
        rows, columns = np.nonzero(brows)
        area[place] = len(rows) * pixel**2
        out = (columns + 0.5) * pixel - _PORTRAIT_CAMERA.field_width / 2
        arch[place] = np.mean([_sagitta(out[s], -rows[s] * pixel) for s in (out < 0, out > 0)])
    bags = _dark(readings.colour(("under eye",), "skin"), readings.colour(("cheek",), "skin"))
    return {
        "Pale_Skin": skin,
        "Bags_Under_Eyes": bags,
        "Bushy_Eyebrows": area,
        "Arched_Eyebrows": arch,
    }


def _sagitta(across: NDArray[np.floating], up: NDArray[np.floating]) -> float:
    """Height of the arch of a parabola through points, above the chord of its ends; 0 if few."""
    if len(across) < 10 or np.ptp(across) < 0.2:
        return 0.0
    bend = np.polyfit(across, up, 2)[0]
    return float(-bend * np.ptp(across) ** 2 / 4)


# -- pictures -------------------------------------------------------------------------------------

# A bare jaw lies in this much shade, and stubble darkens it by about as much again: log ratios.
_BARE, _SHADE = 0.3, 0.5


def picture_measures(
    head: HeadModel, vertices: Tensor, scenes: Sequence[Scene], rendered: RenderedScenes
) -> dict[str, Array]:
    """Measure N pictures in colour, with their hit record, before blur and noise.

    Gives (N,) for each attribute whose source is ``picture``, but for ``Blurry``; NaN where the
    picture does not show what is to be measured.
    """
    read = _Readings(head, vertices, scenes, rendered)
    face = read.colour(("forehead", "nose", "cheek"), "skin")
    jaw = read.colour(("jaw", "chin", "moustache"), "skin")
    shadow = np.nan_to_num(_dark(jaw, face), nan=0.0)
    moustache, chin = (read.share((zone,), "beard") for zone in ("moustache", "chin"))
    jaws = read.share(("jaw",), "beard")
    sideburns = read.better_side("sideburn", "beard")
    most = np.max(
        [moustache, chin, jaws, sideburns, np.clip((shadow - _BARE) / _SHADE, 0, 1)], axis=0
    )
    hat = read.area("hat")
    top = np.where(hat > 0.1, 0.0, read.share(("crown",), "skin"))
    temples = np.where(hat > 0.1, 0.0, read.share(("temple",), "skin"))
    earrings, necklace = read.jewels()
    return {
        "Wearing_Lipstick": _red(read.colour(("lips",), "lip")) - _red(face),
        "Heavy_Makeup": _dark(read.colour(("lids",), "skin", "lens"), face),
        "Rosy_Cheeks": _red(read.colour(("blush",), "skin"))
        - _red(read.colour(("forehead", "nose"), "skin")),
        "Eyeglasses": read.area("glasses") + read.area("lens"),
        **_hair_colours(read, bald=top > MEASURES["Bald"].low),
        "Bald": top,
        "Receding_Hairline": temples * (1 - top),
        "Bangs": read.share(("forehead",), "hair"),
        "Wearing_Earrings": earrings,
        "Wearing_Necklace": necklace,
        "Wearing_Hat": hat,
        "Wearing_Necktie": read.area("tie"),
        "5_o_Clock_Shadow": shadow,
        "Mustache": moustache,
        "Goatee": chin,
        "Sideburns": sideburns,
        "No_Beard": 1 - most,
    }


def sharpness_lost(sharp: NDArray[np.uint8], final: NDArray[np.uint8]) -> Array:
    """Return the share of the fine detail of pictures that degrading them has taken, (N,).

    Detail is the mean absolute difference between neighbouring pixels' mean and the pixel.
    """

    def detail(images: NDArray[np.uint8]) -> Array:
        x = images.reshape(*images.shape[:3], -1).mean(-1)  # (N, H, W)
        middle = x[:, 1:-1, 1:-1]
        around = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
        return np.asarray(np.abs(middle - around / 4).mean((1, 2)))

    return 1 - detail(final) / detail(sharp)


def _red(colour: Array) -> Array:
    """Redness of colours (N, 3): log of red over green."""
    return np.asarray(np.log(colour[:, 0] / colour[:, 1]))


def _dark(colour: Array, against: Array) -> Array:
    """How much darker colours (N, 3) are than others: log ratio of the luminances."""
    return np.asarray(np.log((against @ _LUMINANCE) / (colour @ _LUMINANCE)))


# Luminance (log) and warmth (log of red over blue) of the four colours, and of red hair, which has
# no name among CelebA's: what the renderer shows of the colours that are drawn.
_HAIR_PROTOTYPES: Final[dict[str, tuple[float, float]]] = {
    "Black_Hair": (-3.75, 0.3),
    "Brown_Hair": (-2.85, 1.3),
    "Blond_Hair": (-1.45, 1.2),
    "Gray_Hair": (-1.25, 0.05),
    "": (-2.6, 2.2),
}


def _hair_colours(read: _Readings, bald: NDArray[np.bool_]) -> dict[str, Array]:
    """For each colour: distance to the nearest other prototype less that to its own."""
    colour = read.hair()  # (N, 3)
    tone = np.stack(
        [np.log(colour @ _LUMINANCE), np.log(colour[:, 0] / colour[:, 2])], axis=1
    )  # (N, 2)
    prototypes = np.array(list(_HAIR_PROTOTYPES.values()))  # (5, 2)
    distance = np.linalg.norm(tone[:, None] - prototypes, axis=2)  # (N, 5)
    colours = {}
    for place, name in enumerate(_HAIR_PROTOTYPES):
        if name:
            others = np.delete(distance, place, axis=1).min(1)
            colours[name] = np.where(bald, -2.0, others - distance[:, place])
    return colours


class _Readings:
    """Materials and colours where the parts of faces project to in their pictures.

    Parameters
    ----------
    head, vertices, scenes, rendered
        As for :func:`picture_measures`.
    """

    def __init__(
        self, head: HeadModel, vertices: Tensor, scenes: Sequence[Scene], rendered: RenderedScenes
    ) -> None:
        record = rendered.record
        if record is None or rendered.images.ndim != 4:
            raise ValueError(
                "measures need pictures in colour and their hit record; render with channels=3 "
                "and record=True"
            )
        self.material = record.material  # (N, S, S)
        count, size, _ = record.material.shape
        side = rendered.images.shape[1]
        self.pixel = np.array([scene.camera.field_width for scene in scenes])[:, None, None] / size
        self.pixel = self.pixel[:, 0, 0]  # (N,)
        self._regions, ids = _regions(head)
        corners = vertices[:, torch.from_numpy(ids).to(vertices.device)].cpu()  # (N, M, 3)
        places = np.stack(
            [project(corners[i], scene.camera, size).numpy() for i, scene in enumerate(scenes)]
        )  # (N, M, 2)
        spot = np.clip(places.astype(np.int64), 0, size - 1)
        picture = np.arange(count)[:, None]
        inside = ((places >= 0) & (places < size)).all(2)  # (N, M)
        materials = record.material[picture, spot[..., 1], spot[..., 0]]
        self._hits = np.where(inside, materials, -1)  # (N, M), -1 outside the picture
        self._pure = _pure(record.material, side)[picture, spot[..., 1], spot[..., 0]]  # (N, M)
        normal = record.normal[picture, spot[..., 1], spot[..., 0]]  # (N, M, 3)
        pixels = spot * side // size
        values = rendered.images[picture, pixels[..., 1], pixels[..., 0]]  # (N, M, 3)
        self._scenes = scenes
        self._colours = self._reflectance(values, normal, np.arange(count))
        self._record, self._images = record, rendered.images
        self._lobes = [places[:, self._regions[f"{side} lobe"]].mean(1) for side in _SIDES]

    def share(self, regions: Sequence[str], material: str) -> Array:
        """Share of the material on the regions, (N,), or NaN where they lie outside the picture.

        Vertices that lie behind the outline of the head, where the backdrop shows, do not count.
        """
        hits = self._hits[:, np.concatenate([self._regions[name] for name in regions])]
        counted = ((hits >= 0) & (hits != _M["backdrop"])).sum(1)
        share = (hits == _M[material]).sum(1) / np.maximum(counted, 1)
        return np.where(counted > 0, share, np.nan)

    def better_side(self, region: str, material: str) -> Array:
        """The larger of the shares on the two sides of the face, (N,)."""
        return np.maximum(
            self.share((f"right {region}",), material), self.share((f"left {region}",), material)
        )

    def colour(self, regions: Sequence[str], *materials: str) -> Array:
        """Mean reflectance where the regions show one of the materials, (N, 3); NaN if nowhere.

        Pixels that show nothing else are preferred to those at a border.
        """
        members = np.concatenate([self._regions[name] for name in regions])
        mask = np.isin(self._hits[:, members], [_M[name] for name in materials])  # (N, m)
        whole = mask & self._pure[:, members]
        mask = np.where(whole.sum(1, keepdims=True) >= _ENOUGH, whole, mask)
        return _mean(self._colours[:, members], mask)

    def area(self, material: str) -> Array:
        """Area of a material in the picture, (N,)."""
        return np.asarray((self.material == _M[material]).sum((1, 2)) * self.pixel**2)

    def jewels(self) -> tuple[Array, Array]:
        """Areas of the jewels near an ear lobe and of all others, (N,) each."""
        near, far = np.zeros((2, len(self.material)))
        for place, jewels in enumerate(self.material == _M["jewel"]):
            spots = np.argwhere(jewels)[:, ::-1] + 0.5  # (J, 2), x and y
            gaps = [np.linalg.norm(spots - lobe[place], axis=1) for lobe in self._lobes]
            inside = np.min(gaps, axis=0) * self.pixel[place] < _EARRING_REACH
            near[place] = inside.sum() * self.pixel[place] ** 2
            far[place] = (~inside).sum() * self.pixel[place] ** 2
        return near, far

    def hair(self) -> Array:
        """Mean reflectance of the hair, (N, 3); NaN where there is next to none."""
        size, side = self.material.shape[1], self._images.shape[1]
        means = np.full((len(self.material), 3), np.nan)
        whole = _pure(self.material, side)
        for place, hair in enumerate((self.material == _M["hair"]) & whole):
            rows, columns = np.nonzero(hair)
            if len(rows) * self.pixel[place] ** 2 < _LEAST_HAIR:
                continue
            values = self._images[place, rows * side // size, columns * side // size]
            normal = self._record.normal[place, rows, columns]
            means[place] = self._reflectance(values[None], normal[None], np.array([place]))[0].mean(
                0
            )
        return means

    def _reflectance(
        self, values: NDArray[np.uint8], normal: NDArray[np.float32], places: NDArray[np.int64]
    ) -> Array:
        """Pixels (n, M, 3) with normals (n, M, 3) of some pictures, as reflectances."""
        exposure = np.array([EXPOSURE * self._scenes[i].exposure for i in places])
        # the tone curve never reaches white
        level = np.minimum(values / 255.0, 0.995) ** GAMMA
        radiance = -np.log1p(-level) / exposure[:, None, None]
        light = np.empty(values.shape)
        for row, place in enumerate(places):
            scene = self._scenes[place]
            light[row] = scene.ambient
            for lamp in scene.lights:
                facing = np.maximum(normal[row] @ lamp.direction, 0.0)  # (M,)
                light[row] += facing[:, None] * lamp.strength
        return np.asarray(np.maximum(radiance / light, 1e-4))


_ENOUGH = 4
_LEAST_HAIR, _EARRING_REACH = 0.15, 0.7
_SIDES: Final = ("right", "left")


def _pure(material: NDArray[np.int32], side: int) -> NDArray[np.bool_]:
    """Whether each sample (N, S, S) lies in a pixel whose samples all hit the same material."""
    each = material.shape[1] // side
    blocks = material.reshape(len(material), side, each, side, each)
    same = (blocks == blocks[:, :, :1, :, :1]).all((2, 4))  # (N, side, side)
    return np.asarray(same.repeat(each, 1).repeat(each, 2))


def _mean(values: Array, mask: NDArray[np.bool_]) -> Array:
    """Mean of (N, M, 3) over the wanted of M, NaN where there is none."""
    count = mask.sum(1)[:, None]
    total = (values * mask[..., None]).sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@functools.lru_cache(maxsize=2)
def face_parts(head: HeadModel) -> dict[str, NDArray[np.int64]]:
    """Return the vertices of each part of the face that is looked at, numbers of a head's.

    They are boxes in paint coordinates: see :mod:`mtl_helpers.faces.scene.appearance`.
    """
    places = paint_coordinates(head).numpy()
    x, y, z = np.abs(places[:, 0]), places[:, 1], places[:, 2]
    skin = np.zeros(len(places), dtype=bool)
    skin[head.faces.cpu().numpy()[head.face_segments.cpu().numpy() == 0].ravel()] = True
    from_eye = np.sqrt((x - 0.5) ** 2 + y**2 + z**2)
    lobe = (head.mask("ears").cpu().numpy() > 0.5) & (z < -0.45)
    before_ear = (y > 0.5) & (y < 0.95) & (z > -0.55) & (z < 0.05) & (x > 0.9)
    boxes = {
        "forehead": (x < 0.5) & (z > 0.5) & (z < 0.85) & (y < 0),
        "nose": (x < 0.16) & (z > -0.4) & (z < 0.25) & (y < -0.3),
        "cheek": (x > 0.25) & (x < 0.6) & (z > -0.75) & (z < -0.4) & (y < -0.2),
        "blush": ((x - 0.78) ** 2 + (z + 0.52) ** 2 < 0.02) & (y < 0.2),
        "lids": (from_eye > 0.26) & (from_eye < 0.34) & (z > 0.08) & (z < 0.3) & (y < 0),
        "under eye": (x > 0.32) & (x < 0.68) & (z > -0.3) & (z < -0.13) & (y < 0),
        "lips": head.mask("lips").cpu().numpy() > 0.7,
        "moustache": (x < 0.28) & (z > -0.95) & (z < -0.84) & (y < -0.3),
        "chin": (x < 0.24) & (z > -1.75) & (z < -1.5) & (y < 0),
        "jaw": (x > 0.45) & (x < 0.95) & (z > -1.5) & (z < -1.1) & (y < 0.45),
        "right sideburn": before_ear & (places[:, 0] < 0),
        "left sideburn": before_ear & (places[:, 0] > 0),
        "temple": (x > 0.2) & (x < 0.85) & (z > 0.92) & (z < 1.4) & (y < 0.5),
        "crown": (x < 0.8) & (z > 1.45) & (y < 0.9),
        "right lobe": lobe & (places[:, 0] < 0),
        "left lobe": lobe & (places[:, 0] > 0),
    }
    return {name: np.flatnonzero(box & skin) for name, box in boxes.items()}


@functools.lru_cache(maxsize=2)
def _regions(head: HeadModel) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64]]:
    """Parts of the face as places in one list of vertices, and that list."""
    members = face_parts(head)
    ids = np.unique(np.concatenate(list(members.values())))
    return {name: np.searchsorted(ids, vertices) for name, vertices in members.items()}, ids
