"""The ledger page, written from claims and stored runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtl_helpers.ledger.claim import Claim, Effect, Part
from mtl_helpers.ledger.statistics import Interval
from mtl_helpers.ledger.verdict import OUTCOMES, VERDICTS, Evaluation, evaluate_claim
from mtl_helpers.machine import project_root
from mtl_helpers.presets import Preset, get_preset
from mtl_helpers.runs.experiment import Experiment
from mtl_helpers.runs.query import stored_runs
from mtl_helpers.runs.record import provenance_line

__all__ = ["ledger_markdown"]

_NO_BREAK = "\N{NO-BREAK SPACE}"


def _rules(table: Mapping[Any, str], head: str) -> str:
    rows = (f"| **{name}** | {when} |" for name, when in table.items())
    return "\n".join([f"| {head} | when |", "|---|---|", *rows])


_INTRODUCTION = f"""\
(claims-ledger)=
# Claims ledger

Every claim that this course tests has a row here. The page is written by
`python -m mtl_helpers ledger` from the stored runs in `results/`, never by hand; a test fails
when the two disagree.

**Effect.** Two networks are compared on the same test people. Both train from the same first
weights on the same batches, once for each seed, and the effect is the mean of the differences.

**Two intervals, both of 95 %.** The one *over seeds* is Student's t interval: it says what other
seeds would give for the same test people. The one over *seeds and people* says what other seeds
and other people would give, and is the one that verdicts go by. Its estimated variance is never
smaller; but it has more degrees of freedom and so a smaller Student's factor, and can come out
narrower. It needs the result of each run by person, and every person weighs the same. Where a run
did not keep these, or where the effect is no mean over people (a weight, an energy), only the first
is shown and judged.

**Smallest effect that matters.** Each claim states one, in the unit of its effect. Most stood
before the first runs. Where parts, measures or sizes were laid down after these, the claim says so;
the conditions for a test came after them too. All stand before the runs to come.

**Parts.** A claim is about one comparison or several. Some are *needed*; some are needed but
*trivial*: they earn nothing by themselves; some stand *beside*, for the reader, without a say.
Written for a part that says that something is greater, its interval

{_rules(OUTCOMES, "part")}

**Verdict.** Most claims need every part. A few make independent statements, each with parts of its
own. One rule judges all:

{_rules(VERDICTS, "verdict")}

That every part holds needs no correction for their number, since each passes its own test. That
*some* statement holds does, for one of several may by luck. A part is refuted at its own level: one
whose true effect is the smallest that matters, or more, is refuted by bad luck in 2.5 % of all such
experiments at most. So a claim that needs k parts, all of them true, is in k times 2.5 % at most.

"Here" is meant: faces are rendered, networks and training are small, and a paper's result on
photographs can be right where ours differs. The conditions of training stand with each claim, as
the stored runs behind its effects have them.
"""


def ledger_markdown(
    claims: Mapping[str, Claim] | Iterable[Claim],
    preset: Preset | None = None,
    *,
    experiments: Iterable[Experiment] = (),
    root: Path | None = None,
) -> str:
    """Return the text of the ledger page; the same runs always give the same text.

    It ends with what the runs of the ``experiments`` cost.
    """
    preset = preset or get_preset()
    listed = list(claims.values()) if isinstance(claims, Mapping) else list(claims)
    anchors = [claim.anchor for claim in listed]
    for anchor in anchors:
        if anchors.count(anchor) > 1:
            raise ValueError(f"Two claims have the anchor {anchor!r}; give each its own id.")
    evaluations = [evaluate_claim(claim, preset, root=root) for claim in listed]
    parts = [_INTRODUCTION, f"## All claims, preset `{preset.name}`\n"]
    if evaluations:
        parts.append(_summary(evaluations))
        parts += [_section(item) for item in evaluations]
    else:
        parts.append("No claims are registered.\n")
    costs = _costs(experiments, preset, root)
    return "\n".join([*parts, *costs])


def _costs(experiments: Iterable[Experiment], preset: Preset, root: Path | None) -> list[str]:
    """Return a table of the stored runs' numbers and minutes, an experiment per row."""
    rows = []
    minutes, count = 0.0, 0
    for experiment in experiments:
        runs = stored_runs(experiment, preset, root).records
        if not runs:
            continue
        own = sum(run.seconds for run in runs) / 60
        rows.append(_row([f"`{experiment.name}`", str(len(runs)), f"{own:.0f}"]))
        minutes, count = minutes + own, count + len(runs)
    if not rows:
        return []
    head = ["(what-the-runs-cost)=", "## What the runs cost", ""]
    words = (
        "Minutes of one process on one core, as the records say. Where two processes share a "
        "machine of two cores, as they did for the runs of this book, the clock shows half of that."
    )
    total = _row(["all", str(count), f"{minutes:.0f}"])
    table = ["| experiment | runs | minutes |", "|---|---|---|", *rows, total]
    return [*head, words, "", *table, ""]


def _summary(evaluations: Sequence[Evaluation]) -> str:
    """Three short columns, so that the table stands on a phone."""
    rows = ["| id | claim | verdict |", "|---|---|---|"]
    for item in evaluations:
        claim = item.claim
        rows.append(
            _row([f"[{claim.id}](#{claim.anchor})", claim.statement, f"**{item.verdict}**"])
        )
    return "\n".join(rows) + "\n"


def _section(item: Evaluation) -> str:
    claim = item.claim
    lines = [
        f"({claim.anchor})=",
        f"## {claim.id}: {item.verdict}",
        "",
        claim.statement,
        "",
        f"- Source: {claim.paper}; {claim.paper_figure}",
        f"- Experiment: {_link(claim)}",
    ]
    if claim.parts:
        needs = "every part" if claim.logic == "every" else "each statement judged by itself"
        lines.append(f"- Logic: {needs}")
        lines.append(f"- Smallest effect that matters: {_size(claim.smallest_effect, claim.unit)}")
    if claim.window is not None:
        lines.append(
            f"- Time: {claim.window.words}; at least {claim.window.passes:g} passes over the "
            "training data"
        )
    if claim.comparison:
        lines.append(f"- Effect: {claim.comparison}")
    if item.setting:
        lines.append(f"- Conditions: {item.setting}")
    lines.append(f"- Runs: {provenance_line(item.records)}")
    if item.effects:
        lines += ["", *_table(item)]
    if item.remark:
        lines += ["", item.remark]
    lines += ["", f"**Verdict: {item.verdict}.** {item.judgement.reason}", ""]
    return "\n".join(lines)


def _table(item: Evaluation) -> list[str]:
    claim = item.claim
    judged = bool(item.judgement.outcomes)
    people = any(effect.over_people for effect in item.effects.values())
    head = [f"part, {claim.unit}", "mean", "over seeds"]
    head += ["seeds, people"] * people + ["result"] * judged
    lines = [_row(head), "|---" * len(head) + "|"]
    for part in claim.parts:
        effect = item.effects.get(part.label)
        if effect is None:
            continue
        digits = max(_digits(effect.over_seeds), _digits(effect.judged))
        row = [_name(claim, part), _number(effect.judged.mean, digits)]
        row.append(_ends(effect.over_seeds, digits))
        if people:
            row.append(_ends(effect.over_people, digits) if effect.over_people else "–")
        if judged:
            row.append(item.judgement.outcomes[part.label])
        lines.append(_row(row))
    lines += ["", _counts(item.effects.values())]
    if not judged:
        lines[-1] += " What is seen in them is shown, and nothing is judged by it."
    return lines


def _name(claim: Claim, part: Part) -> str:
    """The part's label with what is special about it."""
    marks: list[str] = [part.role] if part.role != "decides" else []
    marks += [f"in {part.unit}"] if part.unit else []
    if part.smallest_effect:
        marks.append(f"matters from {_size(part.smallest_effect, part.unit or claim.unit)}")
    return part.label + (f" ({', '.join(marks)})" if marks else "")


def _counts(effects: Iterable[Effect]) -> str:
    """Say how many seeds and people the effects are over."""
    effects = list(effects)
    seeds = _range({effect.over_seeds.n for effect in effects})
    people = {effect.over_people.people for effect in effects if effect.over_people}
    if people:
        return f"{seeds} seeds, {_range(people)} test people."
    return f"{seeds} seeds; these runs kept no results by person for these effects."


def _range(numbers: set[int]) -> str:
    ordered = sorted(numbers)
    return str(ordered[0]) if len(ordered) == 1 else f"{ordered[0]} to {ordered[-1]}"


def _link(claim: Claim) -> str:
    if not claim.experiments:
        return "none yet"
    name = ", ".join(f"`{each.name}`" for each in claim.experiments)
    # a chapter that is still to be written is no page to link to
    written = claim.chapter and (project_root() / "book" / claim.chapter).is_file()
    return f"[{name}]({claim.chapter})" if written else name


def _size(number: float, unit: str) -> str:
    return f"{number:g} {unit[:-1] if number == 1 and unit.endswith('s') else unit}"


def _digits(interval: Interval) -> int:
    """Decimals with which an end near zero still shows on which side of zero it lies."""
    nearest = min(abs(interval.low), abs(interval.high))
    if nearest >= 0.1:
        return 1
    return 2 if nearest >= 0.005 else 3


def _number(value: float, digits: int) -> str:
    # adding zero turns a rounded -0.0 into +0.0
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")


def _ends(interval: Interval, digits: int) -> str:
    # a no-break space keeps the interval on one line of a narrow column
    return f"[{_number(interval.low, digits)},{_NO_BREAK}{_number(interval.high, digits)}]"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    return re.sub("[ \\t\\n]+", " ", text.replace("|", "\\|")).strip(" ")
