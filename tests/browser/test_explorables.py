"""Explorables: what the page computes against the package, and what a reader can do with it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from browser.visits import visit
from playwright.sync_api import Browser, Page

from mtl_helpers.papers.ming2021.simplex import slide

pytestmark = pytest.mark.browser

CHAPTER = "notebooks/03_weights_that_learn_themselves"
TUG = "../_static/tug_of_war.js"
IMPORTED = f'(await import(new URL("{TUG}", location)))'
PLAY = f"""async ([rule, state]) =>
  {IMPORTED}.play(rule, state).map(({{ weights, losses }}) => [weights, losses])"""
STATES = [
    {"losses": [1, 1.6, 2.5], "speeds": [0.01, 0.02, 0.04], "rate": 0.2},
    {"losses": [3, 0.4, 1], "speeds": [0.2, 0, 0.05], "rate": 1.5},
]


@pytest.fixture(scope="module")
def page(browser: Browser, site: str) -> Iterator[Page]:
    with visit(browser, site, CHAPTER, "desktop") as visited:
        visited.page.wait_for_selector("#tug-of-war svg polyline")
        yield visited.page


def equal_pace(losses, speeds, rate, steps=400):
    """The released layer: all tasks are learnt alike, and weights go down the sum."""
    L, f, path = np.array(losses, float), np.zeros(3), []
    for step in range(steps + 1):
        w = np.exp(f) / np.exp(f).sum()
        path.append([w, losses * np.exp(-np.array(speeds) * step / 3)])
        L = path[-1][1]
        f = f - rate * w * (L - w @ L)
    return np.array(path)


@pytest.mark.parametrize("state", STATES)
def test_the_page_computes_what_the_package_does(page: Page, state: dict) -> None:
    for rule in ("total", "inverse"):
        found = np.array(page.evaluate(PLAY, [rule, state]))  # (S + 1, 2, 3)
        path = slide(
            rule,
            state["losses"],
            [0, 0, 0],
            steps=len(found) - 1,
            rate=state["rate"],
            progress=state["speeds"],
        )
        np.testing.assert_allclose(found[:, 0], path.weights, atol=1e-9)
        np.testing.assert_allclose(found[:, 1], path.losses, atol=1e-9)
    found = np.array(page.evaluate(PLAY, ["released", state]))
    np.testing.assert_allclose(found, equal_pace(**state), atol=1e-9)


def test_the_default_makes_the_point(page: Page) -> None:
    """Under the sum the easiest task takes all, and the two others stay where they began."""
    path = np.array(page.evaluate(PLAY, ["total", STATES[0]]))
    assert path[-1, 0, 0] > 0.98 and (path[-1, 1, 1:] > 1).all()
    slow = np.array(page.evaluate(PLAY, ["total", STATES[0] | {"rate": 0.01}]))
    assert (slow[:, 0] > 0.3).all() and (slow[-1, 1] < 0.3).all()


def test_a_slider_moves_the_drawing_and_the_address(page: Page) -> None:
    drawing, first = page.locator("#tug-of-war svg"), page.locator("#tug-of-war input").first
    before = drawing.inner_html()
    first.focus()
    first.press("End")
    assert drawing.inner_html() != before
    assert "#tug=5,1.6,2.5," in page.url
    first.press("Home")
    assert "#tug=0.1," in page.url


def test_a_linked_view_is_restored_and_a_wrong_one_is_not(page: Page) -> None:
    parse = f"async hash => {IMPORTED}.fromHash(hash)"
    linked = page.evaluate(parse, "#tug=2,1,3,0.1,0.05,0,0.5")
    assert linked == {"losses": [2, 1, 3], "speeds": [0.1, 0.05, 0], "rate": 0.5}
    default = page.evaluate(parse, "")
    assert page.evaluate(parse, "#tug=2%2C1%2C3%2C0.1%2C0.05%2C0%2C0.5") == linked
    few, low, high = "1,2", "-1,1,1,0,0,0,1", "1,1,1,9,0,0,1"
    for wrong in (few, low, high, "1,1,1,,,,1", "a,b,c,d,e,f,g"):
        assert page.evaluate(parse, f"#tug={wrong}") == default


def test_a_linked_view_is_seen_and_followed(browser: Browser, site: str) -> None:
    with visit(browser, site, CHAPTER, "desktop") as visited:
        page = visited.page
        page.goto(f"{site}/{CHAPTER}.html#tug=5,0.1,2,0.01,0.02,0.04,0.2")
        page.reload()
        drawing = page.locator("#tug-of-war svg")
        drawing.wait_for()
        page.wait_for_function(
            "() => Math.abs(document.getElementById('tug-of-war').getBoundingClientRect().y) < 900"
        )
        first = drawing.inner_html()
        page.evaluate("() => { location.hash = '#tug=0.5,0.1,2,0.01,0.02,0.04,2'; }")
        page.wait_for_function(
            "before => document.querySelector('#tug-of-war svg').innerHTML !== before", arg=first
        )
        assert page.locator("#tug-of-war input").first.input_value() == "0.5"
        rate = page.locator("#tug-of-war input").last
        assert rate.get_attribute("aria-valuetext") == "2"


def test_the_copied_cell_runs(page: Page) -> None:
    cell = page.evaluate(f"async state => {IMPORTED}.asCell(state)", STATES[0])
    exec(compile(cell, "cell", "exec"), {})


def test_every_control_has_a_name(page: Page) -> None:
    names = page.locator("#tug-of-war label > span").all_inner_texts()
    assert len(names) == len(set(names)) == page.locator("#tug-of-war input").count() == 7
    assert page.locator("#tug-of-war svg").get_attribute("aria-label")
