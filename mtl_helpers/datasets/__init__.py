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
from mtl_helpers.datasets.files import DatasetError
from mtl_helpers.datasets.schema import Adapter, FaceCorpus, RealSpec, SampleTable

__all__ = [
    "DATASETS",
    "DatasetError",
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
    """Return the adapter of a set.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    try:
        return DATASETS[name]
    except KeyError:
        known = ", ".join(DATASETS)
        raise ValueError(f"Unknown data set {name!r}; choose one of: {known}.") from None


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of the chosen set.

    Parameters
    ----------
    root
        The folder; ``MTL_DATA_ROOT`` if absent.

    Raises
    ------
    DatasetError
        If neither is given.
    """
    found = root or os.environ.get("MTL_DATA_ROOT")
    if not found:
        raise DatasetError(
            "A real set was asked for, but not where it lies: give --root or set MTL_DATA_ROOT to "
            "its folder."
        )
    return Path(found).expanduser().absolute()


def real_spec(
    name: str,
    side: int,
    channels: int,
    *,
    setting: str | None = None,
    root: str | os.PathLike[str] | None = None,
) -> RealSpec:
    """Return what identifies a real set in configurations and records.

    The set's lists are parsed for it, its pictures are not decoded.

    Parameters
    ----------
    name
        Of the adapter.
    side, channels
        Of the pictures to decode.
    setting
        One of the adapter's settings; the usual one if absent.
    root
        The set's folder; ``MTL_DATA_ROOT`` if absent.

    Raises
    ------
    DatasetError
        If the set is missing or malformed.
    ValueError
        If there is no such set or setting.
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

    Parameters
    ----------
    spec
        From :func:`real_spec`.
    root
        The set's folder; ``MTL_DATA_ROOT`` if absent.
    progress
        Whether to show a bar while decoding.

    Raises
    ------
    DatasetError
        If the folder holds other pictures or lists than the specification was made from.
    """
    adapter, place = get_adapter(spec.name), data_root(root)
    table = _index(spec.name, place, spec.setting)
    if table.fingerprint != spec.fingerprint:
        raise DatasetError(
            f"Expected {adapter.source.title} as it was when the run was configured (fingerprint "
            f"{spec.fingerprint}), found {table.fingerprint}: pictures or lists have changed; "
            "restore them or start the sweep anew."
        )
    return adapter.open(table, place, spec.side, spec.channels, progress=progress)


def chosen_data(side: int, channels: int) -> RealSpec | None:
    """Return the set that the environment chooses, or None: then the course renders its own.

    Parameters
    ----------
    side, channels
        Of the pictures to decode, as the preset says.

    Raises
    ------
    DatasetError
        If ``MTL_DATA`` is set and the set is missing or malformed.
    ValueError
        If ``MTL_DATA`` names no set.
    """
    name = os.environ.get("MTL_DATA")
    if not name:
        return None
    return real_spec(name, side, channels, setting=os.environ.get("MTL_DATA_SETTING") or None)


@functools.lru_cache(maxsize=4)
def _index(name: str, root: Path, setting: str) -> SampleTable:
    # Parsed once a process: every run of a sweep asks for it, and a large set takes seconds.
    return get_adapter(name).index(root, setting)
