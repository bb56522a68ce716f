"""The explorer of phi_s: panels drawn for every value, linked in the browser, a live training."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from linked_widgets import alt_of, grey, links, no_widgets_left, picture_of  # noqa: F401

from mtl_helpers.papers.yin2018 import figures
from mtl_helpers.show import widgets

pytestmark = pytest.mark.usefixtures("no_widgets_left")


def state(step: int, *losses: float) -> SimpleNamespace:
    """What a training tells of a step."""
    return SimpleNamespace(step=step, terms={"loss/id": losses[0]})


def explorer(**change: Any) -> tuple[widgets.Explorer, list[Any]]:
    trained: list[Any] = []

    def train(value: Any, watch: Callable[[Any], None]) -> str:
        trained.append(value)
        watch(state(5, 1.0))
        return "Done."

    arguments: dict[str, Any] = {
        "panels": {
            "Energy": lambda value: grey(round(100 * value)),
            "Rank-1": lambda value: grey(200 + round(10 * value)),
        },
        "values": [0.1, 0.3, 1.0],
        "train": train,
        "alt": {"Energy": "Bars of energy.", "Rank-1": "A curve."},
        "steps": 5,
        "losses": ("id",),
        "live": True,
    }
    arguments |= change
    made = figures.phi_explorer(
        arguments.pop("panels"), arguments.pop("values"), arguments.pop("train"), **arguments
    )
    return made, trained


def test_the_explorer_draws_every_panel_for_every_value() -> None:
    shown, _ = explorer()
    levels = {
        name: [picture_of(child.value).getpixel((0, 0)) for child in stack.children]
        for name, stack in shown.frames.panels.items()
    }
    assert levels == {"Energy": [10, 30, 100], "Rank-1": [201, 203, 210]}
    pages = [child.value for child in shown.frames.panels["Energy"].children]
    assert [alt_of(page) for page in pages] == [
        f"Bars of energy. φₛ: {value}." for value in (0.1, 0.3, 1.0)
    ]
    assert alt_of(shown.frames.panels["Rank-1"].children[1].value) == "A curve. φₛ: 0.3."


def test_the_explorer_links_panels_and_slider_in_the_browser() -> None:
    shown, _ = explorer(start=2)
    found = [(link.source, link.target) for link in links()]
    slider = shown.frames.slider
    assert [label for label, _ in slider.options] == ["0.1", "0.3", "1.0"]
    assert slider.description == "φₛ"
    assert found == [
        ((slider, "index"), (stack, "selected_index")) for stack in shown.frames.panels.values()
    ]
    assert slider.index == 2
    assert all(stack.selected_index == 2 for stack in shown.frames.panels.values())


def test_the_explorer_trains_at_the_value_that_is_chosen() -> None:
    shown, trained = explorer()
    shown.frames.slider.index = 1
    shown.training.button.click()
    assert trained == [0.3]
    assert shown.training.progress.value == shown.training.progress.max == 5
    assert shown.children == (shown.frames, shown.training)


def test_the_explorer_may_run_over_something_else() -> None:
    shown, trained = explorer(
        panels={"": lambda rule: grey(len(rule))},
        values=["fixed", "eq8"],
        labels=["fixed weights", "Eq. 8"],
        alt={"": "A square."},
        description="Rule",
        start=1,
    )
    assert [label for label, _ in shown.frames.slider.options] == ["fixed weights", "Eq. 8"]
    page = shown.frames.panels[""].children[1].value
    assert alt_of(page) == "A square. Rule: Eq. 8."
    assert picture_of(page).getpixel((0, 0)) == 3
    shown.training.button.click()
    assert trained == ["eq8"]


def test_the_explorer_of_a_published_page_is_slider_and_panels() -> None:
    shown, _ = explorer(live=False)
    assert list(shown.children) == [shown.frames]
    assert len(links()) == 2


def test_the_explorer_refuses_a_panel_without_words() -> None:
    with pytest.raises(ValueError, match="'Rank-1' has no alt text"):
        explorer(alt={"Energy": "Bars."})
