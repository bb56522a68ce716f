"""One baseline and many games: what each arm starts from, plays and is asked afterwards."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.faces.corpora.pie import PieSpec
from mtl_helpers.papers.li2021.aprn import AdversarialTraining
from mtl_helpers.papers.li2021.cooperative import CooperativeTraining
from mtl_helpers.papers.li2021.experiments import games
from mtl_helpers.papers.li2021.experiments.games import (
    STRONG,
    Game,
    baseline_of,
    games_config,
    played,
    probed,
    regressor_of,
    slopes,
)
from mtl_helpers.papers.li2021.landmarks import landmark_batches, landmarks_in_frame, mean_face
from mtl_helpers.papers.li2021.recogniser import Recogniser, RecogniserTraining
from mtl_helpers.papers.li2021.regressor import STAGES, maps_and_head
from mtl_helpers.papers.li2021.residual import residual_trunk
from mtl_helpers.papers.li2021.reversal import ReversalTraining
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.trunks import CASIANet

SMOKE = get_preset("smoke")


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("MTL_DEVICE", "cpu")


def toy_config(tiny_pie, **changes):
    config = games_config(SMOKE, "toy", 0, tiny_pie.spec, [], **changes)
    short = {"steps": 2, "batch": 8, "warmup_steps": 0, "statistics_batches": 1}
    return dataclasses.replace(
        config,
        plan=dataclasses.replace(config.plan, **short),
        tuning=dataclasses.replace(config.tuning, **short),
        probing=dataclasses.replace(config.probing, **short),
    )


@pytest.fixture(scope="module")
def begun(tiny_pie):
    """A config, the mean face, a trained baseline, and its probes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MTL_DEVICE", "cpu")
        config = toy_config(tiny_pie)
        face = mean_face(landmarks_in_frame(tiny_pie, tiny_pie.gallery("train")))
        baseline = baseline_of(config, tiny_pie).final
        return config, face, baseline, probed(config, tiny_pie, baseline, range(5), face)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_games_run_at_a_tenth_of_the_rate(preset):
    config = games_config(preset, "toy", 3, PieSpec.from_preset(preset), [Game("a", "none")])
    assert config.tuning.learning_rate == pytest.approx(config.plan.learning_rate / 10)
    assert config.tuning.steps < config.plan.steps
    assert 0 <= config.tuning.warmup_steps < config.tuning.steps


@pytest.mark.parametrize(
    ("game", "kind"),
    [
        (Game("a", "none"), RecogniserTraining),
        (Game("b", "adversarial", alpha=0.3, stage=1), AdversarialTraining),
        (Game("c", "adversarial", leak=True), AdversarialTraining),
        (Game("d", "adversarial", statistics="running"), AdversarialTraining),
        (Game("e", "L1"), CooperativeTraining),
        (Game("f", "L2"), CooperativeTraining),
        (Game("g", "reversal"), ReversalTraining),
    ],
)
def test_each_game_is_what_it_says(game, kind, begun, tiny_pie):
    config, face, baseline, probes = begun
    before = {name: value.clone() for name, value in baseline.state_dict().items()}
    method = played(config, tiny_pie, baseline, game, probes, face).method
    assert type(method) is kind
    if game.kind != "none":
        assert (method.alpha, method.stage) == (game.alpha, game.stage)
        trained = probes.regressors[STAGES[game.stage]]
        assert method.discriminator.in_shape == trained.in_shape
        # it moved from there, and left the probe as it was
        assert 0 < (method.discriminator.fc.weight - trained.fc.weight).abs().max() < 0.2
    if kind is AdversarialTraining:
        assert (method.leak, method.statistics) == (game.leak, game.statistics)
    if kind is CooperativeTraining:
        assert method.target == {"L1": "landmarks", "L2": "mean face"}[game.kind]
    for name, value in baseline.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("times", [1, 3])
def test_a_longer_game_is_played_to_its_own_end(times, begun, tiny_pie):
    config, face, baseline, probes = begun
    result = played(config, tiny_pie, baseline, Game("a", "none", times=times), probes, face)
    assert result.curves["step"][-1] == times * config.tuning.steps


def test_slopes_are_those_of_the_first_step(begun, tiny_pie):
    config, face, baseline, probes = begun
    game = Game("a", "adversarial", stage=1)
    found = slopes(config, tiny_pie, baseline, game, probes, face)
    model, D = copy.deepcopy(baseline).train().requires_grad_(True), probes.regressors[STAGES[1]]
    batches = landmark_batches(
        tiny_pie, dataclasses.replace(config.tuning, seed=config.seed + 1000)
    )
    (batch,) = batches.between(0, 1, torch.device("cpu"))
    maps, x = maps_and_head(model, batch.images, 1)
    (copy.deepcopy(D).train()(maps) - torch.from_numpy(face)).abs().mean().backward(
        retain_graph=True
    )
    assert found["mean face"] == pytest.approx(norm_of(model.trunk), rel=1e-3)
    model.zero_grad()
    model.identity_loss(x, batch.targets["id"], 0.0).backward()
    assert found["id"] == pytest.approx(norm_of(model.trunk), rel=1e-3)


def norm_of(module):
    """Length of all gradients together."""
    slopes = [p.grad.flatten() for p in module.parameters() if p.grad is not None]
    return float(torch.cat(slopes).norm())


def test_all_games_see_the_same_new_pictures(begun, tiny_pie, monkeypatch):
    config, face, baseline, probes = begun
    orders = []
    real = games.train

    def spy(method, batches, plan, **options):
        orders.append([batches.order[step].tolist() for step in range(plan.steps)])
        return real(method, batches, plan, **options)

    monkeypatch.setattr(games, "train", spy)
    for game in (Game("a", "none"), Game("b", "adversarial"), Game("c", "L1")):
        played(config, tiny_pie, baseline, game, probes, face)
    baseline_of(config, tiny_pie)
    assert orders[0] == orders[1] == orders[2] != orders[3]


def test_the_strong_probe_is_wider_and_looks_at_the_last_stage(begun):
    *_, probes = begun
    assert list(probes.stages) == [*STAGES, STRONG]
    assert probes.stages[STRONG] % 5 == probes.stages[STAGES[-1]] % 5 == 4
    last, strong = (probes.regressors[name] for name in (STAGES[-1], STRONG))
    assert strong.fc.in_features == 2 * last.fc.in_features


def test_the_last_stage_of_casia_net_has_table_4_s_regressor():
    face = np.zeros((51, 2), dtype=np.float32)
    model = Recogniser(CASIANet(0.125), 4)
    convolutions = [
        sum(isinstance(m, torch.nn.Conv2d) for m in regressor_of(model, stage, 32, face).modules())
        for stage in (0, 3, 4, -1)
    ]
    assert convolutions == [4, 1, 3, 3]
    residual = Recogniser(residual_trunk(SMOKE), 4)
    layers = list(regressor_of(residual, -1, 32, face).modules())
    assert sum(isinstance(m, torch.nn.Conv2d) for m in layers) == 1
    assert any(isinstance(m, torch.nn.MaxPool2d) for m in layers)


def test_a_residual_recogniser_is_played_against_too(tiny_pie):
    config = toy_config(tiny_pie, trunk="residual")
    face = mean_face(landmarks_in_frame(tiny_pie, tiny_pie.gallery("train")))
    baseline = baseline_of(config, tiny_pie).final
    probes = probed(config, tiny_pie, baseline, (-1,), face)
    result = played(config, tiny_pie, baseline, Game("a", "adversarial"), probes, face)
    assert result.curves["loss/mean face"][-1] > 0


def test_probes_of_a_short_training_have_left_the_mean_face(tiny_pie):
    config = toy_config(tiny_pie)
    config = dataclasses.replace(
        config, probing=dataclasses.replace(config.probing, steps=60, batch=32)
    )
    face = mean_face(landmarks_in_frame(tiny_pie, tiny_pie.gallery("train")))
    model = Recogniser(CASIANet(0.125, 1, 0.0), 3)
    probes = probed(config, tiny_pie, model, (0,), face)
    index = tiny_pie.split("train")
    truth = landmarks_in_frame(tiny_pie, index)
    read = extract(probes, tiny_pie.images, index, device="cpu")[STAGES[0]].numpy()
    assert abs(read - truth).mean() < 0.6 * abs(face - truth).mean()
