"""Imports of the package run one way, and generic rooms know no paper."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "mtl_helpers"

# From the ground up: a module may import from rooms of a lower rank, and from its own room.
RANKS = (
    ("errors",),
    ("machine", "streams", "distributed"),
    ("presets",),
    ("store", "corpus", "losses"),
    ("trunks", "faces.model"),
    ("networks", "faces.scene"),
    ("faces.draw",),
    ("faces.corpora", "datasets"),
    ("training",),
    ("evaluation",),
    ("runs",),
    ("ledger",),
    ("show",),
    ("laboratory", "papers"),
    ("registry",),
    ("__main__",),
)
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
    for path in PACKAGE.rglob("*.py")
)
PAPERS = ("yin", "liu", "m-cnn", "mcnn", "p-cnn", "ming", "aprn", "taherkhani")


def room_of(module: str) -> str | None:
    """The room of a module by its dotted name inside the package; None for the package itself."""
    parts = module.split(".")
    for length in (2, 1):
        if ".".join(parts[:length]) in RANK:
            return ".".join(parts[:length])
    return None


def imports_of(module: str) -> set[str]:
    """Modules of the package that a module imports anywhere, type checking apart."""
    path = PACKAGE / (module.replace(".", "/") + ".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{name.name}" for name in node.names}
    inside = {
        name.removeprefix("mtl_helpers.") for name in found if name.startswith("mtl_helpers.")
    }
    known = set(MODULES) | {module.removesuffix(".__init__") for module in MODULES}
    # ``from a.b import c`` names the module a.b.c or something in a.b
    return {name if name in known else name.rpartition(".")[0] for name in inside} & known


def violations() -> list[str]:
    found = []
    for module in MODULES:
        own = room_of(module)
        for target in sorted(imports_of(module)):
            room = room_of(target)
            if own is None or room is None or own == room:
                continue
            if RANK[room] >= RANK[own]:
                found.append(f"{module} -> {target}")
    return found


def test_every_module_stands_in_a_room() -> None:
    outside = [m for m in MODULES if room_of(m) is None and m.rpartition(".")[2] != "__init__"]
    assert outside == []


def test_imports_run_one_way() -> None:
    assert violations() == []


def test_papers_do_not_import_one_another() -> None:
    for module in MODULES:
        if module.startswith("papers."):
            own = ".".join(module.split(".")[:2])
            others = {t for t in imports_of(module) if t.startswith("papers.")}
            assert all(target.startswith(own) for target in others), module


def test_imports_have_no_circle() -> None:
    graph = {module.removesuffix(".__init__"): imports_of(module) for module in MODULES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for target in sorted(graph.get(module, ())):
                visit(target, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("room", ["training", "runs", "ledger", "networks"])
def test_a_generic_room_names_no_paper(room: str) -> None:
    paths = [PACKAGE / f"{room}.py", *(PACKAGE / room).rglob("*.py")]
    words = re.compile(r"\b(" + "|".join(map(re.escape, PAPERS)) + r")\b", re.IGNORECASE)
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in paths
        if path.exists()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if words.search(line)
    ]
    assert found == []
