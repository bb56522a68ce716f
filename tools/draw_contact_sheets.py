"""Draw a contact sheet of every rendered corpus: forty of its pictures, larger than it stores them.

Usage::

    python tools/draw_contact_sheets.py [NAME ...] [--folder book/images]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from mtl_helpers.faces.corpora import attributes, caricature, pie, wild
from mtl_helpers.faces.model.expression import EXPRESSIONS

FOLDER = Path(__file__).resolve().parent.parent / "book" / "images"
ROWS, COLUMNS, SIDE, GAP = 5, 8, 96, 4
COLOURS = 256


def pie_pictures() -> list[np.ndarray]:
    """A row for each person, a column for each camera; shots and expressions vary."""
    spec = pie.PieSpec(
        *(ROWS, 0, 0),
        cameras=("11_0", "09_0", "08_1", "14_0", "05_1", "04_1", "20_0", "24_0"),
        shots=(7, 2, 11, 16, 5, 0),
        expressions=EXPRESSIONS,
        side=SIDE,
        channels=3,
    )
    chosen = []
    for person in range(ROWS):
        images = spec.make_part(person)["images"]  # (C, S, E, H, W, 3)
        chosen += [
            images[column, (column * 5 + person) % 6, (column + 2 * person) % 6]
            for column in range(COLUMNS)
        ]
    return chosen


def wild_pictures() -> list[np.ndarray]:
    """A row for each person: pictures as they come, and one profile."""
    spec = wild.WildSpec(ROWS, 0, 0, pictures=16, side=SIDE, channels=3)
    chosen = []
    for person in range(ROWS):
        part = spec.make_part(person)
        profile = np.abs(part["factors"][:, wild.FACTORS.index("yaw")]) >= wild.PROFILE_YAW
        kept = [*np.flatnonzero(~profile)[: COLUMNS - 1], np.flatnonzero(profile)[0]]
        chosen += list(part["images"][kept])
    return chosen


def caricature_pictures() -> list[np.ndarray]:
    """A row for each person: three photographs, five caricatures."""
    spec = caricature.CaricatureSpec(ROWS, 0, 0, photos=4, caricatures=5, side=SIDE)
    chosen = []
    for person in range(ROWS):
        images = spec.make_part(person)["images"]
        numbers = person * len(images) + np.arange(len(images))
        modality = spec.labels(numbers)["modality"]
        photos, drawings = (images[modality == which] for which in range(2))
        chosen += [*photos[:3], *drawings[:5]]
    return chosen


def attributes_pictures() -> list[np.ndarray]:
    """Two pictures of each of twenty people."""
    people = ROWS * COLUMNS // 2
    spec = attributes.AttributesSpec(people, 0, 0, pictures=2, side=SIDE)
    parts = [spec.make_part(person)["images"] for person in range(people)]
    return list(np.concatenate(parts))


SHEETS: dict[str, Callable[[], list[np.ndarray]]] = {
    "pie": pie_pictures,
    "wild": wild_pictures,
    "caricature": caricature_pictures,
    "attributes": attributes_pictures,
}


def draw(pictures: list[np.ndarray], path: Path) -> None:
    """Lay pictures (H, W, 3) out in rows and write the sheet to ``path``."""
    step = SIDE + GAP
    sheet = np.full((ROWS * step - GAP, COLUMNS * step - GAP, 3), 255, dtype=np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // COLUMNS * step, place % COLUMNS * step
        sheet[top : top + SIDE, left : left + SIDE] = picture
    path.parent.mkdir(parents=True, exist_ok=True)
    # a palette, dithered, keeps the file small and the picture the same to the eye
    Image.fromarray(sheet).quantize(COLOURS).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw contact sheets of the rendered corpora.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SHEETS)}")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    for name in options.names or SHEETS:
        if name not in SHEETS:
            parser.error(f"unknown corpus {name!r}: choose from {', '.join(SHEETS)}")
        path = options.folder / f"contact-{name}.png"
        draw(SHEETS[name](), path)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
