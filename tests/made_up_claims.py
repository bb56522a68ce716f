"""Claims, effects and intervals with numbers of our own choice."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from stored_runs import store_run

from mtl_helpers.ledger.claim import Claim, Effect, Measure, Part, compare
from mtl_helpers.ledger.statistics import Interval, mean_interval
from mtl_helpers.presets import PRESETS
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.runs.query import load_records
from mtl_helpers.runs.record import Record


def interval(low: float, high: float, n: int = 5) -> Interval:
    """An interval with these ends."""
    return Interval((low + high) / 2, low, high, n)


def effect(low: float, high: float, n: int = 5) -> Effect:
    """An effect over seeds with these ends."""
    return Effect(interval(low, high, n))


def never(records):
    """Effects of made-up claims are given, not computed."""
    raise AssertionError("no part is measured here")


def claim_of(*parts: Part, **fields) -> Claim:
    """A claim of these parts; a name alone is a part that decides."""
    return Claim("T1", "Toy (2018)", "It helps.", "Table 1", parts=parts, **fields)


def part(name: str, **fields) -> Part:
    return Part(name, never, **fields)


def every(*names: str) -> Claim:
    """A claim that needs all of these parts."""
    return claim_of(*(part(name) for name in names))


def each(*names: str) -> Claim:
    """A claim of independent statements with one part each."""
    return claim_of(*(part(name, statement=name) for name in names), logic="each")


def assert_mirrored(claim: Claim, effects: dict[str, Effect], verdict: str, judge) -> None:
    """The same verdict comes out if all directions and all signs are turned round."""
    parts = tuple(dataclasses.replace(one, direction="less") for one in claim.parts)
    turned = {
        name: Effect(one.over_seeds.scaled(-1), one.over_people and one.over_people.scaled(-1))
        for name, one in effects.items()
    }
    assert judge(dataclasses.replace(claim, parts=parts), turned).verdict == verdict


def seeds(*values: float) -> Effect:
    """An effect over seeds from one value each."""
    return Effect(mean_interval(np.array(values)))


# --- stored runs of a toy -----------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    arm: str
    seed: int


SMOKE = PRESETS["smoke"]
ARMS = {
    "s-cnn": (0.50, 0.52, 0.51),
    "id+pos": (0.60, 0.625, 0.61),  # differences 10, 10.5, 10 points
    "id+exp": (0.50, 0.56, 0.49),  # differences 0, 4, -2
}
CONFIGS = [Config(arm, seed) for arm in ARMS for seed in range(3)]
TOY = Experiment("toy", lambda preset: CONFIGS, lambda config: Outcome({}))
OTHER_CONFIGS = [Config("p-cnn", seed) for seed in range(3)]
OTHER = Experiment("other", lambda preset: OTHER_CONFIGS, lambda config: Outcome({}))
CODE = {"commit": "0123456789abcdef", "dirty": False, "sources": "f" * 16}
RANK1 = Measure("rank1", "people/test/y_d")
PEOPLE = 6


def people_of(config: Config) -> np.ndarray:
    """Results by person whose mean is the run's rank-1."""
    drawn = np.random.default_rng(config.seed).normal(0, 0.1, PEOPLE)
    own = np.random.default_rng(100 + len(config.arm)).normal(0, 0.1, PEOPLE)
    off = drawn + own
    return (ARMS[config.arm][config.seed] + off - off.mean()).astype(np.float32)


def store_toy(root: Path, *, with_people: bool = False) -> None:
    """Store a run of every arm and seed of the toy."""
    for config in CONFIGS:
        store_run(
            TOY,
            SMOKE,
            config,
            root,
            metrics={"rank1": ARMS[config.arm][config.seed]},
            arrays={RANK1.people: people_of(config)} if with_people else None,
            seconds=60,
            code=CODE,
        )


def store_other(root: Path) -> None:
    """Store runs of a second experiment: 70, 71 and 72 %."""
    for config in OTHER_CONFIGS:
        metrics = {"rank1": 0.7 + 0.01 * config.seed}
        store_run(OTHER, SMOKE, config, root, metrics=metrics, seconds=60, code=CODE)


def toy_runs(root: Path) -> list[Record]:
    """Read the toy's runs."""
    return load_records(TOY, SMOKE, root=root)


def of(records, arm: str) -> list[Record]:
    """Return the runs of an arm."""
    return [run for run in records if run.arm == arm]


def minus(arm: str, baseline: str = "s-cnn"):
    """Return what computes the difference of rank-1 between two arms."""
    return lambda records: compare(of(records, arm), of(records, baseline), RANK1)


POSE = Claim(
    id="T1",
    paper="Toy (2018)",
    statement="Pose | helps.",
    paper_figure="Table 1",
    experiments=(TOY,),
    parts=(Part("id+pos", minus("id+pos")),),
    chapter="../notebooks/toy.ipynb",
    comparison="rank-1 of id+pos minus s-CNN",
)
ALL = dataclasses.replace(
    POSE, id="T2", parts=(*POSE.parts, Part("id+exp", minus("id+exp"))), chapter=""
)
LATER = Claim("T 3b", "Toy (2018)", "More helps.", "Fig. 2")
BOTH = dataclasses.replace(POSE, experiments=(TOY, OTHER), parts=(Part("p-cnn", minus("p-cnn")),))
