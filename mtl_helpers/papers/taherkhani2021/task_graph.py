"""Scenario 2: which graph of tasks does the penalty Tr(W A W^T) ask for? (Sec. 4.2 of the paper)

W (D, T) has a column per task, A (T, T) is the identity plus the Laplacian of a graph with edge
weights M (T, T), symmetric with a zero diagonal:

    A = I + diag(M 1) - M,     Tr(W A W^T) = ||W||^2 + sum over pairs i < j of M_ij ||w_i - w_j||^2

The paper's Eq. 8 has its factor wrong: summed over i *and* j, M_ij ||w_i - w_j||^2 is twice
Tr(W L W^T). For M >= 0 the least value is at M = 0 whatever W is, so that the problem as printed
always answers A = I, no graph (:mod:`~mtl_helpers.papers.taherkhani2021.graph_sdp`). What else must
be asked for, to get an answer that says something, is a choice; here stand those that are well
known.

Each is a semidefinite program in A. But A 1 = 1 with off-diagonals of at most 0 already makes A - I
a Laplacian, so A >= I is no constraint: what is left is a problem in the T (T - 1) / 2 weights of
the edges. :func:`fixed_total_graph` gives it to Clarabel, without a modelling layer: an
interior-point method that keeps sparse matrices sparse, exact to about 1e-8 where first-order
solvers (OSQP) stop at 1e-4, and the one that solves the SDPs too. With the logarithm of the
degrees, :func:`log_degree_graph` and :func:`signed_graph`, Clarabel's edges are right to 1e-5 only;
there the dual problem is smooth and has one number per task, and Newton's method solves it.
"""

from __future__ import annotations

import math
from typing import Any

import clarabel
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from sklearn.covariance import graphical_lasso

from mtl_helpers.errors import CourseError
from mtl_helpers.losses import UNLABELLED

__all__ = [
    "GraphError",
    "clusters",
    "covariance_precision",
    "edge_weights",
    "fixed_total_graph",
    "graph_matrix",
    "label_correlations",
    "log_degree_graph",
    "partial_correlations",
    "signed_graph",
    "square_distances",
    "standardised",
    "task_columns",
    "task_covariance",
    "thresholded",
    "trace_penalty",
]

Matrix = NDArray[np.float64]

ACCURACY, LEAST_ACCURACY = 1e-12, 1e-8
"""What is asked of Clarabel, and what will do."""

_NEWTON_STEPS = 200


class GraphError(CourseError):
    """A solver found no graph: the problem has no solution, or numbers too far apart in size."""


# -- a graph as a matrix -----------------------------------------------------------------------


def task_columns(W: ArrayLike) -> Matrix:
    """Return W (D, T) in double precision; refuse what is no matrix, or not finite."""
    weights = np.asarray(W, dtype=np.float64)
    if weights.ndim != 2 or not weights.size:
        raise ValueError(f"Expected W (D, T), a column per task, found shape {weights.shape}.")
    if not np.isfinite(weights).all():
        raise ValueError("W has numbers that are not finite.")
    return weights


def graph_matrix(M: ArrayLike) -> Matrix:
    """Return A = I + Laplacian of edge weights M (T, T), negative ones by Kunegis et al. (2010).

    Their degrees are sums of absolute values, so A - I has no negative eigenvalue: an edge of
    negative weight draws w_i to -w_j. (Eqs. 9, 10 and 12)
    """
    edges = _symmetric(M, "Edge weights")
    if np.diag(edges).any():
        raise ValueError("A task has no edge to itself: the diagonal of M must be zero.")
    return np.eye(len(edges)) + np.diag(np.abs(edges).sum(axis=1)) - edges


def edge_weights(A: ArrayLike) -> Matrix:
    """Return the edge weights M (T, T) of a symmetric A (T, T): its off-diagonals, negated."""
    edges = -_symmetric(A, "A")
    np.fill_diagonal(edges, 0.0)
    return edges


def trace_penalty(W: ArrayLike, A: ArrayLike) -> float:
    """Return Tr(W A W^T), the penalty of Eq. 14: W (D, T), A (T, T)."""
    weights, matrix = task_columns(W), _symmetric(A, "A")
    if matrix.shape[0] != weights.shape[1]:
        raise ValueError(
            f"Expected A ({weights.shape[1]}, {weights.shape[1]}) for as many tasks, found "
            f"{matrix.shape}."
        )
    return float(np.einsum("di,ij,dj->", weights, matrix, weights))


def square_distances(W: ArrayLike) -> Matrix:
    """Return ||w_i - w_j||^2 of the columns of W (D, T): (T, T), zero on the diagonal."""
    weights = task_columns(W)
    gaps = weights[:, :, None] - weights[:, None, :]  # (D, T, T)
    return np.asarray((gaps**2).sum(axis=0))


def standardised(W: ArrayLike) -> Matrix:
    """Return W (D, T) scaled to a mean squared distance of 1 between two tasks.

    What a graph asks for then depends on how the tasks lie, and not on how long they are.
    """
    weights = task_columns(W)
    z = _pairs(square_distances(weights))
    if not z.any():
        raise ValueError("All tasks have the same weights: there is no distance to scale by.")
    return np.asarray(weights / math.sqrt(z.mean()))


# -- well-posed problems in the edge weights ---------------------------------------------------


def log_degree_graph(W: ArrayLike, alpha: float, beta: float) -> Matrix:
    r"""Return A (T, T) for W (D, T) with a price on lonely tasks and on heavy edges.

    .. math:: \min_{M \ge 0}\; \operatorname{Tr}(W A W^\top) - \alpha \sum_i \log d_i
              + \beta \|M\|_F^2, \qquad d = M \mathbf 1

    by Kalofolias (2016), whose alpha and beta are twice these. The logarithm gives every task a
    neighbour; alpha scales the weights, beta spreads them over more edges.
    """
    weights = task_columns(W)
    _positive(alpha=alpha, beta=beta)
    _require_two(weights.shape[1])
    (M,) = _log_degree([square_distances(weights)], alpha, beta)
    return graph_matrix(M)


def signed_graph(W: ArrayLike, alpha: float, beta: float) -> Matrix:
    r"""Return A (T, T) of a graph that can also say that two tasks exclude each other.

    As :func:`log_degree_graph`, with edges of two kinds. Those of :math:`M^+` cost
    :math:`\|w_i - w_j\|^2`, those of :math:`M^-` cost :math:`\|w_i + w_j\|^2`, both count for a
    task's degree, and :math:`M = M^+ - M^-`.
    """
    weights = task_columns(W)
    T = weights.shape[1]
    _positive(alpha=alpha, beta=beta)
    _require_two(T)
    near = square_distances(weights)
    far = (near + 4 * weights.T @ weights).clip(min=0)  # ||w_i + w_j||^2
    plus, minus = _log_degree([near, far], alpha, beta)
    # a pair may have edges of both kinds, which do not cancel in the degrees
    return np.eye(T) + np.diag((plus + minus).sum(axis=1)) - plus + minus


def _log_degree(prices: list[Matrix], alpha: float, beta: float) -> list[Matrix]:
    """Weights (T, T) of one or two kinds of edges at these prices (T, T).

    With a multiplier lambda_i for d_i = sum_j M_ij, the other unknowns follow: d_i = alpha /
    lambda_i, and M_ij = max(0, lambda_i + lambda_j - z_ij) / (4 beta). An edge is there where what
    its two tasks offer exceeds its price. What is left is to minimise
    beta ||M||_F^2 - alpha sum_i log lambda_i, which is convex and once smooth.
    """
    T = len(prices[0])
    other = ~np.eye(T, dtype=bool)

    def edges(offer: Matrix) -> list[Matrix]:
        both = offer[:, None] + offer[None, :]  # (T, T)
        return [np.where(other, both - z, 0.0).clip(min=0) / (4 * beta) for z in prices]

    def value(offer: Matrix) -> float:
        if not (offer > 0).all():
            return math.inf
        return float(beta * sum((M**2).sum() for M in edges(offer)) - alpha * np.log(offer).sum())

    offer = np.full(T, prices[0].sum() / (T * (T - 1)) / 2 + math.sqrt(alpha * beta))  # lambda
    for _ in range(_NEWTON_STEPS):
        M = edges(offer)
        degrees = np.sum([kind.sum(axis=1) for kind in M], axis=0)
        slope = degrees - alpha / offer
        if np.abs(slope).max() <= 1e-12 * (alpha / offer).max():
            return M
        active = np.sum([kind > 0 for kind in M], axis=0) / (4 * beta)
        curvature = active + np.diag(active.sum(axis=1) + alpha / offer**2)
        try:
            step = np.linalg.solve(curvature, slope)
        except np.linalg.LinAlgError:
            break
        size, before = 1.0, value(offer)
        # rounding alone may keep the last, tiny steps from showing
        while value(offer - size * step) > before + 1e-13 * abs(before) and size > 1e-9:
            size /= 2
        offer = offer - size * step
    raise GraphError(
        "Newton's method found no graph: scale W with standardised() if its numbers are very large "
        "or small."
    )


def fixed_total_graph(W: ArrayLike, total: float, beta: float) -> Matrix:
    r"""Return A (T, T) for W (D, T) whose edges weigh a fixed total, by Dong et al. (2016).

    .. math:: \min_{M \ge 0}\; \operatorname{Tr}(W A W^\top) + \beta \|A - I\|_F^2
              \quad\text{subject to}\quad \operatorname{Tr}(A - I) = \text{total}

    Every edge stands in two degrees, so the edges add up to half the total. Without beta all of it
    would go to the closest pair. A task may stay alone.
    """
    z = _pairs(square_distances(W))
    T = task_columns(W).shape[1]
    _positive(total=total, beta=beta)
    _require_two(T)
    E = len(z)
    incidence = _incidence(T)
    # variables: m (E,) >= 0 and the degrees d (T,) = S m, which keep the Hessian diagonal
    hessian = sparse.diags(np.r_[np.full(E, 4 * beta), np.full(T, 2 * beta)], format="csc")
    linear = np.r_[z, np.zeros(T)]
    constraints = sparse.bmat(
        [
            [np.full((1, E), 2.0), None],
            [incidence, -sparse.eye(T)],
            [-sparse.eye(E), sparse.csc_matrix((E, T))],
        ],
        format="csc",
    )
    b = np.r_[total, np.zeros(T + E)]
    cones = [clarabel.ZeroConeT(1 + T), clarabel.NonnegativeConeT(E)]
    m = solve_edges(hessian, linear, constraints, b, cones)
    return graph_matrix(_from_pairs(m[:E].clip(min=0), T))


def solve_edges(
    hessian: sparse.csc_matrix,
    linear: Matrix,
    constraints: sparse.csc_matrix,
    b: Matrix,
    cones: list[Any],
) -> Matrix:
    """Return the x that minimises x'Hx / 2 + linear'x while b - constraints x lies in the cones."""
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    for name in ("gap_abs", "gap_rel", "feas"):
        setattr(settings, f"tol_{name}", ACCURACY)
        setattr(settings, f"reduced_tol_{name}", LEAST_ACCURACY)
    solution = clarabel.DefaultSolver(hessian, linear, constraints, b, cones, settings).solve()
    if str(solution.status) not in ("Solved", "AlmostSolved"):
        raise GraphError(
            f"Clarabel found no graph: {solution.status}. Scale W with standardised() if its "
            "numbers are very large or small; else the constraints contradict each other."
        )
    return np.array(solution.x)


# -- graphs in closed form, and from labels ----------------------------------------------------


def task_covariance(W: ArrayLike) -> Matrix:
    r"""Return Omega (T, T), the covariance of tasks by Zhang & Yeung (2010), for W (D, T).

    It minimises :math:`\operatorname{Tr}(W \Omega^{-1} W^\top)` over all :math:`\Omega \succeq 0`
    of trace 1, and is :math:`(W^\top W)^{1/2}` over its trace. It knows negative relations.
    """
    weights = task_columns(W)
    values, vectors = np.linalg.eigh(weights.T @ weights)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    if not np.trace(root) > 0:
        raise ValueError("All tasks have weight zero: they have no covariance.")
    return np.asarray(root / np.trace(root))


def covariance_precision(omega: ArrayLike, epsilon: float = 1e-3) -> Matrix:
    """Return (Omega + epsilon tr(Omega) / T I)^-1 (T, T), which may stand as A in the penalty.

    Omega (T, T) is singular where tasks have equal weights or outnumber the features.
    """
    covariance = _symmetric(omega, "The covariance")
    _positive(epsilon=epsilon)
    T = len(covariance)
    return np.asarray(np.linalg.inv(covariance + epsilon * np.trace(covariance) / T * np.eye(T)))


def label_correlations(labels: ArrayLike) -> Matrix:
    """Return Pearson's correlation of any two attributes' labels (N, T): (T, T), ones on diagonal.

    Labels are 0, 1 or -1 for none. A pair is judged by the pictures that have both labels; where
    one of the two does not vary among them, or there are none, it is 0: nothing is known.
    """
    table = np.asarray(labels)
    if table.ndim != 2 or not np.isin(table, (UNLABELLED, 0, 1)).all():
        raise ValueError(
            f"Expected labels (N, T) of 0, 1, or {UNLABELLED} for none, found shape {table.shape} "
            f"with {np.unique(table)[:5]}."
        )
    given = (table != UNLABELLED).astype(np.float64)  # (N, T)
    holds = (table == 1).astype(np.float64)
    count = given.T @ given  # (T, T) pictures with both labels
    first = holds.T @ given  # those where i holds
    both = holds.T @ holds
    covariance = count * both - first * first.T
    spread = first * (count - first)  # count^2 times the variance of i
    size = np.sqrt(spread * spread.T)
    correlations = np.divide(covariance, size, out=np.zeros_like(size), where=size > 0)
    np.fill_diagonal(correlations, 1.0)
    return correlations


def partial_correlations(correlations: ArrayLike, penalty: float) -> Matrix:
    """Return partial correlations (T, T) by the graphical lasso (Friedman et al. 2008).

    From correlations (T, T) of labels or of heads; ``penalty`` weighs the l1 norm of the precision.
    Ones on the diagonal. Correlations from pairs with missing labels may have negative eigenvalues;
    those are brought to a small positive value first.
    """
    matrix = _symmetric(correlations, "Correlations")
    _positive(penalty=penalty)
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < 1e-6:
        matrix = (vectors * values.clip(min=1e-6)) @ vectors.T
        scale = np.sqrt(np.diag(matrix))
        matrix = matrix / np.outer(scale, scale)
    if len(matrix) == 1:
        return np.ones((1, 1))
    try:
        _, precision = graphical_lasso(
            matrix, alpha=penalty, tol=1e-9, enet_tol=1e-10, max_iter=500
        )
    except FloatingPointError as error:
        raise GraphError(f"The graphical lasso gave up, raise its penalty: {error}") from error
    scale = np.sqrt(np.diag(precision))
    partial = -precision / np.outer(scale, scale)
    np.fill_diagonal(partial, 1.0)
    return np.asarray(partial)


# -- what a graph says -------------------------------------------------------------------------


def thresholded(M: ArrayLike, least: float = 0.1) -> Matrix:
    """Return edge weights M (T, T) without those below ``least`` in size (Sec. 5.4).

    The paper sets "all the elements of the matrix [A] smaller than a threshold" to zero. Off its
    diagonal A is negative, so that would leave no edge at all: what is meant are the weights.
    """
    edges = _symmetric(M, "Edge weights").copy()
    edges[np.abs(edges) < least] = 0.0
    return edges


def clusters(M: ArrayLike) -> list[list[int]]:
    """Return the tasks that edges M (T, T) connect, directly or by others; the largest set first.

    Edges of negative weight connect too: leave them out for sets whose tasks agree.
    """
    edges = _symmetric(M, "Edge weights")
    count, label = connected_components(sparse.csr_matrix(edges), directed=False)
    sets = [np.flatnonzero(label == number).tolist() for number in range(count)]
    return sorted(sets, key=lambda tasks: (-len(tasks), tasks[0]))


# -- inside ------------------------------------------------------------------------------------


def _symmetric(matrix: ArrayLike, what: str) -> Matrix:
    values = np.asarray(matrix, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or not values.size:
        raise ValueError(f"{what} must be a matrix (T, T), found shape {values.shape}.")
    if not np.isfinite(values).all():
        raise ValueError(f"{what} must be finite.")
    if not np.allclose(values, values.T, rtol=1e-6, atol=1e-8):
        raise ValueError(f"{what} must be symmetric.")
    return (values + values.T) / 2


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be finite and above 0, found {value}.")


def _require_two(T: int) -> None:
    if T < 2:
        raise ValueError("One task has nothing to be joined to: a graph needs at least two.")


def _pairs(matrix: Matrix) -> Matrix:
    """Numbers of the pairs i < j, (T (T - 1) / 2,)."""
    return np.asarray(matrix[np.triu_indices(len(matrix), 1)])


def _from_pairs(values: Matrix, T: int) -> Matrix:
    matrix = np.zeros((T, T))
    matrix[np.triu_indices(T, 1)] = values
    return matrix + matrix.T


def _incidence(T: int) -> sparse.csc_matrix:
    """Which edges end at which task: (T, T (T - 1) / 2) of zeros and ones."""
    first, second = np.triu_indices(T, 1)
    edge = np.arange(len(first))
    ends = (np.concatenate([first, second]), np.concatenate([edge, edge]))
    return sparse.csc_matrix((np.ones(2 * len(edge)), ends), (T, len(edge)))
