"""Real sets of faces: one adapter each, and the choice of one by name and folder.

A set is chosen by argument, or by the environment: ``MTL_DATA`` names it, ``MTL_DATA_ROOT`` is its
folder and ``MTL_DATA_SETTING`` one of its settings. Where nothing is chosen, the course uses its
rendered corpora.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

from mtl_helpers.datasets import (
    casia_webface,
    cavi,
    celeba,
    cfp,
    ijba,
    lfw,
    lfwa,
    multipie,
    webcaricature,
)
from mtl_helpers.datasets.adapter import Adapter, RealSpec
from mtl_helpers.datasets.decode import load_faces
from mtl_helpers.datasets.faces import FaceCorpus
from mtl_helpers.datasets.source import DatasetError
from mtl_helpers.datasets.table import SampleTable

__all__ = [
    "DATASETS",
    "DatasetError",
    "FaceCorpus",
    "RealSpec",
    "chosen_data",
    "data_root",
    "get_adapter",
    "open_real",
    "real_spec",
]

_ADAPTERS: tuple[Adapter, ...] = (
    multipie.ADAPTER,
    casia_webface.ADAPTER,
    lfw.ADAPTER,
    cfp.ADAPTER,
    ijba.ADAPTER,
    cavi.ADAPTER,
    webcaricature.ADAPTER,
    celeba.ADAPTER,
    lfwa.ADAPTER,
)

DATASETS: dict[str, Adapter] = {adapter.name: adapter for adapter in _ADAPTERS}
"""The adapters by name."""


def get_adapter(name: str) -> Adapter:
    """Return the adapter of a set."""
    try:
        return DATASETS[name]
    except KeyError:
        known = ", ".join(DATASETS)
        raise ValueError(f"Unknown data set {name!r}; choose one of: {known}.") from None


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of the chosen set: ``root``, or ``MTL_DATA_ROOT`` if absent."""
    folder = root or os.environ.get("MTL_DATA_ROOT")
    if not folder:
        raise DatasetError(
            "A real set was asked for, but not where it lies: give --root or set MTL_DATA_ROOT to "
            "its folder."
        )
    return Path(folder).expanduser().absolute()


def real_spec(
    name: str,
    side: int,
    channels: int,
    *,
    setting: str | None = None,
    root: str | os.PathLike[str] | None = None,
) -> RealSpec:
    """Return what identifies a real set in configurations and records.

    The set's lists are parsed and its files are hashed for it; its pictures, of ``side`` pixels,
    are not decoded. ``setting`` is the adapter's usual one, and ``root`` ``MTL_DATA_ROOT``, if
    absent.
    """
    adapter = get_adapter(name)
    setting = adapter.settings[0] if setting is None else setting
    table = _index(name, data_root(root), setting)
    tasks = ("id", *(task for task, names in table.class_names.items() if len(names) > 1))
    return RealSpec(
        name=name,
        setting=setting,
        fingerprint=table.fingerprint,
        side=side,
        channels=channels,
        tasks=tasks,
    )


def open_real(
    spec: RealSpec,
    *,
    root: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> FaceCorpus:
    """Open the set of a specification, decoding it into the cache if need be.

    A folder that holds other pictures or lists than the specification was made from is refused.
    ``root`` is the set's folder, ``MTL_DATA_ROOT`` if absent.
    """
    adapter, place = get_adapter(spec.name), data_root(root)
    table = _index(spec.name, place, spec.setting)
    if table.fingerprint != spec.fingerprint:
        raise DatasetError(
            f"Expected {adapter.source.title} as it was when the run was configured (fingerprint "
            f"{spec.fingerprint}), found {table.fingerprint}: pictures or lists have changed; "
            "restore them or start the sweep anew."
        )
    return load_faces(table, place, spec.side, spec.channels, progress=progress)


def chosen_data(side: int, channels: int) -> RealSpec | None:
    """Return the set that the environment chooses, or None: then the course renders its own.

    ``side`` and ``channels`` are those of the pictures to decode, as the preset says.
    """
    name = os.environ.get("MTL_DATA")
    if not name:
        return None
    return real_spec(name, side, channels, setting=os.environ.get("MTL_DATA_SETTING") or None)


@functools.lru_cache(maxsize=4)
def _index(name: str, root: Path, setting: str) -> SampleTable:
    # Parsed once per process: every run of a sweep asks for it, and a large set takes seconds.
    return get_adapter(name).index(root, setting)
