"""Properties that every training has, whatever its method."""

from __future__ import annotations

import pytest
import torch

from mtl_helpers.training.loop import train


class Killed(Exception):
    """What ends a training in the tests."""


def killer(step):
    """Return an ``on_step`` that ends the training after a step, before its checkpoint."""

    def on_step(state):
        if state.step == step:
            raise Killed

    return on_step


def leaves(value, path=""):
    """Yield all numbers and tensors of a state with the names that lead to them."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}/{name}")
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}/{number}")
    else:
        yield path, value


def everything(trained):
    """All that a training leaves behind: weights, buffers, averages, optimisers, curves."""
    method = trained.method
    return dict(
        leaves(
            {
                "method": dict(method.state_dict()),
                "averaged": dict(trained.averaged.state_dict()) if trained.averaged else {},
                "optimizers": {name: o.state_dict() for name, o in method.optimizers.items()},
                "curves": {name: torch.tensor(v) for name, v in trained.curves.items()},
            }
        )
    )


def differing(first, second):
    """Names of what two trainings do not have in common to the last bit."""
    a, b = everything(first), everything(second)

    def equal(one, other):
        if isinstance(one, torch.Tensor):
            return torch.equal(one.nan_to_num(), other.nan_to_num())
        return one == other

    return [name for name in a.keys() | b.keys() if not (name in a and name in b)] + [
        name for name in a.keys() & b.keys() if not equal(a[name], b[name])
    ]


def assert_same_training(first, second):
    """Weights, averages, buffers, states of optimisers and curves agree to the last bit."""
    names = differing(first, second)
    assert not names, f"not the same: {', '.join(sorted(names))}"


def assert_resumes(make, batches, plan, path, died_at, every):
    """Killed after a step and resumed from its checkpoint, a training ends as if it had not been.

    ``make()`` returns the untrained method.
    """
    whole = train(make(), batches, plan, progress=False)
    settings = {"progress": False, "checkpoint": path, "checkpoint_every": every}
    with pytest.raises(Killed):
        train(make(), batches, plan, **settings, on_step=killer(died_at))
    steps = []
    resumed = train(make(), batches, plan, **settings, on_step=lambda s: steps.append(s.step))
    assert steps[0] == (died_at - 1) // every * every + 1
    assert_same_training(resumed, whole)


def assert_only_moves(method, loss, names, parts):
    """A descent along a loss moves the parameters of these parts of a method, and no others."""
    before = {name: value.clone() for name, value in method.state_dict().items()}
    method.descend(loss, *names)
    moved = {name for name, value in method.state_dict().items() if value.ne(before[name]).any()}
    assert {name.partition(".")[0] for name in moved} == set(parts)
