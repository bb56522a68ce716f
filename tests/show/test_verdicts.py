"""The board of verdicts: it counts what was tested, and every claim has its mark and its link."""

from __future__ import annotations

import re

import pytest

from mtl_helpers.ledger.claim import Claim
from mtl_helpers.ledger.verdict import VERDICTS, Evaluation, Judgement
from mtl_helpers.show.verdicts import verdict_board


def evaluation(name, verdict):
    claim = Claim(id=name, paper="a paper", statement="Two < three.", paper_figure="Table 1")
    return Evaluation(claim, {}, Judgement(verdict, "made up"))


def board(verdicts):
    items = [evaluation(f"A{k}", verdict) for k, verdict in enumerate(verdicts)]
    return verdict_board({"First & last": items[:2], "Other": items[2:]}, ledger="there.html")


@pytest.mark.parametrize(("holding", "words"), [(1, "holds"), (2, "hold")])
def test_the_headline_counts_what_holds_of_what_was_tested(holding, words):
    verdicts = ["holds"] * holding + ["not settled", "does not hold here", "not tested"]
    assert f"<strong>{holding} of {holding + 2}</strong> tested claims {words} " in board(verdicts)


def test_every_claim_has_a_mark_that_leads_to_it_and_says_it():
    page = board(list(VERDICTS))
    links = re.findall(r'<a href="(.*?)" title="(.*?)" aria-label="(.*?)">', page)
    assert [href for href, _, _ in links] == [f"there.html#claim-a{k}" for k in range(6)]
    for (_, title, label), verdict in zip(links, VERDICTS, strict=True):
        assert title == label and f", {verdict}: Two &lt; three." in title
    assert "<dt>First &amp; last</dt>" in page


def test_every_verdict_has_a_mark_of_its_own_and_its_number():
    page = board([*VERDICTS, "holds in part"])
    key = re.findall(r'<li><span class="verdict (\w+)" aria-hidden="true">(.)</span> (\d)', page)
    assert len({style for style, _, _ in key}) == len({sign for _, sign, _ in key}) == len(VERDICTS)
    assert [int(number) for _, _, number in key] == [1, 2, 1, 1, 1, 1]
