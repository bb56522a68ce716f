from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from mtl_helpers.ledger.statistics import (
    Interval,
    crossed_interval,
    equivalent,
    holm,
    mean_interval,
    paired_difference,
    seeds_needed,
)


@pytest.mark.parametrize("n", [2, 3, 5, 30])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_paired_difference_is_that_of_scipy(n: int, confidence: float) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(3, 2, n), rng.normal(1, 2, n)
    ours = paired_difference(a, b, confidence)
    theirs = stats.ttest_rel(a, b)
    expected = theirs.confidence_interval(confidence)
    assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high), rel=1e-10)
    assert ours.mean == pytest.approx(np.mean(a) - np.mean(b))
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-8)
    assert (ours.n, ours.confidence) == (n, confidence)


def test_mean_interval_by_hand() -> None:
    # t(0.975, 2) = 4.302653, s = 1, so half the width is 4.302653 / sqrt(3)
    interval = mean_interval([1.0, 2.0, 3.0])
    assert interval.mean == 2.0
    assert interval.high - 2.0 == pytest.approx(4.302653 / math.sqrt(3), abs=1e-6)
    assert interval.low - 2.0 == pytest.approx(-4.302653 / math.sqrt(3), abs=1e-6)


def test_mean_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = [
        interval.low <= 1.0 <= interval.high
        for interval in (mean_interval(rng.normal(1, 3, 3), 0.9) for _ in range(2000))
    ]
    # standard error of a proportion of 0.9 over 2000 trials is 0.0067
    assert np.mean(covered) == pytest.approx(0.9, abs=0.027)


def test_paired_difference_ignores_what_pairs_share() -> None:
    shared = np.array([0.0, 50.0, -20.0])
    noise = np.array([1.0, 1.2, 0.9])
    paired = paired_difference(shared + noise, shared)
    alone = mean_interval(noise)
    assert (paired.low, paired.high) == pytest.approx((alone.low, alone.high))


def test_paired_difference_changes_sign_with_the_order() -> None:
    a, b = [1.0, 2.0, 4.0], [0.0, 3.0, 1.0]
    forth, back = paired_difference(a, b), paired_difference(b, a)
    assert (back.mean, back.low, back.high) == pytest.approx((-forth.mean, -forth.high, -forth.low))


def test_identical_differences_have_no_width() -> None:
    same = paired_difference([2.0, 3.0], [1.0, 2.0])
    assert (same.low, same.mean, same.high) == (1.0, 1.0, 1.0)
    assert same.p_value == 0.0
    none = paired_difference([2.0, 3.0], [2.0, 3.0])
    assert none.p_value == 1.0


def test_scaled_interval_is_the_interval_of_scaled_values() -> None:
    values = np.array([0.01, 0.03, -0.02])
    for factor in (100.0, -100.0):
        ours, expected = mean_interval(values).scaled(factor), mean_interval(values * factor)
        assert (ours.mean, ours.low, ours.high) == pytest.approx(
            (expected.mean, expected.low, expected.high)
        )


def test_interval_prints_with_a_format() -> None:
    interval = Interval(1.25, -0.5, 3.0, n=3)
    assert str(interval) == "+1.2 [-0.5, +3.0]"
    assert f"{interval:.2f}" == "1.25 [-0.50, 3.00]"


@pytest.mark.parametrize("values", [[], [1.0]])
def test_fewer_than_two_values_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=f"at least two values, got {len(values)}; run more"):
        mean_interval(values)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_difference([1, 2, 3], [1, 2]), "got 3 and 2"),
        (lambda: mean_interval([1.0, math.nan]), "not finite"),
        (lambda: mean_interval([[1.0, 2.0]]), "one-dimensional"),
        (lambda: mean_interval([1.0, 2.0], confidence=95), "between 0 and 1"),
        (lambda: holm([0.1, 1.2]), "from 0 to 1"),
    ],
)
def test_bad_values_end_in_a_sentence(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_holm_by_hand() -> None:
    # sorted 0.01, 0.02, 0.04 -> times 3, 2, 1 = 0.03, 0.04, 0.04
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])


def test_holm_rejects_as_the_step_down_procedure_does() -> None:
    rng = np.random.default_rng(7)
    for _ in range(200):
        p = rng.uniform(0, 0.1, rng.integers(1, 7))
        m, level = len(p), 0.05
        rejected = np.zeros(m, dtype=bool)
        for rank, position in enumerate(np.argsort(p)):
            if p[position] >= level / (m - rank):
                break
            rejected[position] = True
        assert ((holm(p) < level) == rejected).all()


def test_holm_never_lowers_a_p_value_and_keeps_their_order() -> None:
    p = np.random.default_rng(1).uniform(size=20)
    adjusted = holm(p)
    assert (adjusted >= p).all() and (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    assert holm([]).shape == (0,)


@pytest.mark.parametrize(
    ("low", "high", "same"),
    [
        (-0.9, 0.9, True),
        (0.2, 0.9, True),
        (-0.9, -0.2, True),
        (-1.1, 0.5, False),
        (0.5, 1.5, False),
    ],
)
def test_equivalence_needs_the_whole_interval(low: float, high: float, same: bool) -> None:
    effect = Interval((low + high) / 2, low, high, n=5)
    assert equivalent(effect, 1.0) is same
    # the same as two one-sided tests at half of what the confidence leaves
    error = effect.standard_error
    p_values = [
        stats.t.sf((effect.mean + 1) / error, 4),
        stats.t.cdf((effect.mean - 1) / error, 4),
    ]
    assert bool(max(p_values) < 0.025) is same


def test_seeds_needed_are_the_fewest_that_are_narrow_enough() -> None:
    spread = mean_interval([0.0, 1.0, 2.0])  # sd 1
    n = seeds_needed(spread, 0.0, 1.0)
    widths = [2 * stats.t.ppf(0.975, k - 1) / math.sqrt(k) for k in (n, n - 1)]
    assert widths[0] < 1 <= widths[1]
    assert seeds_needed(spread, 0.2, 1.0) > n
    assert seeds_needed(spread, 0.3, 1.0) is None  # 2 * 1.96 * 0.3 > 1


def test_an_interval_stays_finite_when_people_hardly_differ():
    # mean squares of seeds and people that just exceed the rest's: Satterthwaite falls towards 0
    rng = np.random.default_rng(0)
    for _ in range(300):
        table = rng.normal(size=(5, 40))
        interval = crossed_interval(table)
        assert interval.df >= 4
        assert interval.high - interval.low < 20 * table.std() / np.sqrt(5)
