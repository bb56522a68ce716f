"""Small networks with first weights, for tests of what is asked of a network."""

from __future__ import annotations

from mtl_helpers.networks import MultiTaskNetwork, seeded_network
from mtl_helpers.trunks import CASIANet


def untrained(corpus, tasks, build=MultiTaskNetwork, seed=0, channels=1):
    """A network of width 1/8 with a head for each of the tasks."""
    classes = {task: corpus.class_counts[task] for task in tasks}
    return seeded_network(
        lambda: CASIANet(width=0.125, in_channels=channels),
        lambda trunk: build(trunk, classes),
        seed,
    )
