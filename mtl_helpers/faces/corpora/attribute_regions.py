"""Where in a picture an attribute is seen: the renderer knows, sample by sample.

Nothing of it is stored with the ``attributes`` corpus: the pictures that are asked for are staged
once more and only their hits are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.faces.corpora.attributes import ATTRIBUTES, AttributesSpec
from mtl_helpers.faces.scene.appearance import MATERIAL_NAMES

__all__ = ["REGIONS", "Region", "attribute_regions"]


@dataclass(frozen=True)
class Region:
    """What of a picture an attribute is about.

    Parameters
    ----------
    words
        What it is, in a word or two; attributes of the same words have the same region.
    materials
        Names of materials of the renderer.
    parts
        Names of parts of the face: ``"whole nose"``, or those of
        :func:`mtl_helpers.faces.corpora.measures.face_parts`.
    """

    words: str
    materials: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


_WHOLE_NOSE: Final = "whole nose"
_NOSE: Final = Region("nose", parts=(_WHOLE_NOSE,))
_LIPS: Final = Region("lips", ("lip",))
_MOUTH: Final = Region("mouth", ("lip", "mouth", "teeth", "tongue"))
_BROWS: Final = Region("brows", ("brow",))
_HAIR: Final = Region("hair", ("hair",))

REGIONS: Final[Mapping[str, Region]] = {
    "Big_Nose": _NOSE,
    "Pointy_Nose": _NOSE,
    "Big_Lips": _LIPS,
    "Wearing_Lipstick": _LIPS,
    "Smiling": _MOUTH,
    "Mouth_Slightly_Open": _MOUTH,
    "Arched_Eyebrows": _BROWS,
    "Bushy_Eyebrows": _BROWS,
    "Bags_Under_Eyes": Region("under the eyes", parts=("under eye",)),
    "Narrow_Eyes": Region("eyes", ("eye",), ("lids",)),
    "Heavy_Makeup": Region("lids", parts=("lids",)),
    "Eyeglasses": Region("glasses", ("glasses", "lens")),
    "Rosy_Cheeks": Region("blush", parts=("blush",)),
    "Black_Hair": _HAIR,
    "Blond_Hair": _HAIR,
    "Brown_Hair": _HAIR,
    "Gray_Hair": _HAIR,
    "Bangs": _HAIR,
    "Bald": Region("crown", parts=("crown",)),
    "Receding_Hairline": Region("temples", parts=("temple",)),
    "Wearing_Hat": Region("hat", ("hat",)),
    "Wearing_Earrings": Region("earrings", ("jewel",)),
    "Wearing_Necklace": Region("necklace", ("jewel",)),
    "Wearing_Necktie": Region("tie", ("tie",)),
    "5_o_Clock_Shadow": Region("jaw", parts=("jaw", "chin", "moustache")),
    "Mustache": Region("moustache", parts=("moustache",)),
    "Goatee": Region("chin", parts=("chin",)),
    "Sideburns": Region("sideburns", parts=("right sideburn", "left sideburn")),
}
"""The region of each attribute that has one. Those of the whole face and its outline have none
(Male, Young, Pale_Skin, Oval_Face, Chubby, High_Cheekbones), nor has what is not there (No_Beard,
Blurry)."""

_LOWER_LIP = 40  # of the 51 landmarks


def attribute_regions(
    spec: AttributesSpec, identity: int, places: ArrayLike, *, device: str = "cpu"
) -> dict[str, NDArray[np.bool_]]:
    """Return where the attributes of :data:`REGIONS` are seen in pictures of a person.

    Parameters
    ----------
    identity
        Number in the corpus.
    places
        (n,) which of the person's pictures, each in 0 .. ``spec.pictures`` - 1.

    Returns
    -------
    dict
        By attribute (n, side, side): a pixel is inside if the ray through its centre hits the
        region. What is hidden is not, and where the attribute does not hold there may be none.
    """
    # a corpus that is already there needs no renderer
    from mtl_helpers.faces.corpora.attribute_drivers import stage_person
    from mtl_helpers.faces.corpora.measures import face_parts
    from mtl_helpers.faces.draw.scenes import render_scenes
    from mtl_helpers.faces.scene.appearance import paint_coordinates

    number = spec.first_identity + identity
    drawn = spec.graph.sample(spec.seed, number, spec.pictures)  # (P, T)
    staged = stage_person(
        dict(zip(ATTRIBUTES, drawn.T.astype(bool), strict=True)),
        seed=spec.seed,
        identity=number,
        device=device,
    )
    chosen = np.asarray(places, dtype=np.int64)
    rendered = render_scenes(
        staged.head,
        staged.vertices[chosen],
        [staged.scenes[place] for place in chosen],
        side=spec.side,
        channels=3,
        device=device,
        supersample=1,
        record=True,
    )
    assert rendered.record is not None
    material, triangle = rendered.record.material, rendered.record.triangle  # (n, S, S) each
    faces = staged.head.faces.cpu().numpy()  # (F, 3)
    # below the head's own triangles stand those of what is worn; -1 is the backdrop
    on_head = (triangle >= 0) & (triangle < len(faces))
    x, y, z = paint_coordinates(staged.head).numpy().T
    # the bridge, whose colour is measured, and below it the wings and the tip
    nose = (np.abs(x) < np.where(z > -0.4, 0.16, 0.32)) & (z > -0.84) & (z < 0.1) & (y < 0)
    parts = {}
    for name, vertices in {
        **face_parts(staged.head),
        _WHOLE_NOSE: np.flatnonzero(nose),
    }.items():
        inside = np.isin(faces, vertices).sum(axis=1) >= 2  # (F,)
        parts[name] = on_head & inside[np.where(on_head, triangle, 0)]
    found = {}
    for name, region in REGIONS.items():
        mask = np.isin(material, [MATERIAL_NAMES.index(m) for m in region.materials])
        for part in region.parts:
            mask |= parts[part]
        found[name] = mask
    # an ear lobe is above the lips, a neck below
    below = np.arange(spec.side)[None, :, None] > rendered.landmarks[:, _LOWER_LIP, 1, None, None]
    found["Wearing_Earrings"] &= ~below
    found["Wearing_Necklace"] &= below
    return found
