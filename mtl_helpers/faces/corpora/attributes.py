"""The ``attributes`` corpus: binary attributes drawn from a known task graph.

The names are CelebA's (Liu et al., 2015), the correlations are those of
:func:`mtl_helpers.faces.corpora.task_graphs.face_graph`, and what a label says is what a ruler
finds in the rendered picture (:mod:`mtl_helpers.faces.corpora.measures`), with a margin in which
there is no label. It serves Taherkhani et al. (2021): methods that learn how tasks belong together
can be compared with how they do.

Attributes of a person (the shape of the nose) are the same in all of the person's pictures;
attributes of a picture (a smile, a hat, the colour of the hair) are drawn anew for each, given the
person.

Every picture is drawn by generators keyed by the seed, the identity and the picture's place. An
identity's pictures are numbered one after the other, the identities' in order.

Note
----
CelebA has 40 attributes. Attractive is left out because it is nobody's measurable property;
Double_Chin, Straight_Hair and Wavy_Hair because a frontal picture of 64 pixels does not show what
the head model and the wardrobe can do about them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.corpus import PairList
from mtl_helpers.faces.corpora.rendered import (
    Pairs,
    RenderedCorpus,
    RenderedSpec,
    balanced_pairs,
    identities_in_folds,
    pairs_in_folds,
)
from mtl_helpers.faces.corpora.task_graphs import FACE_GROUPS, TaskGraph, face_graph
from mtl_helpers.presets import Preset
from mtl_helpers.store import Field, Store

__all__ = [
    "ATTRIBUTES",
    "ATTRIBUTES_VERSION",
    "FIRST_IDENTITY",
    "GROUPS",
    "AttributesCorpus",
    "AttributesSpec",
    "load_attributes",
]

ATTRIBUTES_VERSION = 1
"""Raised with every change of head, lights, paint, renderer, draws or measures that changes a pixel
or a label."""

FIRST_IDENTITY = 3_000_000
"""Number in the seed's population of this corpus's identity 0."""

GROUPS: Mapping[str, tuple[str, ...]] = FACE_GROUPS
"""The attributes by the groups of Hand and Chellappa (2017)."""

ATTRIBUTES: tuple[str, ...] = tuple(name for group in GROUPS.values() for name in group)
"""Names of the attributes, CelebA's, in the order of the groups."""

_STARVING_STREAM, _PAIR_STREAM = 0x73746172, 0x61707273
_FOLD_PAIRS = 300  # of each kind, as in LFW
_SIDE, _SIDES = 64, {"gpu": 128}
_USUAL_PICTURES, _PICTURES = 25, {"smoke": 12}


@dataclass(frozen=True)
class AttributesSpec(RenderedSpec):
    """All that decides an ``attributes`` corpus, byte for byte; beside what every corpus has:

    ``pictures`` of each identity, and ``strength``, the factor on the links of
    :func:`mtl_helpers.faces.corpora.task_graphs.face_graph`. ``starved`` pairs an attribute with
    the number of training pictures that keep its label (a mapping will do); those of all others are
    withheld, and no pixel changes, nor any label of another split. ``channels`` are 3 for RGB, or 1
    for grey, of the same pictures.
    """

    name = "attributes"
    first_identity = FIRST_IDENTITY
    least_side = 32  # the measures need to see something

    pictures: int
    strength: float = 1.0
    starved: tuple[tuple[str, int], ...] = ()
    side: int = field(default=_SIDE, kw_only=True)
    channels: int = field(default=3, kw_only=True)
    version: int = field(default=ATTRIBUTES_VERSION, kw_only=True)

    def __post_init__(self) -> None:
        """Check the values and bring them to plain, hashable types."""
        super().__post_init__()
        if self.pictures < 1:
            raise ValueError("A corpus needs at least one picture of each identity.")
        object.__setattr__(self, "strength", float(self.strength))
        starved = self.starved.items() if isinstance(self.starved, Mapping) else self.starved
        kept = {str(name): int(count) for name, count in starved}
        unknown = sorted(set(kept) - set(ATTRIBUTES))
        if unknown or min(kept.values(), default=0) < 0:
            raise ValueError(
                "starved must map attributes to numbers of at least 0, found "
                f"{kept}; the attributes are {', '.join(ATTRIBUTES)}."
            )
        object.__setattr__(self, "starved", tuple(sorted(kept.items())))
        face_graph(self.strength)  # refuses a strength that no graph can have

    @classmethod
    def from_preset(
        cls,
        preset: Preset,
        *,
        seed: int = 0,
        strength: float = 1.0,
        starved: Mapping[str, int] | None = None,
    ) -> AttributesSpec:
        """Return the specification of a preset's corpus; other seeds give other people.

        An identity has 25 pictures, at the preset ``smoke`` 12. Pictures have 64 pixels per side,
        at ``gpu`` 128, and are in colour: hair and lips have one.
        """
        return cls(
            **cls.identity_counts(preset),
            pictures=_PICTURES.get(preset.name, _USUAL_PICTURES),
            strength=strength,
            starved=tuple((starved or {}).items()),
            side=_SIDES.get(preset.name, _SIDE),
            seed=seed,
        )

    @property
    def per_identity(self) -> int:
        """Number of pictures of each identity."""
        return self.pictures

    @property
    def class_counts(self) -> dict[str, int]:
        """Number of classes by task; of identities, those to train on."""
        return {"id": self.train_identities, **dict.fromkeys(ATTRIBUTES, 2)}

    @property
    def graph(self) -> TaskGraph:
        """The task graph from which the attributes are drawn."""
        return face_graph(self.strength)

    def rendered_fields(self) -> dict[str, Any]:
        """Return all fields but ``starved``: it changes no pixel."""
        return {name: value for name, value in asdict(self).items() if name != "starved"}

    def arrays(self) -> tuple[Field, ...]:
        """Return the arrays of one part."""
        shape = (self.pictures, len(ATTRIBUTES))
        return (
            *super().arrays(),
            Field("labels", shape, "int8"),
            Field("drawn", shape, "int8"),
            Field("measures", shape, "float32"),
        )

    def make_part(self, part: int, device: str = "cpu") -> Mapping[str, np.ndarray]:
        """Render one identity."""
        # imported where it is used: a corpus that is already there needs no renderer
        from mtl_helpers.faces.corpora.attribute_drivers import render_person

        drawn = self.graph.sample(self.seed, self.first_identity + part, self.pictures)  # (P, T)
        person = render_person(
            dict(zip(ATTRIBUTES, drawn.T.astype(bool), strict=True)),
            seed=self.seed,
            identity=self.first_identity + part,
            side=self.side,
            channels=self.channels,
            device=device,
        )
        return {
            "images": person.images,
            "landmarks": person.landmarks,
            "visible": person.visible,
            "labels": np.stack([person.labels[name] for name in ATTRIBUTES], axis=1),
            "drawn": drawn,
            "measures": np.stack([person.measures[name] for name in ATTRIBUTES], axis=1).astype(
                np.float32
            ),
        }

    def withheld(self, attribute: str) -> NDArray[np.bool_]:
        """Return which pictures' labels of an attribute are withheld, (N,).

        Which training pictures keep theirs is a shuffle keyed by seed and attribute: those kept for
        a small number are among those kept for a larger one.
        """
        hidden = np.zeros(len(self), dtype=bool)
        kept = dict(self.starved).get(attribute)
        if kept is not None:
            train = self.split("train")
            key = [_STARVING_STREAM, self.seed, ATTRIBUTES.index(attribute)]
            hidden[np.random.default_rng(key).permutation(train)[kept:]] = True
        return hidden


class AttributesCorpus(RenderedCorpus[AttributesSpec], spec_class=AttributesSpec):
    """A rendered ``attributes`` corpus. Made by :func:`load_attributes`."""

    def __init__(self, spec: AttributesSpec, store: Store) -> None:
        super().__init__(spec, store)
        self._withheld = np.stack([spec.withheld(name) for name in ATTRIBUTES], axis=1)  # (N, T)

    @property
    def contents(self) -> str:
        """What the corpus is made of, in a few words."""
        return f"{super().contents}, {len(ATTRIBUTES)} attributes"

    def attributes(self, index: ArrayLike) -> NDArray[np.int8]:
        """Return the labels of all attributes, int8 (..., T) for :data:`ATTRIBUTES`.

        1 the attribute holds, 0 it does not, -1 no label: the measure lies in the margin, or the
        label is withheld.
        """
        numbers = np.asarray(index, dtype=np.int64)
        stored = np.asarray(self.take("labels", numbers), dtype=np.int8)
        return np.where(self._withheld[numbers], np.int8(-1), stored)

    def labels(self, index: ArrayLike) -> dict[str, NDArray[np.int64]]:
        """Return the labels of pictures: ``"id"``, and every attribute as in :meth:`attributes`."""
        labels = self.attributes(index).astype(np.int64)  # (..., T)
        columns = {name: labels[..., place] for place, name in enumerate(ATTRIBUTES)}
        return {"id": np.asarray(self.spec.identity(index)), **columns}

    def drawn(self, index: ArrayLike) -> NDArray[np.int8]:
        """Return what the task graph drew for pictures, (..., T), 0 or 1.

        That is what the generator was asked for; :meth:`attributes` is what it made.
        """
        return np.asarray(self.take("drawn", index))

    def measures(self, name: str, index: ArrayLike | None = None) -> NDArray[np.float32]:
        """Return the measure of an attribute, NaN where the picture does not show it.

        See :data:`mtl_helpers.faces.corpora.measures.MEASURES`. Without an index, of all pictures.
        """
        if name not in ATTRIBUTES:
            raise ValueError(f"Unknown attribute {name!r}; choose one of: {', '.join(ATTRIBUTES)}.")
        numbers = np.arange(len(self)) if index is None else index
        return np.asarray(self.take("measures", numbers)[..., ATTRIBUTES.index(name)])

    def pairs(self, split: str = "test") -> PairList:
        """Return pairs of pictures to verify, in ten folds that share no identity.

        In each fold as many pairs of one person as of two, at most 300 of each as in LFW. With
        under twenty identities there are half as many folds as those.
        """
        people = np.array(self.spec.identity_range(split))
        each = self.spec.pictures
        if each < 2:
            raise ValueError("Pairs of one person need two pictures of each, but there is one.")
        rng = np.random.default_rng([_PAIR_STREAM, self.spec.seed, self.spec.splits.index(split)])

        def pairs_of(members: NDArray[np.int64]) -> Pairs:
            pictures = self.spec.pictures_of(members)
            first, second = (pictures[side] for side in np.triu_indices(len(pictures), 1))
            return balanced_pairs(first, second, each, _FOLD_PAIRS, rng)

        return pairs_in_folds(identities_in_folds(people, rng), pairs_of)


load_attributes = AttributesCorpus.load
