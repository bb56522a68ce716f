"""The stand-in for ipywidgets' Stack, for ipywidgets 7 as Google Colab has it."""

from __future__ import annotations

import ipywidgets
import pytest

from mtl_helpers.show.stack import KernelStack, Stack


@pytest.mark.parametrize("kind", [Stack, KernelStack])
def test_a_stack_follows_the_slider_that_it_is_linked_to(kind):
    pages = [ipywidgets.HTML(str(number)) for number in range(3)]
    slider = ipywidgets.SelectionSlider(options=["a", "b", "c"], index=1)
    stack = kind(children=pages, selected_index=1)
    ipywidgets.link((slider, "index"), (stack, "selected_index"))
    slider.index = 2
    assert stack.selected_index == 2


def test_the_stand_in_shows_the_asked_page_alone():
    pages = [ipywidgets.HTML(str(number)) for number in range(3)]
    stack = KernelStack(children=pages, selected_index=1, layout={"max_width": "100%"})
    assert stack.children == (pages[1],)
    stack.selected_index = 0
    assert stack.children == (pages[0],)
    stack.selected_index = None
    assert stack.children == ()
    assert "selected_index" in stack.keys  # so that a browser can set it
