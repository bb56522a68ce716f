"""What the probes of single factors report, and that they can tell an easy factor from noise."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mtl_helpers.faces.corpora.kinds import CORPORA
from mtl_helpers.laboratory import factor_probes
from mtl_helpers.laboratory.factor_probes import _linear_scores, _score
from mtl_helpers.losses import UNLABELLED
from mtl_helpers.presets import get_preset

SMOKE = get_preset("smoke")


def test_both_methods_probe_every_factor_with_two_seeds() -> None:
    runs = factor_probes.configs(SMOKE)
    for name, kind in CORPORA.items():
        factors = set(kind.from_preset(SMOKE).class_counts)
        for method in ("linear", "network"):
            for seed in (0, 1):
                probed = [
                    task
                    for run in runs
                    if (run.arm.split("-")[0], run.method, run.seed) == (name, method, seed)
                    for task in run.tasks
                ]
                assert sorted(probed) == sorted(factors)
    assert len({(run.arm, run.seed) for run in runs}) == len(runs)


def made_up_corpus(seed: int, pictures: int = 600) -> SimpleNamespace:
    """A bright top half tells the class of "half"; "coin" is told by nothing."""
    rng = np.random.default_rng(seed)
    half = rng.integers(2, size=pictures)
    coin = rng.integers(2, size=pictures)
    images = rng.integers(80, 120, (pictures, 16, 16)).astype(np.uint8)
    images[half == 1, :8] += 60
    labels = {"half": half, "coin": coin}
    labels["half"][::7] = UNLABELLED
    return SimpleNamespace(
        images=images,
        class_counts={"half": 2, "coin": 2},
        labels=lambda index: {task: values[index] for task, values in labels.items()},
        split=lambda name: (
            np.arange(pictures)[: pictures // 2]
            if name == "train"
            else np.arange(pictures)[pictures // 2 :]
        ),
    )


def test_a_linear_probe_finds_what_is_there_and_no_more() -> None:
    corpus = made_up_corpus(0)
    test = corpus.split("test")
    scores = _linear_scores(corpus, ("half", "coin"), test, seed=0)
    truth = corpus.labels(test)
    easy = _score("half", scores["half"], truth["half"], 2)
    noise = _score("coin", scores["coin"], truth["coin"], 2)
    assert easy["score"] > 0.98
    assert abs(noise["score"] - 0.5) < 0.1
    assert easy["chance"] == noise["chance"] == 0.5
    assert easy["images"] == (truth["half"] != UNLABELLED).sum() < noise["images"]


def test_a_class_without_training_pictures_is_never_recognised() -> None:
    corpus = made_up_corpus(0)
    corpus.class_counts = {"half": 3}  # nobody has the third
    scores = _linear_scores(corpus, ("half",), corpus.split("test"), seed=0)["half"]
    assert np.isfinite(scores).all()
    assert (scores[:, 2] < scores[:, :2].min(axis=1)).all()


def test_identity_is_scored_by_rank_1() -> None:
    rng = np.random.default_rng(1)
    truth = np.repeat(np.arange(100, 105), 4)  # people of the test keep their own numbers
    directions = rng.normal(size=(5, 8))
    features = directions[truth - 100] + 0.01 * rng.normal(size=(20, 8))
    found = _score("id", features, truth, classes=300)
    assert found == {"score": 1.0, "chance": pytest.approx(0.2), "images": 15}
    shuffled = _score("id", features[rng.permutation(20)], truth, classes=300)
    assert shuffled["score"] < 0.7


def test_a_smoke_run_of_each_method_gives_scores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = {run.arm: run for run in factor_probes.configs(SMOKE) if run.seed == SMOKE.seeds[0]}
    for arm in ("wild-all-linear", "wild-glasses-network"):
        run = replace(runs[arm], plan=replace(runs[arm].plan, steps=3, warmup_steps=1))
        factors = factor_probes.run(run).metrics["factors"]
        assert set(factors) == set(run.tasks)
        for values in factors.values():
            assert 0 <= values["score"] <= 1
            assert values["images"] > 0
