from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_methods import (
    PIXELS,
    Centres,
    Classifier,
    Game,
    Landmarks,
    Pairs,
    TaskGraph,
    game_batches,
    graph_batches,
    make_batches,
    make_plan,
    pictures,
)
from torch import nn
from training_assertions import assert_only_moves, assert_same_training

from mtl_helpers.streams import stream_seed
from mtl_helpers.training.loop import train
from mtl_helpers.training.method import Method

CPU = torch.device("cpu")


def first_batch(batches):
    (batch,) = batches.between(0, 1, CPU)
    return batch


def set_rates(method, rate=0.1):
    for optimizer in method.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = rate
    return method


def game_loss(game):
    """A loss that hangs on both players."""
    maps = game.encoder(first_batch(game_batches(make_plan())).images)
    return game.discriminator(maps).square().mean() + game.head(maps).square().mean()


# ---- descend


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("R",), ("encoder", "head")),
        (("D",), ("discriminator",)),
        (("R", "D"), ("encoder", "head", "discriminator")),
    ],
)
def test_a_descent_moves_the_named_players_only(names, parts):
    game = set_rates(Game())
    assert_only_moves(game, game_loss(game), names, parts)


def test_the_other_player_gets_no_gradient():
    game = set_rates(Game())
    game.descend(game_loss(game), "R")
    assert all(p.grad is None for p in game.discriminator.parameters())
    kept = game.encoder[1].weight.grad.clone()
    game.descend(game_loss(game), "D")
    assert torch.equal(game.encoder[1].weight.grad, kept)


def test_a_descent_is_one_step_of_each_named_optimiser():
    game, twin = set_rates(Game()), set_rates(Game())
    game.descend(game_loss(game), "R", "D")
    game_loss(twin).backward()
    for optimizer in twin.optimizers.values():
        optimizer.step()
    for ours, theirs in zip(game.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_clipping_bounds_the_norm_over_all_named_players():
    game = set_rates(Game())
    game.clip_norm = 1e-3
    game.descend(game_loss(game), "R", "D")
    norm = torch.stack([p.grad.norm() for p in game.parameters()]).norm()
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)


def test_frozen_parameters_stay():
    game = set_rates(Game())
    game.encoder.requires_grad_(False)
    assert_only_moves(game, game_loss(game), ("R",), ("head",))


def test_a_graph_may_be_kept_for_a_second_descent():
    game = set_rates(Game())
    loss = game.discriminator(game.encoder(first_batch(game_batches(make_plan())).images)).sum()
    game.descend(loss, "D", retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        game.descend(loss, "R")  # D has moved since: torch says so


def test_unknown_optimisers_are_refused():
    with pytest.raises(KeyError, match="generator"):
        game = Game()
        game.descend(game_loss(game), "generator")


def test_tensors_that_are_not_the_method_s_are_refused():
    method = Classifier()
    method.optimizers["other"] = torch.optim.SGD([nn.Parameter(torch.zeros(2, 3))])
    plan = make_plan()
    with pytest.raises(ValueError, match=r"optimiser 'other', found a tensor of shape \(2, 3\)"):
        train(method, make_batches(plan), plan, progress=False)


def test_a_parameter_in_two_optimisers_is_refused():
    method = Classifier()
    method.optimizers["other"] = torch.optim.SGD([method.model[3].bias])
    plan = make_plan()
    with pytest.raises(ValueError, match=r"found model\.3\.bias in 'all' and 'other'"):
        train(method, make_batches(plan), plan, progress=False)


def test_the_base_asks_for_a_network_and_a_step():
    method = Method()
    with pytest.raises(NotImplementedError):
        method.network()
    with pytest.raises(NotImplementedError):
        method.step(None, 0)
    assert method.between(1) == {}


# ---- alternating updates


def test_a_game_played_by_hand_ends_alike():
    """The loop adds nothing to the two updates of each step but rates and random numbers."""
    plan = make_plan(average_decay=0.0, schedule="constant", warmup_steps=0)
    batches = game_batches(plan)
    trained = train(Game(), batches, plan, progress=False)
    game = set_rates(Game(), plan.learning_rate)
    for step, batch in enumerate(batches.between(0, plan.steps, CPU)):
        torch.manual_seed(stream_seed(plan.seed, "dropout", step))
        game.step(batch, step)
    for name, value in game.state_dict().items():
        assert torch.equal(value, trained.method.state_dict()[name]), name


def test_the_discriminator_moves_alike_beside_any_encoder_step():
    """At step 0 the leak moves it along the encoder's loss too; without, along its own alone."""
    moves = []
    for leak in (False, True):
        game = set_rates(Game(leak))
        before = game.discriminator.weight.detach().clone()
        torch.manual_seed(0)
        game.step(first_batch(game_batches(make_plan())), 0)
        moves.append(game.discriminator.weight.detach() - before)
    alone = set_rates(Game())
    torch.manual_seed(0)
    alone.step(first_batch(game_batches(make_plan())), 1)  # an odd step: the encoder stays
    state = next(iter(alone.optimizers["D"].state.values()))
    assert int(state["step"]) == 1
    assert not torch.allclose(moves[0], moves[1], atol=1e-3)


def test_the_game_is_learned():
    plan = make_plan(steps=200, batch=20, learning_rate=0.05)
    curves = train(Game(), game_batches(plan), plan, progress=False).curves
    assert curves["loss/what"][-5:].mean() < 0.1 < 1 < curves["loss/what"][0]


# ---- other targets


def test_centres_follow_the_means_of_their_classes():
    plan = make_plan(steps=200, batch=20)
    trained = train(Centres(), make_batches(plan), plan, progress=False)
    method = trained.method
    batch = first_batch(make_batches(make_plan(batch=20)))
    with torch.no_grad():
        x = method.features(batch.images)
    for k in range(3):
        mean = x[batch.targets["what"] == k].mean(dim=0)
        assert torch.allclose(method.centres[k], mean, atol=0.05)
    assert not method.centres.requires_grad
    assert method.centres.norm(dim=1).min() > 0.1
    assert trained.curves["loss/centre"][-1] < trained.curves["loss/centre"][20]


def landmark_batches(plan, wrong=0.0):
    """Targets that a linear map gives; of each picture every third point is unseen and wrong."""
    images, _ = pictures()
    rng = np.random.default_rng(1)
    flat = images.reshape(20, PIXELS).astype(np.float32)
    flat = (flat - flat.mean(1, keepdims=True)) / (flat.std(1, keepdims=True) + 1)
    points = (flat @ rng.normal(0, 0.1, (PIXELS, 102)).astype(np.float32)).reshape(20, 51, 2)
    seen = (np.arange(51) + np.arange(20)[:, None]) % 3 > 0  # (20, 51)
    points[~seen] += wrong
    return make_batches(plan, points=points, seen=seen)


def test_landmarks_are_regressed():
    plan = make_plan(steps=300, batch=20, learning_rate=0.5)
    curves = train(Landmarks(), landmark_batches(plan), plan, progress=False).curves
    assert curves["loss/points"][-1] < 1e-2 * curves["loss/points"][0]


def test_unseen_landmarks_do_not_matter():
    plan = make_plan()
    first, second = (
        train(Landmarks(), landmark_batches(plan, wrong), plan, progress=False)
        for wrong in (0.0, 1e6)
    )
    assert_same_training(first, second)


def test_pairs_come_together_and_apart():
    _, labels = pictures()
    index = np.array([[i, j] for i in range(20) for j in range(i)])  # (190, 2)
    same = labels[index[:, 0]] == labels[index[:, 1]]
    plan = make_plan(steps=200, batch=32, learning_rate=0.02)
    batches = make_batches(plan, index=index, same=same)
    trained = train(Pairs(), batches, plan, progress=False)
    batch = first_batch(make_batches(make_plan(batch=190), index=index, same=same))
    with torch.no_grad():
        first, second = (trained.final(batch.images[:, k]) for k in (0, 1))
    distance = (first - second).norm(dim=1)
    assert batch.targets["same"].any()
    assert distance[batch.targets["same"]].mean() < 0.5 * distance[~batch.targets["same"]].mean()
    assert trained.passes == pytest.approx(200 * 32 / 190)


def test_pictures_without_a_label_take_no_part():
    _, labels = pictures()
    half = np.where(np.arange(20) < 10, labels, -1)
    plan = make_plan(steps=1, batch=20, warmup_steps=0)
    partly = train(Classifier(dropout=0.0), make_batches(plan, what=half), plan, progress=False)
    order = make_plan(steps=1, batch=10, warmup_steps=0)
    alone = train(
        Classifier(dropout=0.0),
        make_batches(order, index=np.arange(10), what=labels[:10]),
        order,
        progress=False,
    )
    for ours, theirs in zip(partly.method.parameters(), alone.method.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_batch_without_any_label_changes_nothing():
    plan = make_plan(steps=3, warmup_steps=0)
    nothing = np.full(20, -1)
    trained = train(Classifier(), make_batches(plan, what=nothing), plan, progress=False)
    for ours, before in zip(trained.method.parameters(), Classifier().parameters(), strict=True):
        assert torch.equal(ours, before)
    assert not trained.curves["loss/what"].any()


# ---- between epochs


def test_the_solver_is_asked_after_each_pass():
    plan = make_plan()
    trained = train(TaskGraph(), graph_batches(plan), plan, progress=False)
    assert trained.method.epochs == [1, 2, 3, 4]  # 96 pictures of 20


def test_the_graph_solves_its_problem():
    """No other matrix of trace 1 has a smaller tr(W Omega^-1 W') than the closed form."""
    plan = make_plan(steps=20, batch=10)  # the last step ends an epoch
    method = train(TaskGraph(), graph_batches(plan), plan, progress=False).method
    w = method.model[1].weight.detach().double()
    omega = method.omega.double()

    def cost(matrix):
        return float(torch.trace(w.T @ torch.linalg.solve(matrix, w)))

    assert float(omega.trace()) == pytest.approx(1)
    best = cost(omega)
    torch.manual_seed(0)
    for _ in range(50):
        root = torch.randn(3, 3, dtype=torch.float64)
        other = root @ root.T
        mixed = 0.9 * omega + 0.1 * other / other.trace()
        assert cost(mixed) >= best - 1e-9
    assert not torch.allclose(method.omega, torch.eye(3) / 3, atol=0.02)
