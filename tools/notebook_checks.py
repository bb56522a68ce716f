"""What every committed notebook must satisfy, as sentences about what is wrong.

Used by ``tools/execute_notebooks.py`` before it writes and by the tests on what is committed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Folders of one machine: they tell the reader nothing and differ at the next execution.
MACHINE_PATH = re.compile(
    r"(?<![\w.:/])(?:/(?:home|root|Users|tmp|var|mnt|opt|work|private|content)/[\w.-]"
    r"|[A-Za-z]:\\\\?Users\\)|site-packages|ipykernel_\d+"
)
WARNING = re.compile(r"\b\w*Warning\b:")
# What the page's column holds of code and of printed text, and what a reader takes in at once.
WIDTH = 78
LINES_IN_SIGHT = 18
FOLDS = {"hide-input", "hide-cell", "remove-input"}
FORMULA = re.compile(r"\$\$(.+?)\$\$|\{math\}`([^`]+)`", re.DOTALL)


def output_texts(output: dict[str, Any]) -> Iterator[str]:
    """The words of one output, pictures and widget views left out."""
    if output["output_type"] == "stream":
        yield output["text"]
    for kind, value in output.get("data", {}).items():
        if kind.startswith("text/") and isinstance(value, str):
            yield value
    yield from output.get("traceback", [])


def has_picture(output: dict[str, Any]) -> bool:
    """Whether an output is an image file, such as a figure."""
    return any(kind.startswith("image/") for kind in output.get("data", {}))


def is_folded(cell: Any) -> bool:
    """Whether the page shows a cell's code only on request, or not at all."""
    return bool(FOLDS & set(cell["metadata"].get("tags", [])))


def shown_texts(output: dict[str, Any]) -> Iterator[str]:
    """The words of one output that the page prints as they are: no tables, pictures, widgets."""
    if output["output_type"] == "stream":
        yield output["text"]
    kinds = output.get("data", {})
    if set(kinds) == {"text/plain"}:
        yield kinds["text/plain"]


def width_problems(notebook: Any) -> Iterator[str]:
    """Printed lines that the page would cut off."""
    for position, cell in code_cells(notebook):
        for output in cell["outputs"]:
            for text in shown_texts(output):
                for line in text.splitlines():
                    if len(line) > WIDTH:
                        yield f"cell {position}: prints {len(line)} columns: {line[:60]!r}..."


def formula_problems(text: str) -> Iterator[str]:
    """Formulas of a page that MathJax could not set.

    Sphinx wraps displayed mathematics that holds a ``\\\\`` into ``split``, in which no ``\\tag``
    may stand. A backslash that was eaten (``\\bar`` read as backspace, ar) leaves a control
    character behind.
    """
    for line in text.split("\n"):  # splitlines would swallow the form feed of an eaten \frac
        if found := re.search(r"[\x00-\x1f\x7f]", line):
            around = line[max(0, found.start() - 20) : found.end() + 20]
            yield f"holds a control character: {around!r}"
    for formula in FORMULA.finditer(text):
        display, inline = formula.groups()
        body = display or inline
        shown = repr(body.strip()[:60])
        if display and "\\tag" in display and "\\\\" in display:
            yield f"a tag stands in a formula of several lines, write \\cr: {shown}"
        plain = re.sub(r"\\\\|\\[{}]", " ", body)
        if plain.count("{") != plain.count("}"):
            yield f"a brace is not closed: {shown}"
        for first, second in (("left", "right"), ("begin", "end")):
            counts = [len(re.findall(rf"\\{word}(?![a-z])", plain)) for word in (first, second)]
            if counts[0] != counts[1]:
                yield f"{first} without {second}: {shown}"


def source_problems(notebook: Any) -> Iterator[str]:
    """Code wider than the page, and formulas that cannot be set."""
    for position, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "markdown":
            for problem in formula_problems(cell["source"]):
                yield f"cell {position}: {problem}"
            continue
        for line in cell["source"].split("\n"):
            if len(line) > WIDTH:
                yield f"cell {position}: code of {len(line)} columns: {line[:60]!r}..."
            if re.search(r"[\x00-\x1f\x7f]", line):
                yield f"cell {position}: code holds a control character: {line[:60]!r}"


def output_problems(notebook: Any) -> Iterator[str]:
    """What is wrong with the outputs: errors, warnings, paths of a machine."""
    for position, cell in code_cells(notebook):
        for output in cell["outputs"]:
            where = f"cell {position}"
            if output["output_type"] == "error":
                yield f"{where}: ended in {output['ename']}: {output['evalue']}"
            if output["output_type"] == "stream" and output["name"] == "stderr":
                yield f"{where}: wrote to standard error: {output['text'].strip()[:200]!r}"
            for text in output_texts(output):
                if found := MACHINE_PATH.search(text):
                    around = text[max(0, found.start() - 40) : found.end() + 40]
                    yield f"{where}: holds a path of this machine: {around!r}"
                if found := WARNING.search(text):
                    yield f"{where}: holds a warning: {text[found.start() :][:200]!r}"


def code_cells(notebook: Any) -> list[tuple[int, Any]]:
    """The code cells that have any code, with their position in the notebook."""
    return [
        (position, cell)
        for position, cell in enumerate(notebook["cells"])
        if cell["cell_type"] == "code" and cell["source"].strip()
    ]


def execution_problems(notebook: Any) -> Iterator[str]:
    """What shows that a notebook was not executed whole, from top to bottom."""
    cells = code_cells(notebook)
    if not cells:
        yield "has no code cells"
        return
    for expected, (position, cell) in enumerate(cells, start=1):
        count = cell.get("execution_count")
        if count != expected:
            yield f"cell {position}: execution count is {count}, expected {expected}"
            break
    if not any(cell["outputs"] for _, cell in cells):
        yield "has no outputs"


def figure_problems(notebook: Any) -> Iterator[str]:
    """Which pictures lack alt text, a caption or printed key numbers."""
    for position, cell in code_cells(notebook):
        pictures = sum(has_picture(output) for output in cell["outputs"])
        if not pictures:
            continue
        where = f"cell {position}"
        mystnb = cell["metadata"].get("mystnb", {})
        if pictures > 1:
            yield f"{where}: shows {pictures} pictures, and a cell has one alt text: split it"
        if len(mystnb.get("image", {}).get("alt", "").strip()) < 15:
            yield f"{where}: its picture has no alt text (metadata mystnb.image.alt)"
        if not mystnb.get("figure", {}).get("caption", "").strip():
            yield f"{where}: its picture has no caption (metadata mystnb.figure.caption)"
        if not any(output["output_type"] == "stream" for output in cell["outputs"]):
            yield f"{where}: prints no key numbers beside its picture"


def widget_problems(notebook: Any) -> Iterator[str]:
    """Which widgets are shown without the state that the published page draws them from."""
    kind = "application/vnd.jupyter.widget-view+json"
    states = notebook["metadata"].get("widgets", {})
    known = states.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    for position, cell in code_cells(notebook):
        for output in cell["outputs"]:
            model = output.get("data", {}).get(kind, {}).get("model_id")
            if model is not None and model not in known:
                yield f"cell {position}: shows a widget whose state is not stored"


def metadata_problems(notebook: Any) -> Iterator[str]:
    """What of one machine or one moment stands in the notebook's metadata."""
    kernel = notebook["metadata"].get("kernelspec", {})
    if kernel.get("name") != "python3" or kernel.get("display_name") != "Python 3":
        yield f"the kernel is {kernel}, expected the plain python3"
    if "version" in notebook["metadata"].get("language_info", {}):
        yield "the metadata name a Python version"
    for position, cell in code_cells(notebook):
        if "execution" in cell["metadata"]:
            yield f"cell {position}: holds execution times"


def all_problems(notebook: Any) -> list[str]:
    """Every problem of an executed notebook that is to be committed."""
    checks = (
        source_problems,
        execution_problems,
        output_problems,
        width_problems,
        figure_problems,
        widget_problems,
        metadata_problems,
    )
    return [problem for check in checks for problem in check(notebook)]


def chapter_paths(root: Path) -> list[Path]:
    """The chapters of the book, in order, then its appendices (a1, a2, ...)."""
    return _notebooks(root, "[0-9]*", "a[0-9]*")


def notebook_paths(root: Path) -> list[Path]:
    """All notebooks of the book, in order: the first page, chapters, appendices."""
    return [*_notebooks(root, "welcome"), *chapter_paths(root)]


def _notebooks(root: Path, *kinds: str) -> list[Path]:
    folder = root / "notebooks"
    return [path for kind in kinds for path in sorted(folder.glob(f"{kind}.ipynb"))]
