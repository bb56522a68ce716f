"""How fast the training loop is beside a bare PyTorch loop, and beside the machine's peak.

Both loops train the same network with the preset's optimiser. The bare one goes over normalised
float batches that lie in memory and does nothing else; :func:`mtl_helpers.training.loop.train`
gathers uint8 images from a memory-mapped file, normalises them, follows a schedule, averages
weights, and checks and notes the losses. They take turns in short rounds, so that whatever else the
machine does falls on both, and so does a large matrix product, whose rate is the peak.

    python benchmarks/training_speed.py [--preset laptop] [--threads 2] [--rounds 12]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mtl_helpers.losses import task_losses
from mtl_helpers.machine import pick_device
from mtl_helpers.networks import MultiTaskNetwork
from mtl_helpers.presets import Preset, get_preset
from mtl_helpers.training.batches import labelled_batches, to_input
from mtl_helpers.training.joint import JointTraining
from mtl_helpers.training.loop import train
from mtl_helpers.training.optimizers import optimizer_of, optimizers
from mtl_helpers.training.plan import Plan, bfloat16_pays
from mtl_helpers.training.weighting import FixedWeights
from mtl_helpers.trunks import CASIANet

WANTED_RATIO = 0.95
CLASSES = {"id": 300, "pos": 13, "illum": 6, "exp": 6}
WEIGHTS = {"id": 1.0, "pos": 0.1, "illum": 0.1, "exp": 0.1}


class NoiseCorpus:
    """Random images in a memory-mapped file, with random labels."""

    def __init__(self, folder: Path, count: int, preset: Preset) -> None:
        rng = np.random.default_rng(0)
        shape = (count, preset.side, preset.side) + ((3,) if preset.channels == 3 else ())
        path = folder / "images.npy"
        np.save(path, rng.integers(0, 256, shape, dtype=np.uint8))
        self.images = np.load(path, mmap_mode="r")
        self.class_counts = CLASSES
        self._labels = {task: rng.integers(0, k, count) for task, k in CLASSES.items()}

    def split(self, name: str) -> np.ndarray:
        return np.arange(len(self.images))

    def labels(self, index: np.ndarray) -> dict[str, np.ndarray]:
        return {task: values[index] for task, values in self._labels.items()}


def training_flops(model: nn.Module, image: Tensor) -> int:
    """Return multiplications plus additions of one image's forward and backward pass.

    Convolutions and linear layers only. The backward pass costs the forward one twice, for the
    gradients of weights and of inputs; the images need none.
    """
    total = 0
    hooks = []

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        # Each number of the output takes one weight slice's worth of multiply-adds.
        forward = 2 * output[0].numel() * layer.weight[0].numel()
        total += forward * (2 if inputs[0] is image else 3)

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            hooks.append(layer.register_forward_hook(count))
    model.eval()
    with torch.no_grad():
        model(image)
    for hook in hooks:
        hook.remove()
    return total


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(work: Callable[[], object], device: torch.device) -> float:
    synchronise(device)
    start = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - start


def make_network(preset: Preset) -> MultiTaskNetwork:
    return MultiTaskNetwork(CASIANet(preset.width, preset.channels, preset.dropout), CLASSES)


class BareLoop:
    """Forward, backward and update over batches that are ready."""

    def __init__(
        self, corpus: NoiseCorpus, preset: Preset, plan: Plan, device: torch.device
    ) -> None:
        self.plan = plan
        self.model = make_network(preset).to(device).train()
        self.optimizers = optimizers(optimizer_of(preset), {self.model: 1.0}).values()
        self.weights = torch.tensor(list(WEIGHTS.values()), device=device)
        self.batches = []
        for start in range(0, 20 * plan.batch, plan.batch):
            chosen = np.arange(start, start + plan.batch)
            images = to_input(torch.from_numpy(np.array(corpus.images[chosen])).to(device))
            labels = {k: torch.from_numpy(v).to(device) for k, v in corpus.labels(chosen).items()}
            self.batches.append((images, labels))

    def run(self, steps: int) -> None:
        device_type = self.batches[0][0].device.type
        for step in range(steps):
            images, labels = self.batches[step % len(self.batches)]
            with torch.autocast(device_type, torch.bfloat16, enabled=bool(self.plan.bfloat16)):
                out = self.model(images)
            loss = (self.weights * task_losses(out.logits, labels)).sum()
            for optimizer in self.optimizers:
                optimizer.zero_grad(set_to_none=True)
            loss.backward()
            for optimizer in self.optimizers:
                optimizer.step()


def matrix_rate(size: int, dtype: torch.dtype, device: torch.device) -> float:
    """Return the rate of one matrix product in FLOP/s."""
    a = torch.randn(size, size, device=device).to(dtype)
    b = torch.randn(size, size, device=device).to(dtype)
    torch.mm(a, b)
    return 2 * size**3 / timed(lambda: torch.mm(a, b), device)


def measure(preset: Preset, rounds: int, steps: int, device: torch.device) -> dict[str, object]:
    """Return medians over the rounds, for float32 and, where it pays, bfloat16."""
    plan = Plan.from_preset(
        preset,
        steps=steps,
        warmup_steps=0,
        statistics_batches=0,
        average_decay=preset.average_decay or 0.99,
    )
    arithmetics = {"float32": False} | ({"bfloat16": True} if bfloat16_pays(device) else {})
    with tempfile.TemporaryDirectory() as folder:
        corpus = NoiseCorpus(Path(folder), max(20 * preset.batch, 20_000), preset)
        plans = {name: replace(plan, bfloat16=kind) for name, kind in arithmetics.items()}
        bare = {name: BareLoop(corpus, preset, each, device) for name, each in plans.items()}
        batches = labelled_batches(corpus, tuple(CLASSES), plan)

        def ours(chosen: Plan) -> float:
            network, weighting = make_network(preset), FixedWeights(WEIGHTS)
            method = JointTraining(network, weighting, optimizer_of(preset))
            return train(method, batches, chosen, device=device, progress=False).seconds

        times: dict[str, list[tuple[float, float]]] = {name: [] for name in arithmetics}
        peaks: list[float] = []
        for turn in range(rounds + 1):
            peak = matrix_rate(2048, torch.float32, device)
            for name, chosen in plans.items():
                loops = [
                    lambda name=name: timed(lambda: bare[name].run(steps), device),
                    lambda chosen=chosen: ours(chosen),
                ]
                # Who goes first alternates, and the first round only warms up.
                seconds = [0.0, 0.0]
                for which in (0, 1) if turn % 2 else (1, 0):
                    seconds[which] = loops[which]()
                if turn:
                    times[name].append((seconds[0], seconds[1]))
            if turn:
                peaks.append(peak)
    flops = training_flops(
        next(iter(bare.values())).model.float(),
        torch.zeros(1, preset.channels, preset.side, preset.side, device=device),
    )
    images = steps * preset.batch
    report: dict[str, object] = {
        "preset": preset.name,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "batch": preset.batch,
        "MFLOP_per_image": flops / 1e6,
        "sgemm_peak_GFLOP_per_s": max(peaks) / 1e9,
    }
    for name, pairs in times.items():
        speed = images / statistics.median(trained for _, trained in pairs)
        report[name] = {
            "images_per_s": speed,
            "bare_images_per_s": images / statistics.median(plain for plain, _ in pairs),
            "ratio_to_bare": statistics.median(plain / trained for plain, trained in pairs),
            "share_of_sgemm_peak": speed * flops / max(peaks),
        }
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", help="sizes of images, network and batches")
    parser.add_argument("--device", help="torch device")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--rounds", type=int, default=12, help="turns of each loop")
    parser.add_argument("--steps", type=int, default=20, help="steps in a turn")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = pick_device(arguments.device)
    report = measure(get_preset(arguments.preset), arguments.rounds, arguments.steps, device)
    print(
        f"{report['preset']}: batches of {report['batch']} on {report['device']}, "
        f"{report['threads']} thread(s); {report['MFLOP_per_image']:.1f} MFLOP an image; "
        f"sgemm peak {report['sgemm_peak_GFLOP_per_s']:.0f} GFLOP/s"
    )
    print(f"{'':10}{'images/s':>10}{'bare':>8}{'ratio':>8}{'of sgemm peak':>16}")
    for name in ("float32", "bfloat16"):
        row = report.get(name)
        if isinstance(row, dict):
            print(
                f"{name:10}{row['images_per_s']:10.0f}{row['bare_images_per_s']:8.0f}"
                f"{row['ratio_to_bare']:8.3f}{row['share_of_sgemm_peak']:16.0%}"
            )
            reached = "reached" if row["ratio_to_bare"] >= WANTED_RATIO else "missed"
            print(f"{'':10}{WANTED_RATIO:.0%} of the bare loop: {reached}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
