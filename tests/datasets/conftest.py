"""No test of a set writes into the user's own cache."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of this test."""
    monkeypatch.setenv("MTL_CACHE", str(tmp_path / "the cache"))
    return tmp_path / "the cache"
