"""Draw the book's icon for browsers without SVG, and the picture that stands for a shared page.

Run: ``python tools/draw_page_pictures.py`` after a change of the icon or of the contact sheet that
the preview shows; both pictures are committed beside the icon's source.
"""

from __future__ import annotations

import base64
from pathlib import Path

from local_browser import opened

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "book" / "static"

PREVIEW = """
<body style="margin:0;width:1200px;height:630px;background:#fff;display:flex;
  flex-direction:column;font-family:sans-serif;color:#0b3c5d">
<div style="display:flex;align-items:center;gap:36px;padding:44px 60px">
  <div style="width:150px;height:150px">{icon}</div>
  <div><div style="font-size:66px;font-weight:700">Many Tasks, One Face</div>
  <div style="font-size:32px;margin-top:12px;color:#333">Multi-task learning for faces: papers
  rebuilt, claims tested</div></div>
</div>
<div style="flex:1;background:url(data:image/png;base64,{faces}) left top / cover"></div>
</body>
"""


def main() -> None:
    """Open each page in Chromium and keep what it shows."""
    icon = (STATIC / "favicon.svg").read_text(encoding="utf-8")
    faces = base64.b64encode((ROOT / "book/images/contact-wild.png").read_bytes()).decode()
    with opened() as chromium:
        page = chromium.new_page(viewport={"width": 180, "height": 180})
        page.set_content(f'<body style="margin:0">{icon}</body>')
        page.screenshot(path=STATIC / "favicon.png", omit_background=True)
        page.set_viewport_size({"width": 1200, "height": 630})
        page.set_content(PREVIEW.format(icon=icon, faces=faces))
        page.screenshot(path=STATIC / "preview.jpg", quality=82)


if __name__ == "__main__":
    main()
