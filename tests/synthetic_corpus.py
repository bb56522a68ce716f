"""A small corpus of noise patterns that sum, with the interface of the rendered one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np


class SyntheticCorpus:
    """Every combination of identity, pose, illumination and expression, once.

    An image is the sum of one fixed pattern for each factor level. The last four identities are
    the test split.
    """

    def __init__(self, train=6, side=32, channels=1, seed=0):
        rng = np.random.default_rng(seed)
        levels = (train + 4, 5, 3, 2)
        strengths = (40, 30, 20, 20)
        shape = (side, side) if channels == 1 else (side, side, channels)
        self.factors = np.stack(
            np.meshgrid(*(np.arange(n) for n in levels), indexing="ij"), axis=-1
        ).reshape(-1, 4)
        pixels = np.full((len(self.factors), *shape), 128.0)
        for column, (count, strength) in enumerate(zip(levels, strengths, strict=True)):
            patterns = rng.normal(0, strength, (count, *shape))
            pixels += patterns[self.factors[:, column]]
        self.images = np.clip(pixels, 0, 255).astype(np.uint8)
        self.train = train
        self.class_counts = {"id": train, "pos": 5, "illum": 3, "exp": 2}
        self.yaw_degrees = (-60, -30, 0, 30, 60)
        self.spec = SimpleNamespace(cameras=range(5), shots=range(3), expressions=range(2))

    def __len__(self):
        return len(self.factors)

    def labels(self, index):
        columns = self.factors[np.asarray(index)].T
        return dict(zip(("id", "pos", "illum", "exp"), columns, strict=True))

    def split(self, name):
        is_train = self.factors[:, 0] < self.train
        return np.flatnonzero(is_train if name == "train" else ~is_train)

    def gallery(self, split):
        index = self.split(split)
        return index[(self.factors[index, 1:] == (2, 1, 0)).all(axis=1)]

    def probes(self, split):
        return np.setdiff1d(self.split(split), self.gallery(split))
