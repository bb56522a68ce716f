"""The cards of the first page: chapters and findings, each with a figure and words of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "extensions"))
import build_book
import chapter_cards

CHAPTERS = chapter_cards.chapters(ROOT)
FINDINGS = chapter_cards.chapters(ROOT, chapter_cards.FINDINGS)
in_every_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=[c["file"] for c in CHAPTERS])


def test_every_chapter_has_a_card_in_the_order_of_the_book():
    first, *pages = [page for page in build_book.toc_pages(ROOT) if page.startswith("notebooks/")]
    assert first == "notebooks/welcome"
    assert [chapter["file"] for chapter in CHAPTERS] == pages


@in_every_chapter
def test_a_card_has_a_picture_and_words(chapter):
    cells = chapter_cards.notebook(ROOT, chapter)
    picture = chapter_cards.thumbnail(cells, chapter["figure"])
    assert picture.size == chapter_cards.SIZE
    assert len(picture.getcolors(picture.width * picture.height)) > 20
    html = chapter_cards.card(chapter, cells, "there.html", "pictures")
    assert 'href="there.html"' in html and " minutes</span>" in html
    for words in (chapter["question"], chapter["answer"], chapter["alt"]):
        assert words in html and words[0].isupper()
    assert chapter["question"].endswith("?") and chapter["answer"].endswith(".")


@pytest.mark.parametrize("finding", FINDINGS, ids=[f["file"] for f in FINDINGS])
def test_a_finding_has_a_picture_and_one_line_without_a_number(finding):
    assert finding["file"] in [chapter["file"] for chapter in CHAPTERS]
    cells = chapter_cards.notebook(ROOT, finding)
    picture = chapter_cards.thumbnail(cells, finding["figure"], finding.get("part", "0 0 1 1"))
    assert len(picture.getcolors(picture.width * picture.height)) > 20
    html = chapter_cards.card(finding, cells, "there.html", "pictures")
    assert finding["answer"] in html and "minutes</span>" not in html
    assert not any(letter.isdigit() for letter in finding["answer"])


def test_three_findings_lead_into_three_chapters():
    assert len({finding["file"] for finding in FINDINGS}) == len(FINDINGS) == 3
    pictures = [chapter_cards.picture_name(card) for card in [*CHAPTERS, *FINDINGS]]
    assert len(set(pictures)) == len(pictures)


def test_a_part_of_a_figure_is_cut_out():
    finding = next(f for f in FINDINGS if "part" in f)
    cells = chapter_cards.notebook(ROOT, finding)
    whole = chapter_cards.thumbnail(cells, finding["figure"])
    part = chapter_cards.thumbnail(cells, finding["figure"], finding["part"])
    assert whole.size == part.size and whole.tobytes() != part.tobytes()


def test_minutes_are_those_of_the_chapter():
    path = ROOT / "notebooks" / "a1_training_to_the_end.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))
    (chapter,) = (c for c in CHAPTERS if c["file"].endswith(path.stem))
    said = chapter_cards.card(chapter, cells, "", "")
    for cell in cells["cells"]:
        cell["source"] = "".join(cell["source"]).replace("time:* 8 min", "time:* 11 min")
    assert "8 minutes" in said
    assert "11 minutes" in chapter_cards.card(chapter, cells, "", "")


def test_a_figure_that_is_not_there_is_named():
    cells = chapter_cards.notebook(ROOT, CHAPTERS[0])
    with pytest.raises(ExtensionError, match="no figure 'fig-none'"):
        chapter_cards.thumbnail(cells, "fig-none")


def test_a_chapter_without_minutes_is_named():
    cells = {"cells": [{"cell_type": "markdown", "metadata": {}, "source": ["# Title"]}]}
    with pytest.raises(ExtensionError, match="does not say its reading time"):
        chapter_cards.card(CHAPTERS[0], cells, "", "")
