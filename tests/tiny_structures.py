"""Experiments on attributes at a size that takes seconds: a preset, and corpora of few labels."""

from __future__ import annotations

import dataclasses

from mtl_helpers.faces.corpora.attributes import AttributesCorpus
from mtl_helpers.papers.taherkhani2021.experiments.networks import STARVED
from mtl_helpers.presets import get_preset

TINY = dataclasses.replace(
    get_preset("smoke"), steps=20, warmup_steps=1, batch=12, width=0.05, seeds=(0, 1)
)


def with_few_labels(corpus: AttributesCorpus, count: int = 8) -> AttributesCorpus:
    """The same pictures with so many labels of every second attribute."""
    starved = tuple(dict.fromkeys(STARVED, count).items())
    return AttributesCorpus(dataclasses.replace(corpus.spec, starved=starved), corpus.store)


def on(corpus, config):
    """The config, on a corpus that is at hand."""
    return dataclasses.replace(config, corpus=corpus.spec)
