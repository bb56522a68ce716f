"""A store of large arrays that is built once, in parallel, and memory-mapped ever after.

A store is one directory: an ``.npy`` file for each field and a ``manifest.json`` with the
specification and a checksum for each part. A *part* is the unit of work (for the face corpora:
one identity); every file holds the parts one after the other.

What can go wrong, and what holds:

- **Killed in mid-build.** Workers write each part at its place in files under a hidden building
  directory, then append the part's checksums to a journal. The directory gets its final name only
  when every part is there, so nothing half-written is ever read; a later build checks the
  journalled parts against their bytes and makes only the rest.
- **Two builders.** A lock of the operating system (it dies with its holder) is held while
  building. The second builder says that it waits, and then uses the result.
- **Damage.** The manifest seals itself, and every byte of every file falls under a CRC-32 that is
  checked when the store is opened. ``zlib.crc32`` runs at about 2 GB/s on one core, so that the
  whole check costs about half a second per gigabyte, less than a slower hash would.
  CRC-32 finds every error burst up to 32 bits; it is no protection against forgery.
- **Another specification.** The directory name holds the version and a hash of the specification,
  and the manifest repeats both; a directory of another specification is refused. Whoever builds a
  store may take over what its :class:`Relatives` already hold.
- **Left-overs.** An unfinished build that can never be gone on with (a later version is built, or
  nobody touched it for a month) is removed by the next build of the same name.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import mmap
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from filelock import FileLock, Timeout
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tqdm.auto import tqdm

from mtl_helpers.errors import CourseError
from mtl_helpers.machine import DISK_FULL, usable_cores, write_atomic

__all__ = [
    "CacheError",
    "Field",
    "Layout",
    "Relatives",
    "Store",
    "default_root",
    "fingerprint",
    "load_store",
]

MakePart = Callable[[int], Mapping[str, np.ndarray]]
DiskUsage = Callable[[Path], Any]

_FORMAT = 1
_AT_ONCE = 64  # parts that are checked before their memory is let go
_MANIFEST = "manifest.json"
_JOURNAL = "journal"
# Room left for the manifest, the file system's own blocks and whoever else writes meanwhile.
_DISK_MARGIN = 64 * 2**20
# An unfinished build that nobody touched for so long is not gone on with.
_ABANDONED_S = 30 * 24 * 3600


class CacheError(CourseError):
    """The cache cannot be written, or what lies in it cannot be trusted."""


def default_root() -> Path:
    """Return the directory that holds all stores.

    ``MTL_CACHE`` if set, else ``mtl_helpers`` under ``XDG_CACHE_HOME``, else under ``~/.cache``.
    """
    folder = os.environ.get("MTL_CACHE")
    if folder:
        return Path(folder).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mtl_helpers"


def fingerprint(value: Any) -> str:
    """Hash a JSON value: 16 hexadecimal digits, the same in every process and on every machine.

    Parameters
    ----------
    value
        Anything that JSON can hold; tuples count as lists and the order of keys does not matter.
    """
    return hashlib.sha256(_canonical(value)).hexdigest()[:16]


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


@dataclass(frozen=True)
class Field:
    """One array of a store.

    Parameters
    ----------
    name
        File name without ``.npy``.
    shape
        Shape of one part; the whole array has the number of parts in front.
    dtype
        A numpy type name such as ``"uint8"``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def part_bytes(self) -> int:
        """Bytes of one part."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Layout:
    """What a store holds.

    Parameters
    ----------
    name
        Name of the kind of store, for example ``"pie"``.
    version
        Raised whenever the same specification would give other bytes.
    spec
        The JSON-like mapping from which every byte follows.
    parts
        Number of parts.
    fields
        The arrays.
    part_name
        What a part is called in messages.
    """

    name: str
    version: int
    spec: Mapping[str, Any]
    parts: int
    fields: tuple[Field, ...]
    part_name: str = "part"

    @cached_property
    def fingerprint(self) -> str:
        """Hash of name, version and specification."""
        return fingerprint({"name": self.name, "version": self.version, "spec": dict(self.spec)})

    @property
    def directory_name(self) -> str:
        """Name of the store's directory under the root."""
        return f"{self.name}-v{self.version}-{self.fingerprint}"

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays together."""
        return self.parts * sum(field.part_bytes for field in self.fields)

    def header(self, field: Field) -> bytes:
        """Return the ``.npy`` header that stands before the data of a field."""
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            buffer,
            {
                "descr": np.lib.format.dtype_to_descr(np.dtype(field.dtype)),
                "fortran_order": False,
                "shape": (self.parts, *field.shape),
            },
        )
        return buffer.getvalue()

    def file_bytes(self, field: Field) -> int:
        """Size of a field's file."""
        return len(self.header(field)) + self.parts * field.part_bytes


class Store:
    """The arrays of a finished store, memory-mapped and read-only.

    Parameters
    ----------
    directory
        Where the store lies.
    layout
        What it must hold.
    verify
        Whether to check every checksum now (see :meth:`verify`).

    Attributes
    ----------
    arrays : dict of str to numpy.ndarray
        By field name, each of shape ``(parts, *field.shape)``.

    Raises
    ------
    CacheError
        If the directory holds another specification, is not whole, or is damaged.
    """

    def __init__(self, directory: Path, layout: Layout, *, verify: bool = True) -> None:
        self.directory = directory
        self.layout = layout
        self._checksums = _read_manifest(directory, layout)
        for field in layout.fields:
            path = directory / f"{field.name}.npy"
            size = path.stat().st_size if path.exists() else 0
            if size != layout.file_bytes(field):
                raise CacheError(
                    f"{path} should have {layout.file_bytes(field):,} bytes but has {size:,}; "
                    f"{_remedy(directory)}"
                )
        self.arrays = _mapped(directory, layout)
        if verify:
            self.verify()

    def verify(self) -> None:
        """Check every byte of every array.

        Raises
        ------
        CacheError
            If a byte is not what was written, naming the file and the parts.
        """
        damaged = self.damaged()
        if damaged:
            name, parts = next(iter(damaged.items()))
            shown = ", ".join(str(part) for part in parts[:5]) + (", ..." if parts[5:] else "")
            what = f"{self.layout.part_name} {shown}" if parts else "the header"
            raise CacheError(
                f"{self.directory / name}.npy is damaged: the checksum of {what} is not the one "
                f"that was stored; {_remedy(self.directory)}"
            )

    def damaged(self) -> dict[str, list[int]]:
        """Return the numbers of the damaged parts by field; an empty list is a damaged header."""
        damaged_parts: dict[str, list[int]] = {}
        # crc32 lets go of the interpreter lock, so threads really run side by side.
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            for field in self.layout.fields:
                array = self.arrays[field.name]
                expected = self._checksums[field.name]
                bad = []
                for start in range(0, len(array), _AT_ONCE):
                    actual = pool.map(zlib.crc32, array[start : start + _AT_ONCE])
                    bad += [k for k, crc in enumerate(actual, start) if crc != expected[k]]
                    release_pages(array)
                header = self.layout.header(field)
                with (self.directory / f"{field.name}.npy").open("rb") as file:
                    sound_header = file.read(len(header)) == header
                if bad or not sound_header:
                    damaged_parts[field.name] = bad
        return damaged_parts


def load_store(
    layout: Layout,
    make_part: MakePart,
    *,
    root: Path | None = None,
    processes: int | None = None,
    progress: bool = True,
    verify: bool = True,
    repair: bool = False,
    check: Callable[[Mapping[str, np.ndarray]], None] | None = None,
    disk_usage: DiskUsage = shutil.disk_usage,
    say: Callable[[str], None] | None = None,
) -> Store:
    """Open a store, building it first if it is not there.

    Parameters
    ----------
    layout
        What the store holds.
    make_part
        Called with a part number, returns that part's arrays by field name, each of the field's
        shape and type. It must give the same bytes whenever it is called, and it is sent to
        worker processes, so it must pickle.
    root
        Directory of all stores; :func:`default_root` if absent.
    processes
        Worker processes of a build, one thread each; one per available core if absent, none (the
        parts are made in this process) if 1.
    progress
        Whether to show a progress bar and messages.
    verify
        Whether to check all checksums of a store that is already there.
    repair
        Whether to mend a damaged store by making its damaged parts anew, instead of raising.
    check
        Called with the arrays when every part of a build is there; if it raises, the store is not
        finished, and its parts are kept.
    disk_usage
        Stand-in for :func:`shutil.disk_usage`.
    say
        Where messages go: standard error if absent.

    Raises
    ------
    CacheError
        If the root cannot be written, the disk is too small, a worker died, or the store that is
        there is damaged or of another specification.
    """
    root = default_root() if root is None else Path(root)
    directory = root / layout.directory_name
    if say is None:
        say = _say if progress else _silence

    def opened(verify: bool) -> Store | None:
        try:
            return Store(directory, layout, verify=verify) if directory.exists() else None
        except CacheError:
            if not repair:
                raise
            return None

    # No lock for a store that is there: it may lie on a disk that this user cannot write.
    store = opened(verify)
    if store is not None:
        return store
    _require_writable(root)
    with _builder_lock(root / f".{layout.directory_name}.lock", layout, say):
        store = opened(verify)
        if store is not None:
            return store
        _build(root, layout, make_part, processes, progress, check, disk_usage, say)
        _discard_leftovers(root, layout, say)
    return Store(directory, layout, verify=False)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _silence(message: str) -> None:
    pass


def _remedy(directory: Path) -> str:
    return f"delete {directory} and run again to build it anew, or load it with repair=True."


def _mapped(directory: Path, layout: Layout) -> dict[str, np.ndarray]:
    """Map every field, read-only."""
    arrays = {}
    for field in layout.fields:
        mapped = np.memmap(
            directory / f"{field.name}.npy",
            dtype=field.dtype,
            mode="r",
            offset=len(layout.header(field)),
            shape=(layout.parts, *field.shape),
        )
        # A plain view: fancy indexing of np.memmap itself is slower and returns np.memmap.
        arrays[field.name] = mapped.view(np.ndarray)
    return arrays


def release_pages(array: np.ndarray) -> None:
    """Let go of the memory of the pages that were read through a memory map, if it is one.

    Pages of a read-only map count as memory of whoever touched them, so that a process that looks
    at every picture once would seem to need the whole corpus. What can be written to is left alone,
    since a change that no file has would be lost.
    """
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        if isinstance(base, np.ndarray) and base.flags.writeable:
            return
        base = getattr(base, "base", None)
    if base is not None and hasattr(base, "madvise"):
        base.madvise(mmap.MADV_DONTNEED)


# -- relatives and left-overs -----------------------------------------------------------------


class Relatives(Sequence[tuple[Mapping[str, np.ndarray], Sequence[int]]]):
    """Other stores of the same name, version and fields, whole or unfinished.

    Each is given as its arrays and the numbers of the parts whose bytes are what was written.
    Damaged ones, and those that another process is building now, are left out.

    Parameters
    ----------
    layout
        Of the store that is to be built.
    root
        Directory of all stores; :func:`default_root` if absent.
    """

    def __init__(self, layout: Layout, root: Path | None = None) -> None:
        root = default_root() if root is None else Path(root)
        self._found: list[tuple[Mapping[str, np.ndarray], Sequence[int]]] = []
        self._unfinished: dict[int, Path] = {}
        family = f"{layout.name}-v{layout.version}-*"
        for directory in sorted(root.glob(family)):
            if directory.name != layout.directory_name:
                self._add_finished(directory, layout)
        for building in sorted(root.glob(f".{family}.building")):
            if building.name != f".{layout.directory_name}.building":
                self._add_unfinished(building, layout)

    @overload
    def __getitem__(self, index: int) -> tuple[Mapping[str, np.ndarray], Sequence[int]]: ...

    @overload
    def __getitem__(
        self, index: slice
    ) -> Sequence[tuple[Mapping[str, np.ndarray], Sequence[int]]]: ...

    def __getitem__(self, index: Any) -> Any:
        """Return arrays and sound parts of a store."""
        return self._found[index]

    def __len__(self) -> int:
        """Return the number of stores."""
        return len(self._found)

    def discard_unfinished(self, index: int) -> None:
        """Remove a store if it is an unfinished one that nobody is building."""
        building = self._unfinished.get(index)
        if building is not None:
            with _idle(building) as idle:
                if idle:
                    shutil.rmtree(building, ignore_errors=True)

    def _add_finished(self, directory: Path, layout: Layout) -> None:
        try:
            body = json.loads((directory / _MANIFEST).read_text(encoding="utf-8"))
            own = replace(layout, spec=body["spec"], parts=body["parts"])
            if own.directory_name == directory.name:
                self._found.append((Store(directory, own).arrays, range(own.parts)))
        except (CacheError, OSError, ValueError, KeyError, TypeError):
            pass

    def _add_unfinished(self, building: Path, layout: Layout) -> None:
        with _idle(building) as idle:
            if not idle:
                return
            try:
                first = np.load(building / f"{layout.fields[0].name}.npy", mmap_mode="r")
                own = replace(layout, spec={}, parts=len(first))
                sizes = [(building / f"{f.name}.npy").stat().st_size for f in own.fields]
                if sizes == [own.file_bytes(f) for f in own.fields]:
                    parts = sorted(_sound_parts(building, own))
                    self._unfinished[len(self._found)] = building
                    self._found.append((_mapped(building, own), parts))
            except (OSError, ValueError, EOFError):
                pass


@contextmanager
def _idle(building: Path) -> Iterator[bool]:
    """Hold the lock of an unfinished build; False if another process builds it now."""
    lock = FileLock(building.parent / f"{building.name.removesuffix('.building')}.lock")
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _discard_leftovers(root: Path, layout: Layout, say: Callable[[str], None]) -> None:
    """Remove unfinished builds of this name that nobody will go on with."""
    pattern = re.compile(rf"\.{re.escape(layout.name)}-v(\d+)-[0-9a-f]{{16}}\.building")
    for building in root.glob(".*.building"):
        match = pattern.fullmatch(building.name)
        if not match or building.name == f".{layout.directory_name}.building":
            continue
        newest = max(
            (path.stat().st_mtime for path in building.iterdir()), default=building.stat().st_mtime
        )
        if int(match[1]) >= layout.version and time.time() - newest < _ABANDONED_S:
            continue
        with _idle(building) as idle:
            if idle:
                shutil.rmtree(building, ignore_errors=True)
                say(f"Removed {building}, which an interrupted build had left.")


# -- manifest ---------------------------------------------------------------------------------


def _manifest_body(layout: Layout, checksums: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "name": layout.name,
        "version": layout.version,
        "spec": dict(layout.spec),
        "parts": layout.parts,
        "part_name": layout.part_name,
        "fields": [[field.name, list(field.shape), field.dtype] for field in layout.fields],
        "checksums": {name: list(crcs) for name, crcs in checksums.items()},
    }


def _write_manifest(
    directory: Path, layout: Layout, checksums: Mapping[str, Sequence[int]]
) -> None:
    body = _manifest_body(layout, checksums)
    sealed = {**body, "seal": zlib.crc32(_canonical(body))}
    text = json.dumps(sealed, indent=1, sort_keys=True)
    write_atomic(directory / _MANIFEST, text.encode())


def _read_manifest(directory: Path, layout: Layout) -> dict[str, list[int]]:
    path = directory / _MANIFEST
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        seal = body.pop("seal")
        sound = seal == zlib.crc32(_canonical(body))
    except (OSError, ValueError, AttributeError, KeyError) as error:
        raise CacheError(
            f"{path} should describe the {layout.name} store but cannot be read "
            f"({type(error).__name__}); {_remedy(directory)}"
        ) from error
    if not sound:
        raise CacheError(f"{path} is damaged: its seal does not fit; {_remedy(directory)}")
    # Through JSON and back, so that tuples compare equal to lists.
    expected_body = json.loads(_canonical(_manifest_body(layout, {})))
    for key in expected_body:
        if key == "checksums" or body.get(key) == expected_body[key]:
            continue
        expected, found = expected_body[key], body.get(key)
        if isinstance(expected, dict) and isinstance(found, dict):
            names = sorted(expected.keys() | found.keys())
            key = next(name for name in names if expected.get(name) != found.get(name))
            expected, found = expected.get(key), found.get(key)
        raise CacheError(
            f"{directory} holds a store of another specification: expected {key} = {expected!r}, "
            f"found {found!r}; {_remedy(directory)}"
        )
    return body["checksums"]


# -- building ---------------------------------------------------------------------------------


def _require_writable(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        if error.errno in DISK_FULL:
            raise CacheError(
                f"The disk that holds the cache directory {root} is full; free some space, or set "
                "MTL_CACHE to a directory on another disk."
            ) from error
        raise CacheError(
            f"The cache directory {root} cannot be written ({error.strerror or error}); set "
            "MTL_CACHE to a directory that you may write."
        ) from error


@contextmanager
def _builder_lock(path: Path, layout: Layout, say: Callable[[str], None]) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"Another process is building {layout.directory_name}; waiting for it to finish.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _build(
    root: Path,
    layout: Layout,
    make_part: MakePart,
    processes: int | None,
    progress: bool,
    check: Callable[[Mapping[str, np.ndarray]], None] | None,
    disk_usage: DiskUsage,
    say: Callable[[str], None],
) -> None:
    final = root / layout.directory_name
    building = root / f".{layout.directory_name}.building"
    if final.exists():
        _reopen_for_repair(final, building, layout)
    building.mkdir(exist_ok=True)
    _require_space(root, building, layout, disk_usage)
    try:
        for field in layout.fields:
            _allocate(building, layout, field)
        finished = _sound_parts(building, layout)
        pending = [part for part in range(layout.parts) if part not in finished]
        if finished and pending:
            say(
                f"Going on with {layout.directory_name}: {len(finished)} of {layout.parts} parts "
                "are already there."
            )
        started = time.monotonic()
        bar = tqdm(
            total=layout.parts,
            initial=len(finished),
            desc=f"Building {layout.name}",
            unit=f" {layout.part_name}",
            disable=not progress,
        )
        with bar:
            write = _PartWriter(building, layout, make_part, os.getpid())
            for part, checksums in _run(write, pending, processes):
                finished[part] = checksums
                bar.update()
        if check is not None:
            check(_mapped(building, layout))
        columns = {
            field.name: [finished[part][field.name] for part in range(layout.parts)]
            for field in layout.fields
        }
        for field in layout.fields:
            with (building / f"{field.name}.npy").open("r+b") as file:
                os.fsync(file.fileno())
        _write_manifest(building, layout, columns)
        (building / _JOURNAL).unlink(missing_ok=True)
        building.rename(final)
    except TerminatedWorkerError as error:
        raise CacheError(
            "A worker process died while building (most often for want of memory); what was "
            "finished is kept: run again to go on, with fewer processes."
        ) from error
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise CacheError(
            f"The disk that holds {root} became full while building; what was finished is kept: "
            "free some space and run again, or set MTL_CACHE to a directory on another disk."
        ) from error
    if pending:
        say(f"Built {final.name} in {time.monotonic() - started:.0f} s.")


def _require_space(root: Path, building: Path, layout: Layout, disk_usage: DiskUsage) -> None:
    allocated = sum(
        min(path.stat().st_size, getattr(path.stat(), "st_blocks", 0) * 512)
        for path in building.glob("*.npy")
    )
    needed = layout.nbytes - min(allocated, layout.nbytes) + _DISK_MARGIN
    free = disk_usage(root).free
    if free < needed:
        raise CacheError(
            f"Building {layout.directory_name} needs {needed / 1e9:.2f} GB under {root} but only "
            f"{free / 1e9:.2f} GB are free; free some space, choose a smaller preset, or set "
            "MTL_CACHE to a directory on another disk."
        )


def _allocate(building: Path, layout: Layout, field: Field) -> None:
    """Make a field's file at its full size, so that a full disk shows before the work starts."""
    path = building / f"{field.name}.npy"
    header, size = layout.header(field), layout.file_bytes(field)
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.write(header)
        file.truncate(size)
        file.flush()
        if hasattr(os, "posix_fallocate") and size:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                    raise


def _sound_parts(building: Path, layout: Layout) -> dict[int, dict[str, int]]:
    """Return the checksums of the journalled parts whose bytes agree with them.

    The journal is rewritten to hold just these, so that a line torn by a kill cannot spoil the
    line that is appended after it.
    """
    journal = building / _JOURNAL
    lines = journal.read_bytes().splitlines() if journal.exists() else []
    sound: dict[int, dict[str, int]] = {}
    for part, checksums in filter(None, map(_parse_line, lines)):
        if part < layout.parts and checksums == {
            field.name: zlib.crc32(_read_part(building, layout, field, part))
            for field in layout.fields
        }:
            sound[part] = checksums
    fresh = building / f"{_JOURNAL}.new"
    fresh.write_bytes(b"".join(_line(part, crcs) for part, crcs in sound.items()))
    fresh.replace(journal)
    return sound


def _reopen_for_repair(final: Path, building: Path, layout: Layout) -> None:
    """Turn a damaged store back into an unfinished one whose journal lists every part."""
    try:
        checksums = _read_manifest(final, layout)
    except CacheError:
        checksums = {}
    if building.exists():
        shutil.rmtree(building)
    final.rename(building)
    parts = range(layout.parts) if checksums else ()
    (building / _JOURNAL).write_bytes(
        b"".join(
            _line(part, {name: crcs[part] for name, crcs in checksums.items()}) for part in parts
        )
    )
    (building / _MANIFEST).unlink(missing_ok=True)


def _read_part(building: Path, layout: Layout, field: Field, part: int) -> bytes:
    with (building / f"{field.name}.npy").open("rb") as file:
        file.seek(len(layout.header(field)) + part * field.part_bytes)
        return file.read(field.part_bytes)


def _line(part: int, checksums: Mapping[str, int]) -> bytes:
    body = _canonical([part, dict(checksums)])
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _parse_line(line: bytes) -> tuple[int, dict[str, int]] | None:
    seal, _, body = line.partition(b" ")
    if seal != b"%08x" % zlib.crc32(body):
        return None
    part, checksums = json.loads(body)
    return part, checksums


def _run(
    write: _PartWriter, pending: Sequence[int], processes: int | None
) -> Iterable[tuple[int, dict[str, int]]]:
    processes = min(usable_cores() if processes is None else processes, len(pending))
    if processes <= 1:
        yield from map(write, pending)
        return
    try:
        with parallel_config(backend="loky", inner_max_num_threads=1):
            results = Parallel(
                n_jobs=processes, batch_size=1, return_as="generator_unordered", max_nbytes=None
            )(delayed(write)(part) for part in pending)
            yield from results
    finally:
        # Idle workers would keep their memory (torch, the renderer's modules) for minutes.
        get_reusable_executor().shutdown(wait=True, kill_workers=True)


@dataclass(frozen=True)
class _PartWriter:
    """Makes one part, writes it in place, journals it. Runs in the worker processes."""

    building: Path
    layout: Layout
    make_part: MakePart
    builder: int

    def __call__(self, part: int) -> tuple[int, dict[str, int]]:
        if os.getpid() != self.builder:
            _end_with(self.builder)
        arrays = self.make_part(part)
        checksums = {}
        for field in self.layout.fields:
            array = np.ascontiguousarray(arrays[field.name])
            if array.shape != field.shape or array.dtype != np.dtype(field.dtype):
                raise ValueError(
                    f"{self.layout.part_name} {part}: expected {field.name} of shape "
                    f"{field.shape} and type {field.dtype}, got {array.shape} and {array.dtype}."
                )
            # Plain writes, not a mapping: a full disk is then an error and not a signal.
            with (self.building / f"{field.name}.npy").open("r+b", buffering=0) as file:
                file.seek(len(self.layout.header(field)) + part * field.part_bytes)
                _write_all(file, array.data.cast("B"))
            checksums[field.name] = zlib.crc32(array.data)
        # One write to a file opened for appending: lines of several workers do not mix.
        with (self.building / _JOURNAL).open("ab", buffering=0) as journal:
            journal.write(_line(part, checksums))
        return part, checksums


def _write_all(file: io.FileIO, data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]


_watching = False


def _end_with(builder: int) -> None:
    """End this worker as soon as its builder is gone.

    The lock dies with the builder, and no orphan may write beside the one that resumes.
    """
    global _watching
    if _watching:
        return
    _watching = True

    def watch() -> None:
        while os.getppid() == builder:
            time.sleep(0.05)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
