"""Run everything from nothing at the smoke preset: sweeps, ledger, notebooks.

Cache and results lie in a temporary folder, so that nothing stored can help, and nothing stored
is touched.

Run: ``python tools/smoke.py [--processes N]`` (``make smoke`` does).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEDGER_PROGRAMS = (
    "tools/recompute_ledger.py",
    "tools/ledger_ming2021.py",
    "tools/ledger_li2021.py",
)
"""Programs without the package that recompute the ledger, each some papers' claims."""


def step(title: str, command: list[str], environment: dict[str, str]) -> str:
    """Run one command; print its words and its time, stop where it fails."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    took = time.perf_counter() - started
    if done.returncode != 0:
        print(done.stdout)
        raise SystemExit(f"{title} failed with exit status {done.returncode} after {took:.0f} s.")
    print(f"{title}: {took:.0f} s", flush=True)
    return done.stdout


def found(results: Path) -> dict[Path, int]:
    """Return when each stored run was written."""
    return {path: path.stat().st_mtime_ns for path in sorted(results.rglob("*.json"))}


def main() -> None:
    """Sweep every experiment, write and check the ledger, execute every chapter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    processes = str(parser.parse_args().processes)

    with tempfile.TemporaryDirectory(prefix="mtl-smoke-") as scratch:
        environment = {
            **os.environ,
            "MTL_PRESET": "smoke",
            "MTL_CACHE": f"{scratch}/cache",
            "MTL_RESULTS": f"{scratch}/results",
        }
        helpers = ["-m", "mtl_helpers"]
        ledger = ["--output", f"{scratch}/claims.md"]
        step("corpora", [*helpers, "corpus", "--corpus", "all"], environment)
        sweep = [*helpers, "sweep", "--processes", processes]
        step("sweep of every experiment", sweep, environment)
        stored = found(Path(scratch) / "results")
        step("sweep again, nothing left to do", sweep, environment)
        if not stored or found(Path(scratch) / "results") != stored:
            raise SystemExit("The second sweep trained what the first had stored, or none did.")
        step("ledger", [*helpers, "ledger", *ledger], environment)
        step("check of the ledger", [*helpers, "check", *ledger], environment)
        where = ["--results", f"{scratch}/results", "--compare", f"{scratch}/claims.md"]
        for program in LEDGER_PROGRAMS:
            again = [program, "--preset", "smoke", *where]
            step(f"the ledger, recomputed by {program}", again, environment)
        # Kernels start in a folder without a meaning: a chapter may not lean on where it lies.
        elsewhere = Path(scratch) / "elsewhere"
        elsewhere.mkdir()
        execute = ["tools/execute_notebooks.py", "--preset", "smoke", "--folder", str(elsewhere)]
        execute += ["--output", f"{scratch}/notebooks", "--processes", processes]
        print(step("notebooks, from another folder", execute, environment), end="")


if __name__ == "__main__":
    main()
