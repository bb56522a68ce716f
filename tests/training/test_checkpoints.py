from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_methods import (
    Centres,
    Classifier,
    Game,
    TaskGraph,
    game_batches,
    graph_batches,
    make_batches,
    make_plan,
)
from training_assertions import (
    Killed,
    assert_resumes,
    assert_same_training,
    differing,
    killer,
)

from mtl_helpers.training import checkpoints
from mtl_helpers.training.checkpoints import CheckpointError, read_checkpoint, write_checkpoint
from mtl_helpers.training.loop import train

PLAN = make_plan()


def run(path, method=None, plan=PLAN, batches=None, **settings):
    batches = make_batches(plan) if batches is None else batches
    return train(method or Classifier(), batches, plan, progress=False, checkpoint=path, **settings)


def first_step_after(path, **settings):
    """The training that a checkpoint leads to, and the number of its first step."""
    steps = []
    trained = run(path, on_step=lambda s: steps.append(s.step), **settings)
    return trained, steps[0]


# ---- killed and resumed


@pytest.mark.parametrize("died_at", range(1, 13))
@pytest.mark.parametrize("every", [1, 3])
def test_two_optimisers_resume_bit_for_bit(tmp_path, died_at, every):
    path = tmp_path / "run" / "state.pt"
    assert_resumes(Game, game_batches(PLAN), PLAN, path, died_at, every)


@pytest.mark.parametrize("died_at", range(1, 13))
@pytest.mark.parametrize("every", [1, 3])
def test_centres_resume_bit_for_bit(tmp_path, died_at, every):
    path = tmp_path / "state.pt"
    assert_resumes(Centres, make_batches(PLAN), PLAN, path, died_at, every)


# epochs end with steps 3, 5, 8 and 10
@pytest.mark.parametrize("died_at", range(1, 13))
@pytest.mark.parametrize("every", [1, 3, 4])
def test_work_between_epochs_resumes_bit_for_bit(tmp_path, died_at, every):
    path = tmp_path / "state.pt"
    assert_resumes(TaskGraph, graph_batches(PLAN), PLAN, path, died_at, every)


@pytest.mark.parametrize("died_at", [2, 9, 130])
def test_curves_resume_in_the_middle_of_a_window(tmp_path, died_at):
    plan = make_plan(steps=210)  # windows of three steps
    assert_resumes(Game, game_batches(plan), plan, tmp_path / "state.pt", died_at, 7)


def test_statistics_and_dropout_resume_bit_for_bit(tmp_path):
    plan = make_plan(statistics_batches=3)
    path = tmp_path / "state.pt"
    assert_resumes(lambda: Classifier(normalise=True), make_batches(plan), plan, path, 8, 3)


def test_what_is_in_no_state_dict_would_be_missed(tmp_path):
    """The assertion above can fail: a count in a plain attribute is lost with the process."""

    class Forgetful(Classifier):
        def step(self, batch, number):
            self.count = getattr(self, "count", 0) + 1
            with torch.no_grad():
                self.model[3].bias += 0.01 * self.count
            return super().step(batch, number)

    with pytest.raises(AssertionError, match="bias"):
        assert_resumes(Forgetful, make_batches(PLAN), PLAN, tmp_path / "state.pt", 8, 3)


def test_a_finished_run_is_read_not_repeated(tmp_path):
    path = tmp_path / "state.pt"
    first = run(path)
    second = run(path, on_step=killer(1))
    assert_same_training(first, second)
    assert second.seconds == pytest.approx(first.seconds, abs=5)  # a busy machine saves slowly


def test_killed_while_writing_the_old_file_still_counts(tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    save, calls = torch.save, []

    def half_way(content, file):
        calls.append(content)
        if len(calls) < 3:
            return save(content, file)
        file.write(b"PK\x03\x04 the first bytes of an archive")
        raise Killed

    monkeypatch.setattr(torch, "save", half_way)
    with pytest.raises(Killed):
        run(path, checkpoint_every=2)
    monkeypatch.undo()
    resumed, first = first_step_after(path, checkpoint_every=2)
    assert first == 5
    assert_same_training(resumed, train(Classifier(), make_batches(PLAN), PLAN, progress=False))
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]


KILLED_RUN = """
import os, signal, sys, torch
sys.path[:0] = [{tests!r}, {tests!r} + "/.."]
from pathlib import Path
from tiny_methods import Game, game_batches, make_plan
from mtl_helpers.training.loop import train
torch.set_num_threads(1)
replace, calls = os.replace, []
def dying(source, target):
    calls.append(source)
    if len(calls) == 3:  # the third checkpoint is written but has not got its name
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = dying
plan = make_plan()
train(Game(), game_batches(plan), plan, progress=False, checkpoint=Path({path!r}),
      checkpoint_every=2)
"""


def test_sigkill_in_mid_checkpoint_loses_nothing(tmp_path):
    path = tmp_path / "state.pt"
    code = KILLED_RUN.format(tests=str(Path(__file__).parents[1]), path=str(path))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=240)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert len(list(tmp_path.iterdir())) == 2  # the second checkpoint, and what was to replace it
    settings = {"method": Game(), "batches": game_batches(PLAN), "checkpoint_every": 2}
    resumed, first = first_step_after(path, **settings)
    assert first == 5
    assert_same_training(resumed, train(Game(), game_batches(PLAN), PLAN, progress=False))


# ---- of another run


def test_a_checkpoint_of_another_plan_is_refused(tmp_path):
    path = tmp_path / "state.pt"
    run(path)
    with pytest.raises(CheckpointError, match=r"one with learning_rate 0\.1 instead of 0\.2: del"):
        run(path, plan=make_plan(learning_rate=0.2))
    with pytest.raises(CheckpointError, match="one with bfloat16 False instead of True"):
        run(path, plan=make_plan(bfloat16=True))
    with pytest.raises(CheckpointError, match="seed 0 instead of 1"):
        run(path, plan=make_plan(seed=1))


def test_a_checkpoint_of_other_pictures_is_refused(tmp_path):
    path = tmp_path / "state.pt"
    run(path)
    with pytest.raises(CheckpointError, match="training set"):
        run(path, batches=make_batches(PLAN, index=np.arange(15)))
    with pytest.raises(CheckpointError, match="training set"):
        run(path, batches=make_batches(PLAN, what=np.zeros(20, dtype=np.int64)))


def test_a_checkpoint_of_another_method_is_refused(tmp_path):
    path = tmp_path / "state.pt"
    run(path, Game(), batches=game_batches(PLAN))
    with pytest.raises(CheckpointError, match="method 'leak=False' instead of 'leak=True'"):
        run(path, Game(leak=True), batches=game_batches(PLAN))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"momentum": 0.5}, r"momentum of R 0\.9 instead of 0\.5"),
        ({"scale": 2.0}, r"groups of R .* instead of .*'scale': 2\.0"),
    ],
)
def test_a_checkpoint_of_other_optimisers_is_refused(tmp_path, setting, message):
    path = tmp_path / "state.pt"
    run(path, Game(), batches=game_batches(PLAN))
    other = Game()
    for name, value in setting.items():
        other.optimizers["R"].param_groups[0][name] = value
        if name in other.optimizers["R"].defaults:
            other.optimizers["R"].defaults[name] = value
    with pytest.raises(CheckpointError, match=message):
        run(path, other, batches=game_batches(PLAN))


def test_a_checkpoint_of_another_kind_of_optimiser_is_refused(tmp_path):
    path = tmp_path / "state.pt"
    run(path)
    other = Classifier()
    other.optimizers["all"] = torch.optim.Adam(other.parameters())
    with pytest.raises(CheckpointError, match="optimizer all 'SGD' instead of 'Adam'"):
        run(path, other)


# ---- the file


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "state.pt"
    run(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="a file that cannot be read .* delete it"):
        run(path)


def test_a_checkpoint_runs_no_code(tmp_path):
    path, marker = tmp_path / "state.pt", tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(marker),))

    content = {"format": checkpoints.CHECKPOINT_FORMAT, "run": "{}", "state": Trap()}
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_checkpoint(path, {})
    assert not marker.exists()


def test_another_format_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    monkeypatch.setattr(checkpoints, "CHECKPOINT_FORMAT", 99)
    write_checkpoint(path, {"a": 1}, {})
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"checkpoint format 3 in state\.pt, found 99"):
        read_checkpoint(path, {"a": 1})


def test_what_was_written_comes_back(tmp_path):
    path, state = tmp_path / "new" / "state.pt", {"w": torch.arange(3.0), "n": [1, {"a": 0.5}]}
    write_checkpoint(path, {"a": (1, 2)}, state)
    content = read_checkpoint(path, {"a": [1, 2]})
    assert torch.equal(content["w"], state["w"]) and content["n"] == state["n"]


def test_a_difference_between_trainings_is_named():
    """What the assertions compare is all that a training leaves behind."""
    first, second = (train(Game(), game_batches(PLAN), PLAN, progress=False) for _ in range(2))
    assert differing(first, second) == []
    first.averaged[1].bias.add_(1)
    next(iter(first.method.optimizers["D"].state.values()))["exp_avg"].add_(1)
    first.curves["loss/D"][3] += 1
    names = differing(first, second)
    assert [name.split("/")[1] for name in sorted(names)] == ["averaged", "curves", "optimizers"]


def test_a_bit_that_flipped_is_found(tmp_path):
    path = tmp_path / "state.pt"
    method = run(path).method
    whole = bytearray(path.read_bytes())
    whole[whole.find(method.model[3].weight.detach().numpy().tobytes()) + 5] ^= 16
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match="cannot be read"):
        run(path)


def test_settings_of_a_method_that_do_not_show_are_compared(tmp_path):
    class Weighted(Classifier):
        def __init__(self, phi):
            super().__init__()
            self.phi = phi

    run(tmp_path / "state.pt", Weighted(0.5))
    with pytest.raises(CheckpointError, match=r"method\.phi 0\.5 instead of 1\.5"):
        run(tmp_path / "state.pt", Weighted(1.5))


def test_checkpoints_come_after_whole_steps(tmp_path):
    with pytest.raises(ValueError, match="checkpoint_every must be at least 1, found 0"):
        run(tmp_path / "state.pt", checkpoint_every=0)
