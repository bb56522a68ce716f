"""What a handful of seeds can tell: intervals, paired differences, corrections.

Runs of two arms share their seed, and with it the first weights and the order of batches, so
their difference varies less than either alone: all comparisons here are paired.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

__all__ = ["Interval", "cluster_bootstrap", "holm", "mean_interval", "paired_difference"]


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval.

    Parameters
    ----------
    mean, low, high
        Estimate and ends of the interval, in the unit of the values.
    n
        Number of independent values (seeds, or identities).
    effect_size
        Mean over sample standard deviation; for paired differences this is Cohen's d_z. NaN
        where it is not defined.
    confidence
        Coverage of the interval.
    """

    mean: float
    low: float
    high: float
    n: int
    effect_size: float = math.nan
    confidence: float = 0.95

    @property
    def p_value(self) -> float:
        """Two-sided p of a true mean of zero, from the width of the interval by Student's t."""
        standard_error = (self.high - self.low) / 2 / _critical(self.confidence, self.n)
        if standard_error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * special.stdtr(self.n - 1, -abs(self.mean / standard_error)))

    def scaled(self, factor: float) -> Interval:
        """Return the interval in another unit, for instance times 100 for percentage points."""
        low, high = sorted((self.low * factor, self.high * factor))
        return replace(
            self,
            mean=self.mean * factor,
            low=low,
            high=high,
            effect_size=math.copysign(1.0, factor) * self.effect_size,
        )

    def __format__(self, spec: str) -> str:
        """Write ``+1.2 [-0.3, +2.7]``; the format applies to each number (default ``+.1f``)."""
        spec = spec or "+.1f"
        numbers = (format(value, spec) for value in (self.mean, self.low, self.high))
        return "{} [{}, {}]".format(*numbers)

    def __str__(self) -> str:
        return format(self)


def mean_interval(a: ArrayLike, confidence: float = 0.95) -> Interval:
    r"""Return the mean of independent values with its Student-t interval.

    .. math:: \bar a \pm t_{(1+c)/2,\,n-1} \; s / \sqrt{n}

    where :math:`s` is the sample standard deviation (divisor :math:`n-1`) and :math:`c` the
    confidence.

    Parameters
    ----------
    a
        Values (n,), one a seed.
    confidence
        Coverage, between 0 and 1.

    Raises
    ------
    ValueError
        If there are fewer than two values, a value is not finite, or the confidence is not
        between 0 and 1.

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
    mean = float(values.mean())
    spread = float(values.std(ddof=1))
    half = _critical(confidence, n) * spread / math.sqrt(n)
    if spread > 0:
        effect_size = mean / spread
    else:
        effect_size = math.nan if mean == 0 else math.copysign(math.inf, mean)
    return Interval(mean, mean - half, mean + half, n, effect_size, confidence)


def paired_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the mean of ``a - b`` over pairs with its Student-t interval.

    Parameters
    ----------
    a, b
        Values (n,) of two arms; position ``i`` of both comes from the same seed.
    confidence
        Coverage, between 0 and 1.

    Returns
    -------
    Interval
        ``effect_size`` is d_z, the mean difference over the standard deviation of differences.

    Raises
    ------
    ValueError
        If the arms differ in length, there are fewer than two pairs, or a value is not finite.

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


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjust the p values of a family of comparisons by Holm's step-down method.

    An adjusted value below 0.05 means that the comparison stands although several were made: the
    chance that any true null of the family is rejected stays below 0.05, whatever the dependence
    between them. Source: Holm (1979), "A simple sequentially rejective multiple test procedure".

    Parameters
    ----------
    p_values
        One p value a comparison (m,).

    Returns
    -------
    ndarray (m,)
        Adjusted p values, in the given order.

    Raises
    ------
    ValueError
        If a p value lies outside 0 to 1.
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


def cluster_bootstrap(
    hits: ArrayLike,
    identity: ArrayLike,
    n: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Return a proportion over probes, with an interval that respects identities.

    Probes of one identity succeed and fail together, so a thousand of them say less than a
    thousand people would. Whole identities are drawn with replacement, each with all its probes,
    and the ends are percentiles of the ``n`` proportions.

    Parameters
    ----------
    hits
        Success of each probe (P,), 0 or 1; or any number a probe whose mean is wanted.
    identity
        Identity of each probe (P,).
    n
        Number of bootstrap samples.
    seed
        Seed of the draws.
    confidence
        Coverage, between 0 and 1.

    Returns
    -------
    Interval
        Its ``n`` counts identities; ``effect_size`` is NaN.

    Raises
    ------
    ValueError
        If the arrays differ in length or there are fewer than two identities.
    """
    values = _checked(hits, "hits")
    groups = np.asarray(identity)
    if groups.shape != values.shape:
        raise ValueError(f"hits has {values.shape} entries but identity has {groups.shape}.")
    _check_confidence(confidence)
    names, member = np.unique(groups, return_inverse=True)
    count = len(names)
    if count < 2:
        raise ValueError(f"Resampling identities needs at least two of them, got {count}.")
    if n < 1:
        raise ValueError(f"The number of bootstrap samples must be positive, got {n}.")
    sums = np.bincount(member, weights=values, minlength=count)
    sizes = np.bincount(member, minlength=count)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=n)
    proportions = (draws @ sums) / (draws @ sizes)  # (n, I) @ (I,) -> (n,)
    tail = (1 - confidence) / 2
    low, high = np.quantile(proportions, [tail, 1 - tail])
    return Interval(
        float(values.mean()), float(low), float(high), count, math.nan, float(confidence)
    )


def _critical(confidence: float, n: int) -> float:
    _check_confidence(confidence)
    return float(special.stdtrit(n - 1, (1 + confidence) / 2))


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
