"""Numbered equations: each has a label, code and a test that exist, in the order of the list."""

from __future__ import annotations

import ast
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from docutils import nodes
from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "extensions"))
import equations
import notebook_checks
from link_terms import sources

LISTED = equations.equations(ROOT)
LABELLED = equations.LABELLED
each_equation = pytest.mark.parametrize("label", LISTED)


def texts() -> dict[str, str]:
    """The Markdown of every chapter, in the order of the book."""
    paths = notebook_checks.chapter_paths(ROOT)
    return {
        path.stem: "\n\n".join(sources(json.loads(path.read_text(encoding="utf-8"))))
        for path in paths
    }


def resolved(dotted: str) -> Any:
    """What a dotted name means."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for name in parts[length:]:
            value = getattr(value, name)
        return value
    raise AssertionError(dotted)


def test_the_list_is_the_labelled_equations_in_their_order() -> None:
    labels = [found[2] for text in texts().values() for found in LABELLED.finditer(text)]
    assert labels == list(LISTED) == list(equations.formulas(ROOT))


@each_equation
def test_code_of_an_equation_exists_and_is_documented(label: str) -> None:
    assert (resolved(LISTED[label].code).__doc__ or "").strip(), LISTED[label].code


@each_equation
def test_the_test_of_an_equation_exists(label: str) -> None:
    file, _, name = LISTED[label].test.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@each_equation
def test_what_an_equation_says_is_short_and_its_paper_known(label: str) -> None:
    equation = LISTED[label]
    assert 10 < len(equation.what) < 80 and not equation.what.endswith(".")
    assert bool(equation.paper) == bool(equation.printed)
    known = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    assert not equation.paper or f"{{{equation.paper}," in known


def test_no_chapter_prints_a_paper_s_number_as_its_own() -> None:
    for name, text in texts().items():
        assert "\\tag" not in text, name


def test_chapters_two_to_eight_have_numbered_equations() -> None:
    for name, text in texts().items():
        if "02" <= name[:2] <= "08":
            assert len(LABELLED.findall(text)) >= 3, name


def test_numbers_are_those_of_the_chapter() -> None:
    assert equations.chapter_number("3 Weights that learn themselves") == "3"
    assert equations.chapter_number("A1 How long to train") == "A1"
    with pytest.raises(ExtensionError, match="no number"):
        equations.chapter_number("Setup")


def test_a_line_leads_to_the_entry_and_to_the_test() -> None:
    one = LISTED["eq-yin-7"]
    options = {"repository_url": "https://host/me/book/", "repository_branch": "main"}
    address = equations.test_address(one, ROOT, options)
    file = one.test.partition("::")[0]
    assert address.startswith(f"https://host/me/book/blob/main/{file}#L")
    line = (ROOT / file).read_text(encoding="utf-8").splitlines()[int(address.split("#L")[1]) - 1]
    assert line.startswith(f"def {one.test_name}(")
    assert one.code_name == "DynamicWeights.shares"
    link = equations.code_link(one, "page")
    assert link["reftarget"] == one.code and link.astext() == one.code_name
    assert isinstance(link[0], nodes.literal)


def test_a_test_that_is_gone_stops_the_build() -> None:
    with pytest.raises(ExtensionError, match="has no test_nothing"):
        equations.line_of(Path(__file__), "test_nothing")


def test_a_test_s_name_becomes_words() -> None:
    words = equations.in_words("test_block_maps_are_the_paper_s_at_any_size")
    assert words == "block maps are the paper's at any size"
