"""Small folders laid out as CaVI, WebCaricature, CelebA and LFWA are, with invented people.

Every builder returns the root that its adapter takes, and what it wrote, so that a test can check
the parser against it. The pictures are colour gradients with a patch whose colour is drawn from
the picture's own name: two pictures differ, and a picture can be told by its pixels.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from PIL import Image

ATTRIBUTES = (
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
)


def colour_of(name: str) -> tuple[int, int, int]:
    """Return the colour of the patch in the middle of the picture of this name."""
    code = zlib.crc32(name.encode())
    return tuple(40 + (code >> shift) % 176 for shift in (0, 8, 16))


def write_picture(path: Path, width: int = 40, height: int = 48) -> None:
    """Write a picture whose central patch has the colour of its file name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)[None, :]
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    pixels[..., 2] = 128
    top, left = height // 4, width // 4
    pixels[top : height - top, left : width - left] = colour_of(path.name)
    Image.fromarray(pixels).save(path, quality=95)


def truncate(path: Path) -> None:
    """Cut a file to its first half, as an interrupted download does."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


# -- CaVI --------------------------------------------------------------------------------------

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


# -- WebCaricature -----------------------------------------------------------------------------

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
    write_lines(restricted / "RestrictedView1_DevTrain.txt", web_pairs(people[:3]))
    write_lines(restricted / "RestrictedView1_DevTest.txt", web_pairs(people[3:]))
    blocks = [web_pairs(people[2 * fold : 2 * fold + 2]) for fold in range(folds)]
    write_lines(restricted / "RestrictedView2.txt", sum(blocks, []))

    unrestricted = verification / "UnRestricted"
    write_lines(unrestricted / "UnRestrictedView1_DevTrain.txt", web_subjects(people[:3]))
    write_lines(unrestricted / "UnRestrictedView1_DevTest.txt", web_subjects(people[3:]))
    blocks = [web_subjects(people[2 * fold : 2 * fold + 2]) for fold in range(folds)]
    write_lines(unrestricted / "UnRestrictedView2.txt", [str(folds), *sum(blocks, [])])

    for fold in ("_dev", *range(1, folds + 1)):
        split = 3 if fold == "_dev" else 2 + fold % 2
        write_lines(identification / f"FR_Train{fold}.txt", web_subjects(people[:split]))
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
                write_lines(path, [str(len(lines)), *lines])
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


def write_lines(path: Path, lines: list[str]) -> None:
    """Write lines that end as on Windows, some with a tab before the end, as the set's do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ends = [
        "\t\r\n" if "\t" in line and number % 3 == 0 else "\r\n"
        for number, line in enumerate(lines)
    ]
    path.write_bytes("".join(a + b for a, b in zip(lines, ends, strict=True)).encode())


# -- CelebA ------------------------------------------------------------------------------------


def celeba_values(count: int, seed: int = 0) -> np.ndarray:
    """Return attribute values (count, 40), -1 or 1."""
    return np.random.default_rng([seed, count]).choice([-1, 1], (count, len(ATTRIBUTES)))


def build_celeba(tmp: Path, count: int = 18, *, official: bool = True) -> Path:
    """Write CelebA's aligned pictures and its lists, in the official folders or in one.

    Identities come in threes, so that 18 pictures are of six people: four train, one each
    validates and tests.
    """
    root = tmp / "CelebA"
    names = [f"{number + 1:06d}.jpg" for number in range(count)]
    anno = root / "Anno" if official else root
    evaluation = root / "Eval" if official else root
    pictures = root / "Img" / "img_align_celeba" if official else root / "img_align_celeba"
    for folder in (anno, evaluation, pictures):
        folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_picture(pictures / name, 178, 218)
    values = celeba_values(count)
    rows = [
        f"{name} {' '.join(f'{v:2d}' for v in row)}"
        for name, row in zip(names, values, strict=True)
    ]
    (anno / "list_attr_celeba.txt").write_text(
        "\n".join([str(count), " ".join(ATTRIBUTES) + " ", *rows]) + "\n"
    )
    split = [
        0 if number < count * 2 // 3 else 1 if number < count * 5 // 6 else 2
        for number in range(count)
    ]
    (evaluation / "list_eval_partition.txt").write_text(
        "".join(f"{name} {part}\n" for name, part in zip(names, split, strict=True))
    )
    # Identity numbers of the set are neither dense nor in the order of the pictures.
    (anno / "identity_CelebA.txt").write_text(
        "".join(f"{name} {9000 - 7 * (number // 3)}\n" for number, name in enumerate(names))
    )
    header = (
        "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y "
        "leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
    )
    points = [
        f"{name}  69  {109 + n % 5}  106  113   77  142   73  152  108  154"
        for n, name in enumerate(names)
    ]
    (anno / "list_landmarks_align_celeba.txt").write_text(
        "\n".join([str(count), header, *points]) + "\n"
    )
    return root


# -- LFWA --------------------------------------------------------------------------------------

LFWA_PEOPLE = {"Ada_Quill": 3, "Bo_Reed": 1, "Cy_Dee": 4, "Elm_Marl": 2}


def lfwa_names() -> list[str]:
    """Return the pictures' names as the set writes them, with backslashes."""
    return [
        f"{name}\\{name}_{number:04d}.jpg"
        for name, count in LFWA_PEOPLE.items()
        for number in range(1, count + 1)
    ]


def lfwa_values() -> np.ndarray:
    """Return attribute values (10, 40), 0 or 1."""
    return np.random.default_rng(5).integers(0, 2, (len(lfwa_names()), len(ATTRIBUTES)))


LFWA_TRAIN = (1, 2, 3, 4)
LFWA_TEST = (5, 6, 7, 8, 9, 10)


def build_lfwa(tmp: Path, *, hdf5: bool = True, images: str = "lfw") -> Path:
    """Write LFW's pictures, ``lfw_att_40.mat`` and ``indices_train_test.mat``.

    As MATLAB 7.3 files (HDF5) or as older ones.
    """
    root = tmp / "LFWA"
    for name in lfwa_names():
        write_picture(root / images / Path(*name.split("\\")), 250, 250)
    attributes = {"AttrName": list(ATTRIBUTES), "label": lfwa_values(), "name": lfwa_names()}
    indices = {
        "indices_img_train": np.array(LFWA_TRAIN),
        "indices_img_test": np.array(LFWA_TEST),
        "indices_identity_train": np.array([1, 2]),
        "indices_identity_test": np.array([3, 4]),
    }
    write = write_mat_hdf5 if hdf5 else write_mat_old
    write(root / "lfw_att_40.mat", attributes)
    write(root / "indices_train_test.mat", indices)
    return root


def write_mat_hdf5(path: Path, values: dict) -> None:
    """Write arrays and lists of text as MATLAB 7.3 does: transposed, and text by reference."""
    with h5py.File(path, "w", userblock_size=512) as file:
        texts = file.create_group("#refs#")
        for key, value in values.items():
            if isinstance(value, list):
                cell = file.create_dataset(key, (1, len(value)), dtype=h5py.ref_dtype)
                cell.attrs["MATLAB_class"] = np.bytes_("cell")
                for place, text in enumerate(value):
                    codes = np.array([[ord(letter)] for letter in text], np.uint16)
                    item = texts.create_dataset(f"{key}{place}", data=codes)
                    item.attrs["MATLAB_class"] = np.bytes_("char")
                    cell[0, place] = item.ref
            else:
                array = np.atleast_2d(np.asarray(value, np.float64).T)
                file.create_dataset(key, data=array).attrs["MATLAB_class"] = np.bytes_("double")


def write_mat_old(path: Path, values: dict) -> None:
    """Write the same as a MATLAB 5 file."""
    plain = {}
    for key, value in values.items():
        if isinstance(value, list):
            plain[key] = np.array(value, dtype=object)[:, None]
        else:
            plain[key] = np.asarray(value, np.float64)
    scipy.io.savemat(path, plain)
