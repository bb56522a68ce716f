"""The built book behind a server of this machine, and a Chromium that reaches nothing else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browser.chromium import chromium_path
from browser.visits import Survey, survey
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
HTML = Path(os.environ.get("MTL_HTML", ROOT / "_build" / "html"))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: a failed request is seen in the browser."""


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """Address of the built book."""
    if not (HTML / "index.html").exists():
        pytest.fail(f"Expected the built book in {HTML}, found none; run `make book` first.")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(HTML)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium without a network of its own."""
    path = chromium_path()
    if path is None:
        pytest.fail("Expected a Chromium, found none; install one or set MTL_CHROMIUM.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
            ],
        )
        yield chromium
        chromium.close()


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
