from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from mtl_helpers.machine import StorageError
from mtl_helpers.presets import PRESETS, Preset
from mtl_helpers.runs.record import (
    ResultsError,
    config_hash,
    load_records,
    read_record,
)
from mtl_helpers.runs.sweep import (
    Experiment,
    Outcome,
    SweepError,
    SweepReport,
    run_sweep,
    stored_or_rerun,
)

SMOKE = PRESETS["smoke"]


@dataclass(frozen=True)
class Toy:
    arm: str
    seed: int
    log: str = ""
    fails: bool = False
    counts_threads: bool = False


def torch_threads() -> int:
    import torch  # slow to load, so workers load it only where a test needs it

    return torch.get_num_threads()


def toy_run(config: Toy) -> Outcome:
    if config.log:
        # a relative name, found from the environment: configurations hold no machine paths
        with open(Path(os.environ["TOY_FOLDER"]) / config.log, "a") as log:
            log.write(f"{config.arm}-{config.seed}\n")
    if config.fails:
        raise ArithmeticError(f"seed {config.seed} diverged")
    noise = np.random.default_rng(config.seed).normal(size=3)
    return Outcome(
        metrics={
            "noise": float(noise[0]),
            "process": os.getpid(),
            "threads": torch_threads() if config.counts_threads else 0,
            "omp": os.environ.get("OMP_NUM_THREADS", ""),
        },
        curves={"loss": [1.0, 0.5]},
        arrays={"noise": noise},
    )


def toy(arms: tuple[str, ...] = ("a", "b"), seeds: int = 2, **fields) -> Experiment:
    def configs(preset: Preset) -> list[Toy]:
        return [Toy(arm, seed, **fields) for seed in range(seeds) for arm in arms]

    return Experiment("toy", configs, toy_run)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_FOLDER", str(tmp_path))
    monkeypatch.delenv("MTL_RERUN", raising=False)


def sweep(experiment: Experiment, root: Path, **more) -> SweepReport:
    return run_sweep(experiment, SMOKE, root=root, **{"processes": 1, "progress": False, **more})


def runs_logged(folder: Path) -> list[str]:
    log = folder / "log"
    return log.read_text().split() if log.exists() else []


def test_sweep_runs_every_configuration_once_in_order(tmp_path: Path) -> None:
    experiment = toy(log="log")
    report = sweep(experiment, tmp_path)
    assert runs_logged(tmp_path) == ["a-0", "b-0", "a-1", "b-1"]
    assert (len(report.done), report.skipped, report.failed) == (4, (), ())
    records = load_records("toy", SMOKE, experiment.configs(SMOKE), root=tmp_path)
    for record in records:
        expected = np.random.default_rng(record.seed).normal(size=3)
        assert record.metric("noise") == expected[0]
        assert (record.arrays()["noise"] == expected).all()
    assert not list(tmp_path.rglob("*.lock"))


def test_finished_runs_are_skipped_by_the_hash_of_their_configuration(tmp_path: Path) -> None:
    sweep(toy(log="log"), tmp_path)
    again = sweep(toy(log="log"), tmp_path)
    assert (len(again.done), len(again.skipped)) == (0, 4)
    assert len(runs_logged(tmp_path)) == 4
    more = sweep(toy(log="log", seeds=3), tmp_path)
    assert (len(more.done), len(more.skipped)) == (2, 4)
    assert runs_logged(tmp_path)[4:] == ["a-2", "b-2"]


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_rerun_computes_stored_runs_again(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(toy(log="log"), tmp_path)
    if how == "environment":
        monkeypatch.setenv("MTL_RERUN", "1")
    report = sweep(toy(log="log"), tmp_path, rerun=True if how == "argument" else None)
    assert (len(report.done), len(report.skipped)) == (4, 0)
    assert len(runs_logged(tmp_path)) == 8
    monkeypatch.setenv("MTL_RERUN", "0")
    assert len(sweep(toy(log="log"), tmp_path).skipped) == 4


def test_workers_have_their_threads_and_find_what_one_process_finds(tmp_path: Path) -> None:
    experiment = toy(counts_threads=True)
    configs = experiment.configs(SMOKE)
    sweep(experiment, tmp_path / "one")
    one = load_records("toy", SMOKE, configs, root=tmp_path / "one")
    sweep(experiment, tmp_path / "two", processes=2, threads=2)
    two = load_records("toy", SMOKE, configs, root=tmp_path / "two")
    assert [r.metric("noise") for r in one] == [r.metric("noise") for r in two]
    assert {record.metric("process") for record in one} == {os.getpid()}
    assert os.getpid() not in {record.metric("process") for record in two}
    assert {record.metric("threads") for record in two} == {2}
    assert {record.metric("omp") for record in two} == {"2"}
    assert {record.hardware["threads"] for record in two} == {2}


@pytest.mark.parametrize("variable", ["7", None])
def test_threads_of_this_process_are_as_before(
    tmp_path: Path, variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable or "")
    if variable is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    before = torch_threads()
    report = sweep(toy(seeds=1, counts_threads=True), tmp_path, threads=before + 1)
    assert read_record(report.done[0]).metric("threads") == before + 1
    assert torch_threads() == before
    assert os.environ.get("OMP_NUM_THREADS") == variable


@pytest.mark.parametrize("processes", [1, 2])
def test_failing_run_is_reported_and_the_others_go_on(
    tmp_path: Path, processes: int, capfd: pytest.CaptureFixture[str]
) -> None:
    configs = [Toy("a", 0), Toy("a", 1, fails=True), Toy("a", 2), Toy("b", 0)]
    experiment = Experiment("toy", lambda preset: configs, toy_run)
    report = sweep(experiment, tmp_path, processes=processes)
    assert len(report.done) == 3
    (failure,) = report.failed
    assert failure.config == configs[1]
    assert failure.error == "ArithmeticError: seed 1 diverged"
    assert "toy_run" in failure.traceback
    assert "fails=True" in capfd.readouterr().err
    with pytest.raises(SweepError, match=r"1 failed.*\n.*seed=1.*\n.*seed 1 diverged"):
        report.raise_for_failures()
    # the failed run left nothing, so the next sweep tries it again
    assert len(list(tmp_path.rglob("*.json"))) == 3
    mended = Experiment("toy", lambda preset: configs[:1] + configs[2:], toy_run)
    assert len(sweep(mended, tmp_path).skipped) == 3


def test_progress_shows_the_number_of_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(toy(), tmp_path, progress=True)
    shown = capsys.readouterr().err
    assert "toy/smoke" in shown and "4/4" in shown
    sweep(toy(seeds=3), tmp_path, progress=False)
    assert capsys.readouterr().err == ""


def test_corpus_is_prepared_once_and_only_if_something_runs(tmp_path: Path) -> None:
    prepared: list[str] = []
    experiment = Experiment(
        "toy", toy().configs, toy_run, prepare=lambda preset: prepared.append(preset.name)
    )
    sweep(experiment, tmp_path)
    sweep(experiment, tmp_path)
    assert prepared == ["smoke"]


def test_stored_runs_are_returned_or_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = toy(seeds=1, log="log")
    with pytest.raises(ResultsError, match="There is no stored run"):
        stored_or_rerun(experiment, SMOKE, root=tmp_path)
    sweep(experiment, tmp_path)
    assert [r.arm for r in stored_or_rerun(experiment, SMOKE, root=tmp_path)] == ["a", "b"]
    assert len(runs_logged(tmp_path)) == 2
    monkeypatch.setenv("MTL_RERUN", "1")
    assert len(stored_or_rerun(experiment, SMOKE, root=tmp_path)) == 2
    assert len(runs_logged(tmp_path)) == 4


# --- faults -------------------------------------------------------------------------------------

KILLED = """
import os, sys, time
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from mtl_helpers.presets import PRESETS
from mtl_helpers.runs.sweep import Experiment, Outcome, run_sweep

@dataclass(frozen=True)
class Toy:
    arm: str
    seed: int

def run(config):
    time.sleep(0.15)
    with open(Path(os.environ["TOY_FOLDER"]) / "log", "a") as log:
        log.write(f"{config.arm}-{config.seed}\\n")
    return Outcome({"value": config.seed + 0.5}, arrays={"value": np.full(1000, config.seed)})

experiment = Experiment("toy", lambda p: [Toy("a", seed) for seed in range(12)], run)
report = run_sweep(experiment, PRESETS["smoke"], processes=2, progress=False,
                   root=Path(os.environ["TOY_FOLDER"]))
print(len(report.done), len(report.skipped), len(report.failed))
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
@pytest.mark.parametrize("victims", ["parent", "parent and workers"])
def test_sweep_killed_at_any_moment_loses_nothing(tmp_path: Path, victims: str) -> None:
    folder = tmp_path / "toy" / "smoke"
    killed = subprocess.Popen([sys.executable, "-c", KILLED], start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    if victims == "parent":
        os.kill(killed.pid, signal.SIGKILL)
    else:
        os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    finished = {path.name for path in folder.glob("*.json")}
    assert 3 <= len(finished) < 12
    for path in folder.glob("*.json"):
        assert read_record(path).metric("value") == read_record(path).seed + 0.5
    # what a writer leaves when it dies between writing and renaming
    (folder / ".a-s11-00000000.json.part").write_text('{"schema": 1, "metr')

    resumed = subprocess.run(
        [sys.executable, "-c", KILLED], capture_output=True, text=True, check=True
    )
    done, skipped, failed = map(int, resumed.stdout.split())
    assert (done + skipped, failed) == (12, 0) and skipped >= len(finished)
    records = [read_record(path) for path in folder.glob("*.json")]
    assert sorted(record.seed for record in records) == list(range(12))
    for record in records:
        assert (record.arrays()["value"] == record.seed).all()
    assert not [path for path in folder.iterdir() if path.suffix not in (".json", ".npz")]
    # at most what the two workers had in hand was computed twice
    assert len(runs_logged(tmp_path)) <= 12 + 2


def test_worker_killed_from_outside_ends_in_a_sentence(tmp_path: Path) -> None:
    def run(config: Toy) -> Outcome:
        if config.seed == 1:
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome({"value": 1.0})

    experiment = Experiment("toy", toy(("a",), seeds=4).configs, run)
    with pytest.raises(SweepError, match="ended from outside.*fewer processes"):
        sweep(experiment, tmp_path, processes=2)
    assert len(list(tmp_path.rglob("*.json"))) >= 1
    for path in tmp_path.rglob("*.json"):
        read_record(path)


def _fill_disk(handle: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def run_on_full_disk(config: Toy) -> Outcome:
    if config.seed == 1:
        os.fsync = _fill_disk  # type: ignore[assignment]
    time.sleep(0.02)
    return Outcome({"value": 1.0})


@pytest.mark.parametrize("processes", [1, 2])
def test_full_disk_stops_the_sweep_with_a_sentence(
    tmp_path: Path, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", os.fsync)  # restores it after the run in-process
    experiment = Experiment("toy", toy(("a",), seeds=40).configs, run_on_full_disk)
    with pytest.raises(StorageError, match=r"The disk is full: a-s\d+-.*free some space"):
        sweep(experiment, tmp_path, processes=processes)
    stored = [read_record(path).seed for path in tmp_path.rglob("*.json")]
    assert 0 in stored and 1 not in stored and len(stored) < 40
    assert not list(tmp_path.rglob(".*.part"))


def test_damaged_record_stops_the_sweep_before_it_runs(tmp_path: Path) -> None:
    report = sweep(toy(log="log"), tmp_path)
    report.done[2].write_text(report.done[2].read_text().replace("noise", "voice"))
    with pytest.raises(ResultsError, match="was changed after it was stored"):
        sweep(toy(log="log", seeds=3), tmp_path)
    assert len(runs_logged(tmp_path)) == 4
    assert len(sweep(toy(log="log"), tmp_path, rerun=True).done) == 4


def test_hashes_that_share_their_start_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = sweep(toy(("a",), seeds=1), tmp_path).done
    other = Toy("a", 0, log="log")
    # as if the first eight digits of both hashes were the same
    monkeypatch.setattr("mtl_helpers.runs.sweep.record_path", lambda *arguments: path)
    experiment = Experiment("toy", lambda preset: [other], toy_run)
    assert config_hash(other) != read_record(path).config_hash
    with pytest.raises(ResultsError, match="holds another configuration"):
        sweep(experiment, tmp_path)


def test_two_sweeps_of_one_folder_do_not_mix(tmp_path: Path) -> None:
    folder = tmp_path / "toy" / "smoke"
    folder.mkdir(parents=True)
    with (
        FileLock(folder / ".sweep.lock"),
        pytest.raises(SweepError, match="Another sweep is writing toy/smoke"),
    ):
        sweep(toy(), tmp_path)
    assert len(sweep(toy(), tmp_path).done) == 4


def test_unwritable_results_end_in_a_sentence_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="toy/smoke cannot be written"):
        sweep(toy(log="log"), tmp_path)
    assert runs_logged(tmp_path) == []


@pytest.mark.parametrize("wrong", [{"processes": 0}, {"threads": 0}])
def test_numbers_below_one_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        sweep(toy(), tmp_path, **wrong)


def test_configuration_listed_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lists .* twice"):
        sweep(toy(("a", "a")), tmp_path)
