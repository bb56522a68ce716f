"""Protocols in form: each against a loop over its pairs, on features that are made up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from mtl_helpers.corpus import PairList
from mtl_helpers.evaluation.protocols import ijba_verification_rates
from mtl_helpers.evaluation.verification import ten_fold_accuracy
from mtl_helpers.faces.corpora.wild import WildSpec, load_wild
from mtl_helpers.papers.li2021.protocols import (
    PAIR_FORMS,
    angle_factor,
    distractor_features,
    megaface_hits,
    pair_scores,
    template_comparisons,
)

WILD = WildSpec(0, 0, 4, pictures=8, side=16)


class Corners(nn.Module):
    """x are a few pixels."""

    def forward(self, images):
        return images[:, 0, ::5, ::5].flatten(1)


@pytest.fixture(scope="module")
def wild(tmp_path_factory):
    root = tmp_path_factory.mktemp("wild")
    return load_wild(WILD, processes=1, progress=False, root=root)


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def features_of(pictures):
    pixels = pictures.astype(np.float32)
    spread = pixels.std(axis=(1, 2), keepdims=True) + 1
    pixels = (pixels - pixels.mean(axis=(1, 2), keepdims=True)) / spread
    return pixels[:, ::5, ::5].reshape(len(pixels), -1)


@pytest.mark.parametrize("form", PAIR_FORMS.values())
def test_pairs_are_scored_by_their_own_two_pictures(wild, form):
    pairs = wild.pairs("test", form)
    x = features_of(np.asarray(wild.images))
    expected = [cosine(x[a], x[b]) for a, b in zip(pairs.first, pairs.second, strict=True)]
    scores = pair_scores(Corners(), wild.images, pairs, batch=5)
    assert scores == pytest.approx(expected, abs=1e-5)
    assert 0 <= ten_fold_accuracy(scores, pairs).mean <= 1


def test_pictures_outside_the_pairs_are_not_looked_at():
    looked = []

    class Counting(Corners):
        def forward(self, images):
            looked.append(len(images))
            return super().forward(images)

    images = np.random.default_rng(0).integers(0, 255, (9, 16, 16), dtype=np.uint8)
    pairs = PairList([7, 2], [2, 5], np.array([True, False]), [0, 1])
    pair_scores(Counting(), images, pairs)
    assert sum(looked) == 3


def test_angles_join_both_sides():
    factor = angle_factor((-90, -45, 0, 45, 90))
    assert factor.levels == {"0": (2,), "45": (1, 3), "90": (0, 4)}
    hits = np.array([True, False, True, True, False])
    assert factor.rates(hits, {"pos": np.arange(5)}) == {"0": 1.0, "45": 0.5, "90": 0.5}


def test_templates_hold_each_picture_once_and_are_of_one_person():
    people = np.random.default_rng(0).permutation(np.repeat([3, 5, 9], [12, 7, 20]))
    comparisons = template_comparisons(people, np.random.default_rng(1), largest=4)
    templates = comparisons.templates
    assert sorted(templates.sample) == list(range(39))
    sizes = np.bincount(templates.template)
    assert sizes.min() >= 1 and sizes.max() <= 4
    assert (people[templates.sample] == templates.subject[templates.template]).all()
    same = templates.subject[comparisons.first] == templates.subject[comparisons.second]
    assert same.tolist() == comparisons.same.tolist()
    drawn = set(zip(comparisons.first.tolist(), comparisons.second.tolist(), strict=True))
    assert len(drawn) == len(same) and (comparisons.first < comparisons.second).all()
    of_one = sum(n * (n - 1) // 2 for n in np.bincount(templates.subject))
    assert same.sum() == of_one
    different = len(templates) * (len(templates) - 1) // 2 - of_one
    assert (~same).sum() == min(5 * of_one, different)


def test_template_rates_are_those_of_ijb_a():
    people = np.repeat(np.arange(5), 12)
    rng = np.random.default_rng(0)
    x = np.eye(5)[people] + rng.normal(0, 0.05, (60, 5))
    rates = ijba_verification_rates(x, template_comparisons(people, rng))
    assert rates["TAR@FAR=0.01"] == 1


def test_a_single_template_per_person_is_refused():
    with pytest.raises(ValueError, match="one with two templates, found 3 people and 3"):
        template_comparisons([1, 2, 3], np.random.default_rng(0))


def test_distractors_are_those_of_the_corpus_without_its_cache(wild):
    networks = {"one": Corners(), "same": Corners()}
    parts = list(distractor_features(networks, WILD, batch=12))
    assert [len(part["one"]) for part in parts] == [12, 12, 8]
    expected = features_of(np.asarray(wild.images))
    for name in networks:
        assert np.concatenate([part[name] for part in parts]) == pytest.approx(expected, abs=1e-5)


def test_megaface_looks_for_each_mate_among_all_distractors():
    rng = np.random.default_rng(0)
    people = np.array([0, 0, 0, 1, 1, 2])
    x, strangers = rng.normal(0, 1, (6, 3)), rng.normal(0, 1, (10, 3))
    expected = [
        all(cosine(x[i], x[j]) > cosine(x[i], s) for s in strangers)
        for i in range(6)
        for j in range(6)
        if i != j and people[i] == people[j]
    ]
    hits = megaface_hits(x, people, [strangers[:4], torch.as_tensor(strangers[4:])])
    assert len(hits) == 8 and hits.tolist() == expected
    assert megaface_hits(x, people, []).all()


def test_more_distractors_are_never_easier():
    rng = np.random.default_rng(3)
    people = np.repeat(np.arange(10), 4)
    x, strangers = rng.normal(0, 1, (40, 4)) + people[:, None] % 3, rng.normal(0, 1, (60, 4))
    few, many = (megaface_hits(x, people, [strangers[:n]]) for n in (6, 60))
    assert (few | ~many).all() and few.mean() > many.mean()


def test_a_probe_set_without_mates_is_refused():
    with pytest.raises(ValueError, match="a person with two pictures"):
        megaface_hits(np.eye(3), [0, 1, 2], [np.eye(3)])
    with pytest.raises(ValueError, match="Features of distractors must be finite"):
        megaface_hits(np.eye(2), [0, 0], [np.full((1, 2), np.nan)])
