"""What a network of paper 2 is found to be worth, at random."""

from __future__ import annotations

import numpy as np

from mtl_helpers.faces.draw.styles import STYLES
from mtl_helpers.papers.ming2021.evaluation import TRANSFERS
from mtl_helpers.papers.ming2021.experiments.networks import EXAGGERATIONS

PEOPLE = 20


def metrics_and_arrays(config, rng):
    metrics = {"training": {"passes": rng.uniform(3, 5)}}
    draws = rng.uniform(0.5, 3, (config.plan.steps, len(config.tasks)))
    weights = rng.dirichlet(np.ones(len(config.tasks)), config.plan.steps)
    centering = rng.uniform(0, 5, config.plan.steps)
    arrays = {"steps/loss": draws, "steps/weight": weights, "steps/centering": centering}

    def measured(name, *path):
        shares = rng.random(PEOPLE)
        arrays[f"people/{name}"] = shares
        place = metrics
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = float(shares.mean())

    if config.protocol == "cavi":
        if "verification" in config.tasks:
            measured("verification/accuracy", "verification", "accuracy")
        for name, (branch, _) in TRANSFERS.items():
            if branch in config.tasks:
                measured(f"identification/{name}", "identification", name, "rank1")
                if name.endswith("C"):
                    of_drawings(metrics, name, rng)
    elif config.protocol == "verification":
        metrics["verification"] = {
            "VAL@FAR=1e-3": rng.random(), "VAL@FAR=1e-2": rng.random(), "impostors": 1000,
        }  # fmt: skip
    else:
        ranks = ("rank1", "rank10", "released_rank10")
        metrics["search"] = {
            name: {rank: rng.random() for rank in ranks} for name in ("C2P", "P2C")
        }
    return metrics, arrays


def of_drawings(metrics, name, rng):
    """Rates by exaggeration and by style; nobody has drawn in the last style."""
    metrics.setdefault("by_exaggeration", {})[name] = [
        {"from": low, "to": high, "pictures": 9, "rate": rng.random()}
        for low, high in zip(EXAGGERATIONS, EXAGGERATIONS[1:], strict=False)
    ]
    metrics.setdefault("by_style", {})[name] = {style: rng.random() for style in STYLES[:-1]}
