"""What the arms of a run of paper 3 are found to be worth, at random."""

from __future__ import annotations

from made_up_runs import record

from mtl_helpers.papers.li2021.experiments import forgetting_pose, in_the_wild
from mtl_helpers.papers.li2021.experiments.forgetting_pose import PLAYER
from mtl_helpers.papers.li2021.experiments.games import BASELINE, STRONG
from mtl_helpers.papers.li2021.regressor import STAGES
from mtl_helpers.presets import get_preset

PEOPLE = 12
YAWS = tuple(range(-90, 91, 15))
TERMS = {
    "none": (),
    "adversarial": ("true landmarks", "mean face"),
    "reversal": ("true landmarks", "mean face"),
    "L1": ("landmarks",),
    "L2": ("mean face",),
}


def made_up_records(experiment, rng, preset_name="laptop"):
    """A record for every configuration of one of the two experiments."""
    made = []
    for config in experiment.configs(get_preset(preset_name)):
        metrics, arrays = metrics_and_arrays(experiment.name, config, rng)
        curves = {game.name: curves_of(game, rng) for game in config.games}
        made.append(record(experiment.name, preset_name, config, metrics, curves, arrays))
    return made


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
    found = {
        "test": {
            "rank1": {
                "x": {
                    "overall": rng.random(),
                    "by_view": by_view,
                    "by_angle": {str(a): rng.random() for a in range(0, 91, 15)},
                }
            }
        },
        "validation": {"rank1": {"x": {"by_view": {"profile": rng.random()}}}},
        "pose": {"profile": {"test": rng.random()}, "yaw": {"error": 20 * rng.random()}},
        "identities": {"own": rng.random(), "ratio": rng.random()},
        "probes": errors,
        "noise": {"mean": 10 * rng.random()},
    }
    # what figures alone ask for leaves the draws of the others as they are
    (more,) = rng.spawn(1)
    errors |= {name: {"interocular": more.random()} for name in ("constant", PLAYER)}
    for each in errors.values():
        each |= {"pixels": 30 * more.random(), "by_yaw": at_every_yaw(more)}
    found["test"]["rank1"]["x"]["by_yaw"] = at_every_yaw(more)
    found["training"] = {"losses": {"true landmarks": 30 * more.random()}}
    return found


def at_every_yaw(rng):
    return {str(yaw): rng.random() for yaw in YAWS}


def curves_of(game, rng, steps=30):
    """Curves of a game: when, and how far D's answers are from its targets."""
    found = {f"loss/{name}": (30 * rng.random(steps)).tolist() for name in TERMS[game.kind]}
    return {"step": [5.0 * (k + 1) for k in range(steps)], **found}


def in_wild(rng):
    return {
        **{name: {"accuracy": rng.random()} for name in ("LFW", "CFP-FF", "CFP-FP")},
        "IJB-A": {name: rng.random() for name in in_the_wild.FARS},
        "MegaFace": {"rank1": rng.random()},
    }


def pie_records(rng):
    return made_up_records(forgetting_pose.EXPERIMENT, rng)


def wild_records(rng):
    return made_up_records(in_the_wild.EXPERIMENT, rng)
