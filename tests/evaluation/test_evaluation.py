from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from synthetic_corpus import SyntheticCorpus

from mtl_helpers.evaluation.identification import (
    POSE_GROUPS,
    extract,
    flatten_report,
    identification_report,
    mean_class_accuracy,
    nearest_gallery,
    rank1,
)
from mtl_helpers.training.batches import to_input
from mtl_helpers.training.loop import TrainConfig, build_model


def naive_rank1(gallery, known, probes, asked):
    hits = []
    for probe, identity in zip(probes, asked, strict=True):
        best, found = -math.inf, None
        for feature, candidate in zip(gallery, known, strict=True):
            cosine = float(np.dot(probe, feature)) / (
                math.sqrt(float(np.dot(probe, probe))) * math.sqrt(float(np.dot(feature, feature)))
            )
            if cosine > best:
                best, found = cosine, candidate
        hits.append(found == identity)
    return np.array(hits)


@pytest.fixture(scope="module")
def corpus():
    return SyntheticCorpus()


@pytest.fixture(scope="module")
def model(corpus):
    config = TrainConfig(tasks=("id", "pos", "exp"), weights=(1.0, 0.1, 0.1), width=0.125)
    return build_model(config, corpus.class_counts, 1)


def test_rank1_is_the_naive_loop():
    rng = np.random.default_rng(0)
    known = rng.permutation(30)
    centres = rng.normal(size=(30, 8))
    gallery = centres[known] * rng.uniform(0.1, 10, (30, 1))
    asked = rng.integers(0, 30, 400)
    probes = centres[asked] + rng.normal(0, 1.0, (400, 8))
    hits = rank1(gallery, known, probes, asked)
    assert hits.dtype == bool
    assert 0.2 < hits.mean() < 0.9
    assert (hits == naive_rank1(gallery, known, probes, asked)).all()


def test_rank1_ignores_the_lengths_of_features():
    rng = np.random.default_rng(1)
    gallery, probes = rng.normal(size=(10, 4)), rng.normal(size=(50, 4))
    asked = rng.integers(0, 10, 50)
    scaled = rank1(
        gallery * rng.uniform(0.1, 10, (10, 1)), np.arange(10),
        probes * rng.uniform(0.1, 10, (50, 1)), asked,
    )  # fmt: skip
    assert (scaled == rank1(gallery, np.arange(10), probes, asked)).all()


def test_nearest_does_not_depend_on_the_batch():
    torch.manual_seed(0)
    gallery, probes = torch.randn(9, 5), torch.randn(23, 5)
    assert torch.equal(nearest_gallery(gallery, probes, 4), nearest_gallery(gallery, probes))


def test_rank1_refuses_what_does_not_fit():
    g, p = np.ones((2, 3)), np.ones((4, 3))
    with pytest.raises(ValueError, match=r"Expected features \(G, D\) and \(P, D\)"):
        rank1(g, [0, 1], np.ones((4, 2)), [0, 0, 1, 1])
    with pytest.raises(ValueError, match="one identity a feature"):
        rank1(g, [0], p, [0, 0, 1, 1])
    with pytest.raises(ValueError, match=r"found none for \[7\]"):
        rank1(g, [0, 1], p, [0, 0, 1, 7])


def test_mean_class_accuracy_by_hand():
    # class 0: 3 of 4 right, class 1: 0 of 1, class 3: 1 of 1; class 2 has no image
    labels = [0, 0, 0, 0, 1, 3]
    said = [0, 0, 0, 2, 0, 3]
    logits = torch.nn.functional.one_hot(torch.tensor(said), 4).float()
    assert mean_class_accuracy(logits, labels) == pytest.approx((0.75 + 0 + 1) / 3)
    with pytest.raises(ValueError, match="no images"):
        mean_class_accuracy(logits[:0], [])


def test_extract_is_the_model_on_each_image_alone(corpus, model):
    index = np.array([5, 0, 299, 17, 5])
    found = extract(model, corpus.images, index, batch=2)
    assert set(found) == {"x", "id", "pos", "exp"}
    model.eval()
    for row, i in enumerate(index):
        with torch.no_grad():
            out = model(to_input(torch.from_numpy(corpus.images[i : i + 1])))
        assert torch.allclose(found["x"][row], out.features[0], atol=1e-5)
        assert torch.allclose(found["pos"][row], out.logits["pos"][0], atol=1e-5)


def test_extract_gives_what_each_branch_of_p_cnn_says_of_each_image_alone(corpus):
    config = TrainConfig(tasks=("id", "pos"), weights=(1.0, 0.1), width=0.125)
    branched = build_model(config, corpus.class_counts, 1, ((0,), (1, 2, 3), (4,)))
    index = np.array([5, 0, 299, 17, 5])
    found = extract(branched, corpus.images, index, batch=2)
    assert set(found) == {"x", "id", "pos", "branches"}
    assert found["branches"].shape == (5, 3, corpus.class_counts["id"])
    assert found["branches"].dtype == torch.float32
    branched.eval()
    for row, i in enumerate(index):
        with torch.no_grad():
            out = branched(to_input(torch.from_numpy(corpus.images[i : i + 1])))
            said = [branch(out.features[0]) for branch in branched.branches]
        assert torch.allclose(found["branches"][row], out.branches[0], atol=1e-5)
        assert torch.allclose(found["branches"][row], torch.stack(said), atol=1e-5)
    assert not torch.allclose(found["branches"][:, 0], found["branches"][:, 1], atol=1e-3)


def test_the_report_of_p_cnn_judges_y_d_and_x_as_that_of_m_cnn_does(corpus):
    config = TrainConfig(tasks=("id", "pos"), weights=(1.0, 0.1), width=0.125)
    plain = build_model(config, corpus.class_counts, 1)
    branched = build_model(config, corpus.class_counts, 1, ((0,), (1, 2, 3), (4,)))
    # same seed, so same trunk and same heads
    assert identification_report(corpus, "test", branched) == identification_report(
        corpus, "test", plain
    )


def test_extract_leaves_the_mode_as_it_was(corpus, model):
    model.train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    extract(model, corpus.images, [0, 1, 2])
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    with pytest.raises(ValueError, match="no image to look at"):
        extract(model, corpus.images, [])


def test_report_against_loops_over_the_probes(corpus, model):
    report = identification_report(corpus, "test", model, batch=64)
    gallery, probes = corpus.gallery("test"), corpus.probes("test")
    assert (report["split"], report["gallery"], report["probes"]) == ("test", 4, 116)
    labels = corpus.labels(probes)
    for name, key in (("y_d", "id"), ("x", "x")):
        g = extract(model, corpus.images, gallery)[key].numpy()
        p = extract(model, corpus.images, probes)[key].numpy()
        hits = naive_rank1(g, corpus.labels(gallery)["id"], p, labels["id"])
        rates = report["rank1"][name]
        assert rates["overall"] == pytest.approx(hits.mean())
        for kind, task, names in (
            ("by_yaw", "pos", corpus.yaw_degrees),
            ("by_illumination", "illum", range(3)),
            ("by_expression", "exp", range(2)),
        ):
            assert list(rates[kind]) == [str(n) for n in names]
            for number, value in enumerate(rates[kind].values()):
                assert value == pytest.approx(hits[labels[task] == number].mean())
        frontal = np.isin(labels["pos"], [1, 2, 3])
        assert rates["by_group"] == pytest.approx(
            {
                "right": hits[labels["pos"] == 0].mean(),
                "frontal": hits[frontal].mean(),
                "left": hits[labels["pos"] == 4].mean(),
            }
        )
    said = extract(model, corpus.images, probes)["pos"].argmax(1).numpy()
    recalls = [(said[labels["pos"] == k] == k).mean() for k in range(5)]
    assert report["side"]["pos"] == pytest.approx(np.mean(recalls))
    assert set(report["side"]) == {"pos", "exp"}


def test_report_on_some_probes_is_json_and_flattens(corpus, model):
    some = corpus.probes("test")[::7]
    report = identification_report(corpus, "test", model, probes=some)
    assert json.loads(json.dumps(report)) == report
    assert report["probes"] == len(some)
    flat = flatten_report(report)
    assert flat["rank1/y_d/by_yaw/-60"] == report["rank1"]["y_d"]["by_yaw"]["-60"]
    assert flat["side/pos"] == report["side"]["pos"]
    assert "split" not in flat


def test_a_network_without_identity_is_judged_by_x_alone(corpus):
    model = build_model(TrainConfig(tasks=("pos",), width=0.125), corpus.class_counts, 1)
    report = identification_report(corpus, "test", model)
    assert set(report["rank1"]) == {"x"}
    assert set(report["side"]) == {"pos"}


def test_pose_groups_are_the_paper_s_and_share_no_yaw():
    degrees = [d for group in POSE_GROUPS.values() for d in group]
    assert sorted(degrees) == list(range(-90, 91, 15))
