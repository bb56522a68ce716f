"""A new developer's path: one file (tests/kendall2018.py) and one line in the registry."""

from __future__ import annotations

import dataclasses
import inspect

import kendall2018
import pytest
import torch
from kendall2018 import EXPERIMENT, UncertaintyWeighting
from torch import nn
from training_assertions import assert_resumes

from mtl_helpers import __main__ as cli
from mtl_helpers import registry
from mtl_helpers.losses import task_losses
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.runs.query import load_records, select
from mtl_helpers.runs.sweep import run_sweep
from mtl_helpers.training.batches import labelled_batches
from mtl_helpers.training.plan import Plan

TINY = dataclasses.replace(
    get_preset("smoke"), steps=6, warmup_steps=1, batch=8, width=0.05, seeds=(0, 1)
)


@pytest.fixture
def registered(tiny_pie, monkeypatch):
    monkeypatch.setitem(registry.EXPERIMENTS, EXPERIMENT.name, EXPERIMENT)  # the one line
    monkeypatch.setattr(kendall2018, "load_pie", lambda spec, progress: tiny_pie)
    monkeypatch.setenv("MTL_DEVICE", "cpu")


class Network(nn.Module):
    """A linear head for each of two tasks on the bare pixels."""

    tasks = ("id", "pos")

    def __init__(self, classes):
        super().__init__()
        self.heads = nn.ModuleDict({t: nn.Linear(1024, classes[t]) for t in self.tasks})

    def forward(self, images):
        x = images.flatten(1)
        return type("Out", (), {"logits": {t: head(x) for t, head in self.heads.items()}})


def make_method(tiny_pie):
    torch.manual_seed(0)
    return UncertaintyWeighting(Network(tiny_pie.class_counts))


def test_the_method_takes_ten_lines():
    body = inspect.getsource(UncertaintyWeighting.__init__).splitlines()[2:]
    body += inspect.getsource(UncertaintyWeighting.step).splitlines()[1:]
    assert len(body) <= 10


def test_its_gradient_is_that_of_the_paper_s_formula(tiny_pie):
    method = make_method(tiny_pie)
    plan = Plan(steps=1, batch=16, warmup_steps=0, average_decay=0, statistics_batches=0)
    (batch,) = labelled_batches(tiny_pie, ("id", "pos"), plan).between(0, 1, torch.device("cpu"))
    losses = task_losses(method.model(batch.images).logits, batch.targets).detach()
    method.step(batch, 0)
    # d/ds (exp(-s) L + s / 2) = 1/2 - L at s = 0
    assert torch.allclose(method.log_variances.grad, 0.5 - losses)


def test_it_resumes_bit_for_bit_as_every_method(tiny_pie, tmp_path):
    plan = Plan(steps=6, batch=16, warmup_steps=1, average_decay=0.9, statistics_batches=0)
    batches = labelled_batches(tiny_pie, ("id", "pos"), plan)
    path = tmp_path / "state.pt"
    assert_resumes(lambda: make_method(tiny_pie), batches, plan, path, 5, 2)


def test_it_is_swept_and_its_records_read_back_by_field(registered, tmp_path):
    experiment = registry.EXPERIMENTS["uncertainty"]
    settings = {"processes": 1, "root": tmp_path, "progress": False}
    report = run_sweep(experiment, TINY, **settings)
    report.raise_for_failures()
    assert len(report.done) == 4 and not report.skipped
    assert len(run_sweep(experiment, TINY, **settings).skipped) == 4
    records = load_records(experiment, TINY, experiment.configs(TINY), root=tmp_path)
    shared = select(records, tasks=("id", "pos", "illum"))
    assert [record.seed for record in shared] == [0, 1]
    for record in shared:
        weights = record.metric("training.weights")
        assert set(weights) == {"id", "pos", "illum"}
        assert all(value != 1.0 for value in weights.values())  # they have been learned
        assert record.metric("training.passes") == pytest.approx(6 * 8 / 96)


def test_the_command_line_sweeps_it(registered, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MTL_RESULTS", str(tmp_path))
    monkeypatch.setitem(PRESETS, "smoke", TINY)
    assert cli.main(["sweep", "uncertainty", "--preset", "smoke", "--processes", "1"]) == 0
    assert "4" in capsys.readouterr().out
    assert len(list(tmp_path.rglob("*.json"))) == 4
