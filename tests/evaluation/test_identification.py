from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from synthetic_corpus import SyntheticCorpus
from torch import nn
from untrained_networks import untrained

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.evaluation.identification import (
    Factor,
    coprime_stride,
    identify,
    matches,
    nearest_gallery,
    probe_sample,
    rank1,
    shares_by_person,
)


def naive_rank1(gallery, gallery_ids, probes, probe_ids):
    hits = []
    for probe, identity in zip(probes, probe_ids, strict=True):
        best, nearest = -math.inf, None
        for feature, candidate in zip(gallery, gallery_ids, strict=True):
            cosine = float(np.dot(probe, feature)) / (
                math.sqrt(float(np.dot(probe, probe))) * math.sqrt(float(np.dot(feature, feature)))
            )
            if cosine > best:
                best, nearest = cosine, candidate
        hits.append(nearest == identity)
    return np.array(hits)


# -- rank 1 --------------------------------------------------------------------------------------


def test_rank1_is_the_naive_loop():
    rng = np.random.default_rng(0)
    gallery_ids = rng.permutation(30)
    centres = rng.normal(size=(30, 8))
    gallery = centres[gallery_ids] * rng.uniform(0.1, 10, (30, 1))
    probe_ids = rng.integers(0, 30, 400)
    probes = centres[probe_ids] + rng.normal(0, 1.0, (400, 8))
    hits = rank1(gallery, gallery_ids, probes, probe_ids)
    assert hits.dtype == bool
    assert 0.2 < hits.mean() < 0.9
    assert (hits == naive_rank1(gallery, gallery_ids, probes, probe_ids)).all()


def test_rank1_ignores_the_lengths_of_features():
    rng = np.random.default_rng(1)
    gallery, probes = rng.normal(size=(10, 4)), rng.normal(size=(50, 4))
    probe_ids = rng.integers(0, 10, 50)
    scaled = rank1(
        gallery * rng.uniform(0.1, 10, (10, 1)), np.arange(10),
        probes * rng.uniform(0.1, 10, (50, 1)), probe_ids,
    )  # fmt: skip
    assert (scaled == rank1(gallery, np.arange(10), probes, probe_ids)).all()


def test_nearest_does_not_depend_on_the_batch():
    torch.manual_seed(0)
    gallery, probes = torch.randn(9, 5), torch.randn(23, 5)
    assert torch.equal(nearest_gallery(gallery, probes, 4), nearest_gallery(gallery, probes))


def test_rank1_refuses_what_does_not_fit():
    g, p = np.ones((2, 3)), np.ones((4, 3))
    with pytest.raises(ValueError, match=r"Expected features \(G, D\) and \(P, D\)"):
        rank1(g, [0, 1], np.ones((4, 2)), [0, 0, 1, 1])
    with pytest.raises(ValueError, match="one identity per feature"):
        rank1(g, [0], p, [0, 0, 1, 1])
    with pytest.raises(ValueError, match=r"found none for \[7\]"):
        rank1(g, [0, 1], p, [0, 0, 1, 7])


# -- galleries of a size -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd():
    """Thirty people of a gallery in no order, and 200 probes: features and identities of both."""
    rng = np.random.default_rng(5)
    owners, people = rng.permutation(30) + 100, rng.integers(0, 30, 200) + 100
    centres = rng.normal(size=(130, 6))
    return centres[owners], owners, centres[people] + rng.normal(0, 1.0, (200, 6)), people


def naive_match(gallery, owners, probe, person, size):
    """The place of the most similar picture among those of the person's own gallery."""
    (own,) = np.flatnonzero(owners == person)
    first = own // size * size
    inside = range(first, min(first + size, len(owners)))
    return max(inside, key=lambda k: gallery[k] @ probe / np.linalg.norm(gallery[k]))


@pytest.mark.parametrize("size", [1, 4, 10, 29, 30, 99, None])
def test_each_probe_is_looked_for_in_its_own_gallery(crowd, size):
    gallery, owners, probes, people = crowd
    expected = [
        naive_match(gallery, owners, probe, person, size or 30)
        for probe, person in zip(probes, people, strict=True)
    ]
    places = matches(gallery, owners, probes, people, size)
    assert places.dtype == np.int64
    assert places.tolist() == expected
    hits = rank1(gallery, owners, probes, people, size)
    assert hits.tolist() == (owners[expected] == people).tolist()


def test_a_smaller_gallery_loses_no_hit(crowd):
    hits = [rank1(*crowd, size) for size in (30, 15, 5, 1)]  # each cuts the one before
    for larger, smaller in zip(hits, hits[1:], strict=False):
        assert (smaller | ~larger).all()
    assert hits[-1].all() and 0.3 < hits[0].mean() < hits[2].mean() < 1


def test_a_gallery_may_be_without_probes(crowd):
    gallery, owners, probes, people = crowd
    own = people == owners[3]
    places = matches(gallery, owners, probes[own], people[own], 5)
    assert own.any() and set(places.tolist()) <= set(range(5))


@pytest.mark.parametrize("size", [0, -3])
def test_a_gallery_of_nobody_is_refused(crowd, size):
    with pytest.raises(ValueError, match=f"at least one image, found a size of {size}"):
        matches(*crowd, size)


# -- a split's probes ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpus():
    return SyntheticCorpus()


@pytest.fixture(scope="module")
def network(corpus):
    return untrained(corpus, ("id", "pos", "exp"))


@pytest.fixture(scope="module")
def everyone(corpus, network):
    return identify(corpus, "test", network, batch=64)


def test_rates_are_those_of_loops_over_the_probes(corpus, network, everyone):
    report = everyone.report()
    gallery, probes = corpus.gallery("test"), corpus.probes("test")
    assert (report["split"], report["gallery"], report["probes"]) == ("test", 4, 116)
    labels = corpus.labels(probes)
    for name in ("id", "x"):
        g = extract(network, corpus.images, gallery)[name].numpy()
        p = extract(network, corpus.images, probes)[name].numpy()
        hits = naive_rank1(g, corpus.labels(gallery)["id"], p, labels["id"])
        rates = report["rank1"][name]
        assert rates["overall"] == pytest.approx(hits.mean())
        assert list(rates) == ["overall", "by_pos", "by_illum", "by_exp"]
        for task, levels in (("pos", 5), ("illum", 3), ("exp", 2)):
            assert rates[f"by_{task}"] == {
                str(k): pytest.approx(hits[labels[task] == k].mean()) for k in range(levels)
            }
    recognised = extract(network, corpus.images, probes)["pos"].argmax(1).numpy()
    recalls = [(recognised[labels["pos"] == k] == k).mean() for k in range(5)]
    assert report["side"]["pos"] == pytest.approx(np.mean(recalls))
    assert set(report["side"]) == set(report["side_accuracy"]) == {"pos", "exp"}
    right = (recognised == labels["pos"]).mean()
    assert report["side_accuracy"]["pos"] == pytest.approx(right)


@pytest.mark.parametrize(("asked", "size"), [(3, 3), (4, 4), (100, 4), (None, 4)])
def test_people_are_looked_for_among_as_many_as_is_asked(corpus, network, everyone, asked, size):
    part = identify(corpus, "test", network, gallery_size=asked)
    assert part.report()["gallery"] == size
    owners = corpus.labels(part.gallery)["id"]
    for name, output in (("id", "id"), ("x", "x")):
        enrolled = extract(network, corpus.images, part.gallery)[output]
        places = matches(enrolled, owners, part.outputs[output], part.labels["id"], size)
        assert (part.nearest[name] == places).all()
        assert (part.hits[name] == (owners[places] == part.labels["id"])).all()
        assert (part.hits[name] == everyone.hits[name]).all() == (size == 4)


def test_levels_join_classes_and_keep_their_order(everyone):
    factor = Factor("pos", {"turned": (0, 4), "nobody": (), "ahead": (2, 1, 3)})
    rates = everyone.report({"turn": factor})["rank1"]["x"]
    assert list(rates) == ["overall", "turn"]
    assert list(rates["turn"]) == ["turned", "ahead"]
    turned = np.isin(everyone.labels["pos"], (0, 4))
    assert rates["turn"]["turned"] == pytest.approx(everyone.hits["x"][turned].mean())
    assert rates["turn"]["ahead"] == pytest.approx(everyone.hits["x"][~turned].mean())


def test_probes_without_a_label_stand_at_no_level():
    hits = np.array([True, False, True, True])
    labels = {"hat": np.array([0, 0, -1, 1])}
    assert Factor("hat").rates(hits, labels) == {"0": 0.5, "1": 1.0}


def test_a_report_on_some_probes_is_json(corpus, network, everyone):
    some = corpus.probes("test")[::7]
    part = identify(corpus, "test", network, probes=some)
    report = part.report()
    assert json.loads(json.dumps(report)) == report
    assert report["probes"] == len(some)
    assert (part.hits["x"] == everyone.hits["x"][::7]).all()


def test_a_network_without_identity_is_judged_by_x_alone(corpus):
    report = identify(corpus, "test", untrained(corpus, ("pos",))).report()
    assert set(report["rank1"]) == {"x"}
    assert set(report["side"]) == {"pos"}


def test_features_take_the_names_that_are_asked_for(corpus, network, everyone):
    renamed = identify(corpus, "test", network, features={"y_d": "id", "z": "absent"})
    assert set(renamed.hits) == {"y_d"}
    assert (renamed.hits["y_d"] == everyone.hits["id"]).all()
    with pytest.raises(ValueError, match=r"one of the outputs \['absent'\], found \['x', 'id'"):
        identify(corpus, "test", network, features={"z": "absent"})


# -- by person -----------------------------------------------------------------------------------


def by_loop(right, labels):
    """The share of each person's probes that is right, person by person."""
    return [right[labels["id"] == person].mean() for person in sorted(set(labels["id"]))]


def test_shares_are_by_ascending_person():
    right = np.array([True, False, True, True, False])
    shares = shares_by_person(right, np.array([9, 9, 2, 5, 9]))
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares, [1, 1, 1 / 3], rtol=1e-6)


def test_each_person_s_share_is_that_of_a_loop(everyone):
    arrays = everyone.by_person()
    assert set(arrays) == {f"people/test/{name}" for name in ("id", "x", "pos", "exp")}
    assert everyone.people.tolist() == [6, 7, 8, 9]
    labels = everyone.labels
    said = {task: everyone.outputs[task].argmax(dim=1).numpy() for task in ("pos", "exp")}
    classified = {task: values == labels[task] for task, values in said.items()}
    for name, right in {**everyone.hits, **classified}.items():
        assert arrays[f"people/test/{name}"].dtype == np.float32
        np.testing.assert_allclose(arrays[f"people/test/{name}"], by_loop(right, labels), rtol=1e-6)


def test_named_levels_have_shares_of_their_probes_alone(everyone):
    turned, light = Factor("pos", {"turned": (0, 4), "ahead": (1, 2, 3)}), Factor("illum")
    arrays = everyone.by_person({"turn": turned, "light": light})
    levels = {"turned": (0, 4), "ahead": (1, 2, 3)}
    assert set(arrays) - set(everyone.by_person()) == {
        f"people/test/{feature}/{level}" for feature in ("id", "x") for level in levels
    }
    for level, members in levels.items():
        inside = np.isin(everyone.labels["pos"], members)
        labels = {"id": everyone.labels["id"][inside]}
        expected = by_loop(everyone.hits["x"][inside], labels)
        np.testing.assert_allclose(arrays[f"people/test/x/{level}"], expected, rtol=1e-6)


def test_a_level_that_somebody_lacks_is_left_out(corpus, network):
    probes = corpus.probes("test")
    labels = corpus.labels(probes)
    kept = probes[(labels["id"] != 8) | (labels["pos"] == 2)]
    part = identify(corpus, "test", network, probes=kept)
    arrays = part.by_person({"turn": Factor("pos", {"turned": (0, 4), "ahead": (2,)})})
    assert "people/test/x/ahead" in arrays and "people/test/x/turned" not in arrays


def unlabelled(everyone, task, people):
    """The same identification, of whose probes those of some people have no label of a task."""
    gone = np.isin(everyone.labels["id"], people) & (np.arange(len(everyone.probes)) % 3 > 0)
    labels = {**everyone.labels, task: np.where(gone, -1, everyone.labels[task])}
    return dataclasses.replace(everyone, labels=labels), ~gone


def test_probes_without_a_label_are_neither_right_nor_wrong(everyone):
    part, labelled = unlabelled(everyone, "exp", (6, 8))
    right = everyone.outputs["exp"].argmax(dim=1).numpy() == everyone.labels["exp"]
    assert part.report()["side_accuracy"]["exp"] == pytest.approx(right[labelled].mean())
    expected = by_loop(right[labelled], {"id": everyone.labels["id"][labelled]})
    np.testing.assert_allclose(part.by_person()["people/test/exp"], expected, rtol=1e-6)


def test_a_task_without_labels_has_neither_score_nor_share(everyone):
    labels = {**everyone.labels, "exp": np.full(len(everyone.probes), -1)}
    part = dataclasses.replace(everyone, labels=labels)
    assert set(part.report({})["side_accuracy"]) == {"pos"}
    assert "people/test/exp" not in part.by_person()
    assert "people/test/pos" in part.by_person()


def test_shares_weighted_by_probes_give_the_overall_rate(corpus, network):
    probes = corpus.probes("test")
    uneven = np.concatenate([probes[:40], probes[40::3]])[::-1]
    part = identify(corpus, "test", network, probes=uneven)
    arrays = part.by_person()
    counts = arrays["people/test/probes"]
    assert counts.dtype == np.float32 and len(set(counts)) > 1
    assert counts.tolist() == [(part.labels["id"] == person).sum() for person in part.people]
    for feature, rates in part.report({})["rank1"].items():
        mean = np.average(arrays[f"people/test/{feature}"], weights=counts)
        assert mean == pytest.approx(rates["overall"])


def test_people_without_probes_have_no_share(corpus, network):
    probes = corpus.probes("test")
    part = identify(
        corpus, "test", network, probes=probes[np.isin(corpus.labels(probes)["id"], (9, 7))]
    )
    assert part.people.tolist() == [7, 9]
    assert {len(shares) for shares in part.by_person().values()} == {2}


def test_one_pass_gives_both_results(corpus):
    class Counting(nn.Module):
        seen = 0

        def forward(self, images):
            self.seen += len(images)
            return images.flatten(1)

    network = Counting()
    everyone = identify(corpus, "test", network)
    everyone.report()
    everyone.by_person()
    assert network.seen == len(corpus.split("test"))


# -- which probes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "about", "stride"),
    [((15, 6, 6), 4, 7), ((13, 6, 6), 4, 5), ((5, 3, 2), 4, 7), ((), 4, 4), ((2,), 1, 1)],
)
def test_the_stride_shares_no_divisor_with_a_factor(levels, about, stride):
    assert coprime_stride(levels, about) == stride


def conditions(people, levels):
    """Every combination of factors, person after person, and without each person's gallery."""
    table = np.stack(np.meshgrid(*map(np.arange, (people, *levels)), indexing="ij"), axis=-1)
    table = table.reshape(-1, len(levels) + 1)
    gallery = (table[:, 1:] == [n // 2 for n in levels]).all(axis=1)
    return table[~gallery]


def share_of_pairs_met(table, levels):
    """The smallest share, over people and pairs of factors, of their combinations that occur."""
    shares = []
    for person in np.unique(table[:, 0]):
        own = table[table[:, 0] == person][:, 1:]
        for a in range(len(levels)):
            for b in range(a):
                met = len(np.unique(own[:, (a, b)], axis=0))
                shares.append(met / min(len(own), levels[a] * levels[b]))
    return min(shares)


@pytest.mark.parametrize("levels", [(15, 6, 6), (9, 6, 6), (13, 4, 5), (7, 3, 2)])
def test_a_sample_meets_all_levels_of_each_factor_alike(levels):
    table = conditions(8, levels)
    sample = table[probe_sample(np.arange(len(table)), levels)]
    assert len(sample) < len(table) / 4 + 1
    for column, count in enumerate(levels, start=1):
        for person in range(8):
            own = sample[sample[:, 0] == person, column]
            met = np.bincount(own, minlength=count)
            assert met.max() - met.min() <= 2


def test_a_sample_couples_no_two_factors():
    levels = (15, 6, 6)
    table = conditions(8, levels)
    sample = table[probe_sample(np.arange(len(table)), levels)]
    assert share_of_pairs_met(sample, levels) > 0.8
    # every fourth: left of the frontal camera each expression that comes is even, or each is odd
    fourth = table[::4]
    assert share_of_pairs_met(fourth, levels) <= 0.5
