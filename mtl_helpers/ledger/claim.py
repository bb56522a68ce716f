"""Claims of the papers as data, and the effects that stored runs give for their parts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from mtl_helpers.ledger.statistics import Interval, crossed_interval, mean_interval
from mtl_helpers.runs.query import pairs, values
from mtl_helpers.runs.record import Record, ResultsError

if TYPE_CHECKING:
    from mtl_helpers.runs.experiment import Experiment

__all__ = ["Claim", "Direction", "Effect", "Logic", "Measure", "Part", "Role", "Runs", "Window",
           "ceiling", "compare", "over_pairs", "over_runs"]  # fmt: skip

Runs = Sequence[Record]
Direction = Literal["greater", "less"]
Logic = Literal["every", "each"]
Role = Literal["decides", "trivial", "beside"]


# --- effects ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """What stored runs say about one part of a claim.

    Parameters
    ----------
    over_seeds
        Interval for other seeds and the same test people.
    over_people
        Interval for other seeds *and* other test people; absent where results by person were not
        kept.
    runs
        The stored runs that it was computed from.
    """

    over_seeds: Interval
    over_people: Interval | None = None
    runs: tuple[Record, ...] = field(default=(), compare=False, repr=False)

    @property
    def judged(self) -> Interval:
        """The interval that a verdict goes by: the one that covers people, where there is one."""
        return self.over_people or self.over_seeds

    @property
    def people_error(self) -> float:
        """Standard error that the choice of test people adds; 0 where it is not known."""
        if self.over_people is None:
            return 0.0
        more = self.over_people.standard_error**2 - self.over_seeds.standard_error**2
        return float(np.sqrt(max(0.0, more)))

    def __format__(self, spec: str) -> str:
        return format(self.judged, spec)


@dataclass(frozen=True)
class Measure:
    """Where a record keeps a result.

    Parameters
    ----------
    metric
        Dotted name of the metric: one number per run. Empty where only results by person are
        kept.
    people
        Name of the array of results by person (people,), in the order of their numbers; empty
        where there is none.
    minus
        What is taken away from it, in the same run; absent for nothing.
    """

    metric: str
    people: str = ""
    minus: Measure | None = None

    def by_person(self, run: Record) -> np.ndarray | None:
        """Return the results by person (P,), or None where the run did not keep them."""
        own = run.array(self.people) if self.people else None
        less = None if self.minus is None else self.minus.by_person(run)
        if own is None or self.minus is None:
            return own
        return None if less is None else own - less

    def of(self, run: Record) -> float:
        """Return the result of a run."""
        if not self.metric:
            raise ResultsError(
                f"The record {run.path.name} lacks the results by person {self.people!r}; run the "
                "sweep again."
            )
        return float(run.metric(self.metric)) - (self.minus.of(run) if self.minus else 0.0)


def compare(
    runs: Runs, baseline: Runs, measure: Measure, other: Measure | None = None, scale: float = 100.0
) -> Effect:
    """Return the paired difference between the runs of two arms, on the seeds that both have.

    The difference is ``runs`` by ``measure`` minus ``baseline`` by ``other`` (or the same measure),
    times ``scale``: 100 turns fractions into points. The people are covered if every run that is
    compared kept results by person, of the same people.
    """
    other = other or measure
    paired = pairs(runs, baseline)
    people = [(measure.by_person(run), other.by_person(base)) for run, base in paired]
    differences = [a - b for a, b in people if a is not None and b is not None and len(a) == len(b)]
    if len(differences) == len(paired) and len({len(row) for row in differences}) == 1:
        table = scale * np.stack(differences).astype(np.float64)  # (S, P)
        over_seeds, over_people = mean_interval(table.mean(axis=1)), crossed_interval(table)
        return Effect(over_seeds, over_people, (*runs, *baseline))
    return over_pairs(
        runs,
        baseline,
        lambda run, base: scale * (measure.of(run) - other.of(base)),
    )


def over_pairs(runs: Runs, baseline: Runs, measure: Callable[[Record, Record], float]) -> Effect:
    """Return the mean of what is measured of the runs of two arms, on the seeds that both have."""
    found = [measure(run, base) for run, base in pairs(runs, baseline)]
    return Effect(mean_interval(found), runs=(*runs, *baseline))


def over_runs(runs: Runs, measure: Callable[[Record], float]) -> Effect:
    """Return the mean over the runs of one arm of what is measured of each."""
    return Effect(mean_interval(values(runs, measure)), runs=tuple(runs))


def ceiling(
    names: tuple[str, str], runs: Runs, other: Runs, metrics: tuple[str, str], smallest: float
) -> str:
    """Return why no lead of one arm over another could matter, or nothing.

    Scores are fractions, and ``smallest`` is in points: two means that both lie within it of 1
    cannot be further apart.
    """
    scored = [(run.metric(metrics[0]), base.metric(metrics[1])) for run, base in pairs(runs, other)]
    if 100 * (1 - np.mean(scored, axis=0).min()) >= smallest:
        return ""
    ahead = sum(mine > theirs for mine, theirs in scored)
    often = "every seed" if ahead == len(scored) else f"{ahead} of {len(scored)} seeds"
    nearest = math.ceil(1000 * (1 - np.min(scored))) / 10
    return (
        f"{names[0].capitalize()} leads {names[1]} in {often}, but both are within {nearest:.1f} "
        "points of 100 %, so no lead that matters was possible."
    )


# --- claims -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One comparison that a claim makes.

    Parameters
    ----------
    name
        What is compared, in a few words.
    effect
        Computes it from the runs of the claim's experiments; None where, as a condition of the
        claim says, there is nothing to compare.
    direction
        What the claim says of it: ``"greater"`` or ``"less"`` than zero.
    role
        ``"decides"``; ``"trivial"``: needed, but so little that it earns nothing by itself;
        ``"beside"``: shown, without a say in the verdict.
    statement
        For a claim of independent statements: the one that it belongs to.
    smallest_effect, unit
        Only where they differ from the claim's.
    """

    name: str
    effect: Callable[[Runs], Effect | None]
    direction: Direction = "greater"
    role: Role = "decides"
    statement: str = ""
    smallest_effect: float | None = None
    unit: str | None = None

    @property
    def label(self) -> str:
        """The name, after its statement where there is one; unique in a claim."""
        return f"{self.statement}: {self.name}" if self.statement else self.name


@dataclass(frozen=True)
class Window:
    """The time in training that a claim speaks of.

    Parameters
    ----------
    words
        As the paper has it, such as ``"20 epochs"``.
    passes
        Passes over the training data that a run needs at least to test the claim.
    of
        Tells how many passes a run made.
    """

    words: str
    passes: float
    of: Callable[[Record], float]

    def unmet(self, runs: Runs) -> str:
        """Return why the runs are too short, or nothing."""
        shortest = min(self.of(run) for run in runs)
        if shortest >= self.passes:
            return ""
        return (
            f"The claim speaks of {self.words}, and a run that tests it needs at least "
            f"{self.passes:g} passes over the training data; the stored runs end after "
            f"{shortest:.2f}."
        )


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, and how it is tested.

    Parameters
    ----------
    id
        Short name, such as ``"A1"``; the ledger's anchor is ``claim-a1``.
    paper
        The source, as MyST text; may hold a citation role.
    statement
        The claim in our own words, one sentence.
    paper_figure
        The number or place in the paper.
    experiments
        Those whose runs test it, the main one first.
    parts
        What is compared.
    logic
        ``"every"``: the claim needs every part. ``"each"``: it makes independent statements, and
        each needs every part of its own.
    smallest_effect
        The smallest effect that would matter, in ``unit``.
    unit
        Unit of the effects.
    window
        The time in training that it speaks of, where it speaks of one.
    conditions
        Each returns why the runs cannot test the claim, or nothing.
    chapter
        Path of the chapter from ``book/claims.md``, for the link.
    comparison
        What the effects are, such as ``"rank-1, network with side tasks minus s-CNN"``.
    setting
        Says what the runs behind the effects were trained on, and for how long.
    remark
        Says from the runs of all its experiments what else a reader should know.
    untested
        Why nothing tests it, where that is so.
    """

    id: str
    paper: str
    statement: str
    paper_figure: str
    experiments: tuple[Experiment, ...] = ()
    parts: tuple[Part, ...] = ()
    logic: Logic = "every"
    smallest_effect: float = 1.0
    unit: str = "points"
    window: Window | None = None
    conditions: tuple[Callable[[Runs], str], ...] = ()
    chapter: str = ""
    comparison: str = ""
    setting: Callable[[Runs], str] | None = None
    remark: Callable[[Runs], str] | None = None
    untested: str = "No experiment of this course tests it yet."

    def __post_init__(self) -> None:
        names = [part.label for part in self.parts]
        if len(set(names)) < len(names):
            raise ValueError(f"The claim {self.id} has two parts of one name among {names}.")
        if self.parts and not any(part.role == "decides" for part in self.parts):
            raise ValueError(f"The claim {self.id} needs a part that decides; it has {names}.")
        if not all(self.smallest(part) > 0 for part in self.parts):
            raise ValueError(f"The smallest effects that matter of {self.id} must be > 0.")
        statements = {part.statement for part in self.parts if part.role != "beside"}
        if self.parts and (self.logic == "each") != (len(statements) > 1):
            raise ValueError(
                f"The claim {self.id} is judged by {self.logic!r} but makes {len(statements)} "
                "statements; 'each' is for two or more, 'every' for one."
            )

    def smallest(self, part: Part) -> float:
        """Return the smallest effect of a part that matters."""
        return self.smallest_effect if part.smallest_effect is None else part.smallest_effect

    @property
    def anchor(self) -> str:
        """Label of the claim's section in the ledger."""
        return "claim-" + re.sub(r"[^a-z0-9]+", "-", self.id.lower()).strip("-")
