"""Figures of graphs draw the edges that are there, and say which of them are true."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_figures import course_style  # noqa: F401
from made_up_runs import record
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from mtl_helpers.papers.taherkhani2021 import graph_figures
from mtl_helpers.papers.taherkhani2021.experiments import task_structures
from mtl_helpers.presets import get_preset

pytestmark = pytest.mark.usefixtures("course_style")

NAMES = ("Bald", "Big_Nose", "Male", "Young")
TRUTH = np.zeros((4, 4))
TRUTH[0, 1] = TRUTH[1, 0] = TRUTH[2, 3] = TRUTH[3, 2] = 0.4
LEARNED = np.zeros((4, 4))
LEARNED[0, 1] = LEARNED[1, 0] = 0.5
LEARNED[1, 2] = LEARNED[2, 1] = 0.3
LEARNED[0, 3] = LEARNED[3, 0] = 0.05  # below the threshold


def test_edges_are_found_made_up_or_missed():
    figure = graph_figures.graph_beside_truth(
        {"learned": LEARNED, "true": TRUTH}, TRUTH, {"one": 2, "two": 2}
    )
    learned, true = figure.axes
    drawn = [to_hex(line.get_color()) for line in learned.lines]
    assert drawn == [graph_figures.FOUND, graph_figures.MADE_UP, graph_figures.MISSED]
    assert [line.get_linestyle() for line in learned.lines] == ["-", "-", ":"]
    assert [to_hex(line.get_color()) for line in true.lines] == [graph_figures.FOUND] * 2
    assert [text.get_text() for text in learned.texts] == ["one", "two"]
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 3


def test_the_known_graph_has_a_circle_for_each_sign():
    truth = TRUTH.copy()
    truth[0, 2] = truth[2, 0] = -0.5
    together, apart = graph_figures.known_graph(truth, {"one": 1, "two": 1, "more": 2}).axes
    assert len(together.lines) == 2
    (line,) = apart.lines
    spots = together.collections[0].get_offsets()
    np.testing.assert_allclose(line.get_xydata(), spots[[0, 2]])
    # names of small groups side by side do not stand at the same height
    heights = [np.hypot(*text.get_position()) for text in together.texts]
    assert heights[0] > heights[1]


def test_a_graph_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"Expected 'learned' as \(4, 4\), found shape \(3, 3\)"):
        graph_figures.graph_beside_truth({"learned": np.eye(3)}, TRUTH, {"all": 4})


def test_the_heat_map_orders_tasks_by_cluster():
    figure = graph_figures.heat_map(TRUTH + np.diag([0.0] * 4), NAMES)
    axis = figure.axes[0]
    shown = axis.images[0].get_array()
    order = [tick.get_text() for tick in axis.get_yticklabels()]
    assert order == ["Bald", "Big Nose", "Male", "Young"]
    np.testing.assert_array_equal(shown, TRUTH)
    frames = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
    assert [(f.get_x(), f.get_width()) for f in frames] == [(-0.5, 2), (1.5, 2)]


def test_edges_below_the_threshold_join_no_cluster():
    assert graph_figures.clustered(LEARNED) == [[0, 1, 2], [3]]
    assert graph_figures.clustered(-LEARNED) == [[0], [1], [2], [3]]


def made_up(auc):
    """Runs whose AUC is a function of strength, budget and kind of pair."""
    return [
        record(
            task_structures.EXPERIMENT.name,
            "laptop",
            config,
            {
                "graphs": {
                    "cosine": {
                        kind: {
                            "links_auc": auc(
                                config.corpus.strength, bool(config.corpus.starved), kind
                            )
                            + config.seed / 1000
                        }
                        for kind in ("all", "both")
                    }
                }
            },
        )
        for config in task_structures.configs(get_preset("laptop"))
    ]


def test_lines_are_means_of_the_seeds_that_all_strengths_have():
    records = made_up(lambda strength, few, kind: 0.5 + 0.3 * strength - 0.1 * few)
    figure = graph_figures.auc_by_condition(records, {"cosine": "cosine of heads"})
    full, few, both = figure.axes
    for axis, less in ((full, 0.0), (few, 0.1), (both, 0.1)):
        line = axis.lines[0]
        np.testing.assert_allclose(line.get_xdata(), [0, 0.5, 1])
        expected = np.array([0.5, 0.65, 0.8]) - less + 0.001  # seeds 0, 1 and 2
        np.testing.assert_allclose(line.get_ydata(), expected)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["cosine of heads"]


def test_a_map_is_drawn_over_its_picture_with_the_region():
    images = np.full((2, 8, 8, 3), 100, np.uint8)
    maps = np.zeros((2, 8, 8))
    maps[0, :4] = 2.0
    maps[0, 4:] = -3.0
    regions = np.zeros((2, 8, 8), bool)
    regions[0, 2:5] = True
    figure = graph_figures.maps_and_regions(images, maps, regions, ["Wearing_Hat", "Bald"])
    lower = figure.axes[2]
    np.testing.assert_array_equal(lower.images[1].get_array(), np.maximum(maps[0], 0) / 2)
    assert len(lower.collections) == 1 and not figure.axes[3].collections
    assert figure.axes[0].get_title() == "Wearing Hat"


def test_pictures_need_a_map_and_a_region_each():
    with pytest.raises(ValueError, match="for each of 2 pictures, found 1, 2 and 2"):
        graph_figures.maps_and_regions(
            np.zeros((2, 4, 4, 3), np.uint8), np.zeros((1, 4, 4)), np.zeros((2, 4, 4)), ["a", "b"]
        )
