"""LFWA: CelebA's 40 attributes on the pictures of LFW (Liu et al., 2015).

The attributes come in a MATLAB file ``lfw_att_40.mat`` with ``AttrName`` (40 names), ``label``
(pictures by attributes, 0 or 1) and ``name`` (paths with backslashes), the official halves in
``indices_train_test.mat`` as ``indices_img_train`` and ``indices_img_test``, which count from 1.
MATLAB 7.3 writes HDF5, earlier versions a format of their own: both are read, the first with
``h5py``, the second with ``scipy.io.loadmat``. Neither can run code, and an HDF5 file that
points to other files is refused.

Labels mean what those of the rendered ``attributes`` corpus mean: one task per attribute, 0 for no
and 1 for yes; ``id`` is the folder of a person.

Note
----
Known from the files' readers and the papers: 13,143 pictures, of which about 6,263 train. Our
reading: pictures lie in ``lfw``, ``lfw_funneled`` or ``lfw-deepfunneled``; of 250 pixels, the
middle 75 % are taken, about as wide as CelebA's crop in inter-ocular distances. The labels of a
person contradict one another here and there (``Male`` in some pictures and not in others); they
are taken as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray

from mtl_helpers.datasets.adapter import Adapter
from mtl_helpers.datasets.celeba import ANSWERS, ATTRIBUTES
from mtl_helpers.datasets.source import Source
from mtl_helpers.datasets.table import PictureNames, SampleTable, number_identities
from mtl_helpers.datasets.tree import Tree

__all__ = ["ADAPTER"]

SOURCE = Source(
    name="lfwa",
    title="LFWA",
    url="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html (the group that labelled it)",
    licence="As CelebA's, as far as we know: non-commercial research only, not to be passed on.",
    layout="lfw/NAME/NAME_0001.jpg (or lfw_funneled, lfw-deepfunneled), lfw_att_40.mat and "
    "indices_train_test.mat",
    marks=("lfw_att_40.mat", "indices_train_test.mat"),
)

_FOLDERS = ("lfw", "lfw_funneled", "lfw-deepfunneled")
_ATTRIBUTES = "lfw_att_40.mat"
_INDICES = "indices_train_test.mat"
_MIDDLE = 0.75


def _read(tree: Tree, setting: str) -> SampleTable:
    pictures = tree.first_folder(*_FOLDERS)
    content = _read_mat(tree, _ATTRIBUTES, ("AttrName", "label", "name"))
    header = _texts(tree, _ATTRIBUTES, "AttrName", content["AttrName"])
    if sorted(header) != sorted(ATTRIBUTES):
        raise tree.error(
            f"Expected the names of the {len(ATTRIBUTES)} attributes in AttrName of "
            f"{_ATTRIBUTES}, found {len(header)} names that differ from them."
        )
    names = _texts(tree, _ATTRIBUTES, "name", content["name"])
    labels = _numbers(tree, _ATTRIBUTES, "label", content["label"])
    if labels.shape != (len(names), len(header)):
        raise tree.error(
            f"Expected label of {_ATTRIBUTES} to be {len(names)} pictures by {len(header)} "
            f"attributes, found {labels.shape}."
        )
    if not np.isin(labels, (0, 1)).all():
        raise tree.error(f"Expected 0 or 1 in label of {_ATTRIBUTES}, found other values.")

    present = tree.scan(pictures)
    by_name = PictureNames(present)
    files, people, places = [], [], set()
    for number, name in enumerate(names, start=1):
        where = f"name {number} of {_ATTRIBUTES}"
        inner = tree.inside(name, where)
        place = by_name.find(f"{pictures}/{inner}")
        if inner.count("/") != 1 or place in places:
            raise tree.error(
                f"Expected NAME\\NAME_0001.jpg, each once, as {where}, found {name!r}."
            )
        if place is None:
            raise tree.error(
                f"Expected the picture {pictures}/{inner}, which is {where}, found none."
            )
        places.add(place)
        files.append(present[place])
        people.append(inner.split("/")[0])

    splits = _splits(tree, len(files))
    groups = {name: {people[n] for n in numbers} for name, numbers in splits.items()}
    identity, identities = number_identities(
        people, groups["train"], groups["test"] - groups["train"]
    )
    return SampleTable(
        source=tree.source,
        files=tuple(files),
        identity=identity,
        identities=identities,
        labels={name: labels[:, header.index(name)] for name in ATTRIBUTES},
        class_names=dict.fromkeys(ATTRIBUTES, ANSWERS),
        splits=splits,
        middle=_MIDDLE,
    )


def _splits(tree: Tree, count: int) -> dict[str, NDArray[np.int64]]:
    """Return the official halves, counted from 0."""
    variables = {"train": "indices_img_train", "test": "indices_img_test"}
    content = _read_mat(tree, _INDICES, tuple(variables.values()))
    splits = {}
    for split, variable in variables.items():
        numbers = _numbers(tree, _INDICES, variable, content[variable]).reshape(-1)
        if not len(numbers) or numbers.min() < 1 or numbers.max() > count:
            raise tree.error(
                f"Expected pictures from 1 to {count} in {variable} of {_INDICES}, found "
                + (f"{numbers.min()} to {numbers.max()}." if len(numbers) else "none.")
            )
        splits[split] = np.sort(numbers) - 1
    pictures = np.concatenate(list(splits.values()))
    if len(np.unique(pictures)) < len(pictures):
        raise tree.error(
            f"Expected each picture once in indices_img_train and indices_img_test of {_INDICES}, "
            "found some twice."
        )
    return splits


# -- MATLAB files ---------------------------------------------------------------------------------


def _read_mat(tree: Tree, name: str, variables: tuple[str, ...]) -> dict[str, Any]:
    """Return variables of a MATLAB file: lists of text, or arrays as MATLAB indexes them."""
    path = tree.file(name, "MATLAB file")
    try:
        if h5py.is_hdf5(path):
            arrays = _read_hdf5(path, variables)
        else:
            arrays = scipy.io.loadmat(path, variable_names=list(variables))
    except Exception as error:  # whatever a reader of a damaged file meets
        raise tree.error(
            f"Expected a whole MATLAB file in {name}, found one that cannot be read ({error}); "
            "copy or download that file again."
        ) from error
    missing = [variable for variable in variables if variable not in arrays]
    if missing:
        raise tree.error(f"Expected {', '.join(missing)} in {name}, found no such variable.")
    return arrays


def _read_hdf5(path: Path, variables: tuple[str, ...]) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    with h5py.File(path, "r") as file:
        for variable in variables:
            link = file.get(variable, getlink=True)
            if link is None:
                continue
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"{variable} points to another place")
            data = file[variable]
            _check_own(data)
            if h5py.check_ref_dtype(data.dtype) is h5py.Reference:
                # a cell array: every entry refers to an array of UTF-16 codes
                arrays[variable] = [_text(file[ref]) for ref in data[()].reshape(-1)]
            else:
                arrays[variable] = data[()].T  # MATLAB stores columns first
    return arrays


def _text(data: h5py.Dataset) -> str:
    _check_own(data)
    return np.asarray(data[()], dtype="<u2").tobytes().decode("utf-16-le")


def _check_own(data: h5py.Dataset) -> None:
    """Refuse data that would be read from other files."""
    if data.external or data.is_virtual:
        raise ValueError(f"{data.name} lies in another file")


def _texts(tree: Tree, file: str, variable: str, values: Any) -> list[str]:
    """Return a cell array of text as a list."""
    flat = values if isinstance(values, list) else list(np.asarray(values).reshape(-1))
    texts = [str(v.reshape(-1)[0]) if isinstance(v, np.ndarray) and v.size else v for v in flat]
    if not all(isinstance(text, str) for text in texts):
        raise tree.error(f"Expected a cell array of text in {variable} of {file}.")
    return [str(text).strip() for text in texts]


def _numbers(tree: Tree, file: str, variable: str, values: Any) -> NDArray[np.int64]:
    """Return an array of whole numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all() or (array % 1 != 0).any():
        raise tree.error(f"Expected whole numbers in {variable} of {file}, found others.")
    return array.astype(np.int64)


ADAPTER = Adapter(source=SOURCE, read=_read)
