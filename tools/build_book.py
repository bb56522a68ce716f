"""Build the book from the committed outputs, with warnings as errors, and say where it lies.

Run: ``python tools/build_book.py [--output FOLDER]`` (``make book`` does). With ``--links`` it asks
every address outside the book whether it answers (``make links``), which needs a network.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))
from fetch_page_scripts import fetch

ROOT = Path(__file__).resolve().parents[1]
BESIDE = ("book/static", "book/extensions", ".cache/page-scripts")
"""Folders of what lies beside the pages, or makes them."""


def toc_pages(root: Path = ROOT) -> list[str]:
    """The names of all pages in the table of contents, without suffix, root page first."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    pages = [toc["root"]]
    for part in toc["parts"]:
        pages += [chapter["file"] for chapter in part["chapters"]]
    return pages


def missing_pages(html: Path, pages: list[str]) -> list[str]:
    """The pages that were not written, or that hold no words."""
    written = {page: html / f"{page}.html" for page in ["index", *pages]}
    return [page for page, path in written.items() if not path.exists() or not path.stat().st_size]


def stale(source: Path, html: Path) -> bool:
    """Whether what no page is made of, yet every page needs, has changed since the last build."""
    built = html / "index.html"
    if not built.exists():
        return False
    parts = [path for name in BESIDE for path in (source / name).rglob("*.*") if path.is_file()]
    changed = (path for path in parts if path.stat().st_mtime > built.stat().st_mtime)
    return any("__pycache__" not in path.parts for path in changed)


def build(source: Path, output: Path) -> Path:
    """Run Jupyter Book on `source`; return the folder of the HTML pages."""
    html = output / "_build" / "html"
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", str(source), "--path-output", str(output), "-W", "-n", "--keep-going"]
    # Sphinx writes nothing where no page has changed, and then leaves old scripts and styles.
    if stale(source, html):
        command.append("--all")
    # Without colour the log can be read anywhere; Jupyter's paths move without a warning.
    environment = {**os.environ, "NO_COLOR": "1", "JUPYTER_PLATFORM_DIRS": "1"}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SystemExit("The book was not built: see the warnings above; each one is an error.")
    write_entrance(html, toc_pages(source)[0])
    return html


def write_entrance(html: Path, root: str) -> None:
    """Lead from the folder's own address to the first page, under that page's title and tags.

    Jupyter Book writes this file once, and leaves it as it is when another page becomes the first.
    """
    text = (html / f"{root}.html").read_text(encoding="utf-8")
    tag = r'<title>[^<]*</title>|<meta (?:name|property)="[^"]+" content="[^"]*">'
    lines = [
        '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">',
        f'<meta http-equiv="refresh" content="0; url={root}.html">',
        *re.findall(tag, text),
        f'<a href="{root}.html">To the first page</a>\n</html>\n',
    ]
    (html / "index.html").write_text("\n".join(lines), encoding="utf-8")


def ask_links(source: Path, output: Path) -> None:
    """Run Sphinx's linkcheck on `source`; print what does not answer, and fail if anything."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    # Jupyter Book puts its report where the pages would be, so it gets a folder of its own.
    folder = output / "_build" / "links"
    command += ["build", str(source), "--path-output", str(folder), "--builder", "linkcheck"]
    environment = {**os.environ, "NO_COLOR": "1", "JUPYTER_PLATFORM_DIRS": "1"}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL)
    report = folder / "_build" / "html" / "output.txt"
    if not report.exists():
        raise SystemExit(f"Expected a report in {report}, found none: see what Sphinx said above.")
    lines = report.read_text(encoding="utf-8").splitlines()
    broken = [line for line in lines if "[broken]" in line or "[timeout]" in line]
    if done.returncode != 0 or broken:
        print("\n".join(broken))
        raise SystemExit(f"{len(broken)} addresses do not answer: see {report}.")
    print(f"All addresses outside the book answer, or are moved: see {report}")


def main() -> None:
    """Fetch the page scripts, build, and check that every page of the contents is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT, help="the folder that gets _build")
    parser.add_argument("--links", action="store_true", help="ask addresses outside the book")
    options = parser.parse_args()
    output = options.output.resolve()
    if options.links:
        ask_links(ROOT, output)
        return
    if fetch():
        print("Fetched the page scripts into .cache/page-scripts")
    html = build(ROOT, output)
    pages = toc_pages()
    missing = missing_pages(html, pages)
    if missing:
        raise SystemExit(
            f"Expected {len(pages)} pages in {html}, and these are missing or empty: "
            f"{', '.join(missing)}. Run `make clean` and build again."
        )
    shown = html.relative_to(ROOT) if html.is_relative_to(ROOT) else html
    print(f"The book is built: {len(pages)} pages. Open {shown}/index.html")
    print(f"What computes in a page needs a server: python -m http.server -d {shown}")


if __name__ == "__main__":
    main()
