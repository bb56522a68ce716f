"""Trunk and first branch are trained on photographs of other people first (Sec. 5.2), once a seed.

All arms of a seed start from the same network, so that they are paired and most of the cost is paid
once. It is kept beside the corpora in the cache, under the hash of its configuration and of the
code that trained it; it is a function of these alone, and made anew whenever it is not there.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from mtl_helpers.faces.corpora.wild import WildSpec, load_wild
from mtl_helpers.machine import code_version, pick_device, write_atomic
from mtl_helpers.papers.ming2021.method import BranchedTraining
from mtl_helpers.papers.ming2021.model import BranchedNetwork, Size, branched_network
from mtl_helpers.papers.ming2021.weights import WeightRule
from mtl_helpers.runs.config import config_hash
from mtl_helpers.store import default_root
from mtl_helpers.training.batches import labelled_batches
from mtl_helpers.training.loop import train
from mtl_helpers.training.optimizers import OptimizerConfig, SGDConfig
from mtl_helpers.training.plan import Plan

__all__ = ["Pretraining", "pretrained", "starting_network"]

_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Pretraining:
    """One pretrained network: verification alone, on photographs."""

    arm: str
    seed: int
    corpus: WildSpec
    plan: Plan
    size: Size
    width: float
    dropout: float = 0.0
    beta: float = 0.1
    optimizer: OptimizerConfig = field(default_factory=SGDConfig)


def starting_network(
    config: Pretraining, tasks: tuple[str, ...], identities: int, *, rectified: bool = False
) -> BranchedNetwork:
    """Return an untrained network of the size of a pretrained one."""
    return branched_network(
        config.size,
        tasks,
        identities,
        width=config.width,
        channels=config.corpus.channels,
        dropout=config.dropout,
        rectified=rectified,
        seed=config.seed,
    )


def pretrained(
    config: Pretraining, root: Path | None = None
) -> tuple[BranchedNetwork, Mapping[str, Any]]:
    """Return the pretrained network, and what happened in its training.

    It is trained here if it is not below ``root``, the cache if absent; of several processes that
    ask for it, one trains and the others wait.
    """
    key = f"{config_hash(config)[:16]}-{code_version()['sources'][:16]}"
    path = (root or default_root()) / "pretrained" / f"{key}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        content = _read(path)
        if content is None:
            content = _train(config)
            buffer = io.BytesIO()
            torch.save(content, buffer)
            data = buffer.getvalue()
            write_atomic(path, hashlib.sha256(data).digest() + data)
    network = starting_network(config, ("verification",), config.corpus.train_identities)
    network.load_state_dict(content["network"])
    return network, content["training"]


def _read(path: Path) -> dict[str, Any] | None:
    """Return what is stored, or None where nothing is, or where it is damaged."""
    if not path.exists():
        return None
    data = path.read_bytes()
    if hashlib.sha256(data[_DIGEST:]).digest() != data[:_DIGEST]:
        return None
    content: dict[str, Any] = torch.load(
        io.BytesIO(data[_DIGEST:]), map_location="cpu", weights_only=True
    )
    return content


def _train(config: Pretraining) -> dict[str, Any]:
    corpus = load_wild(config.corpus, progress=False)
    plan = replace(config.plan, seed=config.seed)
    model = starting_network(config, ("verification",), config.corpus.train_identities)
    method = BranchedTraining(
        model,
        WeightRule("fixed"),
        config.corpus.side,
        config.optimizer,
        beta=config.beta,
        seed=config.seed,
    )
    trained = train(
        method,
        labelled_batches(corpus, ("id",), plan),
        plan,
        device=pick_device(),
        progress=False,
    )
    state = {name: value.cpu() for name, value in trained.final.state_dict().items()}
    return {"network": state, "training": trained.summary()}
