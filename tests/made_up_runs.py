"""Records of runs that nobody trained, with random measures, and Student's interval by scipy."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import stats

from mtl_helpers.ledger.statistics import crossed_interval
from mtl_helpers.papers.yin2018.experiments import pose_branches
from mtl_helpers.papers.yin2018.experiments.networks import ALL_TASKS, SIDE_TASKS
from mtl_helpers.papers.yin2018.routing import ROUTINGS
from mtl_helpers.presets import get_preset
from mtl_helpers.registry import EXPERIMENTS
from mtl_helpers.runs.config import config_dict, config_hash
from mtl_helpers.runs.record import Record

GROUPS = ("left", "frontal", "right")
VIEWS = ("frontal", "profile")
CONDITIONS = tuple(pose_branches.CONDITIONS)  # the first is "clean"
WRONG_POSES = tuple(
    pose_branches.wrong_pose(share, sure=sure)
    for share in pose_branches.WRONG_SHARES
    for sure in (False, True)
)
PEOPLE = 12
DIMENSIONS = 30
STEPS = np.arange(15.0, 1501.0, 15.0)


@dataclass(frozen=True)
class MadeUp(Record):
    """A record whose arrays lie in memory."""

    made: dict[str, np.ndarray] = field(default_factory=dict)

    @contextmanager
    def _stored(self):
        yield self.made


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
    found = {"overall": rng.random()}
    for split, names in (("by_group", GROUPS), ("by_view", VIEWS)):
        found[split] = {name: rng.random() for name in names}
    return found


def random_report(rng, split, tasks):
    """What an identification finds of a network with these tasks, and the same by person.

    The numbers by person are others than those over all, so that it shows which are taken.
    """
    features = ("y_d", "x") if "id" in tasks else ("x",)
    side = [task for task in tasks if task != "id"]
    report = {
        "rank1": {feature: random_score(rng) for feature in features},
        "side": {task: rng.random() for task in side},
        "side_accuracy": {task: rng.random() for task in side},
    }
    names = [*features, *side, *(f"{feature}/{view}" for feature in features for view in VIEWS)]
    return report, {f"people/{split}/{name}": rng.random(PEOPLE) for name in names}


def random_shares(rng, tasks, total):
    """Weights of tasks at each step that add up to a total."""
    drawn = rng.dirichlet(np.ones(len(tasks)), len(STEPS)) * total
    return {f"weight/{task}": drawn[:, k].tolist() for k, task in enumerate(tasks)}


def training_of(rng, config):
    """What happened in the training of a configuration."""
    people = config.people or config.corpus.train_identities
    images = people * (config.pictures or config.corpus.per_identity)
    return {
        "images": images,
        "passes": config.plan.steps * config.plan.batch / images,
        "accuracy": {task: rng.random() for task in config.tasks},
    }


def made_up_records(name, preset_name="laptop", seed=0):
    """A record for every configuration of an experiment."""
    return list(_made_up(name, preset_name, seed))


@functools.cache
def _made_up(name, preset_name, seed):
    rng = np.random.default_rng(seed)
    records = []
    for config in EXPERIMENTS[name].configs(get_preset(preset_name)):
        splits = ("validation", "test") if name in ("one_or_many", "weighting_rules") else ("test",)
        metrics, curves, arrays = {"training": training_of(rng, config)}, {}, {}
        curves["step"] = STEPS.tolist()
        for split in splits:
            metrics[split], by_person = random_report(rng, split, config.tasks)
            arrays |= by_person
        if name in ("weighting_rules", "twenty_epochs"):
            curves |= random_shares(rng, SIDE_TASKS, rng.uniform(0.1, 3))
            curves["energy"] = {"step": list(range(21))} | {
                f"{kind}/{task}": rng.uniform(1, 2, 21).tolist()
                for kind in ("mean", "std")
                for task in ALL_TASKS
            }
        if name == "weighting_rules":
            for feature in ("x_n", "y_n"):
                for tenths in range(1, 11):
                    arrays[f"people/test/{feature}/{tenths / 10:g}"] = rng.random(PEOPLE)
            for task in ALL_TASKS:
                energy = rng.gamma(0.7, 1.0, DIMENSIONS)
                arrays[f"energy/{task}"] = energy.astype(np.float32)
        if config.phi_m is not None:
            curves |= random_shares(rng, ("id", "id_pose"), config.phi_m)
        if name == "pose_branches":
            metrics["routing"] = {}
            for condition in (*CONDITIONS, *WRONG_POSES):
                metrics["routing"][condition] = {r: random_score(rng) for r in ROUTINGS}
                for routing in ROUTINGS:
                    arrays[f"people/{condition}/{routing}"] = rng.random(PEOPLE)
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
    """The effect is the mean of these numbers: one per seed (S,), or also per person (S, P).

    Over seeds its interval is scipy's; over people too it is there only for the latter.
    """
    table = np.asarray(differences, dtype=float)
    found, by_seed = [effect.over_seeds], table if table.ndim == 1 else table.mean(axis=1)
    expected = [interval(by_seed)]
    if table.ndim == 2:
        crossed = crossed_interval(table)
        found.append(effect.over_people)
        expected.append([crossed.mean, crossed.low, crossed.high])
        assert effect.over_people.people == table.shape[1]
    else:
        assert effect.over_people is None
    ends = [[each.mean, each.low, each.high] for each in found]
    np.testing.assert_allclose(ends, expected, rtol=1e-7, atol=1e-9)
    assert [each.n for each in found] == [len(table)] * len(found)
