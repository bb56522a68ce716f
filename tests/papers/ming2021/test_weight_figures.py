"""Figures of weights show every seed, end where objectives send them, and keep their bounds."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_figures import assert_words_apart, course_style, legend_words, words_of  # noqa: F401
from made_up_caricature_runs import metrics_and_arrays
from made_up_runs import record, runs

from mtl_helpers.papers.ming2021 import weight_figures as figures
from mtl_helpers.papers.ming2021.experiments import caricature_weights
from mtl_helpers.papers.ming2021.simplex import slide
from mtl_helpers.papers.ming2021.weights import weight_bounds
from mtl_helpers.papers.ming2021.words import ARM_WORDS, TASK_COLOURS
from mtl_helpers.presets import get_preset

pytestmark = pytest.mark.usefixtures("course_style")

LOSSES, FIRST = [1.0, 2.0, 4.0], [0.1, 0.0, -0.1]


@pytest.fixture(scope="module")
def records():
    rng, name = np.random.default_rng(0), caricature_weights.EXPERIMENT.name
    configs = caricature_weights.EXPERIMENT.configs(get_preset("laptop"))
    made = [config for config in configs if config.arm in ("printed", "toy-naive")]
    return [record(name, "laptop", c, *_made(c, rng)) for c in made]


def _made(config, rng):
    metrics, arrays = metrics_and_arrays(config, rng)
    return metrics, None, arrays


def thick(axis):
    """The labelled lines of an axis."""
    return {x.get_label(): x for x in axis.lines if not x.get_label().startswith("_")}


def test_the_method_names_tasks_weights_and_losses():
    face = np.zeros((4, 4, 3), np.uint8)
    figure = figures.method_diagram(face, face)
    words = words_of(figure)
    assert {"verification", "caricatures", "photographs", "weights module"} <= set(words)
    assert {f"${letter}_{k}$" for letter in "wL" for k in (1, 2, 3)} <= set(words)
    assert_words_apart(figure)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_the_border_of_what_can_be_reached_touches_the_bounds(scale):
    border = figures.reachable(scale, points=3601)
    np.testing.assert_allclose(border.sum(axis=1), 1)
    low, high = weight_bounds(3, scale)
    assert border.min() == pytest.approx(low, abs=1e-4)
    assert border.max() == pytest.approx(high, abs=1e-4)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_logits_of_a_length_stay_inside_the_border(scale):
    border = figures.reachable(scale)
    f = np.random.default_rng(0).normal(size=(300, 3))
    e = np.exp(scale * f / np.linalg.norm(f, axis=1, keepdims=True))
    inside = np.log(e / e.sum(axis=1, keepdims=True))
    inside -= inside.mean(axis=1, keepdims=True)
    edge = np.log(border) - np.log(border).mean(axis=1, keepdims=True)
    assert np.linalg.norm(inside, axis=1).max() <= np.linalg.norm(edge, axis=1).max() + 1e-9


def test_ways_end_where_their_objective_sends_them():
    ways = {name: [slide(name, LOSSES, FIRST, steps=400)] for name in ("total", "inverse")}
    axis = figures.simplex_panel(ways, ("easy", "middle", "hard")).axes[0]
    dots = [line.get_xydata()[0] for line in axis.lines if line.get_markersize() == 8]
    np.testing.assert_allclose(dots[0], [0, 0], atol=0.02)  # the first corner
    np.testing.assert_allclose(dots[1], [0.5, np.sqrt(3) / 2], atol=0.02)  # the last
    assert not axis.patches


def test_a_length_shades_what_weights_can_be():
    way = slide("inverse", LOSSES, FIRST, scale=1.0)
    axis = figures.simplex_panel({"": [way]}, ("easy", "middle", "hard"), scale=1.0).axes[0]
    (grey,) = axis.patches
    assert 0 < grey.get_path().vertices.min() < 0.5


def test_a_way_is_drawn_as_weights_or_as_losses():
    way = slide("inverse", LOSSES, FIRST, progress=0.1)
    for kind in ("weights", "losses"):
        axis = figures.slide_panel(way, ("a", "b", "c"), kind, bounds=(0.2, 0.7)).axes[0]
        for k, name in enumerate("abc"):
            np.testing.assert_allclose(thick(axis)[name].get_ydata(), getattr(way, kind)[:, k])
        levels = [line.get_ydata()[0] for line in axis.lines[3:]]
        assert levels == [0.2, 0.7]


def test_steps_have_weights_above_losses_of_all_seeds(records):
    figure = figures.steps_by_arm(records, {"printed": "as printed", "toy-naive": "naive"})
    upper, lower = np.array(figure.axes).reshape(2, 2)
    assert [axis.get_title() for axis in upper] == ["as printed", "naive"]
    made = runs(records, "printed")
    expected = np.mean([run.made["steps/weight"][:, 1] for run in made], axis=0)
    np.testing.assert_allclose(thick(upper[0])["caricatures"].get_ydata(), expected)
    line = thick(lower[0])["caricatures"]
    losses = np.mean([run.made["steps/loss"][:, 1] for run in made], axis=0)
    assert line.get_ydata()[0] == pytest.approx(losses[:9].mean())
    assert line.get_xdata()[0] == 5 and line.get_xdata()[-1] == len(losses) - 4
    assert len(upper[0].lines) == 3 * (len(made) + 1)


def test_tasks_keep_their_colours_in_the_toy(records):
    axis = figures.step_panel(records, "toy-naive", "weight", 1.0).axes[0]
    assert list(thick(axis)) == legend_words(axis) == ["caricatures", "photographs"]
    assert thick(axis)["photographs"].get_color() == TASK_COLOURS["photo"]


def test_every_arm_has_words():
    arms = {*caricature_weights.MAIN_ARMS, *caricature_weights.SIDE_ARMS}
    assert arms <= set(ARM_WORDS)
