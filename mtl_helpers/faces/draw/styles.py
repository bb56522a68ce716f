"""Drawing styles: a picture and its hit record become a drawing with line work.

A draughtsman sees a `Sight`: the shaded picture and, for every sample of it, what is seen there
(material), how far it is and which way it faces. Ink lines follow from where the material changes,
where the depth jumps and where the surface turns away or folds; tone follows from the picture.

Lines in a picture of 48 pixels must be nearly a pixel wide or they vanish, and lines in one of 256
must not stay that thin. Everything is therefore drawn on a finer grid, with widths that are a share
of the picture's side but at least a share of a pixel, and then reduced by averaging areas.

The line filter is that of Winnemöller, Kyprianidis and Olsen, "XDoG: an extended difference-of-
Gaussians compendium", Computers & Graphics 36 (2012), here on a mixture of the picture and the
facing ratio; lines at depth jumps and creases go back to Saito and Takahashi, "Comprehensible
rendering of 3-D shapes", SIGGRAPH 1990.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["STYLES", "Sight", "draw"]

Array = NDArray[np.floating[Any]]

_STREAM: Final = 0x7374796C
# Inter-ocular distances by which one thing must stand before another to have a contour.
_JUMP: Final = 0.07


@dataclass(frozen=True)
class Sight:
    """What a draughtsman sees, S samples a side.

    Parameters
    ----------
    image
        The shaded picture, (S, S, 3) uint8.
    material
        Index into :data:`mtl_helpers.faces.scene.appearance.MATERIAL_NAMES`, (S, S).
    depth
        Distance from the camera in inter-ocular distances, (S, S), infinite on the backdrop.
    normal
        Unit normals in the camera's axes (right, down, forward), (S, S, 3), zero on the backdrop.
    """

    image: NDArray[np.uint8]
    material: NDArray[np.int32]
    depth: NDArray[np.float32]
    normal: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Check the shapes."""
        shape = self.material.shape
        shapes = (self.image.shape, self.depth.shape, self.normal.shape)
        square = len(shape) == 2 and shape[0] == shape[1]
        if not square or shapes != ((*shape, 3), shape, (*shape, 3)):
            raise ValueError(
                f"expected a square (S, S) of materials and depths and (S, S, 3) of colours and "
                f"normals, found {shape}, {shapes[1]}, {shapes[0]} and {shapes[2]}; pass the "
                "picture and the record of one view at the same number of samples"
            )


def draw(style: str, sight: Sight, side: int, key: Sequence[int]) -> NDArray[np.uint8]:
    """Draw what is seen.

    Parameters
    ----------
    style
        One of :data:`STYLES`.
    sight
        The picture and its record, at a whole multiple of ``side``; two or more samples a pixel
        and 128 or more in all give clean lines.
    side
        Pixels per side of the drawing.
    key
        Numbers from 0 that key all that is drawn at random: paper, ink, palette, wobble.

    Returns
    -------
    ndarray
        (side, side, 3) uint8, the same for the same arguments.
    """
    if style not in _STYLES:
        raise ValueError(
            f"expected a style among {', '.join(STYLES)}, found {style!r}; correct the name"
        )
    samples = len(sight.material)
    if side < 1 or samples % side:
        raise ValueError(
            f"expected a multiple of the side {side} in samples, found {samples}; render the "
            "picture with a whole number of samples a pixel"
        )
    rng = np.random.default_rng([_STREAM, *key])
    drawing = _STYLES[style](_Board(sight, side, rng))  # (S, S, 3)
    blocks = drawing.reshape(side, samples // side, side, samples // side, 3)
    return (255 * np.clip(blocks.mean(axis=(1, 3)), 0, 1) + 0.5).astype(np.uint8)


# -- what all styles look at ----------------------------------------------------------------------


class _Board:
    """A sight prepared for drawing: wobbled, in floats, with tone and lines on demand."""

    def __init__(self, sight: Sight, side: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.size = len(sight.material)
        self.side = side
        # at least this share of a pixel at any side, and a share of the side for large pictures
        self.width = self.size / side * (0.55 + 0.0075 * side)
        rows, columns = self._wobbled()
        self.image = np.ascontiguousarray(sight.image[rows, columns]).astype(np.float32) / 255
        self.material = sight.material[rows, columns]
        self.depth = sight.depth[rows, columns]
        self.normal = sight.normal[rows, columns]

    def _wobbled(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns seen through an unsteady hand."""
        reach = 0.003 * self.size
        shift = reach * np.stack([self.noise(0.06), self.noise(0.06)])
        grid = np.indices((self.size, self.size)) + shift
        places = np.clip(np.rint(grid).astype(np.int64), 0, self.size - 1)
        return places[0], places[1]

    def noise(self, scale: float) -> Array:
        """Smooth noise of mean 0 and standard deviation 1, with waves of ``scale`` sides."""
        count = min(math.ceil(8 / scale), self.size)
        coarse = self.rng.standard_normal((count, count)).astype(np.float32)
        coarse = ndimage.gaussian_filter(coarse, 0.25 * scale * count, mode="wrap", truncate=2.5)
        fine = ndimage.zoom(coarse, self.size / count, order=1, mode="grid-wrap", grid_mode=True)
        return fine / max(float(fine.std()), 1e-6)

    def blur(self, values: Array, share: float) -> Array:
        """Gaussian blur by a share of the side."""
        sigma = share * self.size
        return ndimage.gaussian_filter(values, sigma if values.ndim == 2 else (sigma, sigma, 0))

    @functools.cached_property
    def luminance(self) -> Array:
        return self.image @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)

    @functools.cached_property
    def facing(self) -> Array:
        """Cosine between normal and view, 1 facing the camera; 1 on the backdrop too."""
        return np.where(self.figure, np.clip(-self.normal[..., 2], 0, 1), 1)

    @functools.cached_property
    def figure(self) -> NDArray[np.bool_]:
        return self.material != _number("backdrop")

    @functools.cached_property
    def skin(self) -> NDArray[np.bool_]:
        return np.isin(self.material, [_number(name) for name in _FLESH])

    @functools.cached_property
    def tone(self) -> Array:
        """Tone of the figure from 0 (dark) to 1, stretched so that a dark skin keeps its modelling.

        Six tenths of the distance of the skin's own tone from a light one are taken out.
        """
        tone = self.luminance.copy()
        bare = self.material == _number("skin")
        if bare.any():
            low, middle, high = np.percentile(tone[bare], (4, 50, 96))
            level = middle + 0.6 * (0.72 - middle)
            spread = np.clip(0.5 / max(high - low, 0.05), 0.8, 2.2)
            stretched = level + spread * (tone - middle)
            # hair on the face is as dark as it is, or fair brows would vanish
            hairs = np.isin(self.material, [_number(name) for name in _FACIAL_HAIR])
            stretched = np.where(hairs, np.minimum(tone, stretched), stretched)
            soft = self.blur(self.skin.astype(np.float32), 0.006)
            tone = tone + soft * (stretched - tone)
        return np.clip(tone, 0, 1)

    @functools.cached_property
    def shade(self) -> Array:
        """Tone relative to the tone usual for the material: 1 lit, lower in shadow."""
        shade = np.ones_like(self.tone)
        for material in np.unique(self.material):
            here = self.material == material
            usual = np.percentile(self.luminance[here], 75)
            shade[here] = self.luminance[here] / max(float(usual), 0.02)
        return np.clip(shade, 0, 1.3)

    def stroke(self, mask: NDArray[np.bool_], width: Array | float) -> Array:
        """Ink of pen lines along a mask, 0 to 1; the width is in line widths."""
        if not mask.any():
            return np.zeros(mask.shape, dtype=np.float32)
        away = ndimage.distance_transform_edt(~mask).astype(np.float32)
        return np.clip(0.5 * self.width * width + 0.5 - away, 0, 1)

    @functools.cached_property
    def contours(self) -> NDArray[np.bool_]:
        """Where the figure, or a part of it, stands before something farther away."""
        depth = np.where(self.figure, self.depth, 40).astype(np.float32)
        edges = np.zeros(depth.shape, dtype=bool)
        for axis in (0, 1):
            ahead, behind = np.roll(depth, -1, axis), np.roll(depth, 1, axis)
            # a jump bends the depth on both of its sides; the nearer one carries the line
            bend = ahead + behind - 2 * depth
            peak = (bend >= np.roll(bend, -1, axis)) & (bend >= np.roll(bend, 1, axis))
            edges |= (bend > _JUMP) & peak
        return self._cleaned(edges & self._inside)

    def _cleaned(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask without its specks, and with its small gaps closed."""
        mask = ndimage.binary_closing(mask, np.ones((3, 3), dtype=bool), iterations=2)
        parts, count = ndimage.label(mask, np.ones((3, 3)))
        length = np.bincount(parts.ravel(), minlength=count + 1)
        return mask & (length > 0.03 * self.size)[parts]

    @functools.cached_property
    def borders(self) -> NDArray[np.bool_]:
        """Where one kind of thing ends and another begins, as far as a line belongs there."""
        group = _groups()[self.material]
        edges = np.zeros(group.shape, dtype=bool)
        for axis in (0, 1):
            other = np.roll(group, 1, axis)
            edges |= group != other
        return edges & self._inside

    @functools.cached_property
    def _inside(self) -> NDArray[np.bool_]:
        inside = np.zeros(self.material.shape, dtype=bool)
        inside[2:-2, 2:-2] = True
        return inside

    def sketch(self, sharpness: float = 7.0, threshold: float = 0.6) -> Array:
        """Ink of the lines inside the figure: folds and the picture's own dark lines (XDoG)."""
        view = 0.5 * np.sqrt(self.blur(self.facing, 0.007)) + 0.5 * self.tone
        view = np.where(self.figure, view, 1).astype(np.float32)
        sigma = 0.42 * self.width
        near, far = (ndimage.gaussian_filter(view, s) for s in (sigma, 1.6 * sigma))
        strength = 18.0
        response = (1 + strength) * near - strength * far
        ink = -np.tanh(np.minimum(sharpness * (response - threshold), 0))
        return ink * self.figure

    def ink(self, inner: float = 1.0, outer: float = 1.4) -> Array:
        """All lines together, 0 to 1; ``inner`` and ``outer`` are widths in line widths."""
        swell = 1 + 0.25 * self.noise(0.12)
        return np.maximum.reduce(
            [
                self.stroke(self.contours, outer * swell),
                self.stroke(self.borders, inner * swell),
                self.sketch(),
            ]
        )

    @functools.cached_property
    def paper(self) -> Array:
        """A sheet of paper, (S, S, 3)."""
        tint = np.array([0.96, 0.94, 0.88]) + self.rng.uniform(-0.03, 0.03) * np.array(
            [0.3, 0.5, 1.0]
        )
        grain = 0.012 * self.noise(0.02) + 0.01 * self.noise(0.3)
        return (tint + grain[..., None]).astype(np.float32)

    def solid(self) -> Array:
        """Ink of what is drawn as a dark mass: brows, pupils, nostrils, dark hair."""
        dark = np.clip((0.30 - self.tone) / 0.05, 0, 1)
        return dark * self.figure


# What lies on the face, with the skin's modelling and light.
_FLESH: Final = ("skin", "lip", "brow", "beard", "lash", "eye")
_FACIAL_HAIR: Final = ("brow", "beard", "lash")


@functools.cache
def _number(name: str) -> int:
    # Imported where it is used: the names of styles need no renderer.
    from mtl_helpers.faces.scene.appearance import MATERIAL_NAMES

    return MATERIAL_NAMES.index(name)


@functools.cache
def _groups() -> NDArray[np.int64]:
    """Kinds of things between which a border is drawn, by material.

    Brows, lashes and beards have no outline: they are dark on their own. Lips are drawn by the
    line filter where they differ from the skin.
    """
    from mtl_helpers.faces.scene.appearance import MATERIAL_NAMES

    groups = np.arange(len(MATERIAL_NAMES))
    groups[[_number(name) for name in ("lip", *_FACIAL_HAIR)]] = _number("skin")
    groups[[_number(name) for name in ("eye cavity", "tongue")]] = _number("mouth")
    return groups


def _inked(ground: Array, ink: Array, colour: Array) -> Array:
    """Ink over a ground: (S, S, 3), (S, S) and (3,) -> (S, S, 3)."""
    return ground + ink[..., None] * (colour - ground)


def _ink_colour(rng: np.random.Generator) -> Array:
    inks = [[0.07, 0.07, 0.08], [0.07, 0.07, 0.08], [0.24, 0.13, 0.07], [0.09, 0.13, 0.30]]
    return np.array(inks[rng.integers(len(inks))], dtype=np.float32)


# -- the styles -----------------------------------------------------------------------------------


def _posterised(board: _Board) -> Array:
    """Four flat tones of a poster's palette, and ink."""
    palette = _PALETTES[board.rng.integers(len(_PALETTES))]
    tone = ndimage.median_filter(board.blur(board.tone, 0.008), size=3)
    level = np.digitize(tone, (0.26, 0.46, 0.66))
    colours = palette[level]
    ground = palette[4]
    colours = np.where(board.figure[..., None], colours, ground)
    return _inked(colours, board.ink(0.8, 1.3), 0.5 * palette[0])


def _flat(board: _Board) -> Array:
    """One colour per thing with one tone of shadow, and a bold outline."""
    colours = np.empty_like(board.image)
    for material in np.unique(board.material):
        here = board.material == material
        bright = board.luminance[here] >= np.percentile(board.luminance[here], 50)
        colours[here] = board.image[here][bright].mean(0)
    grey = colours.mean(-1, keepdims=True)
    colours = np.clip(grey + 1.4 * (colours - grey), 0, 1) ** 0.8
    shadow = board.blur(board.shade, 0.008) < 0.74
    colours = np.where(shadow[..., None], colours * [0.68, 0.60, 0.68], colours)
    ground = _GROUNDS[board.rng.integers(len(_GROUNDS))]
    colours = np.where(board.figure[..., None], colours, ground)
    return _inked(colours, board.ink(0.9, 1.6), np.array([0.06, 0.05, 0.07]))


def _line(board: _Board) -> Array:
    """Pen lines on paper, with black for what is dark."""
    ink = np.maximum(board.ink(1.0, 1.5), board.solid())
    return _inked(board.paper, ink, _ink_colour(board.rng))


def _hatch(board: _Board, darkness: Array, angle: float, period: float) -> Array:
    """Ink of parallel strokes that swell with darkness and bend with the form."""
    rows, columns = np.indices(darkness.shape, dtype=np.float32)
    across, down = np.cos(angle), np.sin(angle)
    bend = 0.035 * board.size * board.blur(board.normal, 0.012)
    place = (columns + bend[..., 0]) * across + (rows + bend[..., 1]) * down
    place = place / period + 0.12 * board.noise(0.25)
    off = np.abs(place - np.rint(place))  # 0 in the middle of a stroke, 0.5 between two
    half = 0.34 * np.clip(darkness + 0.05 * board.noise(0.08), 0, 1)
    return np.clip((half - off) * period + 0.5, 0, 1) * (darkness > 0.02)


def _hatched(board: _Board) -> Array:
    """Ink lines with layers of hatching that cross where it is darker."""
    pixel = board.size / board.side
    period = max(2.7 * pixel, 0.026 * board.size)
    darkness = 1 - board.blur(board.tone, 0.006)
    darkness = np.where(board.figure, darkness, 0)
    turn = board.rng.uniform(-0.2, 0.2)
    ink = board.ink(0.9, 1.3)
    for angle, start, span in ((0.8, 0.26, 0.45), (-0.75, 0.5, 0.4), (0.05, 0.72, 0.3)):
        layer = np.clip((darkness - start) / span, 0, 1)
        ink = np.maximum(ink, _hatch(board, np.sqrt(layer), angle + turn, period))
    return _inked(board.paper, ink, _ink_colour(board.rng))


def _pencil(board: _Board) -> Array:
    """Soft graphite: tone rubbed in along one direction, and grey lines."""
    rows, columns = np.indices((board.size,) * 2, dtype=np.float32)
    # noise that is long along the strokes: smoothed on a grid that lies along them
    strokes = ndimage.gaussian_filter(
        board.rng.standard_normal((board.size, 2 * board.size)).astype(np.float32),
        (0.004 * board.size, 0.02 * board.size),
        mode="wrap",
    )
    along, across = (columns - rows) / np.sqrt(2), (columns + rows) / np.sqrt(2)
    grain = ndimage.map_coordinates(strokes, [across, along], order=1, mode="grid-wrap")
    tone = np.where(board.figure, board.blur(board.tone, 0.004), 0.95)
    wash = np.clip(0.93 - tone, 0, 1) ** 1.1 * (1 + 0.22 * grain / strokes.std())
    lines = board.ink(0.6, 0.9) * np.clip(0.85 + 0.15 * board.noise(0.03), 0, 1)
    ink = np.clip(np.maximum(0.85 * wash, lines), 0, 1)
    return _inked(board.paper, ink, np.array([0.15, 0.15, 0.17]))


def _watercolour(board: _Board) -> Array:
    """Thin washes with darker rims that run into each other, over pencil lines."""
    away, nearest = ndimage.distance_transform_edt(~board.figure, return_indices=True)
    spread = board.blur(board.image[nearest[0], nearest[1]], 0.012)
    loose = 0.012 * board.size * np.stack([board.noise(0.1), board.noise(0.1)])
    places = np.indices((board.size,) * 2) + loose
    wash = np.stack(
        [
            ndimage.map_coordinates(spread[..., channel], places, order=1, mode="nearest")
            for channel in range(3)
        ],
        axis=-1,
    )
    grey = wash.mean(-1, keepdims=True)
    wash = np.clip(grey + 1.6 * (wash - grey), 0.02, 0.97) ** 0.6
    level = np.round(5 * board.blur(wash.mean(-1), 0.01)) / 5
    rim = np.abs(level - board.blur(level, 0.012))
    grain = 1.0 + 0.16 * board.noise(0.09) + 0.07 * board.noise(0.015) + 2.2 * rim
    # the wash ends a little outside or inside the figure, and dries darkest at its end
    within = ndimage.distance_transform_edt(board.figure)
    end = (away - within) / board.size + 0.007 * board.noise(0.12)
    covered = np.clip(0.5 - end / 0.005, 0, 1)
    drying = 1 + 0.6 * np.exp(-(((end + 0.012) / 0.008) ** 2))
    density = -np.log(wash) * (grain * drying * covered)[..., None]
    painted = board.paper * np.exp(-np.clip(density, 0, None))
    return _inked(painted, 0.8 * board.ink(0.6, 0.7), np.array([0.22, 0.15, 0.13]))


def _dotted(board: _Board) -> Array:
    """A newspaper's dots, larger where it is darker, and an outline."""
    pixel = board.size / board.side
    period = max(2.6 * pixel, 0.022 * board.size)
    rows, columns = np.indices((board.size,) * 2, dtype=np.float32)
    turn = np.pi / 4 + board.rng.uniform(-0.1, 0.1)
    u = (columns * np.cos(turn) + rows * np.sin(turn)) / period
    v = (rows * np.cos(turn) - columns * np.sin(turn)) / period
    screen = 0.5 + 0.25 * (np.cos(2 * np.pi * u) + np.cos(2 * np.pi * v))
    tone = np.where(board.figure, board.blur(board.tone, 0.004), 0.9)
    ink = np.clip((1.02 - 1.05 * tone - screen) * 3 * period / pixel + 0.5, 0, 1)
    ink = np.maximum(ink, board.ink(0.8, 1.2))
    return _inked(0.94 * board.paper, ink, _ink_colour(board.rng))


_PALETTES: Final = np.array(
    [
        # darkest to lightest tone, then the ground
        [[12, 30, 52], [178, 38, 44], [110, 150, 165], [250, 228, 172], [178, 206, 200]],
        [[34, 22, 50], [138, 44, 110], [238, 120, 84], [255, 220, 150], [88, 170, 172]],
        [[24, 40, 36], [40, 110, 96], [222, 152, 70], [248, 232, 196], [204, 84, 60]],
        [[40, 26, 22], [140, 74, 44], [214, 150, 96], [248, 226, 190], [120, 150, 176]],
        [[18, 18, 34], [64, 70, 150], [226, 132, 160], [252, 232, 214], [250, 202, 80]],
    ],
    dtype=np.float32,
) / np.float32(255)

_GROUNDS: Final = np.array(
    [
        [250, 206, 92],
        [134, 196, 222],
        [242, 150, 120],
        [168, 208, 150],
        [238, 226, 200],
        [200, 176, 220],
    ],
    dtype=np.float32,
) / np.float32(255)

_STYLES: Final[dict[str, Callable[[_Board], Array]]] = {
    "posterised": _posterised,
    "hatched": _hatched,
    "line": _line,
    "flat": _flat,
    "pencil": _pencil,
    "watercolour": _watercolour,
    "dotted": _dotted,
}

STYLES: Final[tuple[str, ...]] = tuple(_STYLES)
"""posterised, hatched, line, flat, pencil, watercolour, dotted: the order of the `style` label."""
