"""The claims of Ming, Burie & Luqman (2021) as data, and how their effects are measured.

The smallest effect that matters is one point of accuracy or of VAL: less than half of the smallest
gain over a single-task network that the paper calls an improvement on caricatures (Table 5: 84.00
to 81.70).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from mtl_helpers.ledger.claim import (
    Claim,
    Effect,
    Measure,
    Part,
    Role,
    Runs,
    ceiling,
    compare,
    over_runs,
)
from mtl_helpers.papers.ming2021.experiments import caricature_folds, caricature_weights
from mtl_helpers.papers.ming2021.experiments.caricature_weights import TOY
from mtl_helpers.papers.ming2021.model import TASKS
from mtl_helpers.papers.ming2021.weights import RELEASED, weight_bounds
from mtl_helpers.runs.query import select
from mtl_helpers.runs.record import Record

__all__ = ["CLAIMS", "arm", "hardest_leads"]

CHAPTER = "../notebooks/07_one_face_two_modalities.ipynb"

ACCURACY = Measure("verification.accuracy", "people/verification/accuracy")
OURS: dict[str, tuple[str, Role]] = {
    "printed": ("as printed", "decides"),
    "slow": ("slow", "beside"),
    "released": ("as released", "beside"),
}
"""The paper states its claims of Eqs. 10 to 12, so those decide, as for paper 1. Its figures are of
the released code, which stands beside; and so does a weights module that is slow enough to follow.
"""
_DECIDES = (
    "The paper states its claims of Eqs. 10 to 12, so that rule decides; the released settings "
    "stand beside, and so does a slow weights module, which was added after the first runs"
)
_LENGTHENED = (
    "Folds were made longer after first runs of them, which ended before verification was learnt"
)


def known_people(name: str) -> Measure:
    """Return where rank-1 of known people is kept, ``"V2C"`` and so on."""
    return Measure(f"identification.{name}.rank1", f"people/identification/{name}")


def arm(records: Runs, name: str) -> list[Record]:
    """Return the runs of an arm, in the order of their seeds."""
    return select(records, arm=name)


# --- effects ------------------------------------------------------------------------------------


def hardest_leads(run: Record) -> float:
    """Return the weight of the hardest task minus that of the easiest, in points, mean over steps.

    Hardest and easiest by their losses at each step.
    """
    loss, weight = (run.arrays()[f"steps/{kind}"] for kind in ("loss", "weight"))  # (S, T)
    steps = np.arange(len(loss))
    return 100 * float((weight[steps, loss.argmax(1)] - weight[steps, loss.argmin(1)]).mean())


def caricature_is_hardest(run: Record, centers: bool = True) -> float:
    """Return the share of steps at which caricature identification has the largest loss, in %.

    ``centers`` is whether the centre loss, which verification alone has, counts.
    """
    tasks = list(run.config["tasks"])
    loss = run.arrays()["steps/loss"].copy()
    if not centers:
        loss[:, tasks.index("verification")] -= run.config["beta"] * run.arrays()["steps/centering"]
    return 100 * float((loss.argmax(1) == tasks.index("caricature")).mean())


def beyond(records: Runs, name: str, measure: Callable[[Record], float], least: float) -> Effect:
    """What is measured of each run of an arm, minus a constant."""
    return over_runs(arm(records, name), lambda run: measure(run) - least)


def lead(records: Runs, name: str, other: str, measure: Measure) -> Effect:
    """What is measured of one arm minus that of another, in points."""
    return compare(arm(records, name), arm(records, other), measure)


def gap(records: Runs, name: str, within: str, across: str) -> Effect:
    """Rank-1 within the modality that a branch learnt minus that in the other one."""
    runs = arm(records, name)
    return compare(runs, runs, known_people(within), known_people(across))


# --- conditions ---------------------------------------------------------------------------------


def photographs_may_gain(records: Runs) -> str:
    """Say if nobody could be better at photographs."""
    metric = "identification.V2V.rank1"
    arms = arm(records, "printed"), arm(records, "single-photo")
    names = ("the printed rule", "photographs alone")
    return ceiling(names, *arms, (metric, metric), 1.0)


def impostors(records: Runs) -> str:
    """Say on how many pairs VAL@FAR rests."""
    found = {
        int(run.metric("verification.impostors")) for run in arm(records, "verification-single")
    }
    least = min(found)
    return (
        f"A fold has {' or '.join(f'{count:,}' for count in sorted(found))} pairs of two people: "
        f"a FAR of 0.1 % is {least / 1000:g} of them and 1 % is {least / 100:g}: VAL at 0.1 % is "
        "read off between none and the first few false accepts."
    )


# --- what stands with a claim -------------------------------------------------------------------


def setting(records: Runs) -> str:
    """Say what runs were pretrained and fine-tuned on, and for how long."""
    first = records[0].config
    corpus, photos = first["corpus"], first["pretraining"]["corpus"]
    steps = sorted({run.config["plan"]["steps"] for run in records})
    passes = [float(run.metric("training.passes")) for run in records]
    people = corpus["train_identities"]
    return (
        f"pretrained on {photos['train_identities']:,} people of {photos['pictures']} pictures "
        f"for {first['pretraining']['plan']['steps']:,} steps; then "
        f"{' or '.join(map(str, steps))} steps of {first['plan']['batch']} pictures, "
        f"{min(passes):.1f} to {max(passes):.1f} passes, under CaVI's protocol on {people} people, "
        f"{corpus['side']} × {corpus['side']} pixels"
    )


def bounds_words(records: Runs) -> str:
    """Say between which weights the released rule must stay."""
    assert RELEASED.scale is not None
    low, high = (100 * bound for bound in weight_bounds(len(TASKS), RELEASED.scale))
    low2, high2 = (100 * bound for bound in weight_bounds(len(TOY), RELEASED.scale))
    return (
        f"Logits of length {RELEASED.scale:g} keep the released weights between {low:.1f} % and "
        f"{high:.1f} %, in the toy between {low2:.1f} % and {high2:.1f} %."
    )


# --- the claims ---------------------------------------------------------------------------------

_claim = partial(
    Claim,
    paper="{cite:t}`ming2021`",
    experiments=(caricature_weights.EXPERIMENT,),
    setting=setting,
    chapter=CHAPTER,
)
_folds_claim = partial(_claim, experiments=(caricature_folds.EXPERIMENT,))


def _against_singles(names: dict[str, tuple[str, Measure]]) -> tuple[Part, ...]:
    """Parts: each rule of ours minus the single-task network of each measure."""
    return tuple(
        Part(f"{task}, {words}", partial(lead, name=rule, other=single, measure=measure), role=role)
        for rule, (words, role) in OURS.items()
        for task, (single, measure) in names.items()
    )


def _folds(protocol: str, name: str, measure: Measure) -> tuple[Part, ...]:
    """Parts: each rule of ours minus the naive one and minus verification alone."""
    return tuple(
        Part(
            f"{name}, {words}, minus {other}",
            partial(lead, name=f"{protocol}-{rule}", other=f"{protocol}-{other}", measure=measure),
            role=role,
        )
        for rule, (words, role) in OURS.items()
        for other in ("naive", "single")
    )


_ARENAS = (("in the toy", "toy-"), ("of three tasks", ""))
_NAIVE: tuple[tuple[str, str, Role], ...] = (
    ("naive", "", "decides"),
    ("slow-naive", "slow ", "beside"),
    ("released-naive", "of length ½ ", "beside"),
)

_M1 = _claim(
    id="M1",
    statement="L4 gives the harder task the larger weight, the naive rule gives it to the easier.",
    paper_figure="Figs. 5 and 6",
    parts=(
        *(
            Part(
                f"{words} {where}",
                partial(beyond, name=f"{prefix}{rule}", measure=hardest_leads, least=0.0),
                role=role,
                statement="L4",
            )  # fmt: skip
            for rule, (words, role) in OURS.items()
            for where, prefix in _ARENAS
        ),
        *(
            Part(
                f"{words}{where}",
                partial(beyond, name=f"{prefix}{rule}", measure=hardest_leads, least=0.0),
                role=role,
                direction="less",
                statement="the naive rule",
            )
            for rule, words, role in _NAIVE
            for where, prefix in _ARENAS
        ),
    ),
    logic="each",
    remark=bounds_words,
    comparison="weight of the task with the largest loss minus that of the task with the smallest, "
    f"mean over all steps. {_DECIDES}: its rate is divided by about the squared length of what it "
    "sees, for at the network's rate it is at a corner within some ten steps. What has all the "
    "weight is soon the easiest task, so a rule that is locked is below 0 in any corner. The naive "
    "rule of length ½ was added after the first runs, too",
)

_M2 = _claim(
    id="M2",
    statement="The naive rule hurts the hard task: caricatures are recognised less well than by a "
    "network for them alone.",
    paper_figure="Table 2: 75.80 %, alone 78.20 %",
    parts=(
        Part(
            "naive minus alone",
            partial(lead, name="naive", other="single-caricature", measure=known_people("C2C")),
            direction="less",
        ),
        *(
            Part(
                f"{words} minus alone",
                partial(lead, name=rule, other="single-caricature", measure=known_people("C2C")),
                role="beside",
                direction="less",
            )
            for rule, words in (
                ("slow-naive", "slow naive"),
                ("released-naive", "naive of length ½"),
            )
        ),
        Part(
            "equal weights minus alone",
            partial(lead, name="fixed", other="single-caricature", measure=known_people("C2C")),
            role="beside",
        ),
    ),
    comparison="rank-1 of caricatures of known people. The slow naive rule and that of length ½ "
    "were added after the first runs",
)

_M3 = _claim(
    id="M3",
    statement="With weights that follow the hard task, one network beats all three single-task "
    "networks.",
    paper_figure="Table 2: 94.92, 98.35 and 85.61 % against 92.46, 98.10 and 78.20 %",
    parts=_against_singles(
        {
            "verification": ("single-verification", ACCURACY),
            "photographs": ("single-photo", known_people("V2V")),
            "caricatures": ("single-caricature", known_people("C2C")),
        }
    ),
    conditions=(photographs_may_gain,),
    comparison="accuracy of verification at the threshold of validation pairs, and rank-1 of known "
    f"people. {_DECIDES}",
)

_M4 = _claim(
    id="M4",
    statement="Multi-task learning lifts recognition in the modality that a branch has not learnt.",
    paper_figure="Table 2: V2C 80.04 against 53.60 %, C2V 64.39 against 41.80 %",
    parts=(
        *_against_singles(
            {
                "V2C": ("single-photo", known_people("V2C")),
                "C2V": ("single-caricature", known_people("C2V")),
            }
        ),
        *(
            Part(
                f"{name}, equal weights",
                partial(lead, name="fixed", other=single, measure=known_people(name)),
                role="beside",
            )  # fmt: skip
            for name, single in (("V2C", "single-photo"), ("C2V", "single-caricature"))
        ),
    ),
    comparison="rank-1 of known people, branch of one modality asked about the other. V2C is "
    f"trained on photographs, as in Fig. 2; Table 2 prints the columns the other way. {_DECIDES}",
)

_M5 = _claim(
    id="M5",
    statement="Features learnt on one modality do not carry over to the other.",
    paper_figure="Fig. 2: V2V 98.10, V2C 53.60, C2C 78.20, C2V 41.80 %",
    parts=(
        Part("photographs", partial(gap, name="single-photo", within="V2V", across="V2C")),
        Part("caricatures", partial(gap, name="single-caricature", within="C2C", across="C2V")),
    ),
    smallest_effect=5.0,
    comparison="rank-1 of known people in the modality that was learnt minus the other",
)

_M6 = _folds_claim(
    id="M6",
    statement="On WebCaricature's verification it is best, at a FAR of 0.1 % and of 1 %.",
    paper_figure="Table 3: 45.82 % at 0.1 %; at 1 % 83.20 %, but the single-task network 84.52 %",
    parts=tuple(
        part
        for far, words in (("1e-3", "0.1 %"), ("1e-2", "1 %"))
        for part in _folds(
            "verification",
            f"FAR {words}",
            Measure(f"verification.VAL@FAR={far}"),
        )
    ),
    remark=impostors,
    comparison=f"VAL at a FAR over the folds, which are the replicates. {_DECIDES}. {_LENGTHENED}",
)

_M7 = _folds_claim(
    id="M7",
    statement="On WebCaricature's identification it is best, from caricature to photograph and "
    "back.",
    paper_figure="Tables 4 and 5: C2P 87.30, 86.00, 85.55 %; P2C 84.00, 82.80, 81.70 %",
    parts=tuple(
        part
        for name in ("C2P", "P2C")
        for part in _folds("identification", name, Measure(f"search.{name}.rank1"))
    ),
    comparison="rank-1 over ten halves of the people, which are the replicates. "
    f"{_DECIDES}. {_LENGTHENED}",
)

_ALWAYS = 95.0

_M8 = _claim(
    id="M8",
    statement="Caricature identification is the hardest task throughout.",
    paper_figure="Fig. 6",
    parts=(
        *(
            Part(
                words,
                partial(beyond, name=rule, measure=caricature_is_hardest, least=_ALWAYS),
                role=role,
            )
            for rule, words, role in (
                *((rule, words, role) for rule, (words, role) in OURS.items()),
                ("naive", "naive", "decides"),
                ("fixed", "equal weights", "beside"),
            )
        ),
        *(
            Part(
                f"{words}, entropies alone",
                partial(
                    beyond,
                    name=rule,
                    measure=partial(caricature_is_hardest, centers=False),
                    least=_ALWAYS,
                ),
                role="beside",
            )
            for rule, words in (("printed", OURS["printed"][0]), ("fixed", "equal weights"))
        ),
    ),
    comparison=f"share of steps at which its loss is the largest, minus {_ALWAYS:g} %. The loss of "
    "verification alone holds a centre loss, which stays when entropies have vanished; beside, "
    "entropies are compared",
)

_M9 = _claim(
    id="M9",
    statement="No hyper-parameter is introduced for learning the weights.",
    paper_figure="Sec. 1",
    experiments=(),
    untested="It is about the code and not about a measurement: the released code has a length of "
    "the logits, a number that is added to each loss, and a rate of its own for the weights, and "
    "each changes the weights.",
)

CLAIMS: dict[str, Claim] = {
    claim.id: claim for claim in (_M1, _M2, _M3, _M4, _M5, _M6, _M7, _M8, _M9)
}
