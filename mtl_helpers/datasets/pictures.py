"""Decoding pictures of every kind to 8 bits, grey or RGB, the right way up."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps

__all__ = ["IMAGE_SUFFIXES", "decode"]

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm"),
    *(".tif", ".tiff", ".webp", ".gif"),
)
"""Endings of pictures, in lower case; what a file holds is told by its content."""


def decode(path: Path, channels: int) -> Image.Image:
    """Return a picture in mode ``L`` (1 channel) or ``RGB`` (3).

    It is turned upright as its EXIF orientation says; 16 bits and floats in 0 .. 1 are scaled to 8
    bits; what is transparent is black, as is what lies outside a picture; of an animation or a
    file with pages, the first is taken.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        # another library's wish, for which half a picture would be taken for a whole one
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    # from memory: Pillow 13 scrambles a turned TIFF that it maps from a file
    with Image.open(io.BytesIO(path.read_bytes())) as opened:
        opened.load()
        picture = _upright(opened)
        if picture.mode in ("F", "I") or picture.mode.startswith("I;16"):
            picture = _to_bytes(picture)
        if picture.has_transparency_data:
            layer = picture.convert("RGBA")
            picture = Image.new("RGB", layer.size)
            picture.paste(layer, mask=layer.getchannel("A"))
        return picture.convert("L" if channels == 1 else "RGB")


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # a picture is not refused for a broken note beside its pixels
        return picture


def _to_bytes(picture: Image.Image) -> Image.Image:
    """Scale a grey picture of more than 8 bits."""
    values = np.asarray(picture).astype(np.float64)
    low, high = values.min(), values.max()
    if picture.mode == "F" and low >= 0 and high <= 1:
        scale = 255.0
    elif picture.mode == "F" and low >= 0 and high <= 255:
        scale = 1.0
    elif picture.mode != "F" and low >= 0 and high <= 65535:
        scale = 255 / 65535
    else:
        raise ValueError(
            f"its values run from {low:g} to {high:g}, not within 0 to 1 or 255 (floats) or 0 to "
            "65535 (whole numbers)"
        )
    return Image.fromarray(np.round(values * scale).astype(np.uint8))
