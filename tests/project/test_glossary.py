"""The glossary: in order, and each of its terms linked where a chapter first uses it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from docutils import nodes

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "extensions"))
import link_terms
import notebook_checks
import term_titles
import yaml

TEXT = link_terms.GLOSSARY.read_text(encoding="utf-8")
ENTRIES = link_terms.glossary_entries(TEXT)
LISTED = yaml.safe_load(link_terms.TERMS.read_text(encoding="utf-8"))
TERMS = link_terms.load_terms()
CHAPTERS = notebook_checks.chapter_paths(ROOT)
in_every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=[p.name for p in CHAPTERS])


def texts(path: Path) -> list[str]:
    """The Markdown cells of a chapter."""
    return link_terms.sources(json.loads(path.read_text(encoding="utf-8")))


def test_entries_stand_in_the_order_of_the_alphabet() -> None:
    assert sorted(ENTRIES, key=str.lower) == ENTRIES
    assert len(set(ENTRIES)) == len(ENTRIES)


def test_every_entry_is_explained_in_a_few_words() -> None:
    body = TEXT.split("```{glossary}")[1].rsplit("```", 1)[0].strip()
    for entry in body.split("\n\n"):
        name, *lines = entry.split("\n")
        words = " ".join(lines).split()
        assert 5 < len(words) < 60, name
        assert words[-1].endswith("."), name


def test_the_list_of_words_covers_every_entry_once() -> None:
    listed = [*LISTED["terms"], *LISTED["by hand"], *LISTED["elsewhere"]]
    assert sorted(listed) == sorted(ENTRIES)
    forms = [form for forms in LISTED["terms"].values() for form in forms]
    assert len(set(forms)) == len(forms)


@in_every_chapter
def test_terms_are_linked_once_at_their_first_use(path: Path) -> None:
    assert link_terms.problems(texts(path), TERMS) == [], "see tools/link_terms.py"


@in_every_chapter
def test_links_lead_to_entries(path: Path) -> None:
    found = [use.entry for use in link_terms.uses(texts(path), TERMS) if use.linked]
    assert set(found) <= set(ENTRIES)
    assert len(found) >= 8


@pytest.mark.parametrize("entry", LISTED["by hand"])
def test_words_of_many_senses_are_linked_where_listed(entry: str) -> None:
    chapters = [
        path.name[:2]
        for path in CHAPTERS
        if any(use.entry == entry and use.linked for use in link_terms.uses(texts(path), TERMS))
    ]
    assert chapters == LISTED["by hand"][entry]


WORDS = link_terms.Terms(
    {"probe": "probe", "probes": "probe", "landmark probe": "landmark probe", "FAR": "FAR"},
    frozenset({"probe a wound"}),
    frozenset(),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A probe and a probe.", "A {term}`probe` and a probe."),
        ("Two\nProbes.", "Two\n{term}`Probes <probe>`."),
        (
            "A landmark\nprobe, a probe.",
            "A {term}`landmark\nprobe <landmark probe>`, a {term}`probe`.",
        ),
        ("To probe a wound, a probe.", "To probe a wound, a {term}`probe`."),
        ("So far, at a FAR of 1 %.", "So far, at a {term}`FAR` of 1 %."),
        ("# A probe\n\nA probe.", "# A probe\n\nA {term}`probe`."),
        ("`probe` {ref}`a probe <x>` [a probe](y) $probe$ probe", None),
        ("| probe |\n|---|\n\na probe", "| probe |\n|---|\n\na {term}`probe`"),
        ("```python\nprobe\n```\nprobe", "```python\nprobe\n```\n{term}`probe`"),
        (
            "```{admonition} A probe\n:class: note\na probe\n```",
            "```{admonition} A probe\n:class: note\na {term}`probe`\n```",
        ),
        ("```{note}\n:class: dropdown\nprobe\n```", "```{note}\n:class: dropdown\nprobe\n```"),
        ("a probe, {term}`probes <probe>`", "a {term}`probe`, probes"),
        ("{term}`probe`, a probe", "{term}`probe`, a probe"),
        ("a probed, pre-probe", "a probed, pre-probe"),
        ("~~~\nprobe\n~~~\nprobe", "~~~\nprobe\n~~~\n{term}`probe`"),
        ("\\begin{align}\nprobe\n\\end{align} probe", None),
        ("[a probe][1] https://x.org/probe <!-- probe --> probe", None),
        ("[probe]: https://x.org\nprobe", None),
    ],
)
def test_first_uses_in_prose_are_linked(text: str, expected: str | None) -> None:
    after = link_terms.linked([text], WORDS)[0]
    assert after == (text[:-5] + "{term}`probe`" if expected is None else expected)
    assert link_terms.problems([after], WORDS) == []
    assert link_terms.linked([after], WORDS) == [after]


def test_solutions_are_out_of_sight_over_several_cells() -> None:
    start, end = "```{solution-start} a\n:class: dropdown\n```", "```{solution-end}\n```\n"
    cells = [start, "a probe", f"{end}probe"]
    assert link_terms.linked(cells, WORDS) == [start, "a probe", f"{end}{{term}}`probe`"]


def test_what_is_missing_or_twofold_is_said() -> None:
    assert "has no link" in link_terms.problems(["a probe"], WORDS)[0]
    assert "behind the first" in link_terms.problems(["{term}`probe` {term}`probe`"], WORDS)[0]


def test_a_notebook_is_written_as_it_was_but_for_its_links(tmp_path: Path) -> None:
    for ending in ("", "\n"):
        cells = [
            {"cell_type": "markdown", "source": ["a\n", "probe é"]},
            {"cell_type": "code", "source": ["probe"], "outputs": [{"text": "kept"}]},
        ]
        path = tmp_path / "a.ipynb"
        before = json.dumps({"cells": cells}, indent=1, ensure_ascii=False) + ending
        path.write_text(before, encoding="utf-8")
        assert link_terms.write(path, WORDS) == 1
        after = path.read_text(encoding="utf-8")
        assert after == before.replace('"probe é"', '"{term}`probe` é"')
        assert link_terms.write(path, WORDS) == 0


def test_a_definition_is_found_by_the_place_of_its_term() -> None:
    page = nodes.document(None, None)  # type: ignore[arg-type]
    for name, words in {"trunk": "What all tasks share.", "long": "word " * 100}.items():
        term = nodes.term("", name, ids=[f"term-{name}"])
        page += nodes.definition_list_item(
            "", term, nodes.definition("", nodes.paragraph("", words))
        )
    formulas = nodes.paragraph("", "One of ", nodes.math("", r"\mathbf{L}_g"), nodes.Text(", "))
    formulas += [nodes.math("", r"\varphi_s"), nodes.Text(".")]
    group = nodes.term("", "group", ids=["term-group"])
    page += nodes.definition_list_item("", group, nodes.definition("", formulas))
    found = term_titles.definitions(page)
    assert found["term-trunk"] == "What all tasks share."
    assert found["term-group"] == "One of L_g, phi_s."
    assert found["term-long"].endswith("word ...")
    assert len(found["term-long"]) <= term_titles.MOST
