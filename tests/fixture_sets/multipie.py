"""Multi-PIE with few subjects, some of whom missed a session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from fixture_sets.files import picture
from mtl_helpers.datasets.multipie import SESSION_EXPRESSIONS

SMALL_CAMERAS = ("08_0", "05_1", "20_0", "08_1")
SMALL_SHOTS = (0, 7, 14, 19)


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
