"""When do side tasks help? s-CNN and m-CNN with fewer people and with less training.

Two factors make a square of cells, training identities and updates; each cell has s-CNN and m-CNN
at two phi_s, with paired seeds. The cell with all identities and the whole training is trained by
:mod:`mtl_helpers.papers.yin2018.experiments.weighting_rules`, whose networks :func:`gains` takes
in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mtl_helpers.ledger.claim import Measure, compare
from mtl_helpers.papers.yin2018.experiments import weighting_rules
from mtl_helpers.papers.yin2018.experiments.networks import (
    RANK1,
    NetworkConfig,
    measured,
    network_config,
    prepare,
    some_probes,
    train,
)
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.runs.query import select, values
from mtl_helpers.runs.record import Record

__all__ = ["CELLS", "EXPERIMENT", "PHI", "arm_at", "configs", "contrasts", "gains", "sizes"]

PHI = (0.3, 1.0)
"""phi_s of the networks with side tasks; each cell also has one without."""

SEEDS = 3
"""How many of a preset's seeds are used; enough for networks that are trained to the end, and too
few for those of many people and few steps, which differ by several points."""

CELLS = ((0.25, 1 / 3), (1.0, 1 / 3), (0.25, 1.0))
"""Shares of a preset's training identities and of its updates."""


def sizes(preset: Preset) -> list[tuple[int, int]]:
    """Return identities and updates of each cell, the full one last."""
    return [
        (round(people * preset.train_identities), round(done * preset.steps))
        for people, done in (*CELLS, (1.0, 1.0))
    ]


def arm_at(preset: Preset, identities: int, steps: int, phi_s: float) -> str:
    """Return the stored arm of a cell of :func:`sizes` at a phi_s, which is 0 for s-CNN."""
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
            people=identities,
            steps=steps,
            warmup_steps=min(preset.warmup_steps, steps // 5),
        )
        for identities, steps in sizes(preset)[:-1]
        for seed in preset.seeds[:SEEDS]
        for phi_s in (0.0, *PHI)
    ]


def run(config: NetworkConfig) -> Outcome:
    """Train one network and identify the test identities."""
    result, corpus = train(config)
    return measured(result, corpus, {"test": some_probes(corpus)}, config.gallery)


EXPERIMENT = Experiment(
    paper="yin2018",
    name="side_task_gains",
    configs=configs,
    run=run,
    prepare=prepare,
)


def gains(records: Sequence[Record], preset: Preset) -> pd.DataFrame:
    """Return the paired gain of side tasks in every cell, a row per cell and phi_s.

    Takes the preset's runs of this experiment and of ``weighting_rules``. Columns: ``identities``,
    ``steps``, ``phi_s``, ``alone`` (rank-1 of s-CNN in per cent, mean over seeds), ``gain`` (rank-1
    with side tasks minus that of the s-CNN of the same seed, in points), ``low`` and ``high``, its
    95 % interval over seeds and test people, and ``p``, its p value.
    """
    rows = []
    for identities, steps in sorted(sizes(preset)):
        alone = select(records, arm=arm_at(preset, identities, steps, 0.0))
        for phi_s in PHI:
            helped = select(records, arm=arm_at(preset, identities, steps, phi_s))
            gain = compare(helped, alone, Measure(RANK1, "people/test/y_d")).judged
            rows.append(
                {
                    "identities": identities,
                    "steps": steps,
                    "phi_s": phi_s,
                    "alone": 100 * float(values(alone, RANK1).mean()),
                    "gain": gain.mean,
                    "low": gain.low,
                    "high": gain.high,
                    "p": gain.p_value,
                }
            )
    return pd.DataFrame(rows)


def contrasts(records: Sequence[Record], preset: Preset) -> dict[str, NDArray[np.float64]]:
    """Return what changes the gain, by name: points (S,), one per seed that all cells have.

    Each factor is averaged over the others. The interaction is how much more fewer people change
    the gain in a brief training than in the whole one.
    """
    cells = sizes(preset)
    people, steps = (sorted(set(values)) for values in zip(*cells, strict=True))
    runs = {
        (*cell, phi_s): select(records, arm=arm_at(preset, *cell, phi_s))
        for cell in cells
        for phi_s in (0.0, *PHI)
    }
    # the full cell is trained on more seeds than the others
    common = set.intersection(*({run.seed for run in arm} for arm in runs.values()))
    rank1 = {name: 100 * values(select(arm, seed=common), RANK1) for name, arm in runs.items()}
    gained = np.array(
        [
            [
                [
                    rank1[identities, updates, phi_s] - rank1[identities, updates, 0.0]
                    for phi_s in PHI
                ]
                for updates in steps
            ]
            for identities in people
        ]
    )  # (people, steps, phi_s, S)
    fewer = (gained[0] - gained[1]).mean(axis=1)  # (steps, S)
    briefer = (gained[:, 0] - gained[:, 1]).mean(axis=(0, 1))  # (S,)
    stronger = (gained[:, :, 1] - gained[:, :, 0]).mean(axis=(0, 1))  # (S,)
    return {
        f"{people[0]} minus {people[1]} identities": fewer.mean(axis=0),
        f"{steps[0]:,} minus {steps[1]:,} steps": briefer,
        f"phi_s {PHI[1]:g} minus {PHI[0]:g}": stronger,
        "identities by steps": fewer[0] - fewer[1],
    }
