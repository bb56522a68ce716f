"""APRN: one step by autograd, D untouched by R's part, and the released loop with its leak."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tiny_faces import (
    MEAN_FACE,
    PLAIN,
    RATE,
    assert_weights,
    first_batch,
    make_batches,
    make_discriminator,
    make_game,
    make_plan,
    make_recogniser,
    moved,
    parts,
    run,
    set_rate,
)

from mtl_helpers.papers.li2021.aprn import AdversarialTraining
from mtl_helpers.training.optimizers import AdamWConfig, SGDConfig


def adversary(alpha=0.3, rate=RATE, **options):
    options = {"optimizer": PLAIN, "discriminator_optimizer": PLAIN} | options
    game = make_game(AdversarialTraining, alpha, **options)
    set_rate(game, rate)
    return game


@pytest.mark.parametrize("leak", [False, True])
def test_a_step_is_gradient_descent_on_eqs_1_and_2(leak):
    game, batch = adversary(leak=leak), first_batch()
    twin, L_c, fooled, true, drawn = parts(game, batch)
    R = moved(twin.model, L_c + 0.3 * fooled)
    D = moved(twin.discriminator, true + drawn if leak else true)
    terms = game.step(batch, 0)
    assert_weights(game.model, R)
    assert_weights(game.discriminator, D)
    assert terms["loss/id"].item() == pytest.approx(L_c.item(), rel=1e-5)
    assert terms["loss/mean face"].item() == pytest.approx(fooled.item(), rel=1e-5)
    assert terms["loss/true landmarks"].item() == pytest.approx(true.item(), rel=1e-5)


def test_d_s_step_knows_nothing_of_r_s_part():
    """However much R's part weighs, and whatever face it asks for, D makes the same step."""
    batch, after = first_batch(), []
    for alpha, face in ((0.0, MEAN_FACE), (100.0, MEAN_FACE), (100.0, MEAN_FACE + 50)):
        game = adversary(alpha, face=face)
        game.step(batch, 0)
        after.append([p.detach().clone() for p in game.discriminator.parameters()])
    for first, *others in zip(*after, strict=True):
        assert all(torch.equal(first, other) for other in others)


def test_the_flag_is_the_released_loop_over_many_steps():
    """The loop as released: two backward passes into D before it steps, both losses weighed."""
    alpha, steps = 0.2, 7
    game = adversary(alpha, leak=True, discriminator_rate=alpha)
    model = make_recogniser()
    D = make_discriminator(model)
    of_R, of_D = (torch.optim.SGD(module.parameters(), RATE) for module in (model, D))
    batches = list(make_batches(make_plan()).between(0, steps, torch.device("cpu")))
    face = torch.as_tensor(MEAN_FACE).expand(16, 3, 2)
    for number, batch in enumerate(batches):
        plays = number % 2 == 0
        maps = model.trunk.forward_features(batch.images)
        L_c = F.cross_entropy(model.heads["id"](maps.mean((2, 3))), batch.targets["id"])
        if plays:
            predicted = D(maps)
            of_D.zero_grad()
            (alpha * F.l1_loss(predicted, batch.targets["landmarks"])).backward(retain_graph=True)
            L_c = L_c + alpha * F.l1_loss(predicted, face)
        of_R.zero_grad()
        L_c.backward()  # D's gradients are added to, not replaced
        if plays:
            of_D.step()
        of_R.step()
        game.step(batch, number)
    assert_weights(game.model, dict(model.named_parameters()))
    assert_weights(game.discriminator, dict(D.named_parameters()))


def test_the_leak_draws_d_to_the_mean_face():
    """Where R stands still, D with the leak settles between the truth and the mean face."""
    kept = {}
    for leak in (False, True):
        game = adversary(0.0, rate=0.0, leak=leak, discriminator_optimizer=AdamWConfig())
        for name in game.D:
            for group in game.optimizers[name].param_groups:
                group["lr"] = 0.01
        batch = first_batch(64)
        for _ in range(60):
            terms = game.step(batch, 0)
        kept[leak] = terms
    assert kept[True]["loss/mean face"] < kept[False]["loss/mean face"]
    assert kept[True]["loss/true landmarks"] > kept[False]["loss/true landmarks"]


def test_with_running_statistics_r_plays_d_as_it_is_judged():
    game, batch = adversary(statistics="running"), first_batch()
    for module in game.discriminator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(1, 3)
    twin, L_c, fooled, true, _ = parts(game, batch, running=True)
    R = moved(twin.model, L_c + 0.3 * fooled)
    D = moved(twin.discriminator, true)
    game.step(batch, 0)
    assert_weights(game.model, R)
    assert_weights(game.discriminator, D)
    assert game.discriminator.training


@pytest.mark.parametrize(("statistics", "times"), [("batch", 2), ("running", 1)])
def test_running_statistics_move_with_each_pass_in_training(statistics, times):
    game = adversary(statistics=statistics)
    game.step(first_batch(), 0)
    counts = [int(v) for n, v in game.discriminator.state_dict().items() if "num_batches" in n]
    assert counts == [times, times]
    of_R = [int(v) for n, v in game.model.state_dict().items() if "num_batches" in n]
    assert of_R == [1, 1]


def test_the_adversary_fools_d():
    """Against alpha, D's error about the truth grows towards that of the mean face."""
    options = {"optimizer": SGDConfig(), "discriminator_optimizer": AdamWConfig()}
    errors, nearness = [], []
    for alpha in (0.0, 3.0):
        trained = run(adversary(alpha, discriminator_rate=0.5, every=1, **options), steps=150)
        errors.append(trained.curves["loss/true landmarks"][-20:].mean())
        nearness.append(trained.curves["loss/mean face"][-20:].mean())
    assert errors[1] > 1.5 * errors[0]
    assert nearness[1] < nearness[0]
