"""Sliders: what is linked to what, what travels with the page, what a reader without sight gets."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from linked_widgets import alt_of, grey, links, no_widgets_left, picture_of  # noqa: F401
from PIL import Image

from mtl_helpers.show import widgets

pytestmark = pytest.mark.usefixtures("no_widgets_left")


def test_the_slider_is_linked_to_every_panel_in_the_browser() -> None:
    frames = [grey(0), grey(100), grey(200)]
    shown = widgets.linked_frames(
        {"left": frames, "right": frames[::-1]},
        [0, 15, 30],
        description="Yaw",
        alt="A head.",
        start=1,
    )
    found = [(link.source, link.target) for link in links()]
    for name in ("left", "right"):
        stack = shown.panels[name]
        assert ((shown.slider, "index"), (stack, "selected_index")) in found
        assert stack.selected_index == 1
    assert len(found) == 2
    assert shown.value == 15
    shown.slider.index = 2
    assert shown.value == 30


def test_each_frame_carries_its_own_picture_and_words() -> None:
    shown = widgets.linked_frames(
        {"": [grey(0), grey(100)]}, [0.03, 0.1], description="phi_s", alt='A "curve" of rank-1.'
    )
    pages = [child.value for child in shown.panels[""].children]
    assert [picture_of(page).getpixel((0, 0)) for page in pages] == [0, 100]
    assert 'alt="A &quot;curve&quot; of rank-1. phi_s: 0.03."' in pages[0]
    assert 'alt="A &quot;curve&quot; of rank-1. phi_s: 0.1."' in pages[1]
    assert all('width="4" height="4"' in page for page in pages)


def test_the_slider_shows_the_labels_and_its_description() -> None:
    shown = widgets.linked_frames(
        {"": [grey(0), grey(1)]},
        [-90, 90],
        labels=["left", "right"],
        description="Side",
        alt="A head.",
    )
    assert shown.slider.description == "Side"
    assert [label for label, _ in shown.slider.options] == ["left", "right"]
    assert shown.slider.readout


def test_panels_may_have_alt_texts_of_their_own() -> None:
    frames = [grey(0), grey(1)]
    shown = widgets.linked_frames(
        {"a": frames, "b": frames},
        [1, 2],
        description="n",
        alt={"a": "First.", "b": "Second."},
    )
    assert 'alt="First. n: 1."' in shown.panels["a"].children[0].value
    assert 'alt="Second. n: 2."' in shown.panels["b"].children[1].value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"panels": {}}, "at least one panel"),
        ({"values": [1], "panels": {"": [grey(0)]}}, "at least two values"),
        ({"values": [1, 2, 3]}, "Expected 3 frames in panel '', one per value, found 2"),
        ({"labels": ["a", "a"]}, "2 different labels"),
        ({"start": 2}, "start from 0 to 1"),
        ({"alt": " "}, "no alt text"),
        ({"limit_bytes": 10}, "at most 10 may travel"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_sentence(change: dict[str, Any], words: str) -> None:
    arguments: dict[str, Any] = {
        "panels": {"": [grey(0), grey(1)]},
        "values": [1, 2],
        "description": "n",
        "alt": "A square.",
    }
    arguments |= change
    with pytest.raises(ValueError, match=words):
        widgets.linked_frames(arguments.pop("panels"), arguments.pop("values"), **arguments)


def test_frames_may_be_arrays_pictures_figures_or_files() -> None:
    array = np.random.default_rng(0).integers(0, 255, (6, 5, 3), dtype=np.uint8)
    from_array = Image.open(io.BytesIO(widgets.image_bytes(array)))
    np.testing.assert_array_equal(np.asarray(from_array), array)
    from_picture = widgets.image_bytes(Image.fromarray(array))
    assert widgets.image_bytes(from_picture) is from_picture
    figure = plt.figure(figsize=(2, 1), dpi=50)
    drawn = Image.open(io.BytesIO(widgets.image_bytes(figure)))
    assert drawn.format == "PNG"
    assert plt.get_fignums() == []


def test_zoom_repeats_pixels() -> None:
    array = np.array([[0, 255]], np.uint8)
    zoomed = np.asarray(Image.open(io.BytesIO(widgets.image_bytes(array, zoom=3))))
    np.testing.assert_array_equal(zoomed, np.kron(array, np.ones((3, 3), np.uint8)))


def test_lossy_frames_are_smaller_and_close() -> None:
    ramp = np.add.outer(np.arange(128), np.arange(128)).astype(np.uint8)
    noisy = np.clip(ramp + np.random.default_rng(0).normal(0, 3, ramp.shape), 0, 255)
    array = noisy.astype(np.uint8)
    exact, lossy = widgets.image_bytes(array), widgets.image_bytes(array, lossy=True)
    assert len(lossy) < len(exact) / 2
    again = np.asarray(Image.open(io.BytesIO(lossy)).convert("L")).astype(float)
    assert np.abs(again - array).mean() < 4


@pytest.mark.parametrize(
    ("frame", "kind", "words"),
    [
        (np.zeros((4, 4)), TypeError, "uint8"),
        (np.zeros((2, 4, 4, 3), np.uint8), ValueError, r"\(H, W\)"),
        (b"not a picture", ValueError, "PNG, JPEG, GIF or WebP"),
        ("file.png", TypeError, "found str"),
    ],
)
def test_frames_of_another_kind_are_refused(frame: Any, kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        widgets.image_bytes(frame)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "WEBP"])
def test_media_types_follow_from_the_bytes(name: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(grey(9)).save(buffer, name)
    shown = widgets.linked_frames(
        {"": [buffer.getvalue()] * 2}, [1, 2], description="n", alt="A square."
    )
    assert f"data:image/{name.lower()};" in shown.panels[""].children[0].value


@pytest.fixture
def frames() -> widgets.LinkedFrames:
    return widgets.linked_frames(
        {"": [grey(0), grey(1)]}, [0.1, 1.0], description="phi_s", alt="A square."
    )


def test_live_control_computes_for_the_present_value(frames: widgets.LinkedFrames) -> None:
    control = widgets.LiveControl(frames, lambda value: f"rank-1 at {value} < 1", live=True)
    frames.slider.index = 1
    control.button.click()
    assert control.shown.value == "<p>rank-1 at 1.0 &lt; 1</p>"
    assert control.status.value.startswith("Computed for 1.0 in ")
    assert not control.button.disabled


def test_live_control_shows_frames_with_words(frames: widgets.LinkedFrames) -> None:
    control = widgets.LiveControl(frames, lambda value: (grey(7), "Rank-1 is 80 %."), live=True)
    control.button.click()
    assert picture_of(control.shown.value).getpixel((0, 0)) == 7
    assert 'alt="Rank-1 is 80 %."' in control.shown.value
    assert "<p>Rank-1 is 80 %.</p>" in control.shown.value
    control = widgets.LiveControl(frames, lambda value: grey(8), live=True)
    control.button.click()
    assert picture_of(control.shown.value).getpixel((0, 0)) == 8


def test_live_control_says_what_failed_and_can_be_tried_again(
    frames: widgets.LinkedFrames,
) -> None:
    def fail(value: float) -> str:
        raise ValueError("no corpus")

    control = widgets.LiveControl(frames, fail, live=True)
    control.button.click()
    assert control.status.value == "This failed for 0.1. ValueError: no corpus"
    assert not control.button.disabled


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What widgets display of themselves."""
    bundles: list[Any] = []
    monkeypatch.setattr(widgets, "display", lambda bundle, **_: bundles.append(bundle))
    return bundles


def test_a_live_control_shows_nothing_in_a_published_page(
    frames: widgets.LinkedFrames, monkeypatch: pytest.MonkeyPatch, displayed: list[Any]
) -> None:
    monkeypatch.setenv("MTL_PUBLISH", "1")
    control = widgets.LiveControl(frames, str)
    control._ipython_display_()
    assert list(control.children) == [] and displayed == []
    monkeypatch.delenv("MTL_PUBLISH")
    control = widgets.LiveControl(frames, str)
    control._ipython_display_()
    assert control.button in control.children[0].children
    assert "application/vnd.jupyter.widget-view+json" in displayed[0]


def test_several_sliders_find_their_picture_by_links_alone() -> None:
    axes = [
        widgets.Axis("row", [0, 1]),
        widgets.Axis("column", [0, 1, 2], labels=["a", "b", "c"], start=1),
    ]
    grid = widgets.frame_grid(axes, lambda row, column: grey(100 * row + column), alt="A square.")
    followers: dict[int, list[Any]] = {0: [], 1: []}
    for link in links():
        slider, name = link.source
        assert name == "index"
        assert link.target[1] == "selected_index"
        followers[grid.sliders.index(slider)].append(link.target[0])
    assert {level: len(stacks) for level, stacks in followers.items()} == {0: 1, 1: 2}
    (outer,) = followers[0]
    for row in range(2):
        for column in range(3):
            for level, position in enumerate((row, column)):
                for stack in followers[level]:
                    stack.selected_index = position
            inner = outer.children[outer.selected_index]
            page = inner.children[inner.selected_index].value
            assert picture_of(page).getpixel((0, 0)) == 100 * row + column
            assert f'alt="A square. row: {row}, column: {"abc"[column]}."' in page
    assert grid.value == (0, 1)


@pytest.mark.parametrize(
    ("axes", "change", "words"),
    [
        ([], {}, "at least one axis"),
        ([widgets.Axis("n", [1])], {}, "at least two values"),
        ([widgets.Axis("n", [1, 2], start=5)], {}, "start from 0 to 1"),
        ([widgets.Axis("n", [1, 2])], {"alt": ""}, "no alt text"),
        ([widgets.Axis("n", [1, 2])], {"limit_bytes": 10}, "at most 10 may travel"),
    ],
)
def test_a_grid_that_cannot_be_shown_is_refused(
    axes: list[widgets.Axis], change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        widgets.frame_grid(axes, lambda *_: grey(3), **({"alt": "A square."} | change))


def test_a_live_picture_follows_its_controls_and_says_failures() -> None:
    control = ipywidgets.IntSlider(value=1, min=0, max=9)

    def draw(level: int) -> np.ndarray:
        if level == 9:
            raise ValueError("too bright")
        return grey(level)

    live = widgets.LivePicture({"level": control}, draw, alt="A square.", live=True)
    assert picture_of(live.shown.value).getpixel((0, 0)) == 1
    control.value = 5
    assert picture_of(live.shown.value).getpixel((0, 0)) == 5
    control.value = 9
    assert live.status.value == "This failed. ValueError: too bright"


def test_a_live_picture_shows_nothing_in_a_published_page(displayed: list[Any]) -> None:
    control = ipywidgets.IntSlider(value=1, min=0, max=9)
    live = widgets.LivePicture({"level": control}, grey, alt="A square.", live=False)
    live._ipython_display_()
    assert list(live.children) == [] and displayed == []


# ---- live training


def state(step: int, *losses: float) -> SimpleNamespace:
    """What a training tells of a step."""
    terms = {f"loss/{name}": loss for name, loss in zip(("id", "pos"), losses, strict=False)}
    return SimpleNamespace(step=step, terms=terms)


def test_live_training_moves_the_bar_and_draws_curves(
    frames: widgets.LinkedFrames,
) -> None:
    bars, pictures = [], []

    def train(value: float, watch: Callable[[Any], None]) -> str:
        for step in range(1, 11):
            watch(state(step, 5.0 - 0.1 * step, 2.0))
            bars.append(training.progress.value)
            pictures.append(training.curves.value)
        return f"Rank-1 at {value} is 80 %."

    training = widgets.LiveTraining(
        frames, train, steps=10, losses=("id", "pos"), redraws=5, live=True
    )
    assert training.progress.layout.visibility == "hidden"
    frames.slider.index = 1
    training.button.click()
    assert bars == list(range(1, 11))
    assert training.progress.max == 10
    assert training.progress.layout.visibility == "visible"
    # drawn anew every second step, from the second point on
    drawn = [
        step for step, page in enumerate(pictures, start=1) if page != ([""] + pictures)[step - 1]
    ]
    assert drawn == [4, 6, 8, 10]
    assert alt_of(pictures[3]) == "Losses up to step 4: id 4.60, pos 2.00."
    assert alt_of(pictures[-1]) == "Losses up to step 10: id 4.00, pos 2.00."
    assert picture_of(pictures[-1]).width > 0
    assert training.shown.value == "<p>Rank-1 at 1.0 is 80 %.</p>"
    assert training.status.value.startswith("Computed for 1.0 in ")
    assert plt.get_fignums() == []


def test_the_curves_hold_the_losses_of_the_watched_steps(
    frames: widgets.LinkedFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[dict[str, list[float]], tuple[int, ...]]] = []
    draw = widgets.learning_curves

    def spy(curves: Any, *, steps: Any, names: Any) -> Any:
        drawn.append((curves, steps))
        return draw(curves, steps=steps, names=names)

    monkeypatch.setattr(widgets, "learning_curves", spy)

    def train(value: float, watch: Callable[[Any], None]) -> str:
        for step in range(1, 8):
            watch(state(step, 10.0 * step, -1.0 * step))
        return "Done."

    widgets.LiveTraining(
        frames, train, steps=7, losses=("id", "pos"), redraws=2, live=True
    ).button.click()
    # every third step, and the last whatever its number
    curves, steps = drawn[-1]
    assert steps == (3, 6, 7)
    assert curves == {"id": [30.0, 60.0, 70.0], "pos": [-3.0, -6.0, -7.0]}


def test_a_second_training_starts_with_empty_bar_and_curves(
    frames: widgets.LinkedFrames,
) -> None:
    seen = []

    def train(value: float, watch: Callable[[Any], None]) -> str:
        seen.append((training.progress.value, len(training.curves.value)))
        for step in (1, 2):
            watch(state(step, 1.0 / step))
        return "Done."

    training = widgets.LiveTraining(frames, train, steps=2, losses=("id",), live=True)
    training.button.click()
    first = training.curves.value
    assert training.progress.value == 2 and first
    training.button.click()
    assert seen == [(0, 0), (0, 0)]
    # long texts: pytest would take minutes to say where they differ
    same = training.curves.value == first
    assert same


def test_live_training_shows_nothing_in_a_published_page(
    frames: widgets.LinkedFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(value: float, watch: Callable[[Any], None]) -> str:
        raise AssertionError("nobody trains here")

    monkeypatch.setenv("MTL_PUBLISH", "1")
    training = widgets.LiveTraining(frames, train, steps=2, losses=("id",))
    assert list(training.children) == []
    shown = widgets.Explorer(frames, training)
    assert list(shown.children) == [frames]
    monkeypatch.delenv("MTL_PUBLISH")
    training = widgets.LiveTraining(frames, train, steps=2, losses=("id",))
    assert training.progress in training.children
    assert list(widgets.Explorer(frames, training).children) == [frames, training]


def test_an_error_in_training_is_shown_and_it_can_be_tried_again(
    frames: widgets.LinkedFrames,
) -> None:
    def train(value: float, watch: Callable[[Any], None]) -> str:
        watch(state(1, 3.0))
        raise ValueError("the loss is <nan>")

    training = widgets.LiveTraining(frames, train, steps=4, losses=("id",), live=True)
    training.button.click()
    assert training.status.value == ("This failed for 0.1. ValueError: the loss is &lt;nan&gt;")
    assert training.progress.value == 1
    assert not training.button.disabled


def test_the_states_of_a_training_can_be_watched(frames: widgets.LinkedFrames) -> None:
    import torch

    from mtl_helpers.training.loop import StepState
    from mtl_helpers.training.method import Method

    training = widgets.LiveTraining(
        frames, lambda value, watch: "", steps=2, losses=("id", "pos"), live=True
    )
    for step in (1, 2):
        terms = {"loss/pos": torch.tensor(0.25 * step), "loss/id": torch.tensor(1.5)}
        training.watch(StepState(step, Method(), terms, 0.1))
    assert training.progress.value == 2
    assert alt_of(training.curves.value) == "Losses up to step 2: id 1.50, pos 0.50."


def test_panels_share_the_column_in_proportion_to_their_widths() -> None:
    shown = widgets.linked_frames(
        {"wide": [grey(0, 60)] * 2, "narrow": [grey(0, 20)] * 2}, [1, 2], description="n", alt="A."
    )
    row = shown.children[1]
    assert [panel.layout.flex for panel in row.children] == ["60 1 0px", "20 1 0px"]
    assert row.layout.flex_flow == "row wrap"
    assert "course-explorer" in shown._dom_classes


def test_a_grid_shows_its_picture_wider_than_it_is_drawn() -> None:
    axes = [widgets.Axis("n", [1, 2])]
    grid = widgets.frame_grid(axes, lambda n: grey(n), alt="A square.", shown=300)
    page = grid.children[0].children[1].children[0].children[0].value
    assert 'width="4" height="4" style="width:100%;max-width:300px' in page
