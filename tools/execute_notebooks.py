"""Execute notebooks top to bottom and write them with their outputs and widget states.

A notebook is written only when every cell ran and the outputs hold no errors, no warnings and no
path of this machine. What differs from run to run without meaning - times, widget names, the
Python version - is taken out, so that a second execution changes nothing but numbers that changed.

Run: ``python tools/execute_notebooks.py [--preset P] [--output FOLDER] [NOTEBOOK ...]``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

sys.path.insert(0, str(Path(__file__).resolve().parent))
from notebook_checks import all_problems, notebook_paths

from mtl_helpers.machine import write_atomic

ROOT = Path(__file__).resolve().parents[1]
_STATE = "application/vnd.jupyter.widget-state+json"


def execute(notebook: Any, folder: Path, preset: str, timeout: int) -> None:
    """Run all cells of a notebook in place, in a fresh kernel started in `folder`."""
    os.environ.update(MTL_PRESET=preset, MTL_PUBLISH="1")
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=True,
        coalesce_streams=True,
    ).execute()


def normalise(notebook: Any, name: str) -> Any:
    """Take out what differs from run to run or from machine to machine without meaning."""
    widgets = notebook.metadata.get("widgets", {})
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {
                "codemirror_mode": {"name": "ipython", "version": 3},
                "file_extension": ".py",
                "mimetype": "text/x-python",
                "name": "python",
                "nbconvert_exporter": "python",
                "pygments_lexer": "ipython3",
            },
        }
    )
    state = widgets.get(_STATE, {}).get("state", {})
    if state:
        notebook.metadata["widgets"] = widgets
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    # ipywidgets names each model at random; names by order of creation stay the same.
    text = nbformat.writes(notebook)
    names = {
        model: hashlib.sha256(f"{name} {position}".encode()).hexdigest()[:32]
        for position, model in enumerate(state)
    }
    text = re.sub(
        r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", lambda found: names.get(found[0], found[0]), text
    )
    return nbformat.reads(text, as_version=4)


def rewrite(path: Path, options: argparse.Namespace) -> str:
    """Execute one notebook and write it if it is sound; return what was done."""
    notebook = nbformat.read(path, as_version=4)
    started = time.perf_counter()
    try:
        folder = options.folder or path.resolve().parent
        execute(notebook, folder, options.preset, options.timeout)
    except CellExecutionError as error:
        raise SystemExit(f"{path.name} failed and was not written:\n{error}") from None
    notebook = normalise(notebook, path.stem)
    problems = all_problems(notebook)
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise SystemExit(f"{path.name} ran, but was not written:\n{listed}")
    target = path if options.output is None else options.output / path.name
    write_atomic(target, nbformat.writes(notebook).encode())
    took = time.perf_counter() - started
    size = target.stat().st_size / 1e6
    return f"{path.name}: executed at {options.preset} in {took:.0f} s, {size:.1f} MB"


def main() -> None:
    """Execute what the command line names; stop at the first notebook that is not sound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of the book")
    parser.add_argument("--preset", default=os.environ.get("MTL_PRESET", "laptop"))
    parser.add_argument("--output", type=Path, help="folder to write to (default: in place)")
    parser.add_argument("--folder", type=Path, help="where kernels start (default: beside each)")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds for a cell")
    parser.add_argument("--processes", type=int, default=1, help="notebooks at a time")
    options = parser.parse_args()

    paths = options.notebooks or notebook_paths(ROOT)
    if not paths:
        raise SystemExit("Expected notebooks in notebooks/, found none; name one.")
    # Threads of several kernels share the cores: those that wait sleep, instead of spinning.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with ThreadPoolExecutor(options.processes) as pool:
        tasks = [pool.submit(rewrite, path, options) for path in paths]
        try:
            for task in tasks:
                print(task.result(), flush=True)
        finally:
            pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    main()
