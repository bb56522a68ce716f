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

    Parameters
    ----------
    albedo, lips, brows, iris
        Colours.
    brow_height, brow_density
        Thickness of the brows relative to the usual, and how opaque they are in [0, 1].
    blotches
        Strength of the skin's unevenness, about 0.05 to 0.3.
    gloss
        Strength of the skin's highlight, about 0.02 to 0.1.
    pattern
        Number that selects the pattern of the unevenness.
    flush
        Strength of the blood in cheeks, nose and ears; 1 is usual.
    under_eye
        How dark the skin under the eyes is, 0 to 1.
    freckles, moles
        Strength of the freckles, 0 to 1; chance of a mole in a cell of half a paint unit.
    wrinkles
        Strength of the lines of age, 0 to 1.
    brow_arch, brow_slope, brow_length
        Rise of the brow's arch and of its outer end, in paint units, and its length relative to
        the usual.
    iris_ring
        How amber the iris is round the pupil, 0 to 1.
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

    Parameters
    ----------
    colour, cloth, backdrop
        Colours of the hair, the clothes and the wall.
    hairline
        Shift of the hairline on the forehead: negative is a fringe, positive a high forehead.
    sideburn, nape
        Shift of the hairline's lower end before and behind the ear, negative is longer.
    tilt
        Slope of the hairline from the subject's right to the left.
    ragged
        Amplitude of the hairline's unevenness.
    top, side
        Thickness of the hair above and at the sides.
    strands
        Contrast of the strands.
    pattern
        Number that selects the strands and every other random detail of the picture.
    hair
        Haircut, an index into `HAIR_STYLES`.
    wave
        0 for straight hair to 1 for wavy.
    receding
        How far the hair has gone from the temples and the crown, 0 to 1.
    stubble, moustache, goatee, sideburns, beard
        Coverage of the facial hair, 0 to 1; ``beard`` is the full one.
    beard_colour
        Its colour.
    lipstick, eyeshadow, rouge
        Strength of the makeup, 0 to 1; ``eyeshadow`` brings a line along the lashes.
    lipstick_colour
        Colour of the lipstick.
    glasses
        0 for none, else the style of the frame.
    glasses_colour, lens
        Colour of the frame, and how dark the lenses are: 0 clear, 1 black.
    hat, hat_colour
        Index into `HATS`, and the colour of the hat and of the tie.
    earrings
        Index into `EARRINGS`.
    necklace, necktie
        1 if worn.
    trinket_colour
        Colour of earrings and necklace.
    scene, backdrop2
        Kind of backdrop, an index into `SCENES`, and its second colour.
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
    """Pack `Look` records into an array of `LookPaint` on a device, one an element."""
    table = np.array([_LOOK_VALUES(look) for look in looks], dtype=LookPaint.numpy_dtype())
    return wp.array(table, dtype=LookPaint, device=device)


_LOOK_VALUES = attrgetter(*(field.name for field in fields(Look)))
