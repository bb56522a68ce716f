from __future__ import annotations

import dataclasses

import pytest
import torch

from mtl_helpers import presets
from mtl_helpers.presets import PRESETS, get_preset, pick_device

# from -90 to 90 degrees
YAWS = ["11_0", "12_0", "09_0", "08_0", "13_0", "14_0", "05_1"]
YAWS += ["05_0", "04_1", "19_0", "20_0", "01_0", "24_0"]


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MTL_PRESET", raising=False)
    monkeypatch.delenv("MTL_DEVICE", raising=False)
    monkeypatch.setattr(presets, "_asked", {})


def test_argument_comes_before_environment_and_environment_before_laptop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert get_preset().name == "laptop"
    monkeypatch.setenv("MTL_PRESET", "smoke")
    assert get_preset().name == "smoke"
    assert get_preset("gpu").name == "gpu"


@pytest.mark.parametrize("by_environment", [True, False])
def test_unknown_preset_names_the_known_ones(
    by_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTL_PRESET", "labtop")
    source = "MTL_PRESET" if by_environment else "the argument"
    with pytest.raises(ValueError, match=f"'labtop' .from {source}.*smoke, laptop, gpu"):
        get_preset(None if by_environment else "labtop")


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_presets_are_frozen_and_consistent(preset: presets.Preset) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset.side = 1  # type: ignore[misc]
    # the gallery: frontal camera, frontal flash, neutral face
    assert "05_1" in preset.cameras and 7 in preset.shots and preset.expressions[0] == "neutral"
    for levels in (preset.cameras, preset.shots, preset.expressions, preset.seeds):
        assert len(set(levels)) == len(levels)
    assert set(preset.shots) <= set(range(20))
    assert preset.warmup_steps < preset.steps
    assert preset.name == next(key for key, value in PRESETS.items() if value is preset)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_cameras_at_head_height_are_symmetric_about_the_frontal_one(
    preset: presets.Preset,
) -> None:
    positions = [YAWS.index(name) - 6 for name in preset.cameras if name in YAWS]
    assert positions == sorted(positions)
    assert positions == [-position for position in reversed(positions)]


def test_counts_of_images_by_hand() -> None:
    assert PRESETS["smoke"].images == 26 * 5 * 3 * 3
    assert PRESETS["laptop"].images == 440 * 15 * 6 * 6
    assert PRESETS["gpu"].images == 357 * 15 * 20 * 6


def test_gpu_preset_trains_for_the_published_twenty_epochs() -> None:
    gpu = PRESETS["gpu"]
    training_images = 200 * len(gpu.cameras) * len(gpu.shots) * len(gpu.expressions)
    assert gpu.steps * gpu.batch == 20 * training_images
    assert (gpu.learning_rate, gpu.weight_decay, gpu.dropout, gpu.side) == (0.01, 5e-4, 0.4, 100)


def test_device_is_the_one_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pick_device("cpu") == torch.device("cpu")
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    assert pick_device() == torch.device("cpu")


def test_device_falls_back_to_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device().type == "cpu"
    monkeypatch.setattr(presets, "_asked", {})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device().type == "cuda"


def test_machine_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(calls.append(1)))
    pick_device()
    pick_device()
    assert len(calls) == 1


def test_absent_cuda_ends_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="'cuda' was asked for, but torch sees 0 CUDA"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert pick_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(ValueError, match="sees 1 CUDA device"):
        pick_device("cuda:1")


def test_unknown_device_ends_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="Unknown device 'gpu'"):
        pick_device("gpu")
