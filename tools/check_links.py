"""Follow every link of the built book that stays in it: pages, anchors, pictures, scripts.

Run: ``python tools/check_links.py [--html FOLDER]`` after ``make book``. Addresses outside the book
need a network; ``make links`` asks for them.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
# Attributes that name another file, by element.
ADDRESSES = {
    "a": "href",
    "link": "href",
    "img": "src",
    "script": "src",
    "iframe": "src",
    "video": "src",
}

IMPORTED = re.compile(r'\bfrom\s+"(\.[^"]+)"')
"""What a script of a page imports from a file of the book."""

EXPLORABLES = {"face": "face-lab", "tug": "tug-of-war"}
"""The element of each explorable, by the name with which a view of it begins: ``#face=...``."""


@dataclass
class Found:
    """What a page of HTML holds: the addresses that it leads to, and its own anchors."""

    links: list[tuple[str, str]] = field(default_factory=list)
    """Element and address of each link."""
    anchors: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found = Found()
        self.in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if name := named.get("id"):
            self.found.anchors.add(name)
        if tag == "a" and (name := named.get("name")):
            self.found.anchors.add(name)
        self.in_script = tag == "script"
        attribute = ADDRESSES.get(tag)
        if attribute in named and "preconnect" not in named.get("rel", ""):
            self.found.links.append((tag, named[attribute].split(" ")[0]))
        for candidate in named.get("srcset", "").split(","):
            if candidate.strip():
                self.found.links.append((tag, candidate.split()[0]))

    def handle_endtag(self, tag: str) -> None:
        self.in_script = False

    def handle_data(self, data: str) -> None:
        if self.in_script:
            self.found.links += [("script", name) for name in IMPORTED.findall(data)]


def found_in(text: str) -> Found:
    """Links and anchors of a page's HTML."""
    reader = _Reader()
    reader.feed(text)
    return reader.found


@cache
def _page(path: Path) -> Found:
    return found_in(path.read_text(encoding="utf-8"))


def is_outside(address: str) -> bool:
    """Whether an address leads out of the book."""
    parts = urlsplit(address)
    return bool(parts.scheme or parts.netloc)


def target(html: Path, page: Path, address: str) -> tuple[Path, str]:
    """The file and the anchor that an address on a page means."""
    path, anchor = urldefrag(address)
    path, anchor = unquote(path.partition("?")[0]), unquote(anchor)
    name, is_view, _ = anchor.partition("=")
    if is_view:
        anchor = EXPLORABLES.get(name, anchor)
    if not path:
        return page, anchor
    file = (html / path.lstrip("/")) if path.startswith("/") else (page.parent / path)
    file = file.resolve()
    return (file / "index.html" if file.is_dir() else file), anchor


def broken_links(html: Path) -> list[str]:
    """Every link between files of a folder that leads nowhere, as sentences."""
    html = html.resolve()
    broken = []
    for page in sorted(html.rglob("*.html")):
        if "_static" in page.relative_to(html).parts:
            continue
        for tag, address in _page(page).links:
            if is_outside(address) or (tag == "a" and address in ("", "#")):
                continue
            file, anchor = target(html, page, address)
            where = f"{page.relative_to(html).as_posix()}: {tag} to {address!r}"
            if not file.is_relative_to(html):
                broken.append(f"{where} leaves the book's folder")
            elif not file.is_file():
                broken.append(f"{where} leads to no file")
            elif anchor and file.suffix == ".html" and anchor not in _page(file).anchors:
                broken.append(f"{where} leads to no anchor")
    return broken


def anchors_asked_for(html: Path, pages: list[str]) -> dict[str, set[str]]:
    """The anchors of each page that links of `pages` lead to."""
    html, asked = html.resolve(), {}
    for name in pages:
        page = html / f"{name}.html"
        for tag, address in _page(page).links:
            if tag == "a" and not is_outside(address):
                file, anchor = target(html, page, address)
                if anchor and file.is_relative_to(html):
                    other = file.relative_to(html).with_suffix("").as_posix()
                    asked.setdefault(other, set()).add(anchor)
    return asked


def main() -> None:
    """Print what leads nowhere; exit with 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--html", type=Path, default=HTML, help="the built pages")
    html = parser.parse_args().html
    if not (html / "index.html").exists():
        raise SystemExit(f"Expected the built book in {html}: run `make book` first.")
    broken = broken_links(html)
    print("\n".join(broken) or "Every link within the book leads somewhere.")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
