"""Algorithm 3, line 7: the graph of tasks as a semidefinite program, printed and well-posed.

These are written as the paper writes them, in A (T, T), with cvxpy, and solved by Clarabel. They
are the reference for :mod:`mtl_helpers.papers.taherkhani2021.task_graph`, which solves the same
problems in the weights of the edges and many times faster.
"""

from __future__ import annotations

import warnings

import cvxpy as cp
import numpy as np
from numpy.typing import ArrayLike

from mtl_helpers.papers.taherkhani2021.task_graph import (
    ACCURACY,
    LEAST_ACCURACY,
    GraphError,
    Matrix,
    square_distances,
    task_columns,
)

__all__ = [
    "covariance_sdp",
    "fixed_total_sdp",
    "log_degree_sdp",
    "printed_graph",
    "signed_sdp",
    "solve_sdp",
]


def printed_graph(W: ArrayLike) -> Matrix:
    """Return the paper's A (T, T) for W (D, T), solved as printed.

    min Tr(W A W^T) subject to A >= I, A_off <= 0, A 1 = 1. It is the identity for every W with
    distinct columns. Tasks with equal weights are refused: an edge between them costs nothing,
    whatever it weighs, so that there is no one answer.
    """
    weights = task_columns(W)
    first, second = np.triu_indices(weights.shape[1], 1)
    equal = square_distances(weights)[first, second] == 0
    if equal.any():
        pair = int(np.argmax(equal))
        raise ValueError(
            f"Tasks {first[pair]} and {second[pair]} have the same weights, so that the printed "
            "problem has no one solution."
        )
    A = _symmetric_variable(weights)
    T = A.shape[0]
    constraints = [A >> np.eye(T), _off(A) <= 0, cp.sum(A, axis=1) == 1]
    return solve_sdp(_trace(weights, A), A, constraints)


def log_degree_sdp(W: ArrayLike, alpha: float, beta: float) -> Matrix:
    """Return what :func:`~mtl_helpers.papers.taherkhani2021.task_graph.log_degree_graph` does."""
    weights = task_columns(W)
    A = _symmetric_variable(weights)
    degrees = cp.diag(A) - 1
    objective = _trace(weights, A) - alpha * cp.sum(cp.log(degrees))
    return solve_sdp(objective + beta * cp.sum_squares(_off(A)), A, _laplacian(A))


def signed_sdp(W: ArrayLike, alpha: float, beta: float) -> Matrix:
    """Return what :func:`~mtl_helpers.papers.taherkhani2021.task_graph.signed_graph` does."""
    weights = task_columns(W)
    T = weights.shape[1]
    first, second = np.triu_indices(T, 1)
    difference = np.eye(T)[:, first] - np.eye(T)[:, second]  # (T, E): e_i - e_j
    total = np.eye(T)[:, first] + np.eye(T)[:, second]
    plus, minus = (cp.Variable(len(first)) for _ in range(2))
    A = np.eye(T) + difference @ cp.diag(plus) @ difference.T + total @ cp.diag(minus) @ total.T
    degrees = total @ (plus + minus)
    constraints = [A >> np.eye(T), plus >= 0, minus >= 0]
    spread = 2 * (cp.sum_squares(plus) + cp.sum_squares(minus))
    objective = _trace(weights, A) - alpha * cp.sum(cp.log(degrees)) + beta * spread
    return solve_sdp(objective, A, constraints)


def fixed_total_sdp(W: ArrayLike, total: float, beta: float) -> Matrix:
    """Return what :func:`~mtl_helpers.papers.taherkhani2021.task_graph.fixed_total_graph` does."""
    weights = task_columns(W)
    T = weights.shape[1]
    A = _symmetric_variable(weights)
    objective = _trace(weights, A) + beta * cp.sum_squares(A - np.eye(T))
    return solve_sdp(objective, A, [*_laplacian(A), cp.trace(A) == T + total])


def covariance_sdp(W: ArrayLike) -> Matrix:
    """Return the covariance that minimises Tr(W Omega^-1 W^T) at trace 1 (Zhang & Yeung 2010)."""
    weights = task_columns(W)
    omega = _symmetric_variable(weights)
    objective = cp.matrix_frac(weights.T, omega)
    return solve_sdp(objective, omega, [omega >> 0, cp.trace(omega) == 1])


def _symmetric_variable(weights: Matrix) -> cp.Variable:
    return cp.Variable((weights.shape[1], weights.shape[1]), symmetric=True)


def _trace(weights: Matrix, A: cp.Expression) -> cp.Expression:
    return cp.trace(A @ (weights.T @ weights))  # Tr(W A W^T)


def _off(A: cp.Variable) -> cp.Expression:
    return A - cp.diag(cp.diag(A))


def _laplacian(A: cp.Variable) -> list[cp.Constraint]:
    """A is the identity plus a Laplacian, with the paper's three constraints."""
    T = A.shape[0]
    # (A - I) 1 = 0, so that A >= I has no interior, which a solver needs where a logarithm makes
    # it work harder. Lifting the one direction that is fixed gives it one and changes nothing.
    above = A[np.triu_indices(T, 1)]
    return [A + np.full((T, T), 1 / T) >> np.eye(T), above <= 0, cp.sum(A, axis=1) == 1]


def solve_sdp(
    objective: cp.Expression, A: cp.Expression, constraints: list[cp.Constraint]
) -> Matrix:
    """Return the A that minimises an objective under constraints, found by Clarabel."""
    problem = cp.Problem(cp.Minimize(objective), constraints)
    names = ("gap_abs", "gap_rel", "feas")
    accuracy = {f"tol_{name}": ACCURACY for name in names}
    accuracy |= {f"reduced_tol_{name}": LEAST_ACCURACY for name in names}
    try:
        with warnings.catch_warnings():
            # cvxpy calls inaccurate what lies between the two accuracies
            warnings.filterwarnings("ignore", "Solution may be inaccurate", UserWarning)
            problem.solve(solver=cp.CLARABEL, **accuracy)
    except cp.error.SolverError as error:
        raise GraphError(f"Clarabel gave up: {error}") from error
    if A.value is None:
        raise GraphError(f"The problem is {problem.status}: there is no such graph.")
    return np.asarray(A.value)
