"""The table of the page with the face: what its networks are right in, on the renderer's pictures.

``measured.json`` beside the page's networks holds the numbers; ``tools/measure_page_face.py`` makes
it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

MEASURED = "book/static/face/measured.json"
NAMES = {
    "one_task": "one task",
    "all_tasks": "all tasks",
    "eq8": "learned weights",
    "aprn": "made to forget pose",
}
"""What the page calls each network."""

HEADINGS = (
    "network",
    "knows people",
    "in profile (60° and more)",
    "names pose, of 13",
    "light, of 6",
    "expression, of 6",
)


def per_cent(share: float) -> str:
    """Return a share in whole per cent."""
    return f"{100 * share:.0f}"


def rows(measured: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the table's rows of words, a network each."""
    found = []
    for name, words in NAMES.items():
        network = measured["networks"][name]
        cells = [words]
        for value in ("rank1", "profile", "pose", "light", "expression"):
            low, high = (per_cent(bound) for bound in network[f"{value} interval"])
            cells.append(f"{per_cent(network[value])}&nbsp;% [{low},&nbsp;{high}]")
        found.append(tuple(cells))
    return found


class MeasuredFace(SphinxDirective):
    """The table."""

    def run(self) -> list[nodes.Node]:
        """Return the table as HTML."""
        source = Path(self.env.srcdir) / MEASURED
        self.env.note_dependency(str(source))
        measured = json.loads(source.read_text(encoding="utf-8"))
        head = "".join(f'<th scope="col">{words}</th>' for words in HEADINGS)
        body = "".join(
            "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows(measured)
        )
        caption = (
            f"Shares right on {measured['pictures']} pictures of {measured['people']} people, who "
            f"are looked for among {measured['gallery']}, with 95 % intervals over people."
        )
        return [
            nodes.raw(
                "",
                '<div class="pst-scrollable-table-container">'
                f'<table class="table"><caption>{caption}</caption><thead><tr>{head}</tr></thead>'
                f"<tbody>{body}</tbody></table></div>",
                format="html",
            )
        ]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("measured-face", MeasuredFace)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
