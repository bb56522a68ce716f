"""Every page of the built book in a real browser: no kernel, no network, two widths, two themes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import Browser, Page, Route

ROOT = Path(__file__).resolve().parents[2]
from build_book import toc_pages

pytestmark = pytest.mark.browser

PAGES = toc_pages(ROOT)
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
THEMES = ("light", "dark")
VIEW = "application/vnd.jupyter.widget-view+json"


@dataclass
class Visit:
    """An open page, and what went wrong on it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


@contextmanager
def visit(browser: Browser, site: str, name: str, size: str, theme: str) -> Iterator[Visit]:
    """Open one page with every request to another machine refused."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
    )
    here = urlsplit(site).netloc
    context.set_default_timeout(60_000)
    visited = Visit(context.new_page())

    def only_local(route: Route) -> None:
        if urlsplit(route.request.url).netloc == here:
            route.continue_()
        else:
            visited.outside.append(route.request.url)
            route.abort()

    context.route(lambda url: not url.startswith(("data:", "blob:")), only_local)
    visited.page.on(
        "console",
        lambda message: visited.errors.append(message.text) if message.type == "error" else None,
    )
    visited.page.on("pageerror", lambda error: visited.errors.append(str(error)))
    visited.page.goto(f"{site}/{name}.html", wait_until="load")
    visited.page.wait_for_load_state("networkidle")
    try:
        yield visited
    finally:
        context.close()


def shown_widgets(name: str) -> int:
    """How many widgets the chapter's committed outputs show."""
    path = ROOT / f"{name}.ipynb"
    if not path.exists():
        return 0
    notebook = nbformat.read(path, as_version=4)
    return sum(
        VIEW in output.get("data", {})
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_page_opens_without_errors_or_sideways_scrolling(
    browser: Browser, site: str, screenshots: Path | None, name: str, size: str, theme: str
) -> None:
    with visit(browser, site, name, size, theme) as visited:
        page = visited.page
        assert page.title()
        assert len(page.inner_text("main")) > 100
        assert page.get_attribute("html", "data-theme") == theme
        if wanted := shown_widgets(name):
            page.wait_for_function(
                "n => document.querySelectorAll('.cell_output .jupyter-widgets').length >= n",
                arg=wanted,
            )
        if page.locator(".math").count():
            page.wait_for_selector("mjx-container", state="attached")
        broken = page.evaluate(
            "Array.from(document.images).filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
        )
        speechless = page.evaluate(
            "Array.from(document.querySelectorAll('main img')).filter(i => !i.alt.trim())"
            ".map(i => i.src.slice(0, 120))"
        )
        wide = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        if screenshots:
            target = screenshots / f"{name.replace('/', '-')}-{size}-{theme}.png"
            page.screenshot(path=target, full_page=True)
        assert visited.errors == []
        assert visited.outside == []
        assert broken == []
        assert speechless == []
        assert wide[0] <= wide[1], f"the page is {wide[0]} px wide in a window of {wide[1]} px"


SHOWN = """() => Array.from(document.querySelectorAll('.cell_output img.course-frame'))
  .filter(image => image.checkVisibility()).map(image => image.src + image.alt)"""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", [page for page in PAGES if page.startswith("notebooks/")])
def test_each_slider_moved_by_keyboard_changes_its_pictures(
    browser: Browser, site: str, screenshots: Path | None, name: str, size: str
) -> None:
    with visit(browser, site, name, size, "light") as visited:
        page = visited.page
        page.wait_for_selector(".jupyter-widgets [role=slider]")
        sliders = page.locator(".jupyter-widgets [role=slider]")
        assert sliders.count() > 0
        for position in range(sliders.count()):
            slider = sliders.nth(position)
            slider.scroll_into_view_if_needed()
            before = page.evaluate(SHOWN)
            slider.focus()
            slider.press("Home")
            page.wait_for_timeout(100)
            first = page.evaluate(SHOWN)
            seen = [(slider.get_attribute("aria-valuenow"), first)]
            for key in ("ArrowRight", "ArrowRight", "End"):
                slider.press(key)
                page.wait_for_timeout(100)
                seen.append((slider.get_attribute("aria-valuenow"), page.evaluate(SHOWN)))
            if screenshots:
                target = screenshots / f"{name.replace('/', '-')}-{size}-slider{position}.png"
                page.screenshot(path=target)
            assert len(before) == len(first) > 0, "a slider changes how many pictures are shown"
            values = [value for value, _ in seen]
            # a slider of three values is at its end before the last key
            assert len(set(values)) >= 2 and values[0] != values[1], f"slider {position} is stuck"
            for (was, earlier), (value, later) in itertools.pairwise(seen):
                moved = was != value
                assert (earlier != later) == moved, (
                    f"slider {position} moved and no picture changed"
                )
        assert visited.errors == []
        assert visited.outside == []
