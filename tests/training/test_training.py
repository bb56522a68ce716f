from __future__ import annotations

import copy
import dataclasses
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_corpus import SyntheticCorpus
from torch import nn
from torchjd.scalarization import DWA, UW, Constant, Mean

from mtl_helpers.evaluation.attributes import mean_class_accuracy
from mtl_helpers.evaluation.extract import extract
from mtl_helpers.papers.yin2018.weighting import (
    DynamicWeights,
    FixedWeights,
    ReleasedDynamicWeights,
)
from mtl_helpers.presets import get_preset
from mtl_helpers.training.averaging import WeightAverage, reestimate_statistics
from mtl_helpers.training.batches import BatchOrder, prefetched, stream_seed, to_input
from mtl_helpers.training.checkpoints import read_checkpoint, write_checkpoint
from mtl_helpers.training.loop import (
    CheckpointError,
    TrainConfig,
    TrainingError,
    amp_pays,
    build_model,
    fit,
    learning_rate_at,
    make_optimizer,
)


def make_config(**changes):
    settings = {
        "tasks": ("id", "pos"),
        "weights": (1.0, 0.3),
        "steps": 12,
        "batch": 16,
        "warmup_steps": 3,
        "width": 0.05,
        "average_decay": 0.9,
        "statistics_batches": 2,
        "amp": False,
    }
    return TrainConfig(**(settings | changes))


@pytest.fixture(scope="module")
def corpus():
    return SyntheticCorpus()


@pytest.fixture(autouse=True)
def one_thread():
    # Sums over several threads need not come out in the same order twice.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def state(result):
    return {
        f"{kind}.{name}": value
        for kind, network in (("model", result.model), ("averaged", result.averaged))
        if network is not None
        for name, value in network.state_dict().items()
    }


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


class Recorder:
    """Notes the images that the network is shown in training."""

    def __init__(self, monkeypatch):
        self.batches = []
        import mtl_helpers.training.batches as module

        def noting(images):
            self.batches.append(images.clone())
            return to_input(images)

        monkeypatch.setattr(module, "to_input", noting)


# ---- data


def test_input_has_each_image_at_mean_zero_and_deviation_one_up_to_a_grey_level():
    rng = np.random.default_rng(3)
    for shape in [(4, 5, 6), (4, 5, 6, 3)]:
        images = rng.integers(0, 256, shape, dtype=np.uint8)
        out = to_input(torch.from_numpy(images))
        assert out.shape == (4, 1 if len(shape) == 3 else 3, 5, 6)
        assert out.is_contiguous(memory_format=torch.channels_last)
        for b in range(4):
            values = images[b].astype(float)
            expected = (values - values.mean()) / (values.std() + 1)
            expected = expected[None] if expected.ndim == 2 else expected.transpose(2, 0, 1)
            np.testing.assert_allclose(out[b].numpy(), expected, atol=1e-5)


def test_input_does_not_depend_on_exposure_and_an_empty_image_stays_finite():
    rng = np.random.default_rng(4)
    dark = rng.integers(0, 100, (1, 8, 8), dtype=np.uint8)
    bright = 2 * dark + 40
    a, b = to_input(torch.from_numpy(dark)), to_input(torch.from_numpy(bright))
    np.testing.assert_allclose(a.numpy(), b.numpy(), atol=0.05)
    assert (to_input(torch.full((1, 8, 8), 77, dtype=torch.uint8)) == 0).all()


def test_input_must_be_uint8_images():
    with pytest.raises(TypeError, match="Expected uint8 images"):
        to_input(torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match=r"found shape \(4, 4\)"):
        to_input(torch.zeros(4, 4, dtype=torch.uint8))


def test_each_epoch_shows_each_image_once_in_another_order():
    order = BatchOrder(count=50, batch=8, seed=3)
    flat = np.concatenate([order[step] for step in range(25)])  # four epochs of 50
    epochs = flat.reshape(4, 50)
    for epoch in epochs:
        assert sorted(epoch) == list(range(50))
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_any_batch_can_be_had_first():
    forwards = BatchOrder(20, 8, seed=0)
    expected = [forwards[step] for step in range(12)]
    for step in (11, 0, 7):
        assert (BatchOrder(20, 8, seed=0)[step] == expected[step]).all()
    assert any((BatchOrder(20, 8, seed=1)[s] != expected[s]).any() for s in range(3))


def test_a_batch_may_be_larger_than_the_set():
    assert np.bincount(BatchOrder(3, 8, seed=0)[0]).tolist() in ([3, 3, 2], [3, 2, 3], [2, 3, 3])
    with pytest.raises(ValueError, match="no image to train on"):
        BatchOrder(0, 8, seed=0)


def test_streams_differ_in_each_of_their_names():
    seeds = {
        stream_seed(seed, purpose, number)
        for seed in range(5)
        for purpose in ("a", "b")
        for number in range(5)
    }
    assert len(seeds) == 50
    assert all(0 <= s < 2**63 for s in seeds)


def test_prefetching_keeps_the_order_and_hands_on_errors():
    assert list(prefetched(iter(range(50)), 3)) == list(range(50))

    def failing():
        yield 1
        raise OSError("the disk went away")

    items = prefetched(failing(), 3)
    assert next(items) == 1
    with pytest.raises(OSError, match="the disk went away"):
        next(items)


def test_prefetching_stops_when_its_user_does():
    made = []

    def counting():
        for number in range(10_000):
            made.append(number)
            yield number

    items = prefetched(counting(), 2)
    assert next(items) == 0
    items.close()
    count = len(made)
    time.sleep(0.05)
    assert len(made) == count < 10


# ---- schedule


def test_cosine_schedule_in_closed_form():
    config = make_config(steps=110, warmup_steps=10, learning_rate=0.2)
    assert learning_rate_at(0, config) == pytest.approx(0.02)
    assert learning_rate_at(9, config) == pytest.approx(0.2)
    assert learning_rate_at(10, config) == pytest.approx(0.2)
    assert learning_rate_at(60, config) == pytest.approx(0.1)  # half way: cos(pi / 2) = 0
    # a third of the way: cos(pi / 3) = 1 / 2
    third = make_config(steps=100, warmup_steps=10, learning_rate=0.2)
    assert learning_rate_at(40, third) == pytest.approx(0.15)
    assert 0 < learning_rate_at(109, config) < 1e-3


def test_step_schedule_cuts_at_the_paper_s_epochs():
    config = make_config(steps=20, warmup_steps=0, learning_rate=0.01, schedule="step")
    rates = [learning_rate_at(step, config) for step in range(20)]
    assert rates == pytest.approx([1e-2] * 10 + [1e-3] * 5 + [1e-4] * 4 + [1e-5])


def test_constant_schedule_stays():
    config = make_config(schedule="constant", learning_rate=0.03, warmup_steps=0)
    assert {learning_rate_at(step, config) for step in range(12)} == {0.03}


def test_the_optimizer_follows_the_schedule(corpus):
    seen = []
    config = make_config()
    result = fit(corpus, config, progress=False, on_step=lambda s: seen.append(s.learning_rate))
    assert seen == [learning_rate_at(step, config) for step in range(12)]
    assert result.curves["learning_rate"].tolist() == seen


# ---- averaging


def test_average_is_the_recursion_by_hand():
    model = build_model(make_config(), {"id": 3, "pos": 2}, 1)
    average = WeightAverage(model, decay=0.6)
    parameter, buffer = model.heads["id"].bias, model.trunk.blocks[0].bn1.running_mean
    by_hand = [parameter.detach().clone(), buffer.clone()]
    torch.manual_seed(0)
    for update in range(1, 30):
        with torch.no_grad():
            parameter.add_(torch.randn_like(parameter))
            buffer.add_(torch.randn_like(buffer))
        average.update()
        decay = min(0.6, update / (update + 9))
        by_hand = [
            decay * mean + (1 - decay) * now.detach()
            for mean, now in zip(by_hand, (parameter, buffer), strict=True)
        ]
    assert torch.allclose(average.model.heads["id"].bias, by_hand[0], atol=1e-5)
    assert torch.allclose(average.model.trunk.blocks[0].bn1.running_mean, by_hand[1], atol=1e-5)
    assert not any(p.requires_grad for p in average.model.parameters())


def test_the_average_of_a_still_network_is_the_network():
    model = build_model(make_config(), {"id": 3, "pos": 2}, 1)
    average = WeightAverage(model, decay=0.9)
    for _ in range(20):
        average.update()
    for name, value in average.model.state_dict().items():
        assert torch.allclose(value, model.state_dict()[name]), name


def test_fit_averages_the_weights_of_each_step(corpus):
    history = []
    config = make_config(average_decay=0.8, statistics_batches=0)
    result = fit(
        corpus,
        config,
        progress=False,
        on_step=lambda s: history.append(s.model.heads["id"].weight.detach().clone()),
    )
    mean = build_model(config, corpus.class_counts, 1).heads["id"].weight.detach()
    for update, weight in enumerate(history, start=1):
        decay = min(0.8, update / (update + 9))
        mean = decay * mean + (1 - decay) * weight
    assert torch.allclose(result.averaged.heads["id"].weight, mean, atol=1e-6)
    assert result.final is result.averaged


def test_without_averaging_the_last_network_is_final(corpus):
    result = fit(corpus, make_config(average_decay=0.0), progress=False)
    assert result.averaged is None
    assert result.final is result.model


def test_decay_must_lie_between_0_and_1():
    with pytest.raises(ValueError, match="decay must lie between 0 and 1"):
        WeightAverage(build_model(make_config(), {"id": 3, "pos": 2}, 1), 1.0)


def test_reestimated_statistics_are_the_means_over_the_batches():
    norm = nn.BatchNorm2d(3)
    torch.manual_seed(0)
    batches = [2 + 3 * torch.randn(4, 3, 5, 5) for _ in range(6)]
    reestimate_statistics(nn.Sequential(norm), batches, amp=False)
    mean = torch.stack([b.mean(dim=(0, 2, 3)) for b in batches]).mean(dim=0)
    var = torch.stack([b.var(dim=(0, 2, 3)) for b in batches]).mean(dim=0)
    assert torch.allclose(norm.running_mean, mean, atol=1e-5)
    assert torch.allclose(norm.running_var, var, atol=1e-4)
    assert norm.momentum == 0.1
    assert not norm.training


# ---- what an arm shares with another


def test_arms_with_a_seed_share_trunk_and_heads():
    counts = {"id": 6, "pos": 5, "illum": 3, "exp": 2}
    one = build_model(make_config(tasks=("id",), weights=(1.0,)), counts, 1).state_dict()
    two = build_model(
        make_config(tasks=("id", "exp", "pos"), weights=(1.0, 0.1, 0.1)), counts, 1
    ).state_dict()
    other = build_model(make_config(), counts, 1).state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert all(torch.equal(other[k], two[k]) for k in other)
    reseeded = build_model(make_config(seed=1), counts, 1).state_dict()
    name = "trunk.blocks.0.conv1.weight"
    assert not torch.equal(reseeded[name], other[name])


def test_arms_with_a_seed_see_the_same_batches(corpus, monkeypatch):
    recorder = Recorder(monkeypatch)
    fit(corpus, make_config(statistics_batches=0), progress=False)
    first, recorder.batches = recorder.batches, []
    arm = make_config(tasks=("id",), weights=(1.0,), feature_l2=0.1, statistics_batches=0)
    fit(corpus, arm, progress=False)
    assert len(first) == len(recorder.batches) == 12
    assert all(torch.equal(a, b) for a, b in zip(first, recorder.batches, strict=True))
    second, recorder.batches = recorder.batches, []
    fit(corpus, dataclasses.replace(arm, seed=1), progress=False)
    assert not torch.equal(second[0], recorder.batches[0])


def test_a_task_of_no_weight_changes_nothing(corpus):
    """Side heads draw nothing from the streams of the main task, dropout's included."""
    plain = fit(corpus, make_config(tasks=("id",), weights=(1.0,)), progress=False)
    weightless = fit(corpus, make_config(weights=(1.0, 0.0)), progress=False)
    found = state(weightless)
    for name, value in state(plain).items():
        assert torch.allclose(found[name], value, atol=1e-6), name


def test_same_seed_twice_is_identical_and_another_seed_is_not(corpus):
    first = fit(corpus, make_config(), progress=False)
    torch.rand(3)  # whatever the caller draws in between
    second = fit(corpus, make_config(), progress=False)
    assert same(state(first), state(second))
    assert all((first.curves[k] == second.curves[k]).all() for k in first.curves)
    assert not same(state(first), state(fit(corpus, make_config(seed=1), progress=False)))


def test_the_caller_s_random_numbers_are_left_alone(corpus):
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    fit(corpus, make_config(steps=4), progress=False, on_step=lambda _: torch.rand(1))
    assert torch.equal(torch.rand(4), expected)


# ---- learning


def test_a_small_set_is_learned_by_heart(corpus):
    index = corpus.split("train")[::4]
    config = make_config(steps=120, batch=32, width=0.125, learning_rate=0.1, dropout=0.1)
    result = fit(corpus, config, index=index, progress=False)
    assert result.curves["loss/id"][-1] < 0.05 < 1 < result.curves["loss/id"][0]
    labels = corpus.labels(index)
    for network in (result.model, result.averaged):
        found = extract(network, corpus.images, index)
        assert mean_class_accuracy(found["id"], labels["id"]) > 0.98
        assert mean_class_accuracy(found["pos"], labels["pos"]) > 0.98


def test_one_step_is_gradient_descent_on_the_weighted_sum(corpus):
    config = make_config(
        steps=1, warmup_steps=0, feature_l2=0.2, dropout=0.0, weight_decay=0.01,
        average_decay=0.0, statistics_batches=0, schedule="constant",
    )  # fmt: skip
    model = build_model(config, corpus.class_counts, 1).train()
    index = corpus.split("train")
    chosen = index[BatchOrder(len(index), config.batch, config.seed)[0]]
    pixels = corpus.images[chosen].astype(np.float32)
    spread = pixels.std(axis=(1, 2), keepdims=True) + 1
    pixels = (pixels - pixels.mean(axis=(1, 2), keepdims=True)) / spread
    out = model(torch.from_numpy(pixels).unsqueeze(1))
    loss = 0.2 * 0.5 * (out.features**2).sum(1).mean()
    for task, weight in (("id", 1.0), ("pos", 0.3)):
        p = out.logits[task].softmax(1)[torch.arange(16), corpus.labels(chosen)[task]]
        loss = loss - weight * p.log().mean()
    loss.backward()
    result = fit(corpus, config, progress=False)
    for (name, before), after in zip(
        model.named_parameters(), result.model.parameters(), strict=True
    ):
        decay = 0.01 if before.ndim > 1 else 0.0
        expected = before - config.learning_rate * (before.grad + decay * before)
        assert torch.allclose(after, expected, atol=1e-5), name


def test_clipping_bounds_the_step(corpus):
    config = make_config(
        steps=1, warmup_steps=0, clip_norm=1e-3, weight_decay=0.0, statistics_batches=0,
        schedule="constant",
    )  # fmt: skip
    before = build_model(config, corpus.class_counts, 1)
    after = fit(corpus, config, progress=False).model
    moved = math.sqrt(
        sum(
            float((a - b).detach().square().sum())
            for a, b in zip(after.parameters(), before.parameters(), strict=True)
        )
    )
    assert moved == pytest.approx(config.learning_rate * 1e-3, rel=1e-2)


def test_label_smoothing_raises_the_loss_that_can_be_reached(corpus):
    config = make_config(tasks=("id",), weights=(1.0,), label_smoothing=0.3, steps=60)
    smoothed = fit(corpus, config, progress=False).curves["loss/id"][-5:].mean()
    # entropy of 0.75 and five times 0.05
    floor = -(0.75 * math.log(0.75) + 5 * 0.05 * math.log(0.05))
    assert smoothed > floor


def test_colour_images_and_odd_subsets(corpus):
    colour = SyntheticCorpus(train=3, channels=3)
    result = fit(colour, make_config(steps=2, warmup_steps=0), progress=False)
    assert result.model.trunk.in_channels == 3
    few = corpus.split("train")[:60]
    result = fit(
        corpus, make_config(steps=2, warmup_steps=0), index=few, progress=False,
        classes={"id": 2, "pos": 5},
    )  # fmt: skip
    assert result.model.classes == {"id": 2, "pos": 5}


def test_bfloat16_learns_too(corpus):
    config = make_config(steps=60, batch=32, width=0.125, amp=True)
    result = fit(corpus, config, progress=False)
    assert result.amp
    assert result.curves["loss/id"][-1] < 0.5 * result.curves["loss/id"][0]
    assert all(p.dtype == torch.float32 for p in result.model.parameters())


def test_amp_is_decided_by_device(corpus):
    result = fit(corpus, make_config(steps=2, warmup_steps=0, amp=None), progress=False)
    assert result.amp == amp_pays("cpu")
    assert not amp_pays("meta")


# ---- curves and reports


def test_curves_are_short_means_of_every_step(corpus):
    losses = []
    config = make_config(steps=250, batch=4)
    result = fit(corpus, config, progress=False, on_step=lambda s: losses.append(s.losses))
    per_step = torch.stack(losses).numpy()  # (250, 2)
    curves = result.curves
    assert curves["step"].tolist() == [*range(3, 250, 3), 250]
    expected = [per_step[start : start + 3].mean(axis=0) for start in range(0, 250, 3)]
    assert np.allclose(np.stack([curves["loss/id"], curves["loss/pos"]], 1), expected)
    np.testing.assert_allclose(curves["weight/pos"], 0.3, rtol=1e-6)
    assert all(len(values) == 84 for values in curves.values())


def test_the_penalty_has_its_curve(corpus):
    curves = fit(corpus, make_config(feature_l2=0.1), progress=False).curves
    assert (curves["loss/feature_l2"] > 0).all()


def test_on_step_sees_each_step_in_turn(corpus):
    seen = []
    fit(corpus, make_config(), progress=False, on_step=seen.append)
    assert [s.step for s in seen] == list(range(1, 13))
    assert all(s.losses.shape == (2,) and not s.losses.requires_grad for s in seen)
    assert all(s.averaged is not None for s in seen)


def test_the_bar_can_be_had_and_be_silenced(corpus, capfd):
    fit(corpus, make_config(steps=2, warmup_steps=0), progress=False)
    assert capfd.readouterr().err == ""
    fit(corpus, make_config(steps=2, warmup_steps=0), progress=True)
    assert "2/2" in capfd.readouterr().err


def test_a_loss_that_is_no_number_stops_training(corpus):
    def spoil(seen):
        if seen.step == 5:
            with torch.no_grad():
                seen.model.heads["pos"].bias[0] = math.nan

    with pytest.raises(TrainingError, match=r"found nan for 'pos' at step 6 \(learning rate"):
        fit(corpus, make_config(), progress=False, on_step=spoil)


def test_too_high_a_rate_stops_training_with_advice(corpus):
    config = make_config(learning_rate=1e30, warmup_steps=0, steps=50)
    with pytest.raises(TrainingError, match="lower the learning rate"):
        fit(corpus, config, progress=False)


# ---- checkpoints


class Killed(Exception):
    pass


def killer(step):
    def on_step(seen):
        if seen.step == step:
            raise Killed

    return on_step


@pytest.mark.parametrize("died_at", [1, 4, 7, 11])
def test_a_resumed_run_ends_like_an_uninterrupted_one(corpus, tmp_path, died_at):
    path = tmp_path / "run" / "state.pt"
    whole = fit(corpus, make_config(), progress=False)
    with pytest.raises(Killed):
        fit(
            corpus, make_config(), progress=False, checkpoint=path, checkpoint_every=3,
            on_step=killer(died_at),
        )  # fmt: skip
    steps = []
    resumed = fit(
        corpus, make_config(), progress=False, checkpoint=path, checkpoint_every=3,
        on_step=lambda s: steps.append(s.step),
    )  # fmt: skip
    assert steps[0] == (died_at - 1) // 3 * 3 + 1
    assert same(state(resumed), state(whole))
    assert all((resumed.curves[k] == whole.curves[k]).all() for k in whole.curves)


def test_a_finished_run_is_read_not_repeated(corpus, tmp_path):
    path = tmp_path / "state.pt"
    first = fit(corpus, make_config(), progress=False, checkpoint=path)
    second = fit(corpus, make_config(), progress=False, checkpoint=path, on_step=killer(1))
    assert same(state(first), state(second))
    assert second.seconds == pytest.approx(first.seconds, abs=5)  # a busy machine saves slowly


def test_killed_while_writing_the_old_checkpoint_still_counts(corpus, tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    whole = fit(corpus, make_config(), progress=False)
    save = torch.save
    calls = []

    def half_way(content, file):
        calls.append(content)
        if len(calls) < 3:
            return save(content, file)
        file.write(b"PK\x03\x04 the first bytes of an archive")
        raise Killed

    monkeypatch.setattr(torch, "save", half_way)
    with pytest.raises(Killed):
        fit(corpus, make_config(), progress=False, checkpoint=path, checkpoint_every=2)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir() if p != path] == [".state.pt.part"]
    steps = []
    resumed = fit(
        corpus, make_config(), progress=False, checkpoint=path, checkpoint_every=2,
        on_step=lambda s: steps.append(s.step),
    )  # fmt: skip
    assert steps[0] == 5
    assert same(state(resumed), state(whole))
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]


KILLED_RUN = """
import os, signal, sys, torch
sys.path[:0] = [{tests!r}, {tests!r} + "/.."]
from test_training import SyntheticCorpus, fit, make_config
from pathlib import Path
torch.set_num_threads(1)
replace, calls = os.replace, []
def dying(source, target):
    calls.append(source)
    if len(calls) == 3:  # the third checkpoint is written but has not got its name
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = dying
fit(SyntheticCorpus(), make_config(), progress=False, checkpoint=Path({path!r}), checkpoint_every=2)
"""


def test_sigkill_in_mid_checkpoint_loses_nothing(corpus, tmp_path):
    path = tmp_path / "state.pt"
    code = KILLED_RUN.format(tests=str(Path(__file__).parent), path=str(path))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert (tmp_path / ".state.pt.part").exists()
    steps = []
    resumed = fit(
        corpus, make_config(), progress=False, checkpoint=path, checkpoint_every=2,
        on_step=lambda s: steps.append(s.step),
    )  # fmt: skip
    assert steps[0] == 5
    assert same(state(resumed), state(fit(corpus, make_config(), progress=False)))


def test_a_checkpoint_of_another_config_is_refused(corpus, tmp_path):
    path = tmp_path / "state.pt"
    fit(corpus, make_config(), progress=False, checkpoint=path)
    with pytest.raises(CheckpointError, match=r"one with learning_rate 0\.05 instead of 0\.1: del"):
        fit(corpus, make_config(learning_rate=0.1), progress=False, checkpoint=path)
    with pytest.raises(CheckpointError, match="one with training set"):
        fit(
            corpus, make_config(), index=corpus.split("train")[:90], progress=False,
            checkpoint=path,
        )  # fmt: skip
    with pytest.raises(CheckpointError, match="one with amp False instead of True"):
        fit(corpus, make_config(amp=True), progress=False, checkpoint=path)


def test_a_checkpoint_from_before_there_were_weightings_is_refused(corpus, tmp_path):
    path = tmp_path / "state.pt"
    fit(corpus, make_config(steps=3), progress=False, checkpoint=path)
    content = torch.load(path, weights_only=True)
    content["format"] = 1
    del content["state"]["weighting"]
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"format 2 in state\.pt, found 1: delete it"):
        fit(corpus, make_config(steps=3), progress=False, checkpoint=path)


def test_a_damaged_checkpoint_is_refused(corpus, tmp_path):
    path = tmp_path / "state.pt"
    fit(corpus, make_config(), progress=False, checkpoint=path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="a file that cannot be read .* delete it"):
        fit(corpus, make_config(), progress=False, checkpoint=path)


def test_a_checkpoint_runs_no_code(tmp_path):
    path = tmp_path / "state.pt"
    marker = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(marker),))

    torch.save({"format": 2, "run": "{}", "state": Trap()}, path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_checkpoint(path, {})
    assert not marker.exists()


def test_another_format_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    monkeypatch.setattr("mtl_helpers.training.checkpoints.CHECKPOINT_FORMAT", 99)
    write_checkpoint(path, {"a": 1}, {})
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="Expected checkpoint format 2 in state.pt, found 99"):
        read_checkpoint(path, {"a": 1})


# ---- configs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": (1.0,)}, "one weight for each task"),
        ({"tasks": (), "weights": ()}, "one weight for each task"),
        ({"tasks": ("id", "id")}, "Each task may stand once"),
        ({"schedule": "linear"}, "Unknown schedule 'linear'"),
        ({"steps": 0}, "at least one step"),
        ({"batch": 1}, "at least two images"),
        ({"warmup_steps": 13}, "warmup_steps must lie between 0 and steps"),
        ({"average_decay": 1.0}, "average_decay must lie in"),
        ({"dropout": -0.1}, "dropout must lie in"),
        ({"learning_rate": math.nan}, "learning_rate must be finite"),
        ({"feature_l2": -1.0}, "feature_l2 must be finite and not negative"),
    ],
)
def test_bad_configs_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_config(**changes)


def test_presets_give_configs():
    preset = get_preset("gpu")
    config = TrainConfig.from_preset(preset, ("id", "pos"), (1.0, 0.1), seed=2, feature_l2=0.5)
    for name in ("steps", "batch", "learning_rate", "schedule", "dropout", "width"):
        assert getattr(config, name) == getattr(preset, name)
    assert (config.seed, config.feature_l2, config.tasks) == (2, 0.5, ("id", "pos"))
    assert TrainConfig.from_preset(preset, steps=7).steps == 7


def test_unknown_tasks_and_labels_out_of_range_are_refused(corpus):
    with pytest.raises(ValueError, match=r"no labels for \['age'\]"):
        fit(corpus, make_config(tasks=("id", "age")), progress=False)
    with pytest.raises(
        ValueError, match=r"labels of task 'id' in 0 \.\. 5, or -1 for none, found 6 \.\. 9"
    ):
        fit(corpus, make_config(), index=corpus.split("test"), progress=False)


def test_weight_decay_spares_biases_and_normalisations():
    model = build_model(make_config(), {"id": 3, "pos": 2}, 1)
    optimizer = make_optimizer(model, make_config(weight_decay=0.1))
    decays = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    for name, parameter in model.named_parameters():
        spared = name.endswith("bias") or ".bn" in name
        assert decays[id(parameter)] == (0.0 if spared else 0.1), name


def test_statistics_follow_the_weights_they_belong_to(corpus):
    """The averaged network's statistics are those of its own weights on the training images."""
    result = fit(corpus, make_config(statistics_batches=11, batch=16), progress=False)
    index = corpus.split("train")
    order = BatchOrder(len(index), 16, 0, "statistics")
    images = to_input(torch.from_numpy(corpus.images))
    network = copy.deepcopy(result.averaged).train()
    norm = network.trunk.blocks[0].bn1
    means = []
    norm.register_forward_hook(lambda _m, i, _o: means.append(i[0].mean(dim=(0, 2, 3))))
    with torch.no_grad():
        for step in range(11):
            network(images[torch.from_numpy(index[order[step]])])
    found = result.averaged.trunk.blocks[0].bn1.running_mean
    assert torch.allclose(found, torch.stack(means).mean(0), atol=1e-5)


# ---- whatever combines the losses

DYNAMIC = [DynamicWeights, ReleasedDynamicWeights]
PAIR = {("id",): 1.0, ("pos", "exp"): 0.4}
PAPER = {("id", "id_pose"): 1.0, ("pos", "exp"): 0.4}
GROUPS = ((0, 1), (2,), (3, 4))


def three_tasks(**changes):
    return make_config(tasks=("id", "pos", "exp"), weights=(1.0, 0.2, 0.2), **changes)


def dynamic(kind, groups=PAIR):
    return kind(
        build_model(three_tasks(), {"id": 6, "pos": 5, "exp": 2}, 1).trunk.feature_dim, groups
    )


def losses_of_each_step(*args, **settings):
    seen = []
    result = fit(*args, progress=False, on_step=lambda s: seen.append(s.losses), **settings)
    return result, torch.stack(seen)  # (steps, T)


@pytest.mark.parametrize("kind", DYNAMIC)
def test_dynamic_weights_are_trained_and_recorded(corpus, kind):
    rule = dynamic(kind)
    result = fit(corpus, three_tasks(steps=40), weighting=rule, progress=False)
    assert result.curves["weight/id"].tolist() == [1.0] * 40
    side = np.stack([result.curves["weight/pos"], result.curves["weight/exp"]])
    np.testing.assert_allclose(side.sum(axis=0), 0.4, rtol=1e-6)
    assert side[:, 0].tolist() == pytest.approx([0.2, 0.2])
    # exp has two classes and so the smaller loss at first
    assert side[1, -1] > 0.21
    assert result.curves["loss/id"][-5:].mean() < result.curves["loss/id"][:5].mean()
    assert all(parameter.grad is not None for parameter in rule.parameters())


def test_dynamic_weights_begin_where_fixed_ones_do(corpus):
    config = three_tasks(steps=4)
    _, plain = losses_of_each_step(corpus, config)
    _, eq8 = losses_of_each_step(corpus, config, weighting=dynamic(DynamicWeights))
    _, released = losses_of_each_step(corpus, config, weighting=dynamic(ReleasedDynamicWeights))
    assert torch.equal(plain[0], eq8[0]) and torch.equal(plain[0], released[0])
    # At equal shares Eq. 8 is the fixed sum, while the released layer trains twice as hard.
    assert torch.allclose(plain[1], eq8[1], atol=1e-5)
    assert not torch.allclose(plain[1], released[1], atol=1e-5)


@pytest.mark.parametrize("rate", [0.0, 3.0])
def test_the_weighting_learns_at_its_own_multiple_of_the_rate(corpus, rate):
    config = three_tasks(
        steps=1, warmup_steps=0, weight_decay=0.01, schedule="constant", statistics_batches=0
    )
    rule = dynamic(DynamicWeights)
    rule.reset_parameters(0.5)
    layer = rule.layers["pos-exp"]
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    fit(corpus, config, weighting=rule, weighting_rate=rate, progress=False)
    for name, value in layer.named_parameters():
        decay = 0.01 * before[name] if name == "weight" else 0.0
        expected = before[name] - rate * config.learning_rate * (value.grad + decay)
        assert torch.allclose(value, expected, atol=1e-6), name


@pytest.mark.parametrize("kind", DYNAMIC)
@pytest.mark.parametrize("pose_groups", [None, GROUPS])
def test_dynamic_weights_are_resumed_too(corpus, tmp_path, kind, pose_groups):
    path, config = tmp_path / "state.pt", three_tasks(weight_decay=0.05)
    groups = PAIR if pose_groups is None else PAPER

    def run(rule, **settings):
        return fit(
            corpus, config, pose_groups=pose_groups, weighting=rule, weighting_rate=5.0,
            progress=False, **settings,
        )  # fmt: skip

    rule, fresh = dynamic(kind, groups), dynamic(kind, groups)
    whole = run(rule)
    with pytest.raises(Killed):
        run(dynamic(kind, groups), checkpoint=path, checkpoint_every=3, on_step=killer(8))
    steps = []
    resumed = run(
        fresh, checkpoint=path, checkpoint_every=3, on_step=lambda s: steps.append(s.step)
    )
    assert steps[0] == 7
    assert same(state(resumed), state(whole))
    assert same(fresh.state_dict(), rule.state_dict())
    assert any(p.any() for p in rule.parameters())
    assert all((resumed.curves[k] == whole.curves[k]).all() for k in whole.curves)


def test_a_checkpoint_of_another_weighting_is_refused(corpus, tmp_path):
    path, config = tmp_path / "state.pt", three_tasks()

    def run(rule, **settings):
        fit(corpus, config, weighting=rule, checkpoint=path, progress=False, **settings)

    run(dynamic(DynamicWeights))
    for other in (dynamic(ReleasedDynamicWeights), dynamic(DynamicWeights, PAIR | {("id",): 2.0})):
        with pytest.raises(CheckpointError, match="one with weighting 'DynamicWeights"):
            run(other)
    with pytest.raises(CheckpointError, match=r"one with weighting .* instead of None"):
        run(None)
    with pytest.raises(CheckpointError, match=r"one with weighting rate 1\.0 instead of 2\.0"):
        run(dynamic(DynamicWeights), weighting_rate=2.0)


def test_a_checkpoint_of_other_pose_groups_is_refused(corpus, tmp_path):
    path, config = tmp_path / "state.pt", three_tasks(steps=3)

    def run(pose_groups):
        rule = dynamic(DynamicWeights, PAPER)
        fit(
            corpus, config, pose_groups=pose_groups, weighting=rule, checkpoint=path,
            progress=False,
        )  # fmt: skip

    run(GROUPS)
    with pytest.raises(CheckpointError, match=r"pose groups \[\[0, 1\], \[2\], \[3, 4\]\] instead"):
        run(((0,), (1, 2), (3, 4)))


@pytest.mark.parametrize("kind", DYNAMIC)
def test_a_loss_that_is_no_number_does_not_reach_the_weights(corpus, kind):
    def spoil(seen):
        if seen.step == 5:
            with torch.no_grad():
                seen.model.heads["pos"].bias[0] = math.nan

    rule = dynamic(kind)
    with pytest.raises(TrainingError, match=r"found nan for 'pos' at step 6 \(learning rate"):
        fit(corpus, three_tasks(), weighting=rule, progress=False, on_step=spoil)
    assert all(parameter.isfinite().all() for parameter in rule.parameters())
    assert rule.weights.isfinite().all()


def test_weights_in_another_order_than_the_losses_are_refused(corpus):
    swapped = FixedWeights({"pos": 0.2, "id": 1.0, "exp": 0.2})
    with pytest.raises(ValueError, match=r"weights of id, pos, exp, .* found pos, id, exp"):
        fit(corpus, three_tasks(), weighting=swapped, progress=False)
    without_branches = dynamic(DynamicWeights, PAIR)
    with pytest.raises(ValueError, match=r"weights of id, id_pose, pos, exp, .* found id, pos"):
        fit(corpus, three_tasks(), pose_groups=GROUPS, weighting=without_branches, progress=False)


# ---- p-CNN


def test_p_cnn_is_trained_with_the_branches_loss(corpus):
    config = three_tasks(steps=60, batch=32, width=0.125, learning_rate=0.1, dropout=0.1)
    weights = FixedWeights({"id": 0.5, "id_pose": 0.5, "pos": 0.2, "exp": 0.2})
    result, losses = losses_of_each_step(corpus, config, pose_groups=GROUPS, weighting=weights)
    assert result.model.losses == ("id", "id_pose", "pos", "exp")
    assert losses.shape == (60, 4)
    np.testing.assert_allclose(result.curves["loss/id_pose"], losses[:, 1], rtol=1e-6)
    assert losses[-5:, 1].mean() < 0.5 * losses[:5, 1].mean()
    assert result.curves["weight/id_pose"].tolist() == [0.5] * 60
    assert len(result.averaged.branches) == 3
    index = corpus.split("train")
    images = to_input(torch.from_numpy(corpus.images[index]))
    with torch.no_grad():
        found = result.averaged(images).branches  # (N, 3, 6)
    labels = corpus.labels(index)
    own = torch.tensor([0, 0, 1, 2, 2])[torch.from_numpy(labels["pos"])]
    said = found[torch.arange(len(own)), own].argmax(dim=1).numpy()
    assert mean_class_accuracy(np.eye(6)[said], labels["id"]) > 0.9


def test_p_cnn_shares_trunk_heads_and_batches_with_m_cnn(corpus):
    plain = build_model(three_tasks(), corpus.class_counts, 1).state_dict()
    directed = build_model(three_tasks(), corpus.class_counts, 1, GROUPS).state_dict()
    assert all(torch.equal(directed[name], plain[name]) for name in plain)
    branches = [directed[f"branches.{number}.weight"] for number in range(3)]
    assert not torch.equal(branches[0], branches[1])
    coarse = build_model(three_tasks(), corpus.class_counts, 1, ((0, 1, 2, 3, 4),)).state_dict()
    assert torch.equal(coarse["branches.0.weight"], branches[0])
    config = three_tasks(steps=1, warmup_steps=0)
    _, alone = losses_of_each_step(corpus, config)
    _, beside = losses_of_each_step(
        corpus, config, pose_groups=GROUPS, weighting=dynamic(DynamicWeights, PAPER)
    )
    assert torch.allclose(alone[0], beside[0, [0, 2, 3]], atol=1e-6)


def test_without_poses_the_branches_stay_as_they_are():
    class Unposed(SyntheticCorpus):
        def labels(self, index):
            found = super().labels(index)
            return found | {"pos": np.full_like(found["pos"], -1)}

    config = three_tasks(steps=4, weight_decay=0.0)
    weights = FixedWeights({"id": 1.0, "id_pose": 1.0, "pos": 0.2, "exp": 0.2})
    corpus = Unposed()
    result, losses = losses_of_each_step(corpus, config, pose_groups=GROUPS, weighting=weights)
    assert not losses[:, [1, 2]].any()
    before = build_model(config, corpus.class_counts, 1, GROUPS)
    assert same(before.branches.state_dict(), result.model.branches.state_dict())
    assert not torch.equal(before.heads["id"].weight, result.model.heads["id"].weight)


def test_poses_and_identities_that_never_occur_do_no_harm(corpus):
    index = corpus.split("train")
    labels = corpus.labels(index)
    few = index[(labels["pos"] == 0) & (labels["id"] < 4)]
    config = make_config()
    weights = FixedWeights({"id": 0.5, "id_pose": 0.5, "pos": 0.3})
    result = fit(corpus, config, index=few, pose_groups=GROUPS, weighting=weights, progress=False)
    assert all(value.isfinite().all() for value in state(result).values())


def test_p_cnn_needs_weights_for_both_losses_of_identity(corpus):
    with pytest.raises(ValueError, match="p-CNN has two losses of identity: pass a weighting"):
        fit(corpus, three_tasks(), pose_groups=GROUPS, progress=False)


# ---- scalarizers of TorchJD


def test_constant_weights_of_torchjd_train_the_same_network(corpus):
    ours = fit(corpus, make_config(), progress=False)
    theirs = fit(
        corpus, make_config(), weighting=Constant(torch.tensor([1.0, 0.3])), progress=False
    )
    assert same(state(ours), state(theirs))
    assert all((ours.curves[k] == theirs.curves[k]).all() for k in ours.curves)


def test_the_mean_of_torchjd_shows_its_weights_by_its_gradient(corpus):
    curves = fit(corpus, make_config(), weighting=Mean(), progress=False).curves
    assert curves["weight/id"].tolist() == curves["weight/pos"].tolist() == [0.5] * 12


def test_uncertainty_weights_of_torchjd_move_and_are_recorded(corpus):
    rule, variances = UW(2), []
    result = fit(
        corpus, make_config(), weighting=rule, progress=False,
        on_step=lambda _: variances.append(rule.log_var.detach().clone()),
    )  # fmt: skip
    assert rule.log_var.abs().min() > 1e-3
    before = torch.stack([torch.zeros(2), *variances[:-1]])  # (12, 2), at the time of each loss
    recorded = np.stack([result.curves["weight/id"], result.curves["weight/pos"]], axis=1)
    np.testing.assert_allclose(recorded, 0.5 * torch.exp(-before).numpy(), rtol=1e-6)


def test_uncertainty_weights_of_torchjd_are_resumed(corpus, tmp_path):
    path, whole, fresh = tmp_path / "state.pt", UW(2), UW(2)
    fit(corpus, make_config(), weighting=whole, progress=False)
    with pytest.raises(Killed):
        fit(
            corpus, make_config(), weighting=UW(2), progress=False, checkpoint=path,
            checkpoint_every=3, on_step=killer(7),
        )  # fmt: skip
    fit(corpus, make_config(), weighting=fresh, progress=False, checkpoint=path)
    assert torch.equal(whole.log_var, fresh.log_var)


def test_dynamic_weight_average_of_torchjd_follows_the_losses_of_two_epochs(corpus):
    rule, losses, config = DWA(temperature=0.5), [], make_config()

    def at_the_end_of_an_epoch_of_four_steps(seen):
        losses.append(seen.losses)
        if seen.step % 4 == 0:
            rule.step()

    curves = fit(
        corpus, config, weighting=rule, progress=False,
        on_step=at_the_end_of_an_epoch_of_four_steps,
    ).curves  # fmt: skip
    epochs = torch.stack(losses).view(3, 4, 2).mean(dim=1)
    expected = 2 * (epochs[1] / epochs[0] / 0.5).softmax(dim=0)
    for place, task in enumerate(("id", "pos")):
        assert curves[f"weight/{task}"][:8].tolist() == [1.0] * 8
        assert curves[f"weight/{task}"][8:].tolist() == pytest.approx([expected[place].item()] * 4)
