"""The wardrobe: hair shapes, lashes, glasses, hats and jewels as triangles on the head's template.

Every part is built once, on the template and in paint coordinates (see
`mtl_helpers.faces.scene.appearance`), from a few curves: no model of hair or hats is shipped. Each
vertex is bound to three vertices of the head or its collar and keeps its offset from them, so the
part follows an identity's shape and its expressions. A picture's `Look` says which parts it shows
(`worn_parts`), how full and how long the hair is, and whether a hat presses it down.

Hair is a sheet of columns that run from a parting or the crown to the tips. What the painter gets
as the place of a point of hair is (a, b, t): (a, b) stays the same along a strand, and t runs from
0 at the root to 1 at the tip, where the rasteriser cuts the sheet into strands.
"""

from mtl_helpers.faces.draw.wardrobe.glasses import glasses_front
from mtl_helpers.faces.draw.wardrobe.hats import HAT_BRIM
from mtl_helpers.faces.draw.wardrobe.parts import (
    CASTERS,
    Part,
    Wardrobe,
    build_wardrobe,
    worn_parts,
)
from mtl_helpers.faces.draw.wardrobe.pieces import Template

__all__ = [
    "CASTERS",
    "HAT_BRIM",
    "Part",
    "Template",
    "Wardrobe",
    "build_wardrobe",
    "glasses_front",
    "worn_parts",
]
