"""The painter: warp functions from a place on the template to colour, gloss and material.

`mtl_helpers.faces.scene.appearance` explains paint coordinates and draws the parameters. What
varies slowly over an identity's skin is painted once per vertex by `complexion`; `paint` adds the
edges, hairs and fine texture of every sample. *Detail* is the number of samples a paint unit:
texture finer than two or three samples is left out, so a small picture costs less and does not
flicker.
"""

# These functions are written in warp's language, whose numbers and vectors mypy does not know.
# mypy: ignore-errors

from __future__ import annotations

import warp as wp

from mtl_helpers.faces.scene.look import LookPaint, SkinPaint

SKIN, EYE, CAVITY, MOUTH, TONGUE, TEETH, CLOTH, HAIR, BACKDROP = range(9)
BEARD, BROW, LIP, LASH, GLASSES, LENS, HAT, JEWEL, TIE = range(9, 18)
"""Materials, also the labels of a rendered segmentation."""

FINE_DETAIL = wp.constant(45.0)
"""Samples a paint unit from which pores, freckles, wrinkles and single hairs are painted."""


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
def shown(detail: float, frequency: float) -> float:
    """Share of a texture with so many periods a paint unit that the picture can show."""
    return ramp(1.5, 3.5, detail / frequency)


@wp.func
def reflectance(colour: wp.vec3) -> wp.vec3:
    """Keep a colour between black and white, which noise may leave."""
    return wp.max(wp.min(colour, wp.vec3(1.0, 1.0, 1.0)), wp.vec3(0.0, 0.0, 0.0))


@wp.func
def above_hairline(q: wp.vec3, look: LookPaint) -> float:
    """Height of a place on the template above the hairline; negative where there is no hair."""
    if look.hair == 0:
        return -1.0
    y = q[1]
    line = wp.float32(0.0)
    if y < 0.35:
        line = between(y, -0.45, 1.22 + look.hairline, 0.35, 0.92 + 0.6 * look.hairline)
    elif y < 0.85:
        line = between(y, 0.35, 0.92 + 0.6 * look.hairline, 0.85, 0.25)
    elif y < 1.05:
        line = between(y, 0.85, 0.25, 1.05, -0.55 + look.sideburn)
    elif y < 1.55:
        line = between(y, 1.05, -0.55 + look.sideburn, 1.55, -0.15)
    else:
        line = between(y, 1.55, -0.15, 2.2, -1.0 + look.nape)
    height = q[2] - line + look.tilt * q[0]
    if look.receding > 0.0:
        # the temples go first, then the crown opens until the two meet
        x = wp.abs(q[0])
        front = 1.0 - ramp(0.5, 1.3, y)
        temples = ramp(0.15, 0.6, x) * (1.0 - 0.5 * ramp(0.9, 1.15, x))
        height = height - look.receding * front * (0.25 + 0.65 * temples)
        bald = 1.5 * look.receding - 0.5
        if bald > 0.0:
            dy = y - 1.0
            dome = 1.0 - ramp(0.35 + 0.55 * bald, 0.75 + 0.55 * bald, wp.sqrt(x * x + dy * dy))
            height = height - 2.5 * bald * dome * ramp(0.9, 1.5, q[2])
    return height


@wp.func
def hair_thickness(q: wp.vec3, ear: float, look: LookPaint) -> float:
    """How far the hair stands off the scalp at a place on the template."""
    inside = ramp(0.0, 0.45, above_hairline(q, look)) * (1.0 - ear)
    return inside * (look.side + (look.top - look.side) * ramp(0.7, 1.7, q[2]))


@wp.func
def complexion(q: wp.vec3, ear: float, skin: SkinPaint) -> wp.vec3:
    """Colour of bare skin without its fine texture: unevenness, blood, sockets, age."""
    state = wp.uint32(skin.pattern)
    uneven = wp.noise(state, q * 1.7) + 0.6 * wp.noise(state, q * 5.0)
    ruddy = wp.noise(state + wp.uint32(1), q * 2.3)
    colour = skin.albedo * (1.0 + skin.blotches * uneven)
    front = 1.0 - ramp(0.3, 0.9, q[1])
    x = wp.abs(q[0])
    ex = x - 0.5

    # blood near the surface: cheeks, nose tip, ears
    cx = x - 0.72
    cz = q[2] + 0.60
    nz = q[2] + 0.66
    flush = front * wp.exp(-6.0 * (cx * cx + cz * cz)) * (1.0 + 0.6 * ruddy)
    flush = flush + 1.2 * front * wp.exp(-14.0 * (q[0] * q[0] + nz * nz)) + 0.9 * ear
    chin = q[2] + 1.55
    flush = flush + 0.4 * front * wp.exp(-10.0 * (q[0] * q[0] + chin * chin)) + 0.25 * ruddy
    flush = flush * skin.flush
    colour = wp.cw_mul(colour, wp.vec3(1.0 + 0.05 * flush, 1.0 - 0.15 * flush, 1.0 - 0.13 * flush))

    # sockets are a little darker, the skin under the eyes is thin, the lids are warm
    socket = front * wp.exp(-10.0 * (ex * ex + 1.6 * q[2] * q[2]))
    colour = colour * (1.0 - 0.16 * socket)
    uz = q[2] + 0.19 - 0.25 * ex * ex
    under = front * skin.under_eye * wp.exp(-14.0 * ex * ex - 90.0 * uz * uz)
    colour = wp.cw_mul(colour, wp.vec3(1.0 - 0.34 * under, 1.0 - 0.42 * under, 1.0 - 0.30 * under))

    # the fold from the nose's wing to the corner of the mouth
    along = wp.clamp((-0.62 - q[2]) / 0.56, 0.0, 1.0)
    fold = (x - 0.29 - 0.24 * along) * 14.0
    ends = ramp(-1.28, -1.1, q[2]) * (1.0 - ramp(-0.72, -0.6, q[2]))
    colour = colour * (1.0 - front * (0.05 + 0.25 * skin.wrinkles) * ends * wp.exp(-fold * fold))
    # below the jaw
    return colour * (1.0 - 0.08 * ramp(-1.55, -1.8, q[2]))


@wp.func
def fine_skin(q: wp.vec3, colour: wp.vec3, skin: SkinPaint, detail: float) -> wp.vec3:
    """Pores, freckles, moles and wrinkles over a complexion."""
    state = wp.uint32(skin.pattern)
    fine = 0.5 * wp.noise(state, q * 14.0) * shown(detail, 14.0)
    fine = fine + 0.5 * wp.noise(state, q * 37.0) * shown(detail, 37.0)
    pores = shown(detail, 85.0)
    if pores > 0.0:
        fine = fine + 0.7 * wp.noise(state, q * 85.0) * pores
    out = colour * (1.0 + (0.03 + 0.45 * skin.blotches) * fine)
    x = wp.abs(q[0])
    front = 1.0 - ramp(0.2, 0.8, q[1])

    if skin.freckles > 0.0:
        # most on the nose's bridge and the upper cheeks
        place = front * ramp(-1.2, -0.6, q[2]) * (1.0 - 0.75 * ramp(0.0, 0.5, q[2]))
        spots = wp.noise(state + wp.uint32(2), q * 17.0) + 0.7 * wp.noise(state, q * 31.0)
        dark = skin.freckles * place * ramp(0.25, 0.6, spots)
        out = wp.cw_mul(out, wp.vec3(1.0 - 0.22 * dark, 1.0 - 0.36 * dark, 1.0 - 0.46 * dark))

    # at most one mole a cell of half an eye distance
    cell = q * 2.0
    i = int(wp.floor(cell[0]))
    j = int(wp.floor(cell[1]))
    k = int(wp.floor(cell[2]))
    dice = wp.rand_init(skin.pattern, (i * 31 + j) * 31 + k)
    if wp.randf(dice) < skin.moles:
        ox = (float(i) + 0.25 + 0.5 * wp.randf(dice)) * 0.5 - q[0]
        oz = (float(k) + 0.25 + 0.5 * wp.randf(dice)) * 0.5 - q[2]
        radius = 0.012 + 0.018 * wp.randf(dice)
        dark = 1.0 - ramp(0.6 * radius, radius, wp.sqrt(ox * ox + oz * oz))
        out = wp.cw_mul(out, wp.vec3(1.0 - 0.55 * dark, 1.0 - 0.65 * dark, 1.0 - 0.7 * dark))

    if skin.wrinkles > 0.0:
        lines = wp.float32(0.0)
        bend = wp.noise(state, q * 3.1)
        if q[2] > 0.5:
            wave = wp.sin(44.0 * q[2] + 4.5 * bend - 5.0 * x * x)
            window = (
                (1.0 - ramp(0.5, 0.85, x)) * ramp(0.5, 0.6, q[2]) * (1.0 - ramp(0.9, 1.1, q[2]))
            )
            lines = ramp(0.55, 1.0, wave) * window
        elif x > 0.7 and q[2] > -0.35:
            # crow's feet fan out from the eye's outer corner
            fan = (q[2] + 0.02) / (x - 0.62)
            wave = wp.sin(9.0 * fan + 2.0 * bend)
            window = (1.0 - ramp(0.5, 0.75, wp.abs(fan))) * ramp(0.74, 0.8, x)
            lines = ramp(0.5, 1.0, wave) * window * (1.0 - ramp(0.86, 1.02, x))
        elif q[2] > -0.6:
            from_eye = wp.sqrt((x - 0.5) * (x - 0.5) + q[2] * q[2])
            wave = wp.sin(48.0 * from_eye + 2.0 * bend)
            window = ramp(0.15, 0.19, from_eye) * (1.0 - ramp(0.28, 0.42, from_eye))
            lines = 0.7 * ramp(0.5, 1.0, wave) * window * ramp(0.06, 0.14, -q[2])
        out = out * (1.0 - 0.17 * skin.wrinkles * front * lines * (1.0 + 1.2 * bend))
    return out


@wp.func
def brow_cover(q: wp.vec3, skin: SkinPaint, detail: float) -> float:
    """Coverage by the brow: an arch over each eye that thins toward the temple, made of hairs."""
    t = (wp.abs(q[0]) - 0.2) / (0.72 * skin.brow_length)
    arch = 0.318 + skin.brow_slope * (t - 0.4) + skin.brow_arch * t * (1.15 - t)
    half = 0.075 * skin.brow_height * (1.0 - 0.62 * t) * (0.55 + 0.45 * ramp(-0.05, 0.2, t))
    across = (q[2] - arch) / wp.max(half, 0.012)
    # hairs grow upward beside the nose and lie along the arch toward the temple
    ragged = wp.float32(0.0)
    hairs = wp.float32(0.9)
    if detail > FINE_DETAIL:
        state = wp.uint32(skin.pattern)
        lean = 0.25 + 0.6 * wp.clamp(t, 0.0, 1.0)
        u = wp.abs(q[0]) - lean * (q[2] - arch) * 1.6
        strokes = wp.noise(state, wp.vec3(u * 60.0, q[0], q[2] * 7.0))
        strokes = strokes + 0.5 * wp.noise(state, wp.vec3(u * 120.0, q[0], q[2] * 12.0))
        ragged = 0.35 * strokes
        hairs = wp.clamp(0.95 + 0.55 * strokes, 0.0, 1.0)
    ends = ramp(-0.09 - 0.06 * ragged, 0.14, t) * (1.0 - ramp(0.82, 1.08, t + 0.1 * ragged))
    edge = 1.0 - ramp(0.5, 1.25, wp.abs(across) + ragged)
    return skin.brow_density * ends * edge * hairs


@wp.func
def has_beard(look: LookPaint) -> bool:
    """Whether any facial hair is to be painted."""
    return look.stubble + look.moustache + look.goatee + look.sideburns + look.beard > 0.0


@wp.func
def moustache_zone(q: wp.vec3) -> float:
    """Between the nose and the upper lip, drooping past the corners of the mouth."""
    x = wp.abs(q[0])
    if x > 0.55 or q[2] > -0.7 or q[2] < -1.25:
        return 0.0
    top = -0.775 - 0.45 * x * x
    bottom = -0.99 - 0.35 * x
    return (
        ramp(0.0, 0.04, top - q[2]) * ramp(-0.04, 0.03, q[2] - bottom) * (1.0 - ramp(0.4, 0.5, x))
    )


@wp.func
def goatee_zone(q: wp.vec3) -> float:
    """The chin, the tuft under the lip, and the sides of the mouth."""
    x = wp.abs(q[0])
    if x > 0.65 or q[2] > -0.9:
        return 0.0
    chin = (1.0 - ramp(0.26, 0.38, x)) * ramp(0.0, 0.07, -1.4 - q[2] + 0.12 * x)
    tuft = (1.0 - ramp(0.05, 0.1, x)) * ramp(0.0, 0.05, -1.29 - q[2])
    # from the corners of the mouth inward to the chin
    beside = wp.abs(x - 0.47 + 0.22 * wp.clamp((-1.05 - q[2]) / 0.45, 0.0, 1.0))
    sides = (1.0 - ramp(0.05, 0.10, beside)) * (1.0 - ramp(-1.04, -0.94, q[2]))
    sides = sides * ramp(-1.62, -1.5, q[2])
    return wp.max(wp.max(chin, tuft), sides) * ramp(-1.74, -1.62, q[2])


@wp.func
def sideburn_zone(q: wp.vec3) -> float:
    """A strip before the ear."""
    if q[1] < 0.3 or q[1] > 1.1 or q[2] > 0.5 or q[2] < -0.85:
        return 0.0
    return ramp(0.62, 0.74, q[1]) * (1.0 - ramp(0.95, 1.05, q[1])) * ramp(-0.72, -0.6, q[2])


@wp.func
def beard_zone(q: wp.vec3) -> float:
    """Jaw and lower cheeks down to the throat."""
    x = wp.abs(q[0])
    if q[2] > 0.2 or q[1] > 1.2:
        return 0.0
    # the cheek line runs from before the ear to the corner of the mouth
    line = between(x, 0.42, -1.02, 1.1, -0.52)
    if q[1] > 0.5:
        line = line + 0.7 * ramp(0.5, 0.7, q[1])
    under = ramp(-0.02, 0.14, line - q[2]) * ramp(-1.88, -1.66, q[2])
    # the bare patch under the lower lip
    bare = (1.0 - ramp(0.12, 0.36, x)) * ramp(-1.43, -1.33, q[2])
    return under * (1.0 - bare) * (1.0 - ramp(0.95, 1.08, q[1]))


@wp.func
def strand_noise(q: wp.vec3, look: LookPaint, detail: float) -> float:
    """Light and dark strands of hair that runs from the crown, wavy or straight."""
    state = wp.uint32(look.pattern)
    swirl = wp.vec3(q[0] * 9.0, q[1] * 3.0, q[2] * 3.0)
    if look.wave > 0.0:
        swirl = swirl + wp.vec3(look.wave * wp.sin(9.0 * q[2] + 3.0 * q[1]), 0.0, 0.0)
    strand = wp.noise(state, swirl) + 0.6 * wp.noise(state, swirl * 2.7)
    if detail > FINE_DETAIL:
        strand = strand + 0.8 * wp.noise(state, swirl * 7.5) * shown(detail, 67.0)
    return strand


@wp.func
def paint_eye(q: wp.vec3, skin: SkinPaint, detail: float) -> Surface:
    """White, iris and pupil."""
    out = Surface()
    out.material = EYE
    out.gloss = 1.5
    out.shininess = 2
    dx = wp.abs(q[0]) - 0.5
    radius = wp.sqrt(dx * dx + q[2] * q[2])
    if radius > 0.096:
        # the white is pink toward the corners and shaded by the upper lid
        corner = ramp(0.12, 0.22, radius)
        white = wp.vec3(0.56, 0.52, 0.49)
        white = wp.cw_mul(
            white, wp.vec3(1.0 - 0.22 * corner, 1.0 - 0.45 * corner, 1.0 - 0.45 * corner)
        )
        if dx < -0.165:
            flesh = ramp(-0.165, -0.19, dx)
            white = white + (wp.vec3(0.36, 0.14, 0.12) - white) * flesh
        out.albedo = white * (1.0 - 0.45 * ramp(-0.02, 0.10, q[2]))
        return out
    iris = skin.iris * (0.75 + 0.45 * ramp(0.035, 0.07, radius))
    if detail > FINE_DETAIL:
        state = wp.uint32(skin.pattern)
        inverse = 1.0 / wp.max(radius, 0.01)
        spokes = wp.noise(state, wp.vec3(dx * inverse * 7.0, q[2] * inverse * 7.0, radius * 14.0))
        iris = iris * (1.0 + 0.55 * spokes)
        amber = skin.iris_ring * (1.0 - ramp(0.04, 0.062, radius))
        iris = iris + (wp.vec3(0.20, 0.10, 0.03) - iris) * amber
    iris = iris * (1.0 - 0.75 * ramp(0.072, 0.092, radius))
    shade = 1.0 - 0.35 * ramp(0.0, 0.09, q[2])
    out.albedo = iris * (ramp(0.031, 0.040, radius) * shade)
    return out


@wp.func
def paint_teeth(q: wp.vec3) -> Surface:
    """A row of teeth, darker in the gaps and toward the back."""
    out = Surface()
    out.material = TEETH
    out.gloss = 0.08
    out.shininess = 1
    x = wp.abs(q[0])
    place = x / 0.105
    gap = wp.abs(place - wp.floor(place) - 0.5)
    back = ramp(0.1, 0.45, x)
    shade = (1.0 - 0.4 * ramp(0.38, 0.5, gap)) * (1.0 - 0.55 * back)
    out.albedo = wp.vec3(0.66, 0.61 - 0.04 * back, 0.50 - 0.08 * back) * shade
    return out


@wp.func
def paint_worn(q: wp.vec3, material: int, look: LookPaint, detail: float) -> Surface:
    """Cloth, glasses, hats, jewels, ties and hair that stands away from the scalp."""
    out = Surface()
    out.material = material
    out.gloss = 0.0
    out.shininess = 1
    state = wp.uint32(look.pattern)
    if material == HAIR:
        # a strand keeps its first two coordinates; the third runs from root to tip
        bend = 0.10 * look.wave * wp.sin(16.0 * q[2] + 2.0 * q[0])
        swirl = wp.vec3((q[0] + bend) * 9.0, (q[1] + bend) * 9.0, q[2] * (1.5 + 5.0 * look.wave))
        strand = wp.noise(state, swirl) + 0.5 * wp.noise(state, swirl * 2.6)
        if detail > FINE_DETAIL:
            strand = strand + 0.6 * wp.noise(state, swirl * 7.0) * shown(detail, 63.0)
        tip = 0.8 + 0.3 * ramp(0.0, 0.6, q[2])
        out.albedo = look.colour * wp.max(1.0 + 1.2 * look.strands * strand, 0.2) * tip
        out.gloss = 0.022 * (1.0 - 0.5 * look.wave) * wp.max(1.0 + strand, 0.0)
    elif material == CLOTH:
        weave = wp.noise(state, q * 5.0)
        out.albedo = look.cloth * (1.0 + 0.15 * weave)
    elif material == GLASSES:
        out.albedo = look.glasses_colour
        out.gloss = 0.06
    elif material == LENS:
        out.albedo = wp.vec3(0.03, 0.03, 0.035) * (1.2 - look.lens)
        out.gloss = 0.9
        out.shininess = 2
    elif material == HAT:
        # places on a hat: its angle, the way from top to rim, 0 on the dome
        knit = wp.noise(state, wp.vec3(q[0] * 8.0, q[1] * 8.0, q[2]))
        out.albedo = look.hat_colour * (1.0 + 0.2 * knit)
        if look.hat == 1:
            out.albedo = out.albedo * (0.85 + 0.15 * wp.sin(60.0 * q[0]))
        elif look.hat == 3 and q[2] < 0.5 and q[1] > 0.8:
            out.albedo = look.hat_colour * 0.35
    elif material == JEWEL:
        out.albedo = look.trinket_colour * 0.6
        out.gloss = 0.3
    elif material == TIE:
        stripe = wp.sin(14.0 * (q[0] + q[2]) + float(look.pattern % 7))
        out.albedo = look.hat_colour * (1.0 + 0.35 * ramp(0.2, 0.5, stripe))
        out.gloss = 0.04
    else:
        out.albedo = wp.vec3(0.012, 0.009, 0.008)
    out.albedo = reflectance(out.albedo)
    return out


@wp.func
def paint(
    q: wp.vec3,
    material: int,
    lip: float,
    ear: float,
    tint: wp.vec3,
    skin: SkinPaint,
    look: LookPaint,
    detail: float,
) -> Surface:
    """Paint one point.

    ``q`` is its place on the template; ``lip``, ``ear`` and ``tint`` (from `complexion`) are
    interpolated from the vertices; ``detail`` is in samples a paint unit.
    """
    if material == EYE:
        return paint_eye(q, skin, detail)
    if material == TEETH:
        return paint_teeth(q)
    if material >= CLOTH:
        return paint_worn(q, material, look, detail)
    out = Surface()
    out.material = material
    out.gloss = 0.0
    out.shininess = 1
    if material == TONGUE:
        out.albedo = wp.vec3(0.30, 0.09, 0.08)
        return out
    if material == MOUTH:
        out.albedo = wp.vec3(0.06, 0.012, 0.012)
        return out
    if material == CAVITY:
        out.albedo = skin.albedo * 0.6
        return out

    colour = tint
    gloss = skin.gloss
    x = wp.abs(q[0])
    ex = x - 0.5
    if detail > FINE_DETAIL:
        colour = fine_skin(q, colour, skin, detail)

    if q[1] < 0.3 and q[2] < 0.9:
        if look.rouge > 0.0:
            rx = (x - 0.78) * 2.4
            rz = (q[2] + 0.52 - 0.5 * (x - 0.78)) * 4.2
            blush = look.rouge * wp.exp(-rx * rx - rz * rz)
            colour = wp.cw_mul(
                colour, wp.vec3(1.0 + 0.02 * blush, 1.0 - 0.26 * blush, 1.0 - 0.18 * blush)
            )

        # lids: a crease above, lashes at the rim, shadow and line of the makeup
        if q[2] > -0.25 and q[2] < 0.4 and x < 0.95:
            from_eye = wp.sqrt(ex * ex + q[1] * q[1] + q[2] * q[2])
            upper = ramp(-0.04, 0.03, q[2])
            if look.eyeshadow > 0.0:
                lid = look.eyeshadow * upper * (1.0 - ramp(0.27, 0.40, from_eye))
                colour = wp.cw_mul(
                    colour, wp.vec3(1.0 - 0.72 * lid, 1.0 - 0.78 * lid, 1.0 - 0.66 * lid)
                )
            if from_eye < 0.36:
                crease = (from_eye - 0.315) * 40.0
                colour = colour * (1.0 - 0.30 * ramp(0.04, 0.12, q[2]) * wp.exp(-crease * crease))
                rim = 0.267 + 0.022 * upper + 0.004 * look.eyeshadow
                lash = 1.0 - ramp(rim - 0.005, rim + 0.005, from_eye)
                lash = lash * (0.3 + 0.5 * upper + 0.2 * look.eyeshadow)
                lash = lash * (0.35 + 0.65 * ramp(rim - 0.05, rim - 0.02, from_eye))
                colour = colour * (1.0 - lash)

    # lips: soft at the border, dark where they meet, the upper one a little darker
    if lip > 0.1:
        red = ramp(0.15, 0.75, lip)
        from_line = q[2] + 1.103
        tone = skin.lips
        if look.lipstick > 0.0:
            tone = tone + (look.lipstick_colour - tone) * look.lipstick
        tone = tone * (1.0 - 0.10 * ramp(-0.02, 0.03, from_line))
        if detail > FINE_DETAIL:
            state = wp.uint32(skin.pattern)
            creases = wp.noise(state, wp.vec3(q[0] * 38.0, q[1] * 4.0, q[2] * 6.0))
            tone = tone * (1.0 + 0.22 * creases)
        tone = tone * (1.0 - 0.5 * (1.0 - ramp(0.0, 0.035, wp.abs(from_line))))
        colour = colour + (tone - colour) * (red * (0.85 + 0.15 * look.lipstick))
        gloss = gloss + (0.05 + 0.12 * look.lipstick) * red
        if lip > 0.5:
            out.material = LIP

    if x > 0.08 and x < 1.15 and q[2] > 0.08 and q[2] < 0.85 and q[1] < 0.6:
        cover = brow_cover(q, skin, detail)
        colour = colour + (skin.brows - colour) * cover
        gloss = gloss * (1.0 - cover)
        if cover > 0.5:
            out.material = BROW

    if has_beard(look) and q[2] < 0.5:
        moustache = moustache_zone(q)
        full = beard_zone(q)
        free = 1.0 - ramp(0.3, 0.65, lip)
        cover = wp.max(look.moustache * moustache, look.goatee * goatee_zone(q))
        cover = wp.max(cover, look.sideburns * sideburn_zone(q))
        cover = wp.max(cover, look.beard * wp.max(full, moustache))
        shadow = look.stubble * wp.max(full, moustache) * 0.6
        strand = wp.float32(0.0)
        if detail > FINE_DETAIL:
            state = wp.uint32(look.pattern)
            along = wp.vec3(q[0] * 34.0, q[1] * 34.0, q[2] * 9.0)
            strand = wp.noise(state, along) + 0.6 * wp.noise(state, along * 2.3) * shown(
                detail, 78.0
            )
            shadow = shadow * (1.0 + 0.6 * wp.noise(state, q * 70.0) * shown(detail, 70.0))
        cover = free * (1.0 - ear) * wp.clamp(cover * (1.4 + 0.75 * strand), 0.0, 1.0)
        shadow = free * (1.0 - ear) * wp.clamp(shadow, 0.0, 1.0)
        colour = colour + (look.beard_colour - colour) * shadow
        hairs = look.beard_colour * wp.max(1.0 + 0.7 * strand, 0.25)
        colour = colour + (hairs - colour) * cover
        gloss = gloss * (1.0 - wp.max(cover, 0.6 * shadow))
        if cover > 0.5:
            out.material = BEARD

    if q[2] > 0.25 or (q[1] > 0.4 and q[2] > -1.6):
        height = above_hairline(q, look)
        if height > -0.25:
            strand = strand_noise(q, look, detail)
            cover = ramp(-0.05, 0.09, height + look.ragged * 1.4 * strand) * (
                1.0 - ramp(0.2, 0.6, ear)
            )
            # hair shades the skin beside it
            colour = colour * (1.0 - 0.25 * ramp(-0.2, 0.0, height))
            shade = 1.0 + look.strands * strand
            colour = colour + (look.colour * wp.max(shade, 0.15) - colour) * cover
            gloss = gloss * (1.0 - 0.4 * cover)
            if cover > 0.5:
                out.material = HAIR
    out.albedo = reflectance(colour)
    out.gloss = gloss
    return out


@wp.func
def backdrop(across: float, down: float, look: LookPaint) -> wp.vec3:
    """Colour of the wall at a place of the picture, both coordinates 0 to 1, under any light."""
    colour = look.backdrop * (1.0 - 0.2 * down)
    if look.scene == 0:
        return colour
    state = wp.uint32(look.pattern)
    angle = 6.2831853 * float(look.pattern % 360) / 360.0
    slope = wp.cos(angle) * (across - 0.5) + wp.sin(angle) * (down - 0.5)
    mix = wp.float32(0.0)
    if look.scene == 1:
        mix = ramp(-0.55, 0.55, slope)
    elif look.scene == 2:
        place = wp.vec2(across * 3.0, down * 3.0)
        mix = ramp(-0.5, 0.5, wp.noise(state, place) + 0.5 * wp.noise(state, place * 2.7))
    else:
        # discs of light out of focus, one per cell
        number = 3.0 + float(look.pattern % 4)
        u = across * number
        v = down * number
        i = int(wp.floor(u))
        j = int(wp.floor(v))
        dice = wp.rand_init(look.pattern, i * 64 + j)
        radius = 0.2 + 0.25 * wp.randf(dice)
        du = u - float(i) - 0.5 + 0.1 * (wp.randf(dice) - 0.5)
        dv = v - float(j) - 0.5 + 0.1 * (wp.randf(dice) - 0.5)
        disc = 1.0 - ramp(radius - 0.06, radius, wp.sqrt(du * du + dv * dv))
        mix = 0.35 * ramp(-0.5, 0.5, slope) + 0.65 * disc * wp.randf(dice)
    return colour + (look.backdrop2 * (1.0 - 0.2 * down) - colour) * mix
