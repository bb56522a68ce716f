import dataclasses
import itertools
import pickle

import numpy as np
import pytest

from mtl_helpers.faces.corpora.attributes import (
    ATTRIBUTES,
    ATTRIBUTES_VERSION,
    FIRST_IDENTITY,
    GROUPS,
    AttributesCorpus,
    AttributesSpec,
    load_attributes,
)
from mtl_helpers.faces.corpora.task_graphs import face_graph
from mtl_helpers.presets import PRESETS
from mtl_helpers.store import Layout

SMALL = AttributesSpec(3, 1, 2, pictures=4)


# -- the specification ----------------------------------------------------------------------------


def test_names_and_groups_are_celebas():
    assert len(ATTRIBUTES) == len(set(ATTRIBUTES)) == 36
    assert not {"Attractive", "Double_Chin", "Straight_Hair", "Wavy_Hair"} & set(ATTRIBUTES)
    assert tuple(itertools.chain(*GROUPS.values())) == ATTRIBUTES
    assert face_graph().names == ATTRIBUTES
    assert len(GROUPS) == 9


def test_laptop_has_the_size_that_the_data_card_states():
    spec = AttributesSpec.from_preset(PRESETS["laptop"])
    assert (spec.side, spec.channels, len(spec)) == (64, 3, 11_000)
    assert len(AttributesSpec.from_preset(PRESETS["smoke"])) < 400


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_identities": -1}, "train_identities"),
        ({"pictures": 0}, "one picture"),
        ({"side": 16}, "side of at least 32"),
        ({"channels": 2}, "1 or 3 channels"),
        ({"strength": -1.0}, "strength"),
        ({"strength": 9.0}, "too strong"),
        ({"starved": (("Attractive", 5),)}, "starved"),
        ({"starved": (("Male", -5),)}, "starved"),
        ({"seed": 0.5}, "seed"),
    ],
)
def test_impossible_specifications_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **changes)


def test_starving_changes_the_specification_but_not_the_pictures():
    starved = dataclasses.replace(SMALL, starved={"Bald": 3})
    assert starved.starved == (("Bald", 3),)
    assert starved != SMALL
    assert starved.fingerprint() != SMALL.fingerprint()
    assert starved.layout().fingerprint == SMALL.layout().fingerprint
    stronger = dataclasses.replace(SMALL, strength=0.5)
    assert stronger.layout().fingerprint != SMALL.layout().fingerprint


# -- the corpus -----------------------------------------------------------------------------------


def starve(corpus, **starved):
    spec = dataclasses.replace(corpus.spec, starved=tuple(starved.items()))
    return AttributesCorpus(spec, corpus.store)


def test_starved_attributes_keep_so_many_training_labels(tiny_attributes):
    everything = np.arange(len(tiny_attributes))
    full = tiny_attributes.attributes(everything)
    starved = starve(tiny_attributes, Eyeglasses=20, Male=0)
    found = starved.attributes(everything)
    train = np.isin(everything, tiny_attributes.split("train"))
    for place, name in enumerate(ATTRIBUTES):
        kept = found[:, place] != -1
        labelled = full[:, place] != -1
        np.testing.assert_array_equal(found[kept, place], full[kept, place])
        np.testing.assert_array_equal(kept[~train], labelled[~train])
        if name == "Male":
            assert not kept[train].any()
        elif name == "Eyeglasses":  # nobody is unsure about glasses, so none is missing besides
            assert labelled.all()
            assert kept[train].sum() == 20
        else:
            np.testing.assert_array_equal(kept, labelled)
    for name, values in starved.labels(everything).items():
        if name in ATTRIBUTES:
            np.testing.assert_array_equal(values, found[:, ATTRIBUTES.index(name)])


def test_labels_kept_for_a_few_are_among_those_kept_for_more(tiny_attributes):
    few, more = (
        starve(tiny_attributes, Eyeglasses=count).spec.withheld("Eyeglasses") for count in (10, 40)
    )
    assert (more <= few).all()
    assert (few & ~more).sum() == 30


def test_arrays_have_the_promised_shapes_and_types(tiny_attributes):
    corpus, count = tiny_attributes, len(tiny_attributes)
    assert corpus.images.shape == (count, 64, 64, 3)
    assert corpus.images.dtype == np.uint8
    assert not corpus.images.flags.writeable
    index = np.array([[0, 5], [7, count - 1]])
    assert corpus.landmarks(index).shape == (2, 2, 51, 2)
    assert corpus.visible(index).shape == (2, 2, 51)
    assert corpus.attributes(index).shape == (2, 2, 36)
    assert corpus.attributes(index).dtype == np.int8
    assert corpus.measures("Male", index).shape == (2, 2)
    labels = corpus.labels(index)
    assert tuple(labels) == ("id", *ATTRIBUTES)
    assert all(v.shape == (2, 2) and v.dtype == np.int64 for v in labels.values())
    assert corpus.class_counts == {"id": 14, **dict.fromkeys(ATTRIBUTES, 2)}
    assert set(np.unique(corpus.attributes(np.arange(count)))) == {-1, 0, 1}
    assert repr(corpus) == (
        "AttributesCorpus(234 images of 64 px: 26 identities x 9 pictures, 36 attributes)"
    )
    with pytest.raises(ValueError, match="Unknown attribute"):
        corpus.measures("Attractive")


def test_landmarks_lie_in_the_pictures(tiny_attributes):
    everything = np.arange(len(tiny_attributes))
    places = tiny_attributes.landmarks(everything)
    assert ((places > 0) & (places < 64)).all()
    assert tiny_attributes.visible(everything).mean() > 0.8


def test_drawn_attributes_are_those_of_the_task_graph(tiny_attributes):
    spec = tiny_attributes.spec
    for identity in (0, 25):
        expected = face_graph(1.0).sample(spec.seed, FIRST_IDENTITY + identity, spec.pictures)
        numbers = identity * spec.pictures + np.arange(spec.pictures)
        np.testing.assert_array_equal(tiny_attributes.drawn(numbers), expected)


def test_labels_of_a_person_are_the_same_in_all_pictures(tiny_attributes):
    spec, graph = tiny_attributes.spec, tiny_attributes.spec.graph
    found = tiny_attributes.attributes(np.arange(len(spec)))
    found = found.reshape(spec.identities, spec.pictures, -1)
    for place, name in enumerate(ATTRIBUTES):
        same = (found[:, :, place] == found[:, :1, place]).all()
        assert same == (graph.level(name) == "identity"), name


def test_pictures_are_the_same_in_another_corpus_and_alone(tiny_attributes):
    spec = dataclasses.replace(tiny_attributes.spec, train_identities=3, pictures=5)
    part = spec.make_part(2)
    numbers = 2 * tiny_attributes.spec.pictures + np.arange(5)
    np.testing.assert_array_equal(part["images"], tiny_attributes.images[numbers])
    np.testing.assert_array_equal(part["labels"], tiny_attributes.attributes(numbers))
    np.testing.assert_array_equal(part["landmarks"], tiny_attributes.landmarks(numbers))


def test_pictures_of_a_person_differ_and_so_do_people(tiny_attributes):
    each = tiny_attributes.spec.pictures
    pictures = tiny_attributes.images.astype(float)
    assert np.abs(pictures[0] - pictures[1]).mean() > 5
    assert np.abs(pictures[0] - pictures[each]).mean() > 5


def test_grey_corpus_is_the_luminance_of_the_colour_one(tiny_attributes, tmp_path):
    spec = AttributesSpec(1, 0, 1, pictures=2, channels=1)
    corpus = load_attributes(spec, processes=1, progress=False, root=tmp_path)
    assert corpus.images.shape == (4, 64, 64)
    colour = tiny_attributes.images[[0, 1]].astype(float) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(corpus.images[:2], colour, atol=0.51)
    again = pickle.loads(pickle.dumps(corpus))
    np.testing.assert_array_equal(again.images, corpus.images)


def test_pairs_balance_and_folds_share_no_identity(tiny_attributes):
    corpus = tiny_attributes
    pairs = corpus.pairs()
    people = [corpus.spec.identity(side) for side in (pairs.first, pairs.second)]
    np.testing.assert_array_equal(pairs.same, people[0] == people[1])
    assert (pairs.first != pairs.second).all()
    assert set(np.concatenate(people)) <= set(corpus.spec.identity_range("test"))
    assert pairs.folds == 4  # eight test identities
    members = []
    for fold in range(pairs.folds):
        inside = pairs.fold == fold
        assert pairs.same[inside].mean() == 0.5
        members.append(set(np.concatenate([side[inside] for side in people]).tolist()))
    for a, b in itertools.combinations(members, 2):
        assert not a & b
    unordered = {frozenset(pair) for pair in zip(pairs.first, pairs.second, strict=True)}
    assert len(unordered) == len(pairs)
    np.testing.assert_array_equal(corpus.pairs().first, pairs.first)
    with pytest.raises(ValueError, match="at least two identities"):
        AttributesCorpus(SMALL, _Blank(SMALL.layout())).pairs("validation")


class _Blank:
    """A store of zeros."""

    def __init__(self, layout: Layout) -> None:
        self.arrays = {
            field.name: np.zeros((layout.parts, *field.shape), field.dtype)
            for field in layout.fields
        }


# Means of blocks of 16 x 16 pixels and labels of three pictures of the tiny corpus.
PIXELS_OF_VERSION_1 = {
    3: (
        [[162, 114, 105, 152], [155, 80, 84, 143], [151, 84, 88, 145], [110, 71, 88, 133]],
        "1000000?1001010?00000100000010000000",
    ),
    100: (
        [[130, 139, 129, 130], [127, 132, 117, 127], [125, 127, 114, 124], [123, 123, 127, 123]],
        "?0100001010100??00001001000000100000",
    ),
    233: (
        [[80, 130, 127, 85], [74, 89, 99, 84], [67, 78, 89, 77], [67, 69, 89, 72]],
        "?10110?11?11000000001000100001000111",
    ),
}


def test_pixels_and_labels_are_those_of_the_version(tiny_attributes):
    assert ATTRIBUTES_VERSION == 1, "write down the new version's pixels and labels"
    for number, (expected, labels) in PIXELS_OF_VERSION_1.items():
        picture = tiny_attributes.images[number].astype(float).mean(-1)
        np.testing.assert_allclose(
            picture.reshape(4, 16, 4, 16).mean(axis=(1, 3)),
            expected,
            atol=1.5,
            err_msg="the pixels changed: raise ATTRIBUTES_VERSION",
        )
        found = "".join("?01"[value + 1] for value in tiny_attributes.attributes(number))
        assert found == labels, "the labels changed: raise ATTRIBUTES_VERSION"


# -- correlations ---------------------------------------------------------------------------------


def reading_rates(labels, drawn):
    """Share of labels 0 and 1 among pictures drawn without and with each attribute, (T, 2, 2)."""
    return np.array(
        [
            [[(labels[drawn[:, t] == w, t] == value).mean() for value in (0, 1)] for w in (0, 1)]
            for t in range(labels.shape[1])
        ]
    )


def masked_correlation(labels, i, j):
    known = (labels[:, i] >= 0) & (labels[:, j] >= 0)
    a, b = labels[known, i].astype(float), labels[known, j].astype(float)
    return np.corrcoef(a, b)[0, 1] if a.std() and b.std() else np.nan


def test_label_correlations_are_those_of_the_attenuated_graph(tiny_attributes):
    spec = tiny_attributes.spec
    everything = np.arange(len(spec))
    labels, drawn = tiny_attributes.attributes(everything), tiny_attributes.drawn(everything)
    expected = spec.graph.read_correlations(reading_rates(labels, drawn))
    people = spec.identity(everything)
    z = []
    hair = {"Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"}
    for i, j in itertools.combinations(range(len(ATTRIBUTES)), 2):
        if hair & {ATTRIBUTES[i], ATTRIBUTES[j]}:
            continue  # what is seen of the hair depends on cut and hat, not on the colour alone
        found = masked_correlation(labels, i, j)
        left_out = np.array(
            [masked_correlation(labels[people != one], i, j) for one in range(spec.identities)]
        )
        # jackknife over people: pictures of one person are no independent draws
        spread = np.sqrt(
            (spec.identities - 1) * np.mean((left_out - left_out.mean()) ** 2)
        )  # fmt: skip
        if np.isfinite([found, expected[i, j], spread]).all() and spread > 1e-6:
            z.append((found - expected[i, j]) / spread)
    z = np.array(z)
    assert len(z) > 400
    # the jackknife of 26 people has heavy tails; a wrong graph or sign would move the bulk
    assert np.mean(z**2) < 2
    assert np.mean(np.abs(z) > 2) < 0.12


def test_exclusions_hold_among_labels(tiny_attributes):
    labels = tiny_attributes.attributes(np.arange(len(tiny_attributes)))
    both = [
        ((labels[:, ATTRIBUTES.index(a)] == 1) & (labels[:, ATTRIBUTES.index(b)] == 1)).mean()
        for a, b in tiny_attributes.spec.graph.exclusions()
    ]
    assert max(both) < 0.01


def test_without_strength_make_up_says_nothing_of_lipstick():
    linked, free = (
        np.concatenate(
            [face_graph(strength).sample(0, FIRST_IDENTITY + i, 4) for i in range(400)]
        ).astype(float)
        for strength in (1.0, 0.0)
    )
    i, j = (ATTRIBUTES.index(name) for name in ("Wearing_Lipstick", "Heavy_Makeup"))
    assert np.corrcoef(linked[:, i], linked[:, j])[0, 1] > 0.3
    assert abs(np.corrcoef(free[:, i], free[:, j])[0, 1]) < 0.1
