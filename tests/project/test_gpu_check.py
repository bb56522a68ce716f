"""The check of a GPU, on the device that every machine has."""

from __future__ import annotations

import json

import gpu_check
import numpy as np
import pytest

from mtl_helpers.runs.record import read_record


def test_the_cpu_does_what_the_cpu_does(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MTL_CACHE", "")  # the check sets its own, which must not stay
    arguments = ["--device", "cpu", "--preset", "smoke", "--minutes", "0.05", "--sweep", "none"]
    assert gpu_check.main([*arguments, "--output", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["sound"]
    assert set(report["renderer"]["corpora"]) == {"pie", "wild", "caricature", "attributes"}
    assert all(corpus["images_per_s"] > 0 for corpus in report["renderer"]["corpora"].values())
    assert report["training"]["resume_gap"] == 0
    assert all(speed["steps_per_s"] > 0 for speed in report["speed"].values())
    assert "does what the CPU does" in capsys.readouterr().out


def test_a_difference_is_seen():
    grey = np.full((4, 4), 100, np.uint8)
    other = grey.copy()
    other[0, 0] = 90
    assert gpu_check.differences(grey, other) == {"largest": 10.0, "different": 1 / 16}
    depth = np.array([1.0, np.inf, np.nan])
    assert gpu_check.differences(depth, depth) == {"largest": 0.0, "different": 0.0}
    assert gpu_check.differences(depth, depth + [0.5, 0, 0])["largest"] == pytest.approx(0.5)


def test_a_sweep_leaves_off_when_its_time_is_over(tmp_path, capfd):
    report = gpu_check.sweep("weight_conditions", "smoke", "cpu", 1, tmp_path, seconds=2)
    assert report["ended"] == "out of time"
    for name in report["records"]:
        read_record(tmp_path / name)
    assert "Traceback" not in capfd.readouterr().err
