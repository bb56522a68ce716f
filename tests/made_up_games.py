"""What the arms of a run of paper 3 are found to be worth, at random."""

from __future__ import annotations

from mtl_helpers.papers.li2021.experiments import in_the_wild
from mtl_helpers.papers.li2021.experiments.games import BASELINE, STRONG
from mtl_helpers.papers.li2021.regressor import STAGES

PEOPLE = 12


def metrics_and_arrays(experiment, config, rng):
    names, arrays = [BASELINE, *(game.name for game in config.games)], {}
    if experiment == "in_the_wild":
        return {"arms": {name: in_wild(rng) for name in names}}, arrays
    return {"arms": {name: on_pie(rng, arrays, name) for name in names}}, arrays


def on_pie(rng, arrays, arm):
    by_view = {view: rng.random() for view in ("frontal", "profile")}
    for name in ("x", "x/frontal", "x/profile"):
        arrays[f"people/{arm}/{name}"] = rng.random(PEOPLE)
    errors = {name: {"interocular": rng.random()} for name in ("guess", *STAGES, STRONG)}
    return {
        "test": {
            "rank1": {
                "x": {
                    "overall": rng.random(),
                    "by_view": by_view,
                    "by_angle": {str(a): rng.random() for a in range(0, 91, 15)},
                }
            }
        },
        "pose": {"profile": {"test": rng.random()}, "yaw": {"error": 20 * rng.random()}},
        "identities": {"own": rng.random(), "ratio": rng.random()},
        "probes": errors,
        "noise": {"mean": 10 * rng.random()},
    }


def in_wild(rng):
    return {
        **{name: {"accuracy": rng.random()} for name in ("LFW", "CFP-FF", "CFP-FP")},
        "IJB-A": {name: rng.random() for name in in_the_wild.FARS},
        "MegaFace": {"rank1": rng.random()},
    }
