from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic_corpus import SyntheticCorpus
from untrained_networks import untrained

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.papers.yin2018.identification import (
    POSE_GROUPS,
    VIEWS,
    factors,
    identification_report,
    identified,
)
from mtl_helpers.papers.yin2018.model import PoseDirectedCNN
from mtl_helpers.training.batches import to_input


@pytest.fixture(scope="module")
def corpus():
    return SyntheticCorpus()


def branched(corpus):
    groups = ((0,), (1, 2, 3), (4,))
    return untrained(corpus, ("id", "pos"), lambda t, c: PoseDirectedCNN(t, c, groups))


def test_the_report_has_the_paper_s_names(corpus):
    network = untrained(corpus, ("id", "pos", "exp"))
    report = identification_report(corpus, "test", network, batch=64)
    seen = identified(corpus, "test", network)
    assert list(report) == ["split", "gallery", "probes", "rank1", "side", "side_accuracy"]
    assert list(report["rank1"]) == ["y_d", "x"]
    for name, rates in report["rank1"].items():
        hits, labels = seen.hits[name], seen.labels
        assert rates == {
            "overall": hits.mean(),
            "by_yaw": {
                str(yaw): hits[labels["pos"] == k].mean()
                for k, yaw in enumerate(corpus.yaw_degrees)
            },
            "by_group": {
                "right": hits[labels["pos"] == 0].mean(),
                "frontal": hits[np.isin(labels["pos"], (1, 2, 3))].mean(),
                "left": hits[labels["pos"] == 4].mean(),
            },
            "by_view": {
                "frontal": hits[np.isin(labels["pos"], (1, 2, 3))].mean(),
                "profile": hits[np.isin(labels["pos"], (0, 4))].mean(),
            },
            "by_illumination": {str(k): hits[labels["illum"] == k].mean() for k in range(3)},
            "by_expression": {str(k): hits[labels["exp"] == k].mean() for k in range(2)},
        }
        assert list(rates["by_yaw"]) == ["-60", "-30", "0", "30", "60"]
        assert list(rates["by_group"]) == ["right", "frontal", "left"]
    assert set(report["side"]) == set(report["side_accuracy"]) == {"pos", "exp"}


def test_two_classes_of_one_yaw_are_one_entry():
    levels = factors((-45, 0, 45, 45))["by_yaw"].levels
    assert levels == {"-45": (0,), "0": (1,), "45": (2, 3)}


def test_y_d_is_the_head_s_scores_and_x_the_feature(corpus):
    network = untrained(corpus, ("id", "pos"))
    seen = identified(corpus, "test", network)
    outputs = extract(network, corpus.images, corpus.probes("test"))
    assert torch.allclose(seen.outputs["id"], outputs["id"], atol=1e-5)
    assert set(seen.by_person()) == {"people/test/y_d", "people/test/x", "people/test/pos"}
    only_pose = identification_report(corpus, "test", untrained(corpus, ("pos",)))
    assert set(only_pose["rank1"]) == {"x"}


def test_each_branch_of_p_cnn_answers_for_each_image(corpus):
    network, index = branched(corpus), np.array([5, 0, 299, 17, 5])
    outputs = extract(network, corpus.images, index, batch=2)
    assert set(outputs) == {"x", "id", "pos", "branches"}
    assert outputs["branches"].shape == (5, 3, corpus.class_counts["id"])
    network.eval()
    for row, i in enumerate(index):
        with torch.no_grad():
            alone = network(to_input(torch.from_numpy(corpus.images[i : i + 1])))
            answers = [branch(alone.features[0]) for branch in network.branches]
        assert torch.allclose(outputs["branches"][row], alone.branches[0], atol=1e-5)
        assert torch.allclose(outputs["branches"][row], torch.stack(answers), atol=1e-5)
    assert not torch.allclose(outputs["branches"][:, 0], outputs["branches"][:, 1], atol=1e-3)


def test_p_cnn_is_judged_by_y_d_and_x_as_m_cnn_is(corpus):
    # same seed, so same trunk and same heads
    plain = untrained(corpus, ("id", "pos"))
    reports = [identification_report(corpus, "test", n) for n in (branched(corpus), plain)]
    assert reports[0] == reports[1]


def test_pose_groups_are_the_paper_s_and_share_no_yaw():
    degrees = [d for group in POSE_GROUPS.values() for d in group]
    assert sorted(degrees) == list(range(-90, 91, 15))


def test_views_join_the_groups_of_either_side():
    assert VIEWS["frontal"] == POSE_GROUPS["frontal"]
    assert set(VIEWS["profile"]) == {*POSE_GROUPS["left"], *POSE_GROUPS["right"]}


def test_people_are_looked_for_among_as_many_as_is_asked(corpus):
    network = untrained(corpus, ("id", "pos"))
    whole, halves = (
        identification_report(corpus, "test", network, gallery_size=size) for size in (None, 2)
    )
    assert (whole["gallery"], halves["gallery"]) == (4, 2)
    assert halves["rank1"]["x"]["overall"] > whole["rank1"]["x"]["overall"]
