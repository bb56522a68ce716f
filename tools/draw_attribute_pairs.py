"""Draw a pair of pictures for every attribute: with it, and the same without.

Usage::

    python tools/draw_attribute_pairs.py [book/images/attribute-pairs.jpg]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mtl_helpers.faces.corpora.attribute_drivers import render_person
from mtl_helpers.faces.corpora.attributes import ATTRIBUTES

DEFAULT = Path(__file__).resolve().parent.parent / "book" / "images" / "attribute-pairs.jpg"
SIDE, CAPTION, GAP, COLUMNS, QUALITY = 96, 16, 8, 6, 88
PEOPLE = (21, 35, 16)
USUAL = {"No_Beard", "Brown_Hair", "Young"}
BEARDS = {"5_o_Clock_Shadow", "Mustache", "Goatee", "Sideburns"}
HAIR = {"Black_Hair", "Blond_Hair", "Gray_Hair", "Bald"}


def wishes(name: str) -> tuple[set[str], set[str]]:
    """Attributes that hold in the picture with the named one, and in the picture without."""
    without = USUAL - {name}
    extra = {"Male"} if name in BEARDS | {"No_Beard", "Wearing_Necktie"} else set()
    if name == "No_Beard":
        return USUAL | extra, without | extra | {"Mustache", "Goatee"}
    if name == "Brown_Hair":
        return USUAL, without | {"Black_Hair"}
    hold = without | {name}
    if name in BEARDS:
        hold -= {"No_Beard"}
    if name in HAIR:
        hold -= {"Brown_Hair"}
    return hold | extra, without | extra


def draw_pair(name: str, person: int) -> list[np.ndarray]:
    """Render the two pictures of an attribute."""
    pair = []
    for held in wishes(name):
        drawn = {one: np.array([one in held]) for one in ATTRIBUTES}
        pair.append(render_person(drawn, seed=0, identity=person, side=SIDE).images[0])
    return pair


def main() -> None:
    """Draw to the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", type=Path, default=DEFAULT)
    path = parser.parse_args().path
    width, height = 2 * SIDE + GAP, SIDE + CAPTION + GAP
    rows = -(-len(ATTRIBUTES) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width - GAP, rows * height - GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    for place, name in enumerate(ATTRIBUTES):
        left, top = place % COLUMNS * width, place // COLUMNS * height
        for side, image in enumerate(draw_pair(name, PEOPLE[place % len(PEOPLE)])):
            sheet.paste(Image.fromarray(image), (left + side * SIDE, top))
        pen.text((left, top + SIDE), name.replace("_", " "), fill="#222222", font=font)
    sheet.save(path, quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main()
