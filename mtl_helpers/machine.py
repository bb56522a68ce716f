"""This machine: its device, cores and disk, and what a record says about it.

``MTL_DEVICE`` chooses the device. Nothing here names the machine, its user or a path of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import mtl_helpers
from mtl_helpers.errors import CourseError

if TYPE_CHECKING:
    import torch

__all__ = [
    "DISK_FULL",
    "StorageError",
    "atomic_file",
    "code_version",
    "hardware",
    "keep_freed_memory",
    "limited_threads",
    "pick_device",
    "project_root",
    "usable_cores",
    "versions",
    "write_atomic",
]

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a write fails with when the disk, or this user's share of it, is full."""

_PACKAGE = Path(mtl_helpers.__file__).resolve().parent


class StorageError(CourseError):
    """A file could not be written, most often because the disk is full."""


# --- what computes ------------------------------------------------------------------------------

_devices: dict[str | None, torch.device] = {}


def pick_device(request: str | None = None) -> torch.device:
    """Return the device to compute on, asking the machine once.

    It is the one that is requested (``"cpu"``, ``"cuda:0"``), else that of ``MTL_DEVICE``, else
    CUDA where there is one, else the CPU.
    """
    wanted = request or os.environ.get("MTL_DEVICE") or None
    if wanted not in _devices:
        _devices[wanted] = _resolve_device(wanted)
    return _devices[wanted]


def _resolve_device(wanted: str | None) -> torch.device:
    import torch

    if wanted is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise ValueError(
            f"Unknown device {wanted!r}; set MTL_DEVICE (or the argument) to 'cpu' or 'cuda'."
        )
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count <= (device.index or 0):
            raise ValueError(
                f"Device {wanted!r} was asked for, but torch sees {count} CUDA device(s); "
                "set MTL_DEVICE (or the argument) to 'cpu', or install a CUDA build of torch."
            )
    return device


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Limit the threads of torch: now if it is loaded, or by the environment once it is."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {name: os.environ.get(name) for name in names}
    torch = sys.modules.get("torch")
    before = None if torch is None else torch.get_num_threads()
    os.environ.update(dict.fromkeys(names, str(threads)))
    if torch is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        for name, value in environment.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if torch is not None:
            torch.set_num_threads(before)


# --- what a record says about it ----------------------------------------------------------------


@functools.cache
def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next tensors, for the life of this process.

    Every step of a training frees and asks for the same few hundred megabytes. By default glibc
    gives large blocks back at once, and the kernel then zeroes each page anew: a sixth of a step of
    a small network on a CPU. Returns whether the C library has such a switch.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    trim_threshold, mmap_threshold = -1, -3  # of malloc.h
    return bool(mallopt(mmap_threshold, 32 << 20) and mallopt(trim_threshold, 1 << 30))


def hardware(threads: int) -> dict[str, Any]:
    """Return the kind of machine: ``cpu``, ``cores``, ``threads``, ``ram_gib`` and ``gpu``.

    ``threads`` is the number that one run may use; ``gpu`` is the name of the device, or ``None``
    where runs use the CPU.
    """
    gpu = None
    torch = sys.modules.get("torch")  # a process that has not loaded torch has used no GPU
    if torch is not None and (device := pick_device()).type == "cuda":
        gpu = torch.cuda.get_device_name(device)
    return {
        "cpu": _cpu_name(),
        "cores": usable_cores(),
        "threads": int(threads),
        "ram_gib": _ram_gib(),
        "gpu": gpu,
    }


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].split())
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _ram_gib() -> float | None:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    return round(size / 2**30, 1)


def versions() -> dict[str, str | None]:
    """Return the versions of Python, torch, numpy, warp and this package."""
    installed: dict[str, str | None] = {"python": platform.python_version()}
    for name, distribution in (("torch", "torch"), ("numpy", "numpy"), ("warp", "warp-lang")):
        try:
            installed[name] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            installed[name] = None
    installed["mtl_helpers"] = mtl_helpers.__version__
    return installed


@functools.cache
def code_version() -> dict[str, Any]:
    """Return ``commit``, ``dirty`` and ``sources`` of the code that is running.

    ``sources`` is a hash of every Python file of the package. ``commit`` and ``dirty`` (whether
    the package differs from that commit) are ``None`` outside the project's own git tree.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py"), key=lambda item: item.as_posix()):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0")
        # line endings differ between checkouts of the same commit
        digest.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    version: dict[str, Any] = {"commit": None, "dirty": None, "sources": digest.hexdigest()[:16]}
    top = _git("rev-parse", "--show-toplevel")
    if top is not None and Path(top).resolve() == _PACKAGE.parent:
        version["commit"] = _git("rev-parse", "HEAD")
        version["dirty"] = bool(_git("status", "--porcelain", "--", _PACKAGE.name))
    return version


def _git(*arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(_PACKAGE.parent), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


# --- what is kept -------------------------------------------------------------------------------


def project_root() -> Path:
    """Return the checkout that this package was installed from, whatever the working directory.

    Where there is none (an installed wheel), it is the working directory.
    """
    checkout = _PACKAGE.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write that takes its name as a whole, once it is on the disk.

    The folder is made if needed. On an error nothing of it is left, and an older file of that name
    stays. The temporary name is always the same, so that what a killed process leaves is
    overwritten, not collected: one process at a time writes to one path.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        # a rename survives a power cut once its folder is on the disk, where folders can be synced
        with contextlib.suppress(OSError):
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise StorageError(
                f"The disk is full: {path.name} was not stored; free some space and run the same "
                "command again."
            ) from error
        raise StorageError(
            f"{path.name} could not be stored ({error.strerror}); make its folder writable and "
            "run the same command again."
        ) from error


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file through :func:`atomic_file`."""
    with atomic_file(path) as stream:
        stream.write(data)
