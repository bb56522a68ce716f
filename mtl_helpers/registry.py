"""The registry of experiments and of the claims that they test."""

from __future__ import annotations

from mtl_helpers.laboratory import factor_probes, task_affinity
from mtl_helpers.ledger.claim import Claim
from mtl_helpers.papers.li2021 import claims as li2021_claims
from mtl_helpers.papers.li2021.experiments import forgetting_pose, in_the_wild
from mtl_helpers.papers.ming2021 import claims as ming2021_claims
from mtl_helpers.papers.ming2021.experiments import caricature_folds, caricature_weights
from mtl_helpers.papers.taherkhani2021 import claims as taherkhani2021_claims
from mtl_helpers.papers.taherkhani2021.experiments import (
    attribute_verification,
    from_nothing,
    penalty_curves,
    task_structures,
)
from mtl_helpers.papers.yin2018 import claims as yin2018_claims
from mtl_helpers.papers.yin2018.experiments import (
    by_sgd,
    one_or_many,
    pose_branches,
    pose_estimator,
    recipes,
    side_task_gains,
    twenty_epochs,
    weight_conditions,
    weighting_rules,
)
from mtl_helpers.runs.experiment import Experiment

__all__ = ["CLAIMS", "EXPERIMENTS"]

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        recipes.EXPERIMENT,
        weighting_rules.EXPERIMENT,
        one_or_many.EXPERIMENT,
        pose_branches.EXPERIMENT,
        side_task_gains.EXPERIMENT,
        weight_conditions.EXPERIMENT,
        twenty_epochs.EXPERIMENT,
        by_sgd.EXPERIMENT,
        factor_probes.EXPERIMENT,
        pose_estimator.EXPERIMENT,
        penalty_curves.EXPERIMENT,
        task_structures.EXPERIMENT,
        from_nothing.EXPERIMENT,
        attribute_verification.EXPERIMENT,
        caricature_weights.EXPERIMENT,
        caricature_folds.EXPERIMENT,
        forgetting_pose.EXPERIMENT,
        in_the_wild.EXPERIMENT,
        task_affinity.EXPERIMENT,
    )
}
CLAIMS: dict[str, Claim] = {
    **yin2018_claims.CLAIMS,
    **ming2021_claims.CLAIMS,
    **li2021_claims.CLAIMS,
    **taherkhani2021_claims.CLAIMS,
}
