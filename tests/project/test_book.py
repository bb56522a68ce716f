"""The book's sources and the tools that build it; the built pages are tested in a browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
import build_book
import fetch_page_scripts
import link_terms
import notebook_checks
import write_api_page

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def test_every_page_of_the_contents_has_a_source() -> None:
    for page in build_book.toc_pages(ROOT):
        assert (ROOT / f"{page}.md").exists() or (ROOT / f"{page}.ipynb").exists(), page


def test_every_prose_page_is_in_the_contents() -> None:
    written = {f"book/{path.stem}" for path in (ROOT / "book").glob("*.md")}
    assert written == {page for page in build_book.toc_pages(ROOT) if page.startswith("book/")}


def test_the_build_does_not_execute_and_asks_no_other_server() -> None:
    assert CONFIG["execute"]["execute_notebooks"] == "off"
    assert CONFIG["only_build_toc_files"] is True
    sphinx = CONFIG["sphinx"]["config"]
    for path in [sphinx["mathjax_path"], *sphinx["nb_ipywidgets_js"]]:
        assert "://" not in path
    # Beside _config.yml, a folder of this name would be loaded whole on every page.
    assert not (ROOT / "_static").exists()


def test_the_reference_lists_every_module() -> None:
    assert (ROOT / "book" / "api.md").read_text(encoding="utf-8") == write_api_page.page()
    rooms = {room for rooms in write_api_page.CHAPTERS.values() for room in rooms}
    for path in (ROOT / "mtl_helpers").rglob("*.py"):
        name = path.relative_to(ROOT / "mtl_helpers").with_suffix("").as_posix().replace("/", ".")
        inside = any(name == room or name.startswith(f"{room}.") for room in rooms)
        assert inside or name in ("__main__", "__init__") or name.endswith(".__init__"), name


def test_every_citation_has_an_entry() -> None:
    known = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text(), re.M))
    sources = [*(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    cited = set()
    for source in sources:
        for keys in re.findall(r"\{cite:\w+\}`([^`]+)`", source.read_text(encoding="utf-8")):
            cited |= {key.strip() for key in keys.split(",")}
    assert cited
    assert cited <= known


def test_keys_of_the_bibliography_are_name_and_year() -> None:
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    for key, body in re.findall(r"^@\w+\{([^,]+),(.*?)^\}", text, re.M | re.S):
        assert (form := re.fullmatch(r"[a-z]+(\d{4})[a-z]?", key)), key
        assert re.search(rf"year\s*=\s*\{{{form[1]}\}}", body), key


def test_nobody_is_cited_by_hand() -> None:
    """Authors and year come from the bibliography; headings name a paper in words."""
    by_hand = re.compile(
        r"[A-Z]\w+(?:,? (?:and|&) (?:[A-Z]\w+|others)| et al\.),? [(\[]?(?:19|20)\d\d"
        r"|Yin and Liu|(?:Ming|Li|Taherkhani|Caruana)(?: et al\.| and others)"
    )
    texts = {
        path.name: "\n".join(link_terms.sources(json.loads(path.read_text(encoding="utf-8"))))
        for path in notebook_checks.chapter_paths(ROOT)
    }
    prose = [path for path in (ROOT / "book").glob("*.md") if path.stem not in ("api", "claims")]
    texts |= {path.name: path.read_text(encoding="utf-8") for path in prose}
    for name, text in texts.items():
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        assert [line for line in lines if by_hand.search(line)] == [], name


def test_citations_have_two_forms() -> None:
    forms = set()
    for source in [*(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("[0-9a]*.ipynb")]:
        forms |= set(re.findall(r"\{cite:(\w+)\}", source.read_text(encoding="utf-8")))
    assert forms == {"t", "p"}
    assert CONFIG["sphinx"]["config"]["bibtex_reference_style"] == "author_year"


def test_pictures_of_prose_pages_have_alt_text() -> None:
    for path in (ROOT / "book").glob("*.md"):
        text = path.read_text(encoding="utf-8")
        for block in re.findall(r"```\{(?:image|figure)\}.*?```", text, flags=re.DOTALL):
            assert re.search(r"^:alt: \S.{15,}", block, flags=re.MULTILINE), f"{path.name}: {block}"
        assert not re.search(r"!\[\s*\]\(", text), path.name


def test_pages_that_are_missing_or_empty_are_named(tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "index.html").write_text("<html>")
    (tmp_path / "book" / "intro.html").write_text("<html>")
    (tmp_path / "book" / "setup.html").write_text("")
    pages = ["book/intro", "book/setup", "book/notation"]
    assert build_book.missing_pages(tmp_path, pages) == ["book/setup", "book/notation"]


def test_the_folders_own_address_leads_to_the_first_page(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("url=elsewhere.html")
    tags = '<title>A &amp; b</title>\n<meta name="description" content="Words.">'
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "first.html").write_text(f"<head>{tags}</head>\n<title-page>")
    build_book.write_entrance(tmp_path, "in/first")
    text = (tmp_path / "index.html").read_text()
    assert "url=in/first.html" in text and "elsewhere" not in text
    assert tags in text and "title-page" not in text


def test_a_changed_script_makes_a_built_book_stale(tmp_path: Path) -> None:
    script, index = tmp_path / "book" / "static" / "course.js", tmp_path / "html" / "index.html"
    for path in (script, index):
        path.parent.mkdir(parents=True)
        path.touch()
    os.utime(index, (1000, 1000))
    assert build_book.stale(tmp_path, index.parent)
    os.utime(script, (999, 999))
    assert not build_book.stale(tmp_path, index.parent)
    index.unlink()
    assert not build_book.stale(tmp_path, index.parent)


@pytest.mark.parametrize(
    ("report", "code", "said"),
    [
        (
            "a.md:1: [broken] https://x.org: 404\nb.md:2: [timeout] https://y.org\n",
            1,
            "2 addresses",
        ),
        ("a.md:1: [redirected with Found] https://x.org to https://y.org\n", 0, None),
        ("", 1, "0 addresses"),
    ],
)
def test_addresses_that_do_not_answer_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: str, code: int, said: str | None
) -> None:
    def linkcheck(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[-2:] == ["--builder", "linkcheck"]
        folder = Path(command[command.index("--path-output") + 1]) / "_build" / "html"
        assert folder != tmp_path / "_build" / "html"
        folder.mkdir(parents=True)
        (folder / "output.txt").write_text(report)
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr(build_book.subprocess, "run", linkcheck)
    if said is None:
        build_book.ask_links(ROOT, tmp_path)
    else:
        with pytest.raises(SystemExit, match=said):
            build_book.ask_links(ROOT, tmp_path)


def test_a_link_check_without_a_report_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(build_book.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(SystemExit, match="found none"):
        build_book.ask_links(ROOT, tmp_path)


def test_scripts_are_pinned_to_exact_versions_and_digests() -> None:
    for package in fetch_page_scripts.PACKAGES:
        assert re.fullmatch(r".+@\d+\.\d+\.\d+", package.name)
        assert re.fullmatch(r"[0-9a-f]{64}", package.sha256)
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert ".cache/" in ignored and "_build/" in ignored


def test_a_script_of_another_digest_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho bad > package.tgz\necho package.tgz\n")
    npm.chmod(0o755)
    monkeypatch.setattr(fetch_page_scripts, "npm_command", lambda: [str(npm)])
    target = tmp_path / "cache" / "scripts"
    with pytest.raises(SystemExit, match="do not use it"):
        fetch_page_scripts.fetch(target)
    assert not target.exists()
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_network_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error network' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setattr(fetch_page_scripts, "npm_command", lambda: [str(npm)])
    with pytest.raises(SystemExit, match="needs the network once"):
        fetch_page_scripts.fetch(tmp_path / "cache" / "scripts")


def test_fetching_twice_fetches_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(fetch_page_scripts, "npm_command", lambda: ["npm"])
    monkeypatch.setattr(fetch_page_scripts, "pack", lambda npm, package, folder: package)

    def unpack(tarball: object, package: fetch_page_scripts.Package, target: Path) -> None:
        calls.append(package.name)
        for _, name in package.files:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_text("script")

    monkeypatch.setattr(fetch_page_scripts, "unpack", unpack)
    target = tmp_path / "cache" / "scripts"
    assert fetch_page_scripts.fetch(target) is True
    assert fetch_page_scripts.fetch(target) is False
    assert len(calls) == len(fetch_page_scripts.PACKAGES)
    assert (target / "page-scripts" / "require.js").read_text() == "script"
