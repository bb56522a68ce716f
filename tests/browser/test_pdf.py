"""The book on paper: two pages are printed, joined, and their links lead within the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import make_pdf
import pytest
from browser.visits import PAGES
from playwright.sync_api import Browser
from pypdf import PdfReader

pytestmark = pytest.mark.browser

TWO = ["notebooks/a1_training_to_the_end", "book/glossary"]


@pytest.fixture(scope="module")
def printed(html: Path, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two pages of the book."""
    output = tmp_path_factory.mktemp("pdf") / "two.pdf"
    leaves = make_pdf.make_pdf(html, TWO, output, browser)
    assert leaves == len(PdfReader(output).pages)
    assert list(output.parent.iterdir()) == [output]
    return output


def bookmarks(reader: PdfReader, outline: list, depth: int = 0) -> Iterator[tuple[int, str, int]]:
    """Depth, words and leaf of every bookmark."""
    for entry in outline:
        if isinstance(entry, list):
            yield from bookmarks(reader, entry, depth + 1)
        else:
            yield depth, entry.title, reader.get_destination_page_number(entry)


def test_titles_stand_on_the_first_leaf_of_their_page(printed: Path) -> None:
    reader = PdfReader(printed)
    assert len(reader.pages) > 2
    marks = list(bookmarks(reader, reader.outline))
    assert [words for depth, words, _ in marks if depth == 0] == ["Appendix", "Reference"]
    titles = {words: leaf for depth, words, leaf in marks if depth == 1}
    assert list(titles) == ["A1 How long to train", "Glossary"]
    for words, leaf in titles.items():
        assert words in " ".join(reader.pages[leaf].extract_text().split())


def test_bookmarks_of_sections_lead_to_their_heading(printed: Path) -> None:
    reader = PdfReader(printed)
    sections = [mark for mark in bookmarks(reader, reader.outline) if mark[0] == 2]
    assert len(sections) > 4
    for _, words, leaf in sections:
        assert words in " ".join(reader.pages[leaf].extract_text().split())


def test_answers_are_printed_and_tools_of_the_page_are_not(printed: Path) -> None:
    text = " ".join(" ".join(leaf.extract_text() for leaf in PdfReader(printed).pages).split())
    assert "SGD, by far, in as many steps" in text
    for words in ("Show code cell", "Back to top", "Ctrl", "previous"):
        assert words not in text


def test_links_lead_within_the_file_or_out_of_the_book(printed: Path) -> None:
    reader = PdfReader(printed)
    marks = bookmarks(reader, reader.outline)
    glossary = next(leaf for _, words, leaf in marks if words == "Glossary")
    leaves = {leaf.indirect_reference.idnum: number for number, leaf in enumerate(reader.pages)}
    within = []
    for number, leaf in enumerate(reader.pages):
        for link in leaf.get("/Annots", []):
            link = link.get_object()
            if "/Dest" in link:
                within.append((number, leaves[link["/Dest"][0].idnum]))
            else:
                assert "127.0.0.1" not in link["/A"]["/URI"]
    assert any(start < glossary <= end for start, end in within)


def test_pictures_that_wait_for_the_reader_are_printed(
    html: Path, site: str, browser: Browser
) -> None:
    texts = {name: (html / f"{name}.html").read_text(encoding="utf-8") for name in PAGES}
    name = max(PAGES, key=lambda name: texts[name].count('loading="lazy"'))
    one = make_pdf.printed(browser, site, name, [])
    pictures = sum(len(leaf.images) for leaf in one.reader.pages)
    assert pictures >= texts[name].count('loading="lazy"') > 0


def test_the_same_pages_make_the_same_file(html: Path, printed: Path, browser: Browser) -> None:
    again = printed.parent.parent / "again.pdf"
    make_pdf.make_pdf(html, TWO[1:], again, browser)
    once = again.read_bytes()
    make_pdf.make_pdf(html, TWO[1:], again, browser)
    assert again.read_bytes() == once


def test_pages_stand_in_the_parts_of_the_contents() -> None:
    captions = make_pdf.captions_of()
    assert captions["notebooks/02_one_task_or_many"] == "Chapters"
    assert captions["book/glossary"] == "Reference"
    assert PAGES[0] not in captions
