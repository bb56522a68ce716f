"""How one data set is read, and what a record says of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mtl_helpers.datasets.contents import file_digests
from mtl_helpers.datasets.decode import DECODER_VERSION, load_faces
from mtl_helpers.datasets.faces import FaceCorpus
from mtl_helpers.datasets.source import Source
from mtl_helpers.datasets.table import SampleTable, with_listed_boxes
from mtl_helpers.datasets.tree import Tree

__all__ = ["Adapter", "RealSpec"]


@dataclass(frozen=True)
class Adapter:
    """How to read one data set.

    ``read`` parses folders and lists: it is called with the tree and one of the ``settings``, the
    ways to split the set, the usual one first; a set with one way has ``("default",)``.
    """

    source: Source
    read: Callable[[Tree, str], SampleTable]
    settings: tuple[str, ...] = ("default",)

    @property
    def name(self) -> str:
        """Short name: that of the option ``--data``."""
        return self.source.name

    def parse(self, root: str | os.PathLike[str], setting: str | None = None) -> SampleTable:
        """Parse the set's folders and lists; no picture is opened.

        Parameters
        ----------
        root
            The set's folder.
        setting
            One of the adapter's ``settings``; the usual one if absent.
        """
        setting = self.settings[0] if setting is None else setting
        if setting not in self.settings:
            known = ", ".join(self.settings)
            raise ValueError(f"{self.source.title} has no setting {setting!r}; choose: {known}.")
        tree = Tree(root, self.source)
        return with_listed_boxes(tree, self.read(tree, setting))

    def index(self, root: str | os.PathLike[str], setting: str | None = None) -> SampleTable:
        """Parse the set and hash its files, which takes a reading of them once; see :meth:`parse`.

        No picture is decoded.
        """
        table = self.parse(root, setting)
        tree = Tree(root, self.source)

        def unreadable(path: Path, reason: OSError) -> Exception:
            return self.source.error(
                f"Expected to read the picture {path.relative_to(tree.root)} in {tree.root}, found "
                f"that it cannot be read ({reason.strerror})."
            )

        paths = [tree.path(name) for name in table.files]
        return replace(table, contents=file_digests(paths, unreadable))

    def corpus(
        self,
        root: str | os.PathLike[str],
        side: int,
        channels: int,
        *,
        setting: str | None = None,
        cache: Path | None = None,
        progress: bool = True,
    ) -> FaceCorpus:
        """Parse and decode the set; see :meth:`index` and :func:`load_faces`."""
        table = self.index(root, setting)
        return load_faces(table, root, side, channels, cache=cache, progress=progress)


@dataclass(frozen=True)
class RealSpec:
    """What a record says of the real set behind it; never where the set lies.

    ``name`` is the adapter's, ``setting`` one of its settings, ``fingerprint`` the table's
    (:attr:`SampleTable.fingerprint`); ``tasks`` are those with at least two classes, ``"id"``
    first.
    """

    name: str
    setting: str
    fingerprint: str
    side: int
    channels: int
    tasks: tuple[str, ...]
    version: int = DECODER_VERSION
