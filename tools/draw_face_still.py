"""Take the picture that stands on the page with the face where the face cannot be drawn.

Run: ``make book && python tools/draw_face_still.py``; the picture is committed.
"""

from __future__ import annotations

from local_browser import opened, served
from make_pdf import HTML, ROOT, whole

STILL = ROOT / "book" / "static" / "face" / "still.jpg"


def main() -> None:
    """Open the built page, wait until the network has answered, and keep what it shows."""
    with served(HTML) as site, opened() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light")
        page.goto(f"{site}/book/face.html")
        whole(page)
        page.locator("#face-lab").screenshot(path=STILL, type="jpeg", quality=80)


if __name__ == "__main__":
    main()
