"""When do side tasks help? s-CNN and m-CNN with fewer people and with less training.

A factorial design: training identities x updates x phi_s, paired seeds in every cell. The cell with
all identities and the whole training is trained by
:mod:`mtl_helpers.experiments.weighting_rules`, whose networks :func:`gains` takes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mtl_helpers.claims import compare_arms
from mtl_helpers.evaluation import identification_report
from mtl_helpers.experiments import weighting_rules
from mtl_helpers.experiments.networks import (
    NetworkConfig,
    SubsetConfig,
    network_config,
    prepare,
    some_probes,
    train,
)
from mtl_helpers.presets import Preset, pick_device
from mtl_helpers.results import Record, seed_values
from mtl_helpers.sweep import Experiment, Outcome

__all__ = ["CELLS", "EXPERIMENT", "PHI", "arm_at", "configs", "contrasts", "gains", "sizes"]

PHI = (0.3, 1.0)
"""phi_s of the networks with side tasks; each cell also has one without."""

CELLS: tuple[tuple[float, float, tuple[float, ...]], ...] = (
    (0.25, 1 / 3, PHI),
    (1.0, 1 / 3, PHI),
    (0.25, 1.0, PHI[1:]),
)
"""Shares of a preset's training identities and of its updates, and phi_s of each cell."""

RANK1 = "test.rank1.y_d.overall"


def sizes(preset: Preset) -> dict[tuple[int, int], tuple[float, ...]]:
    """Return phi_s of the networks with side tasks by identities and updates, the full cell last.

    Parameters
    ----------
    preset
        Sizes and schedule.
    """
    shares = (*CELLS, (1.0, 1.0, PHI))
    return {
        (round(people * preset.train_identities), round(done * preset.steps)): phi
        for people, done, phi in shares
    }


def arm_at(preset: Preset, identities: int, steps: int, phi_s: float) -> str:
    """Return the stored arm of a cell.

    Parameters
    ----------
    preset
        Sizes and schedule.
    identities, steps
        One of :func:`sizes`.
    phi_s
        One of :data:`PHI`, or 0 for s-CNN.
    """
    if (identities, steps) == (preset.train_identities, preset.steps):
        return weighting_rules.arm_name("fixed", phi_s)
    return f"people{identities}-steps{steps}-phi{phi_s:g}"


def configs(preset: Preset) -> list[NetworkConfig]:
    """Return every network of the cells but the full one, cell by cell."""
    return [
        network_config(
            preset,
            arm_at(preset, identities, steps, phi_s),
            seed,
            "fixed",
            phi_s,
            identities=identities,
            steps=steps,
            warmup_steps=min(preset.warmup_steps, steps // 5),
        )
        for (identities, steps), phi in list(sizes(preset).items())[:-1]
        for seed in preset.seeds
        for phi_s in (0.0, *phi)
    ]


def run(config: SubsetConfig) -> Outcome:
    """Train one network and identify the test identities."""
    result, corpus = train(config)
    report = identification_report(
        corpus,
        "test",
        result.final,
        probes=some_probes(corpus),
        device=pick_device(),
        amp=result.amp,
    )
    metrics: dict[str, Any] = {
        "test": report,
        "training_seconds": result.seconds,
        "amp": result.amp,
    }
    return Outcome(metrics=metrics)


EXPERIMENT = Experiment(name="side_task_gains", configs=configs, run=run, prepare=prepare)


def _rank1(records: Sequence[Record], arm: str) -> NDArray[np.float64]:
    """Return rank-1 of y_d in per cent, (S,), in the order of the seeds."""
    return 100 * seed_values(records, arm, RANK1)[1]


def gains(records: Sequence[Record], preset: Preset) -> pd.DataFrame:
    """Return the paired gain of side tasks in every cell.

    Parameters
    ----------
    records
        Runs of this experiment and of ``weighting_rules`` at one preset.
    preset
        That preset.

    Returns
    -------
    DataFrame
        A row a cell and phi_s: ``identities``, ``steps``, ``phi_s``, ``alone`` (rank-1 of s-CNN in
        per cent, mean over seeds), ``gain`` (rank-1 with side tasks minus that of the s-CNN of the
        same seed, in points), and ``low`` and ``high``, its 95 % interval.
    """
    rows = []
    for (identities, steps), phi in sorted(sizes(preset).items()):
        alone = _rank1(records, arm_at(preset, identities, steps, 0.0))
        for phi_s in phi:
            gain = compare_arms(
                records,
                arm_at(preset, identities, steps, phi_s),
                arm_at(preset, identities, steps, 0.0),
                RANK1,
            )
            rows.append(
                {
                    "identities": identities,
                    "steps": steps,
                    "phi_s": phi_s,
                    "alone": float(alone.mean()),
                    "gain": gain.mean,
                    "low": gain.low,
                    "high": gain.high,
                }
            )
    return pd.DataFrame(rows)


def contrasts(records: Sequence[Record], preset: Preset) -> dict[str, NDArray[np.float64]]:
    """Return what changes the gain, seed by seed, in points.

    People and training are compared at the largest phi_s, each averaged over the two levels of the
    other; phi_s over the cells that have both values.

    Parameters
    ----------
    records, preset
        As for :func:`gains`.

    Returns
    -------
    dict
        (S,) by the name of the contrast.
    """
    cells = sizes(preset)
    few, many = min(cells)[0], max(cells)[0]
    brief, whole = min(done for _, done in cells), preset.steps
    small, large = PHI

    def gain(identities: int, steps: int, phi_s: float) -> NDArray[np.float64]:
        return _rank1(records, arm_at(preset, identities, steps, phi_s)) - _rank1(
            records, arm_at(preset, identities, steps, 0.0)
        )

    square = np.array(
        [[gain(identities, steps, large) for steps in (brief, whole)] for identities in (few, many)]
    )  # (identities, steps, S)
    weights = [
        gain(*cell, large) - gain(*cell, small) for cell, phi in cells.items() if len(phi) > 1
    ]
    return {
        f"{few} minus {many} identities": (square[0] - square[1]).mean(axis=0),
        f"{brief:,} minus {whole:,} steps": (square[:, 0] - square[:, 1]).mean(axis=0),
        f"phi_s {large:g} minus {small:g}": np.mean(weights, axis=0),
    }
