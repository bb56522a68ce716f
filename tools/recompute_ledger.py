"""Recompute every row of the ledger from the stored runs, without the package.

    python tools/recompute_ledger.py [--compare book/claims.md]

A second pair of eyes: the records are read, runs are picked, effects, intervals, outcomes and
verdicts are worked out here once more, in another form and by no code of ``mtl_helpers``. A row
needs a run of every seed that its networks are trained on; some have fewer seeds than the preset.
It prints a line per part and one per claim. With ``--compare`` it ends with exit status 1 if the
page says anything else.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.stats import t as student

ROOT = Path(__file__).resolve().parents[1]

PAPERS = ["yin2018", "taherkhani2021", "ming2021", "li2021"]
"""Whose runs are read. ``ledger_ming2021.py`` and ``ledger_li2021.py`` have the rows of theirs."""

TASKS = ["id", "pos", "illum", "exp"]
SIDE = TASKS[1:]
WORDS = {"id": "identity", "pos": "pose", "illum": "light", "exp": "expression"}
M_CNN = {"id+pos": ["id", "pos"], "id+illum": ["id", "illum"], "id+exp": ["id", "exp"]}
M_CNN["id+all"] = TASKS
RULES = {"eq8": "Eq. 8", "released": "released"}

SEEDS = {"smoke": 2, "laptop": 5, "gpu": 5}
FEW = 3
"""Seeds of what is trained on fewer than a preset has: that which decides nothing, and that whose
effects are far larger than what seeds do."""

PHI_GRID = [0.1, 0.2, 0.3, 1.0, 3.0]
L2_GRID = [1e-3, 1e-2, 1e-1]
PUBLISHED = {"phi_s": 0.1, "factor": 1e-3}
"""At presets where nothing was searched for: the paper's phi_s, and a penalty of the grid."""

# What a network has unless a comparison says otherwise, and what two networks that are compared may
# differ in; all else must be equal.
USUAL = {"rule": "fixed", "phi_m": None, "people": None, "pose_noise": 0.0, "feature_l2": 0.0}
USUAL |= {"label_smoothing": 0.0}
MAY_DIFFER = {"arm", "tasks", "rule", "phi_s", "phi_m", "feature_l2", "label_smoothing"}

VALIDATION = "validation.rank1.y_d.overall"
PAGE_SHUFFLES = 200
ROUNDING = 1e-4
"""What is stored has five to seven digits, so a sum of it may fall to either side of a .5."""


class Missing(Exception):
    """Something that a row needs is not stored."""


# --- stored runs --------------------------------------------------------------------------------


class Runs:
    """The stored runs of one preset, by experiment."""

    def __init__(self, results: Path, preset: str) -> None:
        self.seeds = SEEDS[preset]
        self.chosen = {} if preset == "laptop" else dict(PUBLISHED)
        self.preset = preset
        self.stored = {}
        for folder in (each for paper in PAPERS for each in (results / paper).glob(f"*/{preset}")):
            runs = [read_run(path) for path in sorted(folder.glob("[!.]*.json"))]
            if runs:
                self.stored[folder.parent.name] = runs

    def of(self, experiment: str, *, first: int | None = None, **fields) -> list[dict]:
        """Return the runs of a network with these fields, one for each seed from 0 on.

        There must be one of every seed of the preset, or of the ``first`` so many.
        """
        wanted = {"tasks": TASKS} | USUAL | fields
        found = {}
        for run in self.stored.get(experiment, []):
            config = run["config"]["plan"] | run["config"]
            if not all(equal(config[name], value) for name, value in wanted.items()):
                continue
            if run["seed"] in found:
                raise ValueError(f"Two runs of {experiment} have the seed {run['seed']}: {wanted}.")
            found[run["seed"]] = run
        seeds = range(min(first or self.seeds, self.seeds))
        if lacking := [seed for seed in seeds if seed not in found]:
            raise Missing(f"{experiment} has no run of seeds {lacking} with {fields}")
        if len(found) > self.seeds:
            raise ValueError(f"{experiment} has runs of more than {self.seeds} seeds: {wanted}.")
        return [found[seed] for seed in seeds]

    def m_cnn(self, tasks: list[str] = TASKS, phi_s: float | None = None, **fields) -> list[dict]:
        """Return m-CNN on these tasks, at the chosen phi_s unless another is given."""
        trained_by = "weighting_rules" if tasks == TASKS else "one_or_many"
        phi_s = self.phi_s if phi_s is None else phi_s
        return self.of(trained_by, tasks=tasks, phi_s=phi_s, **fields)

    def learned(self, rule: str) -> list[dict]:
        """Return m-CNN under a rule that learns weights; each task has the same total in both."""
        phi_s = self.phi_s / len(SIDE) if rule == "released" else self.phi_s
        return self.m_cnn(phi_s=phi_s, rule=rule)

    def s_cnn(self) -> list[dict]:
        """Return the networks whose side heads have no weight."""
        return self.m_cnn(phi_s=0.0)

    def penalised(self) -> list[dict]:
        """Return id+L2 at the chosen factor."""
        return self.of("one_or_many", tasks=["id"], phi_s=0.0, feature_l2=self.factor)

    @property
    def phi_s(self) -> float:
        """The phi_s of the grid that is nearest to where validation people are identified best."""
        if "phi_s" not in self.chosen:
            found = [mean_of(self.of("weighting_rules", phi_s=phi), VALIDATION) for phi in PHI_GRID]
            peak = peak_of(np.log(PHI_GRID), np.array(found))
            self.chosen["phi_s"] = PHI_GRID[int(np.abs(np.log(PHI_GRID) - peak).argmin())]
        return self.chosen["phi_s"]

    @property
    def factor(self) -> float:
        """The penalty's factor that is best on validation people, on the first few seeds."""
        if "factor" not in self.chosen:
            arms = {
                factor: self.of(
                    "one_or_many", first=FEW, tasks=["id"], phi_s=0.0, feature_l2=factor
                )
                for factor in L2_GRID
            }
            best = max(L2_GRID, key=lambda factor: mean_of(arms[factor], VALIDATION))
            self.chosen["factor"] = best
        return self.chosen["factor"]


def read_run(path: Path) -> dict:
    """Read a record; what lies beside it is read when it is asked for."""
    run = json.loads(path.read_text(encoding="utf-8"))
    run["beside"] = path.with_name(run["arrays"]["file"]) if run["arrays"] else None
    return run


def one_per_seed(runs: Runs, experiment: str, seeds: int, words: str, wanted) -> list[dict]:
    """Return the wanted runs of an experiment, one of each seed from 0 on."""
    found = {}
    for run in runs.stored.get(experiment, []):
        if wanted(run["config"]):
            if run["seed"] in found:
                raise ValueError(f"Two runs of {experiment} have the seed {run['seed']}: {words}.")
            found[run["seed"]] = run
    if lacking := [seed for seed in range(seeds) if seed not in found]:
        raise Missing(f"{experiment} has no run of seeds {lacking} with {words}")
    return [found[seed] for seed in range(seeds)]


def array(run: dict, name: str) -> np.ndarray | None:
    """Return an array of a run in double precision, or None where it has none of that name."""
    if run["beside"] is None:
        return None
    with np.load(run["beside"]) as stored:
        return stored[name].astype(np.float64) if name in stored.files else None


def metric(run: dict, name: str) -> float:
    """Return a number of a run by its dotted name."""
    value = run["metrics"]
    for key in name.split("."):
        value = value[key]
    return float(value)


def mean_of(runs: list[dict], name: str) -> float:
    """Return the mean of a metric over runs."""
    return float(np.mean([metric(run, name) for run in runs]))


def peak_of(places: np.ndarray, values: np.ndarray) -> float:
    """Return the place of the top of the parabola that fits values best, or of the best value."""
    terms = np.stack([places**0, places, places**2], axis=1)
    _, slope, bend = np.linalg.solve(terms.T @ terms, terms.T @ values)
    return -slope / (2 * bend) if bend < 0 else float(places[values.argmax()])


def equal(value, wanted) -> bool:
    """Tell whether a field is as wanted; a third of something is so to a few digits."""
    if isinstance(wanted, float) and isinstance(value, (int, float)):
        return abs(value - wanted) <= 1e-9 * max(1.0, abs(wanted))
    return value == wanted


def require_alike(run: dict, other: dict, besides: set[str] = frozenset()) -> None:
    """Refuse to compare two runs that differ in more than what is asked about."""
    asked = MAY_DIFFER | besides
    one, two = ({k: v for k, v in each["config"].items() if k not in asked}
                for each in (run, other))  # fmt: skip
    names = [name for name in one if one[name] != two.get(name, "absent")]
    if run["hardware"]["gpu"] != other["hardware"]["gpu"]:
        names.append("gpu")
    if names:
        raise ValueError(f"{run['arm']} and {other['arm']} differ in {', '.join(names)} too.")


# --- intervals ----------------------------------------------------------------------------------


def interval(mean: float, error: float, df: float) -> dict[str, float]:
    """Student's 95 % interval, its standard error, and the two-sided p of a true mean of 0."""
    if error == 0:
        return {"mean": mean, "low": mean, "high": mean, "error": 0.0, "p": float(mean == 0)}
    half = student.ppf(0.975, df) * error
    p = 2 * student.sf(abs(mean) / error, df)
    return {"mean": mean, "low": mean - half, "high": mean + half, "error": error, "p": p}


def over_seeds(values: np.ndarray) -> dict[str, float]:
    """Return the interval for other seeds from one value of each, (S,)."""
    spread = values.std(ddof=1) if np.ptp(values) > 0 else 0.0
    return interval(float(values.mean()), spread / len(values) ** 0.5, len(values) - 1)


def over_people(table: np.ndarray) -> dict[str, float]:
    """Return the interval for other seeds and other people from a table (S, P).

    What is special about a person whatever the seed is what two seeds say alike of that person: the
    covariance of their rows. Seeds and what is left are in the spread of the seeds' means already.
    """
    seeds, people = table.shape
    rows = np.cov(table)  # (S, S)
    of_person = (rows.sum() - np.trace(rows)) / (seeds * (seeds - 1))
    by_seed = table.mean(axis=1).var(ddof=1) / seeds
    mean = float(table.mean())
    if of_person <= 0:
        return interval(mean, by_seed**0.5, seeds - 1)
    by_person = table.mean(axis=0).var(ddof=1) / people
    left = by_person - of_person / people
    variance = by_seed + by_person - left
    # Satterthwaite: three mean squares, each with degrees of freedom of its own
    df = variance**2 / (
        by_seed**2 / (seeds - 1)
        + by_person**2 / (people - 1)
        + left**2 / ((seeds - 1) * (people - 1))
    )
    # never fewer than the smaller sample has: the approximation can fall towards 0
    return interval(mean, variance**0.5, max(df, min(seeds, people) - 1))


# --- effects ------------------------------------------------------------------------------------

# A measure is a sum of terms: factor, array of results by person, metric where there is none.
RANK1 = [(1, "people/test/y_d", "test.rank1.y_d.overall")]
ROUTED = [(1, "people/clean/stochastic", "routing.clean.stochastic.overall")]
PROFILES, FRONTAL = (
    (1, f"people/test/y_d/{view}", f"test.rank1.y_d.by_view.{view}")
    for view in ("profile", "frontal")
)
LEAD_ON_PROFILES = [PROFILES, (-1, *FRONTAL[1:])]


def difference(
    first: list[dict],
    second: list[dict],
    measure: list,
    other: list = (),
    besides: set[str] = frozenset(),
) -> dict:
    """Return, in points, what one arm has more than another: by seed, and by person if kept.

    Where one was trained on fewer seeds, they are the first of the other's. ``besides`` are fields
    in which the two may differ too.
    """
    values, rows = [], []
    for run, base in zip(first, second, strict=False):
        require_alike(run, base, besides)
        terms = [(run, *term) for term in measure]
        terms += [(base, -factor, *names) for factor, *names in other or measure]
        people = [array(each, name) for each, _, name, _ in terms]
        if all(part is not None for part in people) and len({len(part) for part in people}) == 1:
            factors = [factor for _, factor, *_ in terms]
            rows.append(100 * np.tensordot(factors, np.stack(people), axes=1))
        elif not all(name for *_, name in terms):
            raise Missing(f"{run['arm']} has no results by person {terms[0][2]}")
        else:
            values.append(100 * sum(factor * metric(each, name) for each, factor, _, name in terms))
    if not values and len({len(row) for row in rows}) == 1:
        return {"values": np.mean(rows, axis=1), "table": np.array(rows)}
    if rows:
        raise ValueError(f"Only some runs of {first[0]['arm']} have the results by person.")
    return {"values": np.array(values)}


def each_run(runs: list[dict], measure) -> dict:
    """Return what is measured of every run."""
    return {"values": np.array([measure(run) for run in runs])}


def judged(effect: dict) -> dict[str, float]:
    """Return the interval that the verdict goes by: over people too, where they were kept."""
    return over_people(effect["table"]) if "table" in effect else over_seeds(effect["values"])


# --- weights in training ------------------------------------------------------------------------


def during(run: dict, start: int, stop: int, tasks: list[str]) -> np.ndarray:
    """Return the mean of each task's share of these tasks' weight while training goes on.

    ``start`` and ``stop`` are per cent of the steps; a point of a curve belongs to its last step.
    """
    curves = run["curves"]
    steps = np.array(curves["step"])
    inside = (100 * steps > start * steps[-1]) & (100 * steps <= stop * steps[-1])
    weights = np.array([curves[f"weight/{task}"] for task in tasks])[:, inside]  # (T, points)
    totals = weights.sum(axis=0)
    stated = run["config"]["phi_s" if tasks == SIDE else "phi_m"]
    if not np.allclose(totals, stated, rtol=1e-3):
        raise ValueError(f"The weights of {tasks} in {run['arm']} do not add up to {stated}.")
    return 100 * (weights / totals).mean(axis=1)


def lead(shares: np.ndarray, task: str) -> float:
    """Return how far a side task is ahead of the next one."""
    place = SIDE.index(task)
    return shares[place] - np.delete(shares, place).max()


def fall_of_pose(run: dict) -> float:
    """Return by how much pose falls in the second half, at most what it had led by before."""
    before, after = during(run, 5, 50, SIDE), during(run, 50, 100, SIDE)
    return min(before[0] - after[0], lead(before, "pos"))


def passes(run: dict) -> float:
    """Return how often a picture was seen in training."""
    plan = run["config"]["plan"]
    return plan["steps"] * plan["batch"] / metric(run, "training.images")


# --- energies -----------------------------------------------------------------------------------


def classes(run: dict) -> list[int]:
    """Return the number of classes of each task.

    The two overhead cameras count as the ones below them, and shots 0 and 19 have no flash.
    """
    corpus = run["config"]["corpus"]
    poses = {{"08_1": "08_0", "19_1": "19_0"}.get(name, name) for name in corpus["cameras"]}
    lights = {shot % 19 for shot in corpus["shots"]}
    people = run["config"]["people"] or corpus["train_identities"]
    return [people, len(poses), len(lights), len(corpus["expressions"])]


def energies(run: dict) -> np.ndarray:
    """Return the energy vector of each head (T, D): sums of absolute weights over its classes."""
    stored = np.stack([array(run, f"energy/{task}") for task in TASKS])
    for vector, task, count in zip(stored, TASKS, classes(run), strict=True):
        weight = array(run, f"weight/{task}")  # (K, D), half precision, of some runs
        if weight is None:
            continue
        if len(weight) != count:
            raise ValueError(f"The head of {task} in {run['arm']} has not {count} classes.")
        if not np.allclose(np.abs(weight).sum(axis=0), vector, rtol=1e-3, atol=1e-7 * count):
            raise ValueError(
                f"The energies of {task} in {run['arm']} are not those of its weights."
            )
    return stored


def apart(run: dict, task: str, other: str) -> tuple[float, float]:
    """Return how far two tasks are apart beyond shuffled ones, in points, and the luck in it.

    The index is the entropy of the tasks' mean distribution over the dimensions minus their own
    mean entropy, over log 2. Shuffling leaves the latter as it is. If it pairs every two dimensions
    equally often, then the mean of the former is known without a draw, and so is its variance
    (Hoeffding, 1951). The luck is the standard error of the page's mean of 200 shuffles.
    """
    table = energies(run)
    p, q = (table[TASKS.index(name)] / table[TASKS.index(name)].sum() for name in (task, other))
    mixed = (p[:, None] + q[None]) / 2  # (D, D): each dimension of one with each of the other
    terms = -mixed * np.log2(np.where(mixed > 0, mixed, 1.0))
    size = len(p)
    centred = terms - terms.mean(axis=0) - terms.mean(axis=1)[:, None] + terms.mean()
    spread = (np.sum(centred**2) / (size - 1)) ** 0.5
    excess = np.trace(terms) - terms.sum() / size
    return 100 * excess, 100 * spread / PAGE_SHUFFLES**0.5


def all_apart(runs: list[dict], task: str, other: str) -> dict:
    """Return how far two tasks are apart in every run."""
    values, luck = np.transpose([apart(run, task, other) for run in runs])
    return {"values": values, "luck": luck}


def unevenness(run: dict) -> float:
    """Return the growth of spread over mean from the first look to the last, mean over tasks."""
    looks = run["curves"]["energy"]
    grown = [
        looks[f"std/{task}"][-1] / looks[f"mean/{task}"][-1]
        - looks[f"std/{task}"][0] / looks[f"mean/{task}"][0]
        for task in TASKS
    ]
    return 100 * sum(grown) / len(grown)


def growth(run: dict, what: str) -> float:
    """Return the change of a curve of energies in per cent of its first value."""
    first, last = (run["curves"]["energy"][what][place] for place in (0, -1))
    return 100 * (last - first) / first


def of_side_tasks(run: dict, per_class: bool) -> float:
    """Return the share of dimensions, in per cent, that some side task uses more than identity."""
    table = energies(run)
    sizes = np.array(classes(run)) if per_class else table.sum(axis=1)
    use = table / sizes[:, None]
    return 100 * float(np.mean(use[1:].max(axis=0) > use[0]))


# --- the claims ---------------------------------------------------------------------------------


def part(name: str, effect: dict, role: str = "decides", statement: str = "", *,
         smallest: float | None = None, unit: str = "", falls: bool = False) -> dict:  # fmt: skip
    """Return a row of the ledger, with the label that it has there."""
    marks = [role] if role != "decides" else []
    marks += [f"in {unit}"] if unit else []
    marks += [f"matters from {smallest:g} points"] if smallest else []
    label = f"{statement}: {name}" if statement else name
    label += f" ({', '.join(marks)})" if marks else ""
    row = {"label": label, "role": role, "statement": statement, "smallest": smallest or 1.0}
    return row | {"falls": falls, "effect": effect, "interval": judged(effect)}


def y1(runs: Runs) -> tuple[list[dict], list[str]]:
    """Side tasks raise rank-1."""
    alone, phi = runs.s_cnn(), runs.phi_s
    rows = [
        part(name, difference(runs.m_cnn(tasks), alone, RANK1)) for name, tasks in M_CNN.items()
    ]
    for task in SIDE:
        third = runs.m_cnn(["id", task], phi / 3, first=FEW)
        rows.append(part(f"id+{task} at phi_s / 3", difference(third, alone, RANK1), "beside"))
    few = {"people": round(alone[0]["config"]["corpus"]["train_identities"] / 4)}
    few["steps"] = alone[0]["config"]["plan"]["steps"]
    for weight in (0.3, 1.0):
        helped, bare = (
            runs.of("side_task_gains", first=FEW, phi_s=each, **few) for each in (weight, 0.0)
        )
        name = f"id+all, a quarter of the people, phi_s = {weight:g}"
        rows.append(part(name, difference(helped, bare, RANK1), "beside"))
    smooth = runs.of("one_or_many", tasks=["id"], phi_s=0.0, label_smoothing=0.1)
    both = runs.of("one_or_many", phi_s=phi, label_smoothing=0.1)
    by_sgd = [runs.of("by_sgd", first=FEW, phi_s=each) for each in (phi, 0.0)]
    beside = {
        "s-CNN with label smoothing minus s-CNN": (smooth, alone),
        "id+all, both with label smoothing": (both, smooth),
        "id+all, both by SGD, 2 times as long": by_sgd,
    }
    rows += [part(name, difference(*arms, RANK1), "beside") for name, arms in beside.items()]
    return rows, []


def y2(runs: Runs) -> tuple[list[dict], list[str]]:
    """The gain is mostly on profiles."""
    rows = []
    for name, tasks in M_CNN.items():
        arms = runs.m_cnn(tasks), runs.s_cnn()
        rows.append(part(f"{name}: profiles", difference(*arms, [PROFILES])))
        rows.append(part(f"{name}: profiles minus frontal", difference(*arms, LEAD_ON_PROFILES)))
    return rows, []


def y3(runs: Runs) -> tuple[list[dict], list[str]]:
    """Pose is easier than light, and light than expression."""
    alone = {task: runs.of("one_or_many", tasks=[task], phi_s=0.0) for task in SIDE}
    measures = {task: [(1, f"people/test/{task}", f"test.side_accuracy.{task}")] for task in SIDE}
    rows = [
        part(f"{WORDS[a]} minus {WORDS[b]}",
             difference(alone[a], alone[b], measures[a], measures[b]))
        for a, b in (("pos", "illum"), ("illum", "exp"))
    ]  # fmt: skip
    worst = min(mean_of(alone[task], f"test.side_accuracy.{task}") for task in ("pos", "illum"))
    full = "pose and light are both within a point of 100 %, so neither can lead by one"
    return rows, [full] if 100 * (1 - worst) < 1 else []


def y4(runs: Runs) -> tuple[list[dict], list[str]]:
    """Learned weights beat fixed ones, and pose alone beats all under fixed ones."""
    fixed = runs.m_cnn()
    by_sgd = [runs.of("by_sgd", first=FEW, rule=rule, phi_s=runs.phi_s)
              for rule in ("eq8", "fixed")]  # fmt: skip
    return [
        part("Eq. 8 minus fixed", difference(runs.learned("eq8"), fixed, RANK1)),
        part("released minus fixed", difference(runs.learned("released"), fixed, RANK1), "beside"),
        part("id+pos minus id+all", difference(runs.m_cnn(["id", "pos"]), fixed, RANK1)),
        part("Eq. 8 minus fixed, both by SGD, 2 times as long",
             difference(*by_sgd, RANK1), "beside"),
    ], []  # fmt: skip


def y5(runs: Runs) -> tuple[list[dict], list[str]]:
    """A penalty helps, but less than side tasks."""
    penalised = runs.penalised()
    rows = [part("id+L2 minus id", difference(penalised, runs.s_cnn(), RANK1))]
    for name, tasks in M_CNN.items():
        lead = difference(runs.m_cnn(tasks), penalised, RANK1)
        rows.append(part(f"{name} minus id+L2", lead))
    return rows, []


def y6(runs: Runs) -> tuple[list[dict], list[str]]:
    """p-CNN beats m-CNN."""
    fixed, phi = runs.m_cnn(), runs.phi_s
    heavy = runs.of("pose_branches", phi_m=2.0, phi_s=phi)
    printed = runs.of("pose_branches", rule="eq8", phi_m=1.0, phi_s=phi)
    released = runs.of("pose_branches", first=FEW, phi_m=2.0, phi_s=1.5)
    mixed = runs.of("pose_branches", first=FEW, phi_m=2.0, phi_s=2.0 * phi)
    return [
        part("main weights of 1", difference(heavy, fixed, ROUTED, RANK1)),
        part("Eq. 11, phi_m = 1",
             difference(printed, runs.learned("eq8"), ROUTED, RANK1), "beside"),
        part("released weights, against fixed ones",
             difference(released, fixed, ROUTED, RANK1), "beside"),
        part("side tasks in m-CNN's mix", difference(mixed, fixed, ROUTED, RANK1), "beside"),
    ], []  # fmt: skip


def long_run(runs: Runs, rule: str = "fixed", **fields) -> list[dict]:
    """Return a network that was trained for twenty epochs; each side task's total is a third."""
    phi_s = 1 / len(SIDE) if rule == "released" else 1.0
    return runs.of("twenty_epochs", rule=rule, phi_s=phi_s, **fields)


def long_enough(runs: Runs) -> list[str]:
    """Say why the runs that claims about 20 epochs rest on are too short, or nothing."""
    shortest = min(passes(run) for run in runs.stored["twenty_epochs"])
    return [f"{shortest:.2f} passes where 5 are needed"] if shortest < 5 else []


def y7(runs: Runs) -> tuple[list[dict], list[str]]:
    """Expression leads first, then pose, which then falls."""
    measures = {
        "expression leads at first": lambda run: lead(during(run, 0, 5, SIDE), "exp"),
        "pose leads then": lambda run: lead(during(run, 5, 50, SIDE), "pos"),
        "pose falls from its lead": fall_of_pose,
    }
    rows = []
    for rule, name in RULES.items():
        arm = long_run(runs, rule)
        role = "decides" if rule == "eq8" else "beside"
        rows += [
            part(f"{name}: {words}", each_run(arm, measure), role)
            for words, measure in measures.items()
        ]
    reasons = long_enough(runs)
    _, poses, lights, expressions = classes(runs.stored["twenty_epochs"][0])
    if expressions >= min(poses, lights):
        reasons.append(f"expression has not the fewest classes: {expressions}")
    learnt = mean_of(long_run(runs), "training.accuracy.pos")
    if learnt < 0.5:
        reasons.append(f"pose is known of {100 * learnt:.0f} % of the training pictures only")
    return rows, reasons


def y8(runs: Runs) -> tuple[list[dict], list[str]]:
    """The pose-specific main task leads early, the generic one later."""
    arm = long_run(runs, "eq8", phi_m=1.0)

    def generic(run: dict, start: int, stop: int) -> float:
        return during(run, start, stop, ["id", "id_pose"])[0]

    return [
        part("specific minus generic, first fifth",
             each_run(arm, lambda run: 100 - 2 * generic(run, 0, 20))),
        part("generic, last fifth minus first",
             each_run(arm, lambda run: generic(run, 80, 100) - generic(run, 0, 20))),
    ], long_enough(runs)  # fmt: skip


def y9(runs: Runs) -> tuple[list[dict], list[str]]:
    """Energy is uneven, identity is apart from side tasks, and they are from each other."""
    fixed = runs.m_cnn()
    rows = [part("spread over mean grows", each_run(fixed, unevenness), statement="uneven")]
    pairs = [(a, b) for place, a in enumerate(TASKS) for b in TASKS[place + 1 :]]
    for a, b in pairs:
        statement = "identity apart" if a == "id" else "side tasks apart"
        name = f"{WORDS[a]} and {WORDS[b]}"
        rows.append(part(name, all_apart(fixed, a, b), statement=statement))
    for rule, name in RULES.items():
        arm = runs.learned(rule)
        rows += [
            part(f"{name}: identity and {WORDS[task]}", all_apart(arm, "id", task), "beside")
            for task in SIDE
        ]
    return rows, []


def y10(runs: Runs) -> tuple[list[dict], list[str]]:
    """Rank-1 of x rises and falls with the number of dimensions, that of y_d keeps rising."""
    fixed = runs.m_cnn()
    rows = []
    for feature, statement, more, less, role in (
        ("x_n", "x", 50, 10, "trivial"),
        ("x_n", "x", 80, 100, "decides"),
        ("y_n", "y_d", 100, 80, "decides"),
    ):
        many, few = ([(1, f"people/test/{feature}/{n / 100:g}", "")] for n in (more, less))
        gain = difference(fixed, fixed, many, few)
        rows.append(part(f"{more} % minus {less} %", gain, role, statement))
    return rows, []


def y11(runs: Runs) -> tuple[list[dict], list[str]]:
    """In training the mean energy falls and its spread rises."""
    fixed = long_run(runs)
    rows = []
    for task in TASKS:
        for word, what in (("mean", "mean"), ("spread", "std")):
            change = each_run(fixed, lambda run, name=f"{what}/{task}": growth(run, name))
            rows.append(part(f"{WORDS[task]}: {word}", change, falls=word == "mean"))
    return rows, long_enough(runs)


def y12(runs: Runs) -> tuple[list[dict], list[str]]:
    """More weight gives side tasks more dimensions, and identity more energy."""
    base = runs.m_cnn(phi_s=0.1)
    rows, beside = [], []
    for phi in (0.2, 0.3):
        pairs = list(zip(runs.m_cnn(phi_s=phi), base, strict=True))
        own, per_class = (
            {"values": np.array([of_side_tasks(a, by) - of_side_tasks(b, by) for a, b in pairs])}
            for by in (False, True)
        )
        grown = np.array([100 * (energies(a)[0].sum() / energies(b)[0].sum() - 1)
                          for a, b in pairs])  # fmt: skip
        name = f"side dimensions at {phi:g}"
        rows.append(part(name, own, smallest=2.5))
        rows.append(part(f"energy of identity at {phi:g}", {"values": grown}, unit="%"))
        beside.append(part(f"per class: {name}", per_class, "beside", smallest=2.5))
    counts = dict(zip(TASKS, classes(base[0]), strict=True))
    guessing = [
        WORDS[task] for task in SIDE if mean_of(base, f"test.side.{task}") < 2 / counts[task]
    ]
    reason = f"at phi_s = 0.1 less than twice chance: {', '.join(guessing)}"
    return rows + beside, [reason] if guessing else []


def y13(runs: Runs) -> tuple[list[dict], list[str]]:
    """Stochastic routing beats hard routing where poses are wrong."""
    heavy = runs.of("pose_branches", phi_m=2.0, phi_s=runs.phi_s)

    def gain(condition: str) -> dict:
        soft, hard = ([(1, f"people/{condition}/{how}", "")] for how in ("stochastic", "hard"))
        return difference(heavy, heavy, soft, hard)

    rows = [part(f"{share} % wrong pose groups", gain(f"wrong {share / 100:g}"))
            for share in (10, 20, 40)]  # fmt: skip
    beside = ("clean", "noise 10", "blur 1")
    return rows + [part(condition, gain(condition), "beside") for condition in beside], []


def y14(runs: Runs) -> tuple[list[dict], list[str]]:
    """The chosen phi_s is better than both ends."""
    phi = runs.phi_s
    rows = [part("chosen phi_s minus none", difference(runs.m_cnn(), runs.s_cnn(), RANK1))]
    if phi != PHI_GRID[-1]:
        most = difference(runs.m_cnn(), runs.m_cnn(phi_s=PHI_GRID[-1]), RANK1)
        rows.append(part(f"chosen phi_s minus {PHI_GRID[-1]:g}", most, "trivial"))
    ends = (PHI_GRID[0], PHI_GRID[-1])
    return rows, [f"phi_s = {phi:g} is an end of the grid"] if phi in ends else []


# --- the claims of Taherkhani et al. (2021) -----------------------------------------------------

GRID = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
MIDDLE = GRID[2]
PENALTIES = {"sparsity": "lambda", "gamma": "gamma", "xi": "xi", "length": "weight of the length"}
BY_SGD = "sparsity by sgd"
LEARNED = "log degree"
REPAIRS = ["fixed total", "signed", "covariance"]
MEASURED = {"accuracy": "", "balanced_accuracy": ", balanced accuracy"}
MEASURED["average_precision"] = ", average precision"
ONE_TRUNK, FROM_NOTHING = "task_structures", "from_nothing"
CONDITIONS = {"corpus", "penalties", "structures", "mapped"}
"""Fields in which two conditions of ``task_structures`` differ."""


def seeds_of(runs: Runs, experiment: str, words: str, wanted, fewer: bool = False) -> list[dict]:
    """Return the wanted runs of an experiment, one of each seed from 0 on."""
    found = {}
    for run in runs.stored[experiment]:
        if wanted(run["config"]):
            if run["seed"] in found:
                raise ValueError(f"Two runs of {experiment} have the seed {run['seed']}: {words}.")
            found[run["seed"]] = run
    seeds = range(min(FEW, runs.seeds) if fewer else runs.seeds)
    if lacking := [seed for seed in seeds if seed not in found]:
        raise Missing(f"{experiment} has no run of seeds {lacking} with {words}")
    return [found[seed] for seed in seeds]


def condition(runs: Runs, strength: float = 1.0, few: bool = False) -> list[dict]:
    """Return the runs at a strength of the graph, with all labels or with few."""

    def wanted(config: dict) -> bool:
        corpus = config["corpus"]
        return corpus["strength"] == strength and bool(corpus["starved"]) == few

    decides = strength == 1.0 or (strength == 0.0 and not few)
    words = f"strength {strength:g}, {'few' if few else 'all'} labels"
    return seeds_of(runs, ONE_TRUNK, words, wanted, not decides)


def whole(runs: Runs, structure: str) -> list[dict]:
    """Return the runs of a structure that was trained from nothing."""
    return seeds_of(
        runs, FROM_NOTHING, structure, lambda config: config["structure"]["name"] == structure, True
    )


def curves_of(runs: Runs, few: bool = False) -> list[dict]:
    """Return the runs that vary the penalties' weights, with all labels or with few."""
    words = f"{'few' if few else 'all'} labels"

    def wanted(config: dict) -> bool:
        return bool(config["corpus"]["starved"]) == few

    return seeds_of(runs, "penalty_curves", words, wanted, fewer=few)


def told(structure: str, name: str = "accuracy", subset: str = "all", sign: int = 1) -> list:
    """Return the measure of how well a structure tells attributes; precision has no people."""
    people = f"people/{structure}/{name}/{subset}" if name != "average_precision" else ""
    return [(sign, people, f"structures.{structure}.{subset}.{name}")]


def ahead(
    runs: list[dict], structure: str, over: str = "alone", name: str = "accuracy",
    subset: str = "all",
) -> dict:  # fmt: skip
    """Return what one structure has more than another of the same trunk."""
    return difference(runs, runs, told(structure, name, subset), told(over, name, subset))


def whole_ahead(runs: Runs, structure: str, over: str) -> dict:
    """Return what one structure has more than another, both trained from nothing."""
    measure = [(1, "people/whole/accuracy/all", "whole.all.accuracy")]
    return difference(whole(runs, structure), whole(runs, over), measure, besides={"structure"})


def t1(runs: Runs) -> tuple[list[dict], list[str]]:
    """Known groups beat a learned graph, and this beats independent predictors."""
    every, few = condition(runs), condition(runs, few=True)
    rows = []
    for words, one, other in (
        ("known groups minus learned graph", "groups", LEARNED),
        ("learned graph minus independent", LEARNED, "alone"),
    ):
        for name, measure in MEASURED.items():
            role = "decides" if name == "accuracy" else "beside"
            rows.append(part(words + measure, ahead(every, one, other, name), role))
            effect = ahead(few, one, other, name)
            rows.append(part(f"{words}{measure}, few labels", effect, "beside"))
        from_nothing = whole_ahead(runs, one, other)
        rows.append(part(f"{words}, from nothing", from_nothing, "beside"))
    beside = {
        "known groups minus shuffled ones": ("groups", "shuffled groups"),
        "true groups minus known ones": ("true groups", "groups"),
        "graph of the labels minus independent": ("labels", "alone"),
    }
    beside |= {f"graph by {rule} minus independent": (rule, "alone") for rule in REPAIRS}
    rows += [part(words, ahead(every, *pair), "beside") for words, pair in beside.items()]
    strangers = condition(runs, 0.0)
    for words, one in (("known groups", "groups"), ("learned graph", LEARNED)):
        rows.append(part(f"{words} minus independent, strength 0", ahead(strangers, one), "beside"))
    return rows, []


def t3(runs: Runs) -> tuple[list[dict], list[str]]:
    """Sharing helps most where labels are few."""
    every, few = condition(runs), condition(runs, few=True)
    rows = []
    for statement, one in (("known groups", "groups"), ("learned graph", LEARNED)):
        gain = ahead(few, one, subset="starved")
        rows.append(part("gain with few labels", gain, "decides", statement))
        gain = ahead(few, one, name="balanced_accuracy", subset="starved")
        rows.append(part("gain with few labels, balanced accuracy", gain, "beside", statement))
        alone = at("length", best_on_validation(runs, "length", few=True), "starved")
        curve = "sparsity" if one == "groups" else "xi"
        fitted = at(curve, best_on_validation(runs, curve, few=True), "starved")
        effect = difference(curves_of(runs, few=True), curves_of(runs, few=True), fitted, alone)
        words = "gain with few labels, predictors on frozen features"
        rows.append(part(words, effect, "beside", statement))
        for name, words in MEASURED.items():
            gains = told(one, name, "starved") + told("alone", name, "starved", -1)
            role = "decides" if name == "accuracy" else "beside"
            effect = difference(few, every, gains, besides=CONDITIONS | {"arm"})
            rows.append(part(f"minus the gain with all{words}", effect, role, statement))
        others = ahead(few, one, subset="others")
        words = "gain of attributes with all labels, beside starved ones"
        rows.append(part(words, others, "beside", statement))
    shuffled = ahead(few, "shuffled groups", subset="starved")
    words = "gain of shuffled groups with few labels"
    return [*rows, part(words, shuffled, "beside", "known groups")], []


def recovered(run: dict, graph: str, what: str = "all.auc") -> float:
    """Return how well a graph finds the true edges, in points."""
    return 100 * metric(run, f"graphs.{graph}.{what}")


def t4(runs: Runs) -> tuple[list[dict], list[str]]:
    """The learned graph finds clusters that mean something."""
    every, few, strangers = condition(runs), condition(runs, few=True), condition(runs, 0.0)

    def guessing(some: list[dict], graph: str = LEARNED) -> dict:
        return each_run(some, lambda run: recovered(run, graph) - 50)

    def above_labels(some: list[dict], pairs: str = "all") -> dict:
        what = f"{pairs}.auc"
        return each_run(
            some,
            lambda run: recovered(run, LEARNED, what) - recovered(run, "label correlations", what),
        )

    linked = [recovered(run, LEARNED, "all.links_auc") for run in every]
    chance = [recovered(run, LEARNED, "all.links_auc") for run in strangers]
    links = {"values": np.subtract(linked, chance)}
    rows = [
        part("learned graph minus guessing", guessing(every), statement="edges"),
        part("links minus the same pairs at strength 0", links, statement="edges"),
    ]
    graphs = {"printed": "graph as printed", "distance": "distance of heads"}
    graphs |= {"cosine": "cosine of heads"} | {rule: f"graph by {rule}" for rule in REPAIRS}
    graphs |= {f"{LEARNED}, trained": "graph learned with the heads"}
    graphs |= {"label correlations": "correlations of labels"}
    graphs |= {"graphical lasso": "graphical lasso of labels"}
    beside = {f"{words} minus guessing": guessing(every, name) for name, words in graphs.items()}
    versus = "learned graph minus correlations of labels"
    beside |= {versus: above_labels(every), f"{versus}, few labels": above_labels(few)}
    beside[f"{versus}, pairs of two with few labels"] = above_labels(few, "both")
    others = {
        ", few labels": few,
        ", strength 0.5": condition(runs, 0.5),
        ", strength 0": strangers,
    }
    for suffix, some in others.items():
        words = f"links against strangers minus guessing{suffix}"
        beside[words] = each_run(some, lambda run: recovered(run, LEARNED, "all.links_auc") - 50)
    joined, unrelated = (
        [recovered(run, LEARNED, f"claimed.{kind}") for run in strangers]
        for kind in ("links", "strangers")
    )
    words = "pairs joined at strength 0, links minus strangers"
    beside[words] = {"values": np.subtract(joined, unrelated)}
    rows += [part(words, effect, "beside", "edges") for words, effect in beside.items()]
    for words, graph, role in (
        ("agreement with the true clusters", LEARNED, "decides"),
        ("agreement by correlations of labels", "label correlations", "beside"),
    ):
        agreement = [recovered(run, graph, "clusters") for run in every]
        rows.append(part(words, {"values": np.array(agreement)}, role, "clusters"))
    return [row | {"smallest": 5.0} for row in rows], []


def best_on_validation(runs: Runs, name: str, few: bool = False) -> int:
    """Return the place of the largest weight within a standard error of the best.

    Of all labels the best accuracy, of few the best average precision of the starved attributes.
    """
    if runs.preset != "laptop":
        return GRID.index(MIDDLE)
    curves = curves_of(runs, few)
    what = "starved.average_precision" if few else "all.accuracy"
    scores = np.array(
        [
            [metric(run, f"{name}.{place}.validation.{what}") for place in range(len(GRID))]
            for run in curves
        ]
    )  # (S, G)
    means = scores.mean(axis=0)
    best = means.argmax()
    error = np.std(scores[:, best], ddof=1) / np.sqrt(len(scores))
    return int(np.flatnonzero(means >= means[best] - error)[-1])


def at(curve: str, place: int, subset: str = "all") -> list:
    """Return the measure of predictors with one penalty's weight at a place of the grid."""
    people = f"people/{curve} {place}/accuracy/{subset}"
    return [(1, people, f"{curve}.{place}.test.{subset}.accuracy")]


def t5(runs: Runs) -> tuple[list[dict], list[str]]:
    """Results depend little on the penalties' weights: what is left of one point."""
    curves, rows, ends = curves_of(runs), [], []
    for name, words in PENALTIES.items():
        role = "beside" if name == "length" else "decides"
        chosen = best_on_validation(runs, name)
        for how, step in (("ten times less", -1), ("ten times more", 1)):
            if 0 <= chosen + step < len(GRID):
                cost = difference(curves, curves, at(name, chosen), at(name, chosen + step))
                left = {kind: 1.0 - numbers for kind, numbers in cost.items()}
                rows.append(part(f"{words} {how}", left, role))
            elif role == "decides":
                ends.append(name)
    reasons = [f"an end of the grid was chosen for {', '.join(ends)}"] if ends else []
    return [row | {"smallest": 0.2} for row in rows], reasons


def t6(runs: Runs) -> tuple[list[dict], list[str]]:
    """SMIDAS leaves zeros where sub-gradient descent leaves none."""
    curves, chosen = curves_of(runs), best_on_validation(runs, "sparsity")
    rows = []
    for words, step in (("at the chosen lambda", 0), ("ten times more", 1), ("ten times less", -1)):
        place = chosen + step
        if 0 <= place < len(GRID):
            zeros, others = ([(1, "", f"{name}.{place}.zeros")] for name in ("sparsity", BY_SGD))
            effect = difference(curves, curves, zeros, others)
            rows.append(part(words, effect, "beside" if step else "decides"))
    effect = difference(curves, curves, at("sparsity", chosen), at(BY_SGD, chosen))
    rows.append(part("accuracy at the chosen lambda", effect, "beside"))
    return [row | {"smallest": 5.0} for row in rows], []


def t7(runs: Runs) -> tuple[list[dict], list[str]]:
    """Activation maps lie on the attribute's region."""
    every = condition(runs)

    def beyond(null: str, of: str) -> dict:
        inside, other = (
            [(1, f"people/maps/{key}{of}", f"maps.{key}{of}")] for key in ("inside", null)
        )
        return difference(every, every, inside, other)

    nulls = {"area": "minus the region's area", "others": "minus maps of other attributes"}
    rows = [
        part(words, beyond(null, "_of_best"), "trivial" if null == "area" else "decides")
        for null, words in nulls.items()
    ]
    rows += [
        part(f"{words}, of the whole map", beyond(null, ""), "beside")
        for null, words in nulls.items()
    ]
    return [row | {"smallest": 5.0} for row in rows], []


def t8(runs: Runs) -> tuple[list[dict], list[str]]:
    """Attributes help verification, right ones more than wrong ones."""
    verified = seeds_of(runs, "attribute_verification", "any arm", lambda config: True)

    def more(arm: str, over: str, what: str = "tar") -> dict:
        one, two = ([(1, "", f"verification.{name}.{what}")] for name in (arm, over))
        return difference(verified, verified, one, two)

    rows = [
        part("attributes minus none", more("right", "none")),
        part("right ones minus a third wrong", more("right", "a third wrong")),
    ]
    for arm in ("a tenth wrong", "a third wrong", "half wrong"):
        rows.append(part(f"{arm} minus none", more(arm, "none"), "beside"))
    siamese, trunk = ([(1, "", name)] for name in ("verification.none.tar", "trunk.tar"))
    before = difference(verified, verified, siamese, trunk)
    rows.append(part("none minus the trunk before", before, "beside"))
    words = "attributes minus none, area under the ROC curve"
    return [*rows, part(words, more("right", "none", "auc"), "beside")], []


CLAIMS = {
    "Y1": (y1, ["one_or_many", "weighting_rules", "side_task_gains", "by_sgd"]),
    "Y2": (y2, ["one_or_many", "weighting_rules"]),
    "Y3": (y3, ["one_or_many"]),
    "Y4": (y4, ["weighting_rules", "one_or_many", "by_sgd"]),
    "Y5": (y5, ["one_or_many", "weighting_rules"]),
    "Y6": (y6, ["pose_branches", "weighting_rules"]),
    "Y7": (y7, ["twenty_epochs"]),
    "Y8": (y8, ["twenty_epochs"]),
    "Y9": (y9, ["weighting_rules"]),
    "Y10": (y10, ["weighting_rules"]),
    "Y11": (y11, ["twenty_epochs"]),
    "Y12": (y12, ["weighting_rules"]),
    "Y13": (y13, ["pose_branches"]),
    "Y14": (y14, ["one_or_many", "weighting_rules"]),
    "Y15": (None, []),
    "T1": (t1, [ONE_TRUNK, FROM_NOTHING]),
    "T2": (None, []),
    "T3": (t3, [ONE_TRUNK, "penalty_curves"]),
    "T4": (t4, [ONE_TRUNK]),
    "T5": (t5, ["penalty_curves"]),
    "T6": (t6, ["penalty_curves"]),
    "T7": (t7, [ONE_TRUNK]),
    "T8": (t8, ["attribute_verification"]),
}
"""What computes each claim's rows and reasons not to judge them, and the experiments it rests on.

Nothing tests Y15 yet, nor T2.
"""


# --- judging ------------------------------------------------------------------------------------


def outcome(low: float, high: float, smallest: float) -> str:
    """Say where an interval lies, for a part that says that something is greater than zero."""
    above, matters, below = low > 0, high >= smallest, low <= -smallest
    if above:
        return "holds" if matters else "too small to matter"
    if matters:
        return "not settled"
    return "does not hold" if below else "no difference"


def outcome_of(row: dict, moved: tuple[float, float] = (0.0, 0.0)) -> str:
    """Say where a row's interval lies, with its ends moved by so much."""
    low, high = row["interval"]["low"] + moved[0], row["interval"]["high"] + moved[1]
    return outcome(*((-high, -low) if row["falls"] else (low, high)), row["smallest"])


def of_statement(rows: list[dict], outcomes: dict[str, str]) -> str:
    """Judge what needs all of its parts."""
    found = {outcomes[row["label"]] for row in rows}
    deciding = {outcomes[row["label"]] for row in rows if row["role"] == "decides"}
    small = {"no difference", "too small to matter"}
    if found == {"holds"}:
        return "holds"
    if "does not hold" in found:
        return "does not hold here"
    if deciding and not deciding - small:
        return "no difference that matters"
    return "does not hold here" if found & small else "not settled"


def verdict_of(rows: list[dict], outcomes: dict[str, str]) -> str:
    """Judge a claim by the outcomes of its rows."""
    needed = [row for row in rows if row["role"] != "beside"]
    statements = {row["statement"]: [] for row in needed}
    for row in needed:
        statements[row["statement"]].append(row)
    verdicts = {name: of_statement(some, outcomes) for name, some in statements.items()}
    found = set(verdicts.values())
    if len(verdicts) == 1 or found == {"holds"}:
        return found.pop()
    # Holm's steps: the smallest p against 0.05 over the number of statements, the next against 0.05
    # over one fewer, and so on to the first that fails
    p = {name: max(row["interval"]["p"] for row in some) for name, some in statements.items()}
    for place, name in enumerate(sorted(p, key=p.get)):
        if p[name] * (len(p) - place) >= 0.05:
            break
        earns = any(row["role"] == "decides" for row in statements[name])
        if verdicts[name] == "holds" and earns:
            return "holds in part"
    if found == {"no difference that matters"}:
        return "no difference that matters"
    refuted = {"no difference that matters", "does not hold here"}
    return "does not hold here" if found <= refuted else "not settled"


def recomputed(runs: Runs, of: dict | None = None) -> dict[str, dict]:
    """Return rows, outcomes by label, verdict and reasons against judging of each claim."""
    claims = {}
    for name, (compute, experiments) in (of or CLAIMS).items():
        rows, reasons = [], [] if compute else ["nothing tests it yet"]
        reasons += [f"no runs of {each}" for each in experiments if each not in runs.stored]
        if not reasons:
            try:
                rows, reasons = compute(runs)
            except Missing as missing:
                reasons = [str(missing)]
        outcomes = {} if reasons else {row["label"]: outcome_of(row) for row in rows}
        verdict = "not tested" if reasons else verdict_of(rows, outcomes)
        claims[name] = {"rows": rows, "outcomes": outcomes, "verdict": verdict, "why": reasons}
    return claims


# --- the page -----------------------------------------------------------------------------------


def read_page(text: str, letters: str = "YT") -> dict[str, dict]:
    """Return what the ledger page says of each claim whose name has one of some letters in front.

    That is, its verdicts, and rows by label.
    """
    said = {}
    section = None
    for line in text.splitlines():
        cells = [cell.strip(" ") for cell in line.strip("|").split(" | ")]
        if line.startswith(tuple(f"| [{letter}" for letter in letters)):
            name = cells[0][1:].partition("]")[0]
            said[name] = {"verdicts": [cells[-1].strip("*")], "rows": {}, "twice": []}
        elif line.startswith("## "):
            name, _, verdict = line[3:].partition(": ")
            section = None
            if name[:1] in tuple(letters) and name[1:].isdigit():
                section = said.setdefault(name, {"verdicts": [], "rows": {}, "twice": []})
                section["verdicts"].append(verdict)
        elif section is None:
            continue
        elif line.startswith("**Verdict: "):
            section["verdicts"].append(line.removeprefix("**Verdict: ").partition(".**")[0])
        elif line.startswith("| part, "):
            head = cells
        elif line.startswith("| "):
            if cells[0] in section["rows"]:
                section["twice"].append(cells[0])
            section["rows"][cells[0]] = dict(zip(head[1:], cells[1:], strict=True))
    return said


def agrees(printed: str, number: float, slack: float) -> bool:
    """Tell whether a printed number is this one, to the digits that it has."""
    text = printed.replace("\N{MINUS SIGN}", "-")
    half = 0.5 * 10.0 ** -len(text.partition(".")[2])
    return abs(float(text) - number) <= half + slack


def ends_agree(printed: str, found: dict[str, float], slack: float) -> bool:
    """Tell whether printed ends, ``[low, high]``, are those of an interval."""
    ends = printed.strip("[]").replace("\N{NO-BREAK SPACE}", " ").split(", ")
    return len(ends) == 2 and all(
        agrees(end, found[name], slack) for end, name in zip(ends, ("low", "high"), strict=True)
    )


def luck_of(row: dict) -> tuple[float, float]:
    """Return by how much the page's shuffles may move the mean and the ends of a row.

    That is four standard errors, taken as if all runs were moved alike and, for the ends, apart.
    """
    luck = 4 * row["effect"].get("luck", np.zeros(1))
    seeds = len(row["effect"]["values"])
    apart = student.ppf(0.975, seeds - 1) * (np.sum(luck**2) / (seeds * (seeds - 1))) ** 0.5
    return float(luck.mean()), float(luck.mean() + apart)


def against_row(row: dict, said: dict[str, str], result: str | None) -> tuple[list[str], str]:
    """Return what a row of the page says otherwise, and its outcome as far as luck allows it."""
    of_mean, of_ends = (slack + ROUNDING for slack in luck_of(row))
    wrong = [] if agrees(said["mean"], row["interval"]["mean"], of_mean) else ["mean"]
    columns = {"over seeds": over_seeds(row["effect"]["values"])}
    if "table" in row["effect"]:
        columns["seeds, people"] = row["interval"]
    shown = {name for name, cell in said.items() if cell.startswith("[")}
    wrong += sorted(shown ^ set(columns))
    wrong += [name for name in sorted(shown & set(columns))
              if not ends_agree(said[name], columns[name], of_ends)]  # fmt: skip
    printed = said.get("result")
    possible = {result}
    if "luck" in row["effect"]:
        moves = np.linspace(-of_ends, of_ends, 41)
        possible = {outcome_of(row, (a, b)) for a in moves for b in moves}
    if result is not None and printed in possible:
        return wrong, printed
    return wrong + (["result"] if printed != result else []), result or ""


def against_page(claims: dict[str, dict], said: dict[str, dict]) -> list[str]:
    """Return everything in which the page and what was recomputed differ."""
    wrong = [f"{name} stands on one side only" for name in sorted(said.keys() ^ claims.keys())]
    for name in (each for each in claims if each in said):
        claim, page = claims[name], said[name]
        rows = {row["label"]: row for row in claim["rows"]}
        wrong += [f"{name}, {label}: on the page twice" for label in page["twice"]]
        wrong += [f"{name}, {label}: only on the page" for label in page["rows"].keys() - rows]
        wrong += [f"{name}, {label}: not on the page" for label in rows.keys() - page["rows"]]
        outcomes = {}
        for label, row in rows.items():
            if label not in page["rows"]:
                continue
            result = claim["outcomes"].get(label)
            differing, outcomes[label] = against_row(row, page["rows"][label], result)
            wrong += [f"{name}, {label}: {what} is {page['rows'][label].get(what)} on the page"
                      for what in differing]  # fmt: skip
        verdict = claim["verdict"]
        if claim["outcomes"]:
            verdict = verdict_of(claim["rows"], claim["outcomes"] | outcomes)
        if page["verdicts"] != [verdict] * 3:
            wrong.append(f"{name}: {' / '.join(page['verdicts'])} on the page, here {verdict}")
    return wrong


def line_of(row: dict, result: str | None) -> str:
    """Return a row as it is printed."""
    found, seeds = row["interval"], over_seeds(row["effect"]["values"])
    text = f"{found['mean']:+8.2f}   seeds [{seeds['low']:+.2f}, {seeds['high']:+.2f}]"
    if "table" in row["effect"]:
        text += f"   seeds, people [{found['low']:+.2f}, {found['high']:+.2f}]"
    return f"{row['label']}: {text}   {result or 'not judged'}"


def main(arguments: list[str] | None = None, of: dict | None = None, letters: str = "YT") -> int:
    """Recompute the claims whose names begin with some letters; return the exit status."""
    parser = argparse.ArgumentParser(description="Recompute the ledger from the stored runs.")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="default: results")
    parser.add_argument("--preset", default="laptop", choices=SEEDS, help="default: laptop")
    parser.add_argument("--compare", type=Path, metavar="PAGE", help="the ledger, book/claims.md")
    options = parser.parse_args(arguments)
    try:
        claims = recomputed(Runs(options.results, options.preset), of)
    except ValueError as error:
        print(error)
        return 1
    for name, claim in claims.items():
        for row in claim["rows"]:
            print(f"{name}  {line_of(row, claim['outcomes'].get(row['label']))}")
        why = f" ({'; '.join(claim['why'])})" if claim["why"] else ""
        print(f"{name}  = {claim['verdict']}{why}")
    if options.compare is None:
        return 0
    text = options.compare.read_text(encoding="utf-8")
    wrong = against_page(claims, read_page(text, letters))
    if f"preset `{options.preset}`" not in text:
        wrong.append(f"The page is not about the preset {options.preset}.")
    count = sum(len(claim["rows"]) for claim in claims.values())
    words = f"{count} rows and {len(claims)} verdicts of {options.compare.name}"
    print("\n".join(wrong) if wrong else f"Recomputed: {words} agree.")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
