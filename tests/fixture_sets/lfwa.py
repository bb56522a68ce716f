"""LFWA with MATLAB files of both kinds; names have backslashes."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import scipy.io

from fixture_sets.files import write_picture
from mtl_helpers.datasets.celeba import ATTRIBUTES

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
