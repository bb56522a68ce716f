"""Run every configuration of an experiment, in parallel, once.

A sweep can be killed at any moment and started again: each run is stored as soon as it is finished,
and a configuration whose record is there is not run again. A run that fails is reported with its
configuration, and the others go on.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from mtl_helpers.distributed import of_the_first, place_in_group
from mtl_helpers.machine import StorageError, code_version, limited_threads
from mtl_helpers.presets import Preset
from mtl_helpers.runs.executors import Executor, SweepError, get_executor
from mtl_helpers.runs.experiment import Experiment, Outcome, rendered_only
from mtl_helpers.runs.query import StoredRuns, load_records, other_config, stored_runs
from mtl_helpers.runs.record import (
    PackedRecord,
    Record,
    clean_leftovers,
    delete_record,
    pack_record,
    record_name,
    write_record,
)

__all__ = [
    "Failure",
    "SweepReport",
    "on_chosen_data",
    "rerun_requested",
    "run_sweep",
    "stored_or_rerun",
]

# the random numbers and the threads of torch belong to the process
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Failure:
    """A run that raised: its configuration, the exception in one line, and the traceback."""

    config: Any
    error: str
    traceback: str


@dataclass(frozen=True)
class SweepReport:
    """What a sweep did: records written, records that were there, runs that failed."""

    done: tuple[Path, ...]
    skipped: tuple[Path, ...]
    failed: tuple[Failure, ...]

    def __str__(self) -> str:
        lines = [
            f"{len(self.done)} runs done, {len(self.skipped)} were stored already, "
            f"{len(self.failed)} failed."
        ]
        lines += [f"failed: {item.config!r}\n  {item.error}" for item in self.failed]
        return "\n".join(lines)

    def raise_for_failures(self) -> None:
        """Raise :class:`SweepError` if a run failed."""
        if self.failed:
            raise SweepError(f"A sweep should finish every run, but: {self}")


def on_chosen_data(experiment: Experiment, preset: Preset) -> Experiment:
    """Return the experiment on the real set that ``MTL_DATA`` chooses, or itself."""
    if not os.environ.get("MTL_DATA"):
        return experiment
    # refused before a large set is parsed in vain
    if experiment.on is None:
        raise rendered_only(experiment)
    # imported where it is used: workers load this module and need no adapters
    from mtl_helpers.datasets import chosen_data

    return experiment.on_data(chosen_data(preset.side, preset.channels))


def rerun_requested() -> bool:
    """Tell whether ``MTL_RERUN`` asks for stored runs to be computed again."""
    return os.environ.get("MTL_RERUN", "").lower() not in ("", "0", "false", "no")


def run_sweep(
    experiment: Experiment,
    preset: Preset,
    *,
    executor: str | Executor | None = None,
    processes: int | None = None,
    threads: int = 1,
    root: Path | None = None,
    progress: bool = True,
    rerun: bool | None = None,
) -> SweepReport:
    """Run what is not stored yet.

    Parameters
    ----------
    experiment, preset
        What to run.
    executor, processes, threads
        Where: see :func:`mtl_helpers.runs.executors.get_executor`; an executor knows the other two.
    root
        Folder of stored runs; if absent, :func:`mtl_helpers.runs.record.results_root`.
    progress
        Whether to show a bar with the time that is left.
    rerun
        Whether to compute stored runs again; if absent, what ``MTL_RERUN`` says.

    Raises
    ------
    SweepError
        If another sweep is writing there, workers are killed again and again, or a cluster is lost.
    StorageError
        If a record could not be written; running on would only compute what cannot be kept.
    ResultsError
        If a stored run is damaged, or its place is taken by another configuration's.
    """
    rank, group = place_in_group()
    # the processes of a group (torchrun) train one run together, and the first of them writes it
    if not isinstance(executor, Executor):
        executor = get_executor(executor, processes, threads)
    where = executor if group == 1 else Executor(1, executor.threads)
    if rerun is None:
        rerun = rerun_requested()
    configs = _distinct(experiment, experiment.configs(preset))
    place, folder = experiment.place(preset), experiment.folder(preset, root)
    with _only_sweep(folder) if rank == 0 else nullcontext():
        if rank == 0:
            clean_leftovers(folder)
        stored = stored_runs(experiment, preset, root)
        known = {
            record_name(config): record
            for config in configs
            if (record := stored.record_of(config))
        }
        skipped = [] if rerun else [record.path for record in known.values()]
        pending = [config for config in configs if rerun or record_name(config) not in known]
        if not rerun and rank == 0:
            _refuse_trouble(stored, pending, folder)
        pending = of_the_first(pending)
        if pending and where.is_here and experiment.prepare is not None:
            experiment.prepare(preset)
        run = functools.partial(
            _run_one,
            experiment.run,
            (experiment.paper, experiment.name, place),
            where.threads,
            # the parent's view of the code: workers load it now, whatever is edited meanwhile
            dict(code_version()),
            where.is_here,
        )
        done: list[Path] = []
        failed: list[Failure] = []
        bar = tqdm(
            total=len(configs),
            initial=len(skipped),
            desc=f"{experiment.name}/{place}",
            unit="run",
            disable=not progress or rank > 0,
            smoothing=0,
        )
        with bar, closing(where.unordered(run, pending)) as outcomes:
            for config, outcome in outcomes:
                if isinstance(outcome, Failure):
                    failed.append(outcome)
                    bar.write(f"failed: {config!r}\n  {outcome.error}", file=sys.stderr)
                elif rank == 0:
                    done.append(write_record(outcome, folder))
                    before = known.get(outcome.name)
                    if before and before.path != done[-1]:
                        delete_record(before.path)  # it had a name of older days
                bar.update()
    return SweepReport(tuple(done), tuple(skipped), tuple(failed))


def stored_or_rerun(
    experiment: Experiment, preset: Preset, *, root: Path | None = None
) -> list[Record]:
    """Return the stored runs of an experiment; with ``MTL_RERUN=1``, compute them again first."""
    if rerun_requested():
        run_sweep(experiment, preset, root=root, rerun=True).raise_for_failures()
    return load_records(experiment, preset, root=root)


def _distinct(experiment: Experiment, configs: Sequence[Any]) -> list[Any]:
    names = [record_name(config) for config in configs]
    for position, name in enumerate(names):
        if name in names[:position]:
            raise ValueError(
                f"The experiment {experiment.name!r} lists {configs[position]!r} twice; every "
                "configuration should be run once."
            )
    return list(configs)


def _refuse_trouble(stored: StoredRuns, pending: Sequence[Any], folder: Path) -> None:
    """Raise, before anything runs, what a new record would overwrite or hide."""
    if stored.problems:
        raise stored.problems[0]
    by_name = {record.path.name: record for record in stored.records}
    for config in pending:
        if record := by_name.get(record_name(config)):
            raise other_config(record, config)


@contextmanager
def _only_sweep(folder: Path) -> Iterator[None]:
    name = f"{folder.parent.name}/{folder.name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # the system lets go of this lock when the process dies, however it dies
        lock = FileLock(folder / ".sweep.lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise SweepError(
            f"Another sweep is writing {name}; wait until it is done, or stop it and run this "
            "again."
        ) from None
    except OSError as error:
        raise StorageError(
            f"The results folder {name} cannot be written ({error.strerror}); make it writable, "
            "or set MTL_RESULTS to another folder."
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows does not delete a file that is open
            (folder / ".sweep.lock").unlink(missing_ok=True)
        lock.release()


def _run_one(
    run: Callable[[Any], Outcome],
    place: tuple[str, str, str],
    threads: int,
    code: Mapping[str, Any],
    is_here: bool,
    config: Any,
) -> PackedRecord | Failure:
    """Run one configuration in a worker and pack what it found."""
    if not is_here and code_version()["sources"] != code["sources"]:
        raise SweepError(
            "Every worker should run the code that this process runs, but one has sources "
            f"{code_version()['sources'][:8]} instead of {code['sources'][:8]}; install the same "
            "version there and start its workers again."
        )
    try:
        with _ONE_AT_A_TIME, limited_threads(threads):
            start = time.perf_counter()
            outcome = run(config)
            seconds = time.perf_counter() - start
        return pack_record(
            *place,
            config,
            metrics=outcome.metrics,
            curves=outcome.curves,
            arrays=outcome.arrays,
            seconds=seconds,
            threads=threads,
            code=code,
        )
    except Exception as error:
        summary = traceback.format_exception_only(error)[-1].strip()
        return Failure(config, summary, traceback.format_exc())
