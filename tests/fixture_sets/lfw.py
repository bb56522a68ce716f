"""LFW with View 1 and View 2; one name has a blank, as none of the official lists has."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fixture_sets.files import picture, write_lines

LFW_PEOPLE = {"Al_Gore": 3, "Bo Derek": 2, "Jean-Luc": 1, "Zoe_Ball": 4}
"""Names and numbers of pictures; one with a blank, as in no official list, and one single."""


def lfw_tree(root: Path, folds: int = 10, each: int = 2) -> Path:
    """LFW with View 1 and View 2."""
    for place, (name, count) in enumerate(LFW_PEOPLE.items()):
        for number in range(1, count + 1):
            picture(root / f"lfw_funneled/{name}/{name}_{number:04d}.jpg", 2, place, number)
    write_lines(root / "pairs.txt", [f"{folds}\t{each}", *lfw_pairs(folds, each)])
    write_lines(root / "pairsDevTrain.txt", ["3", *lfw_pairs(1, 3)])
    write_lines(root / "pairsDevTest.txt", ["2", *lfw_pairs(1, 2)])
    people = [f"{name}\t{count}" for name, count in LFW_PEOPLE.items()]
    write_lines(root / "people.txt", ["2", "3", *people[:3], "1", people[3]])
    write_lines(root / "peopleDevTrain.txt", ["2", people[1], people[3]])
    write_lines(root / "peopleDevTest.txt", ["1", people[0]])
    return root


def lfw_pairs(folds: int, each: int) -> list[str]:
    """Lines of pairs: in each fold the same ones, then the different ones."""
    rng = np.random.default_rng([2024, folds, each])
    several = [name for name, count in LFW_PEOPLE.items() if count > 1]
    lines = []
    for _ in range(folds):
        for _ in range(each):
            name = several[rng.integers(len(several))]
            first, second = rng.permutation(LFW_PEOPLE[name])[:2] + 1
            lines.append(f"{name}\t{first}\t{second}")
        for _ in range(each):
            names = rng.permutation(list(LFW_PEOPLE))[:2]
            numbers = [rng.integers(LFW_PEOPLE[name]) + 1 for name in names]
            lines.append(f"{names[0]}\t{numbers[0]}\t{names[1]}\t{numbers[1]}")
    return lines
