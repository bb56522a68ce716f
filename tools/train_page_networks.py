"""Train the networks that the page with the face runs, and write them for it.

Usage::

    python tools/train_page_networks.py [book/static/face] [--preset laptop] [--only NAME]

Each network becomes one file, ``NAME.safetensors``: its trunk with batch normalisation folded into
the convolutions, and a layer per side task, in half precision. Where a network has no head for a
side task, the layer is a logistic regression from x that was fitted to training pictures
afterwards, and the file's metadata say so. What happened in training stands in the metadata too.
"""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.faces.corpora.pie import PieCorpus, load_pie
from mtl_helpers.machine import pick_device
from mtl_helpers.networks import MultiTaskNetwork
from mtl_helpers.papers.li2021.experiments.forgetting_pose import MAIN, configs
from mtl_helpers.papers.li2021.experiments.games import baseline_of, played, probed
from mtl_helpers.papers.li2021.landmarks import landmarks_in_frame, mean_face
from mtl_helpers.papers.yin2018.experiments.choices import CHOSEN
from mtl_helpers.papers.yin2018.experiments.networks import (
    ALL_TASKS,
    SIDE_TASKS,
    network_config,
    train_on,
)
from mtl_helpers.papers.yin2018.weighting import Rule
from mtl_helpers.presets import Preset, get_preset
from mtl_helpers.training.loop import Trained
from mtl_helpers.trunks import CASIANet
from mtl_helpers.trunks.casia import ConvBlock

FOLDER = Path(__file__).resolve().parent.parent / "book" / "static" / "face"
SEED = 0
READ_FROM = 12_000
"""About how many training pictures a side task's layer is fitted to."""


def one_task(preset: Preset, corpus: PieCorpus) -> Trained:
    """Recognition alone."""
    return train_on(corpus, network_config(preset, "page", SEED, tasks=("id",), corpus=corpus.spec))


def all_tasks(preset: Preset, corpus: PieCorpus, rule: Rule = "fixed") -> Trained:
    """All side tasks at the total weight that validation people chose, shared out by a rule."""
    phi = CHOSEN[preset.name].phi_s
    config = network_config(preset, "page", SEED, rule, phi, tasks=ALL_TASKS, corpus=corpus.spec)
    return train_on(corpus, config)


def aprn(preset: Preset, corpus: PieCorpus) -> Trained:
    """Recognition, continued by the game of Li, Wang and Zhang at alpha 0.2."""
    (config,) = [config for config in configs(preset) if config.seed == SEED]
    face = mean_face(landmarks_in_frame(corpus, corpus.gallery("train")))
    baseline = baseline_of(config, corpus).final
    probes = probed(config, corpus, baseline, (-1,), face, strong=False)
    (game,) = [game for game in config.games if game.name == MAIN]
    return played(config, corpus, baseline, game, probes, face)


NETWORKS: dict[str, Callable[[Preset, PieCorpus], Trained]] = {
    "one_task": one_task,
    "all_tasks": all_tasks,
    "eq8": functools.partial(all_tasks, rule="eq8"),
    "aprn": aprn,
}


@torch.no_grad()
def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return weights (O, I, 3, 3) and biases (O,) that do what both layers do in evaluation."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()  # (O,)
    return convolution.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale


def trunk_tensors(trunk: CASIANet) -> dict[str, Tensor]:
    """Return the folded convolutions of a trunk by name, two per block."""
    tensors: dict[str, Tensor] = {}
    for number, block in enumerate(trunk.blocks):
        assert isinstance(block, ConvBlock)
        for which, pair in enumerate(((block.conv1, block.bn1), (block.conv2, block.bn2)), start=1):
            weight, bias = folded(*pair)
            tensors[f"block{number}.conv{which}.weight"] = weight
            tensors[f"block{number}.conv{which}.bias"] = bias
    return tensors


def reading(x: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Return weights (K, D) and biases (K,) of a logistic regression from features (n, D)."""
    machine = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(x, labels)
    scaler, regression = machine[0], machine[1]
    weight = regression.coef_ / scaler.scale_  # (K, D)
    bias = regression.intercept_ - weight @ scaler.mean_
    return torch.from_numpy(weight), torch.from_numpy(bias)


def tensors_of(network: MultiTaskNetwork, corpus: PieCorpus) -> dict[str, Tensor]:
    """Return all that the page needs of a network, by name, in half precision."""
    assert isinstance(network.trunk, CASIANet)
    tensors = trunk_tensors(network.trunk)
    index = corpus.split("train")
    index = index[:: max(1, len(index) // READ_FROM)]
    labels = corpus.labels(index)
    missing = [task for task in SIDE_TASKS if task not in network.tasks]
    x = np.empty(0)
    if missing:
        x = extract(network, corpus.images, index)["x"].double().numpy()
    for task in SIDE_TASKS:
        if task in missing:
            weight, bias = reading(x, labels[task])
        else:
            head = network.heads[task]
            assert isinstance(head, nn.Linear)
            weight, bias = head.weight, head.bias
        tensors |= {f"{task}.weight": weight, f"{task}.bias": bias}
    return {name: t.detach().half().contiguous() for name, t in tensors.items()}


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--preset", default="laptop")
    parser.add_argument("--only", choices=NETWORKS, help="train one network alone")
    options = parser.parse_args()
    preset = get_preset(options.preset)
    corpus = load_pie(preset)
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in [options.only] if options.only else NETWORKS:
        result = NETWORKS[name](preset, corpus)
        network = result.final.to("cpu").eval()
        read = [task for task in SIDE_TASKS if task not in network.tasks]
        metadata = {
            "trained": json.dumps(result.summary()),
            "read by a regression": json.dumps(read),
            "preset": preset.name,
            "seed": str(SEED),
            "corpus": corpus.spec.name,
            "device": str(pick_device()),
        }
        path = options.folder / f"{name}.safetensors"
        save_file(tensors_of(network, corpus), path, metadata)
        print(name, path, path.stat().st_size, metadata["trained"], flush=True)


if __name__ == "__main__":
    main()
