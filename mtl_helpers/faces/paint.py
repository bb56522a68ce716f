"""The painter: warp functions from a place on the template to colour, gloss and material.

`mtl_helpers.faces.appearance` explains paint coordinates and draws the parameters.
"""

# These functions are written in warp's language, whose numbers and vectors mypy does not know.
# mypy: ignore-errors

from __future__ import annotations

import warp as wp

from mtl_helpers.faces.look import LookPaint, SkinPaint

SKIN, EYE, CAVITY, MOUTH, TONGUE, TEETH, CLOTH, HAIR, BACKDROP = range(9)
BEARD, BROW, LIP, LASH, GLASSES, LENS, HAT, JEWEL, TIE = range(9, 18)
"""Materials, also the labels of a rendered segmentation."""


@wp.struct
class Surface:
    """What the light falls on at one point."""

    albedo: wp.vec3
    gloss: float
    shininess: int
    material: int


@wp.func
def ramp(low: float, high: float, value: float) -> float:
    """Smooth step from 0 at ``low`` to 1 at ``high``."""
    t = wp.clamp((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@wp.func
def between(value: float, x0: float, y0: float, x1: float, y1: float) -> float:
    """Linear interpolation from (x0, y0) to (x1, y1)."""
    return y0 + (y1 - y0) * wp.clamp((value - x0) / (x1 - x0), 0.0, 1.0)


@wp.func
def above_hairline(q: wp.vec3, hair: LookPaint) -> float:
    """Height of a place on the template above the hairline; negative where there is no hair."""
    y = q[1]
    line = wp.float32(0.0)
    if y < 0.35:
        line = between(y, -0.45, 1.22 + hair.hairline, 0.35, 0.92 + 0.6 * hair.hairline)
    elif y < 0.85:
        line = between(y, 0.35, 0.92 + 0.6 * hair.hairline, 0.85, 0.25)
    elif y < 1.05:
        line = between(y, 0.85, 0.25, 1.05, -0.55 + hair.sideburn)
    elif y < 1.55:
        line = between(y, 1.05, -0.55 + hair.sideburn, 1.55, -0.15)
    else:
        line = between(y, 1.55, -0.15, 2.2, -1.0 + hair.nape)
    return q[2] - line + hair.tilt * q[0]


@wp.func
def hair_thickness(q: wp.vec3, ear: float, hair: LookPaint) -> float:
    """How far the hair stands off the scalp at a place on the template."""
    inside = ramp(0.0, 0.45, above_hairline(q, hair)) * (1.0 - ear)
    return inside * (hair.side + (hair.top - hair.side) * ramp(0.7, 1.7, q[2]))


@wp.func
def paint(
    q: wp.vec3,
    material: int,
    lip: float,
    ear: float,
    blotch: float,
    skin: SkinPaint,
    hair: LookPaint,
) -> Surface:
    """Paint one point from its place ``q`` on the template, its material and the vertex masks."""
    out = Surface()
    out.material = material
    out.gloss = 0.0
    out.shininess = 0
    if material == EYE:
        dx = wp.abs(q[0]) - 0.5
        radius = wp.sqrt(dx * dx + q[2] * q[2])
        white = wp.vec3(0.60, 0.56, 0.53) * (1.0 - 0.3 * ramp(0.12, 0.2, radius))
        iris = skin.iris * (0.6 + 0.6 * ramp(0.03, 0.07, radius))
        iris = iris * (1.0 - 0.8 * ramp(0.068, 0.088, radius))
        colour = iris + (white - iris) * ramp(0.080, 0.094, radius)
        out.albedo = colour * ramp(0.030, 0.040, radius)
        out.gloss = 1.5
        out.shininess = 2
        return out
    if material == TEETH:
        out.albedo = wp.vec3(0.62, 0.58, 0.48)
        out.gloss = 0.06
        out.shininess = 1
        return out
    if material == TONGUE:
        out.albedo = wp.vec3(0.30, 0.09, 0.08)
        return out
    if material == MOUTH:
        out.albedo = wp.vec3(0.06, 0.012, 0.012)
        return out
    if material == CAVITY:
        out.albedo = skin.albedo * 0.6
        return out
    if material == CLOTH:
        out.albedo = hair.cloth
        return out

    state = wp.uint32(skin.pattern)
    fine = wp.noise(state, q * 14.0)
    colour = skin.albedo * (1.0 + skin.blotches * (blotch + 0.5 * fine))
    gloss = skin.gloss
    front = 1.0 - ramp(0.3, 0.9, q[1])

    # blood near the surface: cheeks, nose tip, ears
    cx = wp.abs(q[0]) - 0.75
    cz = q[2] + 0.62
    flush = front * wp.exp(-6.0 * (cx * cx + cz * cz))
    nz = q[2] + 0.72
    flush = flush + front * wp.exp(-14.0 * (q[0] * q[0] + nz * nz)) + 0.7 * ear
    colour = wp.cw_mul(colour, wp.vec3(1.0 + 0.10 * flush, 1.0 - 0.12 * flush, 1.0 - 0.10 * flush))

    # the sockets are a little darker than the cheeks, and the lids' rims carry lashes
    ex = wp.abs(q[0]) - 0.5
    socket = front * wp.exp(-10.0 * (ex * ex + 1.6 * q[2] * q[2]))
    colour = colour * (1.0 - 0.2 * socket)
    from_eye = wp.sqrt(ex * ex + q[1] * q[1] + q[2] * q[2])
    if from_eye < 0.29 and q[1] < 0.0:
        upper = ramp(-0.04, 0.03, q[2])
        lash = (1.0 - ramp(0.235, 0.25 + 0.03 * upper, from_eye)) * (0.3 + 0.5 * upper)
        colour = colour * (1.0 - lash)

    lips = ramp(0.2, 0.8, lip)
    colour = colour + (skin.lips * (1.0 + skin.blotches * fine) - colour) * lips
    gloss = gloss + 0.05 * lips

    # a brow is an arch over each eye that thins toward the temple
    u = wp.abs(q[0])
    if u > 0.1 and u < 1.1 and q[2] > 0.1 and q[2] < 0.8 and q[1] < 0.6:
        t = (u - 0.2) / 0.72
        arch = 0.315 + 0.19 * t - 0.165 * t * t
        half = 0.078 * skin.brow_height * (1.0 - 0.62 * t) * (0.55 + 0.45 * ramp(-0.05, 0.2, t))
        across = wp.abs(q[2] - arch) / wp.max(half, 0.012)
        along = u - 0.8 * (q[2] - arch)
        hairs = 0.85 + 0.35 * wp.noise(state, wp.vec3(along * 42.0, q[0], q[2] * 9.0))
        ends = ramp(-0.08, 0.12, t) * (1.0 - ramp(0.85, 1.05, t))
        cover = skin.brow_density * ends * (1.0 - ramp(0.45, 1.3, across)) * wp.min(hairs, 1.0)
        colour = colour + (skin.brows - colour) * cover
        gloss = gloss * (1.0 - cover)

    if q[2] > -1.6:
        height = above_hairline(q, hair)
        if height > -0.25:
            strand_state = wp.uint32(hair.pattern)
            swirl = wp.vec3(q[0] * 9.0, q[1] * 3.0, q[2] * 3.0)
            strand = wp.noise(strand_state, swirl) + 0.6 * wp.noise(strand_state, swirl * 2.7)
            cover = ramp(-0.05, 0.09, height + hair.ragged * 1.4 * strand) * (
                1.0 - ramp(0.2, 0.6, ear)
            )
            shade = 1.0 + hair.strands * strand
            colour = colour + (hair.colour * wp.max(shade, 0.15) - colour) * cover
            gloss = gloss * (1.0 - 0.4 * cover)
            if cover > 0.5:
                out.material = HAIR
    out.albedo = colour
    out.gloss = gloss
    out.shininess = 1
    return out
