"""A decoded set answers what training and evaluation ask of a corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy_set import make_table

from mtl_helpers.datasets.decode import load_faces


def test_a_real_corpus_answers_what_training_and_evaluation_ask(tmp_path: Path):
    table = make_table(tmp_path / "root", galleries={"test": np.array([1])})
    corpus = load_faces(table, tmp_path / "root", 8, 1, cache=tmp_path / "c", progress=False)
    assert len(corpus) == len(corpus.images) == 3
    assert corpus.class_counts == {"id": 1, "glasses": 2}
    assert corpus.labels(np.array([2, 1]))["glasses"].tolist() == [-1, 1]
    assert corpus.split("train").tolist() == [0, 2]
    assert corpus.gallery("test").tolist() == [1] and corpus.probes("test").tolist() == []
    assert "3 images of 8 px, 2 identities" in repr(corpus)
    with pytest.raises(ValueError, match="no split 'validation'; it has: train, test"):
        corpus.split("validation")
    with pytest.raises(ValueError, match="no gallery 'train'"):
        corpus.gallery("train")
    with pytest.raises(ValueError, match="no pose labels"):
        _ = corpus.yaw_degrees
    for ask in (corpus.landmarks, corpus.visible):
        with pytest.raises(ValueError, match="no landmarks"):
            ask([0])


def test_landmarks_move_with_the_cut(tmp_path: Path):
    root = tmp_path / "root"
    boxes = np.tile([8.0, 4.0, 28.0, 24.0], (3, 1))
    points = np.tile(np.array([[8, 4], [18, 14], [np.nan, np.nan]], np.float32), (3, 1, 1))
    table = make_table(root, boxes=boxes, landmarks=points)
    corpus = load_faces(table, root, 40, 1, cache=tmp_path / "cache", progress=False)
    assert corpus.images.shape == (3, 40, 40)
    np.testing.assert_allclose(corpus.landmarks([1])[0, :2], [[0, 0], [20, 20]])
    assert corpus.visible(1).tolist() == [True, True, False]
