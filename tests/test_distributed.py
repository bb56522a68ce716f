"""Two processes with half a batch each do what one does with the whole."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mtl_helpers.runs.record import read_record

WORKER = """
import sys
import torch
from torch import nn

torch.set_num_threads(1)
from mtl_helpers.distributed import joined_group, place_in_group
from synthetic_corpus import SyntheticCorpus
from mtl_helpers.networks import MultiTaskNetwork, seeded_network
from mtl_helpers.training.batches import labelled_batches
from mtl_helpers.training.joint import JointTraining
from mtl_helpers.training.loop import train
from mtl_helpers.training.plan import Plan
from mtl_helpers.training.weighting import FixedWeights
from mtl_helpers.trunks import CASIANet

norm, missing = sys.argv[2] == "norm", sys.argv[3] == "missing"


def trunk():
    made = CASIANet(width=0.05, dropout=0.0)
    if not norm:  # batch normalisation sees its own share of the batch only
        for block in made.blocks:
            block.bn1 = nn.GroupNorm(1, block.conv1.out_channels)
            block.bn2 = nn.GroupNorm(1, block.conv2.out_channels)
    return made


with joined_group():
    corpus = SyntheticCorpus()
    plan = Plan(
        steps=3, batch=16, warmup_steps=0, learning_rate=0.01, average_decay=0.9,
        statistics_batches=0,
    )
    counts = {"id": 6, "pos": 5}
    batches = labelled_batches(corpus, tuple(counts), plan)
    if missing:  # most of them in one half of the batches
        batches.targets["pos"][batches.order[0][::2]] = -1
    network = seeded_network(trunk, lambda t: MultiTaskNetwork(t, counts), seed=0)
    method = JointTraining(network, FixedWeights({"id": 1.0, "pos": 0.3}))
    result = train(method, batches, plan, progress=False)
    rank, _ = place_in_group()
    torch.save(
        {"weights": network.state_dict(), "averaged": result.averaged.state_dict()},
        f"{sys.argv[1]}/rank{rank}.pt",
    )
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


SWEEP = """
import sys
from dataclasses import dataclass
from pathlib import Path

from mtl_helpers.distributed import joined_group, place_in_group
from mtl_helpers.presets import get_preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.runs.sweep import run_sweep


@dataclass(frozen=True)
class Config:
    arm: str
    seed: int


def run(config):
    rank, processes = place_in_group()
    (Path(sys.argv[1]) / f"ran-{config.seed}-{rank}").touch()
    return Outcome(metrics={"processes": processes, "rank": rank})


with joined_group():
    experiment = Experiment("together", lambda preset: [Config("a", 0), Config("a", 1)], run)
    root = Path(sys.argv[1]) / "results"
    report = run_sweep(experiment, get_preset("smoke"), root=root, progress=False)
    again = run_sweep(experiment, get_preset("smoke"), root=root, progress=False)
    if place_in_group()[0] == 0:
        assert len(report.done) == 2 and len(again.skipped) == 2 and not again.done
"""


def trained(folder: Path, processes: int, norm: str = "plain", labels: str = "whole"):
    folder.mkdir()
    run_together(WORKER, processes, folder, norm, labels)
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(processes)]


def run_together(code: str, processes: int, *arguments: object) -> None:
    """Run a script in processes that know of one another, as ``torchrun`` starts them."""
    common = os.environ | {
        "WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }
    command = [sys.executable, "-c", code, *map(str, arguments)]
    workers = [
        subprocess.Popen(
            command,
            env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
        )
        for rank in range(processes)
    ]
    for worker in workers:
        _, error = worker.communicate(timeout=120)
        assert worker.returncode == 0, error.decode()


def assert_same_weights(first, second, tolerance):
    for part in ("weights", "averaged"):
        for name, value in first[part].items():
            torch.testing.assert_close(
                value, second[part][name], atol=tolerance, rtol=tolerance, msg=f"{part} {name}"
            )


@pytest.mark.parametrize("labels", ["whole", "missing"])
def test_two_processes_update_like_one(tmp_path, labels):
    (one,) = trained(tmp_path / "one", 1, labels=labels)
    two = trained(tmp_path / "two", 2, labels=labels)
    assert_same_weights(two[0], two[1], 0.0)
    assert_same_weights(two[0], one, 2e-6)


def test_batch_norm_sees_its_own_share(tmp_path):
    (one,) = trained(tmp_path / "one", 1, "norm")
    two = trained(tmp_path / "two", 2, "norm")
    heads = [state["weights"]["heads.id.weight"] for state in (one, *two)]
    assert torch.equal(heads[1], heads[2])
    assert not torch.allclose(heads[0], heads[1], atol=1e-6)
    means = [state["weights"]["trunk.blocks.0.bn1.running_mean"] for state in two]
    assert not torch.equal(*means)


def test_a_sweep_of_a_group_is_written_by_its_first_process(tmp_path):
    run_together(SWEEP, 2, tmp_path)
    assert sorted(p.name for p in tmp_path.glob("ran-*")) == [
        f"ran-{seed}-{rank}" for seed in (0, 1) for rank in (0, 1)
    ]
    records = [read_record(path) for path in sorted(tmp_path.rglob("*.json"))]
    assert [record.seed for record in records] == [0, 1]
    assert all(record.metrics == {"processes": 2, "rank": 0} for record in records)
