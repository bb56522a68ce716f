from __future__ import annotations

import dataclasses

import pytest

from mtl_helpers.presets import PRESETS, Preset, get_preset

# from -90 to 90 degrees
YAWS = ["11_0", "12_0", "09_0", "08_0", "13_0", "14_0", "05_1"]
YAWS += ["05_0", "04_1", "19_0", "20_0", "01_0", "24_0"]


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MTL_PRESET", raising=False)


def test_argument_before_environment_before_laptop(
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
def test_presets_are_frozen_and_consistent(preset: Preset) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset.side = 1  # type: ignore[misc]
    # the gallery: frontal camera, frontal flash, neutral face
    assert "05_1" in preset.cameras and 7 in preset.shots and preset.expressions[0] == "neutral"
    for levels in (preset.cameras, preset.shots, preset.expressions, preset.seeds):
        assert len(set(levels)) == len(levels)
    assert set(preset.shots) <= set(range(20))
    assert preset.warmup_steps < preset.steps
    # every gallery is full, or some people would be looked for among fewer
    assert preset.pie_test_identities % preset.gallery == 0
    assert preset.pie_validation_identities >= min(preset.validation_identities, preset.gallery)
    assert preset.name == next(key for key, value in PRESETS.items() if value is preset)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_cameras_at_head_height_are_symmetric_about_frontal(
    preset: Preset,
) -> None:
    positions = [YAWS.index(name) - 6 for name in preset.cameras if name in YAWS]
    assert positions == sorted(positions)
    assert positions == [-position for position in reversed(positions)]


def test_counts_of_images_by_hand() -> None:
    assert PRESETS["smoke"].images == 26 * 5 * 3 * 3
    assert PRESETS["laptop"].images == 800 * 15 * 6 * 6
    assert PRESETS["gpu"].images == 357 * 15 * 20 * 6


def test_gpu_preset_trains_for_the_published_twenty_epochs() -> None:
    gpu = PRESETS["gpu"]
    training_images = 200 * len(gpu.cameras) * len(gpu.shots) * len(gpu.expressions)
    assert gpu.steps * gpu.batch == 20 * training_images
    assert (gpu.learning_rate, gpu.weight_decay, gpu.dropout, gpu.side) == (0.01, 5e-4, 0.4, 100)
    assert not gpu.muon and gpu.average_decay == 0 and gpu.gallery == 137
