"""APRN under the protocols of photographs: LFW, CFP, IJB-A and MegaFace in form, on ``wild``.

Recognisers are trained on ``wild``, whose pictures vary in everything at once as photographs do,
then continued by APRN and, for as long, without an adversary. CASIA-Net with softmax is one
baseline, a residual trunk with ArcFace the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.evaluation.protocols import cfp_rates, ijba_verification_rates
from mtl_helpers.faces.corpora.wild import WildCorpus, WildSpec, load_wild
from mtl_helpers.faces.scene.cameras import FRONTAL_YAW, PROFILE_YAW
from mtl_helpers.machine import pick_device
from mtl_helpers.networks import count_parameters
from mtl_helpers.papers.li2021.experiments.games import (
    BASELINE,
    Game,
    GamesConfig,
    baseline_of,
    curves_of,
    games_config,
    played,
    probed,
)
from mtl_helpers.papers.li2021.landmarks import landmarks_in_frame, mean_face
from mtl_helpers.papers.li2021.pose_in_features import centroid_similarity, linear_profile_accuracy
from mtl_helpers.papers.li2021.protocols import (
    PAIR_FORMS,
    distractor_features,
    megaface_hits,
    pair_scores,
    template_comparisons,
)
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.streams import stream_seed
from mtl_helpers.training.loop import Trained

__all__ = ["APRN", "CASIA", "EXPERIMENT", "LONGER", "MILD", "MILD_ALPHA", "RESIDUAL", "configs"]

CASIA, RESIDUAL = "casia-softmax", "residual-arcface"
LONGER, APRN, MILD = "longer", "aprn", "mild"

RESIDUAL_SEEDS = 3
"""How many of a preset's seeds the residual trunk is trained on: it stands beside."""

DISTRACTORS = {"smoke": 2, "laptop": 100, "gpu": 25_000}
"""Strangers, by preset; each has eight pictures, a hundred at ``gpu``."""

MOST_PROBES = 8
"""Pictures of each test person in the probe set of MegaFace's form."""

FARS = {"1e-2": 0.01, "1e-3": 0.001}
"""Rates of false accepts; the paper's smallest is 0.0001, which needs ten thousand impostors."""

MILD_ALPHA = 0.01
"""On ``pie`` the largest of our alphas that did not cost the first seed anything."""

_GAMES = (
    Game(LONGER, "none", alpha=0.0),
    Game(APRN, "adversarial"),
    Game(MILD, "adversarial", alpha=MILD_ALPHA),
)


def configs(preset: Preset) -> list[GamesConfig]:
    """Return the runs of CASIA-Net, then those of the residual trunk."""
    corpus = WildSpec.from_preset(preset)
    return [
        games_config(preset, arm, seed, corpus, _GAMES, **changes)
        for arm, seeds, changes in (
            (CASIA, preset.seeds, {}),
            (RESIDUAL, preset.seeds[:RESIDUAL_SEEDS], {"trunk": "residual"}),
        )
        for seed in seeds
    ]


def run(config: GamesConfig) -> Outcome:
    """Train a baseline, continue it, and put every protocol to each of the three networks."""
    assert isinstance(config.corpus, WildSpec)
    corpus = load_wild(config.corpus, progress=False)
    train = corpus.split("train")
    frontal = train[np.abs(corpus.factor("yaw", train)) <= FRONTAL_YAW / 2]
    face = mean_face(landmarks_in_frame(corpus, frontal))
    baseline = baseline_of(config, corpus)
    probes = probed(config, corpus, baseline.final, (-1,), face, strong=False)
    results = {BASELINE: baseline} | {
        game.name: played(config, corpus, baseline.final, game, probes, face)
        for game in config.games
    }
    metrics = {
        "arms": _protocols(config, corpus, results),
        "training": baseline.summary(),
    }
    return Outcome(metrics=metrics, curves=curves_of(results))


def _protocols(
    config: GamesConfig, corpus: WildCorpus, results: dict[str, Trained]
) -> dict[str, dict[str, Any]]:
    options: dict[str, Any] = {"device": pick_device(), "amp": results[BASELINE].bfloat16}
    networks = {arm: result.final for arm, result in results.items()}
    test, validation = corpus.split("test"), corpus.split("validation")
    people = corpus.labels(test)["id"]
    pictures = corpus.spec.per_identity
    probe_set = np.arange(len(test)) % pictures < MOST_PROBES
    strangers = _strangers(config)
    # drawn anew for each seed: what templates are compared is a part of what varies
    rng = np.random.default_rng(stream_seed(config.seed, "templates"))
    comparisons = template_comparisons(people, rng)
    distractors = list(distractor_features(networks, strangers, **options))
    metrics: dict[str, dict[str, Any]] = {}
    for arm, network in networks.items():
        x = extract(network, corpus.images, test, **options)["x"].numpy()
        rates: dict[str, Any] = {}
        for protocol, form in PAIR_FORMS.items():
            pairs = corpus.pairs("test", form)  # type: ignore[arg-type]
            scores = pair_scores(network, corpus.images, pairs, **options)
            rates[protocol] = {name: rate.mean for name, rate in cfp_rates(scores, pairs).items()}
        others = [part[arm] for part in distractors]
        metrics[arm] = rates | {
            "IJB-A": dict(
                zip(
                    FARS,
                    ijba_verification_rates(x, comparisons, list(FARS.values())).values(),
                    strict=True,
                )
            ),
            "MegaFace": {
                "rank1": float(megaface_hits(x[probe_set], people[probe_set], others).mean()),
                "distractors": sum(len(part) for part in others),
            },
            "pose": _pose(corpus, network, validation, test, x, options),
            "identities": centroid_similarity(x, people),
            "parameters": count_parameters(network),
            "training": results[arm].summary(),
        }
    return metrics


def _strangers(config: GamesConfig) -> WildSpec:
    """People of another seed: they stand in no set of this one."""
    spec = config.corpus
    assert isinstance(spec, WildSpec)
    return WildSpec(
        0,
        0,
        DISTRACTORS[config.preset],
        pictures=100 if config.preset == "gpu" else 8,
        side=spec.side,
        channels=spec.channels,
        seed=spec.seed + 1,
    )


def _pose(
    corpus: WildCorpus, network: Any, validation: Any, test: Any, x: Any, options: dict[str, Any]
) -> dict[str, float]:
    """How well a linear machine that knows the validation people tells views of the others."""
    yaw = [np.abs(corpus.factor("yaw", numbers)) for numbers in (validation, test)]
    clear = [(y <= FRONTAL_YAW) | (y >= PROFILE_YAW) for y in yaw]
    others = extract(network, corpus.images, validation, **options)["x"].numpy()
    return linear_profile_accuracy(
        others[clear[0]],
        yaw[0][clear[0]] >= PROFILE_YAW,
        x[clear[1]],
        yaw[1][clear[1]] >= PROFILE_YAW,
    )


def prepare(preset: Preset) -> None:
    """Render the corpus before the workers start, so that none of them waits for it."""
    load_wild(preset)


EXPERIMENT = Experiment(
    paper="li2021", name="in_the_wild", configs=configs, run=run, prepare=prepare
)
