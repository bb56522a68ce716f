"""The rendered corpora by name.

Every corpus module has the same few parts: a frozen specification from which every byte follows, a
corpus class that reads it from the cache, a function that loads (and first builds) it, and
``make_part``, which renders one part of it. `CORPORA` lists them, for whatever works on any of
them: the command line, the stream of `mtl_helpers.faces.corpora.stream`, the contact sheets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mtl_helpers.faces.corpora import attributes, caricature, pie, wild
from mtl_helpers.presets import Preset
from mtl_helpers.store import Layout

__all__ = ["CORPORA", "CorpusKind", "Spec", "kind_of", "load_corpus"]


class Spec(Protocol):
    """What every specification has."""

    def __len__(self) -> int:
        """Return the number of pictures."""
        ...

    @property
    def side(self) -> int:
        """Image side in pixels."""
        ...

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        ...

    @property
    def seed(self) -> int:
        """Key of everything that is drawn at random."""
        ...

    @property
    def version(self) -> int:
        """Version of the pixels."""
        ...

    @property
    def class_counts(self) -> Mapping[str, int]:
        """Number of classes by task; of identities, those to train on."""
        ...

    def layout(self) -> Layout:
        """Return how the corpus lies in the cache."""
        ...


@dataclass(frozen=True)
class CorpusKind:
    """One of the corpora.

    Parameters
    ----------
    name
        Its name, also that of its directory in the cache.
    spec
        Class of its specification.
    corpus
        Class of the corpus: ``corpus(spec, store)``.
    load
        Opens it, rendering it first if it is not in the cache: ``load(spec_or_preset, ...)``.
    make_part
        Renders one part: ``make_part(spec, part, device)``.
    version
        Version of the pixels that the code renders.
    """

    name: str
    spec: Any
    corpus: Any
    load: Callable[..., Any]
    make_part: Callable[..., Mapping[str, np.ndarray]]
    version: int

    def from_preset(self, preset: Preset, *, seed: int = 0) -> Any:
        """Return the specification of a preset's corpus."""
        return self.spec.from_preset(preset, seed=seed)


CORPORA: Mapping[str, CorpusKind] = {
    kind.name: kind
    for kind in (
        CorpusKind(
            name="pie",
            spec=pie.PieSpec,
            corpus=pie.PieCorpus,
            load=pie.load_pie,
            make_part=pie.make_part,
            version=pie.PIE_VERSION,
        ),
        CorpusKind(
            name="wild",
            spec=wild.WildSpec,
            corpus=wild.WildCorpus,
            load=wild.load_wild,
            make_part=wild.make_part,
            version=wild.WILD_VERSION,
        ),
        CorpusKind(
            name="caricature",
            spec=caricature.CaricatureSpec,
            corpus=caricature.CaricatureCorpus,
            load=caricature.load_caricature,
            make_part=caricature.make_part,
            version=caricature.CARICATURE_VERSION,
        ),
        CorpusKind(
            name="attributes",
            spec=attributes.AttributesSpec,
            corpus=attributes.AttributesCorpus,
            load=attributes.load_attributes,
            make_part=attributes.make_part,
            version=attributes.ATTRIBUTES_VERSION,
        ),
    )
}
"""The corpora, in the order of the course."""


def kind_of(spec: Any) -> CorpusKind:
    """Return which corpus a specification is of.

    Raises
    ------
    TypeError
        If it is of none.
    """
    for kind in CORPORA.values():
        if isinstance(spec, kind.spec):
            return kind
    known = ", ".join(kind.spec.__name__ for kind in CORPORA.values())
    raise TypeError(
        f"Expected the specification of a corpus ({known}), found {type(spec).__name__}; make one "
        "with from_preset."
    )


def load_corpus(
    spec: Any,
    processes: int | None = None,
    progress: bool = True,
    *,
    root: Path | None = None,
    repair: bool = False,
) -> Any:
    """Open any corpus by its specification, rendering it into the cache first if need be.

    Parameters
    ----------
    spec
        A specification of one of :data:`CORPORA`.
    processes, progress, root, repair
        As for :func:`mtl_helpers.faces.corpora.pie.load_pie`.

    Raises
    ------
    TypeError
        If the specification is of no known corpus.
    CacheError
        As for :func:`mtl_helpers.faces.corpora.pie.load_pie`.
    """
    return kind_of(spec).load(spec, processes, progress, root=root, repair=repair)
