"""The rendered corpora by name: their specifications, which lead to all else.

``CORPORA["pie"].from_preset(preset)`` is a specification, `load_corpus` opens it, and its
``make_part`` renders one identity.
"""

from __future__ import annotations

from collections.abc import Mapping

from mtl_helpers.faces.corpora.attributes import AttributesSpec
from mtl_helpers.faces.corpora.caricature import CaricatureSpec
from mtl_helpers.faces.corpora.pie import PieSpec
from mtl_helpers.faces.corpora.rendered import RenderedSpec, load_corpus
from mtl_helpers.faces.corpora.wild import WildSpec

__all__ = ["CORPORA", "load_corpus"]

CORPORA: Mapping[str, type[RenderedSpec]] = {
    spec.name: spec for spec in (PieSpec, WildSpec, CaricatureSpec, AttributesSpec)
}
"""The corpora, in the order of the course."""
