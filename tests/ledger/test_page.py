"""The ledger page."""

from __future__ import annotations

import dataclasses

import pytest
from made_up_claims import (
    ALL,
    BOTH,
    LATER,
    POSE,
    SMOKE,
    minus,
    seeds,
    store_other,
    store_toy,
)

from mtl_helpers.ledger.claim import Part, Window
from mtl_helpers.ledger.page import ledger_markdown
from mtl_helpers.ledger.verdict import OUTCOMES, VERDICTS


@pytest.fixture(autouse=True)
def chapter(tmp_path_factory, monkeypatch):
    """The chapter that the claims name, in a checkout of its own."""
    checkout = tmp_path_factory.mktemp("checkout")
    path = checkout / "notebooks" / "toy.ipynb"
    for folder in (path.parent, checkout / "book"):
        folder.mkdir()
    path.touch()
    monkeypatch.setattr("mtl_helpers.ledger.page.project_root", lambda: checkout)
    return path


@pytest.fixture
def root(tmp_path):
    store_toy(tmp_path)
    return tmp_path


def page(root, *claims):
    return ledger_markdown(claims, SMOKE, root=root)


def rows_of(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def test_summary_has_three_short_columns(root):
    rows = [line for line in rows_of(page(root, POSE, ALL, LATER)) if line.startswith("| [")]
    assert rows == [
        "| [T1](#claim-t1) | Pose \\| helps. | **holds** |",
        "| [T2](#claim-t2) | Pose \\| helps. | **not settled** |",
        "| [T 3b](#claim-t-3b) | More helps. | **not tested** |",
    ]


def test_every_claim_has_a_section(root):
    text = page(root, POSE, ALL, LATER)
    for anchor in ("claim-t1", "claim-t2", "claim-t-3b", "claims-ledger"):
        assert text.count(f"\n({anchor})=\n") + text.startswith(f"({anchor})=\n") == 1
    first = text.split("(claim-t1)=")[1].split("(claim-t2)=")[0]
    for words in (
        "## T1: holds\n",
        "- Experiment: [`toy`](../notebooks/toy.ipynb)\n",
        "- Logic: every part\n",
        "- Smallest effect that matters: 1 point\n",
        "- Effect: rank-1 of id+pos minus s-CNN\n",
        "- Runs: 6 stored runs, seeds 0, 1, 2, preset smoke; ",
        "code 01234567; 6 min of computing",
        "**Verdict: holds.** Every interval lies beyond the smallest effect that matters.",
    ):
        assert words in first
    assert "**Verdict: not tested.** No experiment of this course tests it yet." in text


def test_table_shows_mean_interval_and_result(root):
    text = page(root, ALL)
    assert "| part, points | mean | over seeds | result |" in text
    assert "| id+pos | +10.2 | [+9.4,\N{NO-BREAK SPACE}+10.9] | holds |" in text
    assert "| id+exp | +0.7 | [−6.9,\N{NO-BREAK SPACE}+8.3] | not settled |" in text
    assert "3 seeds; these runs kept no results by person for these effects." in text


def test_table_shows_people_where_they_were_kept(tmp_path):
    store_toy(tmp_path, with_people=True)
    text = page(tmp_path, ALL)
    assert "| part, points | mean | over seeds | seeds, people | result |" in text
    row = next(line for line in rows_of(text) if line.startswith("| id+pos"))
    assert row.count("[") == 2
    assert "3 seeds, 6 test people." in text and "by person for" not in text


def test_part_says_what_is_special_about_it(root):
    parts = (
        *POSE.parts,
        Part("id+exp", minus("id+exp"), role="beside", unit="steps", smallest_effect=2.0),
    )
    text = page(root, dataclasses.replace(POSE, parts=parts))
    assert "| id+exp (beside, in steps, matters from 2 steps) |" in text


def test_runs_that_are_too_short_are_shown_unjudged(root):
    window = Window("20 epochs", passes=5.0, of=lambda run: 0.59)
    text = page(root, dataclasses.replace(POSE, window=window))
    assert "- Time: 20 epochs; at least 5 passes over the training data" in text
    assert "| part, points | mean | over seeds |\n" in text
    assert "nothing is judged by it." in text


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ((0.05, 0.06, 0.07), "+0.06 | [+0.04,\N{NO-BREAK SPACE}+0.08]"),
        ((-0.05, -0.06, -0.07), "−0.06 | [−0.08,\N{NO-BREAK SPACE}−0.04]"),
        ((-0.01, 0.01, 0.03), "+0.01 | [−0.04,\N{NO-BREAK SPACE}+0.06]"),
        ((0.064, 0.104, 0.144), "+0.104 | [+0.005,\N{NO-BREAK SPACE}+0.203]"),
        ((-0.5, 0.1, 0.7), "+0.1 | [−1.4,\N{NO-BREAK SPACE}+1.6]"),
        ((5.0, 5.1, 5.2), "+5.1 | [+4.9,\N{NO-BREAK SPACE}+5.3]"),
    ],
)
def test_an_end_near_zero_shows_on_which_side_it_lies(root, values, cells):
    parts = (Part("a", lambda records: seeds(*values)),)
    text = page(root, dataclasses.replace(POSE, parts=parts))
    row = next(line for line in rows_of(text) if line.startswith("| a |"))
    assert row.startswith(f"| a | {cells} |")


def test_setting_and_remark_stand_with_the_claim(root):
    said = dataclasses.replace(
        POSE,
        setting=lambda runs: f"{len(runs)} runs were trained.",
        remark=lambda runs: f"There are {len(runs)}.",
    )
    text = page(root, said)
    assert "- Conditions: 6 runs were trained.\n" in text
    assert "\n\nThere are 9.\n\n**Verdict: holds.**" in text
    assert "- Conditions" not in page(root, POSE)


def test_a_part_with_nothing_to_compare_has_no_row(root):
    parts = (*POSE.parts, Part("with itself", lambda records: None))
    claim = dataclasses.replace(POSE, parts=parts, conditions=(lambda runs: "It is the same.",))
    text = page(root, claim)
    assert "| id+pos |" in text and "with itself" not in text
    assert "**Verdict: not tested.** It is the same." in text


def test_page_names_every_experiment_and_counts_used_runs(root):
    store_other(root)
    text = page(root, BOTH)
    assert "[`toy`, `other`](../notebooks/toy.ipynb)" in text
    assert "- Runs: 6 stored runs, seeds 0, 1, 2, preset smoke; " in text


def test_a_chapter_that_is_not_written_is_no_link(root, chapter):
    chapter.unlink()
    assert "- Experiment: `toy`\n" in page(root, POSE)


def test_tables_have_as_many_cells_as_headings(root):
    width = None
    for line in page(root, POSE, ALL, LATER).splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = line.replace("\\|", "").count("|")
        assert width in (None, cells)
        width = cells


def test_page_explains_every_verdict_and_outcome(root):
    text = page(root)
    for word in (*VERDICTS, *OUTCOMES):
        assert f"| **{word}** |" in text
    assert "No claims are registered." in text


def test_page_is_the_same_every_time(root):
    text = ledger_markdown({claim.id: claim for claim in (POSE, ALL)}, SMOKE, root=root)
    assert text == page(root, POSE, ALL)
    assert str(root) not in text


def test_two_claims_with_one_anchor_are_refused(root):
    with pytest.raises(ValueError, match="Two claims have the anchor 'claim-t1'"):
        page(root, POSE, dataclasses.replace(POSE, id="t1"))
