"""Writing pictures and lists, and spoiling them, as every set's folder here does."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def picture(path: Path, *key: int, size: tuple[int, int] = (40, 48), channels: int = 3) -> Path:
    """Write a picture of soft blobs, which depends on the key alone; size is (height, width)."""
    rng = np.random.default_rng([2024, *key])
    coarse = rng.integers(0, 256, (5, 6, channels), dtype=np.uint8)
    image = Image.fromarray(coarse if channels == 3 else coarse[..., 0])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.resize(size[::-1], Image.Resampling.BICUBIC).save(path)
    return path


def colour_of(name: str) -> tuple[int, int, int]:
    """Return the colour of the patch in the middle of the picture of this name."""
    code = zlib.crc32(name.encode())
    return tuple(40 + (code >> shift) % 176 for shift in (0, 8, 16))


def write_picture(path: Path, width: int = 40, height: int = 48) -> None:
    """Write a picture whose central patch has the colour of its file name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)[None, :]
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    pixels[..., 2] = 128
    top, left = height // 4, width // 4
    pixels[top : height - top, left : width - left] = colour_of(path.name)
    Image.fromarray(pixels).save(path, quality=95)


def litter(root: Path) -> None:
    """Leave behind what operating systems leave behind: files and folders, beside pictures."""
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "._1.jpg", "._1.txt"):
            (folder / name).write_bytes(b"\0 no picture")
        for name in ("__MACOSX", "@eaDir", ".ipynb_checkpoints"):
            (folder / name).mkdir()
            (folder / name / "1.jpg").write_bytes(b"\0 no picture")


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a table with commas."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def truncate(path: Path, share: float = 0.5) -> None:
    """Cut the end of a file off."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
