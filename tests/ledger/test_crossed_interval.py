"""The interval over seeds and test people covers the true mean as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mtl_helpers.ledger.statistics import crossed_interval, mean_interval

# Shares of the variance of the mean that seeds, people and the rest have.
RATIOS = {
    "seeds": (1, 0, 0.001),
    "people": (0, 1, 0.001),
    "rest": (0, 0, 1),
    "thirds": (1, 1, 1),
    "mostly people": (0.1, 1, 0.5),
    "mostly seeds": (1, 0.1, 0.5),
    "seeds and rest": (1, 0, 1),
    "people and rest": (0, 1, 1),
}
TRUE = 2.0


def tables(design, ratio, trials, seed=0):
    """Made-up results (trials, S, P) whose variances are known."""
    n_seeds, n_people = design
    rng = np.random.default_rng(seed)
    by_seed, by_person, rest = np.sqrt(np.array(ratio) * (n_seeds, n_people, n_seeds * n_people))
    return (
        TRUE
        + by_seed * rng.normal(size=(trials, n_seeds, 1))
        + by_person * rng.normal(size=(trials, 1, n_people))
        + rest * rng.normal(size=(trials, n_seeds, n_people))
    )


def coverage(values, interval=crossed_interval, true=TRUE):
    """Share of tables (trials, S, P) whose interval holds the true mean."""
    intervals = [interval(table) for table in values]
    return np.mean([one.low <= true <= one.high for one in intervals])


@pytest.mark.parametrize("ratio", RATIOS.values(), ids=list(RATIOS))
@pytest.mark.parametrize(("design", "trials"), [((5, 100), 2500), ((5, 400), 1200)])
def test_coverage_with_five_seeds(design, trials, ratio):
    # standard errors 0.44 and 0.63 points; the true coverages are 94.3 to 96.1 %
    assert 0.93 <= coverage(tables(design, ratio, trials)) <= 0.97


@pytest.mark.parametrize("ratio", RATIOS.values(), ids=list(RATIOS))
def test_coverage_with_three_seeds(ratio):
    assert 0.925 <= coverage(tables((3, 100), ratio, 2000)) <= 0.975


@pytest.mark.parametrize("ratio", RATIOS.values(), ids=list(RATIOS))
@pytest.mark.parametrize("design", [(5, 20), (3, 12)])
def test_few_people_make_it_cautious_but_not_bold(design, ratio):
    assert 0.935 <= coverage(tables(design, ratio, 2000)) <= 0.99


def test_coverage_with_hits_and_misses():
    """Differences of hit rates over nine probes: bounded, coarse, and unequal between people."""
    rng = np.random.default_rng(1)
    trials, n_seeds, n_people = 2000, 5, 100
    difficulty = rng.normal(0.5, 1.5, (trials, 1, n_people))
    gain = rng.normal(0, 0.8, (trials, 1, n_people)) + rng.normal(0.3, 0.15, (trials, n_seeds, 1))
    ours = rng.binomial(9, 1 / (1 + np.exp(-difficulty - gain)), (trials, n_seeds, n_people))
    theirs = rng.binomial(9, 1 / (1 + np.exp(-difficulty)), (trials, n_seeds, n_people))
    values = (ours - theirs) / 9
    assert 0.93 <= coverage(values, true=values.mean()) <= 0.97


def test_coverage_where_some_people_vary_more():
    """People with few probes vary more in every seed."""
    values = tables((5, 100), (0.3, 1, 0), 3000, seed=2)
    noise = np.linspace(0.2, 3, 100) * np.sqrt(500)
    values = values + 0.4 * noise * np.random.default_rng(3).normal(size=values.shape)
    assert 0.93 <= coverage(values) <= 0.97


def test_the_seed_interval_does_not_cover_people():
    values = tables((5, 100), RATIOS["people"], 1000)
    assert coverage(values, lambda table: mean_interval(table.mean(axis=1))) < 0.15


def test_without_people_it_is_the_seed_interval():
    # nobody is special and nothing is left over
    values = np.array([[1.0], [2.0], [4.0]]) + np.zeros((3, 50))
    both, seeds = crossed_interval(values), mean_interval(values.mean(axis=1))
    assert (both.low, both.high) == pytest.approx((seeds.low, seeds.high))
    assert both.p_value == pytest.approx(seeds.p_value)
    assert (both.n, both.people) == (3, 50)


def test_without_seeds_it_is_the_interval_over_people():
    people = np.random.default_rng(4).normal(0.2, 1, 30)
    both = crossed_interval(np.tile(people, (4, 1)))
    expected = stats.ttest_1samp(people, 0)
    ends = expected.confidence_interval(0.95)
    assert (both.low, both.high) == pytest.approx((ends.low, ends.high))
    assert both.p_value == pytest.approx(expected.pvalue)


def test_mean_squares_are_those_of_a_loop():
    values = np.random.default_rng(5).normal(size=(4, 7)) + 2 * np.arange(7)
    mean = sum(values.ravel()) / 28
    seed_means = [row.mean() for row in values]
    person_means = [column.mean() for column in values.T]
    m_seed = 7 * sum((a - mean) ** 2 for a in seed_means) / 3
    m_person = 4 * sum((b - mean) ** 2 for b in person_means) / 6
    m_rest = sum(
        (values[s, p] - seed_means[s] - person_means[p] + mean) ** 2
        for s in range(4)
        for p in range(7)
    ) / 18  # fmt: skip
    total = m_seed + m_person - m_rest
    df = total**2 / (m_seed**2 / 3 + m_person**2 / 6 + m_rest**2 / 18)
    half = stats.t.ppf(0.975, df) * (total / 28) ** 0.5
    both = crossed_interval(values)
    assert (both.mean, both.low, both.high) == pytest.approx((mean, mean - half, mean + half))
    assert both.df == pytest.approx(df)


def test_seeds_and_people_need_two_each():
    for shape in ((1, 5), (5, 1), (5,)):
        with pytest.raises(ValueError, match="at least two of each, got shape"):
            crossed_interval(np.zeros(shape))
    with pytest.raises(ValueError, match="not finite"):
        crossed_interval([[1.0, np.nan], [1.0, 2.0]])
    assert crossed_interval(np.ones((3, 4))).low == 1.0
