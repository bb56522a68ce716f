"""Records of runs that nobody trained, with random measures, and Student's interval by scipy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import stats

from mtl_helpers.papers.yin2018.experiments import pose_branches
from mtl_helpers.papers.yin2018.experiments.networks import ALL_TASKS, SIDE_TASKS
from mtl_helpers.presets import get_preset
from mtl_helpers.registry import EXPERIMENTS
from mtl_helpers.runs.config import config_dict, config_hash
from mtl_helpers.runs.record import Record

GROUPS = ("left", "frontal", "right")
CONDITIONS = tuple(pose_branches.CONDITIONS)  # the first is "clean"
DIMENSIONS = 30
STEPS = np.arange(15.0, 1501.0, 15.0)


@dataclass(frozen=True)
class MadeUp(Record):
    """A record whose arrays lie in memory."""

    made: dict[str, np.ndarray] = field(default_factory=dict)

    def arrays(self):
        return self.made


def record(experiment, preset_name, config, metrics, curves=None, arrays=None):
    return MadeUp(
        experiment=experiment,
        preset=preset_name,
        arm=config.arm,
        seed=config.seed,
        config=config_dict(config),
        config_hash=config_hash(config),
        metrics=metrics,
        curves=curves or {},
        seconds=1.0,
        hardware={},
        versions={},
        code_version={},
        date="",
        path=Path("none"),
        made=arrays or {},
    )


def random_score(rng):
    return {"overall": rng.random(), "by_group": {group: rng.random() for group in GROUPS}}


def random_report(rng, tasks):
    """What an identification finds of a network with these tasks."""
    features = ("y_d", "x") if "id" in tasks else ("x",)
    return {
        "rank1": {feature: random_score(rng) for feature in features},
        "side": {task: rng.random() for task in tasks if task != "id"},
    }


def random_shares(rng, tasks, total):
    """Weights of tasks at each step that add up to a total."""
    drawn = rng.dirichlet(np.ones(len(tasks)), len(STEPS)) * total
    return {f"weight/{task}": drawn[:, k].tolist() for k, task in enumerate(tasks)}


def made_up_records(name, preset_name="laptop", seed=0):
    """A record for every configuration of an experiment."""
    rng = np.random.default_rng(seed)
    records = []
    for config in EXPERIMENTS[name].configs(get_preset(preset_name)):
        splits = ("validation", "test") if name in ("one_or_many", "weighting_rules") else ("test",)
        metrics = {split: random_report(rng, config.tasks) for split in splits}
        curves, arrays = {"step": STEPS.tolist()}, {}
        if name == "weighting_rules":
            metrics["dimensions"] = {feature: rng.random(10).tolist() for feature in ("x_n", "y_n")}
            curves |= random_shares(rng, SIDE_TASKS, rng.uniform(0.1, 3))
            curves["energy"] = {"step": list(range(21))} | {
                f"{kind}/{task}": rng.uniform(1, 2, 21).tolist()
                for kind in ("mean", "std")
                for task in ALL_TASKS
            }
            arrays = {
                f"energy/{task}": rng.gamma(0.7, 1.0, DIMENSIONS).astype(np.float32)
                for task in ALL_TASKS
            }
        if name == "pose_branches":
            metrics["routing"] = {
                condition: {
                    routing: random_score(rng) for routing in ("stochastic", "hard", "generic")
                }
                for condition in CONDITIONS
            }
            curves |= random_shares(rng, ("id", "id_pose"), 1.0)
        records.append(record(name, preset_name, config, metrics, curves, arrays))
    return records


def records_of(names, preset_name="laptop", seed=0):
    """The records of several experiments together."""
    return [
        made
        for number, name in enumerate(names)
        for made in made_up_records(name, preset_name, seed + number)
    ]


def runs(records, arm):
    """An arm's runs in the order of their seeds."""
    found = {made.seed: made for made in records if made.arm == arm}
    assert len(found) >= 3
    return [found[seed] for seed in sorted(found)]


def values(records, arm, *path):
    """A metric of an arm in seed order, by walking the dictionaries."""
    found = []
    for made in runs(records, arm):
        value = made.metrics
        for key in path:
            value = value[key]
        found.append(value)
    return np.array(found)


def pairs(records, arm, other):
    """The runs of two arms with the same seed, as far as both have it."""
    mine, theirs = ({made.seed: made for made in runs(records, each)} for each in (arm, other))
    return [(mine[seed], theirs[seed]) for seed in sorted(mine.keys() & theirs.keys())]


def interval(differences):
    """Student's t interval by scipy: mean, low, high."""
    numbers = np.asarray(differences, dtype=float)
    low, high = stats.t.interval(0.95, len(numbers) - 1, numbers.mean(), stats.sem(numbers))
    return [numbers.mean(), low, high]


def close(effect, differences):
    """The effect is the mean over seeds of these numbers, with scipy's interval."""
    over_seeds = effect.over_seeds
    np.testing.assert_allclose(
        [over_seeds.mean, over_seeds.low, over_seeds.high],
        interval(differences),
        rtol=1e-7,
        atol=1e-9,
    )
    assert over_seeds.n == len(differences)
