"""The registry of experiments and of the claims that they test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtl_helpers.claims import Claim
    from mtl_helpers.sweep import Experiment

__all__ = ["CLAIMS", "EXPERIMENTS"]

EXPERIMENTS: dict[str, Experiment] = {}
CLAIMS: dict[str, Claim] = {}
