"""Scores of pairs, each against a naive count."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_helpers.corpus import PairList
from mtl_helpers.evaluation.identification import rank1
from mtl_helpers.evaluation.verification import (
    FoldScores,
    best_threshold,
    cmc,
    cosine_matrix,
    cosine_scores,
    equal_error_rate,
    identity_ranks,
    mirrored_scores,
    over_folds,
    pool_templates,
    rank_k,
    roc,
    roc_auc,
    tar_at_far,
    ten_fold_accuracy,
    tpir_at_fpir,
)


def some_pairs(rng, count=120, folds=10, pictures=50):
    return PairList(
        first=rng.integers(0, pictures, count),
        second=rng.integers(0, pictures, count),
        same=np.arange(count) % 2 == 0,
        fold=np.arange(count) * folds // count,
    )


def some_scores(rng, same, decimals):
    """Noisy scores that favour same pairs; few decimals make ties."""
    return np.round(rng.normal(0, 1, len(same)) + same, decimals)


seeds_and_ties = pytest.mark.parametrize(("seed", "decimals"), [(0, 9), (1, 9), (2, 1), (3, 0)])


# -- scores of pairs ----------------------------------------------------------------------------


def cosine(a, b):
    return float(np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b)))


def test_cosines_are_those_of_one_pair_at_a_time():
    rng = np.random.default_rng(4)
    features, pairs = rng.normal(size=(50, 7)), some_pairs(rng)
    expected = [
        cosine(features[i], features[j]) for i, j in zip(pairs.first, pairs.second, strict=True)
    ]
    np.testing.assert_allclose(cosine_scores(features, pairs), expected, atol=1e-12)
    table = cosine_matrix(features[:5], features[5:9])
    assert table.shape == (5, 4)
    assert table[3, 2] == pytest.approx(cosine(features[3], features[7]))


def test_mirrored_scores_are_the_mean_of_the_four_pairs():
    rng = np.random.default_rng(5)
    straight, flipped, pairs = rng.normal(size=(50, 6)), rng.normal(size=(50, 6)), some_pairs(rng)
    expected = [
        np.mean([cosine(a[i], b[j]) for a in (straight, flipped) for b in (straight, flipped)])
        for i, j in zip(pairs.first, pairs.second, strict=True)
    ]
    np.testing.assert_allclose(mirrored_scores(straight, flipped, pairs), expected, atol=1e-12)


def test_pictures_without_a_feature_are_named():
    rng = np.random.default_rng(6)
    pairs = some_pairs(rng)
    with pytest.raises(ValueError, match=r"picture 49, but there are 40 features"):
        cosine_scores(rng.normal(size=(40, 3)), pairs)
    with pytest.raises(ValueError, match="mirror images"):
        mirrored_scores(np.ones((50, 3)), np.ones((49, 3)), pairs)


# -- accuracy in folds --------------------------------------------------------------------------


def naive_accuracy(scores, same, threshold):
    return sum((s >= threshold) == bool(t) for s, t in zip(scores, same, strict=True)) / len(same)


@seeds_and_ties
def test_no_threshold_is_better_than_the_best(seed, decimals):
    rng = np.random.default_rng(seed)
    same = rng.random(60) < 0.5
    scores = some_scores(rng, same, decimals)
    found = naive_accuracy(scores, same, best_threshold(scores, same))
    tried = np.concatenate([scores, scores + 1e-6, [-99, 99]])
    assert found == max(naive_accuracy(scores, same, threshold) for threshold in tried)


@seeds_and_ties
def test_each_fold_is_judged_by_the_threshold_of_the_others(seed, decimals):
    rng = np.random.default_rng(seed)
    pairs = some_pairs(rng)
    scores = some_scores(rng, pairs.same, decimals)
    found = ten_fold_accuracy(scores, pairs)
    for fold in range(10):
        others = [
            (s, t) for s, t, f in zip(scores, pairs.same, pairs.fold, strict=True) if f != fold
        ]
        threshold = best_threshold(*map(np.array, zip(*others, strict=True)))
        inside = pairs.fold == fold
        assert found.thresholds[fold] == threshold
        assert found.folds[fold] == naive_accuracy(scores[inside], pairs.same[inside], threshold)
    mean = sum(found.folds) / 10
    assert found.mean == pytest.approx(mean)
    deviation = (sum((a - mean) ** 2 for a in found.folds) / 9) ** 0.5
    assert found.standard_error == pytest.approx(deviation / 10**0.5)


def test_the_fold_itself_does_not_choose_its_threshold():
    # fold 1 alone would want a threshold below 0, fold 0 wants 0.5
    pairs = PairList(
        *(np.arange(4), np.arange(4)),
        np.array([True, False, True, False]),
        np.array([0, 0, 1, 1]),
    )
    found = ten_fold_accuracy([1.0, 0.0, -1.0, -3.0], pairs)
    assert found.thresholds.tolist() == [-2.0, 0.5]
    assert found.folds.tolist() == [0.5, 0.5]


def test_perfect_and_reversed_scores():
    pairs = some_pairs(np.random.default_rng(0))
    perfect = pairs.same.astype(float)
    assert ten_fold_accuracy(perfect, pairs).mean == 1
    assert roc_auc(perfect, pairs.same) == 1 and roc_auc(-perfect, pairs.same) == 0
    assert equal_error_rate(perfect, pairs.same) == 0
    assert equal_error_rate(-perfect, pairs.same) == 1
    assert tar_at_far(perfect, pairs.same, 0.0) == 1


def test_a_metric_over_folds_sees_one_fold_at_a_time():
    rng = np.random.default_rng(8)
    pairs = some_pairs(rng)
    scores = some_scores(rng, pairs.same, 9)
    found = over_folds(scores, pairs, roc_auc)
    expected = [roc_auc(scores[pairs.fold == f], pairs.same[pairs.fold == f]) for f in range(10)]
    assert found.folds.tolist() == expected and found.mean == pytest.approx(np.mean(expected))


@pytest.mark.parametrize(
    ("scores", "same", "error", "message"),
    [
        ([0.1, np.nan], [True, False], ValueError, "must be finite, found nan"),
        ([0.1], [True, False], ValueError, "one score per pair"),
        ([0.1, 0.2], [1, 0], TypeError, "booleans"),
        ([0.1, 0.2], [True, True], ValueError, "same and different pairs"),
    ],
)
def test_scores_that_mean_nothing_are_refused(scores, same, error, message):
    with pytest.raises(error, match=message):
        roc_auc(scores, np.array(same))


def test_one_fold_cannot_choose_its_own_threshold():
    pairs = some_pairs(np.random.default_rng(0), folds=1)
    with pytest.raises(ValueError, match="only one fold"):
        ten_fold_accuracy(np.zeros(120), pairs)


def test_where_one_answer_is_always_right_the_threshold_gives_it():
    scores = np.array([0.2, 0.7, 0.4])
    assert (scores >= best_threshold(scores, np.ones(3, bool))).all()
    assert (scores < best_threshold(scores, np.zeros(3, bool))).all()
    # between neighbouring floats there is no middle, but the two are still told apart
    close = np.array([1.0, np.nextafter(1.0, 2.0)])
    assert (close >= best_threshold(close, np.array([False, True]))).tolist() == [False, True]


def test_one_fold_has_no_standard_error():
    assert np.isnan(FoldScores(np.array([0.5])).standard_error)


# -- the ROC curve ------------------------------------------------------------------------------


def rates(scores, same, threshold):
    accepted = scores >= threshold
    return (accepted & ~same).sum() / (~same).sum(), (accepted & same).sum() / same.sum()


@seeds_and_ties
def test_the_curve_has_a_corner_for_every_threshold(seed, decimals):
    rng = np.random.default_rng(seed)
    same = rng.random(80) < 0.4
    scores = some_scores(rng, same, decimals)
    far, tar, thresholds = roc(scores, same)
    expected = [(0.0, 0.0)] + [rates(scores, same, t) for t in sorted(set(scores))[::-1]]
    np.testing.assert_allclose(np.stack([far, tar], axis=1), expected)
    assert thresholds[1:].tolist() == sorted(set(scores))[::-1]


@seeds_and_ties
def test_the_area_is_the_share_of_pairs_in_the_right_order(seed, decimals):
    rng = np.random.default_rng(seed)
    same = rng.random(80) < 0.4
    scores = some_scores(rng, same, decimals)
    wins = [
        1.0 if mine > theirs else 0.5 if mine == theirs else 0.0
        for mine in scores[same]
        for theirs in scores[~same]
    ]
    assert roc_auc(scores, same) == pytest.approx(np.mean(wins))


def on_the_curve(corners, along):
    """Walk along straight lines between corners in small steps until ``along`` turns positive."""
    for (x0, y0), (x1, y1) in zip(corners, corners[1:], strict=False):
        if along(x1, y1) >= 0:
            low, high = 0.0, 1.0
            for _ in range(60):
                middle = (low + high) / 2
                inside = along(x0 + middle * (x1 - x0), y0 + middle * (y1 - y0)) >= 0
                low, high = (low, middle) if inside else (middle, high)
            return x0 + high * (x1 - x0), y0 + high * (y1 - y0)
    raise AssertionError


@seeds_and_ties
def test_equal_errors_lie_where_the_curve_meets_the_diagonal(seed, decimals):
    rng = np.random.default_rng(seed)
    same = rng.random(80) < 0.4
    scores = some_scores(rng, same, decimals)
    corners = [(0.0, 0.0)] + [rates(scores, same, t) for t in sorted(set(scores))[::-1]]
    far, tar = on_the_curve(corners, lambda x, y: x + y - 1)
    assert equal_error_rate(scores, same) == pytest.approx(far) == pytest.approx(1 - tar)


@seeds_and_ties
@pytest.mark.parametrize("far", [0.0, 0.001, 0.01, 0.1, 0.37, 1.0])
def test_tar_at_far_by_trying_every_threshold(seed, decimals, far):
    rng = np.random.default_rng(seed)
    same = rng.random(80) < 0.4
    scores = some_scores(rng, same, decimals)
    corners = [(0.0, 0.0)] + [rates(scores, same, t) for t in sorted(set(scores))[::-1]]
    allowed = max(y for x, y in corners if x <= far)
    assert tar_at_far(scores, same, far, interpolate=False) == pytest.approx(allowed)
    beyond = [(x, y) for x, y in corners if x > far]
    last = max(corner for corner in corners if corner[0] <= far)
    expected = last[1]
    if beyond and last[0] < far:
        following = min(beyond)
        expected += (far - last[0]) / (following[0] - last[0]) * (following[1] - last[1])
    assert tar_at_far(scores, same, far) == pytest.approx(expected)


def test_tar_at_far_by_hand():
    # different pairs score 0.9 and 0.1; of four same pairs one beats 0.9, two lie between
    scores = np.array([0.95, 0.6, 0.5, 0.05, 0.9, 0.1])
    same = np.array([True, True, True, True, False, False])
    assert tar_at_far(scores, same, 0.0) == 0.25
    assert tar_at_far(scores, same, 0.5) == 0.75
    # halfway from no false accept to one the corner at 0.9 has the same TAR as before it
    assert tar_at_far(scores, same, 0.25) == 0.25
    assert tar_at_far(scores, same, 0.49, interpolate=False) == 0.25
    with pytest.raises(ValueError, match=r"lies in 0 \.\. 1, found 1\.5"):
        tar_at_far(scores, same, 1.5)


# -- identification -----------------------------------------------------------------------------


def naive_rank(row, gallery_ids, identity):
    """Place of an identity among the others by its best entry; a tie is lost."""
    best = {}
    for value, owner in zip(row, gallery_ids, strict=True):
        best[owner] = max(value, best.get(owner, -np.inf))
    if identity not in best:
        return 0
    own = best.pop(identity)
    return 1 + sum(value >= own for value in best.values())


@pytest.mark.parametrize(("seed", "decimals"), [(0, 9), (1, 1), (2, 0)])
def test_ranks_are_those_of_a_search_through_the_gallery(seed, decimals):
    rng = np.random.default_rng(seed)
    gallery_ids = rng.choice([3, 5, 8, 13, 21], 12)
    probe_ids = rng.choice([2, 3, 5, 8, 34], 40)
    table = np.round(rng.normal(size=(40, 12)), decimals)
    expected = [naive_rank(r, gallery_ids, i) for r, i in zip(table, probe_ids, strict=True)]
    assert identity_ranks(table, gallery_ids, probe_ids).tolist() == expected
    assert 0 in expected


def test_rank_k_and_the_curve_count_ranks():
    rng = np.random.default_rng(3)
    gallery_ids, probe_ids = np.arange(6), rng.integers(0, 6, 30)
    table = rng.normal(size=(30, 6))
    ranks = [naive_rank(r, gallery_ids, i) for r, i in zip(table, probe_ids, strict=True)]
    curve = cmc(table, gallery_ids, probe_ids)
    for k in range(1, 7):
        share = np.mean([rank <= k for rank in ranks])
        assert rank_k(table, gallery_ids, probe_ids, k).mean() == share
        assert curve[k - 1] == pytest.approx(share)
    assert len(curve) == 6 and curve[-1] == 1
    assert cmc(table, gallery_ids, probe_ids, 2).tolist() == curve[:2].tolist()


def test_rank_1_agrees_with_that_of_the_evaluation():
    rng = np.random.default_rng(9)
    gallery, probes = rng.normal(size=(7, 4)), rng.normal(size=(25, 4))
    ids = np.arange(7), rng.integers(0, 7, 25)
    hits = rank_k(cosine_matrix(probes, gallery), *ids)
    assert hits.tolist() == rank1(gallery, ids[0], probes, ids[1]).tolist()


def test_equal_features_identify_nobody():
    assert not rank_k(np.zeros((4, 3)), np.arange(3), np.array([0, 1, 2, 0])).any()


def test_a_stranger_has_no_rank_in_a_closed_set():
    with pytest.raises(ValueError, match="no entry of 7"):
        rank_k(np.zeros((2, 2)), np.array([1, 2]), np.array([1, 7]))
    with pytest.raises(ValueError, match=r"\(2, 2\), found \(2, 3\)"):
        rank_k(np.zeros((2, 3)), np.array([1, 2]), np.array([1, 2]))
    with pytest.raises(ValueError, match="at least 1"):
        rank_k(np.zeros((1, 1)), np.array([1]), np.array([1]), 0)


@pytest.mark.parametrize(("seed", "decimals"), [(0, 9), (1, 1)])
@pytest.mark.parametrize("fpir", [0.0, 0.05, 0.1, 0.5, 1.0])
def test_open_set_rate_by_trying_every_threshold(seed, decimals, fpir):
    rng = np.random.default_rng(seed)
    gallery_ids = np.arange(5)
    probe_ids = np.concatenate([rng.integers(0, 5, 30), np.full(20, 9)])
    table = np.round(rng.normal(size=(50, 5)), decimals)
    table[np.arange(30), probe_ids[:30]] += 1
    best = 0.0
    for threshold in np.concatenate([table.ravel(), table.ravel() + 1e-6]):
        alarms = np.mean([row.max() >= threshold for row in table[30:]])
        if alarms <= fpir + 1e-12:
            hits = [
                naive_rank(row, gallery_ids, i) == 1 and row.max() >= threshold
                for row, i in zip(table[:30], probe_ids[:30], strict=True)
            ]
            best = max(best, np.mean(hits))
    assert tpir_at_fpir(table, gallery_ids, probe_ids, fpir) == pytest.approx(best)


def test_identification_refuses_no_probes_and_odd_rates():
    with pytest.raises(ValueError, match="no probe to identify"):
        cmc(np.zeros((0, 2)), np.array([0, 1]), np.array([], dtype=int))
    with pytest.raises(ValueError, match=r"lies in 0 \.\. 1, found -0\.1"):
        tpir_at_fpir(np.eye(2), np.array([0, 1]), np.array([0, 5]), -0.1)
    with pytest.raises(ValueError, match=r"features \(N, D\), found shape \(3,\)"):
        cosine_matrix(np.ones(3), np.ones((2, 3)))


def test_open_set_rate_needs_people_inside_and_outside():
    with pytest.raises(ValueError, match="found 2 inside and 0 outside"):
        tpir_at_fpir(np.eye(2), np.array([0, 1]), np.array([0, 1]), 0.1)


# -- templates ----------------------------------------------------------------------------------


def test_pooling_averages_frames_of_a_medium_first():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(9, 5))
    template = np.array([4, 4, 4, 4, 2, 2, 7, 7, 7])
    media = np.array([1, 1, 1, 8, 1, 1, 3, 4, 5])
    units = [row / np.sqrt((row**2).sum()) for row in features]
    names, pooled = pool_templates(features, template, media)
    assert names.tolist() == [2, 4, 7]
    for place, name in enumerate(names):
        means = []
        for medium in sorted(set(media[template == name])):
            rows = [
                u
                for u, t, m in zip(units, template, media, strict=True)
                if (t, m) == (name, medium)
            ]
            means.append(sum(rows) / len(rows))
        mean = sum(means) / len(means)
        np.testing.assert_allclose(pooled[place], mean / np.sqrt((mean**2).sum()))
    flat = pool_templates(features, template)[1]
    assert not np.allclose(flat[1], pooled[1])  # three frames and a still
    np.testing.assert_allclose(flat[2], pooled[2])  # three stills


def test_the_order_of_the_rows_does_not_matter_to_a_template():
    rng = np.random.default_rng(2)
    features, template, media = rng.normal(size=(20, 4)), rng.integers(0, 4, 20), np.arange(20) % 3
    order = rng.permutation(20)
    np.testing.assert_allclose(
        pool_templates(features, template, media)[1],
        pool_templates(features[order], template[order], media[order])[1],
    )


def test_templates_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one template per feature"):
        pool_templates(np.ones((3, 2)), [1, 2])
    with pytest.raises(ValueError, match="one medium per feature"):
        pool_templates(np.ones((2, 2)), [1, 2], [1])
