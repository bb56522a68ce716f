"""Recompute every row of the ledger of Ming, Burie & Luqman (2021) from the stored runs.

    python tools/ledger_ming2021.py [--compare book/claims.md]

As ``recompute_ledger.py``, whose statistics and rules it has: without the package. Runs are picked
by how they were trained and not by their names.
"""

from __future__ import annotations

import numpy as np
from recompute_ledger import FEW, Runs, difference, each_run, main, mean_of, one_per_seed, part

TASKS = ["verification", "caricature", "photo"]
TOY = ["caricature", "photo"]

PLAIN = {"kind": "fixed", "scale": None, "offset": 0.0, "rate": 1.0, "leak": False}
RULES = {
    "fixed": PLAIN,
    "naive": PLAIN | {"kind": "naive"},
    "as printed": PLAIN | {"kind": "dynamic"},
    "slow": PLAIN | {"kind": "dynamic", "rate": 1 / 400},
    "slow naive": PLAIN | {"kind": "naive", "rate": 1 / 400},
    "naive of length ½": PLAIN | {"kind": "naive", "scale": 0.5},
    "as released": {"kind": "dynamic", "scale": 2.0, "offset": 0.01, "rate": 10.0, "leak": True},
}
OURS = {"as printed": "decides", "slow": "beside", "as released": "beside"}
"""The paper states its claims of its equations, so those decide."""

FOLDS = {"smoke": 2, "laptop": 10, "gpu": 10}

# --- runs ---------------------------------------------------------------------------------------


def network(runs: Runs, rule: str, tasks: list[str] = TASKS, *, first: int = 99) -> list[dict]:
    """Return the runs under CaVI's protocol with a rule and tasks, of the ``first`` seeds."""
    return _found(runs, "caricature_weights", "cavi", rule, tasks, min(first, runs.seeds))


def alone(runs: Runs, task: str) -> list[dict]:
    """Return the networks of one task under CaVI's protocol."""
    return network(runs, "fixed", [task])


def fold(runs: Runs, protocol: str, rule: str) -> list[dict]:
    """Return the ten folds of one of WebCaricature's protocols; ``"single"`` is verification."""
    tasks = TASKS[:1] if rule == "single" else TASKS
    kind = "fixed" if rule == "single" else rule
    return _found(runs, "caricature_folds", protocol, kind, tasks, FOLDS[runs.preset])


def _found(
    runs: Runs, experiment: str, protocol: str, rule: str, tasks: list[str], seeds: int
) -> list[dict]:
    def wanted(config: dict) -> bool:
        released = config["rectified"] or config["centers_everywhere"]
        ours = (config["protocol"], config["tasks"], config["rule"])
        return not released and ours == (protocol, tasks, RULES[rule])

    return one_per_seed(runs, experiment, seeds, f"{rule} on {', '.join(tasks)}", wanted)


def known(name: str) -> list:
    """Return the measure of rank-1 of known people, ``"V2C"`` and so on."""
    return [(1, f"people/identification/{name}", f"identification.{name}.rank1")]


ACCURACY = [(1, "people/verification/accuracy", "verification.accuracy")]
SINGLES = {"V2V": "photo", "V2C": "photo", "C2C": "caricature", "C2V": "caricature"}
"""The task whose branch answers: V2C has learnt photographs."""

# --- steps of training --------------------------------------------------------------------------


def steps(run: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return losses and weights of every step, (S, T) each."""
    loss, weight = (_stored(run, f"steps/{kind}") for kind in ("loss", "weight"))
    if len(loss) != run["config"]["plan"]["steps"] or not (loss > 0).all():
        raise ValueError(f"{run['arm']} lacks the loss of some task at some step.")
    if not np.allclose(weight.sum(axis=1), 1, atol=1e-4):
        raise ValueError(f"The weights of {run['arm']} do not add up to 1.")
    return loss, weight


def _stored(run: dict, name: str) -> np.ndarray:
    with np.load(run["beside"]) as arrays:
        return arrays[name].astype(np.float64)


def lead_of_the_hardest(run: dict) -> float:
    """Return the hardest task's weight minus the easiest's, in points, mean over steps."""
    loss, weight = steps(run)
    ranked = np.take_along_axis(weight, np.argsort(loss, axis=1), axis=1)
    return 100 * float(np.mean(ranked[:, -1] - ranked[:, 0]))


def beyond_always(run: dict, centers: bool = True) -> float:
    """Return the share of steps at which caricatures have the largest loss, minus 95 %.

    ``centers`` is whether the centre loss counts, which is in the loss of verification only.
    """
    loss, _ = steps(run)
    if not centers:
        loss[:, 0] -= run["config"]["beta"] * _stored(run, "steps/centering")
    place = run["config"]["tasks"].index("caricature")
    others = np.delete(loss, place, axis=1).max(axis=1)
    return 100 * float(np.mean(loss[:, place] > others)) - 95


# --- the claims ---------------------------------------------------------------------------------


def m1(runs: Runs) -> tuple[list[dict], list[str]]:
    """L4 gives the harder task more, the naive rule the easier."""
    rows = []
    for rule, role in OURS.items():
        toy = network(runs, rule, TOY, first=FEW if rule == "as released" else 99)
        for where, arm in (("in the toy", toy), ("of three tasks", network(runs, rule))):
            rows.append(part(f"{rule} {where}", each_run(arm, lead_of_the_hardest), role, "L4"))
    arenas = (("in the toy", TOY), ("of three tasks", TASKS))
    naive = (
        ("naive", "", "decides"),
        ("slow naive", "slow ", "beside"),
        ("naive of length ½", "of length ½ ", "beside"),
    )
    for rule, words, role in naive:
        for where, tasks in arenas:
            few = rule == "naive of length ½" and tasks == TOY
            arm = network(runs, rule, tasks, first=FEW if few else 99)
            effect = each_run(arm, lead_of_the_hardest)
            rows.append(part(words + where, effect, role, "the naive rule", falls=True))
    return rows, []


def m2(runs: Runs) -> tuple[list[dict], list[str]]:
    """The naive rule hurts the hard task."""
    single, c2c = alone(runs, "caricature"), known("C2C")
    rows = [
        part(f"{rule} minus alone",
             difference(network(runs, rule), single, c2c), role, falls=True)
        for rule, role in (
            ("naive", "decides"), ("slow naive", "beside"), ("naive of length ½", "beside"),
        )
    ]  # fmt: skip
    equal = difference(network(runs, "fixed"), single, c2c)
    return [*rows, part("equal weights minus alone", equal, "beside")], []


def m3(runs: Runs) -> tuple[list[dict], list[str]]:
    """One network beats three."""
    measures = {
        "verification": ("verification", ACCURACY),
        "photographs": ("photo", known("V2V")),
        "caricatures": ("caricature", known("C2C")),
    }
    rows = [
        part(f"{words}, {rule}",
             difference(network(runs, rule), alone(runs, task), measure), role)
        for rule, role in OURS.items()
        for words, (task, measure) in measures.items()
    ]  # fmt: skip
    worst = min(
        mean_of(arm, "identification.V2V.rank1")
        for arm in (network(runs, "as printed"), alone(runs, "photo"))
    )
    full = "photographs are both within a point of 100 %, so neither can lead by one"
    return rows, [full] if 100 * (1 - worst) < 1 else []


def m4(runs: Runs) -> tuple[list[dict], list[str]]:
    """Learning both modalities lifts each branch in the other one."""
    rows = []
    for rule, role in {**OURS, "fixed": "beside"}.items():
        words = "equal weights" if rule == "fixed" else rule
        for name in ("V2C", "C2V"):
            effect = difference(network(runs, rule), alone(runs, SINGLES[name]), known(name))
            rows.append(part(f"{name}, {words}", effect, role))
    return rows, []


def m5(runs: Runs) -> tuple[list[dict], list[str]]:
    """What is learnt on one modality does not carry over."""
    rows = []
    for words, within, across in (("photographs", "V2V", "V2C"), ("caricatures", "C2C", "C2V")):
        arm = alone(runs, SINGLES[within])
        rows.append(part(words, difference(arm, arm, known(within), known(across))))
    return [row | {"smallest": 5.0} for row in rows], []


def folds(runs: Runs, protocol: str, measures: dict[str, str]) -> list[dict]:
    """Return each rule of ours minus the naive one and minus verification alone, by measure."""
    return [
        part(f"{words}, {rule}, minus {other}",
             difference(fold(runs, protocol, rule), fold(runs, protocol, other),
                        [(1, "", metric)]), role)
        for words, metric in measures.items()
        for rule, role in OURS.items()
        for other in ("naive", "single")
    ]  # fmt: skip


def m6(runs: Runs) -> tuple[list[dict], list[str]]:
    """Best at WebCaricature's verification."""
    rates = {"0.1 %": "1e-3", "1 %": "1e-2"}
    measures = {f"FAR {words}": f"verification.VAL@FAR={far}" for words, far in rates.items()}
    return folds(runs, "verification", measures), []


def m7(runs: Runs) -> tuple[list[dict], list[str]]:
    """Best at WebCaricature's identification."""
    return folds(
        runs, "identification", {name: f"search.{name}.rank1" for name in ("C2P", "P2C")}
    ), []


def m8(runs: Runs) -> tuple[list[dict], list[str]]:
    """Caricatures are hardest throughout."""
    arms = {**OURS, "naive": "decides", "fixed": "beside"}
    words = {rule: "equal weights" if rule == "fixed" else rule for rule in arms}
    rows = [
        part(words[rule], each_run(network(runs, rule), beyond_always), role)
        for rule, role in arms.items()
    ]
    for rule in ("as printed", "fixed"):
        effect = each_run(network(runs, rule), lambda run: beyond_always(run, centers=False))
        rows.append(part(f"{words[rule]}, entropies alone", effect, "beside"))
    return rows, []


WEIGHTS, FOLD = ["caricature_weights"], ["caricature_folds"]
CLAIMS = {f"M{n}": (compute, WEIGHTS) for n, compute in enumerate((m1, m2, m3, m4, m5), start=1)}
CLAIMS |= {"M6": (m6, FOLD), "M7": (m7, FOLD), "M8": (m8, WEIGHTS), "M9": (None, [])}
"""As in ``recompute_ledger.py``. M9 is about the code."""

if __name__ == "__main__":
    raise SystemExit(main(of=CLAIMS, letters="M"))
