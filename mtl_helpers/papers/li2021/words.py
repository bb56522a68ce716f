"""What arms, probes, views and protocols of the experiments are called in figures."""

from __future__ import annotations

from collections.abc import Mapping

from mtl_helpers.papers.li2021.experiments import in_the_wild
from mtl_helpers.papers.li2021.experiments.forgetting_pose import (
    ALPHAS,
    LONG_ALPHAS,
    LONGER,
    MAIN,
    PLAYER,
    TIMES,
    alpha_arm,
    long_arm,
    stage_arm,
)
from mtl_helpers.papers.li2021.experiments.games import BASELINE, STRONG
from mtl_helpers.papers.li2021.regressor import STAGES

__all__ = ["ARM_WORDS", "PROBE_WORDS", "STAGE_ARMS", "TRUNK_WORDS", "stage_words"]


def stage_words(number: int) -> str:
    """Return the block of CASIA-Net, counted from 1, that is a stage, counted from 0."""
    return f"block {number + 1}"


STAGE_ARMS: tuple[str, ...] = tuple(stage_arm(number) for number in range(len(STAGES)))
"""Arms by the stage that D looks at, from the first on; the last is APRN's."""

ARM_WORDS: Mapping[str, str] = {
    BASELINE: "not continued",
    LONGER: "no adversary",
    **{alpha_arm(alpha): f"α = {alpha:g}" for alpha in ALPHAS},
    **{arm: f"D on {stage_words(number)}" for number, arm in enumerate(STAGE_ARMS)},
    MAIN: "APRN",
    in_the_wild.APRN: "APRN",
    in_the_wild.MILD: f"α = {in_the_wild.MILD_ALPHA:g}",
    **{long_arm(alpha): f"α = {alpha:g}, {TIMES} times as long" for alpha in LONG_ALPHAS},
    long_arm(0): f"no adversary, {TIMES} times as long",
    "L1": "true landmarks for both",
    "L2": "mean face for both",
    "leak": "with the leak",
    "running": "running statistics",
    "reversal": "reversed gradient",
}
"""Arms by how the baseline was continued; APRN is alpha = 0.2 with D on the last block."""

PROBE_WORDS: Mapping[str, str] = {
    "guess": "mean face",
    "constant": "best constant",
    PLAYER: "D itself",
    STAGES[-1]: "new probe like D",
    STRONG: "stronger new probe",
}

TRUNK_WORDS: Mapping[str, str] = {
    in_the_wild.CASIA: "CASIA-Net, softmax",
    in_the_wild.RESIDUAL: "residual, ArcFace",
}
