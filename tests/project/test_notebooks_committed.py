"""What is committed of each notebook: executed whole, sound outputs, every picture described."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
import build_book
import execute_notebooks
import notebook_checks

CHAPTERS = notebook_checks.chapter_paths(ROOT)
NOTEBOOKS = notebook_checks.notebook_paths(ROOT)
in_every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=[p.name for p in CHAPTERS])
in_every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[p.name for p in NOTEBOOKS])


def test_the_notebooks_are_those_of_the_table_of_contents() -> None:
    listed = [page for page in build_book.toc_pages(ROOT) if page.startswith("notebooks/")]
    assert [f"notebooks/{path.stem}" for path in NOTEBOOKS] == listed
    assert NOTEBOOKS[0].name == "welcome.ipynb" and NOTEBOOKS[1:] == CHAPTERS


@in_every_notebook
def test_notebook_is_executed_whole_with_sound_outputs(path: Path) -> None:
    assert notebook_checks.all_problems(nbformat.read(path, as_version=4)) == []


@in_every_notebook
def test_notebook_says_why_an_output_is_not_compared(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for position, cell in notebook_checks.code_cells(notebook):
        for line in cell.source.splitlines():
            if "NBVAL_IGNORE_OUTPUT" in line or "NBVAL_SKIP" in line:
                reason = re.sub(r"NBVAL_\w+|[#:\s]", "", line)
                assert len(reason) > 10, f"cell {position} does not say why it is not compared"


@in_every_chapter
def test_exercises_have_solutions(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    words = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    exercises = re.findall(r"\{exercise(?:-start)?\}.*?\n:label: (\S+)", words)
    solutions = re.findall(r"\{solution(?:-start)?\} (\S+)\n:class: .*dropdown", words)
    assert exercises
    assert sorted(exercises) == sorted(solutions)


@in_every_notebook
def test_notebook_runs_from_any_folder(path: Path, tmp_path: Path) -> None:
    """The setup cells, which find cache, results and package, run in a folder of no meaning."""
    notebook = nbformat.read(path, as_version=4)
    cells = notebook_checks.code_cells(notebook)[:2]
    script = "\n".join(cell.source for _, cell in cells)
    assert "chdir" not in script and "sys.path" not in script
    for _, cell in notebook_checks.code_cells(notebook):
        relative = re.findall(r"[\"'](?:\.\./|\./|results/|notebooks/)", cell.source)
        assert relative == [], f"a path relative to the working directory: {cell.source}"


def sound_notebook() -> Any:
    """A small notebook as it should be."""
    figure = new_output("display_data", data={"image/png": "aGVsbG8="})
    words = new_output("stream", name="stdout", text="rank-1 75.0 %\n")
    described = {
        "mystnb": {
            "image": {"alt": "A curve that falls from left to right."},
            "figure": {"caption": "Rank-1 by yaw."},
        }
    }
    notebook = new_notebook(
        cells=[
            new_code_cell("a = 1", execution_count=1),
            new_code_cell("plot()", execution_count=2, outputs=[words, figure], metadata=described),
        ]
    )
    return execute_notebooks.normalise(notebook, "sound")


def test_a_sound_notebook_has_no_problems() -> None:
    assert notebook_checks.all_problems(sound_notebook()) == []


def test_a_wide_table_that_the_page_shows_as_one_is_no_problem() -> None:
    notebook = sound_notebook()
    data = {"text/plain": "x" * 200, "text/html": "<table></table>"}
    notebook.cells[0].outputs = [new_output("execute_result", data=data, execution_count=1)]
    assert notebook_checks.all_problems(notebook) == []


def _stripped(notebook: Any) -> None:
    for cell in notebook.cells:
        cell.outputs, cell.execution_count = [], None


def _out_of_order(notebook: Any) -> None:
    notebook.cells[1].execution_count = 7


def _no_outputs(notebook: Any) -> None:
    for cell in notebook.cells:
        cell.outputs = []


def _error(notebook: Any) -> None:
    notebook.cells[0].outputs = [new_output("error", ename="ValueError", evalue="no", traceback=[])]


def _standard_error(notebook: Any) -> None:
    notebook.cells[0].outputs = [new_output("stream", name="stderr", text="hm\n")]


def _warning(notebook: Any) -> None:
    notebook.cells[1].outputs[0].text = "x.py:3: UserWarning: take care\n"


def _machine_path(notebook: Any) -> None:
    notebook.cells[1].outputs[0].text = "written to /home/somebody/results\n"


def _wide_output(notebook: Any) -> None:
    notebook.cells[1].outputs[0].text = "x" * 79 + "\n"


def _wide_value(notebook: Any) -> None:
    data = {"text/plain": "x" * 79}
    notebook.cells[0].outputs = [new_output("execute_result", data=data, execution_count=1)]


def _wide_code(notebook: Any) -> None:
    notebook.cells[0].source = "a = 1  # " + "x" * 80


def _eaten_backslash(notebook: Any) -> None:
    notebook.cells.append(new_markdown_cell("{math}`\bar x`"))


def _no_alt_text(notebook: Any) -> None:
    del notebook.cells[1].metadata["mystnb"]["image"]


def _no_caption(notebook: Any) -> None:
    del notebook.cells[1].metadata["mystnb"]["figure"]


def _no_numbers(notebook: Any) -> None:
    notebook.cells[1].outputs.pop(0)


def _two_pictures(notebook: Any) -> None:
    notebook.cells[1].outputs.append(copy.deepcopy(notebook.cells[1].outputs[1]))


def _widget_without_state(notebook: Any) -> None:
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "0" * 32}}
    notebook.cells[0].outputs = [new_output("display_data", data=view)]


def _python_version(notebook: Any) -> None:
    notebook.metadata.language_info["version"] = "3.11.7"


def _kernel_of_one_machine(notebook: Any) -> None:
    notebook.metadata.kernelspec["display_name"] = "my-env"


def _times(notebook: Any) -> None:
    notebook.cells[0].metadata["execution"] = {"iopub.execute_input": "2026-01-01"}


@pytest.mark.parametrize(
    "spoil",
    [
        _stripped,
        _out_of_order,
        _no_outputs,
        _error,
        _standard_error,
        _warning,
        _machine_path,
        _wide_output,
        _wide_value,
        _wide_code,
        _eaten_backslash,
        _no_alt_text,
        _no_caption,
        _no_numbers,
        _two_pictures,
        _widget_without_state,
        _python_version,
        _kernel_of_one_machine,
        _times,
    ],
)
def test_each_fault_is_found(spoil: Any) -> None:
    notebook = sound_notebook()
    spoil(notebook)
    assert len(notebook_checks.all_problems(notebook)) >= 1


@pytest.mark.parametrize(
    ("text", "is_path"),
    [
        ("saved to /home/ada/.cache/x", True),
        ("see /tmp/tmpab12/x.npz", True),
        ("lib/python3.11/site-packages/torch", True),
        ("C:\\Users\\me", True),
        ("kept in results/one_or_many", False),
        ("kept in ~/.cache/mtl_helpers", False),
        ("12/13 images, 3 it/s", False),
    ],
)
def test_machine_paths_are_told_from_other_words(text: str, is_path: bool) -> None:
    assert bool(notebook_checks.MACHINE_PATH.search(text)) == is_path


def run_tool(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "execute_notebooks.py"), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_executing_again_elsewhere_writes_the_same_bytes(tmp_path: Path) -> None:
    source = (
        "import ipywidgets\nfrom mtl_helpers.presets import get_preset\n"
        "from mtl_helpers.machine import project_root\n"
        "print(get_preset().name, (project_root() / 'pyproject.toml').exists())\n"
        "box = ipywidgets.HBox([ipywidgets.Label('a')])\nbox"
    )
    path = tmp_path / "somewhere" / "chapter.ipynb"
    path.parent.mkdir()
    nbformat.write(new_notebook(cells=[new_code_cell(source)]), path)
    first = run_tool("--preset", "smoke", "--output", tmp_path / "a", path, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    done = json.loads((tmp_path / "a" / "chapter.ipynb").read_text())
    assert done["cells"][0]["outputs"][0]["text"] == ["smoke True\n"]
    assert done["metadata"]["widgets"]
    assert notebook_checks.all_problems(nbformat.from_dict(done) | {"cells": []}) != []
    second = run_tool(
        "--preset", "smoke", "--output", tmp_path / "b", tmp_path / "a" / path.name, cwd=ROOT
    )
    assert second.returncode == 0, second.stderr
    assert (tmp_path / "a" / path.name).read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_notebooks_run_beside_each_other(tmp_path: Path) -> None:
    # each waits until the other has begun
    source = (
        "import time\nfrom pathlib import Path\n"
        "Path('{0}').touch()\n"
        "while not Path('{1}').exists():\n    time.sleep(0.1)\n"
        "print('both')"
    )
    paths = [tmp_path / "a.ipynb", tmp_path / "b.ipynb"]
    for path, names in zip(paths, (("a", "b"), ("b", "a")), strict=True):
        nbformat.write(new_notebook(cells=[new_code_cell(source.format(*names))]), path)
    done = run_tool("--preset", "smoke", "--processes", 2, *paths, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["a.ipynb", "b.ipynb"]
    assert all("both" in path.read_text() for path in paths)


def test_a_notebook_that_fails_keeps_its_old_bytes(tmp_path: Path) -> None:
    path = tmp_path / "chapter.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("print(1)\n1 / 0")]), path)
    before = path.read_bytes()
    done = run_tool("--preset", "smoke", path, cwd=tmp_path)
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stderr
    assert "was not written" in done.stderr
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["chapter.ipynb"]
