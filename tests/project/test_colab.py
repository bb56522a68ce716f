"""Colab's line installs what is missing there and replaces nothing that Colab runs on."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGE = (ROOT / "book" / "setup.md").read_text(encoding="utf-8")
COLAB_PYTHON = "3.11.12"


def versions_in(path: Path) -> dict[str, Version]:
    """The versions of a list of exact versions."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


COLAB = versions_in(ROOT / "tests" / "data" / "colab-2025-04.txt")
PINS = versions_in(ROOT / "constraints.txt")


def applies(requirement: Requirement) -> bool:
    """Whether a requirement is asked for on Colab, without an extra."""
    environment = default_environment() | {"python_full_version": COLAB_PYTHON, "extra": ""}
    return requirement.marker is None or requirement.marker.evaluate(environment)


def replaced(requirements: list[str], pins: dict[str, Version]) -> dict[str, str]:
    """What pip would exchange of Colab's packages, with the reason.

    Without a reason pip leaves an installed package alone; a pin or a range that the installed
    version does not fit is a reason. What Colab lacks is looked up in this environment.
    """
    found: dict[str, str] = {}
    waiting, done = [Requirement(text) for text in requirements], set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if not applies(requirement):
            continue
        listed = COLAB.get(name)
        if listed is not None:
            if not requirement.specifier.contains(listed, prereleases=True):
                found[name] = f"{requirement} is asked for, {listed} is there"
            elif name in pins and pins[name] != listed:
                found[name] = f"{pins[name]} is pinned, {listed} is there"
        # pip follows what it installs, and with pins what it exchanges
        if name not in done and (listed is None or name in found):
            done.add(name)
            try:
                asked = metadata.requires(name) or []
            except metadata.PackageNotFoundError:
                asked = []
            waiting += [Requirement(text) for text in asked]
    return found


def colab_line() -> str:
    lines = re.findall(r"%pip install [^\\\"]*", PAGE)
    assert len(lines) == 1
    return lines[0]


def test_colab_s_line_takes_the_package_without_our_pins():
    assert colab_line() == "%pip install -q -e ."


def test_colab_s_line_replaces_nothing_that_colab_has():
    assert replaced(PROJECT["dependencies"], {}) == {}


def test_what_colab_lacks_is_the_renderer_s_engine_alone():
    asked = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    assert asked - COLAB.keys() == {"warp-lang"}


def test_our_pins_would_replace_what_colab_s_kernel_runs_on():
    # the line that the page had: it left a kernel that could not start
    exchanged = replaced(PROJECT["dependencies"], PINS)
    assert {"ipython", "numpy", "torch"} <= exchanged.keys()


def test_colab_s_python_is_one_that_the_package_allows():
    from packaging.specifiers import SpecifierSet

    assert COLAB_PYTHON in SpecifierSet(PROJECT["requires-python"])


def test_the_list_is_colab_s():
    assert len(COLAB) > 500
    assert COLAB["google-colab"] and COLAB["ipython"] == Version("7.34.0")
