from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch import nn

from mtl_helpers.papers.yin2018.energy import (
    Separation,
    dimension_order,
    energy,
    joint_weights,
    overlap,
    random_turn,
    separation,
    strongest,
    task_shares,
    without,
)


def draw(tasks=3, dimensions=10, seed=0):
    rng = np.random.default_rng(seed)
    return {f"task {number}": rng.gamma(0.5, 1.0, dimensions) for number in range(tasks)}


# ---- energies


def test_energy_is_the_naive_sum_of_absolute_weights():
    head = nn.Linear(5, 3)
    by_loop = [sum(abs(head.weight[j, i].item()) for j in range(3)) for i in range(5)]
    found = energy(head.weight)
    assert found.shape == (5,) and found.dtype == np.float64
    assert found.tolist() == pytest.approx(by_loop, rel=1e-6)
    assert energy(head.weight.detach().numpy()).tolist() == found.tolist()


def test_energy_by_hand():
    assert energy([[1, -2], [-3, 0.5]]).tolist() == [4.0, 2.5]


def test_energy_needs_a_matrix():
    with pytest.raises(ValueError, match=r"a matrix \(K, D\) of weights, found shape \(3,\)"):
        energy(torch.zeros(3))


def test_dimensions_come_by_falling_energy_ties_in_order():
    assert dimension_order([1.0, 3.0, 2.0, 3.0, 0.0, 3.0]).tolist() == [1, 3, 5, 2, 0, 4]
    order = dimension_order(draw()["task 0"])
    assert sorted(order) == list(range(10))
    assert (np.diff(draw()["task 0"][order]) <= 0).all()


def test_joint_weights_stand_by_falling_joint_energy():
    torch.manual_seed(0)
    heads = {"id": torch.randn(4, 6), "pos": torch.randn(3, 6)}
    found, order = joint_weights(heads)
    assert found.shape == (6, 7)
    assert (np.diff(np.abs(found).sum(axis=1)) <= 0).all()
    joint = energy(heads["id"]) + energy(heads["pos"])
    assert order.tolist() == dimension_order(joint).tolist()
    for row, dimension in enumerate(order):
        expected = [*heads["id"][:, dimension].tolist(), *heads["pos"][:, dimension].tolist()]
        assert found[row].tolist() == expected


def test_shares_of_each_task_add_up_to_1():
    energies = draw()
    shares = task_shares(energies)
    assert shares.shape == (3, 10)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    for row, values in zip(shares, energies.values(), strict=True):
        assert row.tolist() == pytest.approx([value / sum(values) for value in values])


def test_a_head_without_energy_is_named():
    with pytest.raises(ValueError, match="The head of pos, exp is zero"):
        task_shares({"id": [1, 2], "pos": [0, 0], "exp": [0, 0]})


# ---- separation


@pytest.mark.parametrize("tasks", [2, 3, 4])
def test_tasks_with_dimensions_of_their_own_are_separate(tasks):
    energies = {f"task {number}": np.zeros(3 * tasks) for number in range(tasks)}
    for number, values in enumerate(energies.values()):
        values[3 * number : 3 * number + 3] = (1.0, 5.0, 2.0)
    found = separation(energies, shuffles=50)
    assert found.index == pytest.approx(1.0)
    assert found.null.max() <= 1 + 1e-9
    assert found.excess > 0


@pytest.mark.parametrize("tasks", [2, 3, 4])
def test_tasks_that_spread_their_energy_alike_are_not_separate(tasks):
    base = draw(1)["task 0"]
    energies = {f"task {number}": (number + 0.3) * base for number in range(tasks)}
    found = separation(energies, shuffles=50)
    assert found.index == pytest.approx(0.0, abs=1e-12)
    assert found.p_value == 1.0
    assert found.excess < 0


def test_neither_size_of_energies_nor_names_matter():
    energies = draw()
    found = separation(energies, shuffles=5)
    order = np.random.default_rng(1).permutation(10)
    scaled = {task: values * len(task) ** 9 for task, values in energies.items()}
    scaled["task 1"] = 0.1 * energies["task 1"]
    moved = {task: values[order] for task, values in energies.items()}
    assert separation(scaled, shuffles=5).index == pytest.approx(found.index)
    np.testing.assert_allclose(separation(scaled, shuffles=5).null, found.null)
    assert separation(moved, shuffles=5).index == pytest.approx(found.index)


@pytest.mark.parametrize("seed", range(3))
def test_the_index_of_two_tasks_is_jensen_shannon_in_bits(seed):
    energies = draw(2, seed=seed)
    expected = jensenshannon(*energies.values(), base=2) ** 2
    assert separation(energies, shuffles=1).index == pytest.approx(expected)


@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_the_index_is_the_share_that_a_dimension_tells(tasks):
    energies = draw(tasks)
    energies["task 0"][:4] = 0.0
    joint = np.stack([values / values.sum() for values in energies.values()]) / tasks
    by_loop = 0.0
    for row in joint:
        for column, p in enumerate(row):
            if p > 0:
                by_loop += p * math.log(p / (row.sum() * joint[:, column].sum()))
    found = separation(energies, shuffles=1).index
    assert found == pytest.approx(by_loop / math.log(tasks))


def test_shuffled_energies_are_as_separate_as_chance_gives():
    """Over many draws without structure, the excess is small and the p values are spread evenly."""
    draws = [separation(draw(3, 40, seed), shuffles=60, seed=seed) for seed in range(60)]
    assert all(0.1 < found.index < 0.9 for found in draws)
    spread = np.mean([found.null.std() for found in draws])
    assert abs(np.mean([found.excess for found in draws])) < 4 * spread / math.sqrt(60)
    p_values = np.array([found.p_value for found in draws])
    assert 0.38 < p_values.mean() < 0.62
    assert ((p_values >= 1 / 61) & (p_values <= 1)).all()


def test_blocks_are_more_separate_than_chance_gives():
    energies = {task: np.full(30, 1.0) for task in ("id", "pos", "exp")}
    for number, values in enumerate(energies.values()):
        values[10 * number : 10 * number + 10] = 3.0
    found = separation(energies, shuffles=99)
    assert found.excess > 0.02
    assert found.p_value == pytest.approx(1 / 100)


@pytest.mark.parametrize("seed", range(4))
def test_the_p_value_is_the_share_of_rearrangements(seed):
    first, second = np.random.default_rng(seed).gamma(0.5, 1.0, (2, 3))
    real = jensenshannon(first, second) ** 2
    orders = map(list, itertools.permutations(range(3)))
    every = np.array([jensenshannon(first, second[order]) ** 2 for order in orders])
    expected = (every >= real - 1e-9).mean()
    found = separation({"id": first, "pos": second}, shuffles=2000)
    # four standard errors of a share of 2000
    tolerance = 4 * math.sqrt(expected * (1 - expected) / 2000) + 1e-3
    assert found.p_value == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("seed", range(4))
def test_rearrangements_that_are_equally_separate_count_in_full(seed):
    # Beside a task that uses all dimensions alike, no rearrangement changes anything.
    even = {"id": np.ones(7), "pos": np.random.default_rng(seed).gamma(0.5, 1.0, 7)}
    assert separation(even, shuffles=100).p_value == 1.0


def test_p_value_by_hand():
    found = Separation(0.5, np.array([0.1, 0.5, 0.6, 0.2]))
    assert found.p_value == pytest.approx(3 / 5)
    assert found.excess == pytest.approx(0.5 - 0.35)


def test_the_shuffles_follow_the_seed():
    nulls = [separation(draw(), shuffles=10, seed=seed).null for seed in (0, 0, 1)]
    assert nulls[0].shape == (10,)
    assert (nulls[0] == nulls[1]).all() and (nulls[0] != nulls[2]).any()


def test_one_task_is_not_separate_from_anything():
    with pytest.raises(ValueError, match=r"needs at least two tasks, found \['id'\]"):
        separation({"id": [1, 2]})


# ---- taking dimensions away


def test_the_strongest_dimensions_are_where_a_task_leads():
    energies = {"id": [4, 4, 1, 1], "pos": [1, 0, 8, 1], "exp": [0, 3, 0, 3]}
    # id leads by 0.4 - 0.1, 0.4 - 0.5, 0.1 - 0.8 and 0.1 - 0.5
    assert strongest(energies, "id", 3).tolist() == [0, 1, 3]
    assert strongest(energies, "pos", 1).tolist() == [2]
    assert strongest({"id": [1, 3, 2]}, "id", 2).tolist() == [1, 2]


def test_the_size_of_energies_does_not_decide_the_strongest():
    energies = draw()
    larger = energies | {"task 1": 50 * energies["task 1"]}
    assert (strongest(energies, "task 0", 5) == strongest(larger, "task 0", 5)).all()


@pytest.mark.parametrize("count", [0, -1, 11])
def test_only_dimensions_that_exist_can_be_the_strongest(count):
    with pytest.raises(ValueError, match=f"Expected 1 to 10 dimensions, found {count}"):
        strongest(draw(), "task 0", count)


def test_the_strongest_of_an_unknown_task_are_refused():
    with pytest.raises(ValueError, match="no task 'age'; there are: task 0, task 1, task 2"):
        strongest(draw(), "age", 2)


def test_without_a_dimension_it_is_at_its_mean_everywhere():
    x = torch.randn(5, 4)
    before = x.clone()
    found = without(x, [1, 3])
    assert torch.equal(x, before)
    assert torch.equal(found[:, [0, 2]], x[:, [0, 2]])
    for dimension in (1, 3):
        mean = sum(x[:, dimension].tolist()) / 5
        assert found[:, dimension].tolist() == pytest.approx([mean] * 5, abs=1e-6)
    assert torch.allclose(found.mean(0), x.mean(0), atol=1e-6)
    assert torch.equal(without(x, []), x)
    assert torch.equal(without(x, np.array([1, 3])), found)


def test_a_head_that_uses_other_dimensions_does_not_notice():
    head = nn.Linear(4, 3)
    with torch.no_grad():
        head.weight[:, 2] = 0
    x = torch.randn(5, 4)
    assert torch.allclose(head(without(x, [2])), head(x), atol=1e-6)
    assert not torch.allclose(head(without(x, [1])), head(x), atol=1e-2)


# ---- overlap of directions


def heads(seed=0, dimensions=12):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(9, dimensions)), rng.normal(size=(4, dimensions))


def test_overlap_is_the_cosine_of_two_gram_matrices():
    first, second = heads()
    grams = []
    for weight in (first, second):
        centred = weight - weight.mean(axis=0)
        grams.append(sum(np.outer(row, row) for row in centred).ravel())
    cosine = grams[0] @ grams[1] / math.sqrt((grams[0] @ grams[0]) * (grams[1] @ grams[1]))
    assert overlap(first, second, turns=1).value == pytest.approx(cosine)
    assert overlap(second, torch.tensor(first), turns=1).value == pytest.approx(cosine)


def test_overlap_knows_neither_axes_nor_size_nor_common_scores():
    first, second = heads()
    turn = random_turn(12, np.random.default_rng(3))
    whole = overlap(first, second, turns=1).value
    assert overlap(first @ turn, second @ turn, turns=1).value == pytest.approx(whole)
    assert overlap(3 * first, second + np.arange(12.0), turns=1).value == pytest.approx(whole)
    assert abs(overlap(first @ turn, second, turns=1).value - whole) > 0.01


def test_overlap_after_random_turns_has_the_mean_of_luck():
    first, second = heads()
    found = overlap(first, second, turns=2000)
    error = found.null.std() / math.sqrt(2000)
    assert found.null.mean() == pytest.approx(found.luck, abs=4 * error)
    low, high = found.ratios_by_luck
    inside = (found.null > low * found.luck) & (found.null < high * found.luck)
    assert inside.mean() == pytest.approx(0.95, abs=0.002)
    assert found.ratio * found.luck == pytest.approx(found.value)


def test_a_random_turn_keeps_lengths_and_prefers_no_direction():
    rng = np.random.default_rng(0)
    turns = np.stack([random_turn(3, rng) for _ in range(4000)])
    assert np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3))
    assert np.allclose(turns.mean(axis=0), 0.0, atol=4 / math.sqrt(3 * 4000))


def test_overlap_refuses_heads_that_cannot_be_compared():
    with pytest.raises(ValueError, match="as many columns, found 12 and 5"):
        overlap(np.ones((2, 12)), np.ones((2, 5)))
    with pytest.raises(ValueError, match="looks nowhere"):
        overlap(np.ones((2, 5)), heads(dimensions=5)[0])
