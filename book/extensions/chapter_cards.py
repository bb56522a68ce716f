"""Sphinx extension: a card per chapter, with a picture of its own, what it asks and what it found.

``{chapter-cards}`` reads ``book/chapters.yml``. Pictures are cut out of the notebooks' committed
figures and reading times out of their text, so that neither is kept a second time.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

CHAPTERS = "book/chapters.yml"
FOLDER = "thumbnails"
SIZE = (400, 230)
MINUTES = re.compile(r"\*Reading time:\*+ (\d+) minutes")
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def chapters(source: Path) -> list[dict[str, str]]:
    """The entries of the list of chapters: file, question, answer, figure and what it shows."""
    entries = yaml.safe_load((source / CHAPTERS).read_text(encoding="utf-8"))
    return [{name: str(value) for name, value in entry.items()} for entry in entries]


def notebook(source: Path, chapter: dict[str, str]) -> dict[str, Any]:
    """The committed notebook of a chapter."""
    path = source / f"{chapter['file']}.ipynb"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def words(cells: dict[str, Any]) -> str:
    """All text of a notebook's Markdown cells."""
    markdown = (cell for cell in cells["cells"] if cell["cell_type"] == "markdown")
    return "\n".join("".join(cell["source"]) for cell in markdown)


def thumbnail(cells: dict[str, Any], figure: str) -> Image.Image:
    """A named figure of a notebook on a white card."""
    for cell in cells["cells"]:
        named = cell["metadata"].get("mystnb", {}).get("figure", {}).get("name")
        for output in cell.get("outputs", []) if named == figure else []:
            if picture := output.get("data", {}).get("image/png"):
                data = base64.b64decode("".join(picture))
                drawn = Image.open(io.BytesIO(data)).convert("RGB")
                drawn.thumbnail(SIZE, Image.Resampling.LANCZOS)
                card = Image.new("RGB", SIZE, "white")
                card.paste(drawn, ((SIZE[0] - drawn.width) // 2, (SIZE[1] - drawn.height) // 2))
                return card
    raise ExtensionError(f"There is no figure {figure!r} with a picture: see {CHAPTERS}.")


def card(chapter: dict[str, str], cells: dict[str, Any], href: str, folder: str) -> str:
    """The HTML of a chapter's card."""
    text = words(cells)
    title, minutes = TITLE.search(text), MINUTES.search(text)
    if title is None or minutes is None:
        raise ExtensionError(f"{chapter['file']} has no title, or does not say its reading time.")
    said = {name: html.escape(value) for name, value in chapter.items()}
    picture = f"{folder}/{Path(chapter['file']).name}.webp"
    width, height = SIZE
    return (
        f'<a class="chapter-card" href="{href}">'
        f'<img src="{picture}" alt="{said["alt"]}" width="{width}" height="{height}" '
        'loading="lazy">'
        f"<span><strong>{html.escape(title[1])}</strong>"
        f'<span class="asks">{said["question"]}</span>'
        f'<span class="found">{said["answer"]}</span>'
        f'<span class="minutes">{minutes[1]} minutes</span></span></a>'
    )


class ChapterCards(SphinxDirective):
    """Every chapter's card."""

    def run(self) -> list[nodes.Node]:
        """Return the cards as HTML."""
        source, builder = Path(self.env.srcdir), self.env.app.builder
        self.env.note_dependency(str(source / CHAPTERS))
        here, cards = self.env.docname, []
        depth = "../" * here.count("/")
        for chapter in chapters(source):
            self.env.note_dependency(str(source / f"{chapter['file']}.ipynb"))
            href = builder.get_relative_uri(here, chapter["file"])
            cards.append(card(chapter, notebook(source, chapter), href, f"{depth}_static/{FOLDER}"))
        return [nodes.raw("", f'<div class="chapter-cards">{"".join(cards)}</div>', format="html")]


def write_thumbnails(app: Sphinx, exception: Exception | None) -> None:
    """Put the cards' pictures beside the pages."""
    if exception is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(app.srcdir)
    for chapter in chapters(source):
        picture = thumbnail(notebook(source, chapter), chapter["figure"])
        picture.save(folder / f"{Path(chapter['file']).name}.webp", quality=82)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("chapter-cards", ChapterCards)
    app.connect("build-finished", write_thumbnails)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
