"""Draw the landmark sets on rendered faces, to be checked by eye.

Usage::

    python tools/draw_landmarks.py [book/images/landmarks.png]
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image

from mtl_helpers.faces.draw.render import render_image
from mtl_helpers.faces.model.expression import identity_expression
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import Identity, sample_identities
from mtl_helpers.faces.model.landmarks import framing, landmarks
from mtl_helpers.faces.scene.cameras import project

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DEFAULT = Path(__file__).resolve().parent.parent / "book" / "images" / "landmarks.png"
SIDE = 480
PANELS = (
    # which set, identity of seed 0, camera, expression, the first number shown
    (51, 9, "05_1", "neutral", 18),
    (51, 16, "04_1", "scream", 18),
    (17, 8, "14_0", "neutral", 1),
    (5, 11, "13_0", "smile", 1),
)


def projected(
    head: HeadModel, person: Identity, which: int, camera: str, expression: str
) -> np.ndarray:
    """Return a set of landmarks of one picture, in pixels; (which, 2)."""
    shown = identity_expression(expression, seed=0, identity=person.index)
    vertices = head(torch.stack([person.coefficients, person.coefficients + shown]))
    framed = framing(vertices[:1]).apply(vertices[1:])
    return project(landmarks(framed, which)[0], camera, SIDE).numpy()


def draw(path: Path) -> None:
    """Write the picture to ``path``."""
    head = HeadModel.load()
    figure, axes = plt.subplots(2, 2, figsize=(10, 10), dpi=110, layout="constrained")
    for axis, (which, number, camera, expression, first) in zip(axes.flat, PANELS, strict=True):
        person = sample_identities(1, seed=0, start=number)[0]
        image = render_image(
            head, person, camera=camera, expression=expression, side=SIDE, channels=1
        )
        axis.imshow(image, cmap="gray", vmin=0, vmax=255, extent=(0, SIDE, SIDE, 0))
        points = projected(head, person, which, camera, expression)
        axis.plot(points[:, 0], points[:, 1], "o", ms=3.5, mfc="#ffdd00", mec="black", mew=0.5)
        for place, (x, y) in enumerate(points):
            axis.annotate(
                str(first + place),
                (x, y),
                xytext=(2.5, 2.5),
                textcoords="offset points",
                fontsize=7,
                color="black",
            )
        axis.set_title(f"{which} points, {expression}, camera {camera}", fontsize=10)
        axis.set_axis_off()
        if which == 51:
            low, high = points.min(0), points.max(0)
            middle, half = (low + high) / 2, (high - low).max() * 0.62
            axis.set_xlim(middle[0] - half, middle[0] + half)
            axis.set_ylim(middle[1] + half, middle[1] - half)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    # 64 colours keep the file small and the picture the same to the eye
    picture = Image.open(buffer).convert("RGB").quantize(64)
    picture.save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the landmark sets on rendered faces.")
    parser.add_argument("path", nargs="?", type=Path, default=DEFAULT)
    draw(parser.parse_args().path)


if __name__ == "__main__":
    main()
