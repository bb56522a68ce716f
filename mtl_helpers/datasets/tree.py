"""The folder of a data set: paths that stay inside it, whatever its file system and its nesting."""

from __future__ import annotations

import os
import struct
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from mtl_helpers.datasets.lists import (
    Line,
    Place,
    Row,
    clean_path,
    is_below,
    parse_lines,
    parse_table,
)
from mtl_helpers.datasets.pictures import IMAGE_SUFFIXES, decode
from mtl_helpers.datasets.source import DatasetError, Source, folded, stem_of

__all__ = ["Tree"]

# What operating systems and their programs leave behind in folders of pictures; names that begin
# with a dot are left out too, among them macOS's ._1.jpg and .DS_Store.
_LITTER = frozenset(
    {
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
        *("__macosx", "icon\r", "@eadir", "#recycle", "lost+found", "picasa.ini"),
    }
)
# How deep in folders that hold nothing else the root is looked for.
_WRAPPERS = 3


class Tree:
    """The folder of a data set.

    Names are given and taken in Unicode's composed form with slashes. A name that is not there as
    it is written is looked for without regard to case and to the form of accents, with another
    ending of pictures, and in a folder within one of the same name; so a set that was copied from
    another system, converted, or unpacked by another program is the same set. If the root holds
    none of the source's marks but leads to one through folders that hold nothing else, that one is
    it.
    """

    def __init__(self, root: str | os.PathLike[str], source: Source) -> None:
        self.source = source
        given = Path(root).expanduser()
        if not given.is_dir():
            raise source.error(f"Expected the folder of {source.title} at {given}, found none.")
        self._listings: dict[str, dict[str, list[str]]] = {}
        self.root = given
        self.root = self._inside_wrappers(given)
        self.wrapper = self.root.relative_to(given).as_posix()
        self._real_root = self.root.resolve()
        self._sound_folders: set[str] = set()

    def error(self, what: str) -> DatasetError:
        """Return an error that also says what the set should look like and where it comes from."""
        return self.source.error(what)

    def _inside_wrappers(self, given: Path) -> Path:
        folder = given
        for _ in range(_WRAPPERS + 1):
            self._listings.clear()
            names = {folded(_composed(name)) for name, _ in self._entries(folder)}
            if not self.source.marks or names & {folded(mark) for mark in self.source.marks}:
                return folder
            inner = [name for name, is_folder in self._entries(folder) if is_folder]
            if len(inner) != 1:
                break
            folder = folder / inner[0]
        return given

    # -- paths ---------------------------------------------------------------------------------

    def inside(self, name: str, where: str = "A path") -> str:
        """Return a clean path below the root, which need not exist; ``where`` names it."""
        cleaned = clean_path(name)
        if not is_below(cleaned):
            raise self.error(f"{where}: expected a path below the root, found {name!r}.")
        return cleaned

    def path(self, name: str, where: str = "A path") -> Path:
        """Return where a file of the set lies; it need not exist.

        A path that would leave the root, directly or through a link, is refused.
        """
        path = self._actual(self.inside(name, where))
        folder = str(path.parent)
        if folder not in self._sound_folders:
            self._check_link(path.parent, name)
            self._sound_folders.add(folder)
        if path.is_symlink():
            self._check_link(path, name)
        return path

    def _actual(self, cleaned: str) -> Path:
        """Return the path as the file system spells it."""
        cleaned = _native(cleaned)
        direct = self.root / cleaned
        if os.path.lexists(direct):
            return direct
        path = self.root
        for part in cleaned.split("/"):
            spelt = self._spelt(path, part)
            if spelt is None:
                path = self._unnested(path)
                spelt = self._spelt(path, part)
            path = path / (spelt or part)
        return path

    def _unnested(self, folder: Path) -> Path:
        """Return a folder, or the one of its own name inside it, which some programs unpack to."""
        while folder != self.root and (folder / folder.name).is_dir():
            folder = folder / folder.name
        return folder

    def _spelt(self, folder: Path, name: str) -> str | None:
        """Return how a folder spells a name, if it has just one that could be meant."""
        if os.path.lexists(folder / name):
            return name
        if str(folder) not in self._listings:
            listing: dict[str, list[str]] = {}
            if folder.is_dir():
                for entry, _ in self._entries(folder):
                    for key in {folded(_composed(entry)), stem_of(_composed(entry))}:
                        listing.setdefault(key, []).append(entry)
            self._listings[str(folder)] = listing
        for key in (folded(_composed(name)), stem_of(_composed(name))):
            spellings = self._listings[str(folder)].get(key, [])
            if spellings:
                return spellings[0] if len(spellings) == 1 else None
        return None

    def _check_link(self, path: Path, name: str) -> None:
        try:
            target = path.resolve()
        except (OSError, RuntimeError):  # the latter up to Python 3.12
            raise self.error(f"{name} is a link that leads back to itself; delete it.") from None
        if not target.is_relative_to(self._real_root):
            raise self.error(
                f"{name} is, or lies behind, a link that leaves the root; copy the files in."
            )

    @contextmanager
    def _readable(self, path: Path) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise self.error(
                f"Expected to read {path}, found that its permissions forbid it; give yourself the "
                "right to read it."
            ) from error

    def file(self, name: str, what: str = "file") -> Path:
        """Return the path of a file that must be there; ``what`` says what it is."""
        path = self.path(name)
        if not path.is_file():
            raise self.error(f"Expected the {what} {name} in {self.root}, found none.")
        return path

    def folder(self, name: str, what: str = "folder") -> Path:
        """Return the path of a folder that must be there; as :meth:`file`."""
        path = self.path(name)
        if not path.is_dir():
            raise self.error(f"Expected the {what} {name} in {self.root}, found none.")
        return self._unnested(path)

    def first_folder(self, *names: str) -> str:
        """Return the first of several folders that is there."""
        for name in names:
            if self.path(name).is_dir():
                return name
        raise self.error(
            f"Expected the pictures in {self.root} in a folder {' or '.join(names)}, found none."
        )

    # -- what a folder holds -------------------------------------------------------------------

    def _entries(self, folder: Path) -> list[tuple[str, bool]]:
        """Return names as the file system spells them, without litter, and which are folders."""
        with self._readable(folder), os.scandir(folder) as entries:
            return [
                (entry.name, _is_folder(entry))
                for entry in entries
                if not entry.name.startswith(".") and entry.name.lower() not in _LITTER
            ]

    def subfolders(self, name: str = "") -> list[str]:
        """Return the names of the folders in a folder (the root when empty), sorted."""
        path = self.folder(name) if name else self.root
        prefix = f"{clean_path(name)}/" if name else ""
        names = sorted(_composed(entry) for entry, is_folder in self._entries(path) if is_folder)
        for folder in names:
            self.path(f"{prefix}{folder}/-")  # refuses a link that leaves the root
        return names

    def scan(
        self, name: str = "", suffixes: Sequence[str] = IMAGE_SUFFIXES, *, deep: bool = True
    ) -> list[str]:
        """Return the files of a folder (the root when empty), sorted, relative to the root.

        Kept are the endings ``suffixes``, in lower case; folders inside are looked into if
        ``deep``.
        """
        start = self.folder(name) if name else self.root
        files: list[str] = []
        waiting = [(start, f"{clean_path(name)}/" if name else "")]
        while waiting:
            folder, prefix = waiting.pop()
            for entry, is_folder in self._entries(folder):
                path, shown = folder / entry, prefix + _composed(entry)
                is_link = path.is_symlink()
                if is_link:
                    self._check_link(path, shown)
                if is_folder:
                    # a link to a folder above would be followed for ever
                    if deep and not is_link:
                        waiting.append((path, f"{shown}/"))
                elif entry.lower().endswith(tuple(suffixes)):
                    files.append(shown)
        return sorted(files)

    # -- lists and pictures --------------------------------------------------------------------

    def lines(self, name: str, what: str = "list") -> list[Line]:
        """Read a list: its lines that are not blank, at least one."""
        path = self.file(name, what)
        with self._readable(path):
            return parse_lines(path.read_bytes(), self.place(name), what)

    def place(self, file: str, number: int = 0) -> Place:
        """Return a place in one of the set's lists."""
        return Place(self.error, file, number)

    def table(self, name: str, columns: Sequence[str], what: str = "table") -> list[Row]:
        """Read a table with a header that has at least ``columns``, in any order."""
        return parse_table(self.lines(name, what), columns)

    def image(self, name: str, channels: int = 3) -> Image.Image:
        """Decode a picture: 1 channel for grey, 3 for RGB; as :func:`decode`."""
        path = self.path(name)
        try:
            with self._readable(path):
                return decode(path, channels)
        except FileNotFoundError:
            raise self.error(f"Expected the picture {name} in {self.root}, found none.") from None
        except (
            OSError,
            SyntaxError,
            ValueError,
            EOFError,
            struct.error,
            Image.DecompressionBombError,
        ) as error:
            raise self.error(
                f"Expected a whole picture in {name}, found one that does not decode ({error}); "
                "copy or download that file again."
            ) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _composed(name: str) -> str:
    """Return what the file system calls something as text, whatever the locale."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "surrogateescape"))


def _native(name: str) -> str:
    """Return a name as this locale gives it to the file system."""
    return os.fsdecode(name.encode("utf-8", "surrogateescape"))
