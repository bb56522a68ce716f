"""What the experiments on attributes share: corpora, structures, the shared trunk, and its arms.

A *condition* is a corpus: its strength, and its budget of labels. In each, one trunk learns all
attributes at a constant rate under the penalty of Eq. 1, and every arm takes it from there: it
assumes a structure of the tasks and brings the rate down to zero. So arms of one condition and one
seed differ in the structure alone, the independent one included.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.faces.corpora.attributes import (
    ATTRIBUTES,
    GROUPS,
    AttributesCorpus,
    AttributesSpec,
    load_attributes,
)
from mtl_helpers.faces.corpora.task_graphs import face_graph
from mtl_helpers.machine import pick_device
from mtl_helpers.papers.taherkhani2021.experiments.choices import Budget, Penalties
from mtl_helpers.papers.taherkhani2021.graph_scores import RULES, task_groups
from mtl_helpers.papers.taherkhani2021.method import (
    AttributeTraining,
    GraphRule,
    GraphTraining,
    GroupTraining,
    IndependentTraining,
)
from mtl_helpers.papers.taherkhani2021.model import MTFAP
from mtl_helpers.papers.taherkhani2021.real import ALL_GROUPS, RealAttributes
from mtl_helpers.papers.taherkhani2021.task_graph import Matrix, graph_matrix, label_correlations
from mtl_helpers.presets import Preset
from mtl_helpers.streams import seeded, stream_seed
from mtl_helpers.training.batches import Batches, BatchOrder, class_targets
from mtl_helpers.training.loop import Trained, train
from mtl_helpers.training.optimizers import OptimizerConfig, optimizer_of
from mtl_helpers.training.plan import Plan
from mtl_helpers.trunks import CASIANet

if TYPE_CHECKING:
    from mtl_helpers.datasets import RealSpec

__all__ = [
    "FEW",
    "STARVED",
    "STRUCTURES",
    "AnyAttributes",
    "Recipe",
    "Structure",
    "attribute_batches",
    "attribute_scores",
    "corpus_of",
    "few_of",
    "grouping",
    "groups_of",
    "label_graph",
    "method_of",
    "names_of",
    "opened",
    "people_of",
    "prepare_corpora",
    "recipe_of",
    "subsets",
    "trained_arm",
    "trained_trunk",
    "untrained",
]

AnyAttributes = AttributesCorpus | RealAttributes
"""A rendered corpus, or a set of photographs."""

FEW = {"smoke": 20}
USUAL_FEW = 100
"""Labels that an attribute keeps where labels are few."""

STARVED = ATTRIBUTES[1::2]
"""The attributes that keep few labels: every second one, so that each group has some of both."""

SHARED, OWN = 0.4, 0.1
"""Shares of a preset's steps: of the trunk that the arms share, and of each arm."""

LEAST_CORRELATION = 0.1
"""Correlation of labels from which on they join two tasks."""


# --- corpora ------------------------------------------------------------------------------------


def few_of(preset: Preset) -> int:
    """Return how many labels a starved attribute keeps at a preset."""
    return FEW.get(preset.name, USUAL_FEW)


def corpus_of(preset: Preset, strength: float, budget: Budget) -> AttributesSpec:
    """Return the corpus of a condition; the budget changes no picture."""
    starved = dict.fromkeys(STARVED, few_of(preset)) if budget == "few" else None
    return AttributesSpec.from_preset(preset, strength=strength, starved=starved)


def prepare_corpora(specs: Sequence[AttributesSpec]) -> None:
    """Render corpora before the workers start, those that share their pictures once."""
    for strength in dict.fromkeys(spec.strength for spec in specs):
        load_attributes(next(spec for spec in specs if spec.strength == strength), progress=True)


def opened(spec: AttributesSpec | RealSpec, few: int = 0, *, progress: bool) -> AnyAttributes:
    """Return the corpus of a configuration, rendered or read if need be.

    ``few`` is how many labels every second attribute of a real set keeps; 0 for all.
    """
    if isinstance(spec, AttributesSpec):
        return load_attributes(spec, progress=progress)
    # imported where it is used: the rendered corpora need no adapters
    from mtl_helpers.datasets import open_real

    return RealAttributes(open_real(spec, progress=progress), few)


def names_of(corpus: AnyAttributes) -> tuple[str, ...]:
    """Return the attributes in the order of their labels."""
    return corpus.names if isinstance(corpus, RealAttributes) else ATTRIBUTES


def people_of(corpus: AnyAttributes, index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return whom pictures (N,) show."""
    if isinstance(corpus, RealAttributes):
        return corpus.labels(index)["id"]
    return np.asarray(corpus.spec.identity(index))


def subsets(names: Sequence[str]) -> dict[str, list[int]]:
    """Return columns of attributes: all, those that a small budget starves, and the others."""
    every = list(range(len(names)))
    return {"all": every, "starved": every[1::2], "others": every[::2]}


# --- structures ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Structure:
    """What an arm takes for granted, or learns, of how tasks belong together.

    Parameters
    ----------
    name
        The arm's.
    groups
        Of scenario 1: ``"published"`` those of Hand & Chellappa (2017), ``"true"`` as many that
        come together most in the true graph, ``"shuffled"`` the published ones with the attributes
        dealt out anew; empty for free heads.
    rule
        Of scenario 2: how the graph is learned.
    from_labels
        Whether the graph is that of the labels' correlations, once and for all.
    """

    name: str
    groups: Literal["", "published", "true", "shuffled"] = ""
    rule: GraphRule | None = None
    from_labels: bool = False


STRUCTURES: Mapping[str, Structure] = {
    structure.name: structure
    for structure in (
        Structure("alone"),
        Structure("groups", groups="published"),
        Structure("shuffled groups", groups="shuffled"),
        Structure("log degree", rule=RULES["log degree"]),
        Structure("labels", from_labels=True),
        Structure("true groups", groups="true"),
        Structure("fixed total", rule=RULES["fixed total"]),
        Structure("signed", rule=RULES["signed"]),
        Structure("covariance", rule=RULES["covariance"]),
    )
}
"""Every arm by name, the main comparison first. As printed, scenario 2 is ``"alone"`` with its xi
as the weight of the length."""


def grouping(
    kind: str, strength: float, seed: int, names: Sequence[str] = ATTRIBUTES
) -> dict[str, tuple[str, ...]]:
    """Return attributes by group; see :class:`Structure` for the kinds.

    The true graph, and with it its strength, is known of rendered attributes only.
    """
    published = {
        group: tuple(name for name in members if name in names)
        for group, members in ALL_GROUPS.items()
    }
    if kind == "published":
        return published
    if kind == "true" and tuple(names) == ATTRIBUTES:
        graph = face_graph(strength)
        found = task_groups(graph.correlations(), len(GROUPS))
        return {
            f"group {place}": tuple(graph.names[t] for t in tasks)
            for place, tasks in enumerate(found)
        }
    if kind != "shuffled":
        raise ValueError(
            f"Unknown groups {kind!r}: choose 'published' or 'shuffled', or of rendered attributes "
            "'true'."
        )
    dealt = np.random.default_rng(stream_seed(seed, "shuffled groups")).permutation(names)
    ends = np.cumsum([len(members) for members in published.values()])[:-1]
    parts = np.split(dealt, ends)
    return {
        group: tuple(str(name) for name in part)
        for group, part in zip(published, parts, strict=True)
    }


def groups_of(
    structure: Structure, corpus: AnyAttributes, seed: int
) -> dict[str, tuple[str, ...]] | None:
    """Return the groups that a structure takes for granted on a corpus, if any."""
    if not structure.groups:
        return None
    strength = 0.0 if isinstance(corpus, RealAttributes) else corpus.spec.strength
    return grouping(structure.groups, strength, seed, names_of(corpus))


def label_graph(labels: NDArray[np.int8]) -> Matrix:
    """Return A (T, T) of a graph whose edges are the positive correlations of labels (N, T).

    Its tasks have a mean degree of 1, as those of the learned graphs about have.
    """
    M = label_correlations(labels)
    np.fill_diagonal(M, 0.0)
    M[M < LEAST_CORRELATION] = 0.0
    return graph_matrix(M * (len(M) / M.sum() if M.any() else 1.0))


# --- networks -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """How long a trunk and its arms are trained, and with what.

    Parameters
    ----------
    shared, own
        Plans of the trunk and of each arm.
    width, dropout
        Of CASIA-Net.
    basis_rate, code_rate, probes
        Of :class:`~mtl_helpers.papers.taherkhani2021.method.GroupTraining`.
    """

    shared: Plan
    own: Plan
    width: float
    optimizer: OptimizerConfig
    dropout: float = 0.0
    basis_rate: float = 0.5
    code_rate: float = 1.0
    probes: int = 4


def recipe_of(preset: Preset) -> Recipe:
    """Return the recipe of a preset."""
    shared, own = (max(2, round(share * preset.steps)) for share in (SHARED, OWN))
    plan = Plan.from_preset(
        preset,
        steps=shared,
        warmup_steps=min(preset.warmup_steps, shared // 2),
        schedule="constant",
        # an average of L and S has no zeros, and at a rate of zero there is no noise to average
        average_decay=0.0,
        statistics_batches=0,
    )
    return Recipe(
        shared=plan,
        own=replace(plan, steps=own, warmup_steps=0, schedule="cosine", statistics_batches=10),
        width=preset.width,
        optimizer=optimizer_of(preset),
        dropout=preset.dropout,
    )


def attribute_batches(corpus: AnyAttributes, plan: Plan, purpose: str) -> Batches:
    """Return the batches of a corpus with the labels of every attribute, in a purpose's order."""
    index = corpus.split("train")
    targets = class_targets(corpus, names_of(corpus), index, corpus.class_counts)
    return Batches(
        corpus.images, index, targets, BatchOrder(len(index), plan.batch, plan.seed, purpose)
    )


def untrained(
    recipe: Recipe,
    channels: int,
    seed: int,
    groups: Mapping[str, Sequence[str]] | None = None,
    names: Sequence[str] = ATTRIBUTES,
) -> MTFAP:
    """Return a network whose first weights are those of the seed, with groups or with free heads.

    Groups begin as near to the free heads' weights as their basis tasks can.
    """
    with seeded(seed, "attribute network"):
        return MTFAP(CASIANet(recipe.width, channels, recipe.dropout), names, groups)


def trained_trunk(
    corpus: AnyAttributes, recipe: Recipe, penalties: Penalties, seed: int
) -> Trained:
    """Return a network that learned all attributes at a constant rate, for arms to go on from."""
    plan = replace(recipe.shared, seed=seed)
    batches = attribute_batches(corpus, plan, "batches")
    model = untrained(recipe, batches.channels, seed, names=names_of(corpus))
    method = IndependentTraining(model, penalties.length, recipe.optimizer)
    return train(method, batches, plan, device=pick_device(), progress=False)


def trained_arm(
    corpus: AnyAttributes,
    recipe: Recipe,
    penalties: Penalties,
    structure: Structure,
    seed: int,
    start: MTFAP,
) -> Trained:
    """Return what a structure makes of a trained network, which is not changed."""
    plan = replace(recipe.own, seed=seed)
    labels = corpus.attributes(corpus.split("train"))
    groups = groups_of(structure, corpus, seed)
    start = copy.deepcopy(start).cpu()
    W = start.heads.matrix().detach()
    if groups is None:
        model = start
    else:
        model = MTFAP(start.trunk, start.names, groups)
        model.heads.start_from(W)
        with torch.no_grad():
            model.bias.copy_(start.bias)
    method = method_of(structure, model, recipe, penalties, labels, seed)
    batches = attribute_batches(corpus, plan, "own batches")
    return train(method, batches, plan, device=pick_device(), progress=False)


def method_of(
    structure: Structure,
    model: MTFAP,
    recipe: Recipe,
    penalties: Penalties,
    labels: NDArray[np.int8],
    seed: int,
) -> AttributeTraining:
    """Return the training of a structure, for a model that has its groups if it has any.

    Training labels (N, T) make the graph of ``from_labels``. A learned graph is first solved for
    on the model's heads as they are.
    """
    if structure.groups:
        return GroupTraining(
            model,
            penalties.sparsity,
            penalties.gamma,
            recipe.optimizer,
            basis_rate=recipe.basis_rate,
            code_rate=recipe.code_rate,
            probes=recipe.probes,
            seed=seed,
        )
    if structure.from_labels:
        first = label_graph(labels)
    elif structure.rule is not None:
        first = structure.rule.solve(model.heads.matrix().detach().double().cpu().numpy())
    else:
        return IndependentTraining(model, penalties.length, recipe.optimizer)
    return GraphTraining(
        model, penalties.xi, structure.rule, recipe.optimizer, first_graph=(first + first.T) / 2
    )


def attribute_scores(
    network: MTFAP, corpus: AnyAttributes, index: NDArray[np.int64], amp: bool = False
) -> NDArray[np.float32]:
    """Return the scores (N, T) that a network gives the attributes of pictures (N,)."""
    found = extract(network, corpus.images, index, device=pick_device(), amp=amp)["scores"]
    scores: NDArray[np.float32] = found.numpy()
    return scores
