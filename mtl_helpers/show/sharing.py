"""Pictures of what sharing means: gradients of two tasks as arrows, and two ways to share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.show.sheet import BOX, Column, Sheet, widest
from mtl_helpers.show.style import COLOURS, INK

__all__ = ["combined_steps", "gradient_arrows", "gradients_at", "hard_and_soft"]

_RULE_LINES = {"sum": "-", "PCGrad": (0, (4, 1.5)), "equal lengths": (0, (1, 1))}
# inches
_FACE, _BLOCK, _CELL, _GAP, _APART = 0.74, 0.36, 0.11, 0.26, 0.5


def gradients_at(degrees: float, ratio: float) -> NDArray[np.float64]:
    """Return the gradients (2, 2) of two tasks in a plane, some degrees apart.

    The first has the length 1 and the second the length ``ratio``; they lie evenly about the
    vertical.
    """
    half = np.radians(degrees) / 2
    directions = np.array([[-np.sin(half), np.cos(half)], [np.sin(half), np.cos(half)]])
    return directions * np.array([[1.0], [ratio]])


def combined_steps(gradients: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """Return what rules make of the gradients (2, D) of two tasks: a direction (D,) per rule.

    ``"sum"`` adds them. ``"PCGrad"`` first takes from each, if they are in conflict, what points
    against the other (Yu et al. 2020). ``"equal lengths"`` adds them after each was brought to the
    length 1. The step goes against the direction.
    """
    first, second = np.asarray(gradients, dtype=np.float64)
    dot = float(first @ second)
    projected = first + second
    if dot < 0:
        projected = (first - dot / (second @ second) * second) + (
            second - dot / (first @ first) * first
        )
    lengths = [float(np.linalg.norm(each)) for each in (first, second)]
    return {
        "sum": first + second,
        "PCGrad": projected,
        "equal lengths": first / lengths[0] + second / lengths[1],
    }


def gradient_arrows(
    gradients: ArrayLike, names: Sequence[str] = ("A", "B"), *, size: tuple[float, float]
) -> Figure:
    """Draw the steps that two tasks ask for and what rules make of them, and what it does to each.

    Above are the arrows in a plane of two shared weights, turned round so that they point where
    each loss falls fastest. Below is by how much a short step of each rule lowers each loss, to
    first order, as a share of what the task's own step of that length would: 1 is all that can be
    had, and below 0 the loss rises.
    """
    pulls = np.asarray(gradients, dtype=np.float64)  # (2, 2)
    steps = combined_steps(pulls)
    figure, (plane, bars) = plt.subplots(
        2, 1, figsize=size, height_ratios=(1.6, 1), layout="constrained"
    )
    for name, pull, colour, side in zip(names, pulls, COLOURS, (-1, 1), strict=False):
        _arrow(plane, pull, colour, name, 11.0 * side)  # names of arrows that coincide stand apart
    # where there is no conflict PCGrad is the sum, so the plain line lies lowest and is the widest
    for (name, step), width in zip(steps.items(), (3.0, 2.2, 2.2), strict=True):
        _arrow(plane, step, INK, style=_RULE_LINES[name], width=width)
        plane.plot([], [], color=INK, linestyle=_RULE_LINES[name], label=name)
    figure.legend(
        loc="outside upper center", ncols=3, frameon=False, handlelength=2.1, columnspacing=1.2
    )
    reach = 1.1 * max(np.abs([*pulls, *steps.values()]).max(), 1.0)
    plane.set(xlim=(-reach, reach), ylim=(-0.1 * reach, reach), aspect="equal")
    plane.axis("off")
    shares = _shares(pulls, steps)  # (rules, 2)
    places = np.arange(len(steps))
    for k, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        bars.barh(places + 0.2 * (2 * k - 1), shares[:, k], 0.36, color=colour, label=name)
    bars.axvline(0, color=INK, linewidth=1)
    bars.set_yticks(places, list(steps))
    bars.invert_yaxis()
    bars.set(xlim=(-1, 1.05), xlabel="Progress of each task")
    return figure


def _shares(pulls: NDArray[np.float64], steps: Mapping[str, NDArray[np.float64]]) -> NDArray:
    """Return how much of each task's own progress each step keeps, (rules, tasks)."""
    lengths = np.linalg.norm(pulls, axis=1)  # (2,)
    rows = []
    for step in steps.values():
        norm = float(np.linalg.norm(step))
        # two gradients that cancel leave no step at all
        rows.append(pulls @ step / lengths / norm if norm > 1e-9 else np.zeros(2))
    return np.stack(rows)


def _arrow(
    axis: Axes,
    to: NDArray[np.float64],
    colour: str,
    name: str = "",
    beside: float = 0.0,
    style: Any = "-",
    width: float = 2.5,
) -> None:
    norm = float(np.linalg.norm(to))
    if norm < 1e-9:
        return
    end = (float(to[0]), float(to[1]))
    head = {"arrowstyle": "-|>", "color": colour, "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", end, (0, 0), arrowprops={**head, "lw": width, "linestyle": style})
    away = 11 * to / norm + np.array([beside, 0.0])  # points
    axis.annotate(
        name, end, tuple(away), textcoords="offset points", color=colour, ha="center", va="center"
    )


def hard_and_soft(face: ArrayLike, tasks: Sequence[str] = ("task A", "task B")) -> Figure:
    """Draw hard sharing, one trunk for all heads, above soft sharing, a tied trunk per task."""
    pixels = np.asarray(face)
    heads = widest(tasks) + 0.2
    left = 0.06
    trunk = Column(left + _FACE + _GAP, left + _FACE + _GAP + 1.3)
    head = Column(trunk.right + _APART, trunk.right + _APART + heads)
    step = BOX + 0.22
    sheet = Sheet(head.right + 0.1, 6 * step + 0.5)
    top = sheet.height - 0.2

    sheet.words(left, top, "hard sharing: one trunk", "left")
    middle = top - 1.6 * step
    sheet.picture(left + _FACE / 2, middle, pixels, _FACE)
    sheet.arrow((left + _FACE, middle), (trunk.left, middle), INK)
    sheet.box(trunk, middle, "trunk", INK)
    for k, (name, colour) in enumerate(zip(tasks, COLOURS, strict=False)):
        y = middle + step * (0.5 - k)
        sheet.arrow((trunk.right, middle), (head.left, y), colour)
        sheet.box(head, y, name, colour)

    low = top - 3.1 * step
    sheet.words(left, low, "soft sharing: a trunk each, tied", "left")
    middle = low - 1.5 * step
    sheet.picture(left + _FACE / 2, middle, pixels, _FACE)
    ends = []
    for k, (name, colour) in enumerate(zip(tasks, COLOURS, strict=False)):
        y = middle + 1.3 * step * (0.5 - k)
        sheet.arrow((left + _FACE, middle), (trunk.left, y), colour)
        sheet.box(trunk, y, f"trunk {name[-1]}", colour)
        sheet.arrow((trunk.right, y), (head.left, y), colour)
        sheet.box(head, y, name, colour)
        ends.append((trunk.centre, y + BOX / 2 * (2 * k - 1)))
    sheet.line(ends, INK, "--")
    return sheet.figure
