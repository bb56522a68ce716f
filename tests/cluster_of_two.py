"""A Dask cluster of a scheduler and two workers, each a process of its own as on other machines."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).resolve().parent


class Cluster:
    """`address` is that of the scheduler."""

    def __init__(self, address: str, scheduler: subprocess.Popen[bytes]) -> None:
        self.address = address
        self._scheduler = scheduler

    def kill_scheduler_once(self, due: Callable[[], bool]) -> None:
        """Kill it as soon as something is so."""

        def wait() -> None:
            deadline = time.monotonic() + 300
            while not due() and time.monotonic() < deadline:
                time.sleep(0.02)
            self._scheduler.kill()

        threading.Thread(target=wait, daemon=True).start()


@contextmanager
def cluster_of_two(folder: Path, threads: int = 1) -> Iterator[Cluster]:
    """Start it; workers import what tests import and keep their files in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    before = filter(None, [os.environ.get("PYTHONPATH")])
    path = os.pathsep.join([str(TESTS), str(TESTS.parent), *before])

    def start(module: str, *options: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", "--no-dashboard", *options],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            stderr=subprocess.DEVNULL,
        )

    scheduler = start("dask_scheduler", "--host", "127.0.0.1", "--port", str(port))
    shape = ["--nworkers", "2", "--nthreads", str(threads), "--memory-limit", "0"]
    workers = start("dask_worker", address, *shape)
    try:
        from distributed import Client

        with Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield Cluster(address, scheduler)
    finally:
        for process in (workers, scheduler):
            process.terminate()
        for process in (workers, scheduler):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
