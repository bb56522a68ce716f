"""Draw the task graph of the ``attributes`` corpus.

Usage::

    python tools/draw_attribute_graph.py [book/images/attribute-graph.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np

from mtl_helpers.faces.corpora.task_graphs import face_graph

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DEFAULT = Path(__file__).resolve().parent.parent / "book" / "images" / "attribute-graph.png"
POSITIVE, NEGATIVE, EXCLUDING = "#1b6ca8", "#c8553d", "#9a9a9a"


def draw(path: Path) -> None:
    """Draw the attributes on a circle, group by group, with the edges to be found."""
    graph = face_graph()
    names, weights = graph.names, graph.adjacency()
    gap = 0.8  # between groups, in attributes
    places, centres, at = {}, {}, 0.0
    for group, members in graph.groups().items():
        centres[group] = at + (len(members) - 1) / 2
        for name in members:
            places[name] = at
            at += 1
        at += gap
    angle = {name: np.pi / 2 - 2 * np.pi * place / at for name, place in places.items()}
    spot = {name: np.array([np.cos(a), np.sin(a)]) for name, a in angle.items()}
    never = {frozenset(pair) for pair in graph.exclusions()}

    figure, axes = plt.subplots(figsize=(8.4, 8.4), dpi=110)
    for i, first in enumerate(names):
        for j, second in enumerate(names[:i]):
            if not weights[i, j]:
                continue
            excluding = frozenset((first, second)) in never
            colour = EXCLUDING if excluding else POSITIVE if weights[i, j] > 0 else NEGATIVE
            # a curve that bends toward the centre, the more the further apart its ends are
            t = np.linspace(0, 1, 40)[:, None]
            a, b = spot[first], spot[second]
            bend = 0.8 * (1 - np.linalg.norm(a - b) / 2) * (a + b) / 2
            curve = (1 - t) ** 2 * a + 2 * t * (1 - t) * bend + t**2 * b
            axes.plot(
                *curve.T,
                color=colour,
                linewidth=0.8 if excluding else 0.8 + 7 * abs(weights[i, j]),
                linestyle=(0, (3, 2)) if excluding else "-",
                alpha=0.75,
                solid_capstyle="round",
            )
    for name, where in spot.items():
        hollow = graph.level(name) == "picture"
        axes.plot(*where, "o", color="#222222", markerfacecolor="white" if hollow else "#222222")
        turn = np.degrees(angle[name])
        left = np.cos(angle[name]) < 0
        axes.text(
            *(1.04 * where),
            name.replace("_", " "),
            rotation=turn + 180 if left else turn,
            rotation_mode="anchor",
            ha="right" if left else "left",
            va="center",
            fontsize=9,
        )
    for style, text in (
        ({"color": POSITIVE, "linewidth": 3}, "occur together"),
        ({"color": NEGATIVE, "linewidth": 3}, "avoid each other"),
        ({"color": EXCLUDING, "linestyle": (0, (3, 2))}, "never together"),
        ({"color": "#222222", "marker": "o", "linestyle": ""}, "of a person"),
        (
            {"color": "#222222", "marker": "o", "linestyle": "", "markerfacecolor": "white"},
            "of a picture",
        ),
    ):
        axes.plot([], [], label=text, **style)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, -0.02), frameon=False, fontsize=9)
    axes.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal")
    axes.axis("off")
    figure.savefig(path, bbox_inches="tight", facecolor="white", metadata={"Software": None})
    plt.close(figure)


def main() -> None:
    """Draw to the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", type=Path, default=DEFAULT)
    draw(parser.parse_args().path)


if __name__ == "__main__":
    main()
