"""CASIA-WebFace: a folder per person, one of them with a single picture."""

from __future__ import annotations

from pathlib import Path

from fixture_sets.files import picture


def casia_tree(root: Path, people: int = 4, pictures: int = 3) -> Path:
    """CASIA-WebFace; one person has a single picture."""
    for person in range(people):
        for number in range(1, 2 if person == 1 else pictures + 1):
            picture(root / f"{45 + 7 * person:07d}/{number:03d}.jpg", 1, person, number)
    return root
