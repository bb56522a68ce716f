from __future__ import annotations

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cluster_of_two import cluster_of_two
from filelock import FileLock
from toy_runs import SMOKE, Job, jobs, log_run, run_job, runs_logged, torch_threads

from mtl_helpers import machine
from mtl_helpers.machine import StorageError
from mtl_helpers.runs.config import config_hash
from mtl_helpers.runs.executors import SweepError
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.runs.query import load_records
from mtl_helpers.runs.record import ResultsError, read_record, record_name
from mtl_helpers.runs.sweep import SweepReport, run_sweep, stored_or_rerun

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_FOLDER", str(tmp_path))
    monkeypatch.delenv("MTL_RERUN", raising=False)
    monkeypatch.delenv("DASK_SCHEDULER", raising=False)


def sweep(experiment: Experiment, root: Path, **more) -> SweepReport:
    return run_sweep(experiment, SMOKE, root=root, **{"processes": 1, "progress": False, **more})


def test_sweep_runs_every_configuration_once_in_order(tmp_path: Path) -> None:
    experiment = jobs(log="log")
    report = sweep(experiment, tmp_path)
    assert runs_logged(tmp_path) == ["a-0", "b-0", "a-1", "b-1"]
    assert (len(report.done), report.skipped, report.failed) == (4, (), ())
    records = load_records(experiment, SMOKE, root=tmp_path)
    for record in records:
        expected = np.random.default_rng(record.seed).normal(size=3)
        assert record.metric("noise") == expected[0]
        assert (record.arrays()["noise"] == expected).all()
    assert not list(tmp_path.rglob("*.lock"))


def test_finished_runs_are_skipped(tmp_path: Path) -> None:
    sweep(jobs(log="log"), tmp_path)
    again = sweep(jobs(log="log"), tmp_path)
    assert (len(again.done), len(again.skipped)) == (0, 4)
    assert len(runs_logged(tmp_path)) == 4
    more = sweep(jobs(log="log", seeds=3), tmp_path)
    assert (len(more.done), len(more.skipped)) == (2, 4)
    assert runs_logged(tmp_path)[4:] == ["a-2", "b-2"]


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_rerun_computes_stored_runs_again(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(jobs(log="log"), tmp_path)
    if how == "environment":
        monkeypatch.setenv("MTL_RERUN", "1")
    report = sweep(jobs(log="log"), tmp_path, rerun=True if how == "argument" else None)
    assert (len(report.done), len(report.skipped)) == (4, 0)
    assert len(runs_logged(tmp_path)) == 8
    monkeypatch.setenv("MTL_RERUN", "0")
    assert len(sweep(jobs(log="log"), tmp_path).skipped) == 4


def test_workers_find_what_one_process_finds(tmp_path: Path) -> None:
    experiment = jobs(counts_threads=True)
    sweep(experiment, tmp_path / "one")
    one = load_records(experiment, SMOKE, root=tmp_path / "one")
    sweep(experiment, tmp_path / "two", processes=2, threads=2)
    two = load_records(experiment, SMOKE, root=tmp_path / "two")
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
    report = sweep(jobs(seeds=1, counts_threads=True), tmp_path, threads=before + 1)
    assert read_record(report.done[0]).metric("threads") == before + 1
    assert torch_threads() == before
    assert os.environ.get("OMP_NUM_THREADS") == variable


@pytest.mark.parametrize("processes", [1, 2])
def test_failing_run_is_reported_and_the_others_go_on(
    tmp_path: Path, processes: int, capfd: pytest.CaptureFixture[str]
) -> None:
    configs = [Job("a", 0), Job("a", 1, fails=True), Job("a", 2), Job("b", 0)]
    experiment = Experiment("toy", lambda preset: configs, run_job)
    report = sweep(experiment, tmp_path, processes=processes)
    assert len(report.done) == 3
    (failure,) = report.failed
    assert failure.config == configs[1]
    assert failure.error == "ArithmeticError: seed 1 diverged"
    assert "run_job" in failure.traceback
    assert "fails=True" in capfd.readouterr().err
    with pytest.raises(SweepError, match=r"1 failed.*\n.*seed=1.*\n.*seed 1 diverged"):
        report.raise_for_failures()
    # the failed run left nothing, so the next sweep tries it again
    assert len(list(tmp_path.rglob("*.json"))) == 3
    mended = Experiment("toy", lambda preset: configs[:1] + configs[2:], run_job)
    assert len(sweep(mended, tmp_path).skipped) == 3


def test_progress_shows_the_number_of_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(jobs(), tmp_path, progress=True)
    shown = capsys.readouterr().err
    assert "toy/smoke" in shown and "4/4" in shown
    sweep(jobs(seeds=3), tmp_path, progress=False)
    assert capsys.readouterr().err == ""


def test_corpus_is_prepared_once_and_only_if_something_runs(tmp_path: Path) -> None:
    prepared: list[str] = []
    experiment = Experiment(
        "toy", jobs().configs, run_job, prepare=lambda preset: prepared.append(preset.name)
    )
    sweep(experiment, tmp_path)
    sweep(experiment, tmp_path)
    assert prepared == ["smoke"]


def test_stored_runs_are_returned_or_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = jobs(seeds=1, log="log")
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
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
from toy_runs import SMOKE, Job, log_run
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.runs.sweep import run_sweep

def run(config):
    time.sleep(0.15)
    log_run(config, "log")
    return Outcome({"value": config.seed + 0.5}, arrays={"value": np.full(1000, config.seed)})

experiment = Experiment("toy", lambda preset: [Job("a", seed) for seed in range(12)], run)
report = run_sweep(experiment, SMOKE, processes=2, progress=False,
                   root=Path(os.environ["TOY_FOLDER"]))
print(len(report.done), len(report.skipped), len(report.failed))
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
@pytest.mark.parametrize("victims", ["parent", "parent and workers"])
def test_sweep_killed_at_any_moment_loses_nothing(tmp_path: Path, victims: str) -> None:
    folder = jobs().folder(SMOKE, tmp_path)
    killed = subprocess.Popen([sys.executable, "-c", KILLED, str(TESTS)], start_new_session=True)
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
        [sys.executable, "-c", KILLED, str(TESTS)], capture_output=True, text=True, check=True
    )
    done, skipped, failed = map(int, resumed.stdout.split())
    assert (done + skipped, failed) == (12, 0) and skipped >= len(finished)
    records = [read_record(path) for path in folder.glob("*.json")]
    assert sorted(record.seed for record in records) == list(range(12))
    for record in records:
        assert (record.arrays()["value"] == record.seed).all()
    assert not [path for path in folder.iterdir() if path.suffix not in (".json", ".npz")]
    # what the two workers had in hand was computed twice, and what waited to be written
    assert len(runs_logged(tmp_path)) <= 12 + 4


def _fill_disk(handle: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("processes", [1, 2])
def test_full_disk_stops_the_sweep_with_a_sentence(
    tmp_path: Path, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, written = os.fsync, []

    def filling(handle: int) -> None:
        written.append(handle)
        (original if len(written) < 9 else _fill_disk)(handle)

    monkeypatch.setattr(machine.os, "fsync", filling)
    with pytest.raises(StorageError, match=r"The disk is full: a-s\d+-.*free some space"):
        sweep(jobs(("a",), seeds=400, log="log"), tmp_path, processes=processes)
    # files and folders of two records are flushed before
    assert len([read_record(path) for path in tmp_path.rglob("*.json")]) == 2
    assert not list(tmp_path.rglob(".*.part"))
    assert len(runs_logged(tmp_path)) < 400


def test_damaged_record_stops_the_sweep_before_it_runs(tmp_path: Path) -> None:
    report = sweep(jobs(log="log"), tmp_path)
    report.done[2].write_text(report.done[2].read_text().replace("noise", "voice"))
    with pytest.raises(ResultsError, match="was changed after it was stored"):
        sweep(jobs(log="log", seeds=3), tmp_path)
    assert len(runs_logged(tmp_path)) == 4
    assert len(sweep(jobs(log="log"), tmp_path, rerun=True).done) == 4


def test_changed_default_is_noticed_before_anything_runs(tmp_path: Path) -> None:
    @dataclasses.dataclass(frozen=True)
    class Former(Job):
        counts_threads: bool = True

    former = Experiment("toy", lambda preset: [Former("a", 0, log="log")], run_job)
    (path,) = sweep(former, tmp_path).done
    today = jobs(("a",), seeds=1, log="log")
    # the hash does not see it, for it is of what differs from the defaults
    assert path.name == record_name(today.configs(SMOKE)[0])
    assert config_hash(former.configs(SMOKE)[0]) == config_hash(today.configs(SMOKE)[0])
    with pytest.raises(ResultsError, match="counts_threads is True there and False now"):
        sweep(today, tmp_path)
    assert len(runs_logged(tmp_path)) == 1
    assert sweep(today, tmp_path, rerun=True).done == (path,)
    assert read_record(path).config["counts_threads"] is False


def test_two_sweeps_of_one_folder_do_not_mix(tmp_path: Path) -> None:
    folder = jobs().folder(SMOKE, tmp_path)
    folder.mkdir(parents=True)
    with (
        FileLock(folder / ".sweep.lock"),
        pytest.raises(SweepError, match="Another sweep is writing toy/smoke"),
    ):
        sweep(jobs(), tmp_path)
    assert len(sweep(jobs(), tmp_path).done) == 4


def test_unwritable_results_are_said_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "laboratory").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="toy/smoke cannot be written"):
        sweep(jobs(log="log"), tmp_path)
    assert runs_logged(tmp_path) == []


@pytest.mark.parametrize("wrong", [{"processes": 0}, {"threads": 0}])
def test_numbers_below_one_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        sweep(jobs(), tmp_path, **wrong)


def test_configuration_listed_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lists .* twice"):
        sweep(jobs(("a", "a")), tmp_path)


# --- other places -------------------------------------------------------------------------------


def test_workers_on_a_cluster_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    original = machine.os.replace
    monkeypatch.setattr(
        machine.os, "replace", lambda *names: (written.append(os.getpid()), original(*names))
    )
    experiment = jobs()
    report = sweep(experiment, tmp_path, executor="dask", processes=2)
    assert (len(report.done), report.failed) == (4, ())
    records = load_records(experiment, SMOKE, root=tmp_path)
    assert os.getpid() not in {record.metric("process") for record in records}
    assert written == [os.getpid()] * 8  # a record and its arrays each


def test_corpus_is_not_prepared_for_another_machine(tmp_path: Path) -> None:
    prepared: list[str] = []
    experiment = dataclasses.replace(jobs(), prepare=lambda preset: prepared.append(preset.name))
    with cluster_of_two(tmp_path) as cluster:
        report = sweep(experiment, tmp_path, executor=cluster.address)
    assert len(report.done) == 4 and prepared == []


def run_slowly(config: Job) -> Outcome:
    time.sleep(0.4)
    log_run(config, "log")
    return Outcome({"value": config.seed + 0.5})


def test_lost_scheduler_loses_nothing_that_was_finished(tmp_path: Path) -> None:
    experiment = dataclasses.replace(jobs(("a",), seeds=12), run=run_slowly)
    folder = experiment.folder(SMOKE, tmp_path)
    with cluster_of_two(tmp_path) as cluster:
        cluster.kill_scheduler_once(lambda: len(list(folder.glob("*.json"))) >= 4)
        with pytest.raises(SweepError, match="connection to Dask's scheduler was lost; finished"):
            sweep(experiment, tmp_path, executor=cluster.address)
    finished = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    assert 4 <= len(finished) < 12
    report = sweep(experiment, tmp_path, executor="dask", processes=2)
    assert {path.name for path in report.skipped} == set(finished)
    assert len(report.done) + len(report.skipped) == 12
    assert all((folder / name).read_bytes() == text for name, text in finished.items())


def test_other_code_on_a_cluster_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"commit": None, "dirty": None, "sources": "f" * 16}
    monkeypatch.setattr("mtl_helpers.runs.sweep.code_version", lambda: other)
    with (
        cluster_of_two(tmp_path) as cluster,
        pytest.raises(SweepError, match=r"one has sources \w{8} instead of ffffffff; install"),
    ):
        sweep(jobs(), tmp_path, executor=cluster.address)
    assert not list(tmp_path.rglob("*.json"))
