"""The built book behind a server of this machine, and a Chromium that reaches nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import local_browser
import pytest
from browser.visits import Survey, survey
from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built book."""
    folder = Path(os.environ.get("MTL_HTML", ROOT / "_build" / "html"))
    if not (folder / "index.html").exists():
        pytest.fail(f"Expected the built book in {folder}, found none; run `make book` first.")
    return folder


@pytest.fixture(scope="session")
def site(html: Path) -> Iterator[str]:
    """Address of the built book."""
    with local_browser.served(html) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium without a network of its own."""
    with local_browser.opened() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def screenshots() -> Path | None:
    """Where screenshots are kept: the folder that MTL_SCREENSHOTS names, if it does."""
    named = os.environ.get("MTL_SCREENSHOTS")
    if not named:
        return None
    folder = Path(named)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def look(
    browser: Browser, site: str, screenshots: Path | None
) -> Callable[[str, str, str], Survey]:
    """A page's survey by its name, size and theme; each page is opened once for all tests."""
    return cache(lambda *page: survey(browser, site, *page, screenshots))
