"""Results of the experiments on attributes that nobody ran: the paper is right there, or wrong."""

from __future__ import annotations

import numpy as np
from made_up_runs import record

from mtl_helpers.faces.corpora.attribute_regions import REGIONS
from mtl_helpers.faces.corpora.attributes import ATTRIBUTES
from mtl_helpers.papers.taherkhani2021.experiments.attribute_verification import ARMS, RATES
from mtl_helpers.papers.taherkhani2021.experiments.choices import GRID, penalties_at
from mtl_helpers.papers.taherkhani2021.experiments.penalty_curves import BY_SGD, CURVES
from mtl_helpers.presets import get_preset

PEOPLE = 30
MEASURES = ("accuracy", "balanced_accuracy", "average_precision")
SUBSETS = ("all", "starved", "others")
GRAPHS = (
    "printed", "distance", "cosine", "log degree", "fixed total", "signed", "covariance",
    "label correlations", "graphical lasso", "log degree, trained",
)  # fmt: skip

# Points of accuracy over independent heads in a world in which the paper is right.
GAIN = {"groups": 6, "true groups": 7, "shuffled groups": 1, "labels": 2, "log degree": 3,
        "fixed total": 3, "signed": 3, "covariance": 3}  # fmt: skip


class World:
    """Makes the results of runs; ``sign`` is 1 where the paper is right, -1 for the contrary."""

    def __init__(self, sign, config, name):
        self.sign = sign
        self.config = config
        self.rng = np.random.default_rng([config.seed, *config.arm.encode(), *name.encode()])
        self.arrays = {}

    def near(self, value):
        return float(value + self.rng.normal(0, 0.0005))

    def shares(self, key, level):
        """A result and its parts by person, whose mean it is."""
        off = np.random.default_rng(0).normal(0, 0.05, PEOPLE) + self.rng.normal(0, 0.002, PEOPLE)
        part = (level + off - off.mean() + self.rng.normal(0, 0.0005)).astype(np.float32)
        self.arrays[key] = part
        return float(part.mean(dtype=np.float64))

    def scores(self, place, gain, few=False):
        """Measures by subset, at 80 % plus a gain in points."""
        means = {}
        for subset in SUBSETS:
            helped = gain * (2.5 if few and subset == "starved" else 1)
            level = 0.8 + self.sign * helped / 100
            means[subset] = {"average_precision": self.near(level)} | {
                measure: self.shares(f"people/{place}/{measure}/{subset}", level)
                for measure in MEASURES[:2]
            }
        self.arrays[f"attribute/{place}/accuracy"] = self.rng.normal(
            0.8 + self.sign * gain / 100, 0.01, len(ATTRIBUTES)
        ).astype(np.float32)
        return means

    def task_structures(self):
        few = bool(self.config.corpus.starved)
        strength = self.config.corpus.strength
        metrics = {"structures": {}, "graphs": {}, "zeros": {"groups": 0.1}}
        for structure in self.config.structures:
            gain = GAIN.get(structure.name, 0) * strength
            metrics["structures"][structure.name] = self.scores(structure.name, gain, few)
        for name in GRAPHS:
            level = 0.5 + self.sign * 0.3 * strength * (name != "printed")
            pairs = {"auc": self.near(level), "links_auc": self.near(level)}
            metrics["graphs"][name] = {
                "all": pairs,
                "both": pairs,
                "claimed": {"links": self.near(0.2), "strangers": self.near(0.2)},
                "clusters": self.near(0.4 if self.sign > 0 else 0.0),
            }
        if self.config.mapped:
            levels = {"inside": 0.4 + 0.2 * self.sign, "area": 0.4, "others": 0.4}
            shares = levels | {f"{key}_of_best": level for key, level in levels.items()}
            metrics["maps"] = {
                key: self.shares(f"people/maps/{key}", level) for key, level in shares.items()
            }
            for key, level in shares.items():
                by_attribute = self.rng.normal(level, 0.02, len(REGIONS)).astype(np.float32)
                by_attribute[3] = np.nan  # an attribute that no picture shows
                self.arrays[f"maps/{key}"] = by_attribute
        return metrics

    def penalty_curves(self):
        metrics = {"grid": list(GRID)}
        chosen = penalties_at("laptop", self.config.arm)
        cost = 0.002 if self.sign > 0 else 0.03
        for name in (*CURVES, BY_SGD):
            metrics[name] = {}
            for place in range(len(GRID)):
                best = GRID.index(getattr(chosen, "sparsity" if name == BY_SGD else name))
                level = 0.8 - cost * abs(place - best)
                accuracy = self.shares(f"people/{name} {place}/accuracy/all", level)
                zeros = 0.3 + 0.2 * self.sign * (1 if name == "sparsity" else -1)
                gain = 0.02 * self.sign * (name != "length")
                starved = self.shares(f"people/{name} {place}/accuracy/starved", level + gain)
                metrics[name][str(place)] = {
                    "test": {"all": {"accuracy": accuracy}, "starved": {"accuracy": starved}},
                    "validation": {
                        "all": {"accuracy": level},
                        "starved": {"average_precision": level},
                    },
                    "zeros": self.near(zeros),
                }
        return metrics

    def from_nothing(self):
        return {"whole": self.scores("whole", GAIN.get(self.config.structure.name, 0))}

    def attribute_verification(self):
        for arm in ARMS:
            self.arrays[f"roc/{arm}"] = (np.array(RATES) ** 0.5).astype(np.float32)
        gains = {"none": 0, "right": 6, "a tenth wrong": 5, "a third wrong": 2, "half wrong": 0}
        return {
            "trunk": {"tar": self.near(0.9)},
            "verification": {
                name: {key: self.near(0.8 + self.sign * gain / 100) for key in ("auc", "tar")}
                for name, gain in gains.items()
            },
        }


def world_of(experiments, sign=1, preset="laptop"):
    """A record for every configuration of some experiments."""
    records = []
    for experiment in experiments:
        for config in experiment.configs(get_preset(preset)):
            made = World(sign, config, experiment.name)
            metrics = getattr(made, experiment.name)()
            records.append(record(experiment.name, preset, config, metrics, arrays=made.arrays))
    return records
