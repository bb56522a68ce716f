"""IJB-A with one split: faces of two people in one file, frames of one video, equal template
numbers in two lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fixture_sets.files import picture, write_lines, write_table

IJBA_HEADER = (
    *("TEMPLATE_ID", "SUBJECT_ID", "FILE", "MEDIA_ID", "SIGHTING_ID", "FRAME"),
    *("FACE_X", "FACE_Y", "FACE_WIDTH", "FACE_HEIGHT"),
    *("RIGHT_EYE_X", "RIGHT_EYE_Y", "LEFT_EYE_X", "LEFT_EYE_Y", "NOSE_BASE_X", "NOSE_BASE_Y"),
    *("FACE_YAW", "FOREHEAD_VISIBLE", "INDOOR", "GENDER", "AGE"),
)


def ijba_row(template: int, subject: int, file: str, media: int, box: Sequence[object]) -> list:
    """A row of a table; eyes are known, the nose is not, and most other cells are empty."""
    points = [box[0] + 3, 12.5, box[0] + 9, 12, "", ""] if box[0] != "" else [""] * 6
    return [template, subject, file, media, media, "", *box, *points, "", "", "", 1, ""]


def ijba_tree(root: Path, split: int = 1) -> Path:
    """IJB-A with one split. Template 1 is of subject 7 in training and of subject 3 in the test.

    The picture img/5.jpg shows subjects 3 and 4; frames of medium 60 belong to one video.
    """
    for number in range(1, 9):
        picture(root / f"images/img/{number}.jpg", 4, number)
    for number in range(1, 4):
        picture(root / f"images/frame/60_{number:05d}.png", 5, number)
    box, left, right = (10, 5, 20, 25), (2, 4, 18, 20), (26, 6, 16, 20)
    train = [
        ijba_row(1, 7, "img/1.jpg", 1, box),
        ijba_row(1, 7, "img/2.jpg", 2, ("", "", "", "")),
        ijba_row(2, 8, "img/3.jpg", 3, box),
    ]
    frames = [ijba_row(1, 3, f"frame/60_{n:05d}.png", 60, box) for n in (1, 2, 3)]
    verify = [
        *frames,
        ijba_row(1, 3, "img/4.jpg", 4, box),
        ijba_row(2, 3, "img/5.jpg", 5, left),
        ijba_row(5, 4, "img/5.jpg", 5, right),
        ijba_row(6, 4, "img/6.jpg", 6, box),
        ijba_row(9, 9, "img/7.jpg", 7, box),
    ]
    gallery = [ijba_row(1, 3, "img/4.jpg", 4, box), ijba_row(5, 4, "img/6.jpg", 6, box)]
    probe = [
        *([101, *row[1:]] for row in frames),
        ijba_row(102, 4, "img/5.jpg", 5, right),
        ijba_row(103, 9, "img/7.jpg", 7, box),
        ijba_row(104, 9, "img/8.jpg", 8, box),
    ]
    for kind, lists in (
        ("11", {"train": train, "verify_metadata": verify}),
        ("1N", {"train": train, "search_gallery": gallery, "search_probe": probe}),
    ):
        for name, rows in lists.items():
            write_table(
                root / f"IJB-A_{kind}_sets/split{split}/{name}_{split}.csv", IJBA_HEADER, rows
            )
    pairs = ["1,2", "5,6", "1,5", "2,9", "9,6", "1,6"]
    write_lines(root / f"IJB-A_11_sets/split{split}/verify_comparisons_{split}.csv", pairs)
    return root
