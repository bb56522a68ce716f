"""Fixtures that several test modules share."""

from __future__ import annotations

import pytest

from mtl_helpers.faces.corpora.attributes import AttributesCorpus, AttributesSpec, load_attributes
from mtl_helpers.faces.corpora.pie import PieCorpus, PieSpec, load_pie

TINY_PIE = PieSpec(
    train_identities=3,
    validation_identities=1,
    test_identities=2,
    cameras=("08_0", "05_1", "20_0", "08_1"),
    shots=(0, 4, 7, 19),
    expressions=("neutral", "scream"),
    side=32,
)


@pytest.fixture(scope="session")
def tiny_pie(tmp_path_factory: pytest.TempPathFactory) -> PieCorpus:
    """A rendered corpus of 192 pictures: 6 identities, 4 cameras, 4 shots, 2 expressions."""
    root = tmp_path_factory.mktemp("tiny_pie")
    return load_pie(TINY_PIE, processes=1, progress=False, root=root)


TINY_ATTRIBUTES = AttributesSpec(
    train_identities=14, validation_identities=4, test_identities=8, pictures=9
)


@pytest.fixture(scope="session")
def tiny_attributes(tmp_path_factory: pytest.TempPathFactory) -> AttributesCorpus:
    """A rendered corpus of 234 pictures with all attributes."""
    root = tmp_path_factory.mktemp("tiny_attributes")
    return load_attributes(TINY_ATTRIBUTES, processes=1, progress=False, root=root)
