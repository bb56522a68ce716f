"""Verification and identification, against sklearn, loops and the released code's own list."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mtl_helpers.corpus import CARICATURE, PHOTO, IdentificationSplit, PairList
from mtl_helpers.faces.corpora.caricature import CaricatureSpec
from mtl_helpers.faces.corpora.caricature_protocols import cavi_pairs, identification, verification
from mtl_helpers.papers.ming2021.evaluation import (
    TRANSFERS,
    distance_scores,
    distances,
    identification_report,
    released_rank,
    search_report,
    searches,
    verification_report,
)

SPEC = CaricatureSpec(6, 4, 14, photos=4, caricatures=5, side=16)


def embeddings(spread, seed=0, dimensions=6):
    """A feature for each picture of the corpus: a person's own, plus noise."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(SPEC.identities, dimensions))
    identity = SPEC.identity(np.arange(len(SPEC)))
    z = own[identity] + spread * rng.normal(size=(len(SPEC), dimensions))
    return z / np.linalg.norm(z, axis=1, keepdims=True), identity


# ---- distances


def test_distances_are_those_of_two_loops():
    rng = np.random.default_rng(0)
    p, g = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    expected = [[np.sqrt(((a - b) ** 2).sum()) for b in g] for a in p]
    assert distances(p, g) == pytest.approx(np.array(expected))
    assert not distances(p, p).diagonal().any() or distances(p, p).diagonal().max() < 1e-7


def test_scores_of_pairs_are_minus_the_distance():
    z, _ = embeddings(0.5)
    pairs = cavi_pairs(SPEC, "test", count=20)
    expected = [
        -np.linalg.norm(z[a] - z[b]) for a, b in zip(pairs.first, pairs.second, strict=True)
    ]
    assert distance_scores(z, pairs) == pytest.approx(expected)


def test_features_that_are_no_numbers_or_too_few_are_refused():
    z, _ = embeddings(0.5)
    pairs = cavi_pairs(SPEC, "test", count=20)
    with pytest.raises(ValueError, match=r"but there are 3 embeddings"):
        distance_scores(z[:3], pairs)
    z[0, 0] = np.nan
    for call in (lambda: distance_scores(z, pairs), lambda: distances(z, z)):
        with pytest.raises(ValueError, match="must be finite"):
            call()
    with pytest.raises(ValueError, match=r"Expected features \(N, E\)"):
        distances(z[0], z)


# ---- verification


def val_by_loop(scores, same, far):
    """The ROC curve corner by corner, with straight lines between them."""
    negatives, positives = scores[~same], scores[same]
    corners = [(0.0, 0.0)]
    for t in sorted(set(scores), reverse=True):
        corners.append(((negatives >= t).mean(), (positives >= t).mean()))
    last = max(k for k, (f, _) in enumerate(corners) if f <= far)
    (f0, v0), (f1, v1) = corners[last], corners[min(last + 1, len(corners) - 1)]
    return v0 if f1 == f0 else v0 + (far - f0) / (f1 - f0) * (v1 - v0)


def test_verification_is_that_of_loops_and_sklearn():
    z, identity = embeddings(0.6)
    pairs, validation = (cavi_pairs(SPEC, split, count=200) for split in ("test", "validation"))
    scores, others = distance_scores(z, pairs), distance_scores(z, validation)
    report = verification_report(scores, pairs, identity, (others, validation.same))
    found = report.metrics
    assert found["AUC"] == pytest.approx(roc_auc_score(pairs.same, scores))
    for name, far in (("1e-3", 0.001), ("1e-2", 0.01)):
        expected = val_by_loop(scores, pairs.same, far)
        assert found[f"VAL@FAR={name}"] == pytest.approx(expected)
    assert found["genuine"] == pairs.same.sum() and found["impostors"] == (~pairs.same).sum()
    # the threshold is the other pairs' and no better than their best by search
    t = found["threshold"]
    best = max(((others >= u) == validation.same).mean() for u in [*others, np.inf])
    assert ((others >= t) == validation.same).mean() == pytest.approx(best)
    assert found["accuracy"] == pytest.approx(((scores >= t) == pairs.same).mean())
    right = (scores >= t) == pairs.same
    by_person = report.arrays["people/verification/accuracy"]
    people = np.unique(identity[pairs.first])
    expected = [right[identity[pairs.first] == person].mean() for person in people]
    assert by_person == pytest.approx(expected, abs=1e-6)


def test_of_a_fold_without_other_pairs_there_is_no_accuracy():
    z, identity = embeddings(0.6)
    pairs = verification(SPEC, count=10)
    inside = pairs.fold == 1
    fold = PairList(pairs.first[inside], pairs.second[inside], pairs.same[inside],
                    np.zeros(inside.sum(), dtype=int))  # fmt: skip
    report = verification_report(distance_scores(z, fold), fold, identity)
    assert "accuracy" not in report.metrics and not report.arrays


# ---- identification of known people


def known(seed=0, people=12, each=3):
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(people), 2 * each)
    modality = np.tile(np.repeat([PHOTO, CARICATURE], each), people)
    logits = {}
    for branch, own in (("photo", PHOTO), ("caricature", CARICATURE)):
        noise = rng.normal(size=(len(identity), people))
        noise[np.arange(len(identity)), identity] += np.where(modality == own, 2.5, 0.5)
        logits[branch] = noise
    return logits, identity, modality


def test_transfer_is_what_a_branch_says_of_a_modality():
    logits, identity, modality = known()
    report = identification_report(logits, identity, modality)
    letters = {"V": ("photo", PHOTO), "C": ("caricature", CARICATURE)}
    assert set(report.metrics) == set(TRANSFERS)
    for name, rates in report.metrics.items():
        # trained on the first letter's modality, tested on the last one's
        branch, asked = letters[name[0]][0], modality == letters[name[2]][1]
        ranked = np.argsort(-logits[branch][asked], axis=1)
        truth = identity[asked][:, None]
        assert rates["rank1"] == (ranked[:, :1] == truth).any(axis=1).mean()
        assert rates["rank10"] == (ranked[:, :10] == truth).any(axis=1).mean()
        hits = report.arrays[f"hits/{name}"]
        assert hits.mean() == rates["rank1"]
        by_person = [hits[identity[asked] == person].mean() for person in range(12)]
        assert report.arrays[f"people/identification/{name}"] == pytest.approx(by_person, abs=1e-6)


def test_a_single_task_network_answers_for_its_branch_only():
    logits, identity, modality = known()
    found = identification_report({"photo": logits["photo"]}, identity, modality).metrics
    assert set(found) == {"V2V", "V2C"}
    photos = modality == PHOTO
    found = identification_report(
        {name: scores[photos] for name, scores in logits.items()},
        identity[photos],
        modality[photos],
    ).metrics
    assert set(found) == {"V2V", "C2V"}


def test_scores_that_say_nothing_identify_nobody():
    logits, identity, modality = known()
    nothing = {"photo": np.zeros_like(logits["photo"])}  # all were rectified away
    found = identification_report(nothing, identity, modality).metrics
    assert found["V2V"] == {"rank1": 0.0, "rank10": 0.0}


def test_strangers_and_missing_branches_are_refused():
    logits, identity, modality = known()
    with pytest.raises(ValueError, match=r"identities in 0 \.\. 11, found 12"):
        identification_report(logits, identity + 1, modality)
    with pytest.raises(ValueError, match="no identification branch"):
        identification_report({"verification": logits["photo"]}, identity, modality)
    logits["photo"][0, 0] = np.nan
    with pytest.raises(ValueError, match="must be finite"):
        identification_report(logits, identity, modality)


# ---- identification across modalities


def test_search_is_that_of_sorted_distances():
    z, identity = embeddings(0.5)
    split = identification(SPEC, 1)
    report = search_report(z, identity, searches(split))
    for name, gallery, probes in (
        ("C2P", split.photo_gallery, split.caricature_probes),
        ("P2C", split.caricature_gallery, split.photo_probes),
    ):
        first, ten, flat = [], [], []
        for probe in probes:
            far = np.linalg.norm(z[gallery] - z[probe], axis=1)
            right = identity[gallery][np.argsort(far)] == identity[probe]
            first.append(right[0])
            ten.append(right[:10].any())
            flat += (identity[gallery][np.argpartition(far, 10)[:10]] == identity[probe]).tolist()
        found = report.metrics[name]
        assert found["rank1"] == np.mean(first) and found["rank10"] == np.mean(ten)
        released = [sum(flat[i::10]) > 0 for i in range(len(probes))]
        assert found["released_rank10"] == np.mean(released)
        people = np.unique(identity[probes])
        by_person = [np.mean(np.array(first)[identity[probes] == p]) for p in people]
        assert report.arrays[f"people/search/{name}"] == pytest.approx(by_person, abs=1e-6)


def test_the_released_rank_is_the_code_s_list_cut_with_a_stride():
    rng = np.random.default_rng(0)
    far, owners = rng.random((30, 25)), np.arange(25)
    people = rng.integers(0, 25, 30)
    flat = []
    for row in far:
        flat += list(owners[np.argpartition(row, 4)[:4]])
    right = [a == b for a, b in zip(flat, np.repeat(people, 4), strict=True)]
    expected = [sum(right[i::4]) > 0 for i in range(30)]
    assert released_rank(far, owners, people, 4).tolist() == expected


def test_by_the_released_rank_features_of_noise_find_nearly_all():
    rng = np.random.default_rng(0)
    far, owners = rng.random((500, 100)), np.arange(100)
    people = rng.integers(0, 100, 500)
    right = (far < far[np.arange(500), people][:, None]).sum(axis=1) < 10
    assert right.mean() == pytest.approx(0.1, abs=0.04)
    assert released_rank(far, owners, people).mean() > 0.95


@pytest.mark.parametrize("n", [0, 25, 26])
def test_the_released_rank_needs_a_larger_gallery(n):
    with pytest.raises(ValueError, match=f"a gallery of more than {n}"):
        released_rank(np.ones((3, 25)), np.arange(25), np.zeros(3, dtype=int), n)


def test_a_small_gallery_has_no_released_rank():
    z, identity = embeddings(0.5)
    people = np.arange(4)
    split = IdentificationSplit(
        train_identities=people,
        test_identities=people,
        train=SPEC.pictures_of(people),
        photo_gallery=SPEC.pictures_of(people, PHOTO)[::4],
        caricature_probes=SPEC.pictures_of(people, CARICATURE),
        caricature_gallery=SPEC.pictures_of(people, CARICATURE)[::5],
        photo_probes=SPEC.pictures_of(people, PHOTO),
    )
    found = search_report(z, identity, searches(split)).metrics
    assert set(found["C2P"]) == {"rank1", "rank10"} and found["C2P"]["rank10"] == 1
