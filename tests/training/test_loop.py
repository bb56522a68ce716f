from __future__ import annotations

import copy
import math

import pytest
import torch
from tiny_methods import (
    Centres,
    Classifier,
    Game,
    TaskGraph,
    game_batches,
    graph_batches,
    make_batches,
    make_plan,
)
from torch import nn
from training_assertions import assert_same_training, differing

from mtl_helpers.training.loop import TrainingError, train
from mtl_helpers.training.plan import bfloat16_pays

PLAN = make_plan()


def run(method=None, plan=PLAN, **settings):
    return train(method or Classifier(), make_batches(plan), plan, progress=False, **settings)


# ---- the same again


@pytest.mark.parametrize("make", [Classifier, Centres])
def test_same_seed_twice_is_identical_and_another_is_not(make):
    first = run(make())
    torch.rand(3)  # whatever the caller draws in between
    second = run(make())
    assert_same_training(first, second)
    assert differing(first, run(make(), make_plan(seed=1)))


def test_the_noise_of_a_step_depends_on_seed_and_step_alone():
    first, second = (
        train(
            Game(), game_batches(PLAN), PLAN, progress=False,
            on_step=lambda s, draws=draws: torch.rand(draws),
        )
        for draws in (1, 7)
    )  # fmt: skip
    assert_same_training(first, second)


def test_the_caller_s_random_numbers_are_left_alone():
    method = Classifier(normalise=True)
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    run(method, make_plan(statistics_batches=2), on_step=lambda _: torch.rand(1))
    assert torch.equal(torch.rand(4), expected)


# ---- what the loop does around a step


def test_every_optimiser_follows_the_schedule():
    rates = []

    def note(state):
        groups = [g for o in state.method.optimizers.values() for g in o.param_groups]
        rates.append((state.learning_rate, *(g["lr"] / g.get("scale", 1.0) for g in groups)))

    method = Game()
    method.optimizers["D"].param_groups[0]["scale"] = 0.25
    train(method, game_batches(PLAN), PLAN, progress=False, on_step=note)
    assert [set(each) for each in rates] == [{PLAN.rate(step)} for step in range(12)]


def test_on_step_sees_each_step_in_turn():
    states = []
    trained = run(on_step=states.append)
    assert [s.step for s in states] == list(range(1, 13))
    assert all(s.method is trained.method and s.averaged is trained.averaged for s in states)
    assert all(not v.requires_grad for s in states for v in s.terms.values())
    assert [s.learning_rate for s in states] == trained.curves["learning_rate"].tolist()


def test_a_method_is_told_how_many_steps_were_before():
    numbers = []

    class Counting(Classifier):
        def step(self, batch, number):
            numbers.append(number)
            return super().step(batch, number)

    run(Counting())
    assert numbers == list(range(12))


def test_the_end_leaves_networks_ready_to_be_asked():
    trained = run()
    assert not trained.method.training and not trained.averaged.training
    assert len(trained.batches.index) == 20 and trained.passes == 12 * 8 / 20
    assert trained.seconds > 0


def test_the_bar_can_be_had_and_be_silenced(capfd):
    run()
    assert capfd.readouterr().err == ""
    train(Classifier(), make_batches(PLAN), PLAN, progress=True)
    assert "12/12" in capfd.readouterr().err


def test_bfloat16_is_decided_by_device_where_it_is_left_open():
    assert run(plan=make_plan(bfloat16=None)).bfloat16 == bfloat16_pays("cpu")


def test_bfloat16_reaches_the_forward_pass_and_not_the_weights():
    kinds = []

    class Noting(Classifier):
        def step(self, batch, number):
            with self.autocast():
                kinds.append(self.model(batch.images).dtype)
            return super().step(batch, number)

    for bfloat16 in (False, True):
        trained = run(Noting(), make_plan(bfloat16=bfloat16))
        assert trained.bfloat16 is bfloat16
        assert all(p.dtype == torch.float32 for p in trained.method.parameters())
    assert kinds == [torch.float32] * 12 + [torch.bfloat16] * 12


def test_a_method_may_learn_without_any_optimiser():
    class Counting(Classifier):
        """Counts what it is shown."""

        def __init__(self):
            super().__init__()
            self.optimizers.clear()
            self.register_buffer("shown", torch.zeros(3))

        def step(self, batch, number):
            self.shown += batch.targets["what"].bincount(minlength=3)
            return {}

    trained = run(Counting())
    assert float(trained.method.shown.sum()) == 12 * 8
    assert trained.curves["step"].tolist() == list(range(1, 13))


# ---- no number


def test_a_loss_that_is_no_number_stops_training():
    def spoil(state):
        if state.step == 5:
            with torch.no_grad():
                state.method.model[3].bias[0] = math.nan

    with pytest.raises(TrainingError, match=r"found nan for 'what' at step 6 \(learning rate"):
        run(on_step=spoil)


@pytest.mark.parametrize("rate", [1e30, 1e38])
def test_too_high_a_rate_stops_training_with_advice(rate):
    with pytest.raises(TrainingError, match="lower the learning rate"):
        run(plan=make_plan(learning_rate=rate, warmup_steps=0, steps=50))


@pytest.mark.parametrize("rate", [1e25, 1e38])
@pytest.mark.parametrize("average_decay", [0.0, 0.9])
def test_a_last_step_that_diverges_is_refused(rate, average_decay):
    """The loss of a step is that before its update, so no later loss tells."""
    plan = make_plan(steps=1, learning_rate=rate, warmup_steps=0, average_decay=average_decay)
    with pytest.raises(TrainingError, match=r"finite weights, .* after step 1 .* lower the learn"):
        run(plan=plan)


class Spoilt(Classifier):
    """Its update number 6 leaves something that is no number."""

    def __init__(self, what, value):
        super().__init__(normalise=True)
        self.register_buffer("centre", torch.zeros(2))
        self.what, self.value = what, value

    def step(self, batch, number):
        terms = super().step(batch, number)
        if number == 5:
            with torch.no_grad():
                dict(self.state_dict(keep_vars=True))[self.what].view(-1)[0] = self.value
        return terms


@pytest.mark.parametrize("what", ["model.3.weight", "centre", "model.1.running_var"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
def test_weights_that_diverge_before_a_checkpoint_are_not_stored(tmp_path, what, value):
    path = tmp_path / "state.pt"
    with pytest.raises(TrainingError, match=f"finite weights, found .* in {what} after step 6"):
        run(Spoilt(what, value), checkpoint=path, checkpoint_every=3)
    stored = torch.load(path, weights_only=True)["state"]
    assert stored["step"] == 3
    assert all(v.isfinite().all() for v in stored["method"].values())
    assert all(v.isfinite().all() for v in stored["averaged"].values())


def test_work_between_epochs_that_diverges_is_refused(tmp_path):
    class Unsolved(TaskGraph):
        def between(self, epoch):
            self.omega.fill_(math.nan)
            return {}

    plan = make_plan(steps=3)  # ends with the first epoch
    path = tmp_path / "state.pt"
    with pytest.raises(TrainingError, match="omega after step 3"):
        train(Unsolved(), graph_batches(plan), plan, progress=False, checkpoint=path)
    assert not path.exists()


def test_statistics_that_overflow_are_refused():
    """Weights whose squares are finite, while what they make of pictures is not."""

    class Steep(Classifier):
        def __init__(self):
            super().__init__()
            self.tail = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))

        def network(self):
            return nn.Sequential(self.model, self.tail)

        def step(self, batch, number):
            terms = super().step(batch, number)
            with torch.no_grad():
                self.tail[0].weight.fill_(1e12)
                self.model[3].weight.fill_(1e12).mul_(torch.linspace(-3, 3, 36))
            return terms

    run(Steep(), make_plan(steps=1, warmup_steps=0, average_decay=0.0))
    plan = make_plan(steps=1, warmup_steps=0, average_decay=0.0, statistics_batches=2)
    with pytest.raises(TrainingError, match=r"1\.1\.running_(mean|var) after step 1"):
        run(Steep(), plan)


def test_the_network_is_what_is_trained_not_a_copy():
    class Copied(Classifier):
        def network(self):
            return copy.deepcopy(self.model)

    plan = make_plan()
    with pytest.raises(ValueError, match="a part of the method, found Sequential"):
        train(Copied(), make_batches(plan), plan, progress=False)


@pytest.mark.parametrize(
    ("terms", "found"),
    [(None, "NoneType"), ({"a": 1.0}, "float .* as 'a'"), ({"a": torch.ones(2)}, r"\(2,\) as 'a'")],
)
def test_terms_are_scalar_tensors_by_name(terms, found):
    class Reporter(Classifier):
        def step(self, batch, number):
            return terms

    plan = make_plan()
    with pytest.raises(TypeError, match=f"scalar tensors by name, found .*{found}"):
        train(Reporter(), make_batches(plan), plan, progress=False)
