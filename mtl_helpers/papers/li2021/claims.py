"""The claims of Li, Wang & Zhang (2021) as data, and how the effects of their parts are measured.

What APRN does to a recogniser is measured against the one that was continued for as long without
an adversary, not against the baseline: the gain of more training is not the gain of APRN. The
smallest effect that matters is one point of a rate, or a hundredth of the inter-ocular distance.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Literal

import numpy as np

from mtl_helpers.ledger.claim import Claim, Effect, Measure, Part, Runs, compare, over_runs
from mtl_helpers.papers.li2021.experiments import forgetting_pose, in_the_wild
from mtl_helpers.papers.li2021.experiments.forgetting_pose import (
    ALPHAS,
    LONG_ALPHAS,
    LONGER,
    MAIN,
    TIMES,
    alpha_arm,
    long_arm,
    stage_arm,
)
from mtl_helpers.papers.li2021.experiments.games import BASELINE, STRONG
from mtl_helpers.papers.li2021.regressor import STAGES
from mtl_helpers.runs.query import select
from mtl_helpers.runs.record import Record

__all__ = ["CLAIMS"]

CHAPTER = "../notebooks/08_teaching_a_network_not_to_know.ipynb"

View = Literal["frontal", "profile"]

ANGLES = (0, 30, 60, 75, 90)
"""Of Table 6, in degrees: gains there stand beside."""


# --- measures by arm ----------------------------------------------------------------------------


def runs_with(records: Runs, arm: str) -> list[Record]:
    """Return the runs on ``pie`` that have an arm, in the order of their seeds."""
    return select(
        records,
        experiment=forgetting_pose.EXPERIMENT.name,
        games=lambda games: arm in (BASELINE, *(game["name"] for game in games)),
    )


def rank1(arm: str) -> Measure:
    """Return the measure of rank-1 by x of an arm, all poses together."""
    return Measure(f"arms.{arm}.test.rank1.x.overall", f"people/{arm}/x")


def rank1_of(arm: str, view: View, minus: View | None = None) -> Measure:
    """Return rank-1 by x on frontal faces or on profiles, or what one is ahead of the other."""
    return Measure(
        f"arms.{arm}.test.rank1.x.by_view.{view}",
        f"people/{arm}/x/{view}",
        None if minus is None else rank1_of(arm, minus),
    )


def between(records: Runs, arm: str, other: str, scale: float, metric: str) -> Effect:
    """Return a metric of one arm minus that of another, ``{arm}`` standing for the arm."""
    first, second = (Measure(f"arms.{name}.{metric}") for name in (arm, other))
    return compare(runs_with(records, arm), runs_with(records, other), first, second, scale)


def gain(records: Runs, arm: str, other: str = LONGER) -> Effect:
    """Return rank-1 on ``pie`` of one arm minus that of another."""
    return compare(runs_with(records, arm), runs_with(records, other), rank1(arm), rank1(other))


def gain_on(
    records: Runs, view: View, minus: View | None = None, arm: str = MAIN, other: str = LONGER
) -> Effect:
    """Return the gain on one view, or its lead over the gain on the other."""
    first, second = (rank1_of(name, view, minus) for name in (arm, other))
    return compare(runs_with(records, arm), runs_with(records, other), first, second)


def chosen_alpha(records: Runs) -> float:
    """Return the alpha above 0 with the best rank-1 on profiles of the *validation* people."""

    def rate(alpha: float) -> float:
        metric = f"arms.{alpha_arm(alpha)}.validation.rank1.x.by_view.profile"
        return float(np.mean([run.metric(metric) for run in runs_with(records, alpha_arm(alpha))]))

    return max(ALPHAS, key=rate)


def chosen_gain(records: Runs) -> Effect:
    """Return the gain on profiles at the alpha that validation people chose."""
    return gain_on(records, "profile", arm=alpha_arm(chosen_alpha(records)))


def gain_at(records: Runs, angle: int) -> Effect | None:
    """Return the gain at an angle of the head, None where no camera shows one."""
    if str(angle) not in _angles(records):
        return None
    metric = f"test.rank1.x.by_angle.{angle}"
    return between(records, MAIN, LONGER, scale=100.0, metric=metric)


def _angles(records: Runs) -> list[str]:
    (first, *_) = runs_with(records, MAIN)
    return list(first.metric(f"arms.{MAIN}.test.rank1.x.by_angle"))


def turned_far_enough(records: Runs) -> str:
    """Say which of the paper's angles no camera shows."""
    lacking = [f"{angle}°" for angle in ANGLES if str(angle) not in _angles(records)]
    return f"No camera shows a head that is turned by {' or '.join(lacking)}." if lacking else ""


def wild_gain(
    records: Runs,
    metric: str,
    arm: str = in_the_wild.APRN,
    other: str = in_the_wild.LONGER,
    trunk: str = in_the_wild.CASIA,
) -> Effect:
    """Return a metric of one arm minus that of another, on ``wild``, in points."""
    runs = select(records, arm=trunk)
    first, second = (Measure(f"arms.{name}.{metric}") for name in (arm, other))
    return compare(runs, runs, first, second)


def read_by(records: Runs, stage: str) -> Effect:
    """Return by how much a probe of a stage errs less than the mean face does."""

    def measure(run: Record) -> float:
        guess = run.metric(f"arms.{BASELINE}.probes.guess.interocular")
        return 100 * float(guess - run.metric(f"arms.{BASELINE}.probes.{stage}.interocular"))

    return over_runs(runs_with(records, BASELINE), measure)


def worse_deeper(records: Runs, stage: str, before: str) -> Effect:
    """Return how much more the probe of a stage errs than that of the stage before it."""
    runs = runs_with(records, BASELINE)
    first, second = (
        Measure(f"arms.{BASELINE}.probes.{name}.interocular") for name in (stage, before)
    )
    return compare(runs, runs, first, second)


# --- the claims ---------------------------------------------------------------------------------

_claim = partial(Claim, paper="{cite:t}`li2021`", chapter=CHAPTER)
_on_pie = partial(_claim, experiments=(forgetting_pose.EXPERIMENT,))
_HUNDREDTHS = "hundredths of the inter-ocular distance"
_AGAINST = "APRN minus the arm that was continued for as long without an adversary"
_LAST = STAGES[-1]

_A1 = _on_pie(
    id="A1",
    statement="Landmarks can be read from every stage of a good recogniser, slightly worse from "
    "deeper ones.",
    paper_figure="Table 3: L1 1.18, 1.36, 1.44, 1.46, 1.50",
    logic="each",
    parts=(
        *(Part(stage, partial(read_by, stage=stage), statement="read") for stage in STAGES),
        *(
            Part(
                f"{stage} minus {before}",
                partial(worse_deeper, stage=stage, before=before),
                statement="worse deeper",
            )
            for before, stage in pairwise(STAGES)
        ),
    ),
    unit=_HUNDREDTHS,
    comparison="mean distance of a probe's landmarks on test people. Read: that of the mean face "
    "minus the probe's. Worse deeper: a stage's minus that of the stage before. The last stage's "
    "probe has the layers of Table 4, the others' those of Table 1",
)

_A2 = _claim(
    id="A2",
    statement="APRN improves frontal-profile recognition.",
    paper_figure="Table 5: CFP-FP 90.46 % to 94.61 % (CASIA-Net); Table 9: 96.24 % to 96.84 %",
    experiments=(in_the_wild.EXPERIMENT, forgetting_pose.EXPERIMENT),
    parts=(
        Part("CFP-FP", partial(wild_gain, metric="CFP-FP.accuracy")),
        Part("profiles of pie", partial(gain_on, view="profile")),
        Part("profiles of pie, chosen alpha", chosen_gain, role="beside"),
        Part(
            "CFP-FP, against the baseline",
            partial(wild_gain, metric="CFP-FP.accuracy", other=BASELINE),
            role="trivial",
        ),
        Part(
            f"CFP-FP, alpha {in_the_wild.MILD_ALPHA:g}",
            partial(wild_gain, metric="CFP-FP.accuracy", arm=in_the_wild.MILD),
            role="beside",
        ),
        Part(
            "CFP-FP, residual trunk with ArcFace",
            partial(wild_gain, metric="CFP-FP.accuracy", trunk=in_the_wild.RESIDUAL),
            role="beside",
        ),
        *(
            Part(name, partial(wild_gain, metric=metric), role="beside")
            for name, metric in (
                ("LFW", "LFW.accuracy"),
                ("CFP-FF", "CFP-FF.accuracy"),
                ("IJB-A, TAR at FAR 0.01", "IJB-A.1e-2"),
                ("MegaFace, rank-1", "MegaFace.rank1"),
            )
        ),
    ),
    comparison=f"accuracy in the form of CFP-FP on wild, and rank-1 of profiles on pie; {_AGAINST}"
    ". Alpha is the paper's 0.2 where none is named; a chosen one is that of the best rank-1 on "
    "profiles of validation people",
)

_A3 = _on_pie(
    id="A3",
    statement="The gains of APRN grow with the angle of the head.",
    paper_figure="Table 6: 0° 100 % to 99.9 %, 75° 88.8 % to 92.8 %, 90° 65.6 % to 77.1 %",
    parts=(
        Part("profiles", partial(gain_on, view="profile")),
        Part("profiles minus frontal", partial(gain_on, view="profile", minus="frontal")),
        *(
            Part(
                f"{angle}°",
                partial(gain_at, angle=angle),
                role="beside",
            )
            for angle in ANGLES
        ),
    ),
    conditions=(turned_far_enough,),
    comparison=f"rank-1 by x on test people; {_AGAINST}",
)

_A4 = _on_pie(
    id="A4",
    statement="APRN makes pose less linearly readable from x.",
    paper_figure="SVM on CFP: 94.95 % to 85.20 %",
    parts=(
        Part(
            "frontal or profile",
            partial(between, arm=MAIN, other=LONGER, scale=100.0, metric="pose.profile.test"),
            "less",
        ),
        Part(
            "frontal or profile, against the baseline",
            partial(between, arm=MAIN, other=BASELINE, scale=100.0, metric="pose.profile.test"),
            "less",
            role="beside",
        ),
        Part(
            "yaw by ridge regression",
            partial(between, arm=MAIN, other=LONGER, scale=1.0, metric="pose.yaw.error"),
            role="beside",
            unit="degrees",
        ),
        *(
            Part(
                f"error of {words}, trained afterwards",
                partial(
                    between,
                    arm=MAIN,
                    other=LONGER,
                    scale=100.0,
                    metric=f"probes.{probe}.interocular",
                ),
                role="beside",
                unit=_HUNDREDTHS,
            )
            for probe, words in ((_LAST, "a probe like D"), (STRONG, "a stronger probe"))
        ),
    ),
    comparison="mean accuracy of a linear support vector machine that tells profiles (60° and "
    "more) from frontal faces (30° and less), trained on validation people and asked about test "
    f"people; {_AGAINST}. Beside, what others read",
)

_A5 = _on_pie(
    id="A5",
    statement="APRN makes the features of a person tighter.",
    paper_figure="cosine to the centroid .792 to .804, called a distance",
    parts=(
        Part(
            "similarity to one's own centroid",
            partial(between, arm=MAIN, other=LONGER, scale=100.0, metric="identities.own"),
            role="trivial",
        ),
        Part(
            "spread within people by that between them",
            partial(between, arm=MAIN, other=LONGER, scale=100.0, metric="identities.ratio"),
            "less",
        ),
    ),
    unit="hundredths",
    comparison="The paper's number is a similarity, since it is larger where identities are said "
    "to be tighter; it rises too when all features draw together. So the ratio decides: one minus "
    "the similarity to one's own centroid, by one minus that to the others'",
)

_A6 = _on_pie(
    id="A6",
    statement="An interior alpha is best; 0.4 hurts.",
    paper_figure="Table 11: CFP-FP 96.24, 96.61, 96.84, 96.31, 95.77 %",
    parts=(
        Part("chosen alpha minus 0", chosen_gain),
        Part("0.4 minus 0", partial(gain_on, view="profile", arm=alpha_arm(0.4)), "less"),
        Part(
            "0.2 minus 0.4",
            partial(gain_on, view="profile", other=alpha_arm(0.4)),
            role="beside",
        ),
        *(
            Part(
                f"{alpha:g} minus 0",
                partial(gain_on, view="profile", arm=alpha_arm(alpha)),
                role="beside",
            )
            for alpha in ALPHAS
            if alpha != 0.4
        ),
        *(
            Part(
                f"{alpha:g} minus 0, {TIMES} times as long",
                partial(gain_on, view="profile", arm=long_arm(alpha), other=long_arm(0)),
                role="beside",
            )
            for alpha in LONG_ALPHAS
        ),
    ),
    comparison="rank-1 by x of profiles on test people. Alpha weighs a mean over 102 coordinates "
    "in pixels of a frame of 225; the paper says neither whether its norm is a sum or a mean nor "
    "how large its frame is, so an alpha here need not be one there. So the alpha that decides is "
    "the one with the best rank-1 on profiles of validation people",
)

_A7 = _on_pie(
    id="A7",
    statement="Deeper input layers are better for D; the stem hurts.",
    paper_figure="Table 10: CFP-FP none 96.24, stem 96.17, then 96.33, 96.61, 96.61, 96.84 %",
    parts=(
        *(
            Part(
                f"{STAGES[-1]} minus {stage}",
                partial(gain_on, view="profile", arm=MAIN, other=stage_arm(number)),
            )
            for number, stage in enumerate(STAGES[:2])
        ),
        Part("stem minus none", partial(gain_on, view="profile", arm=stage_arm(0)), "less"),
        *(
            Part(
                f"{stage} minus none",
                partial(gain_on, view="profile", arm=stage_arm(number)),
                role="beside",
            )
            for number, stage in enumerate(STAGES)
            if number
        ),
    ),
    comparison="rank-1 by x of profiles on test people, by the stage that D looks at",
)

_A8 = _on_pie(
    id="A8",
    statement="Both parts of the adversarial loss are needed.",
    paper_figure="Table 12: CFP-FP none 96.24, L1 96.14, L2 96.46, both 96.84 %",
    parts=(
        *(
            Part(f"APRN minus {half}_Reg", partial(gain_on, view="profile", other=half))
            for half in ("L1", "L2")
        ),
        *(
            Part(f"{words} minus none", partial(gain_on, view="profile", arm=arm), role="beside")
            for arm, words in (
                ("L1", "L1_Reg"),
                ("L2", "L2_Reg"),
                ("leak", "the released leak"),
                ("running", "D's running statistics"),
                ("reversal", "gradient reversal"),
            )
        ),
    ),
    comparison="rank-1 by x of profiles on test people",
)

_A9 = _on_pie(
    id="A9",
    statement="With L2_Reg alone, D ignores its input.",
    paper_figure="distance of the answer to noise from the mean face: 0.83 ± 0.13 against "
    "4.12 ± 0.67",
    parts=(
        Part(
            "APRN minus L2_Reg",
            partial(between, arm=MAIN, other="L2", scale=1.0, metric="noise.mean"),
        ),
        Part(
            "APRN minus the released leak",
            partial(between, arm=MAIN, other="leak", scale=1.0, metric="noise.mean"),
            role="beside",
        ),
    ),
    unit="pixels of 225",
    comparison="mean L1 distance of D's answer to a hundred noise pictures from the mean face",
)

_A10 = _claim(
    id="A10",
    statement="APRN costs nothing at inference.",
    paper_figure="Introduction: D is removed",
    untested="Nothing is to be measured: what is evaluated and stored is R, whose parameters are "
    "the baseline's, name by name.",
)

CLAIMS: dict[str, Claim] = {
    claim.id: claim for claim in (_A1, _A2, _A3, _A4, _A5, _A6, _A7, _A8, _A9, _A10)
}
