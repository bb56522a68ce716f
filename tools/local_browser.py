"""The Chromium of this machine, and a server of this machine for the built book.

Run: ``python tools/local_browser.py`` prints the path of the Chromium, or exits with 1.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
"""A Chromium without a graphics card, that asks for nothing of its own on the network."""


def chromium_path() -> str | None:
    """MTL_CHROMIUM, else a Chromium on the PATH, else the one that Playwright installed."""
    chosen = os.environ.get("MTL_CHROMIUM")
    if chosen:
        return chosen if Path(chosen).exists() else None
    for name in NAMES:
        if found := shutil.which(name):
            return found
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


@contextmanager
def opened() -> Iterator[Browser]:
    """A Chromium of this machine."""
    path = chromium_path()
    if path is None:
        raise SystemExit("Expected a Chromium, found none; install one or set MTL_CHROMIUM.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield chromium
        finally:
            chromium.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: a failed request is seen in the browser."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A server of this machine for a folder; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    found = chromium_path()
    print(found or "")
    sys.exit(found is None)
