"""Warp kernel of pictures that each have lights of their own: a developer for coloured lights.

It stands beside `mtl_helpers.faces.draw.kernels`, whose words it uses.
"""

# Kernels are written in warp's language, whose arrays, loops and numbers mypy does not know.
# mypy: ignore-errors

from __future__ import annotations

import warp as wp

from mtl_helpers.faces.draw.kernels import level, tone

# As for the renderer's own kernels: the same rounding on every machine.
wp.set_module_options({"cpu_compiler_flags": "", "enable_backward": False})


@wp.kernel
def develop_scene(
    linear: wp.array3d[wp.vec3],
    strengths: wp.array[wp.vec3],
    exposure: float,
    power: float,
    noise: float,
    noise_seed: int,
    images: wp.array2d[wp.uint8],
):
    """Sum a picture's lights, each with its colour, apply the tone curve, add noise."""
    pixel = wp.tid()
    x = wp.vec3(0.0, 0.0, 0.0)
    for light in range(strengths.shape[0]):
        x = x + wp.cw_mul(linear[0, pixel, light], strengths[light])
    channels = images.shape[1]
    if channels == 1:
        x[0] = 0.2126 * x[0] + 0.7152 * x[1] + 0.0722 * x[2]
    for channel in range(channels):
        grain = wp.float32(0.0)
        if noise > 0.0:
            # the sum of two uniform halves has a triangular density of variance 1/6
            bits = wp.rand_init(noise_seed, pixel * channels + channel)
            halves = float(bits & wp.uint32(65535)) + float(bits >> wp.uint32(16))
            grain = noise * 2.4494897 * (halves / 65535.0 - 1.0)
        images[pixel, channel] = level(tone(x[channel], exposure, power) + grain)
