"""WebCaricature with fewer folds than its ten: names with spaces, lines that end as on Windows,
numbers in scientific notation, tabs at the end of lines."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from fixture_sets.files import write_picture

WEB_PEOPLE = {
    # name: caricatures, photos
    "Ada Laurie Blue Quill": (3, 4),
    "Bo Reed": (2, 3),
    "Cy Dee-Marl": (4, 2),
    "Elm": (1, 3),
    "Fen O'Hara": (2, 2),
    "Gus J. Pike": (3, 2),
}


def web_landmarks(name: str, picture: str) -> np.ndarray:
    """Return the (17, 2) landmarks that the tree holds for a picture."""
    rng = np.random.default_rng(zlib.crc32(f"{name}/{picture}".encode()))
    return np.stack([rng.uniform(8, 32, 17), rng.uniform(8, 40, 17)], axis=1)


def build_webcaricature(tmp: Path, folds: int = 3) -> Path:
    """Write WebCaricature's folders, landmarks and protocols, with fewer folds than its ten.

    Names hold spaces, lines end as on Windows, and some numbers are in scientific notation.
    """
    root = tmp / "WebCaricature"
    for name, counts in WEB_PEOPLE.items():
        for letter, count in zip("CP", counts, strict=True):
            for number in range(1, count + 1):
                picture = f"{letter}{number:05d}"
                write_picture(root / "OriginalImages" / name / f"{picture}.jpg")
                points = root / "FacialPoints" / name / f"{picture}.txt"
                points.parent.mkdir(parents=True, exist_ok=True)
                lines = [f"{x:.7e} {y:.4f}" for x, y in web_landmarks(name, picture)]
                points.write_bytes("".join(f"{line}\r\n" for line in lines).encode())
        (root / "OriginalImages" / name / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    people = list(WEB_PEOPLE)
    verification = root / "EvaluationProtocols" / "FaceVerification"
    identification = root / "EvaluationProtocols" / "FaceIdentification"

    restricted = verification / "Restricted"
    write_web_lines(restricted / "RestrictedView1_DevTrain.txt", web_pairs(people[:3]))
    write_web_lines(restricted / "RestrictedView1_DevTest.txt", web_pairs(people[3:]))
    blocks = [web_pairs(people[2 * fold : 2 * fold + 2]) for fold in range(folds)]
    write_web_lines(restricted / "RestrictedView2.txt", sum(blocks, []))

    unrestricted = verification / "UnRestricted"
    write_web_lines(unrestricted / "UnRestrictedView1_DevTrain.txt", web_subjects(people[:3]))
    write_web_lines(unrestricted / "UnRestrictedView1_DevTest.txt", web_subjects(people[3:]))
    blocks = [web_subjects(people[2 * fold : 2 * fold + 2]) for fold in range(folds)]
    write_web_lines(unrestricted / "UnRestrictedView2.txt", [str(folds), *sum(blocks, [])])

    for fold in ("_dev", *range(1, folds + 1)):
        split = 3 if fold == "_dev" else 2 + fold % 2
        write_web_lines(identification / f"FR_Train{fold}.txt", web_subjects(people[:split]))
        for protocol, gallery_letter, probe_letter in (("C2P", "P", "C"), ("P2C", "C", "P")):
            counts = "CP".index(probe_letter)
            gallery = [f"{name}\t{gallery_letter}00001" for name in people[split:]]
            probes = [
                f"{name}\t{probe_letter}{number:05d}"
                for name in people[split:]
                for number in range(1, WEB_PEOPLE[name][counts] + 1)
            ]
            for kind, lines in (("Gallery", gallery), ("Probe", probes)):
                path = identification / protocol / f"FR_{kind}_{protocol}{fold}.txt"
                write_web_lines(path, [str(len(lines)), *lines])
    return root


def web_pairs(people: list[str]) -> list[str]:
    """Return a block of the restricted protocol: a count, the same pairs, as many others."""
    same = [f"{name}\tC00001\tP00002" for name in people]
    other = [
        f"{one}\tC00001\t{two}\tP00001"
        for one, two in zip(people, people[1:] + people[:1], strict=True)
    ]
    return [str(len(people)), *same, *other]


def web_subjects(people: list[str]) -> list[str]:
    """Return a block of the unrestricted protocol: a count, then name and numbers of pictures."""
    lines = [f"{name}\t{WEB_PEOPLE[name][0]}\t{WEB_PEOPLE[name][1]}" for name in people]
    return [str(len(people)), *lines]


def write_web_lines(path: Path, lines: list[str]) -> None:
    """Write lines that end as on Windows, some with a tab before the end, as the set's do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ends = [
        "\t\r\n" if "\t" in line and number % 3 == 0 else "\r\n"
        for number, line in enumerate(lines)
    ]
    path.write_bytes("".join(a + b for a, b in zip(lines, ends, strict=True)).encode())
