"""The comparison of notebooks with their committed outputs can fail: a changed number is caught."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
import notebook_checks


def compare(path: Path) -> subprocess.CompletedProcess[str]:
    """Run nbval as ``make nbval`` does."""
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-kernel-name", "python3"]
    command += ["-p", "no:cacheprovider", "-p", "no:xdist", "--no-cov", "-q", str(path)]
    return subprocess.run(
        command, cwd=path.parent, capture_output=True, text=True, check=False, timeout=600
    )


def committed(tmp_path: Path, shown: str) -> Path:
    """A notebook whose committed output says `shown`."""
    printed = new_output("stream", name="stdout", text=f"rank-1 {shown} %\n")
    result = new_output("execute_result", data={"text/plain": "3"}, execution_count=2)
    notebook = new_notebook(
        cells=[
            new_code_cell("print(f'rank-1 {75.67:.1f} %')", execution_count=1, outputs=[printed]),
            new_code_cell("1 + 2", execution_count=2, outputs=[result]),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    path = tmp_path / "chapter.ipynb"
    nbformat.write(notebook, path)
    return path


def test_true_outputs_pass(tmp_path: Path) -> None:
    done = compare(committed(tmp_path, "75.7"))
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_a_changed_number_is_caught(tmp_path: Path) -> None:
    done = compare(committed(tmp_path, "75.8"))
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "75.8" in done.stdout


def test_a_stripped_notebook_is_caught_by_our_check_alone(
    tmp_path: Path,
) -> None:
    path = committed(tmp_path, "75.8")
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, path)
    # nbval compares nothing where there is no execution count: that is why the check exists.
    assert compare(path).returncode == 0
    assert any("execution count" in found for found in notebook_checks.all_problems(notebook))


@pytest.mark.parametrize("script", ["nbval.sh"])
def test_make_nbval_compares_strictly(script: str) -> None:
    text = (ROOT / "tools" / script).read_text(encoding="utf-8")
    assert "--nbval " in text
    assert "--nbval-lax" not in text
    assert "sanitize" not in text
