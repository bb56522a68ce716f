"""The main comparison without a shared trunk: every network is trained whole.

Independent heads, the published groups and the learned graph, with all labels at strength 1, by the
same number of steps as a trunk and an arm of
:mod:`mtl_helpers.papers.taherkhani2021.experiments.task_structures` have together.

It can be asked of CelebA and LFWA too, on their official splits (:func:`on`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mtl_helpers.faces.corpora.attributes import AttributesSpec
from mtl_helpers.machine import pick_device
from mtl_helpers.papers.taherkhani2021.experiments.choices import Penalties, penalties_at
from mtl_helpers.papers.taherkhani2021.experiments.networks import (
    STRUCTURES,
    AnyAttributes,
    Recipe,
    Structure,
    attribute_batches,
    attribute_scores,
    corpus_of,
    groups_of,
    method_of,
    names_of,
    opened,
    people_of,
    recipe_of,
    subsets,
    untrained,
)
from mtl_helpers.papers.taherkhani2021.real import attribute_spec
from mtl_helpers.papers.taherkhani2021.scores import shares_right
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.training.loop import train

if TYPE_CHECKING:
    from mtl_helpers.datasets import RealSpec

__all__ = ["COMPARED", "EXPERIMENT", "FEWER_SEEDS", "WholeConfig", "configs", "on"]

COMPARED = ("alone", "groups", "log degree")
"""The structures that are compared, by name."""

FEWER_SEEDS = 3
"""How many of a preset's seeds are used: it stands beside the comparison that decides."""


@dataclass(frozen=True)
class WholeConfig:
    """One network: its structure, and the training, whose plan is that of the trunk."""

    arm: str
    seed: int
    structure: Structure
    corpus: AttributesSpec | RealSpec
    recipe: Recipe
    penalties: Penalties


def configs(preset: Preset, data: RealSpec | None = None) -> list[WholeConfig]:
    """Return every network, seed by seed; ``data`` is a real set instead of the rendered corpus."""
    recipe = recipe_of(preset)
    penalties = Penalties() if data is not None else penalties_at(preset.name, "all")
    steps = recipe.shared.steps + recipe.own.steps
    whole = replace(recipe.own, steps=steps, warmup_steps=recipe.shared.warmup_steps)
    return [
        WholeConfig(
            arm=name.replace(" ", "-"),
            seed=seed,
            structure=STRUCTURES[name],
            corpus=data or corpus_of(preset, 1.0, "all"),
            recipe=replace(recipe, shared=whole),
            penalties=penalties,
        )
        for seed in preset.seeds[:FEWER_SEEDS]
        for name in COMPARED
    ]


def prepare(preset: Preset, data: RealSpec | None = None) -> None:
    """Make the corpus ready before the workers start, so that none of them waits for it."""
    opened(data or corpus_of(preset, 1.0, "all"), progress=True)


def run(config: WholeConfig) -> Outcome:
    """Train one network and ask it about the test people."""
    return run_on(opened(config.corpus, progress=False), config)


def run_on(corpus: AnyAttributes, config: WholeConfig) -> Outcome:
    """Run a config on a corpus, whatever corpus it names."""
    structure, plan = config.structure, replace(config.recipe.shared, seed=config.seed)
    batches = attribute_batches(corpus, plan, "batches")
    names = names_of(corpus)
    groups = groups_of(structure, corpus, config.seed)
    model = untrained(config.recipe, batches.channels, config.seed, groups, names)
    labels = corpus.attributes(corpus.split("train"))
    method = method_of(structure, model, config.recipe, config.penalties, labels, config.seed)
    result = train(method, batches, plan, device=pick_device(), progress=False)
    test = corpus.split("test")
    scores = attribute_scores(result.final, corpus, test, result.bfloat16)
    means, parts = shares_right(
        scores, corpus.attributes(test), people_of(corpus, test), subsets(names)
    )
    metrics: dict[str, Any] = {"whole": means, "training": result.summary()}
    return Outcome(
        metrics=metrics, arrays={f"people/whole/{key}": part for key, part in parts.items()}
    )


def on(data: RealSpec) -> Experiment:
    """Return the experiment on a real set with attributes."""
    return EXPERIMENT.asked_of(attribute_spec(data, EXPERIMENT.name), configs, prepare)


EXPERIMENT = Experiment(
    paper="taherkhani2021",
    name="from_nothing",
    configs=configs,
    run=run,
    prepare=prepare,
    on=on,
)
