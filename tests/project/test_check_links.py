"""The walker that follows links of built pages, on pages of a few lines."""

from __future__ import annotations

from pathlib import Path

import check_links
import pytest


@pytest.fixture
def html(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top">A</h1><a name="old"></a><a href="in/b.html#x%20y">b</a>'
        '<a href="#top">up</a><a href="#">menu</a><img src="p.png?v=1">'
        '<source srcset="p.png, p.png 2x"><script></script>from "./a book" <p>and from "./more"</p>'
        '<a href="https://example.org/#z">out</a><a href="mailto:a@b.c">post</a>'
    )
    (tmp_path / "in" / "b.html").write_text(
        '<p id="x y"></p><a href="../index.html#old">a</a><a href="../">home</a>'
    )
    (tmp_path / "p.png").write_bytes(b"1")
    return tmp_path


def test_links_that_lead_somewhere_are_not_reported(html: Path) -> None:
    assert check_links.broken_links(html) == []


@pytest.mark.parametrize(
    ("link", "what"),
    [
        ('<a href="none.html">', "leads to no file"),
        ('<a href="in/b.html#none">', "leads to no anchor"),
        ('<a href="#none">', "leads to no anchor"),
        ('<a href="#face=1,2">', "leads to no anchor"),
        ('<a href="#none=1,2">', "leads to no anchor"),
        ('<img src="none.png">', "leads to no file"),
        ('<script src="none.js"></script>', "leads to no file"),
        ('<img src="p.png" srcset="p.png, none.png 2x">', "leads to no file"),
        ('<script type="module">import { a } from "./none.js";</script>', "leads to no file"),
        ('<a href="../../etc/hosts">', "leaves the book's folder"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(html: Path, link: str, what: str) -> None:
    (html / "c.html").write_text(link)
    broken = check_links.broken_links(html)
    assert len(broken) == 1
    assert broken[0].startswith("c.html: ") and broken[0].endswith(what)


def test_anchors_are_collected_by_the_page_that_has_them(html: Path) -> None:
    asked = check_links.anchors_asked_for(html, ["index", "in/b"])
    assert asked == {"in/b": {"x y"}, "index": {"top", "old"}}


def test_a_view_of_an_explorable_leads_to_its_element(html: Path) -> None:
    (html / "c.html").write_text('<div id="face-lab"></div><a href="#face=6,75,none">view</a>')
    (html / "d.html").write_text('<a href="c.html#face=1">view</a>')
    assert check_links.broken_links(html) == []
