"""Figures of sharing show who gains, which penalty weighs what, and where maps lie."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_figures import course_style  # noqa: F401
from made_up_structures import world_of
from matplotlib.patches import FancyArrowPatch

from mtl_helpers.faces.corpora.attribute_regions import REGIONS
from mtl_helpers.faces.corpora.attributes import ATTRIBUTES
from mtl_helpers.papers.taherkhani2021 import structure_figures as figures
from mtl_helpers.papers.taherkhani2021.experiments import (
    attribute_verification,
    penalty_curves,
    task_structures,
)
from mtl_helpers.papers.taherkhani2021.experiments.choices import GRID, Penalties

pytestmark = pytest.mark.usefixtures("course_style")


@pytest.fixture(scope="module")
def records():
    return world_of((task_structures.EXPERIMENT,))


@pytest.fixture(scope="module")
def curves():
    return world_of((penalty_curves.EXPERIMENT,))


def labels_of(axis):
    return [tick.get_text() for tick in axis.get_yticklabels()]


def test_the_method_has_heads_in_order_and_edges_between_them():
    names = ("Male", "Goatee", "Smiling")
    figure = figures.structure_diagram(np.zeros((4, 4, 3), np.uint8), names, {(0, 1): "$M$"})
    axis = figure.axes[0]
    words = {text.get_text(): text.get_position() for text in axis.texts}
    heights = [words[name][1] for name in names]
    assert heights == sorted(heights, reverse=True)
    assert heights[1] < words["$M$"][1] < heights[0]
    dashed = [p for p in axis.patches if isinstance(p, FancyArrowPatch) and p.get_ls() == "--"]
    assert len(dashed) == 1


def test_pulled_heads_are_arrows_beside_what_each_would_have():
    wishes = np.array([[1.0, 0.0], [0.0, 1.0]])
    figure = figures.pulled_heads(wishes, wishes / 2, 1 - np.eye(2), ("A", "B"))
    axis = figure.axes[0]
    ends = [text.xy for text in axis.texts if text.get_text() == ""]
    np.testing.assert_allclose(ends, [[0.5, 0], [0, 0.5]])
    (edge, *rings, _) = axis.lines
    np.testing.assert_allclose(edge.get_xydata(), [[0.5, 0], [0, 0.5]])
    assert [ring.get_xydata()[0].tolist() for ring in rings] == [[1, 0], [0, 1]]


def test_a_table_of_heads_counts_its_rank_and_its_zeros():
    axis = figures.head_table(np.outer([1, 0, 2], [1, 2]), ("A", "B"), 2.0).axes[0]
    assert axis.get_xlabel() == "rank 1, 2 zeros"
    assert [text.get_text() for text in axis.texts] == ["0", "0"]


def test_gains_are_over_independent_heads_of_the_same_seeds(records):
    gains = figures.structure_gains(records, ("groups", "log degree"), 1.0, "few", "starved")
    assert {name: len(each) for name, each in gains.items()} == {"groups": 5, "log degree": 5}
    assert gains["groups"].mean() == pytest.approx(15, abs=0.5)  # 6 points, 2.5 times
    figure = figures.gains_by_condition(records, ("groups", "log degree"))
    assert [axis.get_title() for axis in figure.axes] == [
        "all labels",
        "all labels, strength 0",
        "few labels",
        "few labels, balanced accuracy",
    ]
    assert labels_of(figure.axes[0]) == ["known groups", "learned graph"]


def test_attributes_stand_in_the_order_of_their_gains(records):
    axis = figures.attribute_gains(records, "groups").axes[0]
    starved, others, _ = axis.lines
    assert len(starved.get_xdata()) + len(others.get_xdata()) == len(ATTRIBUTES)
    points = sorted([*starved.get_xydata().tolist(), *others.get_xydata().tolist()])
    rows = [row for _, row in points]
    assert rows == sorted(rows)


def test_a_panel_per_penalty_marks_what_was_chosen(curves):
    figure = figures.penalty_panels(curves, Penalties(xi=GRID[3]))
    assert len(figure.axes) == 4
    mean, chosen = figure.axes[3].lines
    assert list(chosen.get_xdata()) == [GRID[3]] * 2
    runs = [run for run in curves if run.arm == "all"]
    first = np.mean([run.metrics["xi"]["0"]["test"]["all"]["accuracy"] for run in runs])
    assert mean.get_ydata()[0] == pytest.approx(100 * first)


def test_zeros_are_drawn_for_both_optimisers(curves):
    axis = figures.zeros_by_penalty(curves).axes[0]
    smidas, steps = (line.get_ydata() for line in axis.lines)
    assert smidas == pytest.approx(50, abs=1) and steps == pytest.approx(10, abs=1)


def test_maps_of_attributes_that_nobody_shows_are_left_out(records):
    axis = figures.inside_by_attribute(records).axes[0]
    inside, others, _ = axis.lines
    assert len(inside.get_xdata()) == len(REGIONS) - 1
    gaps = inside.get_xdata() - others.get_xdata()
    assert (np.diff(gaps) >= 0).all()


def test_a_map_warms_the_places_that_speak_for_the_attribute():
    image = np.full((8, 8, 3), 100, np.uint8)
    heat, region = np.array([[1.0, -2.0], [0.5, 0.0]]), np.zeros((8, 8), bool)
    region[2:6, 2:6] = True
    shown = figures.overlaid(image, heat, region, zoom=2)
    assert shown.shape == (16, 16, 3)
    assert shown[0, 15].tolist() == [100] * 3  # speaks against it
    assert shown[0, 0, 0] > shown[15, 0, 0] > 100
    assert shown[4, 4].tolist() == [0, 230, 140] and shown[7, 7].tolist() != [0, 230, 140]


def test_each_arm_of_the_verification_has_its_curve():
    runs = world_of((attribute_verification.EXPERIMENT,))
    axis = figures.roc_curves(runs).axes[0]
    assert len(axis.lines) == 6
    words = [text.get_text() for text in axis.figure.legends[0].get_texts()]
    assert words[1].startswith("right attributes: 86")
