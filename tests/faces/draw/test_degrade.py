"""Blur, motion, noise and JPEG, against naive loops and known numbers."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_helpers.faces.draw.degrade import blur, jpeg, motion_blur, sensor_noise


@pytest.fixture
def picture():
    rng = np.random.default_rng(3)
    smooth = np.cumsum(np.cumsum(rng.normal(size=(20, 24, 3)), axis=0), axis=1)
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return (255 * smooth).astype(np.uint8)


def impulse(side=21):
    image = np.zeros((side, side), dtype=np.uint8)
    image[side // 2, side // 2] = 255
    return image


def moments(image):
    """Centre and covariance (x, y) of the light in a picture."""
    rows, columns = np.indices(image.shape)
    weights = image / image.sum()
    x, y = (weights * columns).sum(), (weights * rows).sum()
    offsets = np.stack([columns - x, rows - y])
    return (x, y), np.einsum("ihw,jhw,hw->ij", offsets, offsets, weights)


@pytest.mark.parametrize(
    "degrade",
    [
        lambda image: blur(image, 0),
        lambda image: motion_blur(image, 0, 30),
        lambda image: sensor_noise(image, 0, 1),
    ],
)
def test_nothing_at_strength_zero_but_a_copy(degrade, picture):
    same = degrade(picture)
    np.testing.assert_array_equal(same, picture)
    assert not np.shares_memory(same, picture)


@pytest.mark.parametrize(
    "degrade",
    [
        lambda image: blur(image, 1.3),
        lambda image: motion_blur(image, 4.5, 30),
        lambda image: sensor_noise(image, 3.0, 1),
        lambda image: jpeg(image, 60),
    ],
)
def test_shape_and_type_stay_and_the_original_is_untouched(degrade, picture):
    for image in (picture, picture[..., 0].copy()):
        before = image.copy()
        after = degrade(image)
        assert after.shape == image.shape and after.dtype == np.uint8
        assert after.flags.writeable
        assert (after != image).any()
        np.testing.assert_array_equal(image, before)
        np.testing.assert_array_equal(after, degrade(image))


def test_blur_is_convolution_with_a_gaussian(picture):
    sigma, reach = 1.2, 4
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps /= taps.sum()
    padded = np.pad(picture[..., 1].astype(float), reach, mode="edge")
    expected = np.zeros(picture.shape[:2])
    for row in range(expected.shape[0]):
        for column in range(expected.shape[1]):
            window = padded[row : row + 2 * reach + 1, column : column + 2 * reach + 1]
            expected[row, column] = taps @ window @ taps
    np.testing.assert_allclose(blur(picture, sigma)[..., 1], expected, atol=0.6)


@pytest.mark.parametrize("angle", [0, 35, 90, 140])
def test_motion_spreads_light_along_its_direction(angle):
    length = 7.0
    (x, y), covariance = moments(motion_blur(impulse(), length, angle).astype(float))
    assert (x, y) == pytest.approx((10, 10), abs=0.1)
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    along, across = direction @ covariance @ direction, covariance.trace()
    across -= along
    # a uniform line of length L has variance L^2 / 12; interpolation adds under 1/4 pixel^2
    assert along == pytest.approx(length**2 / 12, abs=1.0)
    assert across < 0.3


def test_noise_has_the_deviation_asked_for_and_its_own_seed():
    grey = np.full((200, 200), 128, dtype=np.uint8)
    difference = sensor_noise(grey, 4.0, [5, 1]).astype(float) - 128
    assert difference.mean() == pytest.approx(0, abs=0.1)
    assert difference.std() == pytest.approx(4.0, abs=0.1)
    other = sensor_noise(grey, 4.0, [5, 2]).astype(float) - 128
    assert abs(np.corrcoef(difference.ravel(), other.ravel())[0, 1]) < 0.03


def test_lower_jpeg_quality_is_farther_from_the_picture(picture):
    errors = [np.abs(jpeg(picture, q).astype(int) - picture).mean() for q in (90, 50, 10)]
    assert 0 < errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize("degrade", [blur, lambda image, _: jpeg(image, 50)])
def test_what_is_no_picture_is_refused(degrade):
    with pytest.raises(TypeError, match="uint8 picture, found float64"):
        degrade(np.zeros((4, 4)), 1.0)
    with pytest.raises(ValueError, match=r"found shape \(2, 4, 4\)"):
        degrade(np.zeros((2, 4, 4), dtype=np.uint8), 1.0)


def test_strengths_out_of_range_are_refused():
    image = impulse()
    with pytest.raises(ValueError, match="sigma must be finite and not negative, found -1"):
        blur(image, -1)
    with pytest.raises(ValueError, match="length must be finite"):
        motion_blur(image, float("nan"), 0)
    with pytest.raises(ValueError, match="quality from 1 to 95, found 0"):
        jpeg(image, 0)
