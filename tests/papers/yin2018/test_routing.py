from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mtl_helpers.papers.yin2018.routing import (
    ROUTINGS,
    Routed,
    corrupted,
    group_probabilities,
    route,
    routed_distance,
)

GROUPS = ((0, 1), (2, 3, 4), (5,))


def draw(count, groups=3, classes=4, seed=0):
    """Scores y_d, scores of each branch, and probabilities of each group."""
    torch.manual_seed(seed)
    probabilities = torch.randn(count, groups).mul(2).softmax(dim=1)
    return torch.randn(count, classes), torch.randn(count, groups, classes), probabilities


def cosine_distance(a, b):
    a, b = a.tolist(), b.tolist()
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return 1 - dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def eq12(first, second, routing):
    """The paper's double sum over pairs of branches, for every pair of images."""
    table = torch.empty(len(first[0]), len(second[0]))
    for row, (d1, branches1, p1) in enumerate(zip(*first, strict=True)):
        for column, (d2, branches2, p2) in enumerate(zip(*second, strict=True)):
            generic, specific = cosine_distance(d1, d2), 0.0
            if routing == "hard":
                specific = cosine_distance(branches1[p1.argmax()], branches2[p2.argmax()])
            else:
                for i in range(len(p1)):
                    for j in range(len(p2)):
                        pair = cosine_distance(branches1[i], branches2[j])
                        specific += pair * float(p1[i]) * float(p2[j])
            table[row, column] = 0.5 * generic + 0.5 * specific
    return table


@pytest.mark.parametrize("routing", ["stochastic", "hard"])
@pytest.mark.parametrize("groups", [1, 2, 3, 5])
def test_one_feature_an_image_gives_the_double_sum(routing, groups):
    first, second = draw(4, groups, seed=1), draw(5, groups, seed=2)
    found = routed_distance(route(*first, routing), route(*second, routing))
    assert found.shape == (4, 5)
    assert torch.allclose(found, eq12(first, second, routing), atol=1e-6)


def test_distance_by_hand():
    y_d = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    branches = torch.tensor([[[1.0, 0.0], [0.0, 5.0]], [[4.0, 0.0], [0.0, 1.0]]])
    probabilities = torch.tensor([[0.75, 0.25], [0.5, 0.5]])
    routed = route(y_d, branches, probabilities)
    # Equal branches are at 0, others at 1: 1 - (0.75 * 0.5 + 0.25 * 0.5) = 0.5; y_d are at 1.
    assert routed_distance(routed, routed)[0, 1].item() == pytest.approx(0.5 * 1 + 0.5 * 0.5)
    assert routed.specific[0].tolist() == pytest.approx([0.75, 0.25])


def test_generic_routing_is_the_distance_of_y_d_halved_and_moved():
    first, second = draw(4, seed=1), draw(5, seed=2)
    found = routed_distance(route(*first, "generic"), route(*second, "generic"))
    for row, y1 in enumerate(first[0]):
        for column, y2 in enumerate(second[0]):
            expected = 0.5 * cosine_distance(y1, y2) + 0.5
            assert found[row, column].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("routing", ROUTINGS)
def test_distance_is_symmetric_and_within_0_and_2(routing):
    first, second = (route(*draw(6, seed=seed), routing) for seed in (1, 2))
    there, back = routed_distance(first, second), routed_distance(second, first)
    assert torch.allclose(there, back.T, atol=1e-6)
    assert (there > -1e-6).all() and (there < 2 + 1e-6).all()


def test_certain_of_the_pose_all_routing_is_hard():
    y_d, branches, probabilities = draw(6)
    certain = torch.nn.functional.one_hot(probabilities.argmax(1), 3).float()
    soft, hard = (route(y_d, branches, certain, name) for name in ("stochastic", "hard"))
    assert torch.allclose(soft.specific, hard.specific, atol=1e-6)
    assert torch.allclose(soft.generic, hard.generic)


def test_hard_routing_asks_one_branch():
    y_d, branches, probabilities = draw(6)
    found = route(y_d, branches, probabilities, "hard").specific
    for row, best in enumerate(probabilities.argmax(1)):
        chosen = branches[row, best]
        assert torch.allclose(found[row], chosen / chosen.norm(), atol=1e-6)


def test_equal_branches_make_all_routings_rank_alike():
    ranks = []
    for routing in ROUTINGS:
        pair = []
        for seed in (1, 2):
            y_d, _, probabilities = draw(8, seed=seed)
            branches = y_d.unsqueeze(1).expand(-1, 3, -1)
            pair.append(route(y_d, branches, probabilities, routing))
        ranks.append(routed_distance(*pair).argsort(dim=1).tolist())
    assert ranks[0] == ranks[1] == ranks[2]


@pytest.mark.parametrize("routing", ROUTINGS)
def test_the_length_of_the_scores_does_not_matter(routing):
    y_d, branches, probabilities = draw(5)
    plain = route(y_d, branches, probabilities, routing)
    longer = torch.tensor([1.0, 7.0, 0.1]).view(1, 3, 1)
    scaled = route(3 * y_d, longer * branches, probabilities, routing)
    assert torch.allclose(plain.generic, scaled.generic, atol=1e-6)
    assert torch.allclose(plain.specific, scaled.specific, atol=1e-6)


def test_half_precision_scores_are_compared_in_full():
    y_d, branches, probabilities = draw(5)
    found = route(y_d.bfloat16(), branches.bfloat16(), probabilities)
    assert isinstance(found, Routed)
    assert found.generic.dtype == found.specific.dtype == torch.float32


# ---- probabilities of the groups


def test_group_probabilities_are_sums_of_the_softmax():
    torch.manual_seed(0)
    logits = 3 * torch.randn(7, 6)
    found = group_probabilities(logits, GROUPS)
    for row, scores in enumerate(logits.tolist()):
        normaliser = sum(math.exp(score) for score in scores)
        for column, group in enumerate(GROUPS):
            expected = sum(math.exp(scores[pose]) for pose in group) / normaliser
            assert found[row, column].item() == pytest.approx(expected, rel=1e-5)
    assert torch.allclose(found.sum(dim=1), torch.ones(7))


def test_empty_scores_make_a_group_as_probable_as_large():
    assert group_probabilities(torch.zeros(1, 6), GROUPS)[0].tolist() == pytest.approx(
        [2 / 6, 3 / 6, 1 / 6]
    )


# ---- estimates that are wrong on purpose


def estimates(share, sure=False, count=3, people=20_000):
    """True groups, and the probabilities of an estimator that is wrong in a share of them."""
    truth = torch.from_numpy(np.random.default_rng(1).integers(0, count, people))
    found = corrupted(truth, count, share, np.random.default_rng(2), sure=sure)
    assert found.shape == (people, count)
    return truth, found


@pytest.mark.parametrize("sure", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 0.6])
def test_as_many_estimates_are_wrong_as_is_asked(share, sure):
    truth, found = estimates(share, sure)
    wrong = (found.argmax(dim=1) != truth).float().mean().item()
    # five standard deviations of a binomial share; none at 0
    assert abs(wrong - share) <= 5 * math.sqrt(share * (1 - share) / 20_000)


def test_a_wrong_estimate_is_each_other_group_equally_often():
    truth, found = estimates(0.4, count=4, people=24_000)
    best = found.argmax(dim=1)
    counts = np.zeros((4, 4))
    np.add.at(counts, (truth.numpy(), best.numpy()), 1)
    others = counts[~np.eye(4, dtype=bool)]
    expected = 0.4 * 24_000 / 12
    assert (np.abs(others - expected) < 5 * math.sqrt(expected)).all()


@pytest.mark.parametrize("count", [2, 3, 5])
def test_estimates_are_calibrated(count):
    """Of all groups that are given a probability, so many are the true one."""
    truth, found = estimates(0.3, count=count)
    is_true = torch.nn.functional.one_hot(truth, count).bool()
    assert torch.allclose(found.sum(dim=1), torch.ones(len(truth)))
    for probability in (0.7, 0.3 / (count - 1)):
        given = (found - probability).abs() < 1e-6
        assert given.any(dim=1).all()
        frequency = is_true[given].float().mean().item()
        assert frequency == pytest.approx(probability, abs=0.02)


def test_sure_estimates_are_as_wrong_but_leave_no_doubt():
    (truth, doubtful), (_, sure) = estimates(0.2), estimates(0.2, sure=True)
    assert torch.equal(doubtful.argmax(dim=1), sure.argmax(dim=1))
    assert set(sure.unique().tolist()) == {0.0, 1.0}
    assert (sure.sum(dim=1) == 1).all()
    assert (sure.argmax(dim=1) != truth).any()


def test_an_estimate_that_is_never_wrong_is_the_truth():
    for sure in (False, True):
        truth, found = estimates(0.0, sure)
        assert torch.equal(found, torch.nn.functional.one_hot(truth, 3).float())


def test_what_is_wrong_depends_on_the_generator_alone():
    truth = torch.arange(300) % 3
    first, again, other = (
        corrupted(truth, 3, 0.4, np.random.default_rng(seed)) for seed in (7, 7, 8)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize(
    ("count", "share"), [(3, -0.1), (3, 1.1), (3, math.nan), (1, 0.1), (0, 0.1)]
)
def test_wrong_estimates_need_a_share_and_another_group(count, share):
    with pytest.raises(ValueError, match=r"a share in 0 \.\. 1 and at least two groups, found"):
        corrupted(torch.zeros(3, dtype=torch.int64), count, share, np.random.default_rng(0))


# ---- what is refused


def test_an_unknown_routing_is_refused():
    with pytest.raises(ValueError, match="Unknown routing 'soft'; choose one of: stochastic, hard"):
        route(*draw(3), "soft")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda y, b, p: (y[:2], b, p),  # images
        lambda y, b, p: (y[:, :3], b, p),  # classes
        lambda y, b, p: (y, b, p[:, :2]),  # groups
        lambda y, b, p: (y, b[:, 0], p),
        lambda y, b, p: (y[0], b, p),
        lambda y, b, p: (y, b, p[0]),
    ],
)
def test_shapes_that_do_not_fit_together_are_refused(spoil):
    with pytest.raises(ValueError, match=r"Expected y_d \(N, K\), branches \(N, G, K\) and"):
        route(*spoil(*draw(4)))
