"""Tests lie where their module lies, and are named for a property in a line that can be read."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PACKAGE = TESTS.parent / "mtl_helpers"
FILES = sorted(TESTS.rglob("test_*.py"))

LONGEST_NAME = 60

# Rooms of tests that are about the project or its book, and not about a part of the package.
OTHER_ROOMS = ("browser", "project")
# Subjects that are no module: what they are about.
SUBJECTS = {
    "test_cli": "the command line, mtl_helpers/__main__.py",
    "test_new_paper": "a method of a new paper, from its file to its runs",
    "test_store_leftovers": "what a store takes over from others, and what it removes",
    "datasets/test_datasets": "the registry of sets, mtl_helpers/datasets/__init__.py",
    "datasets/test_every_adapter": "what all adapters have in common",
    "datasets/test_sklearn_damage": "what scikit-learn's readers do with damaged folders",
    "faces/draw/test_detector": "whether rendered faces look like faces to a detector",
    "ledger/test_crossed_interval": "how often an interval covers the true mean",
    "ledger/test_evaluation": "claims on stored runs, from records to outcomes",
    "papers/li2021/test_on_real_sets": "a game and its protocols on sets that adapters read",
    "papers/yin2018/test_phi_explorer": "the explorer of phi_s, in the browser",
}


def test_test_names_have_sixty_characters_at_most() -> None:
    long = [
        f"{path.relative_to(TESTS).as_posix()} {node.name} ({len(node.name)})"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and len(node.name) > LONGEST_NAME
    ]
    assert long == []


def test_a_test_lies_where_its_module_lies() -> None:
    lost = []
    for path in FILES:
        place = path.relative_to(TESTS)
        subject = PACKAGE / place.parent / place.stem.removeprefix("test_")
        if place.parts[0] in OTHER_ROOMS or place.with_suffix("").as_posix() in SUBJECTS:
            continue
        if not subject.with_suffix(".py").is_file() and not (subject / "__init__.py").is_file():
            lost.append(place.as_posix())
    assert lost == []


def test_subjects_that_are_no_module_have_tests() -> None:
    assert [name for name in SUBJECTS if not (TESTS / f"{name}.py").is_file()] == []
