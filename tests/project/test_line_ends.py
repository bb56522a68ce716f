"""A checkout on Windows holds the same bytes: checksums, scripts and notebooks survive it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BINARY = {".npz", ".png", ".jpg", ".safetensors", ".webp"}


def attributes() -> dict[str, dict[str, str]]:
    """The attributes ``text`` and ``eol`` of every tracked file."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    command = ["git", "check-attr", "-z", "--stdin", "text", "eol"]
    done = subprocess.run(command, cwd=ROOT, input=listed.stdout, capture_output=True, check=True)
    fields = done.stdout.decode().split("\0")[:-1]
    found: dict[str, dict[str, str]] = {}
    for name, attribute, value in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
        found.setdefault(name, {})[attribute] = value
    return found


def test_text_has_the_repository_s_line_ends_everywhere():
    for name, values in attributes().items():
        if Path(name).suffix not in BINARY:
            assert values["eol"] == "lf" and values["text"] != "unset", name


def test_pictures_and_arrays_are_left_alone():
    binary = {name: v for name, v in attributes().items() if Path(name).suffix in BINARY}
    assert len(binary) > 20
    assert all(values["text"] == "unset" for values in binary.values())


def test_no_tracked_text_has_windows_line_ends():
    for name in attributes():
        path = ROOT / name
        if path.is_file() and path.suffix not in BINARY:
            assert b"\r\n" not in path.read_bytes(), name
