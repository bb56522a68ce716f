"""What a handful of seeds and some hundred test people can tell: intervals, equivalence, Holm.

Runs of two arms share their seed, and with it the first weights and the order of batches, and they
are asked about the same people. So all comparisons here are of differences, pair by pair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

__all__ = ["Interval", "crossed_interval", "equivalent", "holm", "mean_interval",
           "paired_difference", "seeds_needed"]  # fmt: skip


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval.

    Parameters
    ----------
    mean, low, high
        Estimate and ends of the interval, in the unit of the values.
    n
        Number of seeds.
    confidence
        Coverage of the interval.
    people
        Number of test people that the interval covers as well; 0 where it covers seeds only.
    df
        Degrees of freedom; if absent, ``n - 1``.
    """

    mean: float
    low: float
    high: float
    n: int
    confidence: float = 0.95
    people: int = 0
    df: float = math.nan

    @property
    def standard_error(self) -> float:
        """From the width of the interval."""
        return (self.high - self.low) / 2 / _critical(self.confidence, self._df)

    @property
    def p_value(self) -> float:
        """Two-sided p of a true mean of zero, by Student's t."""
        if self.high == self.low:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.mean / self.standard_error), self._df))

    @property
    def _df(self) -> float:
        return self.n - 1 if math.isnan(self.df) else self.df

    def scaled(self, factor: float) -> Interval:
        """Return the interval in another unit, for instance times 100 for percentage points."""
        low, high = sorted((self.low * factor, self.high * factor))
        return replace(self, mean=self.mean * factor, low=low, high=high)

    def __format__(self, spec: str) -> str:
        """Write ``+1.2 [-0.3, +2.7]``; the format applies to each number (default ``+.1f``)."""
        spec = spec or "+.1f"
        numbers = (format(value, spec) for value in (self.mean, self.low, self.high))
        return "{} [{}, {}]".format(*numbers)

    def __str__(self) -> str:
        return format(self)


def mean_interval(a: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the mean of independent values (n,), one per seed, with its Student-t interval.

    Examples
    --------
    >>> print(mean_interval([1.0, 2.0, 3.0]))
    +2.0 [-0.5, +4.5]
    """
    values = _checked(a, "values")
    n = len(values)
    if n < 2:
        raise ValueError(
            f"An interval needs at least two values, got {n}; run more seeds to learn how far "
            "they spread."
        )
    _check_confidence(confidence)
    mean = float(values.mean())
    if np.ptp(values) == 0:  # scipy divides by the spread
        return Interval(mean, mean, mean, n, confidence)
    with np.errstate(all="ignore"):
        ends = stats.ttest_1samp(values - mean, 0.0).confidence_interval(confidence)
    return Interval(mean, mean + float(ends.low), mean + float(ends.high), n, confidence)


def paired_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the mean of ``a - b`` over pairs (n,) with its Student-t interval.

    Position ``i`` of both comes from the same seed.

    Examples
    --------
    >>> print(paired_difference([3.0, 5.0, 7.0], [2.0, 3.0, 4.0]))
    +2.0 [-0.5, +4.5]
    """
    first, second = _checked(a, "a"), _checked(b, "b")
    if len(first) != len(second):
        raise ValueError(
            f"Paired values need one partner each, got {len(first)} and {len(second)}; compare "
            "only the seeds that both arms have."
        )
    return mean_interval(first - second, confidence)


def crossed_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    r"""Return the mean over seeds and people, with an interval for other seeds *and* other people.

    Every run is asked about the same people, so seeds and people are crossed, and a value is

    .. math:: d_{sp} = \delta + a_s + b_p + e_{sp},

    where :math:`a_s` is what a seed does to everybody, :math:`b_p` what is special about a person
    whatever the seed, and :math:`e_{sp}` the rest. With S seeds and P people,

    .. math:: \mathrm{Var}(\bar d) = \frac{\sigma_a^2}{S} + \frac{\sigma_b^2}{P}
              + \frac{\sigma_e^2}{S P}
              \approx \frac{M_a + \max(0, M_b - M_e)}{S P},

    where the M are the mean squares of seeds, people and rest. The interval is Student's, with the
    degrees of freedom of Satterthwaite (1946) for that sum of mean squares, or with those of the
    smaller sample where these are more.

    Parameters
    ----------
    values
        (S, P): per-person results of each seed's run, or their paired differences.
    confidence
        Coverage, between 0 and 1.

    Note
    ----
    The maximum keeps the variance from falling below that of the seed interval. In simulations
    with normal values and eleven ratios of the three variances, an interval of 95 % covers the true
    mean in 94 to 96 % of the cases with 5 seeds and 100 or 400 people, and in 93 to 97 % with 3
    seeds. With few people it is cautious: up to 97 % (5 and 20) and 98 % (3 and 12). The seed
    interval covers as little as 7 % where people differ and seeds do not.

    Examples
    --------
    >>> print(crossed_interval([[1.0, 2.0, 6.0], [2.0, 2.0, 5.0]]))
    +3.0 [-2.9, +8.9]
    """
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError(
            "An interval over seeds and people needs a table of at least two of each, got shape "
            f"{table.shape}; run more seeds, or ask about more people."
        )
    _checked(table.ravel(), "values")
    n_seeds, n_people = table.shape
    mean = float(table.mean())
    by_seed = table.mean(axis=1, keepdims=True) - mean  # (S, 1)
    by_person = table.mean(axis=0, keepdims=True) - mean  # (1, P)
    rest = table - mean - by_seed - by_person  # (S, P)
    dof = np.array([n_seeds - 1, n_people - 1, (n_seeds - 1) * (n_people - 1)])
    squares = [n_people * np.sum(by_seed**2), n_seeds * np.sum(by_person**2), np.sum(rest**2)]
    m_seed, m_person, m_rest = np.array(squares) / dof
    parts = np.array([m_seed, m_person, m_rest]) if m_person > m_rest else np.array([m_seed, 0, 0])
    total = parts[0] + parts[1] - parts[2]
    if total == 0:
        return Interval(mean, mean, mean, n_seeds, confidence, n_people)
    # The difference of two mean squares can make the approximation fall towards 0, where Student's
    # t has no ends; where people do not differ at all there are n_seeds - 1.
    df = max(float(total**2 / np.sum(parts**2 / dof)), float(min(n_seeds, n_people) - 1))
    half = _critical(confidence, df) * math.sqrt(total / table.size)
    return Interval(mean, mean - half, mean + half, n_seeds, confidence, n_people, df)


def equivalent(effect: Interval, smallest: float) -> bool:
    """Tell whether an effect is too small to matter in either direction.

    Two one-sided tests (Schuirmann, 1987): the whole interval lies between ``-smallest`` and
    ``smallest``. With an interval of 95 % each test is at 2.5 %.
    """
    return -smallest < effect.low and effect.high < smallest


def seeds_needed(over_seeds: Interval, people_error: float, width: float) -> int | None:
    """Return how many seeds make an interval narrower than a width, at the spread observed.

    Parameters
    ----------
    over_seeds
        Interval over the seeds that there are.
    people_error
        Standard error that the choice of people adds, 0 if it is not covered; seeds do not lower
        it.
    width
        Of the interval that is wanted.

    Returns
    -------
    int or None
        None where no number of seeds is enough, for the people alone make it wider.

    Examples
    --------
    >>> seeds_needed(mean_interval([0.0, 1.0, 2.0]), 0.0, width=1.0)
    18
    """
    variance = over_seeds.standard_error**2 * over_seeds.n
    if 2 * stats.norm.ppf((1 + over_seeds.confidence) / 2) * people_error >= width:
        return None
    n = 2
    while True:
        # with people in, more degrees of freedom than n - 1; this errs to the careful side
        error = math.sqrt(variance / n + people_error**2)
        if 2 * _critical(over_seeds.confidence, n - 1) * error < width:
            return n
        n += max(1, n // 200)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjust the p values of a family of comparisons by Holm's (1979) step-down method, (m,).

    An adjusted value below 0.05 means that the comparison stands although several were made: the
    chance that any true null of the family is rejected stays below 0.05, whatever the dependence
    between them.

    Note
    ----
    Ours, in five lines: scipy has no Holm, and statsmodels would come in for it alone.
    """
    values = np.asarray(p_values, dtype=float)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p values must form a list of numbers from 0 to 1, got {p_values!r}.")
    m = len(values)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * (m - np.arange(m)))
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _critical(confidence: float, df: float) -> float:
    _check_confidence(confidence)
    return float(stats.t.ppf((1 + confidence) / 2, df))


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie between 0 and 1, got {confidence}.")


def _checked(values: ArrayLike, name: str) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite; leave failed runs out first.")
    return array
