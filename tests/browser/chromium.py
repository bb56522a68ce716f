"""Where the Chromium of this machine is; as a script it prints the path, or exits with 1."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def chromium_path() -> str | None:
    """MTL_CHROMIUM, else a Chromium on the PATH, else the one that Playwright installed."""
    chosen = os.environ.get("MTL_CHROMIUM")
    if chosen:
        return chosen if Path(chosen).exists() else None
    for name in NAMES:
        if found := shutil.which(name):
            return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


if __name__ == "__main__":
    found = chromium_path()
    print(found or "")
    sys.exit(found is None)
