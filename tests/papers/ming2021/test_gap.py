"""The modality gap in numbers, on features whose gap is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from mtl_helpers.papers.ming2021.gap import by_exaggeration, by_style, modality_gap

PEOPLE, EACH = 8, 5
IDENTITY = np.repeat(np.arange(PEOPLE), 2 * EACH)
MODALITY = np.tile(np.repeat([0, 1], EACH), PEOPLE)


def features(own, gap, seed=0):
    """Who is shown shifts a feature by ``own``, how it is shown by ``gap``, noise by 1."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(len(IDENTITY), 12)) + own * rng.normal(size=(PEOPLE, 12))[IDENTITY]
    z[:, 0] += gap * MODALITY
    return z


def test_without_a_gap_modality_is_a_guess_and_people_are_found():
    gap = modality_gap(features(own=4, gap=0), IDENTITY, MODALITY)
    assert gap["modality_accuracy"] == pytest.approx(0.5, abs=0.15)
    assert gap["rank1_across"] > 0.95 and gap["silhouette_identity"] > 0.4
    assert abs(gap["silhouette_modality"]) < 0.1


def test_a_wide_gap_shows_in_every_number():
    gap = modality_gap(features(own=0.2, gap=30), IDENTITY, MODALITY)
    assert gap["modality_accuracy"] == 1 and gap["silhouette_modality"] > 0.6
    assert gap["rank1_across"] < 0.5 and gap["silhouette_identity"] < 0


def test_numbers_are_those_of_loops():
    z = features(own=1, gap=2)
    found = modality_gap(z, IDENTITY, MODALITY)
    assert found["silhouette_identity"] == pytest.approx(silhouette_samples(z, IDENTITY).mean())
    hits = []
    for row, person, kind in zip(z, IDENTITY, MODALITY, strict=True):
        means = [z[(p == IDENTITY) & (kind != MODALITY)].mean(0) for p in range(PEOPLE)]
        hits.append(np.argmin([np.linalg.norm(row - mean) for mean in means]) == person)
    assert found["rank1_across"] == pytest.approx(np.mean(hits))


def test_names_of_people_need_not_begin_at_0():
    z = features(own=1, gap=2)
    assert modality_gap(z, IDENTITY, MODALITY) == modality_gap(z, 100 + 3 * IDENTITY, MODALITY)


def test_people_of_one_modality_and_no_numbers_are_refused():
    z = features(own=1, gap=1)
    once = (IDENTITY != 3) | (MODALITY == 0)
    with pytest.raises(ValueError, match="each in both of photo and caricature"):
        modality_gap(z[once], IDENTITY[once], MODALITY[once])
    with pytest.raises(ValueError, match="at least two people"):
        modality_gap(z[:10], IDENTITY[:10], MODALITY[:10])
    z[0, 0] = np.inf
    with pytest.raises(ValueError, match="must be finite"):
        modality_gap(z, IDENTITY, MODALITY)


def test_rates_by_exaggeration_are_those_of_each_bin():
    factor, hits = np.array([1.5, 1.9, 2.0, 2.0, 2.6, 3.0]), np.array([1, 1, 1, 0, 0, 1])
    found = by_exaggeration(hits, factor, [1.5, 2.0, 2.5, 2.8, 3.0])
    assert [(row["pictures"], row["rate"]) for row in found] == [(2, 1.0), (2, 0.5), (1, 0), (1, 1)]
    assert found[0]["from"] == 1.5 and found[-1]["to"] == 3.0
    assert [row["from"] for row in by_exaggeration(hits, factor, [1.0, 1.2, 4.0])] == [1.2]


@pytest.mark.parametrize("edges", [[1.0], [2.0, 1.0], [1.0, 1.0, 2.0]])
def test_edges_that_do_not_rise_are_refused(edges):
    with pytest.raises(ValueError, match="rising edges"):
        by_exaggeration([1, 0], [1.5, 2.0], edges)


def test_rates_by_style_leave_out_what_does_not_occur():
    found = by_style([1, 0, 1, 1], np.array([0, 0, 2, 2]), ("line", "ink", "paint"))
    assert found == {"line": 0.5, "paint": 1.0}
