"""Sphinx extension: cards that lead into chapters, each with a picture of its own.

``{chapter-cards}`` shows what each chapter asks and what it found, by ``book/chapters.yml``, and
``{finding-cards}`` a few findings, by ``book/findings.yml``. Pictures are cut out of the notebooks'
committed figures and reading times out of their text, so that neither is kept a second time.
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
from PIL import Image, ImageOps
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

CHAPTERS = "book/chapters.yml"
FINDINGS = "book/findings.yml"
FOLDER = "thumbnails"
SIZE = (400, 230)
MINUTES = re.compile(r"\*Reading time:\*+ (\d+) minutes")
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def chapters(source: Path, listed: str = CHAPTERS) -> list[dict[str, str]]:
    """The entries of a list: file, answer, figure and what it shows; of a chapter, its question.

    A ``part`` of a figure is four numbers from 0 to 1: left, top, right, bottom.
    """
    entries = yaml.safe_load((source / listed).read_text(encoding="utf-8"))
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


def picture_name(chapter: dict[str, str]) -> str:
    """The name of the file with a card's picture."""
    return f"{Path(chapter['file']).name}-{chapter['figure']}.webp"


def thumbnail(cells: dict[str, Any], figure: str, part: str = "0 0 1 1") -> Image.Image:
    """A named figure of a notebook, or a part of it, on a white card."""
    for cell in cells["cells"]:
        named = cell["metadata"].get("mystnb", {}).get("figure", {}).get("name")
        for output in cell.get("outputs", []) if named == figure else []:
            if picture := output.get("data", {}).get("image/png"):
                data = base64.b64decode("".join(picture))
                drawn = Image.open(io.BytesIO(data)).convert("RGB")
                left, top, right, bottom = (float(share) for share in part.split())
                wide, tall = drawn.size
                drawn = drawn.crop(
                    (int(left * wide), int(top * tall), int(right * wide), int(bottom * tall))
                )
                drawn = ImageOps.contain(drawn, SIZE, Image.Resampling.LANCZOS)
                card = Image.new("RGB", SIZE, "white")
                card.paste(drawn, ((SIZE[0] - drawn.width) // 2, (SIZE[1] - drawn.height) // 2))
                return card
    raise ExtensionError(
        f"There is no figure {figure!r} with a picture: see {CHAPTERS}, {FINDINGS}."
    )


def card(chapter: dict[str, str], cells: dict[str, Any], href: str, folder: str) -> str:
    """The HTML of a card: of a chapter if it has a question, else of a finding."""
    text = words(cells)
    title, minutes = TITLE.search(text), MINUTES.search(text)
    if title is None or minutes is None:
        raise ExtensionError(f"{chapter['file']} has no title, or does not say its reading time.")
    said = {name: html.escape(value) for name, value in chapter.items()}
    if "question" in said:
        lines = (
            f"<strong>{html.escape(title[1])}</strong>"
            f'<span class="asks">{said["question"]}</span>'
            f'<span class="found">{said["answer"]}</span>'
            f'<span class="minutes">{minutes[1]} minutes</span>'
        )
    else:
        lines = (
            f"<strong>{said['answer']}</strong>"
            f'<span class="minutes">Chapter {html.escape(title[1].replace(" ", ": ", 1))}</span>'
        )
    width, height = SIZE
    return (
        f'<a class="chapter-card" href="{href}">'
        f'<img src="{folder}/{picture_name(chapter)}" alt="{said["alt"]}" '
        f'width="{width}" height="{height}" loading="lazy">'
        f"<span>{lines}</span></a>"
    )


class ChapterCards(SphinxDirective):
    """Every chapter's card."""

    listed, style = CHAPTERS, "chapter-cards"

    def run(self) -> list[nodes.Node]:
        """Return the cards as HTML."""
        source, builder = Path(self.env.srcdir), self.env.app.builder
        self.env.note_dependency(str(source / self.listed))
        here, cards = self.env.docname, []
        depth = "../" * here.count("/")
        for chapter in chapters(source, self.listed):
            self.env.note_dependency(str(source / f"{chapter['file']}.ipynb"))
            href = builder.get_relative_uri(here, chapter["file"])
            cards.append(card(chapter, notebook(source, chapter), href, f"{depth}_static/{FOLDER}"))
        return [nodes.raw("", f'<div class="{self.style}">{"".join(cards)}</div>', format="html")]


class FindingCards(ChapterCards):
    """A card per finding."""

    listed, style = FINDINGS, "chapter-cards findings"


def write_thumbnails(app: Sphinx, exception: Exception | None) -> None:
    """Put the cards' pictures beside the pages."""
    if exception is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(app.srcdir)
    for chapter in [*chapters(source), *chapters(source, FINDINGS)]:
        cells, part = notebook(source, chapter), chapter.get("part", "0 0 1 1")
        thumbnail(cells, chapter["figure"], part).save(folder / picture_name(chapter), quality=82)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("chapter-cards", ChapterCards)
    app.add_directive("finding-cards", FindingCards)
    app.connect("build-finished", write_thumbnails)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
