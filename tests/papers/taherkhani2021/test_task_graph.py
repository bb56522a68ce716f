"""Graphs of tasks: the printed problem, the well-posed ones both ways, and what is refused."""

from __future__ import annotations

import math

import cvxpy as cp
import numpy as np
import pytest
from scipy import sparse

from mtl_helpers.faces.corpora.task_graphs import face_graph
from mtl_helpers.papers.taherkhani2021 import graph_sdp, task_graph
from mtl_helpers.papers.taherkhani2021.graph_sdp import (
    covariance_sdp,
    fixed_total_sdp,
    log_degree_sdp,
    printed_graph,
    signed_sdp,
)
from mtl_helpers.papers.taherkhani2021.task_graph import (
    GraphError,
    clusters,
    covariance_precision,
    edge_weights,
    fixed_total_graph,
    graph_matrix,
    label_correlations,
    log_degree_graph,
    partial_correlations,
    signed_graph,
    square_distances,
    standardised,
    task_covariance,
    thresholded,
    trace_penalty,
)

GRAPHS = {"log degree": log_degree_graph, "signed": signed_graph, "fixed total": fixed_total_graph}
SDPS = {"log degree": log_degree_sdp, "signed": signed_sdp, "fixed total": fixed_total_sdp}


def draw(D=8, T=6, seed=0):
    return standardised(np.random.default_rng(seed).normal(size=(D, T)))


def draw_edges(T=6, seed=0, negative=False):
    rng = np.random.default_rng(seed)
    M = np.triu(rng.gamma(1.0, size=(T, T)) * (rng.random((T, T)) < 0.6), 1)
    if negative:
        M *= rng.choice([-1, 1], size=(T, T))
    return M + M.T


# ---- the penalty


def test_the_penalty_is_norms_and_half_the_sum_over_all_pairs():
    W, M = draw(), draw_edges()
    total = 0.0
    for i in range(6):
        total += (W[:, i] ** 2).sum()
        for j in range(6):
            total += 0.5 * M[i, j] * ((W[:, i] - W[:, j]) ** 2).sum()
    assert trace_penalty(W, graph_matrix(M)) == pytest.approx(total)


def test_eq_8_as_printed_is_off_by_a_factor_of_two():
    W, M = draw(), draw_edges()
    laplacian = np.diag(M.sum(axis=1)) - M
    left = (M * square_distances(W)).sum()  # over i and j
    right = (laplacian * (W.T @ W)).sum()  # sum of L_ij w_i^T w_j
    assert left == pytest.approx(2 * right) and right > 1


def test_a_negative_edge_draws_to_the_opposite():
    W = draw(T=2)
    A = graph_matrix([[0.0, -0.7], [-0.7, 0.0]])
    expected = (W**2).sum() + 0.7 * ((W[:, 0] + W[:, 1]) ** 2).sum()
    assert trace_penalty(W, A) == pytest.approx(expected)


def test_edges_and_matrix_undo_each_other():
    for negative in (False, True):
        M = draw_edges(negative=negative)
        A = graph_matrix(M)
        assert np.allclose(edge_weights(A), M)
        assert np.linalg.eigvalsh(A)[0] >= 1 - 1e-9
    assert np.allclose(graph_matrix(draw_edges()).sum(axis=1), 1)


def test_the_paper_s_third_constraint_already_implies_the_first():
    # A 1 = 1 and A_off <= 0 make A - I a Laplacian, which has no negative eigenvalue
    for seed in range(20):
        M = draw_edges(T=7, seed=seed)
        A = -M
        np.fill_diagonal(A, 1 + M.sum(axis=1))
        assert np.linalg.eigvalsh(A)[0] == pytest.approx(1, abs=1e-9)


# ---- the printed problem


@pytest.mark.parametrize("T", [2, 5, 12])
def test_the_printed_problem_answers_that_there_is_no_graph(T):
    A = printed_graph(draw(T=T, seed=T))
    assert np.abs(A - np.eye(T)).max() < 1e-6


def test_any_edge_costs_more_than_none():
    W = draw()
    least = trace_penalty(W, np.eye(6))
    for seed in range(20):
        assert trace_penalty(W, graph_matrix(draw_edges(seed=seed))) > least


def test_the_printed_problem_refuses_equal_tasks():
    W = draw()
    W[:, 4] = W[:, 1]
    with pytest.raises(ValueError, match="Tasks 1 and 4 have the same weights"):
        printed_graph(W)


# ---- well-posed problems, as semidefinite programs and in the edges


@pytest.mark.parametrize(("first", "second"), [(0.5, 0.5), (2.0, 0.1), (0.2, 3.0)])
@pytest.mark.parametrize("name", GRAPHS)
def test_edges_agree_with_the_semidefinite_program(name, first, second):
    W = draw()
    found = GRAPHS[name](W, first, second)
    assert np.abs(found - SDPS[name](W, first, second)).max() < 1e-6
    assert np.abs(edge_weights(found)).max() > 1e-3


def test_covariance_agrees_with_the_semidefinite_program():
    W = draw(T=4)
    assert np.abs(task_covariance(W) - covariance_sdp(W)).max() < 1e-6


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e3])
def test_log_degree_edges_meet_the_conditions_of_an_optimum(alpha, signed):
    W, beta = draw(T=15, seed=2), 0.3
    A = (signed_graph if signed else log_degree_graph)(W, alpha, beta)
    degrees = np.diag(A) - 1
    offer = alpha / degrees
    slack = offer[:, None] + offer - square_distances(W)
    M = slack.clip(min=0) / (4 * beta)
    if signed:
        slack = offer[:, None] + offer - square_distances(W) - 4 * W.T @ W
        M = M - slack.clip(min=0) / (4 * beta)
    np.fill_diagonal(M, 0)
    assert edge_weights(A) == pytest.approx(M, rel=1e-6, abs=1e-9 * alpha)
    assert (degrees > 0).all()


def test_fixed_total_edges_meet_the_conditions_of_an_optimum():
    W, total, beta = draw(T=10, seed=3), 7.0, 0.2
    A = fixed_total_graph(W, total, beta)
    M, degrees = edge_weights(A), np.diag(A) - 1
    assert degrees.sum() == pytest.approx(total) and (M > -1e-9).all()
    slope = square_distances(W) + 4 * beta * M + 2 * beta * (degrees[:, None] + degrees)
    off = ~np.eye(10, dtype=bool)
    price = slope[off & (M > 1e-6)]
    assert price.max() - price.min() < 1e-6  # the multiplier of the total
    assert (slope[off] > price.mean() - 1e-6).all()


def test_two_equidistant_tasks_by_hand():
    # z = 1: minimise m - 2 alpha log m + 2 beta m^2; with alpha = beta = 1/2 1 - 1/m + 2 m = 0
    W = np.array([[0.0, 1.0]])
    assert edge_weights(log_degree_graph(W, 0.5, 0.5))[0, 1] == pytest.approx(0.5)
    assert edge_weights(fixed_total_graph(W, 3.0, 1.0))[0, 1] == pytest.approx(1.5)


def test_alpha_and_beta_only_set_size_and_spread():
    # Kalofolias (2016), Proposition 2: M(z, a, b) = sqrt(a / b) M(z / sqrt(a b), 1, 1)
    W, a, b = draw(), 0.4, 2.5
    root = math.sqrt(a * b)
    expected = math.sqrt(a / b) * edge_weights(log_degree_graph(W / math.sqrt(root), 1, 1))
    assert edge_weights(log_degree_graph(W, a, b)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_order_of_the_tasks_does_not_matter(name):
    W, order = draw(), np.array([3, 0, 5, 1, 4, 2])
    found = GRAPHS[name](W, 0.5, 0.5)
    assert GRAPHS[name](W[:, order], 0.5, 0.5) == pytest.approx(
        found[np.ix_(order, order)], abs=1e-7
    )


def test_more_beta_means_more_edges():
    W = draw(T=12)
    counts = [(edge_weights(log_degree_graph(W, 1, b)) > 0).sum() for b in (1e-3, 1e-1, 10)]
    assert counts == sorted(counts) and counts[0] < counts[-1]


def test_every_task_has_a_neighbour_under_the_logarithm():
    W = draw()
    W[:, 5] += 30  # far from all others
    assert (edge_weights(log_degree_graph(W, 0.5, 0.5)).sum(axis=1) > 0).all()
    alone = edge_weights(fixed_total_graph(W, 2.0, 0.1))[5]
    assert np.abs(alone).max() < 1e-6


@pytest.mark.parametrize("name", GRAPHS)
def test_tasks_with_equal_weights_are_joined_most(name):
    W = draw()
    W[:, 4] = W[:, 1]
    M = edge_weights(GRAPHS[name](W, 0.5, 0.5))
    assert M.max() == pytest.approx(M[1, 4])


def test_only_the_signed_graph_sees_an_exclusion():
    W = draw()
    W[:, 4] = -W[:, 1]
    assert edge_weights(signed_graph(W, 0.5, 0.5))[1, 4] < 0
    assert edge_weights(log_degree_graph(W, 0.5, 0.5)).min() >= 0


def test_turning_a_task_round_turns_its_signed_edges_round():
    W = draw()
    turned = W * np.array([1, 1, -1, 1, 1, 1])
    M, N = (edge_weights(signed_graph(w, 0.5, 0.5)) for w in (W, turned))
    sign = np.array([1, 1, -1, 1, 1, 1])
    assert pytest.approx(M * sign * sign[:, None], abs=1e-9) == N


def test_standardised_tasks_are_one_apart_on_average():
    W = standardised(37 * draw() + 2)
    assert square_distances(W)[np.triu_indices(6, 1)].mean() == pytest.approx(1)


# ---- closed forms and labels


def test_covariance_is_the_least_of_random_ones():
    W, rng = draw(T=4), np.random.default_rng(0)

    def cost(omega):
        return np.trace(W @ np.linalg.inv(omega) @ W.T)

    least = cost(task_covariance(W))
    for _ in range(50):
        root = rng.normal(size=(4, 6))
        other = root @ root.T
        assert cost(other / np.trace(other)) > least
    assert least == pytest.approx(np.linalg.norm(W, "nuc") ** 2)


def test_precision_exists_where_tasks_are_equal():
    W = draw(D=2, T=5)
    A = covariance_precision(task_covariance(W))
    assert np.isfinite(A).all() and np.linalg.eigvalsh(A)[0] > 0


def test_label_correlations_are_numpy_s_where_nothing_is_missing():
    labels = (np.random.default_rng(0).random((200, 5)) < [0.5, 0.2, 0.7, 0.4, 0.1]).astype(int)
    labels[:, 1] |= labels[:, 0]
    assert label_correlations(labels) == pytest.approx(np.corrcoef(labels.T))


def test_missing_labels_leave_their_pairs_only():
    rng = np.random.default_rng(0)
    labels = (rng.random((300, 4)) < 0.4).astype(int)
    labels[rng.random((300, 4)) < 0.5] = -1
    found = label_correlations(labels)
    for i in range(4):
        for j in range(i):
            both = (labels[:, [i, j]] != -1).all(axis=1)
            expected = np.corrcoef(labels[both][:, i], labels[both][:, j])[0, 1]
            assert found[i, j] == found[j, i] == pytest.approx(expected)


def test_label_correlations_find_the_face_graph():
    graph = face_graph()
    labels = np.concatenate([graph.sample(0, person, 4) for person in range(400)])
    pairs = np.triu_indices(len(graph), 1)
    found, true = label_correlations(labels)[pairs], graph.correlations()[pairs]
    assert np.corrcoef(found, true)[0, 1] > 0.95


def test_labels_that_say_nothing_join_nothing():
    labels = np.array([[1, 1, -1, 0], [1, 0, -1, 1], [1, 1, -1, -1]])
    found = label_correlations(labels)  # one class; two; none; two
    assert found[0, 1] == found[0, 3] == found[1, 2] == 0 and found[1, 3] == -1
    assert (np.diag(found) == 1).all()


def test_partial_correlations_agree_with_the_log_determinant_program():
    labels = np.random.default_rng(0).normal(size=(50, 5)) @ np.random.default_rng(1).normal(
        size=(5, 5)
    )
    R = np.corrcoef(labels.T)
    P = cp.Variable((5, 5), symmetric=True)
    off = P - cp.diag(cp.diag(P))
    problem = cp.Problem(cp.Minimize(cp.trace(R @ P) - cp.log_det(P) + 0.1 * cp.sum(cp.abs(off))))
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    scale = np.sqrt(np.diag(P.value))
    expected = -P.value / np.outer(scale, scale)
    np.fill_diagonal(expected, 1)
    assert partial_correlations(R, 0.1) == pytest.approx(expected, abs=1e-5)


def test_correlations_that_no_picture_set_can_have_are_mended():
    R = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    assert np.linalg.eigvalsh(R)[0] < 0
    partial = partial_correlations(R, 0.2)
    assert np.isfinite(partial).all() and partial[0, 1] > 0 > partial[0, 2]
    assert partial_correlations([[1.0]], 0.2).tolist() == [[1.0]]


# ---- thresholds and clusters


def test_a_threshold_on_a_itself_would_leave_no_edge():
    A = graph_matrix(draw_edges())
    off = A[~np.eye(6, dtype=bool)]
    assert (off < 0.1).all()  # as printed, all of these become zero
    assert (thresholded(edge_weights(A), 0.1) > 0).any()


def test_threshold_by_hand():
    M = np.array([[0, 0.3, 0.05], [0.3, 0, -0.2], [0.05, -0.2, 0]])
    assert thresholded(M, 0.1).tolist() == [[0, 0.3, 0], [0.3, 0, -0.2], [0, -0.2, 0]]
    assert M[0, 2] == 0.05


def test_clusters_are_connected_tasks_the_largest_first():
    M = np.zeros((6, 6))
    for i, j in [(4, 1), (1, 5), (0, 2)]:
        M[i, j] = M[j, i] = 0.4
    assert clusters(M) == [[1, 4, 5], [0, 2], [3]]
    assert clusters([[0.0]]) == [[0]]


# ---- what is refused


@pytest.mark.parametrize("name", GRAPHS)
def test_one_task_has_no_graph(name):
    with pytest.raises(ValueError, match="One task has nothing to be joined to"):
        GRAPHS[name](np.ones((4, 1)), 1.0, 1.0)
    assert printed_graph(np.ones((4, 1))) == pytest.approx(np.eye(1))
    assert task_covariance(np.ones((4, 1))).tolist() == [[1.0]]


@pytest.mark.parametrize("name", [*GRAPHS, "printed", "covariance"])
def test_numbers_that_are_not_finite_are_refused(name):
    solve = {**GRAPHS, "printed": lambda W, *_: printed_graph(W)}
    solve["covariance"] = lambda W, *_: task_covariance(W)
    for value in (np.nan, np.inf):
        W = draw()
        W[2, 3] = value
        with pytest.raises(ValueError, match="not finite"):
            solve[name](W, 0.5, 0.5)
        with pytest.raises(ValueError, match=r"a column per task, found shape \(6,\)"):
            solve[name](W[0], 0.5, 0.5)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("name", GRAPHS)
def test_numbers_that_pose_no_problem_are_refused(name, value):
    for pair in [(value, 1.0), (1.0, value)]:
        with pytest.raises(ValueError, match="must be finite and above 0"):
            GRAPHS[name](draw(), *pair)


def test_a_matrix_that_is_no_graph_is_refused():
    lopsided = np.eye(3)
    lopsided[0, 1] = 0.5
    for use in (edge_weights, clusters, thresholded, graph_matrix):
        with pytest.raises(ValueError, match="must be symmetric"):
            use(lopsided)
        with pytest.raises(ValueError, match="must be finite"):
            use(np.full((2, 2), np.nan))
        with pytest.raises(ValueError, match=r"matrix \(T, T\), found shape \(2, 3\)"):
            use(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="must be symmetric"):
        trace_penalty(np.ones((2, 3)), lopsided)
    with pytest.raises(ValueError, match=r"Expected A \(3, 3\)"):
        trace_penalty(np.ones((2, 3)), np.eye(4))
    with pytest.raises(ValueError, match="no edge to itself"):
        graph_matrix(np.eye(3))


def test_constraints_that_contradict_each_other_are_reported():
    # x >= 0 and x = -1
    constraints = sparse.csc_matrix([[1.0], [-1.0]])
    cones = [task_graph.clarabel.ZeroConeT(1), task_graph.clarabel.NonnegativeConeT(1)]
    with pytest.raises(GraphError, match="no graph: PrimalInfeasible"):
        task_graph.solve_edges(
            sparse.csc_matrix([[1.0]]), np.zeros(1), constraints, np.array([-1.0, 0.0]), cones
        )
    A = cp.Variable((2, 2), symmetric=True)
    with pytest.raises(GraphError, match="infeasible"):
        graph_sdp.solve_sdp(cp.trace(A), A, [A >> np.eye(2), cp.trace(A) == 1])


def test_tasks_of_the_same_weights_have_no_scale():
    with pytest.raises(ValueError, match="All tasks have the same weights"):
        standardised(np.ones((3, 4)))
    with pytest.raises(ValueError, match="All tasks have weight zero"):
        task_covariance(np.zeros((3, 4)))


def test_labels_of_other_values_are_refused():
    with pytest.raises(ValueError, match="Expected labels"):
        label_correlations([[0, 2], [1, 1]])
    with pytest.raises(ValueError, match="Expected labels"):
        label_correlations([0, 1])


def test_numbers_too_far_apart_are_reported():
    with pytest.raises(GraphError, match="scale W with standardised"):
        log_degree_graph(1e6 * draw(T=20), 1e-9, 1e-9)
