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


def casia_tree(root: Path, people: int = 4, pictures: int = 3) -> Path:
    """CASIA-WebFace; one person has a single picture."""
    for person in range(people):
        for number in range(1, 2 if person == 1 else pictures + 1):
            picture(root / f"{45 + 7 * person:07d}/{number:03d}.jpg", 1, person, number)
    return root


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
