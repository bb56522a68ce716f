"""Small folders in the layouts of real sets, made in the tests: same names, other pictures."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mtl_helpers.datasets.multipie import SESSION_EXPRESSIONS

SMALL_CAMERAS = ("08_0", "05_1", "20_0", "08_1")
SMALL_SHOTS = (0, 7, 14, 19)


def picture(path: Path, *key: int, size: tuple[int, int] = (40, 48), channels: int = 3) -> Path:
    """Write a picture of soft blobs, which depends on the key alone; size is (height, width)."""
    rng = np.random.default_rng([2024, *key])
    coarse = rng.integers(0, 256, (5, 6, channels), dtype=np.uint8)
    image = Image.fromarray(coarse if channels == 3 else coarse[..., 0])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.resize(size[::-1], Image.Resampling.BICUBIC).save(path)
    return path


def litter(root: Path) -> None:
    """Leave behind what operating systems leave behind."""
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        for name in ("Thumbs.db", ".DS_Store"):
            (folder / name).write_bytes(b"\0 no picture")


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def truncate(path: Path, share: float = 0.5) -> None:
    """Cut the end of a file off."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def multipie_tree(
    root: Path,
    subjects: Sequence[int] = (1, 2, 5, 201, 203),
    sessions: Sequence[int] = (1, 2, 3, 4),
    cameras: Sequence[str] = SMALL_CAMERAS,
    shots: Sequence[int] = SMALL_SHOTS,
    absent: Iterable[tuple[int, int]] = ((2, 3), (203, 1)),
) -> Path:
    """Multi-PIE with few subjects, some of whom missed a session: pairs (subject, session)."""
    absent = set(absent)
    for session in sessions:
        for subject in subjects:
            if (subject, session) in absent:
                continue
            for recording in range(1, len(SESSION_EXPRESSIONS[session]) + 1):
                for camera in cameras:
                    for shot in shots:
                        name = (
                            f"session{session:02d}/multiview/{subject:03d}/{recording:02d}/{camera}/"
                            f"{subject:03d}_{session:02d}_{recording:02d}_"
                            f"{camera.replace('_', '')}_{shot:02d}.png"
                        )
                        picture(root / name, subject, session, recording, int(camera[:2]), shot)
    return root


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a table with commas."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path
