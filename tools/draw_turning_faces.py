"""Draw three people who turn while the light goes round them, for the first page.

Usage::

    python tools/draw_turning_faces.py [book/static]

Two files are written: ``turning.webp``, which moves, and ``turning.jpg``, for readers who have
asked their machine for less motion.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from PIL import Image

from mtl_helpers.faces.draw.render import render_image
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import sample_identities
from mtl_helpers.faces.scene.cameras import Camera
from mtl_helpers.faces.scene.lights import FLASH_INTENSITY, Shot

FOLDER = Path(__file__).resolve().parent.parent / "book" / "static"
PEOPLE, EXPRESSIONS = (28, 18, 12), ("neutral", "smile", "surprise")
SIDE, FRAMES, MILLISECONDS = 220, 48, 70
FARTHEST_TURN, FARTHEST_LIGHT = 60.0, 70.0


def frame(head: HeadModel, place: float) -> Image.Image:
    """Return the picture at a place of the round, from 0 to 1."""
    turn, light = (math.sin(2 * math.pi * (place + lead)) for lead in (0.0, 0.25))
    # one name for all, so that what a camera's name draws stays the same
    camera = Camera("05_1", FARTHEST_TURN * turn, 0.0, 0)
    shot = Shot(7, 7, FARTHEST_LIGHT * light, 20.0, FLASH_INTENSITY)
    faces = [
        render_image(
            head,
            sample_identities(1, seed=0, start=number)[0],
            camera=camera,
            shot=shot,
            expression=expression,
            side=SIDE,
            channels=3,
            noise=0.0,
        )
        for number, expression in zip(PEOPLE, EXPRESSIONS, strict=True)
    ]
    return Image.fromarray(np.concatenate(faces, axis=1))


def draw(folder: Path) -> None:
    """Write both pictures."""
    head = HeadModel.load()
    frames = [frame(head, number / FRAMES) for number in range(FRAMES)]
    folder.mkdir(parents=True, exist_ok=True)
    first, *others = frames
    first.save(
        folder / "turning.webp",
        save_all=True,
        append_images=others,
        duration=MILLISECONDS,
        loop=0,
        quality=72,
        method=6,
    )
    frames[FRAMES // 8].save(folder / "turning.jpg", quality=85, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    draw(parser.parse_args().folder)


if __name__ == "__main__":
    main()
