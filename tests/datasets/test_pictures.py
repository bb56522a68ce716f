"""Pictures of every kind come out in 8 bits and upright, or are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixture_sets.files import truncate
from PIL import Image, ImageFile

from mtl_helpers.datasets.pictures import IMAGE_SUFFIXES, decode


@pytest.fixture
def ramp() -> np.ndarray:
    """(6, 8) uint8, every value another, so that a turn or a shift shows."""
    return (np.arange(48, dtype=np.uint8) * 5).reshape(6, 8)


def pixels(path: Path, channels: int = 1) -> np.ndarray:
    picture = decode(path, channels)
    assert picture.mode == ("L" if channels == 1 else "RGB")
    return np.asarray(picture)


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bits_are_scaled_to_8(tmp_path: Path, ramp, suffix):
    wide = ramp.astype(np.uint16) * 257
    path = saved(tmp_path / f"a{suffix}", Image.fromarray(wide))
    np.testing.assert_array_equal(pixels(path), ramp)
    np.testing.assert_array_equal(pixels(path, 3), np.stack([ramp] * 3, axis=-1))


@pytest.mark.parametrize(
    ("factor", "dtype"), [(1 / 255, np.float32), (1, np.float32), (257, np.int32)]
)
def test_floats_and_whole_numbers_of_32_bits_are_scaled(tmp_path: Path, ramp, factor, dtype):
    path = saved(tmp_path / "a.tif", Image.fromarray((ramp.astype(float) * factor).astype(dtype)))
    np.testing.assert_array_equal(pixels(path), ramp)


@pytest.mark.parametrize("value", [-1, 70000, np.nan])
def test_values_of_no_known_range_are_refused(tmp_path: Path, ramp, value):
    values = ramp.astype(np.float32)
    values[0, 0] = value
    path = saved(tmp_path / "a.tif", Image.fromarray(values))
    with pytest.raises(ValueError, match="its values run from"):
        decode(path, 1)


TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).T,
    8: lambda a: np.rot90(a, 1),
}
"""What each EXIF orientation asks a viewer to do with the stored rows."""


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_picture_is_turned_upright(tmp_path: Path, ramp, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"a{suffix}", Image.fromarray(ramp), exif=exif)
    np.testing.assert_array_equal(pixels(path), TURNS[orientation](ramp))


def test_a_jpeg_is_turned_upright_and_a_broken_note_is_no_reason(tmp_path: Path):
    image = Image.new("RGB", (32, 16))
    image.paste((255, 255, 255), (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = pixels(saved(tmp_path / "a.jpg", image, exif=exif))
    assert turned.shape == (32, 16) and turned[:12].min() > 200 and turned[20:].max() < 50
    broken = pixels(saved(tmp_path / "b.jpg", image, exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))
    assert broken.shape == (16, 32)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_black(tmp_path: Path, mode):
    image = Image.new("RGBA", (4, 2), (200, 200, 200, 255))
    image.paste((200, 200, 200, 0), (0, 0, 2, 2))
    options = {}
    if mode == "P":
        image = image.convert("RGB").quantize(4)
        image.putpixel((0, 0), 1), image.putpixel((1, 0), 1)
        image.putpixel((0, 1), 1), image.putpixel((1, 1), 1)
        options["transparency"] = 1
    else:
        image = image.convert(mode)
    for channels in (1, 3):
        found = pixels(saved(tmp_path / "a.png", image, **options), channels)
        assert not found[:, :2].any()
        assert (found[:, 2:] >= 199).all()


def test_palettes_one_bit_and_cmyk_keep_their_colours(tmp_path: Path):
    colours = np.zeros((2, 4, 3), np.uint8)
    colours[:, :2], colours[:, 2:] = (255, 0, 0), (0, 0, 255)
    image = Image.fromarray(colours)
    np.testing.assert_array_equal(pixels(saved(tmp_path / "p.png", image.quantize(4)), 3), colours)
    np.testing.assert_array_equal(
        pixels(saved(tmp_path / "c.tif", image.convert("CMYK")), 3), colours
    )
    bits = Image.fromarray(np.eye(4, dtype=bool))
    np.testing.assert_array_equal(pixels(saved(tmp_path / "1.png", bits)), np.eye(4) * 255)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".tif", ".webp"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path, suffix):
    frames = [Image.new("L", (8, 8), value) for value in (40, 200)]
    options = {"lossless": True} if suffix == ".webp" else {}
    path = saved(
        tmp_path / f"a{suffix}", frames[0], save_all=True, append_images=frames[1:], **options
    )
    assert abs(pixels(path).astype(int) - 40).max() <= 1


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif", ".gif", ".webp", ".ppm"])
@pytest.mark.parametrize("lenient", [False, True])
def test_half_a_picture_is_no_picture(tmp_path: Path, monkeypatch, suffix, lenient):
    assert suffix in IMAGE_SUFFIXES
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = saved(tmp_path / f"a{suffix}", Image.fromarray(noise))
    decode(path, 3)
    truncate(path)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    with pytest.raises((OSError, ValueError, SyntaxError, EOFError)):
        decode(path, 3)


def test_a_file_is_told_by_its_content_and_not_by_its_ending(tmp_path: Path, ramp):
    path = saved(tmp_path / "a.jpg", Image.fromarray(ramp), format="PNG")
    np.testing.assert_array_equal(pixels(path), ramp)
