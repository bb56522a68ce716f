"""Claims of the papers as data, one rule for verdicts, and the ledger page made from both."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mtl_helpers.ledger.statistics import Interval, holm, paired_difference
from mtl_helpers.presets import Preset, get_preset
from mtl_helpers.runs.query import load_records
from mtl_helpers.runs.record import (
    Record,
    ResultsError,
    provenance_line,
    results_root,
    seed_values,
)

if TYPE_CHECKING:
    from mtl_helpers.runs.experiment import Experiment

__all__ = [
    "VERDICTS",
    "Claim",
    "Evaluation",
    "Finding",
    "Verdict",
    "compare_arms",
    "evaluate_claim",
    "find",
    "judge",
    "judge_family",
    "ledger_markdown",
]

Verdict = Literal["holds", "holds in part", "does not hold here", "not settled", "not tested"]
VERDICTS: tuple[Verdict, ...] = (
    "holds",
    "holds in part",
    "does not hold here",
    "not settled",
    "not tested",
)
Direction = Literal["greater", "less"]
Effect = Interval | Sequence[Interval] | Mapping[str, Interval]


@dataclass(frozen=True)
class Finding:
    """What the stored runs say about a claim.

    Parameters
    ----------
    effect
        One interval, or several (a list, or a dictionary by the name of the comparison), in the
        unit of the claim.
    verdict
        One of :data:`VERDICTS`.
    reason
        One or two sentences for the reader.
    smallest_effect
        What :func:`judge` was asked with; ``None`` where the verdict comes about otherwise.
    """

    effect: Effect
    verdict: Verdict
    reason: str
    smallest_effect: float | None = None

    def effects(self) -> dict[str, Interval]:
        """Return the intervals by name; a single one has the empty name."""
        if isinstance(self.effect, Interval):
            return {"": self.effect}
        if isinstance(self.effect, Mapping):
            return dict(self.effect)
        return {str(number): item for number, item in enumerate(self.effect, start=1)}


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, and how it is tested.

    Parameters
    ----------
    id
        Short name, such as ``"Y1"``; the ledger's anchor is ``claim-y1``.
    paper
        The source, as MyST text; may hold a citation role.
    statement
        The claim in our own words, one sentence.
    paper_figure
        The number or place in the paper.
    experiment
        Name of the experiment that tests it, or ``None`` where none does yet.
    beside
        Names of further experiments with whose runs those are compared. Arms of experiments that
        are compared have different names.
    evaluate
        Turns the stored runs into a :class:`Finding`; ``None`` where nothing tests it.
    smallest_effect
        The smallest effect that would matter, in ``unit``; declared before the runs.
    unit
        Unit of the effect.
    chapter
        Path of the chapter from ``book/claims.md``, for the link.
    comparison
        What the effect is, such as ``"rank-1 of id+pos minus s-CNN"``.
    untested
        Why nothing tests it, where that is so.
    """

    id: str
    paper: str
    statement: str
    paper_figure: str
    experiment: str | None = None
    beside: tuple[str, ...] = ()
    evaluate: Callable[[list[Record]], Finding] | None = None
    smallest_effect: float = 1.0
    unit: str = "points"
    chapter: str = ""
    comparison: str = ""
    untested: str = "No experiment of this course tests it yet."

    @property
    def anchor(self) -> str:
        """Label of the claim's section in the ledger."""
        return "claim-" + re.sub(r"[^a-z0-9]+", "-", self.id.lower()).strip("-")


@dataclass(frozen=True)
class Evaluation:
    """A claim with its finding and the runs behind it."""

    claim: Claim
    finding: Finding
    records: tuple[Record, ...]


# --- verdicts -----------------------------------------------------------------------------------


def judge(effect: Interval, smallest_effect: float, direction: Direction = "greater") -> Verdict:
    """Turn the interval of one effect into a verdict.

    For a claim that the effect is greater than zero, in this order: the interval lies above zero,
    it ``holds``; it lies below zero, or below the smallest effect that would matter, it ``does
    not hold here``; else the interval holds both no effect and one that matters: ``not settled``.

    Parameters
    ----------
    effect
        Interval of the effect.
    smallest_effect
        The smallest effect that would matter, positive, in the same unit.
    direction
        ``"greater"``, or ``"less"`` for a claim that the effect is below zero.

    Raises
    ------
    ValueError
        If the smallest effect is not positive, the direction is unknown, or an end of the
        interval is not a number.

    Examples
    --------
    >>> judge(Interval(2.0, 0.5, 3.5, n=3), smallest_effect=1.0)
    'holds'
    >>> judge(Interval(0.1, -0.5, 0.7, n=3), smallest_effect=1.0)
    'does not hold here'
    >>> judge(Interval(1.0, -0.5, 2.5, n=3), smallest_effect=1.0)
    'not settled'
    """
    if not smallest_effect > 0:
        raise ValueError(f"The smallest effect that matters must be > 0, got {smallest_effect}.")
    if direction not in ("greater", "less"):
        raise ValueError(f"A direction is 'greater' or 'less', got {direction!r}.")
    if not effect.low <= effect.high:
        raise ValueError(f"The interval {effect} has no order; were its values finite?")
    if direction == "less":
        effect = effect.scaled(-1.0)
    if effect.low > 0:
        return "holds"
    if effect.high < 0 or effect.high < smallest_effect:
        return "does not hold here"
    return "not settled"


def judge_family(
    effects: Iterable[Interval], smallest_effect: float, direction: Direction = "greater"
) -> Verdict:
    """Turn the intervals of a claim about several comparisons into one verdict.

    All hold: ``holds``. Some hold: ``holds in part``. None holds and all are refuted: ``does not
    hold here``. Else ``not settled``.

    Note
    ----
    That *all* comparisons hold needs no correction, for each must pass its own test. That *some*
    hold does: among several comparisons one may pass by luck. So there a comparison counts only
    if its p value, adjusted by Holm's method over the family, stays below one minus the
    confidence.

    Parameters
    ----------
    effects
        Intervals of the comparisons.
    smallest_effect, direction
        As for :func:`judge`.

    Raises
    ------
    ValueError
        If there is no comparison, or for the reasons of :func:`judge`.
    """
    family = list(effects)
    if not family:
        raise ValueError("A family of comparisons needs at least one interval, got none.")
    verdicts = [judge(effect, smallest_effect, direction) for effect in family]
    if all(verdict == "holds" for verdict in verdicts):
        return "holds"
    adjusted = holm([effect.p_value for effect in family])
    for effect, verdict, p in zip(family, verdicts, adjusted, strict=True):
        if verdict == "holds" and p < 1 - effect.confidence:
            return "holds in part"
    if all(verdict == "does not hold here" for verdict in verdicts):
        return "does not hold here"
    return "not settled"


def find(
    effect: Effect,
    smallest_effect: float,
    direction: Direction = "greater",
    *,
    unit: str = "points",
    remark: str = "",
) -> Finding:
    """Judge an effect, or a family of them, and say why in words.

    Parameters
    ----------
    effect
        One interval; or several, as a list or by name.
    smallest_effect, direction
        As for :func:`judge`.
    unit
        Unit of the effect.
    remark
        A sentence to add to the reason.
    """
    if isinstance(effect, Interval):
        verdict = judge(effect, smallest_effect, direction)
        reason = _reason(effect, verdict, smallest_effect, direction, unit)
    else:
        family = Finding(effect, "not tested", "").effects()
        verdict = judge_family(family.values(), smallest_effect, direction)
        single = {name: judge(item, smallest_effect, direction) for name, item in family.items()}
        parts = []
        for each in VERDICTS:
            names = [name for name, found in single.items() if found == each]
            if names:
                parts.append(f"{each}: {', '.join(names)}")
        reason = f"Of {len(family)} comparisons, each by itself, {'; '.join(parts)}."
        if verdict == "not settled" and "holds" in single.values():
            reason += (
                " What holds by itself does not stand once the number of comparisons is "
                "accounted for."
            )
    return Finding(effect, verdict, f"{reason} {remark}".strip(), smallest_effect)


def _reason(
    effect: Interval, verdict: Verdict, smallest: float, direction: Direction, unit: str
) -> str:
    side, other = ("above", "below") if direction == "greater" else ("below", "above")
    size = f"{smallest:g} {_unit(smallest, unit)}"
    towards = effect if direction == "greater" else effect.scaled(-1.0)
    if verdict == "holds":
        reason = f"The whole interval lies {side} zero."
        if towards.high < smallest:
            reason += f" The effect is smaller than the {size} that we said would matter."
        return reason
    if verdict == "not settled":
        return (
            f"The interval holds both zero and an effect of {size}, so these seeds cannot tell "
            "the two apart."
        )
    if towards.high < 0:
        return f"The whole interval lies {other} zero: the effect goes the other way."
    return f"The interval holds zero and ends before the {size} that would matter."


def _unit(number: float, unit: str) -> str:
    return unit[:-1] if number == 1 and unit.endswith("s") else unit


def compare_arms(
    records: Iterable[Record],
    arm: str,
    baseline: str,
    metric: str,
    *,
    scale: float = 100.0,
    confidence: float = 0.95,
) -> Interval:
    """Return the paired difference of a metric between two arms, over their seeds.

    Parameters
    ----------
    records
        Stored runs of one experiment.
    arm, baseline
        The difference is ``arm`` minus ``baseline``.
    metric
        Dotted name of the metric.
    scale
        Factor on the result; 100 turns fractions into percentage points.
    confidence
        Coverage of the interval.

    Raises
    ------
    ResultsError
        If an arm or metric is missing, or the arms do not have the same seeds.
    ValueError
        If there are fewer than two seeds.
    """
    records = list(records)
    seeds, values = seed_values(records, arm, metric)
    paired_seeds, base = seed_values(records, baseline, metric)
    if seeds != paired_seeds:
        raise ResultsError(
            f"The arms {arm!r} and {baseline!r} should share their seeds, but have {seeds} and "
            f"{paired_seeds}; run the sweep to its end."
        )
    return paired_difference(values, base, confidence).scaled(scale)


# --- the ledger ---------------------------------------------------------------------------------


def evaluate_claim(
    claim: Claim,
    preset: Preset | None = None,
    *,
    experiments: Mapping[str, Experiment] | None = None,
    root: Path | None = None,
) -> Evaluation:
    """Evaluate one claim on the stored runs of a preset.

    Without any run of its experiment at that preset, the claim is ``not tested``.

    Parameters
    ----------
    claim
        The claim.
    preset
        If absent, :func:`mtl_helpers.presets.get_preset` chooses.
    experiments
        By name; if absent, the registry of the package.
    root
        Folder of stored runs.

    Raises
    ------
    ResultsError
        If some runs are there, but one is missing, damaged or of another configuration.
    ValueError
        If the claim names an unknown experiment, or was judged by another smallest effect than
        the one it declares.
    """
    preset = preset or get_preset()
    if claim.experiment is None or claim.evaluate is None:
        return Evaluation(claim, Finding((), "not tested", claim.untested), ())
    if experiments is None:
        from mtl_helpers.registry import EXPERIMENTS

        experiments = EXPERIMENTS
    root = root or results_root()
    records: list[Record] = []
    for name in (claim.experiment, *claim.beside):
        if name not in experiments:
            known = ", ".join(experiments) or "none"
            raise ValueError(f"The claim {claim.id} names the experiment {name!r}; known: {known}.")
        if not any(experiments[name].folder(preset, root).glob("*.json")):
            reason = f"There are no stored runs of {name} at the preset {preset.name} yet."
            return Evaluation(claim, Finding((), "not tested", reason), ())
        records += load_records(experiments[name], preset, root=root)
    finding = claim.evaluate(records)
    if finding.smallest_effect not in (None, claim.smallest_effect):
        raise ValueError(
            f"The claim {claim.id} declares {claim.smallest_effect:g} as the smallest effect that "
            f"matters but is judged by {finding.smallest_effect:g}; make the two the same."
        )
    return Evaluation(claim, finding, tuple(records))


_NO_BREAK = "\N{NO-BREAK SPACE}"
_INTRODUCTION = """\
(claims-ledger)=
# Claims ledger

Every claim that this course tests has a row here. The page is written by
`python -m mtl_helpers ledger` from the stored runs in `results/`, never by hand; a test fails
when the two disagree.

**Effect.** Two models are compared on the same test identities. Both train from the same first
weights on the same batches, once for each seed, and the effect is the mean of the differences
over seeds. The interval is Student's t interval at 95 %. It covers what changes with the seed,
not what would change with other test identities.

**Smallest effect that matters.** Each claim states one, in the unit of its effect, and it does
not depend on the results.

**Verdict.** One rule decides, written for a claim that something grows:

| verdict | when |
|---|---|
| **holds** | the interval lies above zero |
| **holds in part** | the claim is about several comparisons, and some hold even after Holm's correction for their number |
| **does not hold here** | the interval lies below zero, or ends before the smallest effect that matters; for several comparisons, all of them do |
| **not settled** | the interval holds both zero and an effect that would matter; more seeds might tell |
| **not tested** | there is no experiment for it yet, or no stored runs |

"Here" is meant: faces are rendered, networks and training are small, and a paper's result on
photographs can be right where ours differs. The conditions stand with each claim.
"""  # noqa: E501


def ledger_markdown(
    claims: Mapping[str, Claim] | Iterable[Claim],
    preset: Preset | None = None,
    *,
    experiments: Mapping[str, Experiment] | None = None,
    root: Path | None = None,
) -> str:
    """Return the text of the ledger page; the same runs always give the same text.

    Parameters
    ----------
    claims
        In the order of the page.
    preset, experiments, root
        As for :func:`evaluate_claim`.

    Raises
    ------
    ValueError
        If two claims share an anchor.
    """
    preset = preset or get_preset()
    listed = list(claims.values()) if isinstance(claims, Mapping) else list(claims)
    anchors = [claim.anchor for claim in listed]
    for anchor in anchors:
        if anchors.count(anchor) > 1:
            raise ValueError(f"Two claims have the anchor {anchor!r}; give each its own id.")
    evaluations = [
        evaluate_claim(claim, preset, experiments=experiments, root=root) for claim in listed
    ]
    parts = [_INTRODUCTION, f"## All claims, preset `{preset.name}`\n"]
    if evaluations:
        parts.append(_summary(evaluations))
        parts += [_section(item) for item in evaluations]
    else:
        parts.append("No claims are registered.\n")
    return "\n".join(parts)


def _summary(evaluations: Sequence[Evaluation]) -> str:
    rows = [
        "| id | claim | paper | effect in points, 95 % interval | verdict | runs |",
        "|---|---|---|---|---|---|",
    ]
    for item in evaluations:
        claim, effects = item.claim, item.finding.effects()
        shown = [
            f"{name + ': ' if name else ''}{_signed(effect)}"
            + ("" if claim.unit == "points" else f" {claim.unit}")
            for name, effect in effects.items()
        ]
        cells = [
            f"[{claim.id}](#{claim.anchor})",
            claim.statement,
            f"{claim.paper}; {claim.paper_figure}",
            "<br>".join(shown) or "–",
            f"**{item.finding.verdict}**",
            _link(claim) + (f", {_seeds(item)} seeds" if item.records else ""),
        ]
        rows.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _section(item: Evaluation) -> str:
    claim, finding = item.claim, item.finding
    lines = [
        f"({claim.anchor})=",
        f"## {claim.id}",
        "",
        f"{claim.statement}",
        "",
        f"- Source: {claim.paper}; {claim.paper_figure}",
        f"- Experiment: {_link(claim)}",
    ]
    if claim.evaluate is not None:
        size = f"{claim.smallest_effect:g} {_unit(claim.smallest_effect, claim.unit)}"
        lines.append(f"- Smallest effect that matters: {size}")
    if claim.comparison:
        lines.append(f"- Effect: {claim.comparison}")
    lines.append(f"- Conditions: {provenance_line(item.records)}")
    effects = finding.effects()
    if effects:
        adjusted = holm([effect.p_value for effect in effects.values()])
        p_head = "p" if len(effects) == 1 else "p, Holm"
        lines += [
            "",
            f"| comparison | mean, {claim.unit} | 95 % interval | `d_z` | n | {p_head} |",
            "|---|---|---|---|---|---|",
        ]
        for (name, effect), p in zip(effects.items(), adjusted, strict=True):
            mean, low, high = (_number(value) for value in (effect.mean, effect.low, effect.high))
            strength = (
                _number(effect.effect_size) if effect.effect_size == effect.effect_size else "–"
            )
            row = [
                name or claim.comparison or claim.id,
                mean,
                f"{low} to {high}",
                strength,
                str(effect.n),
                "< 0.001" if p < 0.001 else f"{p:.3f}",
            ]
            lines.append("| " + " | ".join(_cell(cell) for cell in row) + " |")
    lines += ["", f"**Verdict: {finding.verdict}.** {finding.reason}", ""]
    return "\n".join(lines)


def _seeds(item: Evaluation) -> str:
    """Return how many seeds the effects have, which need not be all seeds of an experiment."""
    counts = sorted({effect.n for effect in item.finding.effects().values()})
    if not counts:
        counts = [len({record.seed for record in item.records})]
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _link(claim: Claim) -> str:
    if claim.experiment is None:
        return "none yet"
    name = " and ".join(f"`{each}`" for each in (claim.experiment, *claim.beside))
    return f"[{name}]({claim.chapter})" if claim.chapter else name


def _number(value: float) -> str:
    # adding zero turns a rounded -0.0 into +0.0
    return f"{round(value, 1) + 0.0:+.1f}".replace("-", "−")


def _signed(effect: Interval) -> str:
    # a no-break space keeps the interval on one line of a narrow column
    return f"{_number(effect.mean)} [{_number(effect.low)},{_NO_BREAK}{_number(effect.high)}]"


def _cell(text: str) -> str:
    return re.sub("[ \\t\\n]+", " ", text.replace("|", "\\|")).strip(" ")
