"""All verdicts of the ledger at a glance: how many claims hold, and a mark per claim."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence

from mtl_helpers.ledger.verdict import VERDICTS, Evaluation, Verdict

__all__ = ["verdict_board"]

# mark, name of the style, and words for one claim and for several
_SHOWN: dict[Verdict, tuple[str, str, str, str]] = {
    "holds": ("✓", "holds", "holds", "hold"),
    "holds in part": ("½", "part", "holds in part", "hold in part"),
    "does not hold here": ("✕", "fails", "does not hold here", "do not hold here"),
    "no difference that matters": (
        "=",
        "none",
        "has an effect too small to matter",
        "have effects too small to matter",
    ),
    "not settled": ("?", "open", "is not settled", "are not settled"),
    "not tested": ("–", "untested", "is not tested", "are not tested"),
}


def verdict_board(
    papers: Mapping[str, Sequence[Evaluation]], *, ledger: str = "../book/claims.html"
) -> str:
    """Return the HTML of a headline that counts verdicts, and of a mark per claim, row by row.

    A row is a paper: its title, and its claims with their evaluations. A mark leads to the claim
    on the page ``ledger``, which is named as a notebook's page reaches it. Claims that nothing
    tests are shown but not counted.
    """
    verdicts = Counter(item.verdict for items in papers.values() for item in items)
    tested = verdicts.total() - verdicts["not tested"]
    rows = "".join(
        f"<dt>{html.escape(title)}</dt><dd>{''.join(_link(item, ledger) for item in items)}</dd>"
        for title, items in papers.items()
    )
    key = "".join(
        f"<li>{_mark(verdict)} {verdicts[verdict]} {_SHOWN[verdict][2 + (verdicts[verdict] != 1)]}"
        "</li>"
        for verdict in VERDICTS
    )
    holds = _SHOWN["holds"][2 + (verdicts["holds"] != 1)]
    return (
        f'<p class="headline"><strong>{verdicts["holds"]} of {tested}</strong> tested claims '
        f"{holds} here.</p>"
        f'<dl class="verdict-board">{rows}</dl><ul class="verdict-key">{key}</ul>'
    )


def _mark(verdict: Verdict) -> str:
    sign, style, _, _ = _SHOWN[verdict]
    return f'<span class="verdict {style}" aria-hidden="true">{sign}</span>'


def _link(item: Evaluation, ledger: str) -> str:
    words = html.escape(f"{item.claim.id}, {item.verdict}: {item.claim.statement}")
    return (
        f'<a href="{ledger}#{item.claim.anchor}" title="{words}" aria-label="{words}">'
        f"{_mark(item.verdict)}</a>"
    )
