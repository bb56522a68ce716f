"""Small folders laid out as real sets are, with invented people; a module per set.

:data:`CASES` has one of each for the properties that every adapter must have. Pictures depend on
their names alone: two differ, and one can be told by its pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fixture_sets.casia_webface import casia_tree
from fixture_sets.cavi import build_cavi
from fixture_sets.celeba import build_celeba
from fixture_sets.cfp import cfp_tree
from fixture_sets.ijba import ijba_tree
from fixture_sets.lfw import lfw_tree
from fixture_sets.lfwa import build_lfwa
from fixture_sets.multipie import multipie_tree
from fixture_sets.webcaricature import build_webcaricature
from mtl_helpers.datasets import DATASETS, FaceCorpus, cavi, cfp, ijba, lfw, webcaricature

__all__ = ["CASES", "Case"]


@dataclass(frozen=True)
class Case:
    """A set's folder, one of its pictures, and all that is read of its lists."""

    build: Callable[[Path], Path]
    picture: str
    protocols: tuple[Callable[[Path], object], ...] = ()
    several_faces: str = ""
    """A file that shows several people."""

    def read(self, name: str, root: Path) -> list[object]:
        """Index the set and read its protocols."""
        return [DATASETS[name].index(root), *(protocol(root) for protocol in self.protocols)]

    def decode(self, name: str, root: Path, cache: Path, side: int = 12) -> FaceCorpus:
        """Decode the set in grey."""
        return DATASETS[name].corpus(root, side, 1, cache=cache, progress=False)


def small_multipie(root: Path) -> Path:
    """Multi-PIE with two subjects and two cameras."""
    return multipie_tree(root, subjects=(1, 201), cameras=("05_1", "20_0"), shots=(7,), absent=())


CASES = {
    "multipie": Case(small_multipie, "session02/multiview/001/03/05_1/001_02_03_051_07.png"),
    "casia_webface": Case(casia_tree, "0000045/002.jpg"),
    "lfw": Case(
        lfw_tree,
        "lfw_funneled/Bo Derek/Bo Derek_0002.jpg",
        (
            lfw.pairs,
            lambda root: lfw.pairs(root, "dev-train"),
            lambda root: lfw.pairs(root, "dev-test"),
        ),
    ),
    "cfp": Case(
        cfp_tree,
        "Data/Images/002/profile/01.jpg",
        (lambda root: cfp.pairs(root, "FF"), lambda root: cfp.pairs(root, "FP")),
    ),
    "ijba": Case(
        ijba_tree,
        "images/img/6.jpg",
        (ijba.verification, ijba.search),
        several_faces="images/img/5.jpg",
    ),
    "cavi": Case(
        build_cavi,
        "CaVI_Dataset/Real/Dr._Elm/Dr._Elm_r_2.jpg",
        (lambda root: cavi.pairs(root, "validation"), lambda root: cavi.pairs(root, "test")),
    ),
    "webcaricature": Case(
        build_webcaricature,
        "OriginalImages/Fen O'Hara/P00002.jpg",
        (webcaricature.restricted_pairs, webcaricature.unrestricted_pairs),
    ),
    "celeba": Case(build_celeba, "Img/img_align_celeba/000004.jpg"),
    "lfwa": Case(build_lfwa, "lfw/Cy_Dee/Cy_Dee_0003.jpg"),
}
