"""Sliders of the built book, moved by keyboard: what they move, and whether the reader sees it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from browser.visits import CHAPTERS, SIZES, shown_widgets, visit
from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser

MOVING = [name for name in CHAPTERS if shown_widgets(name)]
each_moving = pytest.mark.parametrize(
    ("name", "size"), [(name, size) for name in MOVING for size in SIZES]
)

# An explorer is the outermost widget of an output that has a slider.
EXPLORERS = (
    ".cell_output .jupyter-widgets:not(.jupyter-widgets .jupyter-widgets):has([role=slider])"
)
SHOWN = """root => Array.from(root.querySelectorAll('img.course-frame'))
  .filter(image => image.checkVisibility()).map(image => image.src + image.alt)"""
IN_VIEW = """root => {
  const inside = (node, least) => {
    const { top, bottom, left, right } = node.getBoundingClientRect();
    const over = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    return top >= -1 && bottom <= innerHeight + 1 && (least || node.contains(over));
  };
  const pictures = Array.from(root.querySelectorAll('img.course-frame'))
    .filter(image => image.checkVisibility());
  return {
    sliders: Array.from(root.querySelectorAll('[role=slider]')).map(node => inside(node, false)),
    pictures: pictures.map(image => inside(image, true)),
    widths: pictures.map(image => image.getBoundingClientRect().width),
  };
}"""


def explorers(page: Page) -> list[Locator]:
    page.wait_for_selector(".jupyter-widgets [role=slider]")
    # sliders may stand in a folded part of the page
    page.evaluate(
        "document.querySelectorAll('main details').forEach(part => { part.open = true; })"
    )
    return page.locator(EXPLORERS).all()


def pictures_along(page: Page, explorer: Locator, slider: Locator) -> list[tuple[Any, list[str]]]:
    """The slider's value and the pictures shown, at its first, second, third and last position."""
    slider.focus()
    along = []
    for key in ("Home", "ArrowRight", "ArrowRight", "End"):
        slider.press(key)
        page.wait_for_timeout(100)
        along.append((slider.get_attribute("aria-valuenow"), explorer.evaluate(SHOWN)))
    return along


@each_moving
def test_each_slider_changes_its_pictures(
    browser: Browser, site: str, screenshots: Path | None, name: str, size: str
) -> None:
    with visit(browser, site, name, size) as visited:
        page = visited.page
        for number, explorer in enumerate(explorers(page)):
            for position, slider in enumerate(explorer.locator("[role=slider]").all()):
                slider.scroll_into_view_if_needed()
                before = explorer.evaluate(SHOWN)
                along = pictures_along(page, explorer, slider)
                where = f"slider {position} of explorer {number}"
                assert len(before) == len(along[0][1]) > 0, f"{where} changes how many are shown"
                # a slider of three values is at its end before the last key
                values = [value for value, _ in along]
                assert values[0] != values[1], f"{where} is stuck"
                for (was, earlier), (value, later) in itertools.pairwise(along):
                    assert (earlier != later) == (was != value), f"{where} moved nothing"
            if screenshots:
                explorer.scroll_into_view_if_needed()
                target = f"{name.replace('/', '-')}-{size}-explorer{number}.png"
                explorer.screenshot(path=screenshots / target)
        assert visited.errors == []
        assert visited.outside == []


@pytest.mark.parametrize("name", MOVING)
def test_an_explorer_stands_on_one_screen(browser: Browser, site: str, name: str) -> None:
    with visit(browser, site, name, "desktop") as visited:
        for number, explorer in enumerate(explorers(visited.page)):
            explorer.evaluate("root => root.scrollIntoView({ block: 'center' })")
            seen = explorer.evaluate(IN_VIEW)
            assert all(seen["sliders"]) and all(seen["pictures"]), f"explorer {number}: {seen}"
            if len(seen["widths"]) == 1:
                assert seen["widths"][0] >= 300, f"explorer {number}: {seen}"


@pytest.mark.parametrize("name", MOVING)
def test_on_a_phone_the_slider_stays_beside_the_last_picture(
    browser: Browser, site: str, name: str
) -> None:
    with visit(browser, site, name, "phone") as visited:
        for number, explorer in enumerate(explorers(visited.page)):
            explorer.evaluate(
                "root => Array.from(root.querySelectorAll('img.course-frame'))"
                ".filter(image => image.checkVisibility()).at(-1).scrollIntoView({ block: 'end' })"
            )
            seen = explorer.evaluate(IN_VIEW)
            assert all(seen["sliders"]) and seen["pictures"][-1], f"explorer {number}: {seen}"
