"""A sheet to draw on in inches: words, boxes and arrows, and pictures marked right or wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from mtl_helpers.show.style import COLOURS, INK, PAPER

__all__ = ["BOX", "POINTS", "RIGHT", "WRONG", "Column", "Sheet", "widest"]

POINTS = 12
"""Size of all words: of a sheet 5.6 inches wide a phone shows them at 9 px."""

BOX = 0.32
"""Inches of a box's height."""

RIGHT, WRONG = COLOURS[2], COLOURS[3]
_TICK = (((-0.9, 0.0), (-0.25, -0.75), (0.95, 0.85)),)
_CROSS = (((-0.8, -0.8), (0.8, 0.8)), ((-0.8, 0.8), (0.8, -0.8)))


class Column(NamedTuple):
    """Where a column begins and ends, in inches."""

    left: float
    right: float

    @property
    def centre(self) -> float:
        """Its middle."""
        return (self.left + self.right) / 2


class Sheet:
    """A figure of a size in inches, and the few shapes that stand on it, placed in inches too."""

    def __init__(self, width: float, height: float) -> None:
        self.height = height
        self.figure = plt.figure(figsize=(width, height), layout="none")
        self.axis = self.figure.add_axes((0, 0, 1, 1))
        self.axis.set(xlim=(0, width), ylim=(0, height), autoscale_on=False)
        self.axis.axis("off")

    def words(self, x: float, y: float, text: str, align: str = "center") -> None:
        """Words in the middle of a height."""
        self.axis.text(x, y, text, fontsize=POINTS, ha=align, va="center", zorder=5)

    def picture(
        self, x: float, y: float, pixels: np.ndarray, side: float, right: bool | None = None
    ) -> None:
        """A grey or RGB picture around a point; framed and ticked or crossed, if right or wrong."""
        half = side / 2
        self.axis.imshow(
            pixels,
            cmap="gray",
            vmin=0,
            vmax=255 if pixels.dtype == np.uint8 else 1,
            extent=(x - half, x + half, y - half, y + half),
            aspect="auto",
        )
        if right is None:
            return
        colour = RIGHT if right else WRONG
        self.axis.add_patch(
            Rectangle((x - half, y - half), side, side, fill=False, ec=colour, lw=2.5, zorder=3)
        )
        # lines instead of letters, which not every font has
        corner = (x + half - 0.1, y - half + 0.1)
        self.axis.add_patch(Circle(corner, 0.12, fc=PAPER, ec=colour, lw=1.5, zorder=4))
        for stroke in _TICK if right else _CROSS:
            line = np.array(corner) + 0.06 * np.array(stroke)
            self.axis.plot(*line.T, color=colour, lw=2, zorder=5)

    def block(self, left: float, y: float, size: tuple[float, float], colour: str) -> None:
        """A rectangle of a width and height that begins at the left."""
        corner = (left, y - size[1] / 2)
        self.axis.add_patch(Rectangle(corner, *size, fc=_tint(colour, 0.3), ec=INK, lw=0.8))

    def box(self, column: Column, y: float, text: str, colour: str, radius: float = 0.03) -> None:
        """Words in a box as wide as a column."""
        shape = FancyBboxPatch(
            (column.left, y - BOX / 2), column.right - column.left, BOX,
            boxstyle=f"round,pad=0,rounding_size={radius}",
            fc=_tint(colour), ec=colour, lw=1.4, zorder=4,
        )  # fmt: skip
        self.axis.add_patch(shape)
        self.words(column.centre, y, text)

    def line(self, points: Sequence[tuple[float, float]], colour: str, style: str = "-") -> None:
        """One that joins points."""
        self.axis.plot(*zip(*points, strict=True), color=colour, lw=1.2, ls=style)

    def arrow(
        self, start: tuple[float, float], end: tuple[float, float], colour: str, width: float = 1.2
    ) -> None:
        """One that leaves and arrives level, unless it goes straight up or down."""
        middle = (start[0] + end[0]) / 2
        way = Path([start, (middle, start[1]), (middle, end[1]), end], [1, 4, 4, 4])
        if start[0] == end[0]:
            way = Path([start, end])
        self.axis.add_patch(
            FancyArrowPatch(
                path=way,
                arrowstyle="-|>",
                mutation_scale=max(9, 5 * width),
                color=colour,
                lw=width,
                zorder=3,
            )
        )


def _tint(colour: str, strength: float = 0.18) -> tuple[float, float, float]:
    """Return a colour thinned with white, to be written on."""
    red, green, blue = (1 - strength * (1 - part) for part in to_rgb(colour))
    return red, green, blue


def widest(words: Iterable[str]) -> float:
    """Inches of the longest of some words."""
    paths = [TextPath((0, 0), word, size=POINTS) for word in words if word]
    return max((path.get_extents().width for path in paths), default=0.0) / 72
