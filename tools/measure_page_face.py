"""Measure the page's networks on the renderer's pictures of the page's people.

Usage::

    python tools/measure_page_face.py [book/static/face]

Writes ``measured.json``: for each network its rank-1 among the page's people, with an interval over
people, in profile too, and how often it names the pose. The page says these numbers; a test asks
the page's own drawings, in a browser, and compares.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from build_page_face import FOLDER, LOOK, page_people
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F
from train_page_networks import NETWORKS

from mtl_helpers.evaluation.identification import nearest_gallery
from mtl_helpers.faces.draw.render import identity_faces, render_vertices
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.scene.appearance import skin_of
from mtl_helpers.faces.scene.cameras import PROFILE_YAW, YAW_CLASSES, Camera
from mtl_helpers.faces.scene.lights import FLASH_INTENSITY, Shot
from mtl_helpers.papers.yin2018.experiments.networks import SIDE_TASKS
from mtl_helpers.presets import get_preset
from mtl_helpers.training.batches import to_input

SCENES = (("neutral", -30.0), ("smile", 0.0))
"""Expression and yaw of the flash of the pictures that are asked about, at every yaw."""

ENROLLED = ("neutral", 0.0)
"""The same of the gallery, whose heads are frontal."""

DRAWS = 2000


def drawn(scene: tuple[str, float], yaws: tuple[float, ...]) -> NDArray[np.uint8]:
    """Return the renderer's pictures of the page's people (P, yaws, side, side)."""
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
            for person in page_people()
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


def measure(folder: Path) -> dict[str, object]:
    """Return what `measured.json` holds."""
    yaws = tuple(float(yaw) for yaw in YAW_CLASSES)
    gallery = drawn(ENROLLED, (0.0,))[:, 0]  # (P, side, side)
    asked = np.stack([drawn(scene, yaws) for scene in SCENES], axis=1)  # (P, scenes, yaws, ...)
    people, shape = len(gallery), asked.shape[:3]
    flat = asked.reshape(-1, *asked.shape[3:])
    profile = np.abs(yaws) >= PROFILE_YAW
    found = {}
    for name in NETWORKS:
        tensors = load_file(folder / f"{name}.safetensors")
        said = answer(tensors, flat)
        nearest = nearest_gallery(answer(tensors, gallery)["x"], said["x"]).numpy().reshape(shape)
        right = nearest == np.arange(people)[:, None, None]  # (P, scenes, yaws)
        pose = said["pos"].argmax(1).numpy().reshape(shape) == np.arange(len(yaws))
        found[name] = {
            "rank1": float(right.mean()),
            "interval": interval(right.mean(axis=(1, 2))),
            "profile": float(right[:, :, profile].mean()),
            "profile interval": interval(right[:, :, profile].mean(axis=(1, 2))),
            "pose": float(pose.mean()),
        }
    return {"people": people, "pictures": len(flat), "networks": found}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    found = measure(folder)
    (folder / "measured.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
