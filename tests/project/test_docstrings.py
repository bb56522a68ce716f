"""Docstrings say what signatures cannot, in a fifth of the package, and their examples run."""

from __future__ import annotations

import ast
import doctest
import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mtl_helpers"
FILES = sorted(PACKAGE.rglob("*.py"))
WITH_EXAMPLES = [path for path in FILES if ">>> " in path.read_text(encoding="utf-8")]

# Of all lines, blank ones and comments among them.
LARGEST_SHARE = 0.20
# Lines that a docstring may have more than the body of its function.
LINES_BEYOND_BODY = 20


def docstring_of(node: ast.AST) -> ast.Expr | None:
    """The statement that is a docstring, if there is one."""
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    if (
        isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        return first
    return None


def docstrings(path: Path) -> Iterator[tuple[ast.AST, int]]:
    """What has a docstring in a file, and the docstring's lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        docstring = docstring_of(node)
        if docstring is not None:
            yield node, 1 + (docstring.end_lineno or 0) - docstring.lineno


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return "/".join(parts[:2]) if parts[0] in ("faces", "papers") else parts[0]


def test_a_docstring_counts_without_its_function(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('"""One."""\n\ndef f():\n    """Two\n\n    lines.\n    """\n    return "no"\n')
    assert [lines for _, lines in docstrings(path)] == [1, 4]


def test_docstrings_are_under_a_fifth_of_the_package() -> None:
    documented: Counter[str] = Counter()
    written: Counter[str] = Counter()
    for path in FILES:
        documented[room_of(path)] += sum(lines for _, lines in docstrings(path))
        written[room_of(path)] += path.read_text(encoding="utf-8").count("\n")
    share = documented.total() / written.total()
    rooms = ", ".join(
        f"{room} {documented[room] / written[room]:.0%} of {written[room]:,}"
        for room, _ in documented.most_common()
    )
    assert share < LARGEST_SHARE, f"docstrings are {share:.1%} of all lines: {rooms}"


def test_no_docstring_outgrows_its_function() -> None:
    long = []
    for path in FILES:
        for node, lines in docstrings(path):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                body = (node.end_lineno or 0) - (node.body[0].end_lineno or 0)
                if lines > body + LINES_BEYOND_BODY:
                    place = path.relative_to(ROOT).as_posix()
                    long.append(f"{place} {node.name}: {lines} lines on a body of {body}")
    assert long == []


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: room_of(path) + ":" + path.stem)
def test_examples_give_what_they_show(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted > 0
    assert results.failed == 0
