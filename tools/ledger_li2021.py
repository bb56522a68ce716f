"""Recompute every row of the ledger of Li, Wang & Zhang (2021) from the stored runs.

    python tools/ledger_li2021.py [--compare book/claims.md]

As ``recompute_ledger.py``, whose statistics and rules it has: without the package. Games are picked
by how they were played and not by their names.
"""

from __future__ import annotations

from recompute_ledger import FEW, Runs, difference, main, metric, one_per_seed, part

PIE, WILD = "forgetting_pose", "in_the_wild"
BASELINE = "baseline"
STAGES = ["stem", "stage1", "stage2", "stage3", "stage4"]
LAST = len(STAGES) - 1
ALPHAS = [0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4]
TIMES, LONG_ALPHAS = 4, [0.01, 0.2]
EYES = "hundredths of the inter-ocular distance"

USUAL = {
    "kind": "adversarial",
    "alpha": 0.2,
    "stage": LAST,
    "leak": False,
    "statistics": "batch",
    "times": 1,
}
"""The paper's APRN."""

Arm = tuple[list[dict], str]
"""The runs that hold a network, and its name in them."""

# --- runs ---------------------------------------------------------------------------------------


def arm(runs: Runs, *, first: int = 99, **played) -> Arm:
    """Return the networks on ``pie`` that a game made, of the ``first`` seeds."""
    wanted = USUAL | played
    found = one_per_seed(
        runs,
        PIE,
        min(first, runs.seeds),
        f"a game {played or 'as published'}",
        lambda config: any(is_played(game, wanted) for game in config["games"]),
    )
    names = {
        game["name"] for run in found for game in run["config"]["games"] if is_played(game, wanted)
    }
    if len(names) != 1:
        raise ValueError(f"Games played alike have several names: {', '.join(sorted(names))}.")
    return found, names.pop()


def is_played(game: dict, wanted: dict) -> bool:
    """Tell whether a game was played like this; -1 is the last stage."""
    return {name: game[name] for name in wanted} | {"stage": game["stage"] % len(STAGES)} == wanted


def aprn(runs: Runs) -> Arm:
    return arm(runs)


def longer(runs: Runs) -> Arm:
    """Return the networks that were continued without an adversary."""
    return arm(runs, kind="none", alpha=0.0)


def baseline(runs: Runs) -> Arm:
    """Return the networks that nothing continued: every run has one."""
    return longer(runs)[0], BASELINE


def chosen(runs: Runs) -> Arm:
    """Return APRN at the alpha that knows most profiles of the validation people."""

    def rate(made: Arm) -> float:
        found, name = made
        what = f"arms.{name}.validation.rank1.x.by_view.profile"
        return sum(metric(run, what) for run in found) / len(found)

    return max((arm(runs, alpha=alpha) for alpha in ALPHAS), key=rate)


def at_stage(runs: Runs, stage: int) -> Arm:
    """Return APRN on a stage; two stages decide nothing, and have fewer seeds."""
    return arm(runs, stage=stage, first=FEW if stage in (2, 3) else 99)


# --- effects ------------------------------------------------------------------------------------


def view(name: str, kind: str, factor: int = 1) -> tuple:
    """Return the term of rank-1 by x on frontal faces or on profiles."""
    return factor, f"people/{name}/x/{kind}", f"arms.{name}.test.rank1.x.by_view.{kind}"


def gain(one: Arm, other: Arm, over_frontal: bool = False) -> dict:
    """Return what a network has more than another on profiles, or beyond that on frontal faces."""
    measures = [
        [view(name, "profile"), *([view(name, "frontal", -1)] if over_frontal else [])]
        for _, name in (one, other)
    ]
    return difference(one[0], other[0], *measures, besides={"games"})


def more(one: Arm, other: Arm, what: str, factor: float = 1.0) -> dict:
    """Return a metric of one network minus that of another, in hundredths unless by a factor."""
    terms = [[(factor, "", f"arms.{name}.{what}")] for _, name in (one, other)]
    return difference(one[0], other[0], *terms, besides={"games"})


ONE = 0.01
"""The factor of what is no share: differences are in hundredths."""


# --- the claims ---------------------------------------------------------------------------------


def a1(runs: Runs) -> tuple[list[dict], list[str]]:
    """Landmarks can be read from every stage, worse from deeper ones."""
    found, name = baseline(runs)

    def apart(one: str, other: str) -> dict:
        terms = [[(1, "", f"arms.{name}.probes.{each}.interocular")] for each in (one, other)]
        return difference(found, found, *terms)

    rows = [part(stage, apart("guess", stage), statement="read") for stage in STAGES]
    for before, stage in zip(STAGES, STAGES[1:], strict=False):
        words = f"{stage} minus {before}"
        rows.append(part(words, apart(stage, before), statement="worse deeper"))
    return rows, []


def a2(runs: Runs) -> tuple[list[dict], list[str]]:
    """APRN improves frontal-profile recognition."""

    def wild(what: str, other: str = "none", trunk: str = "casia", alpha: float = 0.2) -> dict:
        seeds = runs.seeds if trunk == "casia" else min(FEW, runs.seeds)
        found = one_per_seed(runs, WILD, seeds, trunk, lambda config: config["trunk"] == trunk)
        games = {
            (game["kind"], game["alpha"]): game["name"] for game in found[0]["config"]["games"]
        }
        against = BASELINE if other == BASELINE else games[other, 0.0]
        names = games["adversarial", alpha], against
        terms = [[(1, "", f"arms.{name}.{what}")] for name in names]
        return difference(found, found, *terms)

    rows = [
        part("CFP-FP", wild("CFP-FP.accuracy")),
        part("profiles of pie", gain(aprn(runs), longer(runs))),
        part("profiles of pie, chosen alpha", gain(chosen(runs), longer(runs)), "beside"),
        part("CFP-FP, against the baseline", wild("CFP-FP.accuracy", BASELINE), "trivial"),
        part("CFP-FP, alpha 0.01", wild("CFP-FP.accuracy", alpha=0.01), "beside"),
        part("CFP-FP, residual trunk with ArcFace",
             wild("CFP-FP.accuracy", trunk="residual"), "beside"),
    ]  # fmt: skip
    beside = {"LFW": "LFW.accuracy", "CFP-FF": "CFP-FF.accuracy"}
    beside |= {"IJB-A, TAR at FAR 0.01": "IJB-A.1e-2", "MegaFace, rank-1": "MegaFace.rank1"}
    return rows + [part(words, wild(what), "beside") for words, what in beside.items()], []


def a3(runs: Runs) -> tuple[list[dict], list[str]]:
    """Gains grow with the angle."""
    ours, none = aprn(runs), longer(runs)
    rows = [
        part("profiles", gain(ours, none)),
        part("profiles minus frontal", gain(ours, none, over_frontal=True)),
    ]
    lacking = []
    for angle in (0, 30, 60, 75, 90):
        if str(angle) in ours[0][0]["metrics"]["arms"][ours[1]]["test"]["rank1"]["x"]["by_angle"]:
            effect = more(ours, none, f"test.rank1.x.by_angle.{angle}")
            rows.append(part(f"{angle}°", effect, "beside"))
        else:
            lacking.append(f"no camera shows {angle}°")
    return rows, lacking


def a4(runs: Runs) -> tuple[list[dict], list[str]]:
    """Pose is less readable."""
    ours, plain = aprn(runs), longer(runs)
    linear = "pose.profile.test"
    rows = [
        part("frontal or profile", more(ours, plain, linear), falls=True),
        part("frontal or profile, against the baseline", more(ours, baseline(runs), linear),
             "beside", falls=True),
        part("yaw by ridge regression", more(ours, plain, "pose.yaw.error", ONE), "beside",
             unit="degrees"),
    ]  # fmt: skip
    for words, name in (("a probe like D", STAGES[LAST]), ("a stronger probe", "strong")):
        effect = more(ours, plain, f"probes.{name}.interocular")
        rows.append(part(f"error of {words}, trained afterwards", effect, "beside", unit=EYES))
    return rows, []


def a5(runs: Runs) -> tuple[list[dict], list[str]]:
    """People are tighter."""
    arms = aprn(runs), longer(runs)
    return [
        part("similarity to one's own centroid", more(*arms, "identities.own"), "trivial"),
        part("spread within people by that between them", more(*arms, "identities.ratio"),
             falls=True),
    ], []  # fmt: skip


def a6(runs: Runs) -> tuple[list[dict], list[str]]:
    """An alpha between is best."""
    ours, none, most = aprn(runs), longer(runs), arm(runs, alpha=0.4)
    rows = [
        part("chosen alpha minus 0", gain(chosen(runs), none)),
        part("0.4 minus 0", gain(most, none), falls=True),
        part("0.2 minus 0.4", gain(ours, most), "beside"),
    ]
    for alpha in ALPHAS:
        if alpha != 0.4:
            effect = gain(arm(runs, alpha=alpha), none)
            rows.append(part(f"{alpha:g} minus 0", effect, "beside"))
    calm = arm(runs, kind="none", alpha=0.0, times=TIMES, first=FEW)
    for alpha in LONG_ALPHAS:
        effect = gain(arm(runs, alpha=alpha, times=TIMES, first=FEW), calm)
        rows.append(part(f"{alpha:g} minus 0, {TIMES} times as long", effect, "beside"))
    return rows, []


def a7(runs: Runs) -> tuple[list[dict], list[str]]:
    """Deeper layers are better for D."""
    stages = [at_stage(runs, stage) for stage in range(len(STAGES))]
    none = longer(runs)
    rows = [
        part(f"{STAGES[LAST]} minus {STAGES[stage]}", gain(stages[LAST], stages[stage]))
        for stage in range(2)
    ]
    rows.append(part("stem minus none", gain(stages[0], none), falls=True))
    for stage in range(1, len(STAGES)):
        rows.append(part(f"{STAGES[stage]} minus none", gain(stages[stage], none), "beside"))
    return rows, []


def a8(runs: Runs) -> tuple[list[dict], list[str]]:
    """Both halves are needed."""
    ours, none = aprn(runs), longer(runs)
    halves = {kind: arm(runs, kind=kind) for kind in ("L1", "L2")}
    others = {f"{kind}_Reg": found for kind, found in halves.items()}
    others["the released leak"] = arm(runs, leak=True, first=FEW)
    others["D's running statistics"] = arm(runs, statistics="running", first=FEW)
    others["gradient reversal"] = arm(runs, kind="reversal", first=FEW)
    rows = [part(f"APRN minus {kind}_Reg", gain(ours, found)) for kind, found in halves.items()]
    for words, found in others.items():
        rows.append(part(f"{words} minus none", gain(found, none), "beside"))
    return rows, []


def a9(runs: Runs) -> tuple[list[dict], list[str]]:
    """Told the mean face alone, D ignores its input."""
    ours, deaf = aprn(runs), arm(runs, kind="L2")
    leak = arm(runs, leak=True, first=FEW)
    return [
        part("APRN minus L2_Reg", more(ours, deaf, "noise.mean", ONE)),
        part("APRN minus the released leak", more(ours, leak, "noise.mean", ONE), "beside"),
    ], []


CLAIMS = {
    "A1": (a1, [PIE]),
    "A2": (a2, [WILD, PIE]),
    **{f"A{n}": (compute, [PIE]) for n, compute in enumerate((a3, a4, a5, a6, a7, a8, a9), 3)},
    "A10": (None, []),
}
"""As in ``recompute_ledger.py``. Nothing is to be measured of A10."""

if __name__ == "__main__":
    raise SystemExit(main(of=CLAIMS, letters="A"))
