"""Which structure of tasks helps, and which is found? One trunk per seed and condition, many arms.

A run is one seed in one condition: it trains the trunk, takes every arm from there, and asks each
about the test people. From the independent arm's heads, and from the labels, it reads graphs and
compares them with the true one; where the labels are all there, it also asks where the maps lie.

It can be asked of CelebA and LFWA too, on their official splits (:func:`on`): there the arms are
compared and graphs are kept, and no truth is known to compare these with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mtl_helpers.faces.corpora.attribute_regions import REGIONS
from mtl_helpers.faces.corpora.attributes import (
    ATTRIBUTES,
    GROUPS,
    AttributesCorpus,
    AttributesSpec,
)
from mtl_helpers.faces.corpora.task_graphs import face_graph
from mtl_helpers.papers.taherkhani2021.cam import upsampled
from mtl_helpers.papers.taherkhani2021.experiments.choices import (
    Budget,
    Penalties,
    penalties_at,
)
from mtl_helpers.papers.taherkhani2021.experiments.networks import (
    STARVED,
    STRUCTURES,
    AnyAttributes,
    Recipe,
    Structure,
    attribute_scores,
    corpus_of,
    few_of,
    names_of,
    opened,
    people_of,
    prepare_corpora,
    recipe_of,
    subsets,
    trained_arm,
    trained_trunk,
)
from mtl_helpers.papers.taherkhani2021.graph_scores import (
    EdgeTruth,
    agreement,
    claimed,
    graphs_from_heads,
    graphs_from_labels,
    recovery,
    task_groups,
)
from mtl_helpers.papers.taherkhani2021.localisation import (
    chosen_pictures,
    coarse_maps,
    localisation,
    true_regions,
    typical_pictures,
)
from mtl_helpers.papers.taherkhani2021.model import MTFAP
from mtl_helpers.papers.taherkhani2021.real import RealAttributes, attribute_spec
from mtl_helpers.papers.taherkhani2021.scores import attribute_table, by_person, shares_right
from mtl_helpers.papers.taherkhani2021.task_graph import Matrix, edge_weights
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.training.loop import Trained

if TYPE_CHECKING:
    from mtl_helpers.datasets import RealSpec

__all__ = [
    "CONDITIONS",
    "EXPERIMENT",
    "FEWER_SEEDS",
    "MAIN",
    "Condition",
    "StructureConfig",
    "arm_of",
    "configs",
    "on",
]

MAIN = ("alone", "groups", "shuffled groups", "log degree", "labels")
"""The structures that every condition compares."""

FEWER_SEEDS = 3
"""How many of a preset's seeds the conditions use that decide nothing."""

MAPPED = 5
"""Pictures of each test person whose maps are looked at."""


@dataclass(frozen=True)
class Condition:
    """A corpus by its strength and its budget of labels, and what is compared there."""

    strength: float
    budget: Budget
    structures: tuple[str, ...] = MAIN
    decides: bool = True


CONDITIONS = (
    Condition(1.0, "all", tuple(STRUCTURES)),
    Condition(1.0, "few", tuple(STRUCTURES)),
    Condition(0.0, "all"),
    Condition(0.0, "few", decides=False),
    Condition(0.5, "all", decides=False),
    Condition(0.5, "few", decides=False),
)


@dataclass(frozen=True)
class StructureConfig:
    """One seed in one condition.

    ``arm`` is the condition's name. Each of the ``structures`` goes on from the same trunk, and its
    metrics stand under its name. ``mapped`` is how many pictures of each test person are asked for
    the place of their maps; 0 for none. ``few`` is how many labels every second attribute of a
    real set keeps; 0 for all, and on the rendered corpus, whose specification says it.
    """

    arm: str
    seed: int
    corpus: AttributesSpec | RealSpec
    recipe: Recipe
    penalties: Penalties
    structures: tuple[Structure, ...]
    mapped: int = 0
    few: int = 0


def arm_of(strength: float, budget: Budget) -> str:
    """Return the name of a condition, such as ``"strength1-few"``."""
    return f"strength{strength:g}-{budget}"


def configs(preset: Preset) -> list[StructureConfig]:
    """Return every run, condition by condition, those that decide first."""
    recipe = recipe_of(preset)
    return [
        StructureConfig(
            arm=arm_of(condition.strength, condition.budget),
            seed=seed,
            corpus=corpus_of(preset, condition.strength, condition.budget),
            recipe=recipe,
            penalties=penalties_at(preset.name, condition.budget),
            structures=tuple(STRUCTURES[name] for name in condition.structures),
            mapped=MAPPED if (condition.strength, condition.budget) == (1.0, "all") else 0,
        )
        for condition in CONDITIONS
        for seed in (preset.seeds if condition.decides else preset.seeds[:FEWER_SEEDS])
    ]


def real_configs(preset: Preset, data: RealSpec) -> list[StructureConfig]:
    """Return the runs on a real set: all labels, and few. Its true groups nobody knows."""
    recipe = recipe_of(preset)
    known = tuple(each for each in STRUCTURES.values() if each.groups != "true")
    return [
        StructureConfig("few" if few else "all", seed, data, recipe, Penalties(), known, few=few)
        for few in (0, few_of(preset))
        for seed in preset.seeds
    ]


def prepare(preset: Preset) -> None:
    """Render the corpora before the workers start, so that none of them waits for one."""
    prepare_corpora([corpus_of(preset, each.strength, each.budget) for each in CONDITIONS])


def prepare_real(preset: Preset, data: RealSpec) -> None:
    """Decode a real set before the workers start."""
    opened(data, progress=True)


def run(config: StructureConfig) -> Outcome:
    """Train the trunk and its arms, and measure them."""
    return run_on(opened(config.corpus, config.few, progress=False), config)


def run_on(corpus: AnyAttributes, config: StructureConfig) -> Outcome:
    """Run a config on a corpus, whatever corpus it names."""
    shared = trained_trunk(corpus, config.recipe, config.penalties, config.seed)
    test = corpus.split("test")
    labels, people = corpus.attributes(test), people_of(corpus, test)
    columns = subsets(names_of(corpus))
    metrics: dict[str, Any] = {"structures": {}}
    arrays: dict[str, Any] = {}
    trained: dict[str, Trained] = {}
    for structure in config.structures:
        name = structure.name
        result = trained[name] = trained_arm(
            corpus, config.recipe, config.penalties, structure, config.seed, shared.final
        )
        scores = attribute_scores(result.final, corpus, test, result.bfloat16)
        means, parts = shares_right(scores, labels, people, columns)
        metrics["structures"][name] = means
        arrays |= {f"people/{name}/{key}": part for key, part in parts.items()}
        arrays |= {
            f"attribute/{name}/{measure}": values.astype(np.float32)
            for measure, values in attribute_table(scores, labels).items()
        }
    heads = {name: heads_of(result.final) for name, result in trained.items()}
    learned = {
        each.name: edge_weights(each.rule.solve(heads[each.name]))
        for each in config.structures
        if each.rule is not None
    }
    training = corpus.attributes(corpus.split("train"))
    graphs = graphs_of(heads["alone"], training, learned)
    if isinstance(config.corpus, AttributesSpec):
        metrics["graphs"] = graph_report(config.corpus.strength, graphs)
    arrays |= {f"heads/{name}": W.astype(np.float16) for name, W in heads.items()}
    arrays |= {f"graph/{name}": M.astype(np.float16) for name, M in graphs.items()}
    metrics["zeros"] = {
        name: float(result.curves["penalty/zeros"][-1])
        for name, result in trained.items()
        if "penalty/zeros" in result.curves
    }
    if config.mapped and not isinstance(corpus, RealAttributes):
        metrics["maps"], of_maps = map_report(corpus, trained["alone"].final, config.mapped)
        arrays |= of_maps
    steps = config.recipe.shared.steps + config.recipe.own.steps
    metrics["training"] = shared.summary() | {
        "passes": steps * config.recipe.shared.batch / len(shared.batches.index)
    }
    return Outcome(metrics=metrics, curves=mean_losses(shared, trained), arrays=arrays)


def mean_losses(shared: Trained, arms: Mapping[str, Trained]) -> dict[str, list[float]]:
    """Return the mean loss of the attributes over the trunk's training and that of each arm."""
    return {
        name: [
            float(f"{value:.4g}")
            for value in np.mean(
                [result.curves[f"loss/{each}"] for each in result.final.names], axis=0
            )
        ]
        for name, result in {"shared": shared, **arms}.items()
    }


def heads_of(network: MTFAP) -> NDArray[np.float64]:
    """Return a network's W (D, T) in double precision."""
    W: NDArray[np.float64] = network.heads.matrix().detach().double().cpu().numpy()
    return W


def graphs_of(
    W: NDArray[np.float64], labels: NDArray[np.int8], learned: Mapping[str, Matrix]
) -> dict[str, Matrix]:
    """Return graphs (T, T) of heads W (D, T) and of training labels (N, T), by name.

    Those that were learned in training are named after their arm, ``"<arm>, trained"``.
    """
    return {
        **graphs_from_heads(W),
        **graphs_from_labels(labels),
        **{f"{name}, trained": M for name, M in learned.items()},
    }


def graph_report(strength: float, graphs: Mapping[str, Matrix]) -> dict[str, Any]:
    """Return how well graphs (T, T) find the true one, by name.

    Of each, ``"all"`` pairs and those of which both, one or none are starved (``"both"``,
    ``"one"``, ``"none"``): :func:`~mtl_helpers.papers.taherkhani2021.graph_scores.recovery`. Of
    graphs with weights also ``"claimed"`` and ``"clusters"``.
    """
    truth = EdgeTruth.at(strength)
    starved = np.isin(ATTRIBUTES, STARVED)
    few = starved[:, None].astype(int) + starved[None, :]
    kinds = {"all": few >= 0, "none": few == 0, "one": few == 1, "both": few == 2}
    groups = task_groups(face_graph(strength).correlations(), len(GROUPS))
    weighed = {"printed", "log degree", "fixed total", "signed", "label correlations"}
    report: dict[str, Any] = {}
    for name, scores in graphs.items():
        report[name] = {kind: recovery(scores, truth, among) for kind, among in kinds.items()}
        if name in weighed or name.endswith("trained"):
            report[name]["claimed"] = claimed(scores, truth)
            report[name]["clusters"] = agreement(scores, groups)
    return report


def map_report(
    corpus: AttributesCorpus, network: MTFAP, each: int
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return how far maps lie in the attributes' true regions, for test pictures.

    Metrics are means over the attributes, those by attribute and by person are arrays:
    ``"people/maps/inside"`` (P,), ``"maps/inside"`` (T',), and so for all that
    :func:`~mtl_helpers.papers.taherkhani2021.localisation.localisation` returns.
    ``"shown/maps"`` (T', h, w) has a map for each attribute, that of the picture ``"shown/index"``
    (T',) whose share inside is the median; -1 where no picture counts.
    """
    index = chosen_pictures(corpus, "test", each)
    labels, people = corpus.attributes(index), corpus.spec.identity(index)
    regions = true_regions(corpus, index)
    coarse = coarse_maps(network, corpus.images, index)  # (N, T, h, w)
    places = (coarse.shape[2], coarse.shape[3])
    fine = upsampled(coarse, *corpus.images.shape[1:3])  # (N, T, S, S)
    found = localisation(fine, ATTRIBUTES, regions, labels, places)
    counted = ~np.isnan(found["inside"])
    weights = counted / np.maximum(counted.sum(axis=0), 1)  # an attribute's pictures weigh 1
    metrics: dict[str, Any] = {"attributes": int(counted.any(axis=0).sum()), "of": len(REGIONS)}
    arrays: dict[str, NDArray[Any]] = {}
    for key, values in found.items():
        total = np.nan_to_num(values) * weights
        metrics[key] = float(total.sum() / weights.sum())
        arrays[f"people/maps/{key}"] = by_person(values, weights, people)
        arrays[f"maps/{key}"] = np.where(counted.any(axis=0), total.sum(axis=0), np.nan).astype(
            np.float32
        )
    rows = typical_pictures(found["inside"])
    columns = [ATTRIBUTES.index(name) for name in REGIONS]
    arrays["shown/index"] = np.where(rows < 0, -1, index[rows])
    arrays["shown/maps"] = coarse.numpy()[rows, columns].astype(np.float16)  # (T', h, w)
    return metrics, arrays


def on(data: RealSpec) -> Experiment:
    """Return the experiment on a real set with attributes."""
    return EXPERIMENT.asked_of(attribute_spec(data, EXPERIMENT.name), real_configs, prepare_real)


EXPERIMENT = Experiment(
    paper="taherkhani2021",
    name="task_structures",
    configs=configs,
    run=run,
    prepare=prepare,
    on=on,
)
