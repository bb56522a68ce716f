"""Drawings of networks: a trunk, the heads that read its feature, and what weighs their losses.

A drawing is described by its right side, from top to bottom. Everything is laid out in inches, and
boxes are as wide as their words, so that a phone can show them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from mtl_helpers.show.sheet import BOX, Column, Sheet, widest
from mtl_helpers.show.style import INK

__all__ = ["BLOCKS", "Branches", "Head", "network_diagram"]

BLOCKS = ((48, 16), (24, 32), (12, 48), (6, 64), (3, 80))
"""Side and channels of the maps of five blocks, each of half the side of the one before."""

# inches
_ROW, _NEAR_ROW = 0.46, 0.40
_FACE, _BLOCK, _CELL, _CELLS, _GAP = 0.74, 1.3, 0.11, 4, 0.23


@dataclass(frozen=True)
class Head:
    r"""A layer that reads the feature: the word in its box, and what comes out of it.

    A ``weight``, such as ``"$\varphi_s/3$"``, is written on the way to what the head ``gives``,
    such as ``"$L_p$"``. ``reads`` has the numbers of the batch's pictures that it sees, if not all.
    A head that ``weighs`` others, which it names, makes their weights: a dashed line goes there.
    """

    name: str
    gives: str = ""
    weight: str = ""
    colour: str = INK
    reads: Sequence[int] | None = None
    weighs: Sequence[str] = ()


@dataclass(frozen=True)
class Branches:
    """Heads whose answers are joined: before the weight of all, or after the weight of each.

    The name is not drawn: it is for a head that weighs them.
    """

    name: str
    heads: Sequence[Head]
    gives: str = ""
    weight: str = ""
    colour: str = INK


def network_diagram(
    rows: Sequence[Head | Branches],
    faces: ArrayLike,
    *,
    blocks: Sequence[tuple[float, float]] = BLOCKS,
) -> Figure:
    """Draw pictures, the trunk that reads them, the feature x and all that reads it.

    Parameters
    ----------
    rows
        From top to bottom; no two have the same name.
    faces
        A grey picture (H, W), or a batch (B, H, W), whose features are one row each.
    blocks
        Side and channels of the maps of each block of the trunk.
    """
    pictures = np.asarray(faces)
    pictures = pictures[None] if pictures.ndim == 2 else pictures
    if pictures.ndim != 3 or not pictures.size:
        raise ValueError(f"Expected a picture (H, W) or some (B, H, W), found {pictures.shape}.")
    groups = [row for row in rows if isinstance(row, Branches)]
    heads = [head for row in rows for head in _heads_of(row)]
    parts: list[Head | Branches] = [*heads, *groups]
    _check(heads, parts, len(pictures))
    places, tall = _places(rows)
    height = max(tall, len(pictures) * (_FACE + 0.06), _BLOCK + 0.6) + 0.12
    at = {name: height / 2 + place for name, place in places.items()}

    thick = [0.09 + 0.09 * channels / blocks[-1][1] for _, channels in blocks]
    weights = [part.weight for part in parts if part.weight]
    late = any(head.weight for group in groups for head in group.heads)
    columns = _columns(
        # name, width, gap behind it
        ("faces", _FACE, 0.26),
        ("trunk", sum(thick) + 0.05 * (len(blocks) - 1), 0.22),
        ("feature", _CELL * _CELLS, 0.5),
        ("heads", widest(head.name for head in heads) + 0.2, _GAP + 0.14 * bool(groups)),
        ("weights", max(widest(weights) + 0.16, BOX), _GAP + 0.14 * late)
        if weights
        else ("weights", 0, 0),
        ("results", widest(part.gives for part in parts), 0.06),
    )
    sheet = Sheet(columns["results"].right + 0.06, height)
    _draw_trunk(sheet, columns, pictures, blocks, thick)
    ends = _draw_feature(sheet, columns["feature"], heads, len(pictures))
    ready = {}  # where each head's line ends so far
    for head in heads:
        y = at[head.name]
        # who reads the whole batch is joined to the nearest point of its edge
        starts = (
            [np.clip(y, min(ends), max(ends))] if head.reads is None else ends[list(head.reads)]
        )
        for start in starts:
            sheet.arrow((columns["feature"].right, start), (columns["heads"].left, y), head.colour)
        sheet.box(columns["heads"], y, head.name, head.colour)
        ready[head.name] = _draw_outcome(sheet, columns, head, columns["heads"].right, y)
        _draw_weighing(sheet, columns, head, at)
    for group in groups:
        joint = max(ready[head.name] for head in group.heads) + 0.14
        for head in group.heads:
            start, y = ready[head.name], at[head.name]
            sheet.line([(start, y), (joint, y), (joint, at[group.name])], group.colour)
        _draw_outcome(sheet, columns, group, joint, at[group.name])
    return sheet.figure


def _check(heads: Sequence[Head], parts: Sequence[Head | Branches], count: int) -> None:
    names = [part.name for part in parts]
    if not heads or len(set(names)) < len(names):
        raise ValueError(f"Expected at least one head, and different names, found {names}.")
    weighted = {part.name for part in parts if part.weight}
    for head in heads:
        if not weighted.issuperset(head.weighs):
            raise ValueError(
                f"{head.name!r} weighs {list(head.weighs)}; weights have only {sorted(weighted)}."
            )
        if not set(range(count)).issuperset(head.reads or ()):
            raise ValueError(f"{head.name!r} reads {head.reads}, but there are {count} pictures.")


def _heads_of(row: Head | Branches) -> Sequence[Head]:
    return row.heads if isinstance(row, Branches) else (row,)


def _places(rows: Sequence[Head | Branches]) -> tuple[dict[str, float], float]:
    """Return how far above the middle heads and branches stand, and how tall all are together."""
    down, places = 0.0, {}
    for row in rows:
        for head in _heads_of(row):
            places[head.name] = -down
            down += _NEAR_ROW
        down += _ROW - _NEAR_ROW
        if isinstance(row, Branches):
            places[row.name] = float(np.mean([places[head.name] for head in row.heads]))
    lowest = down - _ROW
    return {name: place + lowest / 2 for name, place in places.items()}, lowest + BOX


def _columns(*sizes: tuple[str, float, float]) -> dict[str, Column]:
    columns, left = {}, 0.06
    for name, width, gap in sizes:
        columns[name] = Column(left, left + width)
        left += width + gap
    return columns


def _draw_trunk(
    sheet: Sheet,
    columns: Mapping[str, Column],
    pictures: np.ndarray,
    blocks: Sequence[tuple[float, float]],
    thick: Sequence[float],
) -> None:
    """Draw the pictures and the blocks; sides are drawn by their roots, or the last were dots."""
    middle, faces = sheet.height / 2, columns["faces"]
    for number, pixels in enumerate(pictures):
        y = middle + ((len(pictures) - 1) / 2 - number) * (_FACE + 0.06)
        sheet.picture(faces.centre, y, pixels, _FACE)
        sheet.arrow((faces.right + 0.03, y), (columns["trunk"].left - 0.02, middle), INK)
    left = columns["trunk"].left
    for (side, _), width in zip(blocks, thick, strict=True):
        sheet.block(left, middle, (width, _BLOCK * (side / blocks[0][0]) ** 0.5), "#777777")
        left += width + 0.05
    sheet.arrow((left - 0.03, middle), (columns["feature"].left - 0.02, middle), INK)
    sheet.words(columns["trunk"].centre, middle - _BLOCK / 2 - 0.17, "trunk")


def _draw_feature(sheet: Sheet, column: Column, heads: Sequence[Head], count: int) -> np.ndarray:
    """Draw a row of cells per picture, coloured by the branch that reads it; return heights."""
    ends = sheet.height / 2 + ((count - 1) / 2 - np.arange(count)) * (_CELL + 0.08)
    for number, y in enumerate(ends):
        readers = [head.colour for head in heads if number in (head.reads or ())]
        for cell in range(_CELLS):
            left = column.left + cell * _CELL
            sheet.block(left, y, (_CELL, _CELL), readers[0] if readers else "#777777")
    sheet.words(column.centre, ends[-1] - 0.24, r"$\mathbf{x}$" if count == 1 else r"$\mathbf{X}$")
    return ends


def _draw_outcome(
    sheet: Sheet, columns: Mapping[str, Column], part: Head | Branches, start: float, y: float
) -> float:
    """Draw the weight and the result of a part, from where it ends so far; return its new end."""
    if part.weight:
        sheet.arrow((start, y), (columns["weights"].left, y), part.colour)
        sheet.box(columns["weights"], y, part.weight, part.colour, radius=BOX / 2)
        start = columns["weights"].right
    if part.gives:
        sheet.arrow((start, y), (columns["results"].left - 0.03, y), part.colour)
        sheet.words(columns["results"].left, y, part.gives, "left")
    return start


def _draw_weighing(
    sheet: Sheet, columns: Mapping[str, Column], head: Head, at: Mapping[str, float]
) -> None:
    """Draw dashed lines from a head to the weights that it makes, beneath those on the way."""
    x, y = columns["weights"].centre, at[head.name]
    for way in (1, -1):  # upwards, downwards
        edges = [at[name] - way * BOX / 2 for name in head.weighs if way * (at[name] - y) > 0]
        if not edges:
            continue
        farthest = max(edges, key=lambda edge: abs(edge - y))
        sheet.line([(columns["heads"].right, y), (x, y), (x, farthest)], head.colour, "--")
        for edge in edges:
            sheet.arrow((x, edge - way * 0.12), (x, edge), head.colour)
