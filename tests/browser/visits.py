"""A page of the built book, open in a browser that reaches nothing but this machine's server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
from build_book import toc_pages
from playwright.sync_api import Browser, Page, Response, Route

ROOT = Path(__file__).resolve().parents[2]
PAGES = toc_pages(ROOT)
CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
THEMES = ("light", "dark")
VIEW = "application/vnd.jupyter.widget-view+json"
SURVEY = Path(__file__).with_name("survey.js").read_text(encoding="utf-8")


@dataclass
class Visit:
    """An open page, and what went wrong on it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@contextmanager
def visit(
    browser: Browser, site: str, name: str, size: str, theme: str = "light"
) -> Iterator[Visit]:
    """Open one page with every request to another machine refused; wait until it is whole."""
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

    def note_refusal(response: Response) -> None:
        if response.status >= 400:
            visited.refused.append(f"{response.status} {response.url}")

    context.route(lambda url: not url.startswith(("data:", "blob:")), only_local)
    page = visited.page
    page.on("response", note_refusal)
    page.on(
        "console",
        lambda message: visited.errors.append(message.text) if message.type == "error" else None,
    )
    page.on("pageerror", lambda error: visited.errors.append(str(error)))
    page.goto(f"{site}/{name}.html", wait_until="load")
    page.wait_for_load_state("networkidle")
    if count := shown_widgets(name):
        page.wait_for_function(
            "n => document.querySelectorAll('.cell_output .jupyter-widgets').length >= n", arg=count
        )
    if page.locator(".math").count():
        page.wait_for_selector("mjx-container", state="attached")
        page.evaluate("() => MathJax.startup.promise")
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


@dataclass(frozen=True)
class Survey:
    """What one look at a page found; :file:`survey.js` says what each list holds."""

    measures: dict[str, Any]
    title: str
    text: str
    theme: str
    errors: list[str]
    outside: list[str]
    refused: list[str]
    icon_status: list[int]
    missing_fonts: list[str]
    preview_status: int


def survey(
    browser: Browser, site: str, name: str, size: str, theme: str, screenshots: Path | None
) -> Survey:
    """Open a page once and measure all that the tests ask about it."""
    with visit(browser, site, name, size, theme) as visited:
        page = visited.page
        if screenshots:
            target = screenshots / f"{name.replace('/', '-')}-{size}-{theme}.png"
            page.screenshot(path=target, full_page=True)
        measures = page.evaluate(SURVEY)
        # The preview's address is that of the published book: its file is asked for here.
        preview = "/_static/" + measures["tags"]["og:image"].rpartition("/_static/")[2]
        return Survey(
            measures,
            page.title(),
            page.inner_text("main"),
            page.get_attribute("html", "data-theme") or "",
            list(visited.errors),
            list(visited.outside),
            list(visited.refused),
            [page.request.get(icon).status for icon in measures["icons"]],
            [font for font in measures["fonts"] if page.request.get(font).status != 200],
            page.request.get(site + preview).status if measures["tags"]["og:image"] else 0,
        )
