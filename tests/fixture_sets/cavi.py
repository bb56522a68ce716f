"""CaVI: folders and lists that differ in case, and paths with both kinds of slash."""

from __future__ import annotations

from pathlib import Path

from fixture_sets.files import write_picture

CAVI_PEOPLE = ("Ada_Quill", "bo_reed", "Cy-Dee_Marl", "Dr._Elm", "fen_O_hara")


def build_cavi(tmp: Path, pictures: int = 6) -> Path:
    """Write CaVI's folders, its list of identities and its two lists of pairs.

    One folder of caricatures is spelt in another case than its photos', and every folder holds a
    ``Thumbs.db``. Pictures 4 and 5 are the test pairs', 3 the validation pairs'.
    """
    root = tmp / "CaVINet"
    for name in CAVI_PEOPLE:
        for modality, letter in (("Caricature", "c"), ("Real", "r")):
            spelt = name.upper() if (name, letter) == ("bo_reed", "c") else name
            folder = root / "CaVI_Dataset" / modality / spelt
            for number in range(pictures):
                write_picture(folder / f"{spelt}_{letter}_{number}.jpg")
            (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0 no picture")
    lists = root / "train-test-files"
    lists.mkdir()
    (lists / "complete_identity_list.txt").write_text("\n".join(CAVI_PEOPLE))
    (lists / "validation.txt").write_text(cavi_pairs([3]))
    (lists / "testing_1.txt").write_text(cavi_pairs([4, 5]))
    return root


def cavi_pairs(numbers: list[int]) -> str:
    """Return the lines of a list: all same pairs of these pictures, then as many others."""
    lines = []
    for shift in (0, 1):
        for place, one in enumerate(CAVI_PEOPLE):
            other = CAVI_PEOPLE[(place + shift) % len(CAVI_PEOPLE)]
            lines += [cavi_pair(one, i, other, j) for i in numbers for j in numbers]
    return "\n".join(lines) + "\n"


def cavi_pair(one: str, i: int, other: str, j: int) -> str:
    """Return a line as CaVI writes it, with both kinds of slash."""
    return (
        f"{one} Caricature/{one}\\{one}_c_{i}.jpg {other} Real/{other}\\{other}_r_{j}.jpg "
        f"{int(one == other)}"
    )
