"""Lists of pairs, and what corpora of either kind have in common."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_corpus import SyntheticCorpus

from mtl_helpers.corpus import GalleryCorpus, LandmarkCorpus, PairCorpus, PairList
from mtl_helpers.datasets import FaceCorpus
from mtl_helpers.faces.corpora.attributes import AttributesCorpus
from mtl_helpers.faces.corpora.caricature import CaricatureCorpus
from mtl_helpers.faces.corpora.pie import PieCorpus
from mtl_helpers.faces.corpora.wild import WildCorpus


def members_of(protocol):
    return {name for base in protocol.__mro__ for name in vars(base) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("corpus", "protocol"),
    [
        (PieCorpus, GalleryCorpus),
        (FaceCorpus, GalleryCorpus),
        (SyntheticCorpus, GalleryCorpus),
        (PieCorpus, LandmarkCorpus),
        (WildCorpus, LandmarkCorpus),
        (CaricatureCorpus, LandmarkCorpus),
        (AttributesCorpus, LandmarkCorpus),
        (AttributesCorpus, PairCorpus),
        (WildCorpus, PairCorpus),
        (CaricatureCorpus, PairCorpus),
    ],
)
def test_every_corpus_has_what_its_protocols_name(corpus, protocol):
    set_on_instances = {"images", "class_counts", "yaw_degrees"}
    assert members_of(protocol) - set_on_instances <= set(dir(corpus))
    assert hasattr(corpus, "__len__")


def test_pairs_know_their_number_and_folds_and_cannot_be_changed():
    fold = np.arange(12) // 4
    pairs = PairList(np.arange(12), np.arange(12) + 1, np.arange(12) % 2 == 0, fold)
    assert len(pairs) == 12 and pairs.folds == 3
    with pytest.raises(ValueError, match="read-only"):
        pairs.first[0] = 7


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"second": [1, 2]}, ValueError, "as many entries in second"),
        ({"first": [[1], [2], [3]]}, ValueError, "shape"),
        ({"first": [], "second": [], "same": [], "fold": []}, ValueError, "at least one pair"),
        ({"first": [0, 1, -1]}, ValueError, "must not be negative"),
        ({"first": [0.0, 1.0, 2.0]}, TypeError, "whole numbers"),
        ({"same": [1, 0, 1]}, TypeError, "booleans"),
        ({"fold": [0, 2, 2]}, ValueError, "without a gap"),
        ({"fold": [1, 1, 1]}, ValueError, "without a gap"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(change, error, message):
    good = {"first": [0, 1, 2], "second": [3, 4, 5], "same": [True, False, True], "fold": [0, 0, 1]}
    PairList(**{name: np.array(values) for name, values in good.items()})
    with pytest.raises(error, match=message):
        PairList(**{name: np.array(values) for name, values in (good | change).items()})
