"""Figures of the gap: rows fit their pictures, rates are those of the runs that answer."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_figures import course_style  # noqa: F401
from made_up_caricature_runs import metrics_and_arrays
from made_up_runs import record, values

from mtl_helpers.faces.corpora.caricature import CaricatureSpec
from mtl_helpers.faces.draw.styles import STYLES
from mtl_helpers.papers.ming2021 import gap_figures as figures
from mtl_helpers.papers.ming2021.experiments import caricature_weights
from mtl_helpers.papers.ming2021.experiments.networks import EXAGGERATIONS, SHOWN_PEOPLE
from mtl_helpers.presets import get_preset

pytestmark = pytest.mark.usefixtures("course_style")

ARMS = ("single-photo", "single-caricature", "fixed")
SPEC = CaricatureSpec.from_preset(get_preset("laptop"))


@pytest.fixture(scope="module")
def records():
    rng, made = np.random.default_rng(0), []
    for config in caricature_weights.EXPERIMENT.configs(get_preset("laptop")):
        if config.arm in ARMS:
            metrics, arrays = metrics_and_arrays(config, rng)
            made.append(record("caricature_weights", "laptop", config, metrics, None, arrays))
    return made


def marks(axis, label):
    (line,) = [line for line in axis.lines if line.get_label() == label]
    return line


def test_a_map_shows_as_many_of_each_modality_of_everybody():
    rows, pictures = figures.embedded_pictures(SPEC, 3)
    labels = SPEC.labels(pictures)
    people, counts = np.unique(labels["id"], return_counts=True)
    assert len(people) == SHOWN_PEOPLE and set(counts) == {6}
    assert labels["modality"].mean() == 0.5
    assert (np.diff(rows) > 0).all()


def test_all_rows_are_the_pictures_that_runs_keep():
    rows, pictures = figures.embedded_pictures(SPEC)
    known = SPEC.split("identification")
    shown = np.unique(SPEC.labels(known)["id"])[:SHOWN_PEOPLE]
    np.testing.assert_array_equal(rows, np.arange(len(rows)))
    np.testing.assert_array_equal(pictures, known[np.isin(SPEC.labels(known)["id"], shown)])


def test_t_sne_keeps_two_heaps_apart_and_its_seed():
    z = np.random.default_rng(0).normal(size=(24, 5)) + 30 * np.repeat([[0], [1]], 12, axis=0)
    points = figures.tsne_map(z, 5, 0)
    assert points.shape == (24, 2)
    np.testing.assert_array_equal(points, figures.tsne_map(z, 5, 0))
    middles = points.reshape(2, 12, 2).mean(axis=1)
    spread = np.linalg.norm(points.reshape(2, 12, 2) - middles[:, None], axis=2).mean()
    assert np.linalg.norm(middles[0] - middles[1]) > 2 * spread


def test_spokes_join_pictures_to_the_middle_of_their_person():
    points = np.array([[0.0, 0.0], [2.0, 0.0], [5.0, 5.0], [5.0, 7.0]])
    axis = figures.modality_map(points, [3, 3, 8, 8], [0, 1, 0, 1]).axes[0]
    (spokes,) = axis.collections
    ends = np.array(spokes.get_segments())
    np.testing.assert_allclose(ends[:, 0], points)
    np.testing.assert_allclose(ends[:, 1], [[1, 0], [1, 0], [5, 6], [5, 6]])
    np.testing.assert_allclose(marks(axis, "photographs").get_xydata(), points[[0, 2]])
    np.testing.assert_allclose(marks(axis, "caricatures").get_xydata(), points[[1, 3]])


def test_the_task_alone_answers_with_the_branch_that_is_asked():
    assert figures.arm_of("single", "V2C") == "single-photo"
    assert figures.arm_of("single", "C2V") == "single-caricature"
    assert figures.arm_of("fixed", "C2V") == "fixed"


def test_transfers_are_means_over_the_seeds_of_each_arm(records):
    axis = figures.transfer_dots(records, ("single", "fixed")).axes[0]
    diamonds = [line for line in axis.lines if line.get_marker() in "os"]
    expected = [
        100 * values(records, arm, "identification", name, "rank1").mean()
        for rule in ("single", "fixed")
        for name in ("V2V", "V2C", "C2C", "C2V")
        for arm in [figures.arm_of(rule, name)]
    ]
    np.testing.assert_allclose([line.get_xdata()[0] for line in diamonds], expected)


def test_curves_run_through_the_middles_of_their_bins(records):
    figure = figures.exaggeration_curves(records, ("single", "fixed"))
    left, right = figure.axes
    assert left.get_title() == "learnt on caricatures"
    runs = [run for run in records if run.arm == "single-photo"]
    rates = np.mean([[b["rate"] for b in r.metrics["by_exaggeration"]["V2C"]] for r in runs], 0)
    line = marks(right, "alone")
    np.testing.assert_allclose(line.get_ydata(), 100 * rates)
    edges = np.array(EXAGGERATIONS)
    np.testing.assert_allclose(line.get_xdata(), (edges[1:] + edges[:-1]) / 2)
    assert len(figure.legends) == 1 and left.get_legend() is None


def test_a_style_that_nobody_draws_in_is_left_out(records):
    figure = figures.style_dots(records, ("single", "fixed"))
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names == list(STYLES[:-1])
    runs = [run for run in records if run.arm == "fixed"]
    expected = 100 * np.mean([run.metrics["by_style"]["V2C"][STYLES[0]] for run in runs])
    assert marks(figure.axes[1], "equal weights").get_xdata()[0] == pytest.approx(expected)
