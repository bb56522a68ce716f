"""Drawing styles on a ball before a wall: where ink lies, how wide it is, and that tone shows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mtl_helpers.faces.draw.styles import STYLES, Sight, draw
from mtl_helpers.faces.scene.paint import BACKDROP, HAIR, LIP, SKIN

RADIUS = 0.36  # of the side
PAPER_STYLES = ("hatched", "line", "pencil", "watercolour", "dotted")


def ball(side: int, *, samples: int | None = None, albedo: float = 0.6) -> Sight:
    """A ball of skin with a cap of hair, lit from the left, before a grey wall."""
    size = samples or side * max(2, -(-192 // side))
    y, x = (np.indices((size, size)) + 0.5) / size - 0.5
    r2 = (x**2 + y**2) / RADIUS**2
    inside = r2 < 1
    toward = np.sqrt(np.clip(1 - r2, 0, 1))
    normal = np.stack([x / RADIUS, y / RADIUS, -toward], axis=-1) * inside[..., None]
    light = np.clip(normal @ np.array([-0.6, -0.3, -0.74]), 0, 1)
    hair = inside & (y < -0.2)
    material = np.full((size, size), BACKDROP)
    material[inside] = SKIN
    material[hair] = HAIR
    linear = np.where(hair, 0.05, albedo) * (0.15 + 0.85 * light)
    grey = np.where(inside, linear, 0.4) ** (1 / 2.2)
    image = np.stack([grey, 0.85 * grey, 0.75 * grey], axis=-1)
    return Sight(
        image=(255 * image).astype(np.uint8),
        material=material.astype(np.int32),
        depth=np.where(inside, 20 - 1.4 * toward, np.inf).astype(np.float32),
        normal=normal.astype(np.float32),
    )


def darkness(drawing: np.ndarray) -> np.ndarray:
    return 1 - drawing.astype(float).mean(-1) / 255


def distance(side: int) -> np.ndarray:
    """Distance of each pixel from the ball's outline in sides, negative inside."""
    y, x = (np.indices((side, side)) + 0.5) / side - 0.5
    return np.hypot(x, y) - RADIUS


# -- lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [48, 64, 256])
@pytest.mark.parametrize("style", STYLES)
def test_outline_is_a_visible_line_at_any_side(style, side):
    drawing = draw(style, ball(side), side, (0, 1))
    dark, away = darkness(drawing), distance(side)
    below = np.indices((side, side))[0] / side > 0.4  # away from the hair, which is dark itself
    pixel = 1 / side
    on = dark[(np.abs(away) < 0.75 * pixel) & below].mean()
    outside = dark[(away > 3 * pixel + 0.02) & (away < 0.12) & below].mean()
    lit = np.indices((side, side))[1] / side < 0.45
    inside = dark[(away < -3 * pixel - 0.02) & (away > -0.12) & below & lit].mean()
    assert on > outside + 0.12, (on, outside)
    assert on > inside + 0.08, (on, inside)


@pytest.mark.parametrize(("side", "least", "most"), [(48, 0.7, 2.5), (256, 2.5, 10.0)])
def test_line_width_grows_with_the_side(side, least, most):
    dark = darkness(draw("line", ball(side), side, (0, 1)))
    row = dark[int(0.6 * side)]
    left = row[: side // 3]  # the lit side's outline and nothing else
    ink = np.clip((left - left.min()) / (0.93 - left.min()), 0, 1).sum()
    assert least < ink < most


def test_depth_jumps_make_contours_and_slopes_do_not():
    flat = np.zeros((192, 192, 3), np.float32)
    flat[..., 2] = -1
    picture = np.full((192, 192, 3), 200, np.uint8)
    skin = np.full((192, 192), SKIN, np.int32)
    slope = np.broadcast_to(np.linspace(20, 23, 192, dtype=np.float32), (192, 192))
    step = slope + np.where(np.arange(192) >= 96, np.float32(0.3), np.float32(0))
    plain, jump = (
        darkness(draw("line", Sight(picture, skin, depth, flat), 64, (5,)))
        for depth in (slope, step)
    )
    assert plain[4:-4, 4:-4].max() < 0.25
    assert jump[4:-4, 30:34].max(axis=1).min() > 0.4
    assert jump[4:-4, 4:24].max() < 0.25


def test_materials_make_borders_but_lips_have_none_of_their_own():
    flat = np.zeros((192, 192, 3), np.float32)
    flat[..., 2] = -1
    picture = np.full((192, 192, 3), 200, np.uint8)
    depth = np.full((192, 192), 20, np.float32)
    halves = np.full((192, 192), SKIN, np.int32)
    found = {}
    for other in (HAIR, LIP):
        halves[:, 96:] = other
        found[other] = darkness(draw("line", Sight(picture, halves, depth, flat), 64, (5,)))
    assert found[HAIR][4:-4, 30:34].max(axis=1).min() > 0.3
    assert found[LIP][4:-4, 4:-4].max() < 0.25


@pytest.mark.parametrize("style", PAPER_STYLES)
def test_paper_stays_paper(style):
    away = distance(96)
    drawing = draw(style, ball(96), 96, (0, 2)).astype(float)
    assert np.median(drawing[away > 0.08].mean(-1)) > 205


# -- tone ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["posterised", "hatched", "flat", "pencil", "dotted"])
@pytest.mark.parametrize("side", [48, 192])
def test_shadow_is_darker_than_light(style, side):
    dark, away = darkness(draw(style, ball(side), side, (0, 3))), distance(side)
    rows, columns = np.indices((side, side)) / side
    face = (away < -0.08) & (rows > 0.42)
    assert dark[face & (columns > 0.62)].mean() > dark[face & (columns < 0.45)].mean() + 0.06


@pytest.mark.parametrize("style", ["line", "hatched", "dotted"])
def test_dark_skin_keeps_its_drawing(style):
    away = distance(96)
    rows = np.indices((96, 96))[0] / 96
    face = (away < -0.06) & (rows > 0.42)
    light, dark = (
        darkness(draw(style, ball(96, albedo=albedo), 96, (0, 4)))[face].mean()
        for albedo in (0.6, 0.12)
    )
    assert dark < 0.75
    assert dark < 2.6 * light + 0.1


def test_flat_colour_has_few_colours_and_posters_five():
    away = distance(192)
    clear = (np.abs(away) > 0.06) & (np.abs(np.indices((192, 192))[0] / 192 - 0.3) > 0.06)
    for style, most in (("flat", 5), ("posterised", 5)):
        colours = draw(style, ball(192), 192, (0, 5))[clear]
        coarse, counts = np.unique(colours // 8, axis=0, return_counts=True)
        assert (counts > 0.01 * len(colours)).sum() <= most


# -- the interface ------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_drawing_follows_from_its_arguments(style):
    sight = ball(48)
    first = draw(style, sight, 48, (3, 1, 4))
    assert first.shape == (48, 48, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, draw(style, ball(48), 48, (3, 1, 4)))
    assert (first != draw(style, sight, 48, (3, 1, 5))).any()


def test_styles_differ_from_each_other():
    drawings = [draw(style, ball(64), 64, (0, 6)).astype(float) for style in STYLES]
    for a in range(len(STYLES)):
        for b in range(a):
            assert np.abs(drawings[a] - drawings[b]).mean() > 4, (STYLES[a], STYLES[b])


def test_a_drawing_is_the_mean_of_its_finer_grid():
    sight = ball(96, samples=192)
    fine = draw("line", sight, 192, (0, 7)).astype(float)
    # at another side lines have another width, so compare where there are none
    coarse = draw("line", sight, 96, (0, 7)).astype(float)
    naive = np.array(
        [
            [fine[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean(axis=(0, 1)) for x in range(96)]
            for y in range(96)
        ]
    )
    blank = (naive.mean(-1) > 225) & (coarse.mean(-1) > 225)
    assert blank.mean() > 0.3
    assert np.abs(naive - coarse)[blank].mean() < 4


def test_unknown_style_is_refused():
    with pytest.raises(ValueError, match="expected a style among posterised.*found 'oil'"):
        draw("oil", ball(48), 48, (0,))


def test_samples_must_be_a_multiple_of_the_side():
    with pytest.raises(ValueError, match="multiple of the side 50.*found 192"):
        draw("line", ball(48), 50, (0,))


@pytest.mark.parametrize("field", ["image", "depth", "normal"])
def test_sight_of_two_sizes_is_refused(field):
    sight = ball(48)
    with pytest.raises(ValueError, match="expected a square"):
        dataclasses.replace(sight, **{field: getattr(sight, field)[:-1]})
