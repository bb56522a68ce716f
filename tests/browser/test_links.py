"""Links of the built book: none leads nowhere, and next and previous follow the contents."""

from __future__ import annotations

import re
from pathlib import Path

import check_links
import pytest
from browser.visits import PAGES

pytestmark = pytest.mark.browser


def test_every_link_within_the_book_leads_somewhere(html: Path) -> None:
    links = [link for name in PAGES for link in check_links._page(html / f"{name}.html").links]
    assert len(links) > 3000
    assert check_links.broken_links(html) == []


def neighbour(html: Path, name: str, side: str) -> str | None:
    """The page that a page's link to the previous or the next one leads to."""
    page = html / f"{name}.html"
    text = page.read_text(encoding="utf-8")
    found = re.search(rf'<a class="{side}"\s+href="([^"]+)"', text)
    if found is None:
        return None
    file, _ = check_links.target(html.resolve(), page.resolve(), found[1])
    return file.relative_to(html.resolve()).with_suffix("").as_posix()


def test_next_and_previous_follow_the_contents(html: Path) -> None:
    assert [neighbour(html, name, "right-next") for name in PAGES] == [*PAGES[1:], None]
    assert [neighbour(html, name, "left-prev") for name in PAGES] == [None, *PAGES[:-1]]
    assert PAGES[1].startswith("notebooks/")


def test_words_of_the_glossary_lead_to_their_entry(html: Path) -> None:
    for name in PAGES:
        if not re.match(r"notebooks/a?\d", name):
            continue
        text = (html / f"{name}.html").read_text(encoding="utf-8")
        links = re.findall(r'href="([^"]+)"[^>]*><span class="xref std std-term">', text)
        assert len(links) >= 8, name
        assert len(set(links)) == len(links), name
        assert all("book/glossary.html#term-" in link for link in links), name


def test_numbered_equations_lead_to_code_and_test(html: Path) -> None:
    for name in PAGES:
        text = (html / f"{name}.html").read_text(encoding="utf-8")
        numbers = re.findall(r'<span class="eqno">\(([^)<]+)', text)
        lines = re.findall(r'<p class="equation-line">(.+?)</p>', text, re.DOTALL)
        assert len(lines) == len(numbers), name
        for line in lines:
            assert re.search(r'href="\.\./book/api\.html#mtl_helpers\.', line), line
            assert re.search(r'href="https?://\S+/blob/\w+/tests/\S+\.py#L\d+"', line), line
        chapter = re.match(r"notebooks/0*(\w+?)_", name)
        expected = [f"{chapter[1]}.{i + 1}" for i in range(len(numbers))] if chapter else []
        assert numbers == expected, name
