"""Every page of the built book in a real browser: no kernel, no network, two widths, two themes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from browser.visits import PAGES, SIZES, THEMES, Survey

pytestmark = pytest.mark.browser

Look = Callable[[str, str, str], Survey]


def seen(name: str, size: str, theme: str) -> pytest.MarkDecorator:
    """Keeps all tests of one look at a page on one worker, which then opens it once."""
    return pytest.mark.xdist_group(f"{name}-{size}-{theme}")


everywhere = pytest.mark.parametrize(
    ("name", "size", "theme"),
    [pytest.param(*look, marks=seen(*look)) for look in itertools.product(PAGES, SIZES, THEMES)],
)
each_page = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=seen(name, "desktop", "light")) for name in PAGES]
)


@everywhere
def test_a_page_opens_without_errors(look: Look, name: str, size: str, theme: str) -> None:
    page = look(name, size, theme)
    assert page.title
    assert len(page.text) > 100
    assert page.theme == theme
    assert page.refused == []
    assert page.outside == []
    assert page.errors == []


@everywhere
def test_every_picture_is_there_with_words(look: Look, name: str, size: str, theme: str) -> None:
    measures = look(name, size, theme).measures
    assert measures["brokenPictures"] == []
    assert measures["speechlessPictures"] == []


@everywhere
def test_every_formula_is_set(look: Look, name: str, size: str, theme: str) -> None:
    assert look(name, size, theme).measures["unset"] == []


@everywhere
def test_a_page_does_not_scroll_sideways(look: Look, name: str, size: str, theme: str) -> None:
    page_width, window_width = look(name, size, theme).measures["pageWidth"]
    assert page_width <= window_width


@everywhere
def test_nothing_is_cut_off(look: Look, name: str, size: str, theme: str) -> None:
    assert look(name, size, theme).measures["cut"] == []


@everywhere
def test_no_word_of_a_table_is_broken(look: Look, name: str, size: str, theme: str) -> None:
    assert look(name, size, theme).measures["broken"] == []


@each_page
def test_nothing_is_wider_than_its_box_on_a_desktop(look: Look, name: str) -> None:
    assert look(name, "desktop", "light").measures["scrolled"] == []


@each_page
def test_every_font_of_a_page_is_there(look: Look, name: str) -> None:
    page = look(name, "desktop", "light")
    assert page.measures["fonts"]
    assert page.missing_fonts == []


@each_page
def test_a_page_has_an_icon(look: Look, name: str) -> None:
    statuses = look(name, "desktop", "light").icon_status
    assert statuses and set(statuses) == {200}


@each_page
def test_a_page_describes_itself_to_who_shares_it(look: Look, name: str) -> None:
    page = look(name, "desktop", "light")
    tags = page.measures["tags"]
    assert all(tags.values()), tags
    assert 40 <= len(tags["description"]) <= 200
    assert tags["og:image"].startswith("https://")
    assert page.preview_status == 200


def test_no_two_pages_describe_themselves_alike(html: Path) -> None:
    texts = [(html / f"{name}.html").read_text(encoding="utf-8") for name in PAGES]
    described = re.findall(r'<meta name="description" content="([^"]+)"', "".join(texts))
    assert len(described) == len(set(described)) == len(PAGES)


@each_page
def test_no_button_waits_for_a_kernel(look: Look, name: str) -> None:
    assert look(name, "desktop", "light").measures["dead"] == []
