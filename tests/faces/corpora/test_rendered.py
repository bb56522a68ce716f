"""What all rendered corpora have in common: specifications, identities, cache, parts."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pickle

import numpy as np
import pytest

from mtl_helpers.faces.corpora.attributes import AttributesSpec
from mtl_helpers.faces.corpora.caricature import CaricatureSpec
from mtl_helpers.faces.corpora.kinds import CORPORA
from mtl_helpers.faces.corpora.pie import PieCorpus, PieSpec
from mtl_helpers.faces.corpora.rendered import balanced_pairs, identities_in_folds, load_corpus
from mtl_helpers.faces.corpora.wild import WildSpec
from mtl_helpers.faces.model.identity import sample_identities
from mtl_helpers.presets import PRESETS
from mtl_helpers.store import CacheError

FEW = {"train_identities": 1, "validation_identities": 0, "test_identities": 1}
SMALL = {
    "pie": PieSpec(
        **FEW, cameras=("05_1", "20_0"), shots=(7, 0), expressions=("smile",), side=16, channels=3
    ),
    "wild": WildSpec(**FEW, pictures=8, side=16, channels=3),
    "caricature": CaricatureSpec(**FEW, photos=4, caricatures=4, side=16),
    "attributes": AttributesSpec(**FEW, pictures=2, side=32),
}
small_specs = pytest.mark.parametrize("spec", SMALL.values(), ids=SMALL.keys())
preset_specs = pytest.mark.parametrize(
    "spec",
    [spec.from_preset(preset) for spec in CORPORA.values() for preset in PRESETS.values()],
    ids=[f"{name}-{preset}" for name in CORPORA for preset in PRESETS],
)


@pytest.fixture(scope="module", params=SMALL, ids=SMALL.keys())
def corpus(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    return load_corpus(SMALL[request.param], 1, False, root=root)


# -- specifications -----------------------------------------------------------------------------


@preset_specs
def test_specifications_hash_and_survive_json(spec):
    again = type(spec)(**json.loads(json.dumps(dataclasses.asdict(spec))))
    assert {spec: 1}[again] == 1
    assert again.fingerprint() == spec.fingerprint()


@preset_specs
def test_splits_share_no_identity_and_leave_none_out(spec):
    splits = {name: spec.split(name) for name in spec.splits}
    pictures = np.concatenate(list(splits.values()))
    np.testing.assert_array_equal(np.sort(pictures), np.arange(len(spec)))
    people = [set(spec.identity(splits[name]).tolist()) for name in ("train", "validation", "test")]
    counts = [spec.train_identities, spec.validation_identities, spec.test_identities]
    assert [len(members) for members in people] == counts
    assert not any(a & b for a, b in itertools.combinations(people, 2))


@small_specs
def test_what_does_not_exist_is_refused(spec):
    with pytest.raises(ValueError, match="Unknown split 'dev'; choose one of: train, "):
        spec.split("dev")
    with pytest.raises(IndexError, match=f"no picture {len(spec)}; they are 0 to"):
        spec.identity([len(spec)])


@small_specs
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": True}, "seed must be a whole number"),
        ({"side": 33.5}, "side must be a whole number"),
        ({"side": 0}, "side of at least"),
        ({"train_identities": 0, "test_identities": 0}, "at least one identity"),
    ],
)
def test_impossible_numbers_are_refused(spec, change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(spec, **change)


@small_specs
def test_another_version_is_not_rendered(spec, tmp_path):
    other = dataclasses.replace(spec, version=spec.version + 1)
    with pytest.raises(ValueError, match="renders version"):
        load_corpus(other, root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_corpora_are_found_by_their_specifications():
    assert list(CORPORA) == ["pie", "wild", "caricature", "attributes"]
    for name, spec_class in CORPORA.items():
        spec = spec_class.from_preset(PRESETS["smoke"], seed=3)
        assert spec.seed == 3 and spec.layout().name == name
        assert spec.corpus_class.spec_class is spec_class
    with pytest.raises(TypeError, match="found Preset; make one with from_preset"):
        load_corpus(PRESETS["smoke"])


def test_no_two_corpora_share_a_person():
    most = max(
        spec.from_preset(preset).identities
        for spec in CORPORA.values()
        for preset in PRESETS.values()
    )
    starts = sorted(spec.first_identity for spec in CORPORA.values())
    assert all(after - before > most for before, after in itertools.pairwise(starts))
    for name, spec in SMALL.items():
        person = sample_identities(1, spec.seed, start=CORPORA[name].first_identity + 1)[0]
        assert (spec.person(1).coefficients == person.coefficients).all()


# -- the cache ----------------------------------------------------------------------------------


def test_a_part_alone_is_the_part_of_the_corpus(corpus):
    part = corpus.spec.make_part(1)
    for name, values in corpus.store.arrays.items():
        np.testing.assert_array_equal(part[name], values[1])
        assert part[name].dtype == values.dtype
    assert not corpus.images.flags.writeable


def test_a_pickled_corpus_is_its_place_on_disk(corpus):
    data = pickle.dumps(corpus)
    assert len(data) < 10_000
    again = pickle.loads(data)
    assert type(again) is type(corpus) and again.spec == corpus.spec
    np.testing.assert_array_equal(again.images, corpus.images)


def test_labels_are_classes_of_their_task(corpus):
    labels = corpus.labels(corpus.split("train"))
    assert labels.keys() == corpus.class_counts.keys()
    for task, count in corpus.class_counts.items():
        assert labels[task].dtype == np.int64
        assert -1 <= labels[task].min() <= labels[task].max() < count


def test_damage_is_found_and_repaired(tmp_path):
    spec = SMALL["wild"]
    corpus = load_corpus(spec, 2, False, root=tmp_path)
    sound = corpus.images.copy()
    path = corpus.store.directory / "images.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    path.write_bytes(data)
    with pytest.raises(CacheError, match="checksum of identity 1 .*repair=True"):
        load_corpus(spec, progress=False, root=tmp_path)
    repaired = load_corpus(spec, 1, False, root=tmp_path, repair=True)
    np.testing.assert_array_equal(repaired.images, sound)


def test_a_preset_opens_its_corpus(tmp_path):
    preset = dataclasses.replace(
        PRESETS["smoke"], **FEW, cameras=("05_1",), shots=(7,), expressions=("smile",), side=16
    )
    corpus = PieCorpus.load(preset, 1, False, root=tmp_path)
    assert corpus.spec == PieSpec.from_preset(preset) and corpus.images.any()


# -- pairs --------------------------------------------------------------------------------------


def test_drawn_pairs_are_balanced_and_none_comes_twice():
    first, second = (side.ravel() for side in np.meshgrid(np.arange(20), np.arange(20)))
    candidates = first < second
    pairs = balanced_pairs(first[candidates], second[candidates], 5, 30, np.random.default_rng(0))
    np.testing.assert_array_equal(pairs[2], pairs[0] // 5 == pairs[1] // 5)
    assert pairs[2].sum() == 30 and len(pairs[2]) == 60
    assert len(set(zip(*(side.tolist() for side in pairs[:2]), strict=True))) == 60


@pytest.mark.parametrize(("people", "folds"), [(2, 1), (7, 3), (19, 9), (20, 10), (45, 10)])
def test_folds_hold_two_people_at_least_and_all_of_them(people, folds):
    members = identities_in_folds(np.arange(people), np.random.default_rng(1))
    assert len(members) == folds and min(map(len, members)) >= 2
    np.testing.assert_array_equal(np.sort(np.concatenate(members)), np.arange(people))
