"""Every metric refuses what a diverged network gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic_corpus import SyntheticCorpus
from torch import nn

from mtl_helpers.corpus import PairList
from mtl_helpers.evaluation import verification
from mtl_helpers.evaluation.attributes import mean_class_accuracy, score_tasks, training_accuracy
from mtl_helpers.evaluation.finite import require_finite
from mtl_helpers.evaluation.identification import identify, nearest_gallery, rank1
from mtl_helpers.training.batches import labelled_batches
from mtl_helpers.training.plan import Plan

IDS = np.arange(4)
PAIRS = PairList(IDS, np.roll(IDS, 1), np.array([True, False, True, False]), np.array([0, 0, 1, 1]))
FEATURES = np.random.default_rng(0).normal(size=(4, 4))
SCORES = np.array([0.9, 0.1, 0.8, 0.3])


class Constant(nn.Module):
    """A network that gives one value for all pictures, with noise so that none are equal."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, images):
        noise = images.flatten(1)[:, :6]
        return {"x": noise + self.value, "pos": noise[:, :5] + self.value}


CORPUS = SyntheticCorpus()
# each takes a table (4, 4), or scores (4,), that may hold one bad number
OF_TABLES = {
    "nearest_gallery, gallery": lambda t: nearest_gallery(torch.tensor(t), torch.ones(2, 4)),
    "nearest_gallery, probes": lambda t: nearest_gallery(torch.ones(2, 4), torch.tensor(t)),
    "rank1, gallery": lambda t: rank1(t, IDS, FEATURES, IDS),
    "rank1, probes": lambda t: rank1(FEATURES, IDS, t, IDS),
    "mean_class_accuracy": lambda t: mean_class_accuracy(t, IDS),
    "score_tasks": lambda t: score_tasks({"pos": t}, {"pos": IDS}),
    "cosine_matrix, probes": lambda t: verification.cosine_matrix(t, FEATURES),
    "cosine_matrix, gallery": lambda t: verification.cosine_matrix(FEATURES, t),
    "cosine_scores": lambda t: verification.cosine_scores(t, PAIRS),
    "mirrored_scores": lambda t: verification.mirrored_scores(t, FEATURES, PAIRS),
    "mirrored_scores, mirror": lambda t: verification.mirrored_scores(FEATURES, t, PAIRS),
    "identity_ranks": lambda t: verification.identity_ranks(t, IDS, IDS),
    "rank_k": lambda t: verification.rank_k(t, IDS, IDS),
    "cmc": lambda t: verification.cmc(t, IDS, IDS),
    "tpir_at_fpir": lambda t: verification.tpir_at_fpir(t, IDS, np.array([0, 1, 8, 9]), 0.5),
    "pool_templates": lambda t: verification.pool_templates(t, [0, 0, 1, 1]),
}
OF_SCORES = {
    "best_threshold": lambda s: verification.best_threshold(s, PAIRS.same),
    "ten_fold_accuracy": lambda s: verification.ten_fold_accuracy(s, PAIRS),
    "over_folds": lambda s: verification.over_folds(s, PAIRS, verification.roc_auc),
    "roc": lambda s: verification.roc(s, PAIRS.same),
    "roc_auc": lambda s: verification.roc_auc(s, PAIRS.same),
    "equal_error_rate": lambda s: verification.equal_error_rate(s, PAIRS.same),
    "tar_at_far": lambda s: verification.tar_at_far(s, PAIRS.same, 0.5),
}
OF_NETWORKS = {
    "identify": lambda v: identify(CORPUS, "test", Constant(v)),
    "report": lambda v: identify(CORPUS, "test", Constant(v)).report(),
    "training_accuracy": lambda v: training_accuracy(
        Constant(v), labelled_batches(CORPUS, ("pos",), Plan()), images=20
    ),
}
bad_numbers = pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])


def assert_refuses_only_what_is_not_finite(metric, good, spoilt, bad):
    metric(good)
    with pytest.raises(ValueError, match=rf"must be finite, found {bad} among \d+ numbers"):
        metric(spoilt)


@bad_numbers
@pytest.mark.parametrize("name", OF_TABLES)
def test_metrics_of_features_refuse_one_bad_number(name, bad):
    spoilt = FEATURES.copy()
    spoilt[2, 1] = bad
    assert_refuses_only_what_is_not_finite(OF_TABLES[name], FEATURES, spoilt, bad)


@bad_numbers
@pytest.mark.parametrize("name", OF_SCORES)
def test_metrics_of_scores_refuse_one_bad_number(name, bad):
    spoilt = SCORES.copy()
    spoilt[2] = bad
    assert_refuses_only_what_is_not_finite(OF_SCORES[name], SCORES, spoilt, bad)


@bad_numbers
@pytest.mark.parametrize("name", OF_NETWORKS)
def test_measures_of_networks_refuse_diverged_ones(name, bad):
    assert_refuses_only_what_is_not_finite(OF_NETWORKS[name], 0.0, bad, bad)


def test_every_metric_of_verification_is_among_them():
    tried = {name.split(",")[0] for name in (*OF_TABLES, *OF_SCORES)}
    assert set(verification.__all__) - {"FoldScores", "TenFoldAccuracy"} <= tried


def test_any_kind_of_number_can_be_asked_about():
    for values in ([1, 2], np.array([True]), torch.ones(2).bfloat16(), torch.ones(0), 3.0):
        require_finite(values, "Numbers")
    with pytest.raises(ValueError, match="Numbers must be finite, found nan among 2 numbers"):
        require_finite(torch.tensor([1.0, torch.nan], requires_grad=True), "Numbers")
