"""Run every configuration of an experiment, in parallel, once.

A sweep can be killed at any moment and started again: each worker stores its own run as soon as
it is finished, and a configuration whose record is there is not run again. A run that fails is
reported with its configuration, and the others go on.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
from filelock import FileLock, Timeout
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tqdm.auto import tqdm

from mtl_helpers.errors import CourseError
from mtl_helpers.machine import StorageError, code_version, limited_threads, usable_cores
from mtl_helpers.presets import Preset
from mtl_helpers.runs.record import (
    Record,
    ResultsError,
    clean_leftovers,
    config_dict,
    config_hash,
    load_records,
    read_record,
    record_path,
    results_root,
    write_record,
)

if TYPE_CHECKING:
    from mtl_helpers.datasets import RealSpec

__all__ = [
    "Experiment",
    "Failure",
    "Outcome",
    "SweepError",
    "SweepReport",
    "on_chosen_data",
    "rerun_requested",
    "run_sweep",
    "stored_or_rerun",
]


class SweepError(CourseError):
    """A sweep could not go on, or some of its runs failed."""


@dataclass(frozen=True)
class Outcome:
    """What one run found.

    Parameters
    ----------
    metrics
        Nested dictionaries of numbers, strings and lists.
    curves
        Short lists, such as the loss at every hundredth step.
    arrays
        What is too large for a text file; it is stored as ``.npz`` beside the record.
    """

    metrics: Mapping[Any, Any]
    curves: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """A question, as configurations to run and the function that runs one of them.

    Parameters
    ----------
    name
        Also the name of its folder of results.
    configs
        Gives the configurations of a preset in the order in which they are run: frozen
        dataclasses with at least the fields ``arm`` (a short name) and ``seed``.
    run
        Runs one configuration. It must depend on nothing else.
    prepare
        Called once before the workers start, for instance to build the corpus; may be absent.
    on
        Gives the same question on a real set; absent where it cannot be asked of one.
    data
        The real set that it is asked of; absent on the rendered corpora.
    """

    name: str
    configs: Callable[[Preset], Sequence[Any]]
    run: Callable[[Any], Outcome]
    prepare: Callable[[Preset], object] | None = None
    on: Callable[[RealSpec], Experiment] | None = None
    data: RealSpec | None = None

    def place(self, preset: Preset) -> str:
        """Return the name of the folder of a preset's runs, and what records call the preset.

        Runs on a real set never lie among those on the rendered corpora: ``"laptop"``, but
        ``"laptop-multipie"``.
        """
        return preset.name if self.data is None else f"{preset.name}-{self.data.name}"

    def on_data(self, data: RealSpec | None) -> Experiment:
        """Return the experiment on a real set, or itself where there is none.

        Raises
        ------
        ValueError
            If it cannot be run on real sets, or not on this one.
        """
        if data is None:
            return self
        if self.on is None:
            raise ValueError(_rendered_only(self))
        return self.on(data)


@dataclass(frozen=True)
class Failure:
    """A run that raised: its configuration, the exception in one line, and the traceback."""

    config: Any
    error: str
    traceback: str


@dataclass(frozen=True)
class SweepReport:
    """What a sweep did: records written, records found, runs that failed."""

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
    """Return the experiment on the real set that ``MTL_DATA`` chooses, or itself.

    Raises
    ------
    DatasetError
        If the set is missing or malformed.
    ValueError
        If ``MTL_DATA`` names no set, or the experiment cannot be run on it.
    """
    if not os.environ.get("MTL_DATA"):
        return experiment
    # refused before a large set is parsed in vain
    if experiment.on is None:
        raise ValueError(_rendered_only(experiment))
    # imported where it is used: workers load this module and need no adapters
    from mtl_helpers.datasets import chosen_data

    return experiment.on_data(chosen_data(preset.side, preset.channels))


def _rendered_only(experiment: Experiment) -> str:
    return (
        f"The experiment {experiment.name!r} runs on the rendered corpora only; leave out --data "
        "and MTL_DATA."
    )


def rerun_requested() -> bool:
    """Tell whether ``MTL_RERUN`` asks for stored runs to be computed again."""
    return os.environ.get("MTL_RERUN", "").lower() not in ("", "0", "false", "no")


def run_sweep(
    experiment: Experiment,
    preset: Preset,
    *,
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
    processes
        Runs at a time; if absent, as many as the usable cores allow. With one, runs take place
        in this process.
    threads
        Threads of each run.
    root
        Folder of stored runs; if absent, :func:`mtl_helpers.runs.record.results_root`.
    progress
        Whether to show a bar with the time that is left.
    rerun
        Whether to compute stored runs again; if absent, what ``MTL_RERUN`` says.

    Raises
    ------
    SweepError
        If another sweep is writing there, or a worker was killed from outside.
    StorageError
        If a record could not be written; running on would only compute what cannot be kept.
    ResultsError
        If a stored run is damaged.
    ValueError
        If a number of processes or threads is not positive, or two configurations are equal.
    """
    for name, number in (("processes", processes), ("threads", threads)):
        if number is not None and number < 1:
            raise ValueError(f"The number of {name} must be at least 1, got {number}.")
    if processes is None:
        processes = max(1, usable_cores() // threads)
    if rerun is None:
        rerun = rerun_requested()
    root = root or results_root()
    configs = list(experiment.configs(preset))
    place = experiment.place(preset)
    paths = _distinct_paths(experiment, place, configs, root)
    folder = root / experiment.name / place
    with _only_sweep(folder):
        clean_leftovers(folder)
        if rerun:
            pending, skipped = list(configs), []
        else:
            skipped = _finished(paths, configs)
            pending = [
                config
                for path, config in zip(paths, configs, strict=True)
                if path not in set(skipped)
            ]
        done: list[Path] = []
        failed: list[Failure] = []
        full: StorageError | None = None

        def runnable() -> Iterator[Any]:
            for config in pending:
                if full is not None:
                    return
                yield config

        if pending and experiment.prepare is not None:
            experiment.prepare(preset)
        bar = tqdm(
            total=len(configs),
            initial=len(skipped),
            desc=f"{experiment.name}/{place}",
            unit="run",
            disable=not progress,
            smoothing=0,
        )
        with bar:
            for outcome in _outcomes(experiment, place, runnable(), processes, threads, root):
                if isinstance(outcome, StorageError):
                    full = full or outcome
                    bar.write(f"{outcome} Waiting for the runs in hand.", file=sys.stderr)
                    continue
                if isinstance(outcome, Failure):
                    failed.append(outcome)
                    bar.write(f"failed: {outcome.config!r}\n  {outcome.error}", file=sys.stderr)
                else:
                    done.append(outcome)
                bar.update()
    if full is not None:
        raise full
    return SweepReport(tuple(done), tuple(skipped), tuple(failed))


def stored_or_rerun(
    experiment: Experiment, preset: Preset, *, root: Path | None = None
) -> list[Record]:
    """Return the stored runs of an experiment; with ``MTL_RERUN=1``, compute them again first.

    Raises
    ------
    ResultsError
        If a run is missing, damaged or of another configuration.
    SweepError
        If a run had to be computed and failed.
    """
    if rerun_requested():
        run_sweep(experiment, preset, root=root, rerun=True).raise_for_failures()
    place = experiment.place(preset)
    return load_records(experiment.name, place, experiment.configs(preset), root=root)


def _distinct_paths(
    experiment: Experiment, place: str, configs: Sequence[Any], root: Path
) -> list[Path]:
    paths = [record_path(experiment.name, place, config, root) for config in configs]
    for position, path in enumerate(paths):
        if path in paths[:position]:
            raise ValueError(
                f"The experiment {experiment.name!r} lists {configs[position]!r} twice; every "
                "configuration should be run once."
            )
    return paths


def _finished(paths: Sequence[Path], configs: Sequence[Any]) -> list[Path]:
    finished = []
    for path, config in zip(paths, configs, strict=True):
        if not path.exists():
            continue
        if read_record(path).config_hash != config_hash(config_dict(config)):
            raise ResultsError(f"The record {path.name} holds another configuration; delete it.")
        finished.append(path)
    return finished


@contextmanager
def _only_sweep(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # the system lets go of this lock when the process dies, however it dies
        lock = FileLock(folder / ".sweep.lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise SweepError(
            f"Another sweep is writing {folder.parent.name}/{folder.name}; wait until it is "
            "done, or stop it and run this again."
        ) from None
    except OSError as error:
        raise StorageError(
            f"The results folder {folder.parent.name}/{folder.name} cannot be written "
            f"({error.strerror}); make it writable, or set MTL_RESULTS to another folder."
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows does not delete a file that is open
            (folder / ".sweep.lock").unlink(missing_ok=True)
        lock.release()


def _outcomes(
    experiment: Experiment,
    place: str,
    configs: Iterable[Any],
    processes: int,
    threads: int,
    root: Path,
) -> Iterator[Path | Failure | StorageError]:
    """Run the configurations and give what becomes of each, as it becomes known."""
    # the parent's view of the code: workers load it now, whatever is edited while they run
    code = dict(code_version())
    calls = (
        joblib.delayed(_run_one)(experiment, place, config, threads, root, code)
        for config in configs
    )
    if processes == 1:
        for call, arguments, keywords in calls:
            yield call(*arguments, **keywords)
        return
    with (
        _fresh_workers(),
        joblib.parallel_config(backend="loky", inner_max_num_threads=threads),
    ):
        parallel = joblib.Parallel(
            n_jobs=processes,
            batch_size=1,
            pre_dispatch="n_jobs",
            return_as="generator_unordered",
        )
        try:
            yield from parallel(calls)
        except TerminatedWorkerError:
            raise SweepError(
                "A worker process was ended from outside, most often because memory ran out; "
                "finished runs are kept, so run the same command again with fewer processes."
            ) from None


@contextmanager
def _fresh_workers() -> Iterator[None]:
    """Keep joblib from reusing workers, which hold older code and an older environment."""
    get_reusable_executor().shutdown(wait=True)
    try:
        yield
    finally:
        get_reusable_executor().shutdown(wait=True)


def _run_one(
    experiment: Experiment,
    place: str,
    config: Any,
    threads: int,
    root: Path,
    code: Mapping[str, Any],
) -> Path | Failure | StorageError:
    """Run one configuration in a worker and store it there, so that no finished run is lost."""
    try:
        with limited_threads(threads):
            start = time.perf_counter()
            outcome = experiment.run(config)
            seconds = time.perf_counter() - start
        return write_record(
            experiment.name,
            place,
            config,
            metrics=outcome.metrics,
            curves=outcome.curves,
            arrays=outcome.arrays,
            seconds=seconds,
            threads=threads,
            code=code,
            root=root,
        )
    except StorageError as error:
        return StorageError(str(error))
    except Exception as error:
        summary = traceback.format_exception_only(error)[-1].strip()
        return Failure(config, summary, traceback.format_exc())
