"""The one place that judges: from the effects of a claim's parts to its verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mtl_helpers.ledger.claim import Claim, Direction, Effect, Part, Runs
from mtl_helpers.ledger.statistics import Interval, equivalent, holm, seeds_needed
from mtl_helpers.presets import Preset, get_preset
from mtl_helpers.runs.query import load_records
from mtl_helpers.runs.record import Record, record_files

__all__ = ["OUTCOMES", "VERDICTS", "Evaluation", "Judgement", "Outcome", "Verdict", "evaluate",
           "evaluate_claim", "judge", "outcome_of"]  # fmt: skip

Verdict = Literal[
    "holds",
    "holds in part",
    "does not hold here",
    "no difference that matters",
    "not settled",
    "not tested",
]
Outcome = Literal["holds", "too small to matter", "no difference", "does not hold", "not settled"]

VERDICTS: dict[Verdict, str] = {
    "holds": "every part that the claim needs holds",
    "holds in part": "the claim makes independent statements; one of them holds, even after Holm's "
    "correction for their number, and another has not been shown to hold",
    "does not hold here": "one part that the claim needs does not hold; that is enough, however "
    "the others stand. So is one that is shown to make no difference, or one too small to matter, "
    "unless that is so of all that decides. A claim of independent statements is refuted only when "
    "all of them are",
    "no difference that matters": "all that decides is shown to be smaller than the smallest "
    "effect that matters, and no part that is needed does not hold: then the verdict is this one "
    "and not *does not hold here*. Independent statements: so it is with all of them",
    "not settled": "the claim is not refuted, and some part may be nothing or an effect that "
    "matters; the page says how many seeds would tell, that is, would make the interval narrower "
    "than the smallest effect that matters",
    "not tested": "no experiment or no stored runs; or the runs end before the time that the claim "
    "speaks of, or lack another condition for it; whatever the parts say",
}
"""When each verdict is given, in words."""

OUTCOMES: dict[Outcome, str] = {
    "holds": "lies above zero, and reaches the smallest effect that matters",
    "too small to matter": "lies above zero, and ends before the smallest effect that matters",
    "no difference": "holds zero or lies below it, and stays within the smallest effect on both "
    "sides",
    "does not hold": "ends before the smallest effect that matters, and reaches further than that "
    "below zero",
    "not settled": "holds both zero and an effect that would matter",
}
"""Where the interval of a part lies, for a part that says that something is greater."""


@dataclass(frozen=True)
class Judgement:
    """A verdict, why, and how each part came out."""

    verdict: Verdict
    reason: str
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """A claim with the effects of its parts by label, the judgement, and the runs behind them."""

    claim: Claim
    effects: Mapping[str, Effect]
    judgement: Judgement
    records: tuple[Record, ...] = ()
    setting: str = ""
    remark: str = ""

    @property
    def verdict(self) -> Verdict:
        """The verdict alone."""
        return self.judgement.verdict


def outcome_of(
    effect: Interval, smallest_effect: float, direction: Direction = "greater"
) -> Outcome:
    """Say where an interval lies, for a part that says ``direction`` than zero.

    Examples
    --------
    >>> outcome_of(Interval(2.0, 0.5, 3.5, n=3), smallest_effect=1.0)
    'holds'
    >>> outcome_of(Interval(0.4, 0.1, 0.7, n=3), smallest_effect=1.0)
    'too small to matter'
    >>> outcome_of(Interval(0.1, -0.5, 0.7, n=3), smallest_effect=1.0)
    'no difference'
    >>> outcome_of(Interval(-3.0, -6.5, 0.5, n=3), smallest_effect=1.0)
    'does not hold'
    >>> outcome_of(Interval(1.0, -0.5, 2.5, n=3), smallest_effect=1.0)
    'not settled'
    """
    if not smallest_effect > 0:
        raise ValueError(f"The smallest effect that matters must be > 0, got {smallest_effect}.")
    if direction not in ("greater", "less"):
        raise ValueError(f"A direction is 'greater' or 'less', got {direction!r}.")
    if not effect.low <= effect.high:
        raise ValueError(f"The interval {effect} has no order; were its values finite?")
    towards = effect if direction == "greater" else effect.scaled(-1.0)
    if equivalent(towards, smallest_effect):
        return "too small to matter" if towards.low > 0 else "no difference"
    if towards.low > 0:
        return "holds"
    return "does not hold" if towards.high < smallest_effect else "not settled"


def judge(claim: Claim, effects: Mapping[str, Effect]) -> Judgement:
    """Judge a claim by the effects of its parts; see :data:`VERDICTS` for the rule in words.

    Note
    ----
    That *every* part holds needs no correction for their number: each passes its own test. That
    *some* statement holds does, for one of several may by luck. There the p value of a statement
    is the largest of its parts', and Holm's method adjusts it over the statements.
    """
    outcomes = {
        part.label: outcome_of(effects[part.label].judged, claim.smallest(part), part.direction)
        for part in claim.parts
    }
    needed = [part for part in claim.parts if part.role != "beside"]
    if claim.logic == "every":
        verdict = _every(needed, outcomes)
        return Judgement(verdict, _why(claim, needed, verdict, outcomes, effects), outcomes)

    statements: dict[str, list[Part]] = {}
    for part in needed:
        statements.setdefault(part.statement, []).append(part)
    verdicts = {name: _every(parts, outcomes) for name, parts in statements.items()}
    adjusted = holm(
        [max(effects[part.label].judged.p_value for part in parts) for parts in statements.values()]
    )
    # a statement of trivial parts alone is true of any network that learnt something
    earned = [
        name
        for (name, parts), p in zip(statements.items(), adjusted, strict=True)
        if verdicts[name] == "holds"
        and any(part.role == "decides" for part in parts)
        and all(p < 1 - effects[part.label].judged.confidence for part in parts)
    ]
    verdict = _together(list(verdicts.values()), bool(earned))
    reason = " ".join(
        f"*{name}*: {verdicts[name]}. {_why(claim, parts, verdicts[name], outcomes, effects)}"
        for name, parts in statements.items()
    )
    if verdict != "holds in part" and "holds" in verdicts.values() and verdict != "holds":
        reason += (
            " What holds by itself is trivial, or does not stand once the number of statements is "
            "accounted for."
        )
    return Judgement(verdict, reason, outcomes)


def _every(parts: Iterable[Part], outcomes: Mapping[str, Outcome]) -> Verdict:
    """Judge a statement that needs all of its parts."""
    decisive = {outcomes[part.label] for part in parts if part.role == "decides"}
    every = {outcomes[part.label] for part in parts}
    small: set[Outcome] = {"no difference", "too small to matter"}
    if every == {"holds"}:
        return "holds"
    if "does not hold" in every:
        return "does not hold here"
    if decisive and decisive <= small:
        return "no difference that matters"
    return "does not hold here" if every & small else "not settled"


def _together(verdicts: list[Verdict], earned: bool) -> Verdict:
    """Judge a claim of independent statements."""
    if all(verdict == "holds" for verdict in verdicts):
        return "holds"
    if earned:
        return "holds in part"
    if all(verdict == "no difference that matters" for verdict in verdicts):
        return "no difference that matters"
    refuted = ("does not hold here", "no difference that matters")
    return "does not hold here" if all(each in refuted for each in verdicts) else "not settled"


# --- reasons ------------------------------------------------------------------------------------


def _why(
    claim: Claim,
    parts: list[Part],
    verdict: Verdict,
    outcomes: Mapping[str, Outcome],
    effects: Mapping[str, Effect],
) -> str:
    """Name the parts that the verdict of a statement rests on."""

    def named(*which: Outcome) -> list[Part]:
        return [part for part in parts if outcomes[part.label] in which]

    def listed(some: list[Part]) -> str:
        return "; ".join(part.name for part in some)

    if verdict == "holds":
        open_end = [p for p in parts if _inner_end(effects[p.label], p) < claim.smallest(p)]
        if not open_end:
            return "Every interval lies beyond the smallest effect that matters."
        return f"An effect smaller than the one that matters is not excluded: {listed(open_end)}."
    if verdict == "not settled":
        return " ".join(
            f"Open: {part.name}; {_what_would_settle(claim, part, effects[part.label])}."
            for part in named("not settled")
        )
    reasons = {
        "refuted": named("does not hold"),
        "shown to make no difference that matters": named("no difference"),
        "there, but smaller than what matters": named("too small to matter"),
    }
    text = [f"{words.capitalize()}: {listed(some)}." for words, some in reasons.items() if some]
    if verdict == "does not hold here" and len(parts) > 1:
        text.append("One such part is enough.")
    return " ".join(text)


def _inner_end(effect: Effect, part: Part) -> float:
    """Return the end of the interval that is nearer to zero, for a part that holds."""
    return effect.judged.low if part.direction == "greater" else -effect.judged.high


def _what_would_settle(claim: Claim, part: Part, effect: Effect) -> str:
    """Say how many seeds make the interval narrower than the smallest effect that matters."""
    smallest = claim.smallest(part)
    seeds = seeds_needed(effect.over_seeds, effect.people_error, smallest)
    have = effect.over_seeds.n
    if seeds is None:
        alone = seeds_needed(effect.over_seeds, 0.0, smallest)
        return (
            f"no number of seeds would tell, for {effect.judged.people} test people are too few; "
            f"with many more people, about {_about(alone)} seeds"
        )
    return f"about {_about(seeds)} seeds would tell at the spread that these {have} have"


def _about(number: int | None) -> str:
    """Write a number with two digits that count."""
    return f"{float(f'{number or 0:.2g}'):,.0f}"


# --- stored runs --------------------------------------------------------------------------------


def evaluate_claim(
    claim: Claim, preset: Preset | None = None, *, root: Path | None = None
) -> Evaluation:
    """Evaluate one claim on the stored runs of a preset.

    Raises
    ------
    ResultsError
        If some runs are there, but one is missing, damaged or of another configuration.
    """
    preset = preset or get_preset()
    if not claim.parts:
        return _not_tested(claim, claim.untested)
    records: list[Record] = []
    for experiment in claim.experiments:
        if not record_files(experiment.folder(preset, root)):
            return _not_tested(
                claim,
                f"There are no stored runs of {experiment.name} at the preset {preset.name} yet.",
            )
        records += load_records(experiment, preset, root=root)
    return evaluate(claim, records)


def evaluate(claim: Claim, records: Runs) -> Evaluation:
    """Evaluate one claim on runs that are at hand.

    Runs that cannot test it have effects all the same, for the reader; nothing is judged by them.
    """
    computed = {part.label: part.effect(records) for part in claim.parts}
    effects = {label: effect for label, effect in computed.items() if effect is not None}
    unmet = [condition(records) for condition in claim.conditions]
    if claim.window is not None:
        unmet.append(claim.window.unmet(records))
    if any(unmet):
        judgement = Judgement("not tested", " ".join(reason for reason in unmet if reason))
    else:
        judgement = judge(claim, effects)
    behind = {id(run) for effect in effects.values() for run in effect.runs}
    used = tuple(run for run in records if id(run) in behind)
    return Evaluation(
        claim,
        effects,
        judgement,
        used,
        claim.setting(used) if claim.setting else "",
        claim.remark(records) if claim.remark else "",
    )


def _not_tested(claim: Claim, reason: str) -> Evaluation:
    return Evaluation(claim, {}, Judgement("not tested", reason))
