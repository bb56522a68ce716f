"""Lines and tables of somebody else's lists, which know where they stand."""

from __future__ import annotations

import codecs
import csv
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mtl_helpers.datasets.source import DatasetError

__all__ = ["Line", "Place", "Row", "clean_path", "parse_lines", "parse_table"]

# What begins a text that a Windows program saved as "Unicode".
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def clean_path(text: str) -> str:
    """Return a path out of a list with slashes only, no empty or ``.`` parts, in Unicode's NFC.

    ``text`` may have backslashes, doubled slashes and a leading ``./``; spaces are kept.
    """
    text = unicodedata.normalize("NFC", text.strip()).replace("\\", "/")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    return ("/" if text.startswith("/") else "") + "/".join(parts)


@dataclass(frozen=True)
class Place:
    """Where something stands: a list and, unless it is 0, the number of a line.

    ``error`` makes the exception; it adds what the set should look like.
    """

    error_of: Callable[[str], DatasetError]
    file: str
    number: int = 0

    @property
    def words(self) -> str:
        """E.g. ``pairs.txt, line 3``."""
        return f"{self.file}, line {self.number}" if self.number else self.file

    def refuse(self, expected: str, found: str) -> DatasetError:
        """Return an error that names the place."""
        return self.error_of(f"{self.words}: expected {expected}, found {found}.")


@dataclass(frozen=True)
class Line:
    """A line of a list, without surrounding blanks."""

    place: Place
    text: str

    @property
    def number(self) -> int:
        """From 1."""
        return self.place.number

    def error(self, expected: str) -> DatasetError:
        """Return an error that names file and line and shows what stands there."""
        shown = self.text if len(self.text) <= 80 else self.text[:77] + "..."
        return self.place.refuse(expected, repr(shown))

    def fields(
        self, count: int | Sequence[int], expected: str, separator: str | None = None
    ) -> list[str]:
        """Split the line into as many fields as ``count`` allows, none of them empty.

        ``separator`` stands between fields, any blanks when None; fields lose surrounding blanks.
        ``expected`` says what the line should hold.
        """
        parts = [part.strip() for part in self.text.split(separator)]
        allowed = (count,) if isinstance(count, int) else tuple(count)
        if len(parts) not in allowed or not all(parts):
            raise self.error(expected)
        return parts

    def integer(self, text: str, what: str, low: int | None = None, high: int | None = None) -> int:
        """Read a field as a whole number from ``low`` to ``high``; ``what`` says what it is."""
        try:
            number = int(text)
        except ValueError:
            raise self.error(f"a whole number as {what}") from None
        if (low is not None and number < low) or (high is not None and number > high):
            ends = f"from {low}" + ("" if high is None else f" to {high}")
            raise self.error(f"{what} {ends}")
        return number

    def finite(self, text: str, what: str) -> float:
        """Read a field as a finite number."""
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            raise self.error(f"a number as {what}")
        return value

    def path(self, text: str) -> str:
        """Return a field as a clean path below the root, which need not exist."""
        cleaned = clean_path(text)
        if not is_below(cleaned):
            raise self.place.refuse("a path below the root", repr(text))
        return cleaned


def is_below(cleaned: str) -> bool:
    """Whether a clean path is relative and stays below the root."""
    parts = cleaned.split("/")
    drive = len(parts[0]) > 1 and parts[0][1] == ":" and parts[0][0].isalpha()
    return bool(cleaned) and not (
        cleaned.startswith("/") or drive or ".." in parts or "\0" in cleaned
    )


@dataclass(frozen=True)
class Row:
    """A row of a table with a header; cells have no surrounding blanks and may be empty."""

    line: Line
    cells: dict[str, str]

    def integer(self, column: str, low: int | None = None, high: int | None = None) -> int:
        """Read a whole number; as :meth:`Line.integer`."""
        return self.line.integer(self.cells[column], column, low, high)

    def optional(self, column: str) -> float:
        """Read a number; NaN where the cell is empty."""
        text = self.cells[column]
        return float("nan") if not text else self.line.finite(text, column)


def parse_lines(raw: bytes, place: Place, what: str) -> list[Line]:
    """Return the lines that are not blank, at least one.

    UTF-8 with or without a mark, or UTF-16 with one; lines end as on any system.
    """
    if raw.startswith(_UTF16):
        try:
            raw = raw.decode("utf-16").encode()
        except UnicodeDecodeError:
            raise place.refuse("text in UTF-16", "a file that breaks off") from None
    lines = []
    for number, data in enumerate(raw.removeprefix(codecs.BOM_UTF8).splitlines(), start=1):
        here = Place(place.error_of, place.file, number)
        try:
            text = unicodedata.normalize("NFC", data.decode()).strip()
        except UnicodeDecodeError:
            raise here.refuse("text in UTF-8", repr(data[:40])) from None
        if text:
            lines.append(Line(here, text))
    if not lines:
        raise place.error_of(f"Expected lines in the {what} {place.file}, found it empty.")
    return lines


def parse_table(lines: Sequence[Line], columns: Sequence[str]) -> list[Row]:
    """Return the rows of a table; its header has at least ``columns``, in any order.

    Cells are parted by commas, or by semicolons or tabs, as spreadsheets write in some countries.
    """
    for delimiter in ",;\t":
        header = _cells(lines[0], delimiter)
        if set(columns) <= set(header):
            break
    if not set(columns) <= set(header) or len(set(header)) < len(header):
        raise lines[0].error(f"a header with each of the columns {', '.join(columns)} once")
    rows = []
    for line in lines[1:]:
        cells = _cells(line, delimiter)
        if len(cells) != len(header):
            raise line.error(f"{len(header)} cells as in the header")
        rows.append(Row(line, dict(zip(header, cells, strict=True))))
    return rows


def _cells(line: Line, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line.text], delimiter=delimiter))]
    except csv.Error:
        raise line.error("cells of a table") from None
