"""What the painter is told: an identity's own colours, and the look of one picture.

`Skin` belongs to an identity. `Look` is drawn anew for every picture and holds all that would
otherwise betray the identity without showing the face: hair, beard, makeup, accessories, clothes
and backdrop. The kernels' structs are made from these two classes with `kernel_struct`, so a field
is named once.

Lengths are in *paint units*, the template's inter-ocular distance; colours are linear RGB
reflectances in [0, 1]. Only numbers and triples are allowed, for kernels know nothing else.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, get_type_hints

import numpy as np
import warp as wp

Colour = tuple[float, float, float]
"""Linear RGB reflectance."""

HAIR_STYLES = (
    "bald",
    "cropped",
    "short",
    "fringe",
    "swept",
    "curly",
    "afro",
    "bob",
    "long",
    "bun",
)
"""Names of the haircuts, in the order of `Look.hair`."""

HATS = ("none", "beanie", "cap", "brimmed")
"""Names of the hats, in the order of `Look.hat`."""

EARRINGS = ("none", "studs", "hoops")
"""Names of the earrings, in the order of `Look.earrings`."""

SCENES = ("plain", "gradient", "blotches", "lights")
"""Names of the backdrops, in the order of `Look.scene`."""


@dataclass(frozen=True)
class Skin:
    """An identity's own colours.

    Amounts run from 0 to 1 unless said otherwise. Brows: ``brow_height`` and ``brow_length``
    relative to the usual, ``brow_density`` how opaque, ``brow_arch`` and ``brow_slope`` the rise of
    the arch and of the outer end in paint units. Skin: ``blotches`` (unevenness, about 0.05 to 0.3,
    in the ``pattern`` that a number selects), ``gloss`` (highlight, about 0.02 to 0.1), ``flush``
    (blood in cheeks, nose and ears; 1 is usual), ``under_eye`` (darkness there), ``freckles``,
    ``wrinkles`` (lines of age), ``moles`` (chance of one in a cell of half a paint unit).
    ``iris_ring`` is how amber the iris is round the pupil.
    """

    albedo: Colour
    lips: Colour
    brows: Colour
    iris: Colour
    brow_height: float = 1.0
    brow_density: float = 0.8
    blotches: float = 0.15
    gloss: float = 0.05
    pattern: int = 0
    flush: float = 1.0
    under_eye: float = 0.3
    freckles: float = 0.0
    moles: float = 0.0
    wrinkles: float = 0.0
    brow_arch: float = 0.17
    brow_slope: float = 0.0
    brow_length: float = 1.0
    iris_ring: float = 0.0


@dataclass(frozen=True)
class Look:
    """All that one picture shows and that is not the identity; the defaults mean "nothing".

    Hair: ``colour``; ``hair``, an index into `HAIR_STYLES`; ``hairline``, its shift on the forehead
    (negative is a fringe, positive a high forehead); ``sideburn`` and ``nape``, the shift of its
    lower end before and behind the ear (negative is longer); ``tilt``, its slope from the subject's
    right to the left; ``ragged``, the amplitude of its unevenness; ``top`` and ``side``, the hair's
    thickness; ``strands``, their contrast; ``wave``, 0 straight to 1 wavy; ``receding`` from the
    temples and the crown, 0 to 1; ``pattern``, a number that selects every random detail of the
    picture.

    Face: coverage of the facial hair, 0 to 1 (``beard`` is the full one, ``beard_colour`` is for
    all); strength of the makeup, 0 to 1 (``eyeshadow`` brings a line along the lashes).

    Accessories: ``glasses``, 0 for none, else the style of the frame, and ``lens``, 0 clear to 1
    black; ``hat``, an index into `HATS`, whose colour is the tie's too; ``earrings``, an index into
    `EARRINGS`; ``necklace`` and ``necktie``, 1 if worn; ``trinket_colour``, of earrings and
    necklace.

    Behind: ``cloth``, the colour of the clothes; ``scene``, an index into `SCENES`, in the colours
    ``backdrop`` and ``backdrop2``.
    """

    colour: Colour
    cloth: Colour
    backdrop: Colour
    hairline: float = 0.0
    sideburn: float = 0.0
    nape: float = 0.0
    tilt: float = 0.0
    ragged: float = 0.0
    top: float = 0.0
    side: float = 0.0
    strands: float = 0.0
    pattern: int = 0
    hair: int = 1
    wave: float = 0.0
    receding: float = 0.0
    stubble: float = 0.0
    moustache: float = 0.0
    goatee: float = 0.0
    sideburns: float = 0.0
    beard: float = 0.0
    beard_colour: Colour = (0.03, 0.018, 0.012)
    lipstick: float = 0.0
    lipstick_colour: Colour = (0.35, 0.03, 0.05)
    eyeshadow: float = 0.0
    rouge: float = 0.0
    glasses: int = 0
    glasses_colour: Colour = (0.02, 0.02, 0.02)
    lens: float = 0.0
    hat: int = 0
    hat_colour: Colour = (0.1, 0.1, 0.12)
    earrings: int = 0
    necklace: int = 0
    necktie: int = 0
    trinket_colour: Colour = (0.6, 0.45, 0.15)
    scene: int = 0
    backdrop2: Colour = (0.2, 0.2, 0.2)


_KERNEL_TYPES = {float: float, int: int, Colour: wp.vec3}


def kernel_struct(record: type) -> Any:
    """The warp struct with the fields of a dataclass of numbers and triples."""
    hints = get_type_hints(record)
    members = {field.name: _KERNEL_TYPES[hints[field.name]] for field in fields(record)}
    body = {
        "__annotations__": members,
        "__module__": __name__,
        "__doc__": f"`{record.__name__}` as the kernels see it.",
    }
    struct: Any = wp.struct(type(f"{record.__name__}Paint", (), body))
    # warp builds the type anew at every call, which takes longer than drawing some pictures
    struct.numpy_dtype = functools.cache(struct.numpy_dtype)
    return struct


SkinPaint: Any = kernel_struct(Skin)
LookPaint: Any = kernel_struct(Look)


def skin_paint(skin: Skin) -> Any:
    """Pack a `Skin` for the kernels."""
    packed = SkinPaint()
    for field in fields(skin):
        value = getattr(skin, field.name)
        setattr(packed, field.name, wp.vec3(*value) if isinstance(value, tuple) else value)
    return packed


def look_paints(looks: list[Look], device: str) -> wp.array:
    """Pack `Look` records into an array of `LookPaint` on a device, one per element."""
    table = np.array([_LOOK_VALUES(look) for look in looks], dtype=LookPaint.numpy_dtype())
    return wp.array(table, dtype=LookPaint, device=device)


_LOOK_VALUES = attrgetter(*(field.name for field in fields(Look)))
