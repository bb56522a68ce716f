"""What is in the files: a hash of each file's bytes, remembered as long as the file is the same.

Names and sizes do not tell two sets apart: pictures of one shape all have one size in BMP, PGM and
PPM. So every byte is hashed once, and remembered in ``contents.sqlite`` in the cache by path, size,
times of change and inode. What is remembered is a help only: if it is damaged or cannot be
written, files are hashed again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from mtl_helpers.store import default_root

__all__ = ["digest_of", "file_digests"]

# A file that changed this short a time ago may change again without its time telling.
_SETTLED_NS = 2_000_000_000
# So many files are hashed without a bar.
_QUIET = 20_000


def digest_of(*parts: bytes) -> int:
    """Hash bytes to a number of 64 bits."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "little")


def file_digests(
    paths: Sequence[Path], error: Callable[[Path, OSError], Exception], cache: Path | None = None
) -> NDArray[np.uint64]:
    """Return the hash of each of N files, one of which may stand there more than once.

    ``error`` makes the exception for a file that cannot be read; hashes are remembered in
    ``cache``, by default ``contents.sqlite`` in the cache.
    """
    cache = default_root() / "contents.sqlite" if cache is None else cache
    names = [os.fsencode(os.path.abspath(path)) for path in paths]
    stamps: dict[bytes, str] = {}
    for name, path in zip(names, paths, strict=True):
        if name not in stamps:
            try:
                status = os.stat(name)
                if not stat.S_ISREG(status.st_mode):  # to read a pipe would last for ever
                    raise OSError(errno.EINVAL, "Not a regular file")
                stamps[name] = _stamp(status)
            except OSError as reason:
                raise error(path, reason) from reason
    remembered = _recall(cache, _common_prefix(list(stamps)))
    digests = {
        name: record[1]
        for name, stamp in stamps.items()
        if (record := remembered.get(name)) and record[0] == stamp
    }
    missing = [name for name in stamps if name not in digests]
    now = time.time_ns()
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        hashed = tqdm(
            pool.map(_hash_file, missing),
            total=len(missing),
            desc="Reading the files",
            disable=len(missing) < _QUIET,
        )
        for name, digest in zip(missing, hashed, strict=True):
            if isinstance(digest, OSError):
                raise error(Path(os.fsdecode(name)), digest) from digest
            digests[name] = digest
    settled = [n for n in missing if now - _changed(stamps[n]) > _SETTLED_NS]
    _remember(cache, ((n, stamps[n], digests[n].to_bytes(8, "little")) for n in settled))
    return np.array([digests[name] for name in names], dtype=np.uint64)


def _common_prefix(names: Sequence[bytes]) -> bytes:
    first, last = min(names), max(names)
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first if length is None else first[:length]


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns}"


def _changed(stamp: str) -> int:
    """Return when a file changed last: by its content's time or by its entry's, in ns."""
    return max(int(part) for part in stamp.split()[2:])


def _hash_file(name: bytes) -> int | OSError:
    try:
        with open(name, "rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8))
    except OSError as reason:
        return reason
    return int.from_bytes(digest.digest(), "little")


def _recall(cache: Path, prefix: bytes) -> dict[bytes, tuple[str, int]]:
    """Return what is remembered of the files whose paths begin so."""
    try:
        with closing(sqlite3.connect(f"{cache.absolute().as_uri()}?mode=ro", uri=True)) as base:
            rows = base.execute(
                "SELECT path, stamp, digest FROM contents WHERE path >= ? AND path < ?",
                (prefix, prefix + b"\xff"),
            )
            return {path: (stamp, int.from_bytes(d, "little")) for path, stamp, d in rows}
    except (sqlite3.Error, TypeError):  # a database of something else
        return {}


def _remember(cache: Path, rows: Iterable[tuple[bytes, str, bytes]]) -> None:
    for _ in range(2):
        try:
            cache.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(cache, timeout=30)) as base, base:
                base.execute(
                    "CREATE TABLE IF NOT EXISTS contents"
                    " (path BLOB PRIMARY KEY, stamp TEXT, digest BLOB)"
                )
                base.executemany("INSERT OR REPLACE INTO contents VALUES (?, ?, ?)", rows)
            return
        except sqlite3.OperationalError:  # locked for long, or a disk that cannot be written
            return
        except sqlite3.DatabaseError:  # damaged: it holds nothing that cannot be found again
            with suppress(OSError):
                cache.unlink(missing_ok=True)
        except OSError:
            return
