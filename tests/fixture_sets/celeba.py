"""CelebA in the official folders or all in one; identities come in threes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fixture_sets.files import write_picture
from mtl_helpers.datasets.celeba import ATTRIBUTES


def celeba_values(count: int, seed: int = 0) -> np.ndarray:
    """Return attribute values (count, 40), -1 or 1."""
    return np.random.default_rng([seed, count]).choice([-1, 1], (count, len(ATTRIBUTES)))


def build_celeba(tmp: Path, count: int = 18, *, official: bool = True) -> Path:
    """Write CelebA's aligned pictures and its lists, in the official folders or in one.

    Identities come in threes, so that 18 pictures are of six people: four train, one each
    validates and tests.
    """
    root = tmp / "CelebA"
    names = [f"{number + 1:06d}.jpg" for number in range(count)]
    anno = root / "Anno" if official else root
    evaluation = root / "Eval" if official else root
    pictures = root / "Img" / "img_align_celeba" if official else root / "img_align_celeba"
    for folder in (anno, evaluation, pictures):
        folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_picture(pictures / name, 178, 218)
    values = celeba_values(count)
    rows = [
        f"{name} {' '.join(f'{v:2d}' for v in row)}"
        for name, row in zip(names, values, strict=True)
    ]
    (anno / "list_attr_celeba.txt").write_text(
        "\n".join([str(count), " ".join(ATTRIBUTES) + " ", *rows]) + "\n"
    )
    split = [
        0 if number < count * 2 // 3 else 1 if number < count * 5 // 6 else 2
        for number in range(count)
    ]
    (evaluation / "list_eval_partition.txt").write_text(
        "".join(f"{name} {part}\n" for name, part in zip(names, split, strict=True))
    )
    # Identity numbers of the set are neither dense nor in the order of the pictures.
    (anno / "identity_CelebA.txt").write_text(
        "".join(f"{name} {9000 - 7 * (number // 3)}\n" for number, name in enumerate(names))
    )
    header = (
        "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y "
        "leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
    )
    points = [
        f"{name}  69  {109 + n % 5}  106  113   77  142   73  152  108  154"
        for n, name in enumerate(names)
    ]
    (anno / "list_landmarks_align_celeba.txt").write_text(
        "\n".join([str(count), header, *points]) + "\n"
    )
    return root
