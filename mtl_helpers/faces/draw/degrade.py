"""What a camera and the web do to a picture: blur, motion, noise, JPEG.

Each function takes one uint8 picture, (H, W) or (H, W, 3), and returns a new one of the same shape.
None draws anything at random but :func:`sensor_noise`, whose seed is an argument.

In a photograph the steps come in this order: blur of the lens, motion, noise of the sensor, and
then the file format.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

__all__ = ["blur", "jpeg", "motion_blur", "sensor_noise"]

_NOISE_STREAM = 0x6E6F6973


def blur(image: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Blur as a lens out of focus does, by a Gaussian.

    Parameters
    ----------
    image
        (H, W) or (H, W, 3), uint8.
    sigma
        Standard deviation in pixels; 0 returns the picture as it is.
    """
    _check(image)
    _check_amount("sigma", sigma)
    if sigma == 0:
        return image.copy()
    blurred = ndimage.gaussian_filter(
        image.astype(np.float32), sigma, axes=(0, 1), mode="nearest", truncate=3.0
    )
    return _bytes(blurred)


def motion_blur(image: NDArray[np.uint8], length: float, angle_deg: float) -> NDArray[np.uint8]:
    """Blur along a line, as when the camera moves while the shutter is open.

    Parameters
    ----------
    image
        (H, W) or (H, W, 3), uint8.
    length
        Length of the way in pixels; 0 returns the picture as it is.
    angle_deg
        Its direction: 0 is along the rows, 90 along the columns.
    """
    _check(image)
    _check_amount("length", length)
    if length == 0:
        return image.copy()
    kernel = _line(length, angle_deg)
    if image.ndim == 3:
        kernel = kernel[..., None]
    return _bytes(ndimage.convolve(image.astype(np.float32), kernel, mode="nearest"))


def sensor_noise(
    image: NDArray[np.uint8], deviation: float, seed: int | Sequence[int]
) -> NDArray[np.uint8]:
    """Add independent normal noise to every value.

    Parameters
    ----------
    image
        (H, W) or (H, W, 3), uint8.
    deviation
        Standard deviation in grey levels; 0 returns the picture as it is.
    seed
        Key of the noise: the same key gives the same noise.
    """
    _check(image)
    _check_amount("deviation", deviation)
    if deviation == 0:
        return image.copy()
    key = [seed] if isinstance(seed, int) else list(seed)
    rng = np.random.default_rng([_NOISE_STREAM, *key])
    return _bytes(image + deviation * rng.standard_normal(image.shape, dtype=np.float32))


def jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Write a picture as JPEG and read it again.

    Parameters
    ----------
    image
        (H, W) or (H, W, 3), uint8.
    quality
        Pillow's scale, 1 (worst) to 95.

    Note
    ----
    Two versions of libjpeg may differ by a grey level.
    """
    _check(image)
    if not 1 <= quality <= 95:
        raise ValueError(f"Expected a JPEG quality from 1 to 95, found {quality!r}; correct it.")
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=int(quality))
    return np.array(Image.open(file))


def _line(length: float, angle_deg: float) -> NDArray[np.float32]:
    """A line of that length through the middle of a small square, as weights that sum to 1."""
    reach = math.ceil(length / 2)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.float32)
    angle = math.radians(angle_deg)
    for t in np.linspace(-length / 2, length / 2, 4 * reach + 1):
        x, y = reach + t * math.cos(angle), reach + t * math.sin(angle)
        left, top = min(int(x), 2 * reach - 1), min(int(y), 2 * reach - 1)
        right, down = x - left, y - top
        kernel[top, left] += (1 - right) * (1 - down)
        kernel[top, left + 1] += right * (1 - down)
        kernel[top + 1, left] += (1 - right) * down
        kernel[top + 1, left + 1] += right * down
    return kernel / kernel.sum()


def _check(image: NDArray[np.uint8]) -> None:
    if image.dtype != np.uint8:
        raise TypeError(f"Expected a uint8 picture, found {image.dtype}; convert it first.")
    if image.ndim != 2 and not (image.ndim == 3 and image.shape[2] == 3):
        raise ValueError(
            f"Expected one picture (H, W) or (H, W, 3), found shape {image.shape}; index a batch."
        )


def _check_amount(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be finite and not negative, found {value}.")


def _bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
