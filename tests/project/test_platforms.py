"""What the environment needs of a machine is true, checked first, and said on the setup page."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from check_platform import OLDEST, is_supported
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = SpecifierSet(PROJECT["requires-python"])
PAGE = (ROOT / "book" / "setup.md").read_text(encoding="utf-8")
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8")


def pythons_of_pins() -> dict[str, SpecifierSet]:
    """What each pinned package that is installed here asks of Python."""
    asked = {}
    for line in PINS.splitlines():
        name = line.partition("==")[0]
        if "==" not in line:
            continue
        try:
            asked[name] = SpecifierSet(metadata.metadata(name).get("Requires-Python") or "")
        except metadata.PackageNotFoundError:  # of another platform or another extra
            continue
    return asked


def run_make_env(python: Path | str, venv: Path) -> subprocess.CompletedProcess[str]:
    command = [ROOT / "tools" / "make_env.sh", python, venv, "dev"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def fake_python(path: Path, version: str, platform: str = "") -> Path:
    """A program that answers as a Python of this version on this platform would."""
    code = f"import sys; sys.version_info = {tuple(map(int, version.split('.')))}"
    path.write_text(
        f"""#!/bin/sh
case "$1" in
  -c) exec "{sys.executable}" -c "{code}
${{2#import sys; }}" ;;
  --version) echo Python {version} ;;
  *check_platform.py) echo "{platform}"; exit 1 ;;
  *) echo "went on to install" >&2; exit 9 ;;
esac
"""
    )
    path.chmod(0o755)
    return path


def test_every_pin_runs_on_the_oldest_python_that_is_allowed():
    asked = pythons_of_pins()
    assert len(asked) > 100
    oldest = next(spec.version for spec in PYTHONS if spec.operator == ">=")
    for python in (oldest, "3.12.0", "3.13.0", "3.14.0"):
        refusing = [name for name, spec in asked.items() if python not in spec]
        assert not refusing, f"{refusing} do not run on Python {python}"


def test_no_older_python_would_do():
    oldest = next(Version(spec.version) for spec in PYTHONS if spec.operator == ">=")
    before = f"{oldest.major}.{oldest.minor}.{oldest.micro - 1}"
    assert any(before not in spec for spec in pythons_of_pins().values())


def test_every_description_names_the_same_python():
    oldest = next(spec.version for spec in PYTHONS if spec.operator == ">=")
    for name in ("book/setup.md", "README.md", "tools/make_env.sh", ".ci/run", "Makefile"):
        assert oldest in (ROOT / name).read_text(encoding="utf-8"), name
    script = (ROOT / "tools" / "make_env.sh").read_text(encoding="utf-8")
    assert str(tuple(map(int, oldest.split(".")))) in script


def test_a_python_that_is_absent_is_named(tmp_path: Path):
    done = run_make_env("python-that-is-not-there", tmp_path / "venv")
    assert done.returncode == 1
    assert "Expected a Python from 3.11.5 to 3.14" in done.stderr


@pytest.mark.parametrize("version", ["3.9.1", "3.11.2", "3.11.4", "3.15.0"])
def test_a_python_out_of_range_is_refused_before_any_work(tmp_path: Path, version: str):
    done = run_make_env(fake_python(tmp_path / "python", version), tmp_path / "venv")
    assert done.returncode == 1
    assert f"found Python {version}" in done.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("version", ["3.11.5", "3.14.2"])
def test_a_machine_without_packages_is_refused_in_a_sentence(tmp_path: Path, version: str):
    python = fake_python(tmp_path / "python", version, platform="Darwin on x86_64")
    done = run_make_env(python, tmp_path / "venv")
    assert done.returncode == 1
    assert "found Darwin on x86_64" in done.stderr and "book/setup.md" in done.stderr


@pytest.mark.parametrize(
    ("system", "machine", "version", "supported"),
    [
        ("Linux", "x86_64", "2.36", True),
        ("Linux", "x86_64", "2.17", False),
        ("Linux", "x86_64", "", False),  # musl
        ("Linux", "aarch64", "2.35", True),
        ("Linux", "aarch64", "2.31", False),
        ("Linux", "armv7l", "2.36", False),
        ("Darwin", "arm64", "14.0", True),
        ("Darwin", "arm64", "26.1", True),
        ("Darwin", "arm64", "13.6.1", False),
        ("Darwin", "x86_64", "15.0", False),
        ("Windows", "AMD64", "10.0.26100", True),
        ("Windows", "ARM64", "10.0.26100", False),
    ],
)
def test_a_platform_is_supported_where_there_are_wheels(system, machine, version, supported):
    assert is_supported(system, machine, version) is supported
    assert not is_supported(system, machine, version, bits=32)


def test_the_tables_of_platforms_agree_with_the_installed_wheels():
    # of the wheels here: each names the C library that it needs
    needed = []
    for name in ("torch", "warp-lang"):
        text = metadata.distribution(name).read_text("WHEEL") or ""
        tags = [tag for line in re.findall(r"^Tag: (.+)$", text, re.M) for tag in parse_tag(line)]
        needed += [
            tuple(map(int, match.groups()))
            for tag in tags
            if (match := re.match(r"manylinux_(\d+)_(\d+)_x86_64", tag.platform))
        ]
    assert needed and max(needed) <= OLDEST["Linux", "x86_64"]


def test_the_setup_page_names_every_platform():
    for words in ("glibc 2.28", "glibc 2.34", "14 or newer, Apple silicon", "WSL 2", "Intel Macs"):
        assert words in PAGE


def test_requirements_leave_room_for_the_pins():
    for text in PROJECT["dependencies"]:
        requirement = Requirement(text)
        pin = re.search(rf"^{re.escape(canonicalize_name(requirement.name))}==(.+)$", PINS, re.M)
        assert pin and requirement.specifier.contains(pin[1])
