from __future__ import annotations

import functools
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from cluster_of_two import cluster_of_two

from mtl_helpers.machine import usable_cores
from mtl_helpers.runs.executors import DaskExecutor, Executor, SweepError, get_executor

EXECUTORS = [Executor(1), Executor(2), DaskExecutor(None, 2)]
NAMES = ["one process", "loky", "dask"]


def square(number: int) -> int:
    return number**2


@pytest.mark.parametrize("executor", EXECUTORS, ids=NAMES)
def test_every_item_comes_with_its_result(executor: Executor) -> None:
    items = [3, 1, 2, 3]
    assert sorted(executor.unordered(square, items)) == [(1, 1), (2, 4), (3, 9), (3, 9)]


def end_worker(folder: Path, always: bool, number: int) -> int:
    if number == 2 and (always or not (folder / "ended").exists()):
        (folder / "ended").touch()
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return number


@pytest.mark.parametrize("executor", EXECUTORS[1:], ids=NAMES[1:])
def test_run_of_a_killed_worker_is_done_again(tmp_path: Path, executor: Executor) -> None:
    function = functools.partial(end_worker, tmp_path, False)
    results = dict(executor.unordered(function, range(8)))
    assert (tmp_path / "ended").exists()
    assert results == {number: number for number in range(8)}


@pytest.mark.parametrize("executor", EXECUTORS[1:], ids=NAMES[1:])
def test_run_that_always_ends_its_worker_is_given_up(tmp_path: Path, executor: Executor) -> None:
    function = functools.partial(end_worker, tmp_path, True)
    with pytest.raises(SweepError, match="because memory ran out; finished runs are kept"):
        list(executor.unordered(function, range(4)))


def worker_of(number: int) -> int:
    time.sleep(0.1)
    return os.getpid()


def workers_of(executor: Executor) -> set[int]:
    return {worker for _, worker in executor.unordered(worker_of, range(6))}


def test_workers_are_new_in_every_sweep_unless_kept() -> None:
    executor = Executor(2)
    assert not workers_of(executor) & workers_of(executor)
    with executor.kept():
        kept = workers_of(executor)
        assert workers_of(executor) & kept
    assert not workers_of(executor) & kept


def test_kept_workers_are_replaced_when_one_is_killed(tmp_path: Path) -> None:
    function = functools.partial(end_worker, tmp_path, False)
    with Executor(2).kept() as executor:
        before = workers_of(executor)
        assert dict(executor.unordered(function, range(8))) == {k: k for k in range(8)}
        assert not workers_of(executor) & before


def spell(number: int) -> tuple[float, float]:
    start = time.monotonic()
    time.sleep(0.5)
    return start, time.monotonic()


def throughput(executor: Executor, runs: int) -> float:
    """Runs per second, from the start of the first to the end of the last."""
    starts, ends = zip(*(spent for _, spent in executor.unordered(spell, range(runs))), strict=True)
    return runs / (max(ends) - min(starts))


def test_two_workers_do_at_least_1_8_times_as_much() -> None:
    one, two = (throughput(DaskExecutor(None, workers), 16) for workers in (1, 2))
    assert two / one >= 1.8, f"{one:.2f} and {two:.2f} runs per second"


def test_existing_cluster_is_used_and_left_running(tmp_path: Path) -> None:
    with cluster_of_two(tmp_path) as cluster:
        executor = get_executor(cluster.address)
        for _ in range(2):
            assert dict(executor.unordered(abs, [-1, -2])) == {-1: 1, -2: 2}


def test_workers_with_several_threads_are_refused(tmp_path: Path) -> None:
    with (
        cluster_of_two(tmp_path, threads=2) as cluster,
        pytest.raises(SweepError, match="has 2 workers with 4 threads; start them with 'dask w"),
    ):
        list(get_executor(cluster.address).unordered(abs, [1]))


def test_absent_scheduler_ends_in_a_sentence() -> None:
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(SweepError, match="scheduler at tcp://127.0.0.1:9, but it cannot be reached"),
    ):
        list(get_executor("tcp://127.0.0.1:9").unordered(abs, [1]))


def test_absent_dask_ends_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SweepError, match=r"pip install 'mtl-helpers\[cluster\]'"):
        list(DaskExecutor().unordered(abs, [1]))


def test_executors_have_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASK_SCHEDULER", raising=False)
    assert type(get_executor()) is type(get_executor("loky")) is Executor
    assert get_executor().processes == usable_cores()
    local, there = get_executor("dask", 3), get_executor("tcp://there:8786")
    assert isinstance(local, DaskExecutor) and local.is_here and local.processes == 3
    assert isinstance(there, DaskExecutor) and not there.is_here
    monkeypatch.setenv("DASK_SCHEDULER", "tcp://elsewhere:8786")
    named = get_executor("dask")
    assert isinstance(named, DaskExecutor) and named.address == "tcp://elsewhere:8786"
    with pytest.raises(ValueError, match="Unknown executor 'ray'; choose loky, dask, or the addr"):
        get_executor("ray")


@pytest.mark.parametrize("wrong", [{"processes": 0}, {"threads": 0}])
@pytest.mark.parametrize("name", ["loky", "dask"])
def test_numbers_below_one_are_refused(name: str, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        get_executor(name, **wrong)
