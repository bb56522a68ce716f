"""A toy experiment and its configurations, for tests of records, queries and sweeps."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtl_helpers.presets import PRESETS, Preset
from mtl_helpers.runs.experiment import Experiment, Outcome

SMOKE = PRESETS["smoke"]


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    tasks: tuple[str, ...] = ("id", "pos")


@dataclass(frozen=True)
class Config:
    arm: str = "id"
    seed: int = 0
    phi_s: float = 1.0
    inner: Inner = Inner()


def nothing(config: Config) -> Outcome:
    return Outcome({})


TOY = Experiment("toy", lambda preset: [Config()], nothing)


@dataclass(frozen=True)
class Job:
    """A run that takes part in a sweep."""

    arm: str
    seed: int
    log: str = ""
    fails: bool = False
    counts_threads: bool = False


def torch_threads() -> int:
    import torch  # slow to load, so workers load it only where a test needs it

    return torch.get_num_threads()


def log_run(config: Any, name: str) -> None:
    # a relative name, found from the environment: configurations hold no machine paths
    with open(Path(os.environ["TOY_FOLDER"]) / name, "a") as log:
        log.write(f"{config.arm}-{config.seed}\n")


def runs_logged(folder: Path) -> list[str]:
    log = folder / "log"
    return log.read_text().split() if log.exists() else []


def run_job(config: Job) -> Outcome:
    if config.log:
        log_run(config, config.log)
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


def jobs(arms: tuple[str, ...] = ("a", "b"), seeds: int = 2, **fields: Any) -> Experiment:
    def configs(preset: Preset) -> list[Job]:
        return [Job(arm, seed, **fields) for seed in range(seeds) for arm in arms]

    return Experiment("toy", configs, run_job)
