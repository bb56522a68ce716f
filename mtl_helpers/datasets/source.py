"""Where a data set comes from, and the error that says so."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from mtl_helpers.datasets.pictures import IMAGE_SUFFIXES
from mtl_helpers.errors import CourseError

__all__ = ["DatasetError", "Source", "folded", "stem_of"]


class DatasetError(CourseError):
    """A data set is not as its authors published it; the message names file and remedy."""


@dataclass(frozen=True)
class Source:
    """Where a data set comes from and what it should look like; part of every message.

    ``name`` is that of the adapter and of the option ``--data``, ``title`` what the set's authors
    call it, ``licence`` its terms in a sentence, ``layout`` what lies below the root. One of the
    ``marks``, files or folders, lies in the root: archives are often unpacked into a folder of
    their own, and with marks, the root is found inside it.
    """

    name: str
    title: str
    url: str
    licence: str
    layout: str
    marks: tuple[str, ...] = ()

    def error(self, what: str) -> DatasetError:
        """Return an error that also says what the set should look like and where it comes from."""
        text = f"{what} {self.title} should hold {self.layout}; it comes from {self.url}."
        # a file name that is no text must not break the terminal that shows the message
        return DatasetError(text.encode("utf-8", "backslashreplace").decode())


def folded(name: str) -> str:
    """Return what a name is on a file system that ignores case and the form of accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def stem_of(name: str) -> str:
    """Return a picture's folded name without its ending; other names folded."""
    stem, dot, suffix = folded(name).rpartition(".")
    return stem if f"{dot}{suffix}" in IMAGE_SUFFIXES else folded(name)
