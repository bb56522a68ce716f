"""The claims of Taherkhani et al. (2021) as data, and how the effects of their parts are measured.

The paper reports accuracy, so that decides; balanced accuracy and average precision stand beside,
for accuracy rewards who never says yes to a rare attribute. The smallest difference that matters is
one point: half of what lies between the paper's two scenarios (93.52 and 91.47 % on CelebA). As
printed, the paper's graph is empty whatever the weights are, so that its second scenario is the
independent baseline; wherever a learned graph is spoken of, the one that decides has a logarithmic
price on lonely tasks instead (Kalofolias 2016), and the other repairs stand beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from mtl_helpers.ledger.claim import (
    Claim,
    Effect,
    Measure,
    Part,
    Role,
    Runs,
    compare,
    over_pairs,
    over_runs,
)
from mtl_helpers.ledger.statistics import Interval
from mtl_helpers.papers.taherkhani2021.experiments import (
    attribute_verification,
    from_nothing,
    penalty_curves,
    task_structures,
)
from mtl_helpers.papers.taherkhani2021.experiments.choices import (
    GRID,
    Budget,
    PenaltyName,
    penalties_at,
)
from mtl_helpers.papers.taherkhani2021.experiments.networks import STARVED
from mtl_helpers.papers.taherkhani2021.experiments.penalty_curves import BY_SGD
from mtl_helpers.papers.taherkhani2021.experiments.task_structures import arm_of
from mtl_helpers.runs.query import select
from mtl_helpers.runs.record import Record

__all__ = ["CLAIMS", "LEARNED", "condition", "right", "whole_runs"]

CHAPTER = "../notebooks/06_tasks_that_know_each_other.ipynb"

LEARNED = "log degree"
"""The structure that stands for a learned graph."""

OTHER_RULES = ("fixed total", "signed", "covariance")

MEASURE_WORDS = {
    "accuracy": "",
    "balanced_accuracy": ", balanced accuracy",
    "average_precision": ", average precision",
}

TOLERANCE = 1.0
"""Points of accuracy that a penalty's weight may cost without the result being sensitive to it."""


# --- runs and measures --------------------------------------------------------------------------


def condition(records: Runs, strength: float = 1.0, budget: Budget = "all") -> list[Record]:
    """Return the runs of one condition of ``task_structures``, in the order of their seeds."""
    name = task_structures.EXPERIMENT.name
    return select(records, experiment=name, arm=arm_of(strength, budget))


def whole_runs(records: Runs, structure: str) -> list[Record]:
    """Return the runs of a structure that was trained from nothing."""
    name = from_nothing.EXPERIMENT.name
    return select(records, experiment=name, **{"structure.name": structure})


def right(structure: str, measure: str = "accuracy", subset: str = "all") -> Measure:
    """Return where a run keeps how well a structure tells the attributes of a subset."""
    people = "" if measure == "average_precision" else f"people/{structure}/{measure}/{subset}"
    return Measure(f"structures.{structure}.{subset}.{measure}", people)


# --- effects of structures ----------------------------------------------------------------------


def lead(
    records: Runs,
    structure: str,
    over: str,
    measure: str = "accuracy",
    subset: str = "all",
    strength: float = 1.0,
    budget: Budget = "all",
) -> Effect:
    """What one structure has more than another of the same trunk, in points."""
    runs = condition(records, strength, budget)
    return compare(runs, runs, right(structure, measure, subset), right(over, measure, subset))


def whole_lead(records: Runs, structure: str, over: str) -> Effect:
    """Accuracy of one structure minus that of another, both trained from nothing."""
    measure = Measure("whole.all.accuracy", "people/whole/accuracy/all")
    return compare(whole_runs(records, structure), whole_runs(records, over), measure)


def more_where_few(records: Runs, structure: str, measure: str = "accuracy") -> Effect:
    """Gain over independent heads on the starved attributes, minus that with all their labels."""
    gain = replace(right(structure, measure, "starved"), minus=right("alone", measure, "starved"))
    return compare(condition(records, 1.0, "few"), condition(records), gain)


# --- effects of graphs --------------------------------------------------------------------------


def edges_found(
    records: Runs,
    graph: str,
    strength: float = 1.0,
    budget: Budget = "all",
    metric: str = "auc",
) -> Effect:
    """AUC of finding the pairs that come together, beyond that of guessing, in points.

    With ``metric`` ``"links_auc"``, of telling those that only a strength above 0 joins from
    strangers.
    """
    return over_runs(
        condition(records, strength, budget),
        lambda run: 100 * (float(run.metric(f"graphs.{graph}.all.{metric}")) - 0.5),
    )


def links_found(records: Runs, graph: str, budget: Budget = "all") -> Effect:
    """AUC of the pairs that are linked, minus that of the same pairs where the strength is 0."""
    metric = f"graphs.{graph}.all.links_auc"
    return over_pairs(
        condition(records, 1.0, budget),
        condition(records, 0.0, budget),
        lambda run, base: 100 * (float(run.metric(metric)) - float(base.metric(metric))),
    )


def graph_lead(
    records: Runs, graph: str, over: str, budget: Budget = "all", pairs: str = "all"
) -> Effect:
    """AUC of one graph's edges minus that of another's, of the same runs."""
    runs = condition(records, 1.0, budget)
    first, second = (Measure(f"graphs.{name}.{pairs}.auc") for name in (graph, over))
    return compare(runs, runs, first, second)


def claimed_links(records: Runs, graph: str) -> Effect:
    """Share of the linked pairs that a graph joins at strength 0, minus that of strangers."""
    runs = condition(records, 0.0)
    first, second = (Measure(f"graphs.{graph}.claimed.{kind}") for kind in ("links", "strangers"))
    return compare(runs, runs, first, second)


def clusters_found(records: Runs, graph: str) -> Effect:
    """Agreement of a graph's clusters with those of the true graph, in points of its range."""
    return over_runs(
        condition(records), lambda run: 100 * float(run.metric(f"graphs.{graph}.clusters"))
    )


# --- effects of penalties -----------------------------------------------------------------------


_ALONE: PenaltyName = "length"
"""The curve of independent predictors."""


def _place(records: Runs, name: PenaltyName, budget: Budget = "all") -> int:
    return GRID.index(getattr(penalties_at(records[0].preset, budget), name))


def _at(name: str, place: int, subset: str = "all") -> Measure:
    return Measure(
        f"{name}.{place}.test.{subset}.accuracy", f"people/{name} {place}/accuracy/{subset}"
    )


def fitted_lead(records: Runs, name: PenaltyName) -> Effect:
    """Accuracy of starved attributes by a curve's structure minus that by independent predictors.

    Both fitted on frozen features, where labels are few, at the weights that were chosen.
    """
    runs = select(records, experiment=penalty_curves.EXPERIMENT.name, arm="few")
    first, second = (_at(curve, _place(runs, curve, "few"), "starved") for curve in (name, _ALONE))
    return compare(runs, runs, first, second)


def robust(records: Runs, name: PenaltyName, step: int) -> Effect | None:
    """What is left of the tolerance if a penalty weighs ten times more, or less, than was chosen.

    ``step`` is 1 or -1; None where the grid ends.
    """
    chosen = _place(records, name)
    if not 0 <= chosen + step < len(GRID):
        return None
    runs = select(records, experiment=penalty_curves.EXPERIMENT.name, arm="all")
    cost = compare(runs, runs, _at(name, chosen), _at(name, chosen + step))
    return Effect(_left(cost.over_seeds), cost.over_people and _left(cost.over_people), cost.runs)


def _left(cost: Interval) -> Interval:
    return replace(
        cost, mean=TOLERANCE - cost.mean, low=TOLERANCE - cost.high, high=TOLERANCE - cost.low
    )


def sparser(records: Runs, step: int) -> Effect | None:
    """Share of zeros in S by SMIDAS minus that by sub-gradient steps, in points.

    At the chosen sparsity, or so many places of the grid from it.
    """
    place = _place(records, "sparsity") + step
    if not 0 <= place < len(GRID):
        return None
    runs = select(records, experiment=penalty_curves.EXPERIMENT.name, arm="all")
    smidas, sgd = (Measure(f"{name}.{place}.zeros") for name in ("sparsity", BY_SGD))
    return compare(runs, runs, smidas, sgd)


def cost_of_sparsity(records: Runs) -> Effect:
    """Accuracy by SMIDAS minus that by sub-gradient steps, at the chosen sparsity."""
    place = _place(records, "sparsity")
    runs = select(records, experiment=penalty_curves.EXPERIMENT.name, arm="all")
    return compare(runs, runs, _at("sparsity", place), _at(BY_SGD, place))


def penalties_lie_inside(records: Runs) -> str:
    """Say which penalty was chosen at an end of the grid, where it cannot vary both ways."""
    ends = [
        name for name in ("sparsity", "gamma", "xi") if _place(records, name) in (0, len(GRID) - 1)
    ]
    if not ends:
        return ""
    return (
        f"Validation people chose an end of the grid, {GRID[0]:g} to {GRID[-1]:g}, for "
        f"{', '.join(ends)}: there a weight cannot be varied both ways."
    )


# --- effects of maps and of verification --------------------------------------------------------


def maps_inside(records: Runs, null: str, of: str = "_of_best") -> Effect:
    """Share of the maps inside the attribute's region minus what a null would have, in points.

    As shares of what the best map of their size would have; with ``of`` empty, of the whole map.
    """
    runs = condition(records)
    inside, other = (
        Measure(f"maps.{key}{of}", f"people/maps/{key}{of}") for key in ("inside", null)
    )
    return compare(runs, runs, inside, other)


def verified(records: Runs, arm: str, over: str, metric: str = "tar") -> Effect:
    """What one arm of the verification has more than another, in points."""
    runs = _verification(records)
    first, second = (Measure(f"verification.{name}.{metric}") for name in (arm, over))
    return compare(runs, runs, first, second)


def siamese_over_trunk(records: Runs) -> Effect:
    """What the arm without attributes has more than the trunk that it goes on from, in points."""
    runs = _verification(records)
    return compare(runs, runs, Measure("verification.none.tar"), Measure("trunk.tar"))


def area_words(records: Runs) -> str:
    """Say how large the area under the ROC curve is, and so how much of it is left to gain."""
    areas = [
        np.mean([float(run.metric(f"verification.{arm}.auc")) for run in _verification(records)])
        for arm in attribute_verification.ARMS
    ]
    return (
        f"The area under the ROC curve is {100 * min(areas):.1f} to {100 * max(areas):.1f} % in "
        "all arms, so little of it is left to gain: that is why the accepted pairs decide."
    )


def _verification(records: Runs) -> list[Record]:
    return select(records, experiment=attribute_verification.EXPERIMENT.name)


# --- words --------------------------------------------------------------------------------------


def setting(records: Runs) -> str:
    """Say on how many people and pixels runs were trained, and for how long."""
    corpus, recipe = records[0].config["corpus"], records[0].config["recipe"]
    lengths = sorted({run.config["recipe"]["shared"]["steps"] for run in records})
    labels = sorted({count for run in records for _, count in run.config["corpus"]["starved"]})
    text = (
        f"{corpus['train_identities']:,} people with {corpus['pictures']} pictures each to train "
        f"on and {corpus['test_identities']} to test, {corpus['side']} × {corpus['side']} pixels; "
        f"{' or '.join(map(str, lengths))} steps of {recipe['shared']['batch']} pictures"
    )
    if any("structures" in run.config for run in records):
        text += f" for the trunk, then {recipe['own']['steps']} for each arm"
    if labels:
        text += f"; few labels: {len(STARVED)} attributes with {' or '.join(map(str, labels))} each"
    return text


# --- the claims ---------------------------------------------------------------------------------

_claim = partial(Claim, paper="{cite:t}`taherkhani2021`", setting=setting, chapter=CHAPTER)
_STRUCTURES = (task_structures.EXPERIMENT,)
_CURVES = (penalty_curves.EXPERIMENT,)

# Budget of labels, kind of pair, and words; strength, budget and words; words and role.
_KINDS_OF_PAIRS: tuple[tuple[Budget, str, str], ...] = (
    ("all", "all", ""),
    ("few", "all", ", few labels"),
    ("few", "both", ", pairs of two with few labels"),
)
_OTHER_CONDITIONS: tuple[tuple[float, Budget, str], ...] = (
    (1.0, "few", ", few labels"),
    (0.5, "all", ", strength 0.5"),
    (0.0, "all", ", strength 0"),
)
_PENALTIES: dict[PenaltyName, tuple[str, Role]] = {
    "sparsity": ("lambda", "decides"),
    "gamma": ("gamma", "decides"),
    "xi": ("xi", "decides"),
    "length": ("weight of the length", "beside"),
}


def _leads(
    name: str, structure: str, over: str, budgets: Sequence[Budget] = ("all", "few")
) -> list[Part]:
    """Return a comparison by every measure and budget: accuracy with all labels decides."""
    parts = []
    for budget in budgets:
        for measure, words in MEASURE_WORDS.items():
            role: Role = "decides" if (budget, measure) == ("all", "accuracy") else "beside"
            suffix = words + (", few labels" if budget == "few" else "")
            effect = partial(lead, structure=structure, over=over, measure=measure, budget=budget)
            parts.append(Part(name + suffix, effect, role=role))
    return parts


_T1 = _claim(
    id="T1",
    statement="Predictors in known groups beat those in a learned graph, and these beat "
    "independent ones.",
    paper_figure="Tables 1 and 2: 93.52 against 91.47 % on CelebA, 90.05 against 88.02 % on LFWA",
    experiments=(*_STRUCTURES, from_nothing.EXPERIMENT),
    parts=(
        *_leads("known groups minus learned graph", "groups", LEARNED),
        *_leads("learned graph minus independent", LEARNED, "alone"),
        Part(
            "known groups minus shuffled ones",
            partial(lead, structure="groups", over="shuffled groups"),
            role="beside",
        ),
        Part(
            "true groups minus known ones",
            partial(lead, structure="true groups", over="groups"),
            role="beside",
        ),
        *(
            Part(
                f"{words} minus independent",
                partial(lead, structure=name, over="alone"),
                role="beside",
            )
            for name, words in (
                *((rule, f"graph by {rule}") for rule in OTHER_RULES),
                ("labels", "graph of the labels"),
            )
        ),
        *(
            Part(
                f"{words} minus independent, strength 0",
                partial(lead, structure=name, over="alone", strength=0.0),
                role="beside",
            )
            for name, words in (("groups", "known groups"), (LEARNED, "learned graph"))
        ),
        Part(
            "known groups minus learned graph, from nothing",
            partial(whole_lead, structure="groups", over=LEARNED),
            role="beside",
        ),
        Part(
            "learned graph minus independent, from nothing",
            partial(whole_lead, structure=LEARNED, over="alone"),
            role="beside",
        ),
    ),
    comparison="mean accuracy of the 36 attributes on test people, arms that go on from one trunk. "
    "The paper's own graph is empty, so a well-posed one stands for it: see T4",
)

_T2 = Claim(
    id="T2",
    paper="{cite:t}`taherkhani2021`",
    statement="Both are on a par with or above earlier methods.",
    paper_figure="Tables 1 and 2: PS-MCNN-LC 92.98 % on CelebA, 87.67 % on LFWA",
    chapter=CHAPTER,
    untested="The earlier methods are networks of other papers, trained on photographs; this "
    "course rebuilds none of them.",
)

_SHARING: tuple[tuple[str, str, PenaltyName], ...] = (
    ("known groups", "groups", "sparsity"),
    ("learned graph", LEARNED, "xi"),
)
"""Statement, structure, and the curve of frozen predictors that has it."""

_T3 = _claim(
    id="T3",
    statement="Sharing helps most where labels are few.",
    paper_figure="Sec. 1",
    experiments=(*_STRUCTURES, *_CURVES),
    logic="each",
    parts=tuple(
        part
        for statement, structure, curve in _SHARING
        for part in (
            Part(
                "gain with few labels",
                partial(lead, structure=structure, over="alone", subset="starved", budget="few"),
                statement=statement,
            ),
            Part(
                f"gain with few labels{MEASURE_WORDS['balanced_accuracy']}",
                partial(
                    lead,
                    structure=structure,
                    over="alone",
                    measure="balanced_accuracy",
                    subset="starved",
                    budget="few",
                ),
                role="beside",
                statement=statement,
            ),
            Part(
                "gain with few labels, predictors on frozen features",
                partial(fitted_lead, name=curve),
                role="beside",
                statement=statement,
            ),
            Part(
                "minus the gain with all",
                partial(more_where_few, structure=structure),
                statement=statement,
            ),
            *(
                Part(
                    f"minus the gain with all{MEASURE_WORDS[measure]}",
                    partial(more_where_few, structure=structure, measure=measure),
                    role="beside",
                    statement=statement,
                )
                for measure in ("balanced_accuracy", "average_precision")
            ),
            Part(
                "gain of attributes with all labels, beside starved ones",
                partial(lead, structure=structure, over="alone", subset="others", budget="few"),
                role="beside",
                statement=statement,
            ),
        )
    )
    + (
        Part(
            "gain of shuffled groups with few labels",
            partial(
                lead, structure="shuffled groups", over="alone", subset="starved", budget="few"
            ),
            role="beside",
            statement=_SHARING[0][0],
        ),
    ),
    comparison="accuracy on the attributes that keep few labels, minus that of independent heads. "
    "Beside, predictors that are fitted to the end on frozen features: with a label or two per "
    "batch, heads that are trained with their trunk are not",
)

_T4 = _claim(
    id="T4",
    statement="The learned graph finds meaningful clusters of attributes.",
    paper_figure="Sec. 5.4, Figs. 4 and 9",
    experiments=_STRUCTURES,
    smallest_effect=5.0,
    logic="each",
    parts=(
        Part(
            "learned graph minus guessing", partial(edges_found, graph=LEARNED), statement="edges"
        ),
        Part(
            "links minus the same pairs at strength 0",
            partial(links_found, graph=LEARNED),
            statement="edges",
        ),
        *(
            Part(
                f"{words} minus guessing",
                partial(edges_found, graph=graph),
                role="beside",
                statement="edges",
            )
            for graph, words in (
                ("printed", "graph as printed"),
                ("distance", "distance of heads"),
                ("cosine", "cosine of heads"),
                *((rule, f"graph by {rule}") for rule in OTHER_RULES),
                (f"{LEARNED}, trained", "graph learned with the heads"),
                ("label correlations", "correlations of labels"),
                ("graphical lasso", "graphical lasso of labels"),
            )
        ),
        *(
            Part(
                f"learned graph minus correlations of labels{suffix}",
                partial(
                    graph_lead, graph=LEARNED, over="label correlations", budget=budget, pairs=pairs
                ),
                role="beside",
                statement="edges",
            )
            for budget, pairs, suffix in _KINDS_OF_PAIRS
        ),
        *(
            Part(
                f"links against strangers minus guessing{suffix}",
                partial(
                    edges_found, graph=LEARNED, strength=strength, budget=budget, metric="links_auc"
                ),
                role="beside",
                statement="edges",
            )
            for strength, budget, suffix in _OTHER_CONDITIONS
        ),
        Part(
            "pairs joined at strength 0, links minus strangers",
            partial(claimed_links, graph=LEARNED),
            role="beside",
            statement="edges",
        ),
        Part(
            "agreement with the true clusters",
            partial(clusters_found, graph=LEARNED),
            statement="clusters",
        ),
        Part(
            "agreement by correlations of labels",
            partial(clusters_found, graph="label correlations"),
            role="beside",
            statement="clusters",
        ),
    ),
    comparison="area under the ROC curve, in points, of finding the pairs of attributes that come "
    "together in the true graph; read off the heads of the independent arm. What is found at "
    "strength 0, where linked attributes are strangers, is found because they look alike. "
    "Clusters: adjusted mutual information with those of the true graph, in points, 0 by chance",
)

_T5 = _claim(
    id="T5",
    statement="The results are not sensitive to the weights of the penalties.",
    paper_figure="Fig. 7",
    experiments=_CURVES,
    smallest_effect=0.2,
    parts=tuple(
        Part(f"{words} {how}", partial(robust, name=name, step=step), role=role)
        for name, (words, role) in _PENALTIES.items()
        for how, step in (("ten times less", -1), ("ten times more", 1))
    ),
    conditions=(penalties_lie_inside,),
    comparison=f"what is left of {TOLERANCE:g} point of accuracy on test people if a penalty "
    "weighs ten times less or more than validation people chose; predictors on frozen features",
)

_T6 = _claim(
    id="T6",
    statement="SMIDAS gives sparse codes S where stochastic gradient descent gives none.",
    paper_figure="Sec. 4.1.1",
    experiments=_CURVES,
    smallest_effect=5.0,
    parts=(
        Part("at the chosen lambda", partial(sparser, step=0)),
        Part("ten times more", partial(sparser, step=1), role="beside"),
        Part("ten times less", partial(sparser, step=-1), role="beside"),
        Part("accuracy at the chosen lambda", cost_of_sparsity, role="beside"),
    ),
    comparison="share of exact zeros in S, SMIDAS minus sub-gradient descent on the same penalty; "
    "predictors on frozen features",
)

_T7 = _claim(
    id="T7",
    statement="The class activation map of an attribute lies on the attribute's region.",
    paper_figure="Sec. 5.3, Fig. 8",
    experiments=_STRUCTURES,
    smallest_effect=5.0,
    parts=(
        Part("minus the region's area", partial(maps_inside, null="area"), role="trivial"),
        Part("minus maps of other attributes", partial(maps_inside, null="others")),
        *(
            Part(
                f"{words}, of the whole map", partial(maps_inside, null=null, of=""), role="beside"
            )
            for null, words in (
                ("area", "minus the region's area"),
                ("others", "minus maps of other attributes"),
            )
        ),
    ),
    comparison="share of the map's positive values in the true region, minus the region's share of "
    "the picture, and minus what the maps of attributes of other regions have there; all of them "
    "as shares of what the best map of so few places would have there. Mean over the attributes "
    "that have a region, test pictures in which they hold, independent arm",
)

_T8 = _claim(
    id="T8",
    statement="Attributes improve face verification, and better attributes more so.",
    paper_figure="Fig. 11",
    experiments=(attribute_verification.EXPERIMENT,),
    parts=(
        Part("attributes minus none", partial(verified, arm="right", over="none")),
        Part(
            "right ones minus a third wrong",
            partial(verified, arm="right", over="a third wrong"),
        ),
        *(
            Part(f"{arm} minus none", partial(verified, arm=arm, over="none"), role="beside")
            for arm in ("a tenth wrong", "a third wrong", "half wrong")
        ),
        Part("none minus the trunk before", siamese_over_trunk, role="beside"),
        Part(
            "attributes minus none, area under the ROC curve",
            partial(verified, arm="right", over="none", metric="auc"),
            role="beside",
        ),
    ),
    remark=area_words,
    comparison="share of the pairs of one person that are accepted where "
    f"{100 * attribute_verification.FAR:g} % of those of two are, test people. The paper's better "
    "and worse attributes are predictions of two networks; here a share of the training labels is "
    "wrong, at half of which they say nothing",
)

CLAIMS: dict[str, Claim] = {claim.id: claim for claim in (_T1, _T2, _T3, _T4, _T5, _T6, _T7, _T8)}
