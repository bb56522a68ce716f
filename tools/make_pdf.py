"""Print the built book into one PDF: its pages in reading order, bookmarks, links within the file.

Run: ``python tools/make_pdf.py [--html FOLDER] [--output FILE] [PAGE ...]`` after ``make book``
(``make pdf`` does both). Chromium prints each page by the print rules of ``course.css``; code that
a page folds is left out, folded answers and solutions are printed, and sliders stand where the page
shows them at first.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import yaml
from build_book import toc_pages
from check_links import anchors_asked_for
from local_browser import opened, served
from playwright.sync_api import Browser, Page
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import Link
from pypdf.generic import Fit

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
PDF = ROOT / "_build" / "many-tasks-one-face.pdf"
FOOTER = (
    '<div style="font: 8px sans-serif; color: #555; width: 100%; text-align: center">'
    '<span class="title"></span> &middot; <span class="pageNumber"></span></div>'
)
ANSWERED = """() => [...document.querySelectorAll("#face-lab")].every(
  lab => lab.classList.contains("still") || lab.lab?.settled
)"""
# Folded answers open; anchors that other pages ask for become destinations of the printed file.
PREPARE = """anchors => {
  document.querySelectorAll("main details:not(.hide)").forEach(part => { part.open = true; });
  document.querySelectorAll("main .toggle-hidden").forEach(part => {
    part.classList.remove("toggle-hidden");
  });
  const links = document.createElement("div");
  links.hidden = true;
  const sections = [...document.querySelectorAll("main section[id] > h2")].map(heading => {
    const words = heading.cloneNode(true);
    words.querySelectorAll(".headerlink, mjx-assistive-mml").forEach(part => part.remove());
    return [heading.parentElement.id, words.textContent.trim()];
  });
  for (const name of [...anchors, ...sections.map(([id]) => id)]) {
    const link = document.createElement("a");
    link.href = `#${name}`;
    links.append(link);
  }
  document.body.append(links);
  const title = document.querySelector("main h1").cloneNode(true);
  title.querySelectorAll(".headerlink").forEach(part => part.remove());
  document.title = title.textContent.trim();
  return { title: document.title, sections };
}"""
# Pictures that wait until somebody scrolls to them would wait for ever.
LOADED = """() => Promise.all([...document.images].map(image => {
  image.loading = "eager";
  return image.complete ? 0 : new Promise(done => { image.onload = image.onerror = done; });
}))"""


@dataclass(frozen=True)
class Printed:
    """One page of the book on paper."""

    name: str
    """Its name in the table of contents."""
    title: str
    sections: list[tuple[str, str]]
    """Anchor and words of each section."""
    reader: PdfReader


def whole(page: Page) -> None:
    """Wait until formulas, widgets and pictures of a page are set."""
    page.wait_for_load_state("networkidle")
    if page.locator(".math").count():
        page.wait_for_selector("mjx-container", state="attached")
        page.evaluate("() => MathJax.startup.promise")
    page.evaluate(LOADED)
    # a face that the page draws says last what a network makes of it
    page.wait_for_function(ANSWERED)


def printed(browser: Browser, site: str, name: str, anchors: list[str]) -> Printed:
    """Print one page."""
    context = browser.new_context(color_scheme="light", viewport={"width": 800, "height": 1100})
    context.set_default_timeout(120_000)
    try:
        page = context.new_page()
        page.goto(f"{site}/{name}.html", wait_until="load")
        whole(page)
        found = page.evaluate(PREPARE, anchors)
        whole(page)
        page.emulate_media(media="print")
        data = page.pdf(
            format="A4",
            print_background=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOTER,
            margin={"top": "16mm", "bottom": "18mm", "left": "18mm", "right": "18mm"},
        )
    finally:
        context.close()
    sections = [(anchor, words) for anchor, words in found["sections"]]
    return Printed(name, found["title"], sections, PdfReader(io.BytesIO(data)))


def destinations(one: Printed) -> dict[str, tuple[int, float]]:
    """Where the anchors of a printed page are: its leaf, and the height on it."""
    reader, found = one.reader, {}
    for name, place in reader.named_destinations.items():
        leaf = reader.get_destination_page_number(place)
        found[unquote(name.lstrip("/"))] = (leaf or 0, float(place.top or 0))
    return found


def target_of(link: Any, name: str, site: str) -> tuple[str, str] | str | None:
    """Page and anchor that a link of a printed page leads to, or an address outside the book."""
    action = link.get("/A", {})
    if "/URI" in action:
        address, anchor = urldefrag(str(action["/URI"]))
        if not address.startswith(site):
            return str(action["/URI"])
        return address.removeprefix(f"{site}/").removesuffix(".html"), unquote(anchor)
    place = link.get("/Dest") or action.get("/D")
    return (name, unquote(str(place).lstrip("/"))) if isinstance(place, str) else None


def joined(parts: list[Printed], site: str, captions: dict[str, str], title: str) -> PdfWriter:
    """One file of all printed pages, with bookmarks and with links that lead within it."""
    writer, links = PdfWriter(), []
    first: dict[str, int] = {}
    places: dict[str, dict[str, tuple[int, float]]] = {}
    for one in parts:
        first[one.name] = len(writer.pages)
        places[one.name] = destinations(one)
        for number, leaf in enumerate(one.reader.pages):
            for link in leaf.get("/Annots", []):
                if (target := target_of(link.get_object(), one.name, site)) is not None:
                    rect = tuple(float(corner) for corner in link.get_object()["/Rect"])
                    links.append((first[one.name] + number, rect, target))
            leaf.pop("/Annots", None)
        writer.append(one.reader, import_outline=False)

    def place(name: str, anchor: str) -> tuple[int, Fit] | None:
        name = parts[0].name if name == "index" else name
        if name not in first:
            return None
        if anchor in places[name]:
            leaf, top = places[name][anchor]
            return first[name] + leaf, Fit.xyz(left=0, top=top)
        return first[name], Fit.xyz(left=0)

    for leaf, rect, target in links:
        if isinstance(target, str):
            writer.add_annotation(leaf, Link(rect=rect, url=target))
        elif found := place(*target):
            writer.add_annotation(leaf, Link(rect=rect, target_page_index=found[0], fit=found[1]))

    def bookmark(words: str, leaf: int, parent: Any = None, fit: Fit | None = None) -> Any:
        fit = fit or Fit.fit()
        return writer.add_outline_item(
            title=words, page_number=leaf, parent=parent, fit=fit, is_open=False
        )

    groups: dict[str, Any] = {}
    for one in parts:
        caption = captions.get(one.name)
        if caption and caption not in groups:
            groups[caption] = bookmark(caption, first[one.name])
        above = groups.get(caption) if caption else None
        mark = bookmark(one.title, first[one.name], parent=above)
        for anchor, words in one.sections:
            leaf, fit = place(one.name, anchor) or (first[one.name], Fit.fit())
            bookmark(words, leaf, parent=mark, fit=fit)
    writer.metadata = {"/Title": title}
    return writer


def captions_of(root: Path = ROOT) -> dict[str, str]:
    """The part of the table of contents that each page stands in."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return {
        chapter["file"]: part["caption"] for part in toc["parts"] for chapter in part["chapters"]
    }


def make_pdf(html: Path, pages: list[str], output: Path, browser: Browser) -> int:
    """Print pages of the built book into a file; return how many leaves it has."""
    title = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["title"]
    asked = anchors_asked_for(html, pages)
    with served(html) as site:
        parts = []
        for name in pages:
            parts.append(printed(browser, site, name, sorted(asked.get(name, set()))))
            print(f"{name}: {len(parts[-1].reader.pages)} leaves", flush=True)
        writer = joined(parts, site, captions_of(), title)
    output.parent.mkdir(parents=True, exist_ok=True)
    # a file that is there is whole, also after an interruption
    with tempfile.NamedTemporaryFile(dir=output.parent, suffix=".part", delete=False) as part:
        writer.write(part)
    Path(part.name).replace(output)
    output.chmod(0o644)
    return len(writer.pages)


def main() -> None:
    """Print the whole book, or the pages that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", help="names as in _toc.yml; all, if none is given")
    parser.add_argument("--html", type=Path, default=HTML, help="the built pages")
    parser.add_argument("--output", type=Path, default=PDF, help="the file that is written")
    options = parser.parse_args()
    if not (options.html / "index.html").exists():
        raise SystemExit(f"Expected the built book in {options.html}: run `make book` first.")
    with opened() as browser:
        leaves = make_pdf(options.html, options.pages or toc_pages(), options.output, browser)
    size = options.output.stat().st_size / 1e6
    output = options.output.resolve()
    shown = output.relative_to(ROOT) if output.is_relative_to(ROOT) else output
    print(f"The book is printed: {leaves} leaves, {size:.0f} MB. Open {shown}")


if __name__ == "__main__":
    main()
