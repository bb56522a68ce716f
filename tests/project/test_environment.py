"""Three descriptions of the environment lead to one package; tracked files keep the rules."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LIMIT_BYTES = 5_000_000


def pins() -> dict[str, Version]:
    """The packages of constraints.txt with their exact versions."""
    found = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, separator, version = line.partition("==")
            assert separator, f"{line!r} in constraints.txt is not an exact pin"
            found[canonicalize_name(name)] = Version(version)
    return found


def requirements() -> list[tuple[str, Requirement]]:
    """Every requirement of the package and of its extras, with where it stands."""
    named = [("dependencies", text) for text in PROJECT["dependencies"]]
    for extra, texts in PROJECT["optional-dependencies"].items():
        named += [(extra, text) for text in texts]
    parsed = [(place, Requirement(text)) for place, text in named]
    return [(place, found) for place, found in parsed if found.name != PROJECT["name"]]


def tracked_files() -> list[Path]:
    """The files under version control; without git, those of a source archive."""
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in done.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str | None:
    """A file's text, or None where it is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def test_every_requirement_is_pinned_inside_its_range() -> None:
    pinned = pins()
    for place, requirement in requirements():
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} ({place}) has no pin in constraints.txt"
        assert requirement.specifier.contains(pinned[name]), f"{name}: {pinned[name]} is outside"
        assert requirement.specifier, f"{name} ({place}) has no range"


def test_installed_versions_are_the_pinned_ones() -> None:
    from importlib import metadata

    pinned = pins()
    checked = 0
    for place, requirement in requirements():
        if place not in ("dependencies", "book", "dev"):
            continue
        installed = Version(metadata.version(requirement.name))
        wanted = pinned[canonicalize_name(requirement.name)]
        assert installed.public == wanted.public, f"{requirement.name}: run `make env`"
        checked += 1
    assert checked > 20


def test_torch_and_torchvision_are_a_matching_pair() -> None:
    from importlib import metadata

    wanted = [Requirement(text) for text in metadata.requires("torchvision") or []]
    torch = next(requirement for requirement in wanted if requirement.name == "torch")
    assert torch.specifier.contains(pins()["torch"])


def test_the_environment_has_the_packages_that_it_must_have() -> None:
    named = {
        canonicalize_name(requirement.name)
        for place, requirement in requirements()
        if place in ("dependencies", "book", "dev")
    }
    wanted = "jupyterlab jupyter-book torch torchvision matplotlib seaborn scikit-learn ipywidgets"
    assert named >= {*wanted.split(), "nbval"}


def test_conda_installs_the_same_package_from_the_same_pins() -> None:
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    plain = [entry for entry in conda["dependencies"] if isinstance(entry, str)]
    pip = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    # A package that conda brought would escape the pins, so it brings Python and pip alone.
    assert sorted(re.split(r"[<>=]", entry)[0] for entry in plain) == ["pip", "python"]
    assert sorted(pip) == ["-c constraints.txt", "-e .[dev]"]
    python = next(entry for entry in plain if entry.startswith("python"))
    assert python.startswith("python" + PROJECT["requires-python"] + ",")
    make = (ROOT / "tools" / "make_env.sh").read_text(encoding="utf-8")
    assert '-e ".[$extras]" -c constraints.txt' in make
    assert '"$(VENV)" dev\n' in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_commands_that_the_pages_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "book").glob("*.md")]
    named = set()
    for page in pages:
        named |= set(
            re.findall(r"(?:^|`)make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"), re.M)
        )
    assert {"book", "test", "lab", "run", "sweep"} <= named
    assert named <= targets, f"no such target: {named - targets}"


def test_help_explains_every_target_of_the_brief() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("env", "book", "test", "lab", "run", "sweep", "bench", "clean"):
        assert re.search(rf"^  make {target} +\S", done.stdout, flags=re.MULTILINE), target


def test_ci_runs_make_test() -> None:
    assert re.search(r"^make test$", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE)
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    steps = [step.get("run") for step in workflow["jobs"]["test"]["steps"]]
    assert "bash .ci/run" in steps


def test_tracked_files_are_small() -> None:
    large = {path.name: path.stat().st_size for path in tracked_files()}
    large = {name: size for name, size in large.items() if size > LIMIT_BYTES}
    assert large == {}


# Spelled in parts, so that this file does not name what it looks for.
_HOSTS = ("pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "debian" + ".org")
_HOME = re.compile(r"(?<![\w.$}/])/(?:home|root|Users|work)/[a-z0-9_.-]+")


def test_tracked_files_name_no_registry_and_no_machine_s_folder() -> None:
    found = []
    for path in tracked_files():
        text = text_of(path)
        if text is None or path == Path(__file__):
            continue
        name = path.relative_to(ROOT)
        found += [f"{name}: {host}" for host in _HOSTS if host in text]
        if name.parts[0] != "tests":
            found += [f"{name}: {match}" for match in _HOME.findall(text)]
    assert found == []


def test_the_repository_s_address_stands_in_one_place() -> None:
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    address = yaml.safe_load(config)["repository"]["url"]
    assert config.count(address) == 1
    before = config[: config.index(address)]
    assert "TO BE SET ON PUBLICATION" in before
    others = []
    for path in tracked_files():
        text = text_of(path)
        if text and path.name != "_config.yml" and address in text:
            others.append(str(path.relative_to(ROOT)))
    assert others == []


def test_licences_cover_code_text_and_asset() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    for words in ("BSD 3-Clause License", "CC BY 4.0", "CC0 1.0", "LICENSE-TEXT"):
        assert words in licence
    text = (ROOT / "LICENSE-TEXT").read_text(encoding="utf-8")
    assert "Creative Commons Attribution 4.0 International Public License" in text
    assert "Section 8" in text
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    from mtl_helpers import __version__

    assert citation["version"] == __version__


def test_importing_the_package_loads_nothing_heavy() -> None:
    import sys

    code = "import sys, mtl_helpers; print(sorted({'torch', 'warp', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
