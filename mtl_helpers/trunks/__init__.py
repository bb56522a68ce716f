"""Shared layers: every trunk turns images into one feature vector x by the same few verbs.

timm's networks stand in :mod:`mtl_helpers.trunks.timm_trunk`, imported by itself: timm takes longer
to import than the rest of the package.
"""

from mtl_helpers.trunks.casia import CASIANet
from mtl_helpers.trunks.protocol import MapTrunk, Stage, Trunk

__all__ = ["CASIANet", "MapTrunk", "Stage", "Trunk"]
