"""Graphs of tasks as semidefinite programs and in the weights of their edges, side by side.

Heads are random, 80 features for each task, scaled to a mean squared distance of 1. Both ways take
turns on the same heads, in seconds of the processor, so that whatever else the machine does
matters little.

    python benchmarks/task_graph_solvers.py [--sizes 10 20 36 40 80 160] [--limit 120] [--rounds 3]

Exits with 1 if the edges are less than 20 times faster at 40 tasks, or the answers differ by more
than 1e-6 at 40 or fewer. With more tasks it is the SDP's answer that is less exact.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable

import numpy as np

from mtl_helpers.papers.taherkhani2021.graph_sdp import fixed_total_sdp, log_degree_sdp
from mtl_helpers.papers.taherkhani2021.task_graph import (
    Matrix,
    fixed_total_graph,
    log_degree_graph,
    standardised,
)

WANTED_RATIO, WANTED_AT, ALLOWED_DIFFERENCE = 20, 40, 1e-6
FEATURES = 80
Solve = Callable[[Matrix], Matrix]
# Settings under which about a fifth of all pairs has an edge.
PROBLEMS: dict[str, tuple[Solve, Solve]] = {
    "log degree": (
        lambda W: log_degree_sdp(W, 0.5, 0.05),
        lambda W: log_degree_graph(W, 0.5, 0.05),
    ),
    "fixed total": (
        lambda W: fixed_total_sdp(W, W.shape[1], 0.02),
        lambda W: fixed_total_graph(W, W.shape[1], 0.02),
    ),
}


def timed(solve: Solve, W: Matrix) -> tuple[Matrix, float]:
    """Return the answer and the seconds of the processor that it took."""
    started = time.process_time()
    A = solve(W)
    return A, time.process_time() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 20, 36, 40, 80, 160])
    parser.add_argument("--limit", type=float, default=120, help="seconds of one SDP")
    parser.add_argument("--rounds", type=int, default=3, help="solutions by the edges")
    arguments = parser.parse_args()
    print(f"{'':12}{'tasks':>6}{'edges':>7}{'SDP s':>10}{'edges s':>10}{'ratio':>8}{'differ':>10}")
    missed = []
    for name, (as_sdp, by_edges) in PROBLEMS.items():
        seconds, before = 0.0, 1
        for T in sorted(arguments.sizes):
            W = standardised(np.random.default_rng(T).normal(size=(FEATURES, T)))
            by_edges(W)  # warms up
            answers, times = zip(
                *(timed(by_edges, W) for _ in range(arguments.rounds)), strict=True
            )
            fast = max(statistics.median(times), 1e-6)
            count = int((np.triu(answers[0], 1) < -1e-6).sum())
            line = f"{name:12}{T:6}{count:7}"
            if seconds * (T / before) ** 6 > arguments.limit:
                print(f"{line}{'-':>10}{fast:10.4f}", flush=True)
                continue
            A, seconds = timed(as_sdp, W)
            before = T
            ratio, difference = seconds / fast, float(np.abs(A - answers[0]).max())
            print(f"{line}{seconds:10.3f}{fast:10.4f}{ratio:8.0f}{difference:10.1e}", flush=True)
            too_slow = T == WANTED_AT and ratio < WANTED_RATIO
            too_far = T <= WANTED_AT and not difference <= ALLOWED_DIFFERENCE
            if too_slow or too_far or not math.isfinite(difference):
                missed.append(f"{name} at {T}")
    print("as wanted" if not missed else f"missed by {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
