"""Fill the gallery of the page with the face, and measure its networks on the renderer's pictures.

Usage::

    python tools/measure_page_face.py [book/static/face]

The gallery has all test people of the laptop's ``pie``, each by one picture. The page draws some of
them itself; of the others ``crowd.safetensors`` has the feature that each network makes of the
picture, and ``crowd.webp`` the pictures, in rows.

``measured.json`` has each network's rank-1 in this gallery, with an interval over people, in
profile too, and how often it names pose, light and expression. The page says these numbers; a test
asks the page's own drawings, in a browser, and compares.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from build_page_face import FOLDER, LOOK, classes, page_people, strangers
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F
from train_page_networks import NETWORKS

from mtl_helpers.evaluation.identification import nearest_gallery
from mtl_helpers.faces.draw.render import identity_faces, render_vertices
from mtl_helpers.faces.model.expression import EXPRESSIONS
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import Identity
from mtl_helpers.faces.scene.appearance import skin_of
from mtl_helpers.faces.scene.cameras import PROFILE_YAW, YAW_CLASSES, Camera
from mtl_helpers.faces.scene.lights import FLASH_INTENSITY, Shot
from mtl_helpers.papers.yin2018.experiments.networks import SIDE_TASKS
from mtl_helpers.presets import get_preset
from mtl_helpers.training.batches import to_input

SCENES = (("neutral", -30.0), ("smile", 0.0))
"""Expression and yaw of the flash of the pictures that are asked about, at every yaw."""

SIDES = {"pos": "pose", "illum": "light", "exp": "expression"}

ENROLLED = ("neutral", 0.0)
"""The same of the gallery, whose heads are frontal."""

DRAWS = 2000
COLUMNS = 20
"""Pictures in a row of the crowd's sheet."""


def drawn(
    people: Sequence[Identity], scene: tuple[str, float], yaws: Sequence[float] = (0.0,)
) -> NDArray[np.uint8]:
    """Return the renderer's pictures of people (P, yaws, side, side)."""
    head, (expression, light) = HeadModel.load(), scene
    shot = Shot(7, 7, light, 0.0, FLASH_INTENSITY)
    return np.array(
        [
            [
                render_vertices(
                    head,
                    identity_faces(head, person, [expression], seed=0)[0],
                    skin=skin_of(person),
                    look=LOOK,
                    camera=Camera("05_1", yaw, 0.0, 0),
                    shot=shot,
                    side=get_preset("laptop").side,
                    channels=1,
                    supersample=2,
                )
                for yaw in yaws
            ]
            for person in people
        ]
    )


def answer(tensors: Mapping[str, Tensor], images: NDArray[np.uint8]) -> dict[str, Tensor]:
    """Return x (N, D) and the logits of each side task for pictures (N, side, side)."""
    numbers = {name: tensor.float() for name, tensor in tensors.items()}
    maps = to_input(torch.from_numpy(images))  # (N, 1, side, side)
    blocks = sum(name.endswith("conv1.bias") for name in numbers)
    for block in range(blocks):
        for which in (1, 2):
            layer = f"block{block}.conv{which}"
            maps = F.conv2d(maps, numbers[f"{layer}.weight"], numbers[f"{layer}.bias"], padding=1)
            if which == 1:
                maps = maps.relu()
        if block < blocks - 1:
            maps = F.max_pool2d(maps, 2, ceil_mode=True).relu()
    x = maps.mean(dim=(2, 3))  # (N, D)
    return {"x": x} | {
        task: F.linear(x, numbers[f"{task}.weight"], numbers[f"{task}.bias"]) for task in SIDE_TASKS
    }


def interval(by_person: NDArray[np.float64]) -> list[float]:
    """Return the 95 % interval of a mean over people (P,), who are drawn again and again."""
    rng = np.random.default_rng(0)
    means = by_person[rng.integers(0, len(by_person), (DRAWS, len(by_person)))].mean(axis=1)
    return [float(value) for value in np.quantile(means, [0.025, 0.975])]


def enrol(folder: Path) -> None:
    """Write the crowd's features and pictures."""
    pictures = drawn(strangers(), ENROLLED)[:, 0]  # (P, side, side)
    features = {
        name: answer(load_file(folder / f"{name}.safetensors"), pictures)["x"].half()
        for name in NETWORKS
    }
    save_file(features, folder / "crowd.safetensors")
    sheet(pictures).save(folder / "crowd.webp", quality=70, method=6)


def sheet(pictures: NDArray[np.uint8]) -> Image.Image:
    """Return pictures (P, side, side) in rows of :data:`COLUMNS`."""
    side = pictures.shape[1]
    rows = -(-len(pictures) // COLUMNS)
    whole = Image.new("L", (COLUMNS * side, rows * side))
    for place, picture in enumerate(pictures):
        row, column = divmod(place, COLUMNS)
        whole.paste(Image.fromarray(picture), (column * side, row * side))
    return whole


def measure(folder: Path) -> dict[str, object]:
    """Return what ``measured.json`` holds."""
    yaws = [float(yaw) for yaw in YAW_CLASSES]
    people = page_people()
    own = drawn(people, ENROLLED)[:, 0]  # (P, side, side)
    asked = np.stack([drawn(people, scene, yaws) for scene in SCENES], axis=1)
    shape = asked.shape[:3]  # (P, scenes, yaws)
    flat = asked.reshape(-1, *asked.shape[3:])
    profile = np.abs(yaws) >= PROFILE_YAW
    crowd = load_file(folder / "crowd.safetensors")
    # the classes that are right, each to be spread over (P, scenes, yaws)
    lights = [f"{light:.0f}°" for _, light in SCENES]
    asked_for = {
        "pos": np.arange(len(yaws)),
        "illum": np.array([[classes()["illum"].index(light)] for light in lights]),
        "exp": np.array([[EXPRESSIONS.index(expression)] for expression, _ in SCENES]),
    }
    found = {}
    for name in NETWORKS:
        tensors = load_file(folder / f"{name}.safetensors")
        said = answer(tensors, flat)
        gallery = torch.cat([answer(tensors, own)["x"], crowd[name].float()])
        nearest = nearest_gallery(gallery, said["x"]).numpy().reshape(shape)
        right = nearest == np.arange(len(people))[:, None, None]  # (P, scenes, yaws)
        named = {
            words: said[task].argmax(1).numpy().reshape(shape) == asked_for[task]
            for task, words in SIDES.items()
        }
        found[name] = {
            "rank1": float(right.mean()),
            "rank1 interval": interval(right.mean(axis=(1, 2))),
            "profile": float(right[:, :, profile].mean()),
            "profile interval": interval(right[:, :, profile].mean(axis=(1, 2))),
            **{words: float(each.mean()) for words, each in named.items()},
            **{
                f"{words} interval": interval(each.mean(axis=(1, 2)))
                for words, each in named.items()
            },
        }
    counts = {"people": len(people), "gallery": len(gallery), "pictures": len(flat)}
    return {**counts, "networks": found}


def main() -> None:
    """Enrol, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    enrol(folder)
    found = measure(folder)
    (folder / "measured.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
