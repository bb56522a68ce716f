"""The registry of sets, and the choice of one by name, folder and environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fixture_sets.casia_webface import casia_tree

from mtl_helpers.datasets import (
    DATASETS,
    DatasetError,
    chosen_data,
    get_adapter,
    open_real,
    real_spec,
)
from mtl_helpers.runs.config import config_dict


def test_adapters_have_their_names_and_say_origin_and_licence():
    for name, adapter in DATASETS.items():
        assert adapter.name == name and adapter.settings
        source = adapter.source
        assert "http" in source.url and source.licence.endswith(".") and len(source.layout) > 20
    with pytest.raises(ValueError, match="Unknown data set 'multypie'; choose one of: multipie"):
        get_adapter("multypie")


def test_the_environment_chooses_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("MTL_DATA", "MTL_DATA_ROOT", "MTL_DATA_SETTING"):
        monkeypatch.delenv(name, raising=False)
    assert chosen_data(16, 1) is None
    monkeypatch.setenv("MTL_DATA", "casia_webface")
    with pytest.raises(DatasetError, match="set MTL_DATA_ROOT"):
        chosen_data(16, 1)
    monkeypatch.setenv("MTL_DATA_ROOT", str(casia_tree(tmp_path / "casia")))
    monkeypatch.setenv("MTL_DATA_SETTING", "tune")
    monkeypatch.setenv("MTL_CACHE", str(tmp_path / "cache"))
    spec = chosen_data(16, 1)
    assert (spec.name, spec.setting, spec.tasks) == ("casia_webface", "tune", ("id",))
    assert open_real(spec, progress=False).images.shape == (10, 16, 16)
    # what a record would hold says nothing of the place
    assert str(tmp_path) not in json.dumps(config_dict(spec))
    monkeypatch.setenv("MTL_DATA_SETTING", "nonsense")
    with pytest.raises(ValueError, match="no setting 'nonsense'; choose: all, tune"):
        chosen_data(16, 1)


def test_a_set_that_has_changed_since_the_sweep_began_is_refused(tmp_path: Path):
    first, second = casia_tree(tmp_path / "one"), casia_tree(tmp_path / "two", people=5)
    spec = real_spec("casia_webface", 16, 1, root=first)
    with pytest.raises(DatasetError, match="pictures or lists have changed"):
        open_real(spec, root=second, progress=False)
