"""Where the runs of a sweep take place: in this process, in others beside it, or on a cluster.

Workers give back what a run found and write nothing, so they need no disk in common. Each has one
run at a time. A run whose worker is killed is done again, by loky and by Dask alike.

Note
----
Dask is asked directly. Joblib's backend for it gives the same results, but never tells an unordered
generator that a worker or the scheduler was lost: the sweep would wait for ever.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import Any, TypeVar

import joblib
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from mtl_helpers.errors import CourseError
from mtl_helpers.machine import usable_cores

__all__ = ["Executor", "SweepError", "get_executor"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_RESTARTS = 3
"""How many killed workers a sweep on this machine puts up with; Dask, as many of one run."""


class SweepError(CourseError):
    """A sweep could not go on, or some of its runs failed."""


class Executor:
    """Runs in this process, or in processes beside it (loky).

    Parameters
    ----------
    processes
        Runs at a time; if absent, as many as the usable cores allow.
    threads
        Threads of each run.
    """

    is_here = True
    """Whether runs find the files of this machine."""

    def __init__(self, processes: int | None = None, threads: int = 1) -> None:
        for name, number in (("processes", processes), ("threads", threads)):
            if number is not None and number < 1:
                raise ValueError(f"The number of {name} must be at least 1, got {number}.")
        self.processes = processes or max(1, usable_cores() // threads)
        self.threads = threads
        self._workers: Callable[[], AbstractContextManager[None]] = _fresh_workers

    @contextmanager
    def kept(self) -> Iterator[Executor]:
        """Keep the workers from one sweep to the next, which spares each the loading of torch.

        For a process that changes neither its code nor its environment between its sweeps.
        """
        with _fresh_workers():
            self._workers = nullcontext
            try:
                yield self
            finally:
                self._workers = _fresh_workers

    def unordered(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Generator[tuple[Item, Result], None, None]:
        """Give each item with what the function makes of it, as it becomes ready."""
        if self.processes == 1:
            yield from ((item, function(item)) for item in items)
            return
        pending = dict(enumerate(items))
        for _ in range(_RESTARTS + 1):
            try:
                with (
                    self._workers(),
                    joblib.parallel_config(backend="loky", inner_max_num_threads=self.threads),
                    closing(self._loky(function, list(pending.items()))) as results,
                ):
                    for number, result in results:
                        del pending[number]
                        yield items[number], result
                return
            except TerminatedWorkerError:
                # loky gives up all its workers with the one; what they had in hand is done again
                continue
        raise SweepError(
            f"{_RESTARTS + 1} workers were ended from outside, most often because memory ran out; "
            "finished runs are kept, so run the same command again with fewer processes."
        )

    def _loky(self, function: Callable[[Item], Result], items: Sequence[tuple[int, Item]]) -> Any:
        parallel = joblib.Parallel(
            n_jobs=self.processes,
            batch_size=1,
            pre_dispatch="n_jobs",
            return_as="generator_unordered",
        )
        return parallel(joblib.delayed(_numbered)(function, number, item) for number, item in items)


def _numbered(function: Callable[[Item], Result], number: int, item: Item) -> tuple[int, Result]:
    return number, function(item)


@contextmanager
def _fresh_workers() -> Iterator[None]:
    """Keep joblib from reusing workers, which hold older code and an older environment."""
    get_reusable_executor().shutdown(wait=True)
    try:
        yield
    finally:
        get_reusable_executor().shutdown(wait=True)


class DaskExecutor(Executor):
    """Runs on a Dask cluster: an existing one by its scheduler's address, else a local one.

    On an existing cluster it is the cluster that says how many runs take place at a time.
    """

    def __init__(
        self, address: str | None = None, processes: int | None = None, threads: int = 1
    ) -> None:
        super().__init__(processes, threads)
        self.address = address
        self.is_here = address is None

    def unordered(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Generator[tuple[Item, Result], None, None]:
        """Give each item with what the function makes of it, as it becomes ready."""
        try:
            from distributed import KilledWorker, as_completed
            from distributed.client import FutureCancelledError
        except ImportError:
            raise SweepError(
                "Sweeps on a cluster need Dask, which is not installed; run "
                "pip install 'mtl-helpers[cluster]'."
            ) from None
        try:
            with self._client() as client:
                futures = {client.submit(function, item, pure=False): item for item in items}
                try:
                    for future in as_completed(futures):
                        yield futures[future], future.result()
                finally:
                    client.cancel(list(futures))
        except KilledWorker:
            raise SweepError(
                "A run ended its worker again and again, most often because memory ran out; "
                "finished runs are kept, so run the same command again with larger workers."
            ) from None
        except FutureCancelledError:
            raise SweepError(
                "The connection to Dask's scheduler was lost; finished runs are kept, so start it "
                "and run the same command again."
            ) from None

    @contextmanager
    def _client(self) -> Iterator[Any]:
        from distributed import Client, LocalCluster

        logger = logging.getLogger("distributed")
        level = logger.level
        # whatever happens to workers and scheduler is said by an error or mended without one
        logger.setLevel(logging.CRITICAL)
        try:
            if self.address is None:
                with (
                    LocalCluster(
                        n_workers=self.processes,
                        threads_per_worker=1,
                        # a memory-mapped corpus would count as the worker's own memory
                        memory_limit=0,
                        dashboard_address=None,
                        silence_logs=logging.CRITICAL,
                    ) as cluster,
                    Client(cluster) as client,
                ):
                    yield client
            else:
                with self._connected(self.address) as client:
                    yield client
        finally:
            logger.setLevel(level)

    @contextmanager
    def _connected(self, address: str) -> Iterator[Any]:
        from distributed import Client

        try:
            client = Client(address)
        except (OSError, ValueError) as error:
            raise SweepError(
                f"There should be a Dask scheduler at {address}, but it cannot be reached "
                f"({type(error).__name__}); start one with 'dask scheduler', or name another."
            ) from None
        with client:
            threads = client.nthreads()
            if not threads or max(threads.values()) > 1:
                # two runs in one process would draw from one stream of random numbers
                raise SweepError(
                    f"The Dask cluster at {address} should have workers with one thread each, but "
                    f"has {len(threads)} workers with {sum(threads.values())} threads; start them "
                    "with 'dask worker --nthreads 1 --nworkers N'."
                )
            yield client


def get_executor(
    name: str | None = None, processes: int | None = None, threads: int = 1
) -> Executor:
    """Return the executor of that name.

    Parameters
    ----------
    name
        ``"loky"`` for processes on this machine; ``"dask"`` for the cluster whose scheduler
        ``DASK_SCHEDULER`` names, else for a local one; or the address of a scheduler, such as
        ``"tcp://host:8786"``. If absent, ``"loky"``.
    processes
        Runs at a time on this machine; if absent, as many as the usable cores allow.
    threads
        Threads of each run.
    """
    name = name or "loky"
    if name == "loky":
        return Executor(processes, threads)
    if name == "dask":
        return DaskExecutor(os.environ.get("DASK_SCHEDULER") or None, processes, threads)
    if "://" in name:
        return DaskExecutor(name, processes, threads)
    raise ValueError(
        f"Unknown executor {name!r}; choose loky, dask, or the address of a Dask scheduler such "
        "as tcp://host:8786."
    )
