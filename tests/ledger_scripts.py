"""Run a script that recomputes a part of the ledger where the package cannot be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[1] / "tools"


def agrees_without_the_package(
    script: str, results: Path, page: str, rows: int, claims: int, folder: Path
) -> None:
    path = folder / "claims.md"
    path.write_text(page, encoding="utf-8")
    blocked = "import runpy, sys; sys.modules['mtl_helpers'] = None; sys.argv = sys.argv[1:]; "
    blocked += f"sys.path.insert(0, {str(TOOLS)!r}); "
    blocked += "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", blocked, TOOLS / script, "--results", results]
    done = subprocess.run(
        [*command, "--compare", path], capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == rows + claims + 1
    assert lines[-1] == f"Recomputed: {rows} rows and {claims} verdicts of claims.md agree."
