"""Reading somebody else's folders: lists, paths and pictures, checked before they are used.

Everything below a data set's root was written by others. A list names its file and line when it
is malformed, a path that would leave the root is refused, and a picture that does not decode is
named together with the place where the set can be had again.
"""

from __future__ import annotations

import csv
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mtl_helpers.errors import CourseError

__all__ = ["IMAGE_SUFFIXES", "DatasetError", "Line", "Row", "Source", "Tree", "clean_name"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm")

# What operating systems leave behind in folders of pictures.
_LITTER = frozenset({"thumbs.db", ".ds_store", "desktop.ini", "__macosx"})


class DatasetError(CourseError):
    """A data set is not as its authors published it; the message names file and remedy."""


@dataclass(frozen=True)
class Source:
    """Where a data set comes from and what it should look like; part of every message.

    Parameters
    ----------
    name
        Short name: that of the adapter and of the option ``--data``.
    title
        What its authors call it.
    url
        Where to get it.
    licence
        Its terms in a sentence.
    layout
        What lies below the root, in a line or two.
    """

    name: str
    title: str
    url: str
    licence: str
    layout: str


def clean_name(text: str) -> str:
    """Return a path out of a list with slashes only and no empty or ``.`` parts.

    Parameters
    ----------
    text
        May have backslashes, doubled slashes and a leading ``./``; spaces are kept.
    """
    parts = [part for part in text.strip().replace("\\", "/").split("/") if part not in ("", ".")]
    lead = "/" if text.strip().startswith(("/", "\\")) else ""
    return lead + "/".join(parts)


@dataclass(frozen=True)
class Line:
    """A line of a list, which knows where it stands.

    Attributes
    ----------
    tree : Tree
        The data set.
    file : str
        The list, relative to the root.
    number : int
        From 1.
    text : str
        Without surrounding blanks.
    """

    tree: Tree
    file: str
    number: int
    text: str

    def error(self, expected: str) -> DatasetError:
        """Return an error that names file and line.

        Parameters
        ----------
        expected
            What should stand here, e.g. ``"a name and two numbers"``.
        """
        shown = self.text if len(self.text) <= 80 else self.text[:77] + "..."
        return self.tree.error(
            f"{self.file}, line {self.number}: expected {expected}, found {shown!r}."
        )

    def fields(
        self, count: int | Sequence[int], expected: str, separator: str | None = None
    ) -> list[str]:
        """Split the line.

        Parameters
        ----------
        count
            How many fields there must be, or the numbers that are allowed.
        expected
            What the line should hold, for the message.
        separator
            Between fields; any blanks when None. Fields lose surrounding blanks.

        Raises
        ------
        DatasetError
            If there are more or fewer fields, or one is empty.
        """
        parts = [part.strip() for part in self.text.split(separator)]
        allowed = (count,) if isinstance(count, int) else tuple(count)
        if len(parts) not in allowed or not all(parts):
            raise self.error(expected)
        return parts

    def integer(self, text: str, what: str, low: int | None = None, high: int | None = None) -> int:
        """Read a whole number.

        Parameters
        ----------
        text
            A field of this line.
        what
            What the number is, for the message.
        low, high
            Smallest and largest allowed value.

        Raises
        ------
        DatasetError
            If it is no whole number, or out of range.
        """
        try:
            number = int(text)
        except ValueError:
            raise self.error(f"a whole number as {what}") from None
        if (low is not None and number < low) or (high is not None and number > high):
            ends = f"from {low}" + ("" if high is None else f" to {high}")
            raise self.error(f"{what} {ends}")
        return number

    def number_of(self, text: str, what: str) -> float:
        """Read a finite number.

        Raises
        ------
        DatasetError
            If it is none.
        """
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            raise self.error(f"a number as {what}")
        return value

    def path(self, text: str) -> str:
        """Return a path of this line as a clean path below the root, which need not exist.

        Raises
        ------
        DatasetError
            If it would leave the root.
        """
        return self.tree.inside(text, f"{self.file}, line {self.number}")


@dataclass(frozen=True)
class Row:
    """A row of a table with a header.

    Attributes
    ----------
    line : Line
        Where it stands.
    cells : dict of str to str
        By column name; cells have no surrounding blanks and may be empty.
    """

    line: Line
    cells: dict[str, str]

    def integer(self, column: str, low: int | None = None, high: int | None = None) -> int:
        """Read a whole number; as :meth:`Line.integer`."""
        return self.line.integer(self.cells[column], column, low, high)

    def optional_number(self, column: str) -> float:
        """Read a number; NaN where the cell is empty.

        Raises
        ------
        DatasetError
            If it is neither.
        """
        text = self.cells[column]
        return float("nan") if not text else self.line.number_of(text, column)


class Tree:
    """The folder of a data set.

    Parameters
    ----------
    root
        The folder.
    source
        What it should be.

    Raises
    ------
    DatasetError
        If the root is no folder.
    """

    def __init__(self, root: str | os.PathLike[str], source: Source) -> None:
        self.root = Path(root).expanduser()
        self.source = source
        if not self.root.is_dir():
            raise self.error(f"Expected the folder of {source.title} at {self.root}, found none.")
        self._real_root = self.root.resolve()
        self._sound_folders: set[str] = set()

    def error(self, what: str) -> DatasetError:
        """Return an error that also says what the set should look like and where it comes from.

        Parameters
        ----------
        what
            A sentence: what was expected where, and what was found.
        """
        source = self.source
        return DatasetError(
            f"{what} {source.title} should hold {source.layout}; it comes from {source.url}."
        )

    # -- paths ---------------------------------------------------------------------------------

    def inside(self, name: str, where: str = "A path") -> str:
        """Return a clean path below the root, which need not exist.

        Parameters
        ----------
        name
            Relative; may have backslashes.
        where
            What names it, for the message.

        Raises
        ------
        DatasetError
            If it is empty, absolute, has a drive, or has a part ``..``.
        """
        cleaned = clean_name(name)
        parts = cleaned.split("/")
        drive = len(parts[0]) > 1 and parts[0][1] == ":" and parts[0][0].isalpha()
        if not cleaned or cleaned.startswith("/") or drive or ".." in parts or "\0" in cleaned:
            raise self.error(f"{where}: expected a path below the root, found {name!r}.")
        return cleaned

    def path(self, name: str, where: str = "A path") -> Path:
        """Return where a file of the set lies; it need not exist.

        Parameters
        ----------
        name, where
            As for :meth:`inside`.

        Raises
        ------
        DatasetError
            If it would leave the root, directly or through a link.
        """
        cleaned = self.inside(name, where)
        found = self.root / cleaned
        folder, _, _ = cleaned.rpartition("/")
        if folder not in self._sound_folders:
            self._check_link(found.parent, cleaned)
            self._sound_folders.add(folder)
        if found.is_symlink():
            self._check_link(found, cleaned)
        return found

    def _check_link(self, path: Path, name: str) -> None:
        if not path.resolve().is_relative_to(self._real_root):
            raise self.error(
                f"{name} is, or lies behind, a link that leaves the root; copy the files in."
            )

    def file(self, name: str, what: str = "file") -> Path:
        """Return the path of a file that must be there.

        Parameters
        ----------
        name
            As for :meth:`inside`.
        what
            What the file is, for the message.

        Raises
        ------
        DatasetError
            If it is missing or leaves the root.
        """
        path = self.path(name)
        if not path.is_file():
            raise self.error(f"Expected the {what} {name} in {self.root}, found none.")
        return path

    def folder(self, name: str, what: str = "folder") -> Path:
        """Return the path of a folder that must be there; as :meth:`file`."""
        path = self.path(name)
        if not path.is_dir():
            raise self.error(f"Expected the {what} {name} in {self.root}, found none.")
        return path

    def subfolders(self, name: str = "") -> list[str]:
        """Return the names of the folders in a folder, sorted, without litter.

        Parameters
        ----------
        name
            A folder below the root; the root itself when empty.
        """
        path = self.folder(name) if name else self.root
        prefix = f"{clean_name(name)}/" if name else ""
        with os.scandir(path) as entries:
            found = sorted(entry.name for entry in entries if _is_kept(entry) and entry.is_dir())
        for folder in found:
            self.path(f"{prefix}{folder}/-")  # refuses a link that leaves the root
        return found

    def scan(
        self, name: str = "", suffixes: Sequence[str] = IMAGE_SUFFIXES, *, deep: bool = True
    ) -> dict[str, int]:
        """Return the files of a folder with their sizes.

        Parameters
        ----------
        name
            A folder below the root; the root itself when empty.
        suffixes
            Lower-case endings to keep.
        deep
            Whether to look into its folders too.

        Returns
        -------
        dict of str to int
            Size in bytes by path relative to the root with slashes, sorted by path; ``Thumbs.db``
            and other litter is left out.

        Raises
        ------
        DatasetError
            If the folder is missing or a link leaves the root.
        """
        start = self.folder(name) if name else self.root
        found: dict[str, int] = {}
        waiting = [(start, f"{clean_name(name)}/" if name else "")]
        while waiting:
            folder, prefix = waiting.pop()
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not _is_kept(entry):
                        continue
                    if entry.is_symlink():
                        self._check_link(Path(entry.path), prefix + entry.name)
                    if entry.is_dir():
                        # a link to a folder above would be followed for ever
                        if deep and not entry.is_symlink():
                            waiting.append((Path(entry.path), f"{prefix}{entry.name}/"))
                    elif entry.name.lower().endswith(tuple(suffixes)):
                        found[prefix + entry.name] = entry.stat().st_size
        return dict(sorted(found.items()))

    def size(self, name: str, where: str | None = None) -> int:
        """Return the size in bytes of a file that must be there.

        Parameters
        ----------
        name
            Below the root.
        where
            What names it, e.g. ``"pairs.txt, line 3"``.

        Raises
        ------
        DatasetError
            If it is missing or leaves the root.
        """
        path = self.path(name, where or "A path")
        try:
            return path.stat().st_size
        except OSError:
            lead = f"{where}: expected" if where else "Expected"
            raise self.error(f"{lead} the file {name} in {self.root}, found none.") from None

    # -- lists ---------------------------------------------------------------------------------

    def lines(self, name: str, what: str = "list", *, encoding: str = "utf-8-sig") -> list[Line]:
        """Read a list.

        Parameters
        ----------
        name
            The file, below the root.
        what
            What it is, for the message.
        encoding
            Of the text.

        Returns
        -------
        list of Line
            Those that are not blank, at least one.

        Raises
        ------
        DatasetError
            If the file is missing, empty, or no text.
        """
        raw = self.file(name, what).read_bytes()
        lines: list[Line] = []
        for number, data in enumerate(raw.splitlines(), start=1):
            try:
                text = data.decode(encoding if number == 1 else encoding.removesuffix("-sig"))
            except UnicodeDecodeError:
                raise Line(self, name, number, repr(data[:40])).error(
                    f"text in {encoding.removesuffix('-sig').upper()}"
                ) from None
            if text.strip():
                lines.append(Line(self, name, number, text.strip()))
        if not lines:
            raise self.error(f"Expected lines in the {what} {name}, found it empty.")
        return lines

    def table(self, name: str, columns: Sequence[str], what: str = "table") -> list[Row]:
        """Read a table with commas and a header; columns may stand in any order.

        Parameters
        ----------
        name
            The file, below the root.
        columns
            Columns that must be there; others are kept.
        what
            What the table is, for the message.

        Raises
        ------
        DatasetError
            If the file is missing or empty, a column is missing or there twice, or a row has more
            or fewer cells than the header.
        """
        lines = self.lines(name, what)
        header = [cell.strip() for cell in next(csv.reader([lines[0].text]))]
        missing = [column for column in columns if column not in header]
        if missing or len(set(header)) < len(header):
            raise lines[0].error(f"a header with each of the columns {', '.join(columns)} once")
        rows = []
        for line in lines[1:]:
            cells = [cell.strip() for cell in next(csv.reader([line.text]))]
            if len(cells) != len(header):
                raise line.error(f"{len(header)} cells as in the header")
            rows.append(Row(line, dict(zip(header, cells, strict=True))))
        return rows

    # -- pictures ------------------------------------------------------------------------------

    def image(self, name: str, channels: Literal[1, 3] | int = 3) -> Image.Image:
        """Decode a picture.

        Parameters
        ----------
        name
            Below the root.
        channels
            1 for grey, 3 for RGB.

        Raises
        ------
        DatasetError
            If it is missing, leaves the root, or does not decode to the end.
        """
        path = self.path(name)
        try:
            with Image.open(path) as picture:
                picture.load()
                return picture.convert("L" if channels == 1 else "RGB")
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

    def pixels(self, name: str, channels: Literal[1, 3] | int = 3) -> NDArray[np.uint8]:
        """Decode a picture to an array (H, W) or (H, W, 3); as :meth:`image`."""
        return np.asarray(self.image(name, channels), dtype=np.uint8)


def _is_kept(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.name.lower() not in _LITTER
