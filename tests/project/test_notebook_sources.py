"""What the committed cells of every notebook say: names that exist, lines and formulas that fit."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]
import notebook_checks

CHAPTERS = notebook_checks.chapter_paths(ROOT)
PAGES = sorted((ROOT / "book").glob("*.md"))
# "a dot a seed" is read as two dots by whoever learnt English later
SHARED = "dot|line|row|column|panel|curve|head|branch|bar|marker|network|number|term|one"
OWNER = "seed|task|class|dimension|pair|weight|channel|condition|arm|pose|person|group|cell"
NOTEBOOKS = notebook_checks.notebook_paths(ROOT)
in_every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=[p.name for p in CHAPTERS])
in_every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[p.name for p in NOTEBOOKS])


def missing_names(code: str) -> Iterator[str]:
    """Names that code takes from mtl_helpers, by import or from an imported module, in vain."""
    modules: dict[str, Any] = {}
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("mtl_"):
            continue
        try:
            module = importlib.import_module(str(node.module))
        except ModuleNotFoundError:
            yield str(node.module)
            continue
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            if hasattr(module, alias.name):
                value = getattr(module, alias.name)
            else:
                try:
                    value = importlib.import_module(full)
                except ModuleNotFoundError:
                    yield full
                    continue
            if type(value) is type(importlib):
                modules[alias.asname or alias.name] = value
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            if module is not None and not hasattr(module, node.attr):
                yield f"{module.__name__}.{node.attr}"


@in_every_notebook
def test_every_name_from_the_package_exists(path: Path) -> None:
    cells = notebook_checks.code_cells(nbformat.read(path, as_version=4))
    code = "\n".join(cell.source for _, cell in cells)
    assert list(missing_names(code)) == []


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("from mtl_helpers.presets import get_preset", []),
        ("from mtl_helpers.show import plots\nplots.rank1_by_yaw", []),
        ("from mtl_helpers.no_room import a", ["mtl_helpers.no_room"]),
        ("from mtl_helpers.presets import no_name", ["mtl_helpers.presets.no_name"]),
        ("from mtl_helpers.show import plots as p\np.pie()", ["mtl_helpers.show.plots.pie"]),
    ],
)
def test_a_missing_name_is_found(code: str, missing: list[str]) -> None:
    assert list(missing_names(code)) == missing


@in_every_notebook
def test_cells_fit_the_page_and_formulas_can_be_set(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert list(notebook_checks.source_problems(notebook)) == []


@pytest.mark.parametrize("path", PAGES, ids=[page.name for page in PAGES])
def test_formulas_of_pages_can_be_set(path: Path) -> None:
    assert list(notebook_checks.formula_problems(path.read_text(encoding="utf-8"))) == []


@in_every_notebook
def test_code_in_sight_is_short(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for position, cell in notebook_checks.code_cells(notebook):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        most = 32 if notebook_checks.is_folded(cell) else notebook_checks.LINES_IN_SIGHT
        assert len(lines) <= most, f"cell {position} has {len(lines)} lines"


@in_every_notebook
def test_figures_and_sliders_stand_under_folded_code(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for position, cell in notebook_checks.code_cells(notebook):
        if "plt.show()" in cell.source or re.search(r"widgets\.|phi_explorer", cell.source):
            assert notebook_checks.is_folded(cell), f"cell {position} is not folded"


@in_every_notebook
def test_a_slider_follows_the_words_that_ask_to_move_it(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    for words, slider in zip(cells, cells[1:], strict=False):
        if words.cell_type == "markdown" and re.search(r"[Mm]ove the (slider|flash)", words.source):
            assert re.search(r"widgets\.|phi_explorer", slider.source), words.source[-80:]


@in_every_notebook
def test_words_and_captions_say_per_where_they_mean_it(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        words = cell.source + str(cell.metadata.get("mystnb", ""))
        assert re.findall(rf"\b(?:a|one) (?:{SHARED}) an? (?:{OWNER})\b", words) == []


@in_every_chapter
def test_a_chapter_states_its_cost_and_the_way_into_colab(path: Path) -> None:
    opening = nbformat.read(path, as_version=4).cells[0].source
    assert "What this chapter costs" in opening
    assert "minutes" in opening
    assert "Colab" in opening


@in_every_chapter
def test_a_chapter_hides_no_code_for_good(path: Path) -> None:
    for position, cell in notebook_checks.code_cells(nbformat.read(path, as_version=4)):
        hidden = [tag for tag in cell.metadata.get("tags", []) if tag.startswith("remove-")]
        assert hidden == [], f"cell {position} cannot be unfolded"


def test_every_cell_of_every_notebook_has_an_id_of_its_own() -> None:
    for path in NOTEBOOKS:
        names = [cell.id for cell in nbformat.read(path, as_version=4).cells]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{math}`\bar x` is the mean", "control character"),
        ("$$\n\tau = 1\n$$", "control character"),
        ("{math}`\frac12`", "control character"),
        ("{math}`\rho`", "control character"),
        ("(eq)=\n$$a = b \\\\ c = d \\tag{3}$$", "tag"),
        ("$$x = \\begin{cases} 1 \\\\ 2 \\end{cases} \\tag{9}$$", "tag"),
        ("{math}`\\frac{1}{2`", "brace"),
        ("$$\\left( a$$", "left"),
        ("$$\\begin{aligned} a$$", "begin"),
    ],
)
def test_a_formula_that_cannot_be_set_is_found(text: str, words: str) -> None:
    problems = list(notebook_checks.formula_problems(text))
    assert any(words in problem for problem in problems), problems


@pytest.mark.parametrize(
    "text",
    [
        "$$a = b, \\tag{8}$$",
        "$$\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}$$",
        "$$x = \\begin{cases} 1 \\cr 2 \\end{cases} \\tag{9}$$",
        "{math}`\\left[ \\{ a \\} \\right)` and {math}`\\bar{\\mathbf V}`",
        "costs 3 $ and `a\\\\b`",
    ],
)
def test_a_formula_that_can_be_set_passes(text: str) -> None:
    assert list(notebook_checks.formula_problems(text)) == []


def test_a_long_line_of_code_is_found() -> None:
    line = "a = 1  # " + "x" * 80
    wide = new_notebook(cells=[new_code_cell(line)])
    assert len(list(notebook_checks.source_problems(wide))) == 1
    words = new_notebook(cells=[new_markdown_cell(line), new_code_cell("a = 1")])
    assert list(notebook_checks.source_problems(words)) == []
