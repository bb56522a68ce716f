"""CFP with all its forty lists of 350 pairs; paths in its lists start from ``Protocol``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fixture_sets.files import picture, write_lines

CFP_PEOPLE, CFP_FRONTAL, CFP_PROFILE = 4, 3, 2


def cfp_tree(root: Path, fiducials: bool = True) -> Path:
    """CFP with all its forty lists of 350 pairs; paths in the lists start from Protocol."""
    counts = {"frontal": CFP_FRONTAL, "profile": CFP_PROFILE}
    for view, count in counts.items():
        lines = []
        for person in range(1, CFP_PEOPLE + 1):
            for number in range(1, count + 1):
                name = f"{person:03d}/{view}/{number:02d}"
                picture(root / f"Data/Images/{name}.jpg", 3, person, number, len(view + name))
                lines.append(f"{len(lines) + 1} ../Data/Images/{name}.jpg")
                if fiducials:
                    points = [(12.5, 10), (30, 11), (20, 26.25)][: 3 if view == "frontal" else 2]
                    write_lines(
                        root / f"Data/Fiducials/{name}.txt", [f"{x},{y}" for x, y in points]
                    )
        write_lines(root / f"Protocol/Pair_list_{view[0].upper()}.txt", lines)
    for protocol, second in (("FF", CFP_FRONTAL), ("FP", CFP_PROFILE)):
        for fold in range(1, 11):
            for kind in ("same", "diff"):
                write_lines(
                    root / f"Protocol/Split/{protocol}/{fold:02d}/{kind}.txt",
                    cfp_pairs(protocol, fold, kind, second),
                )
    return root


def cfp_pairs(protocol: str, fold: int, kind: str, second: int) -> list[str]:
    rng = np.random.default_rng([2024, len(protocol + kind), second, fold, kind == "same"])
    lines = []
    for _ in range(350):
        one = rng.integers(CFP_PEOPLE)
        other = one if kind == "same" else (one + 1 + rng.integers(CFP_PEOPLE - 1)) % CFP_PEOPLE
        i, j = rng.integers(CFP_FRONTAL), rng.integers(second)
        lines.append(f"{one * CFP_FRONTAL + i + 1},{other * second + j + 1}")
    return lines
