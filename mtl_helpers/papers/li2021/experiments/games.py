"""From one trained baseline, many games: how each is played, and what is measured afterwards.

A run trains one recogniser and continues it arm by arm, so that all arms of a run start from the
same weights and see the same pictures. The experiments beside this file differ in their arms and in
what they ask of them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from mtl_helpers.corpus import LandmarkCorpus
from mtl_helpers.faces.corpora.rendered import RenderedSpec
from mtl_helpers.machine import pick_device
from mtl_helpers.networks import seeded_network
from mtl_helpers.papers.li2021.aprn import AdversarialTraining, Statistics
from mtl_helpers.papers.li2021.cooperative import CooperativeTraining, Target
from mtl_helpers.papers.li2021.landmark_game import LandmarkGame
from mtl_helpers.papers.li2021.landmarks import landmark_batches, landmark_loss
from mtl_helpers.papers.li2021.probes import ProbeTraining, StageProbes
from mtl_helpers.papers.li2021.recogniser import (
    ArcFaceRecogniser,
    Recogniser,
    RecogniserTraining,
)
from mtl_helpers.papers.li2021.regressor import (
    STAGES,
    LandmarkRegressor,
    casia_discriminator,
    stage_regressor,
)
from mtl_helpers.papers.li2021.reversal import ReversalTraining
from mtl_helpers.presets import Preset, get_preset
from mtl_helpers.streams import seeded
from mtl_helpers.training.loop import Trained, train
from mtl_helpers.training.optimizers import AdamWConfig, OptimizerConfig, optimizer_of
from mtl_helpers.training.plan import Plan
from mtl_helpers.trunks import CASIANet

__all__ = [
    "BASELINE",
    "STRONG",
    "Game",
    "GamesConfig",
    "baseline_of",
    "curves_of",
    "games_config",
    "played",
    "probed",
    "regressor_of",
    "slopes",
]

BASELINE = "baseline"
"""The arm that is not continued."""

STRONG = "strong"
"""The probe of the last stage that is twice as wide as its discriminator."""

RATE_SHARE = 0.1
"""Rate of the games as a share of the baseline's, as published."""

TUNING, PROBING = {"smoke": 6, "laptop": 150}, {"smoke": 30, "laptop": 450}
"""Steps of each game and of each training of probes, by preset; elsewhere a quarter of all."""

PROBE_RATE, PLAYER_RATE = 1e-3, 3e-3
"""Adam's rates, of probes and of D: probes learn to the end, D has to follow."""

UNIT = 25.0
"""Pixels per unit of a regressor's last layer: about what the mean face errs by.

At 1, probes that were trained for 150 steps erred three times as much at the early stages.
"""

# so that a game sees other pictures than the baseline did in its first steps
_GAME_SEED, _PROBE_SEED = 1000, 2000

Kind = Literal["none", "adversarial", "L1", "L2", "reversal"]


@dataclass(frozen=True)
class Game:
    """One arm: what continues the baseline. Its name has no dot, for metrics are asked for by name.

    ``"none"`` is L_c alone, as long as the others. ``times`` as many steps as usual are played.
    At the stages in ``probed`` new probes are trained afterwards. The rest is as for the classes of
    the paper.
    """

    name: str
    kind: Kind
    alpha: float = 0.2
    stage: int = -1
    leak: bool = False
    statistics: Statistics = "batch"
    times: int = 1
    probed: tuple[int, ...] = ()


@dataclass(frozen=True)
class GamesConfig:
    """A baseline and the games that continue it.

    ``plan`` trains the baseline, ``tuning`` each game and ``probing`` the probes; ``trunk`` is
    ``"casia"`` with softmax or ``"residual"`` with ArcFace, at the sizes of ``preset``.
    """

    arm: str
    seed: int
    preset: str
    corpus: RenderedSpec
    games: tuple[Game, ...]
    plan: Plan
    tuning: Plan
    probing: Plan
    optimizer: OptimizerConfig
    trunk: Literal["casia", "residual"] = "casia"
    discriminator: OptimizerConfig = field(default_factory=AdamWConfig)


def games_config(
    preset: Preset, arm: str, seed: int, corpus: RenderedSpec, games: Sequence[Game], **changes: Any
) -> GamesConfig:
    """Return a run at the sizes of a preset; ``changes`` are fields of :class:`GamesConfig`."""
    plan = Plan.from_preset(preset)
    steps = TUNING.get(preset.name, preset.steps // 4)
    warmup = min(preset.warmup_steps, steps // 5)
    tuning = replace(
        plan, steps=steps, learning_rate=RATE_SHARE * preset.learning_rate, warmup_steps=warmup
    )
    probing = replace(
        plan,
        steps=PROBING.get(preset.name, steps),
        learning_rate=PROBE_RATE,
        warmup_steps=0,
        # probes are many, and averages of few steps look back to the first weights
        average_decay=0.0,
        statistics_batches=0,
        batch=min(64, preset.batch),
    )
    settings: dict[str, Any] = {"optimizer": optimizer_of(preset)} | changes
    return GamesConfig(
        arm, seed, preset.name, corpus, tuple(games), plan, tuning, probing, **settings
    )


def baseline_of(config: GamesConfig, corpus: LandmarkCorpus) -> Trained:
    """Train the recogniser that every game continues."""
    preset = get_preset(config.preset)
    people = corpus.class_counts["id"]

    if config.trunk == "casia":
        model = seeded_network(
            lambda: CASIANet(preset.width, preset.channels, preset.dropout),
            lambda trunk: Recogniser(trunk, people),
            config.seed,
        )
    else:
        # timm takes longer to import than all else, and CASIA-Net does without
        from mtl_helpers.papers.li2021.residual import ARCFACE, residual_trunk

        model = seeded_network(
            lambda: residual_trunk(preset),
            lambda trunk: ArcFaceRecogniser(trunk, people, **ARCFACE[preset.name]),
            config.seed,
        )
    plan = replace(config.plan, seed=config.seed)
    method = RecogniserTraining(model, config.optimizer)
    return train(method, landmark_batches(corpus, plan), plan, device=pick_device(), progress=False)


def regressor_of(
    model: Recogniser, stage: int, side: int, face: NDArray[np.float32], *, width: float = 1.0
) -> LandmarkRegressor:
    """Return an untrained regressor of a stage: Table 4 for CASIA-Net's last one, else Table 1.

    It starts from the mean face (M, 2). ``width`` goes to the first kind.
    """
    last = stage % len(model.trunk.feature_info) == len(STAGES) - 1
    if last and (width != 1 or isinstance(model.trunk, CASIANet)):
        regressor = casia_discriminator(model.trunk, side, len(face), width=width, unit=UNIT)
    else:
        regressor = stage_regressor(model.trunk, stage, side, len(face), unit=UNIT)
    regressor.start_from(face)
    return regressor


def probed(
    config: GamesConfig,
    corpus: LandmarkCorpus,
    model: Recogniser,
    stages: Sequence[int],
    face: NDArray[np.float32],
    *,
    strong: bool = True,
) -> StageProbes:
    """Train probes of some stages, by their names in :data:`STAGES`, and a :data:`STRONG` one."""
    side = corpus.images.shape[1]
    numbers = {STAGES[stage % len(STAGES)]: stage for stage in stages}
    with seeded(config.seed, "probes"):
        regressors = {
            name: regressor_of(model, stage, side, face) for name, stage in numbers.items()
        }
        if strong:
            regressors[STRONG] = regressor_of(model, -1, side, face, width=2.0)
            numbers[STRONG] = -1
    probes = StageProbes(model, regressors, numbers)
    plan = replace(config.probing, seed=config.seed + _PROBE_SEED)
    batches = landmark_batches(corpus, plan)
    return train(ProbeTraining(probes), batches, plan, device=pick_device(), progress=False).final


def played(
    config: GamesConfig,
    corpus: LandmarkCorpus,
    baseline: Recogniser,
    game: Game,
    probes: StageProbes,
    face: NDArray[np.float32],
) -> Trained:
    """Continue the baseline by one game.

    D starts as the baseline's probe of the stage, so that it knows the landmarks from the first
    step on.

    Note
    ----
    The paper does not say what D starts from. From nothing, it would spend a short game learning
    what a landmark is.
    """
    model = copy.deepcopy(baseline).requires_grad_(True)
    plan = _plan_of(config, game)
    method: RecogniserTraining
    if game.kind == "none":
        method = RecogniserTraining(model, config.optimizer)
    else:
        method = _game_of(config, model, game, probes, face)
    batches = landmark_batches(corpus, plan)
    return train(method, batches, plan, device=pick_device(), progress=False)


def slopes(
    config: GamesConfig,
    corpus: LandmarkCorpus,
    baseline: Recogniser,
    game: Game,
    probes: StageProbes,
    face: NDArray[np.float32],
) -> dict[str, float]:
    """Return how steep both losses of R' are in a game's first step, as norms of gradients.

    ``"id"`` is that of L_c, ``"mean face"`` that of R's part of Eq. 2, before alpha.
    """
    device = pick_device()
    model = copy.deepcopy(baseline).requires_grad_(True)
    method = _game_of(config, model, game, probes, face).to(device).train()
    batches = landmark_batches(corpus, _plan_of(config, game))
    (batch,) = batches.between(0, 1, device)
    L_c, maps = method.see(batch)
    fooled = landmark_loss(method.discriminator(maps), method.mean_face)
    losses = {"id": L_c, "mean face": fooled}
    trunk = tuple(method.model.trunk.parameters())
    found: dict[str, float] = {}
    for name, loss in losses.items():
        # a stage that is not the last leaves the later ones without a gradient
        gradients = torch.autograd.grad(loss, trunk, retain_graph=True, allow_unused=True)
        parts = [gradient.norm() for gradient in gradients if gradient is not None]
        found[name] = float(torch.stack(parts).norm())
    return found


def _plan_of(config: GamesConfig, game: Game) -> Plan:
    return replace(
        config.tuning, steps=game.times * config.tuning.steps, seed=config.seed + _GAME_SEED
    )


def _game_of(
    config: GamesConfig,
    model: Recogniser,
    game: Game,
    probes: StageProbes,
    face: NDArray[np.float32],
) -> LandmarkGame:
    D = copy.deepcopy(probes.regressors[STAGES[game.stage % len(STAGES)]]).requires_grad_(True)
    assert isinstance(D, LandmarkRegressor)
    options: dict[str, Any] = {
        "discriminator_optimizer": config.discriminator,
        "discriminator_rate": PLAYER_RATE / config.tuning.learning_rate,
        # a short game has no step to spare
        "every": 1,
    }
    given = (model, D, game.stage, torch.from_numpy(face), game.alpha, config.optimizer)
    if game.kind == "adversarial":
        return AdversarialTraining(*given, leak=game.leak, statistics=game.statistics, **options)
    if game.kind == "reversal":
        return ReversalTraining(*given, **options)
    target: Target = "landmarks" if game.kind == "L1" else "mean face"
    return CooperativeTraining(*given, target=target, **options)


def curves_of(trained: Mapping[str, Trained]) -> dict[str, dict[str, list[float]]]:
    """Return the curves of each arm, rounded to what a figure shows."""
    return {
        arm: {
            name: [float(f"{value:.5g}") for value in values]
            for name, values in result.curves.items()
        }
        for arm, result in trained.items()
    }
