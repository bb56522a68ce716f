"""Does a recogniser that forgets landmarks know profiles better, and has it forgotten?

s-CNN on ``pie`` is trained, then continued by APRN (Li, Wang & Zhang 2021) at several alphas, by
each half of its loss, at each stage, with the released leak, with D's running statistics, by a
gradient reversal layer, and for as long without an adversary. Of every arm is measured whom it
recognises at which yaw, what a linear machine reads of pose in x, how tight identities are, and
what D and new probes, one of them stronger than D was, read of landmarks in its maps. Rank-1 of the
validation people is kept too, so that an alpha can be chosen by it.
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
    slopes,
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
    "LONG_ALPHAS",
    "MAIN",
    "OTHERS",
    "PLAYER",
    "TIMES",
    "alpha_arm",
    "configs",
    "long_arm",
    "stage_arm",
]

ALPHAS = (0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4)
"""The paper's, and smaller ones: what an alpha does depends on how the L1 norm is averaged."""

LONGER = "longer"
"""The arm that is continued without an adversary: alpha = 0."""

TIMES, LONG_ALPHAS = 4, (0.01, 0.2)
"""How much longer long games are, and their alphas; without an adversary there is one as well."""

PLAYER = "D"
"""Among the probes of an arm: D as the game has left it."""

PROBES_PER_PERSON = 20
"""About how many pictures of each person are asked about."""

MEDIAN_OF = 5000
"""About how many training pictures the best constant answer is taken from."""

MAPPED_PEOPLE = 8
"""Test people whose features are kept, for t-SNE."""


def alpha_arm(alpha: float) -> str:
    """Return the arm of APRN on the last stage at an alpha, in thousandths.

    >>> alpha_arm(0.2), alpha_arm(0.03), alpha_arm(0)
    ('alpha200', 'alpha30', 'longer')
    """
    return f"alpha{round(1000 * alpha)}" if alpha else LONGER


def long_arm(alpha: float) -> str:
    """Return the arm that plays :data:`TIMES` as long at an alpha."""
    return f"{alpha_arm(alpha)}-long"


def stage_arm(stage: int) -> str:
    """Return the arm of APRN on a stage, counted from 0, at alpha 0.2."""
    return STAGES[stage] if stage < len(STAGES) - 1 else MAIN


MAIN = alpha_arm(0.2)
"""The paper's APRN."""

_EVERY = tuple(range(len(STAGES)))
_ALPHA_GAMES = (
    Game(LONGER, "none", alpha=0.0, probed=_EVERY),
    *(
        Game(alpha_arm(a), "adversarial", alpha=a, probed=_EVERY if a == 0.2 else (-1,))
        for a in ALPHAS
    ),
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
    Game(long_arm(0), "none", alpha=0.0, times=TIMES, probed=(-1,)),
    *(Game(long_arm(a), "adversarial", alpha=a, times=TIMES, probed=(-1,)) for a in LONG_ALPHAS),
)
"""Arms that stand beside: later stages, the leak, D's running statistics, reversal, long games."""

BESIDE_SEEDS = 3
"""How many of a preset's seeds those have."""


def configs(preset: Preset) -> list[GamesConfig]:
    """Return a run per seed, of which the first few have every game."""
    corpus = PieSpec.from_preset(preset)
    games = _ALPHA_GAMES + OTHERS
    return [
        games_config(
            preset, "games", seed, corpus, games + BESIDE if number < BESIDE_SEEDS else games
        )
        for number, seed in enumerate(preset.seeds)
    ]


def run(config: GamesConfig) -> Outcome:
    """Train a baseline, continue it by every game, and measure each."""
    assert isinstance(config.corpus, PieSpec)
    corpus = load_pie(config.corpus, progress=False)
    face = mean_face(landmarks_in_frame(corpus, corpus.gallery("train")))
    look = _Look(config, corpus, face)
    baseline = baseline_of(config, corpus)
    probes = look.at(BASELINE, baseline, _EVERY)
    assert probes is not None
    for game in config.games:
        look.at(game.name, played(config, corpus, baseline.final, game, probes, face), game.probed)
    main = next(game for game in config.games if game.name == MAIN)
    metrics = {
        "arms": look.metrics,
        "slopes": slopes(config, corpus, baseline.final, main, probes, face),
        "training": baseline.summary(),
    }
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

    def at(self, arm: str, result: Trained, stages: tuple[int, ...]) -> StageProbes | None:
        """Measure an arm; return what reads landmarks from it: new probes of some stages, and D."""
        network, amp = result.final, result.bfloat16
        self.results[arm] = result
        options: dict[str, Any] = {"device": self.device, "amp": amp}
        found, chosen_by = (
            identify(
                self.corpus,
                split,
                network,
                probes=probes,
                features={"x": "x"},
                gallery_size=get_preset(self.config.preset).gallery,
                **options,
            )
            for split, probes in (("test", self.test), ("validation", self.validation))
        )
        for name, values in found.by_person({"by_view": self.factors["by_view"]}).items():
            self.arrays[name.replace("people/test/", f"people/{arm}/")] = values
        x = found.outputs["x"].numpy()
        probes = self._probes(result, stages)
        self.metrics[arm] = {
            "test": found.report(self.factors),
            "validation": chosen_by.report({"by_view": self.factors["by_view"]}),
            "pose": self._pose(chosen_by.outputs["x"].numpy(), x),
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
        if probes is not None:
            self._turn(arm, probes)
        return probes

    def _probes(self, result: Trained, stages: tuple[int, ...]) -> StageProbes | None:
        new = probed(self.config, self.corpus, result.final, stages, self.face) if stages else None
        if not isinstance(result.method, LandmarkGame):
            return new
        D, stage = result.method.discriminator, result.method.stage
        if new is None:
            return StageProbes(result.final, {PLAYER: D}, {PLAYER: stage})
        return new.beside(PLAYER, D, stage)

    def _pose(self, others: NDArray[np.float32], x: NDArray[np.float32]) -> dict[str, Any]:
        """What linear machines that know the validation people read of the test people's pose."""
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

    def _errors(self, probes: StageProbes | None) -> dict[str, Any]:
        """Errors on the test pictures, by yaw: of each probe, and of two who look at nothing.

        ``"guess"`` says the mean face; ``"constant"`` the best answer for all, the median landmarks
        of the training pictures: the mean face is frontal, and half of the heads are turned.
        """
        truth = landmarks_in_frame(self.corpus, self.test)
        pos = self.corpus.labels(self.test)["pos"]
        read: Mapping[str, ArrayLike] = (
            {}
            if probes is None
            else extract(probes, self.corpus.images, self.test, device=self.device)
        )
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
