"""Does a recogniser that forgets landmarks know profiles better, and has it forgotten?

s-CNN on ``pie`` is trained, then continued by APRN (Li, Wang & Zhang 2021) at several alphas, by
each half of its loss, at each stage, with the released leak, with D's running statistics, by a
gradient reversal layer, and for as long without an adversary. Of every arm is measured whom it
recognises at which yaw, what a linear machine reads of pose in x, how tight identities are, and
what D and new probes, one of them stronger than D was, read of landmarks in its maps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.evaluation.identification import Factor, identify, probe_sample
from mtl_helpers.faces.corpora.pie import PieCorpus, PieSpec, load_pie
from mtl_helpers.faces.scene.cameras import FRONTAL_YAW, PROFILE_YAW
from mtl_helpers.faces.scene.lights import GALLERY_EXPRESSION, GALLERY_SHOT
from mtl_helpers.machine import pick_device
from mtl_helpers.networks import count_parameters
from mtl_helpers.papers.li2021.cooperative import noise_distances
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
from mtl_helpers.papers.li2021.landmark_game import LandmarkGame
from mtl_helpers.papers.li2021.landmarks import (
    interocular,
    landmark_errors,
    landmarks_in_frame,
    mean_face,
)
from mtl_helpers.papers.li2021.pose_in_features import (
    centroid_similarity,
    linear_profile_accuracy,
    linear_yaw_error,
)
from mtl_helpers.papers.li2021.probes import StageProbes
from mtl_helpers.papers.li2021.protocols import angle_factor
from mtl_helpers.papers.li2021.recogniser import Recogniser
from mtl_helpers.papers.li2021.regressor import STAGES
from mtl_helpers.presets import Preset, get_preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.training.loop import Trained

__all__ = [
    "ALPHAS",
    "BESIDE",
    "BESIDE_SEEDS",
    "EXPERIMENT",
    "LONGER",
    "MAIN",
    "OTHERS",
    "PLAYER",
    "alpha_arm",
    "configs",
    "stage_arm",
]

ALPHAS = (0.03, 0.1, 0.2, 0.3, 0.4)
"""The paper's, and a smaller one: what an alpha does depends on how the L1 norm is averaged."""

LONGER = "longer"
"""The arm that is continued without an adversary: alpha = 0."""

PLAYER = "D"
"""Among the probes of an arm: D as the game has left it."""

PROBES_PER_PERSON = 20
"""About how many pictures of each person are asked about."""

MEDIAN_OF = 5000
"""About how many training pictures the best constant answer is taken from."""

MAPPED_PEOPLE = 8
"""Test people whose features are kept, for t-SNE."""


def alpha_arm(alpha: float) -> str:
    """Return the arm of APRN on the last stage at an alpha, in hundredths.

    >>> alpha_arm(0.2), alpha_arm(0.03), alpha_arm(0)
    ('alpha20', 'alpha3', 'longer')
    """
    return f"alpha{round(100 * alpha)}" if alpha else LONGER


def stage_arm(stage: int) -> str:
    """Return the arm of APRN on a stage, counted from 0, at alpha 0.2."""
    return STAGES[stage] if stage < len(STAGES) - 1 else MAIN


MAIN = alpha_arm(0.2)
"""The paper's APRN."""

_PROBED = (LONGER, MAIN)
_ALPHA_GAMES = (
    Game(LONGER, "none", alpha=0.0, probed=True),
    *(Game(alpha_arm(a), "adversarial", alpha=a, probed=alpha_arm(a) in _PROBED) for a in ALPHAS),
)
OTHERS = (
    Game("L1", "L1"),
    Game("L2", "L2"),
    *(Game(STAGES[stage], "adversarial", stage=stage) for stage in range(2)),
)
"""Arms at alpha 0.2 that decide something: halves of the loss, and the two earliest stages."""

BESIDE = (
    *(Game(STAGES[stage], "adversarial", stage=stage) for stage in range(2, 4)),
    Game("leak", "adversarial", leak=True),
    Game("running", "adversarial", statistics="running"),
    Game("reversal", "reversal"),
)
"""Arms at alpha 0.2 that stand beside: later stages, the leak, D's running statistics, reversal."""

BESIDE_SEEDS = 3
"""How many of a preset's seeds those have."""


def configs(preset: Preset) -> list[GamesConfig]:
    """Return two runs per seed: one for the alphas, one for the other games."""
    corpus = PieSpec.from_preset(preset)
    return [
        games_config(preset, arm, seed, corpus, games)
        for number, seed in enumerate(preset.seeds)
        for arm, games in (
            ("alphas", _ALPHA_GAMES),
            ("others", OTHERS + BESIDE if number < BESIDE_SEEDS else OTHERS),
        )
    ]


def run(config: GamesConfig) -> Outcome:
    """Train a baseline, continue it by every game, and measure each."""
    assert isinstance(config.corpus, PieSpec)
    corpus = load_pie(config.corpus, progress=False)
    face = mean_face(landmarks_in_frame(corpus, corpus.gallery("train")))
    look = _Look(config, corpus, face)
    baseline = baseline_of(config, corpus)
    probes = look.at(BASELINE, baseline, range(len(STAGES)))
    for game in config.games:
        result = played(config, corpus, baseline.final, game, probes, face)
        look.at(game.name, result, range(len(STAGES)) if game.probed else (game.stage,))
    metrics = {"arms": look.metrics, "training": baseline.summary()}
    return Outcome(metrics=metrics, curves=curves_of(look.results), arrays=look.arrays)


class _Look:
    """Measures arm by arm, on the same pictures."""

    def __init__(self, config: GamesConfig, corpus: PieCorpus, face: NDArray[np.float32]) -> None:
        self.config, self.corpus, self.face = config, corpus, face
        self.device = pick_device()
        self.metrics: dict[str, dict[str, Any]] = {}
        self.arrays: dict[str, NDArray[Any]] = {}
        self.results: dict[str, Trained] = {}
        train = corpus.split("train")
        some = train[:: max(1, len(train) // MEDIAN_OF)]
        self.median = np.median(landmarks_in_frame(corpus, some), axis=0)
        spec = corpus.spec
        levels = (len(spec.cameras), len(spec.shots), len(spec.expressions))
        own = math.prod(levels) - 1
        about = max(1, own // PROBES_PER_PERSON)
        self.test, self.validation = (
            probe_sample(corpus.probes(split), (*levels, own), about)
            for split in ("test", "validation")
        )
        degrees = np.asarray(corpus.yaw_degrees)
        views = {"frontal": abs(degrees) <= FRONTAL_YAW, "profile": abs(degrees) >= PROFILE_YAW}
        self.factors = {
            "by_yaw": Factor("pos", {str(d): (k,) for k, d in enumerate(corpus.yaw_degrees)}),
            "by_angle": angle_factor(corpus.yaw_degrees),
            "by_view": Factor(
                "pos", {name: tuple(np.flatnonzero(view)) for name, view in views.items()}
            ),
        }

    def at(self, arm: str, result: Trained, stages: range | tuple[int, ...]) -> StageProbes:
        """Measure an arm; return the probes that were trained on it."""
        network, amp = result.final, result.bfloat16
        self.results[arm] = result
        options: dict[str, Any] = {"device": self.device, "amp": amp}
        found = identify(
            self.corpus,
            "test",
            network,
            probes=self.test,
            features={"x": "x"},
            gallery_size=get_preset(self.config.preset).gallery,
            **options,
        )
        for name, values in found.by_person({"by_view": self.factors["by_view"]}).items():
            self.arrays[name.replace("people/test/", f"people/{arm}/")] = values
        x = found.outputs["x"].numpy()
        probes = probed(self.config, self.corpus, network, stages, self.face)
        if isinstance(result.method, LandmarkGame):
            probes = probes.beside(PLAYER, result.method.discriminator, result.method.stage)
        self.metrics[arm] = {
            "test": found.report(self.factors),
            "pose": self._pose(network, x, options),
            "identities": centroid_similarity(x, found.labels["id"]),
            "probes": self._errors(probes),
            "parameters": count_parameters(network),
            "training": result.summary(),
        }
        if isinstance(result.method, LandmarkGame):
            noise = noise_distances(result.method, self.corpus.spec.side, seed=self.config.seed)
            self.metrics[arm]["noise"] = {"mean": float(noise.mean()), "std": float(noise.std())}
        if len(stages) == len(STAGES):
            mapped = np.isin(found.labels["id"], np.unique(found.labels["id"])[:MAPPED_PEOPLE])
            self.arrays[f"x/{arm}"] = x[mapped].astype(np.float16)
            self.arrays[f"places/{arm}"] = self.test[mapped]
        self._turn(arm, probes)
        return probes

    def _pose(
        self, network: Recogniser, x: NDArray[np.float32], options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What linear machines that know the validation people read of the test people's pose."""
        others = extract(network, self.corpus.images, self.validation, **options)["x"].numpy()
        yaw = np.asarray(self.corpus.yaw_degrees)
        here, there = (
            yaw[self.corpus.labels(numbers)["pos"]] for numbers in (self.validation, self.test)
        )
        clear = [(abs(y) <= FRONTAL_YAW) | (abs(y) >= PROFILE_YAW) for y in (here, there)]
        return {
            "profile": linear_profile_accuracy(
                others[clear[0]],
                abs(here[clear[0]]) >= PROFILE_YAW,
                x[clear[1]],
                abs(there[clear[1]]) >= PROFILE_YAW,
            ),
            "yaw": linear_yaw_error(others, here, x, there),
        }

    def _errors(self, probes: StageProbes) -> dict[str, Any]:
        """Errors on the test pictures, by yaw: of each probe, and of two who look at nothing.

        ``"guess"`` says the mean face; ``"constant"`` the best answer for all, the median landmarks
        of the training pictures: the mean face is frontal, and half of the heads are turned.
        """
        truth = landmarks_in_frame(self.corpus, self.test)
        pos = self.corpus.labels(self.test)["pos"]
        read = extract(probes, self.corpus.images, self.test, device=self.device)
        named: dict[str, ArrayLike] = {
            "guess": np.broadcast_to(self.face, truth.shape),
            "constant": np.broadcast_to(self.median, truth.shape),
            **read,
        }
        errors = {}
        for name, points in named.items():
            pixels, eyes = landmark_errors(points, truth, interocular(self.face))
            errors[name] = {
                "pixels": float(pixels.mean()),
                "interocular": float(eyes.mean()),
                "by_yaw": {
                    str(degrees): float(eyes[pos == k].mean())
                    for k, degrees in enumerate(self.corpus.yaw_degrees)
                    if (pos == k).any()
                },
            }
        return errors

    def _turn(self, arm: str, probes: StageProbes) -> None:
        """Keep what the probes read of one person who turns, for a picture that moves."""
        spec = self.corpus.spec
        turning = np.array(
            [
                spec.at(spec.identity_range("test")[0], camera, GALLERY_SHOT, GALLERY_EXPRESSION)
                for camera in spec.cameras
            ]
        )
        self.arrays["turning"] = turning
        read = extract(probes, self.corpus.images, turning, device=self.device)
        for name, points in read.items():
            self.arrays[f"landmarks/{arm}/{name}"] = points.numpy().astype(np.float16)


def prepare(preset: Preset) -> None:
    """Render the corpus before the workers start, so that none of them waits for it."""
    load_pie(PieSpec.from_preset(preset), progress=True)


EXPERIMENT = Experiment(
    paper="li2021", name="forgetting_pose", configs=configs, run=run, prepare=prepare
)
