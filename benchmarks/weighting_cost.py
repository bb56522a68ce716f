"""What a training step costs under each way of combining the losses.

A quarter-width CASIA-Net, 48 px, batches of 64, four tasks. The paper's two dynamic weightings add
a layer of D x 3 weights to the step with fixed ones, so they must cost next to nothing; TorchJD's
UPGrad and PCGrad work on the gradients of the tasks, and pay for one backward pass of the trunk for
each. All take turns in short rounds, so that whatever else the machine does falls on all.

    python benchmarks/weighting_cost.py [--threads 2] [--rounds 60]

Exits with 1 if a dynamic weighting costs more than 1.02 of fixed weights.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
import torch
from torch import Tensor
from torchjd.aggregation import Aggregator, PCGrad, UPGrad
from torchjd.autojac import jac_to_grad, mtl_backward
from training_speed import CLASSES, timed

from mtl_helpers.losses import task_losses
from mtl_helpers.networks import MultiTaskNetwork
from mtl_helpers.papers.yin2018.weighting import RULES, weighting
from mtl_helpers.training.batches import to_input
from mtl_helpers.training.optimizers import SGDConfig, sgd
from mtl_helpers.training.plan import bfloat16_pays
from mtl_helpers.trunks import CASIANet

ALLOWED_RATIO = 1.02
GROUPS = {("id",): 1.0, ("pos", "illum", "exp"): 0.3}
BATCH = 64
STEPS = 2  # of one turn; short, so that a disturbance falls on neighbours alike
CPU = torch.device("cpu")
Batch = tuple[Tensor, dict[str, Tensor]]


class Contender:
    """A network and what combines its losses, both in training."""

    def __init__(self, name: str) -> None:
        self.model = MultiTaskNetwork(CASIANet(0.25), CLASSES).train()
        self.rule = None
        modules = {self.model: 1.0}
        if name in RULES:
            self.rule = weighting(name, self.model.trunk.feature_dim, GROUPS)
            modules[self.rule] = 1.0
        aggregators = {"UPGrad": UPGrad, "PCGrad": PCGrad}
        self.aggregator: Aggregator | None = aggregators[name]() if name in aggregators else None
        self.optimizer = sgd(SGDConfig(), modules)

    def step(self, images: Tensor, labels: dict[str, Tensor]) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_pays("cpu")):
            out = self.model(images)
        self.optimizer.zero_grad(set_to_none=True)
        if self.aggregator is not None:
            # One by one, so that no loss hangs on the heads of the others; all hang on the dropout
            # between x and the heads, so the graph must outlast the first of them.
            losses = [task_losses({task: y}, labels).sum() for task, y in out.logits.items()]
            mtl_backward(losses, out.features, retain_graph=True, parallel_chunk_size=1)
            jac_to_grad(self.model.trunk.parameters(), self.aggregator)
        else:
            self.rule(task_losses(out.logits, labels), out.features).backward()
        self.optimizer.step()

    def run(self, batches: list[Batch]) -> None:
        for images, labels in batches:
            self.step(images, labels)


def make_batches(count: int) -> list[Batch]:
    rng = np.random.default_rng(0)
    shape = (BATCH, 48, 48)
    images = [torch.from_numpy(rng.integers(0, 256, shape, dtype=np.uint8)) for _ in range(count)]
    labels = [
        {t: torch.from_numpy(rng.integers(0, k, BATCH)) for t, k in CLASSES.items()}
        for _ in range(count)
    ]
    return list(zip(map(to_input, images), labels, strict=True))


def measure(rounds: int) -> dict[str, list[float]]:
    """Return for each contender the seconds of a step, (rounds,)."""
    contenders = {name: Contender(name) for name in (*RULES, "UPGrad", "PCGrad")}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    batches = make_batches(STEPS)
    names = list(contenders)
    for turn in range(rounds + 1):
        # The order rotates and turns round, and the first round only warms up.
        order = np.roll(names, turn // 2)[:: 1 if turn % 2 else -1]
        for name in order.tolist():
            seconds = timed(lambda name=name: contenders[name].run(batches), CPU)
            if turn:
                times[name].append(seconds / STEPS)
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--rounds", type=int, default=60, help="turns of each contender")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    times = measure(arguments.rounds)
    print(f"{torch.get_num_threads()} thread(s), {arguments.rounds} rounds of {STEPS} steps")
    print(f"{'':10}{'ms a step':>10}{'ratio to fixed':>16}")
    dear = []
    for name, seconds in times.items():
        ratio = statistics.median(np.divide(seconds, times["fixed"]).tolist())
        print(f"{name:10}{1000 * statistics.median(seconds):10.1f}{ratio:16.3f}")
        if name in RULES and ratio > ALLOWED_RATIO:
            dear.append(name)
    print(
        f"at most {ALLOWED_RATIO} of fixed weights: "
        + (f"missed by {', '.join(dear)}" if dear else "reached")
    )
    return 1 if dear else 0


if __name__ == "__main__":
    raise SystemExit(main())
