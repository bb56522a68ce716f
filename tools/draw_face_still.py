"""Take the picture that stands on the page with the face where the face cannot be drawn.

Run: ``make book && python tools/draw_face_still.py``; the picture is committed.
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
STILL = ROOT / "book" / "static" / "face" / "still.jpg"
sys.path.insert(0, str(ROOT / "tests"))
from browser.chromium import chromium_path


def main() -> None:
    """Open the built page, wait until the network has answered, and keep what it shows."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(HTML))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=chromium_path(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = chromium.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light")
        page.goto(f"http://127.0.0.1:{server.server_port}/book/face.html")
        page.wait_for_function("() => document.getElementById('face-lab').lab?.settled")
        page.locator("#face-lab").screenshot(path=STILL, type="jpeg", quality=80)
        chromium.close()
    server.shutdown()


if __name__ == "__main__":
    main()
