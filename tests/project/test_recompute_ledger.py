"""The recomputation of the ledger, on runs of our own and against the package's statistics."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import recompute_ledger as recompute
from made_up_claims import claim_of, effect, never
from made_up_structures import World
from stored_runs import store_run

from mtl_helpers.ledger.claim import Part
from mtl_helpers.ledger.page import ledger_markdown
from mtl_helpers.ledger.statistics import crossed_interval, mean_interval
from mtl_helpers.ledger.verdict import judge
from mtl_helpers.papers.taherkhani2021.claims import CLAIMS as STRUCTURE_CLAIMS
from mtl_helpers.papers.taherkhani2021.experiments.choices import GRID
from mtl_helpers.papers.yin2018.claims import CLAIMS as YIN_CLAIMS
from mtl_helpers.papers.yin2018.experiments.choices import CHOSEN, PHI_GRID, Choice
from mtl_helpers.presets import get_preset
from mtl_helpers.registry import EXPERIMENTS

ROOT = Path(__file__).resolve().parents[2]
LAPTOP = get_preset("laptop")
CHOICE = CHOSEN["laptop"]


def names_of_experiments(claims):
    return sorted({each.name for claim in claims.values() for each in claim.experiments})


CLAIMS = {**YIN_CLAIMS, **STRUCTURE_CLAIMS}
"""What the script recomputes; paper 2 has a script of its own."""

USED = names_of_experiments(YIN_CLAIMS)
PEOPLE, DIMENSIONS = 40, 20
TASKS = ("id", "pos", "illum", "exp")
ACCURACY = {"pos": 0.97, "illum": 0.93, "exp": 0.80}
NO_BREAK = "\N{NO-BREAK SPACE}"


# --- runs that nobody trained -------------------------------------------------------------------


def skill(config):
    """The rank-1 of a network: side tasks give 6 points, Eq. 8 two more, the penalty two."""
    if config.feature_l2:
        return 0.72
    gain = 0.06 if len(config.tasks) > 1 and config.phi_s else 0.0
    gain += 0.02 * (config.rule == "eq8") + 0.04 * (config.phi_m is not None)
    if config.tasks == ("id", "pos"):
        gain += 0.03
    if config.phi_s > CHOICE.phi_s:
        gain -= 0.3
    return 0.7 + gain


def liking(config, choice=CHOICE):
    """The rank-1 on validation people: a parabola whose top is the choice."""
    value, best = config.phi_s, choice.phi_s
    if not value:
        value, best = config.feature_l2, choice.feature_l2
    return 0.8 - 0.03 * np.log(value / best) ** 2 if value else 0.5


def outcome(name, config):
    """Metrics, curves and arrays of a run, as the experiments store them."""
    rng = np.random.default_rng([config.seed, *config.arm.encode(), *name.encode()])

    def people(level, luck=0.01):
        everywhere, here = (
            np.random.default_rng([*text.encode()]).normal(0, spread, PEOPLE)
            for text, spread in (("everywhere", 0.05), (config.arm, 2 * luck))
        )
        return (level + everywhere + here + rng.normal(0, luck, PEOPLE)).astype(np.float32)

    arrays = {"people/test/y_d": people(skill(config))}
    rank1 = {
        "overall": float(arrays["people/test/y_d"].mean()),
        # kept without people, so that some effects have no interval over them
        "by_view": {"profile": skill(config) + rng.normal(0, 0.005), "frontal": 0.8},
    }
    test = {"rank1": {"y_d": rank1}, "side": {}, "side_accuracy": {}}
    for task in set(config.tasks) - {"id"}:
        arrays[f"people/test/{task}"] = people(ACCURACY[task])
        test["side_accuracy"][task] = float(arrays[f"people/test/{task}"].mean())
        test["side"][task] = ACCURACY[task]
    arrays["people/validation/y_d"] = people(liking(config), luck=0.002)
    validation = {"rank1": {"y_d": {"overall": float(arrays["people/validation/y_d"].mean())}}}
    images = 6000
    training = {"images": images, "passes": config.plan.steps * config.plan.batch / images}
    training["accuracy"] = dict.fromkeys(config.tasks, 0.9)
    metrics = {"test": test, "validation": validation, "training": training}
    curves = {"step": [float(10 * k) for k in range(1, 95)]}
    if name == "pose_branches":
        conditions = ["clean", "noise 10", "blur 1", *(f"wrong {share:g}" for share in (0.1, 0.2))]
        gains = [0.0, 0.0, 0.0, 0.02, 0.04, 0.08]
        for condition, gain in zip([*conditions, "wrong 0.4"], gains, strict=True):
            hard = people(skill(config))
            arrays[f"people/{condition}/hard"] = hard
            more = rng.normal(gain, 0.002, PEOPLE).astype(np.float32)
            arrays[f"people/{condition}/stochastic"] = hard + more
        soft = arrays["people/clean/stochastic"]
        metrics["routing"] = {"clean": {"stochastic": {"overall": float(soft.mean())}}}
    if name == "weighting_rules":
        arrays |= energies_of(config, rng)
        for feature, share in itertools.product("xy", range(1, 11)):
            level = 0.7 - 0.1 * (1 - share / 10) - (0.05 if (feature, share) == ("x", 10) else 0)
            arrays[f"people/test/{feature}_n/{share / 10:g}"] = people(level, luck=0.002)
    if name in ("weighting_rules", "twenty_epochs"):
        looks = {"step": [1, 900]}
        for task in config.tasks:
            looks |= {f"mean/{task}": [2.0, rng.normal(1.5, 0.02)]}
            looks |= {f"std/{task}": [0.5, rng.normal(1.2, 0.02)]}
        curves["energy"] = looks
    if name == "twenty_epochs":
        curves |= weights_of(config, rng)
    return {"metrics": metrics, "curves": curves, "arrays": arrays}


def energies_of(config, rng):
    """Heads that share few dimensions; the first keeps its weights, as the experiment does."""
    counts = dict(zip(TASKS, (LAPTOP.train_identities, 13, 6, 6), strict=True))
    arrays = {}
    for place, task in enumerate(TASKS):
        scale = np.full(DIMENSIONS, 0.1)
        scale[5 * place : 5 * place + 5 + round(2 * config.phi_s)] = 1.0
        weight = (rng.normal(0, 1, (counts[task], DIMENSIONS)) * scale).astype(np.float16)
        arrays[f"energy/{task}"] = np.abs(weight.astype(float)).sum(axis=0).astype(np.float32)
        if config.seed == 0:
            arrays[f"weight/{task}"] = weight
    return arrays


def weights_of(config, rng):
    """Expression leads first, then pose, which falls; of p-CNN the branches, then identity."""
    shares = {"exp": (0.6, 0.2, 0.3), "pos": (0.2, 0.6, 0.3), "illum": (0.2, 0.2, 0.4)}
    spans = np.diff([0, 4, 46, 94])
    weights = {
        f"weight/{task}": config.phi_s * np.repeat(values, spans) for task, values in shares.items()
    }
    if config.phi_m is not None:
        main = np.linspace(0.3, 0.7, 94) + rng.normal(0, 0.01)
        weights |= {"weight/id": main, "weight/id_pose": config.phi_m - main}
    return {name: [float(f"{w:.5g}") for w in values] for name, values in weights.items()}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder with every run that the ledger asks for."""
    root = tmp_path_factory.mktemp("results")
    for name in USED:
        experiment = EXPERIMENTS[name]
        for config in experiment.configs(LAPTOP):
            store_run(experiment, LAPTOP, config, root, **outcome(name, config))
    return root


@pytest.fixture(scope="module")
def page(results):
    return ledger_markdown(CLAIMS, LAPTOP, root=results)


def check(results, page, folder):
    """What the script says of a page: exit status and last lines."""
    path = folder / "claims.md"
    path.write_text(page, encoding="utf-8")
    return recompute.main(["--results", str(results), "--compare", str(path)])


# --- the whole ----------------------------------------------------------------------------------


def test_it_agrees_with_the_page_without_the_package(results, page, tmp_path):
    path = tmp_path / "claims.md"
    path.write_text(page, encoding="utf-8")
    blocked = "import runpy, sys; sys.modules['mtl_helpers'] = None; sys.argv = sys.argv[1:]; "
    blocked += "runpy.run_path(sys.argv[0], run_name='__main__')"
    script = ROOT / "tools" / "recompute_ledger.py"
    command = [sys.executable, "-c", blocked, script, "--results", results, "--compare", path]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    parts = sum(
        line.startswith("| ") and "[" in line for line in page.split("## Y1:")[1].split("\n")
    )
    assert len(lines) == parts + len(CLAIMS) + 1
    assert lines[-1] == f"Recomputed: {parts} rows and {len(CLAIMS)} verdicts of claims.md agree."


def test_known_effects_come_out(results):
    claims = recompute.recomputed(recompute.Runs(results, "laptop"))
    known = dict.fromkeys(("Y1", "Y3", "Y5", "Y6", "Y7", "Y8", "Y10", "Y11", "Y13"), "holds")
    known["Y15"] = "not tested"
    assert {name: claims[name]["verdict"] for name in known} == known
    means = {row["label"]: row["interval"]["mean"] for row in claims["Y1"]["rows"]}
    assert means["id+all"] == pytest.approx(6, abs=1)
    assert means["id+pos"] == pytest.approx(9, abs=1)


def test_a_row_needs_every_seed_and_every_experiment(results, page, tmp_path, capsys):
    copy = shutil.copytree(results, tmp_path / "results")
    shutil.rmtree(copy / "yin2018" / "twenty_epochs")
    without = ledger_markdown(CLAIMS, LAPTOP, root=copy)
    assert without != page
    assert check(copy, without, tmp_path) == 0
    assert "Y7  = not tested (no runs of twenty_epochs)" in capsys.readouterr().out
    (lost,) = (copy / "yin2018" / "pose_branches" / "laptop").glob("p-eq8-s3-*.json")
    lost.unlink()
    assert check(copy, without, tmp_path) == 1
    assert "Y6  = not tested (pose_branches has no run of seeds [3]" in capsys.readouterr().out
    # this arm has three seeds
    third = f"id+pos-phi{CHOICE.phi_s / 3:.3g}-s{recompute.FEW - 1}-*.json"
    (lost,) = (copy / "yin2018" / "one_or_many" / "laptop").glob(third)
    lost.unlink()
    claims = recompute.recomputed(recompute.Runs(copy, "laptop"))
    assert claims["Y1"]["verdict"] == "not tested"
    assert claims["Y1"]["why"][0].startswith("one_or_many has no run of seeds [2]")
    assert claims["Y2"]["verdict"] != "not tested"


def test_weights_can_leave_pose_only_when_it_is_learnt(results):
    runs = recompute.Runs(results, "laptop")
    for run in runs.stored["twenty_epochs"]:
        run["metrics"]["training"]["accuracy"]["pos"] = 0.44 if run["arm"] == "fixed" else 0.9
    claim = recompute.recomputed(runs)["Y7"]
    assert claim["verdict"] == "not tested"
    assert claim["why"] == ["pose is known of 44 % of the training pictures only"]


def test_fewer_seeds_are_paired_with_the_first_of_the_others(results):
    runs = recompute.Runs(results, "laptop")
    rows = {row["label"]: row["effect"] for row in recompute.recomputed(runs)["Y1"]["rows"]}
    third = runs.m_cnn(["id", "pos"], CHOICE.phi_s / 3, first=recompute.FEW)
    mine, base = (
        [100 * recompute.array(run, "people/test/y_d") for run in arm]
        for arm in (third, runs.s_cnn()[: recompute.FEW])
    )
    assert [run["seed"] for run in third] == [0, 1, 2]
    table = rows["id+pos at phi_s / 3 (beside)"]["table"]
    np.testing.assert_allclose(table, np.subtract(mine, base))
    assert len(rows["id+pos"]["table"]) == len(LAPTOP.seeds)


def row_of(page, claim, label):
    section = page.split(f"(claim-{claim})=")[1]
    return next(line for line in section.splitlines() if line.startswith(f"| {label} |"))


def tampered(page, claim, label, place, change):
    """The page with one cell of a row changed."""
    row = row_of(page, claim, label)
    cells = row.split(" | ")
    cells[place] = change(cells[place])
    assert cells != row.split(" | ")
    before, after = page.split(f"(claim-{claim})=")
    return f"{before}(claim-{claim})={after.replace(row, ' | '.join(cells), 1)}"


def somewhat_more(cell):
    """The first number of a cell, larger by two of its last digit."""
    text = cell.strip("[").split(f",{NO_BREAK}")[0].replace("\N{MINUS SIGN}", "-")
    digits = len(text.partition(".")[2])
    more = f"{float(text) + 2 * 10.0**-digits:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return cell.replace(text.replace("-", "\N{MINUS SIGN}"), more, 1)


@pytest.mark.parametrize(
    ("place", "change", "what"),
    [
        (1, somewhat_more, "mean"),
        (2, somewhat_more, "over seeds"),
        (3, somewhat_more, "seeds, people"),
        (3, lambda cell: "–", "seeds, people"),
        (4, lambda cell: "not settled |", "result"),
    ],
)
def test_a_changed_cell_is_found(results, page, tmp_path, capsys, place, change, what):
    changed = tampered(page, "y1", "id+all", place, change)
    assert check(results, changed, tmp_path) == 1
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith(f"Y1, id+all: {what} is ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("## Y1: holds", "## Y1: not settled"),
        ("| **holds** |\n", "| **not settled** |\n"),
        ("**Verdict: holds.**", "**Verdict: not settled.**"),
        ("## Y15: not tested", "## Y15: holds"),
        ("preset `laptop`", "preset `gpu`"),
        ("[Y13]", "[Y16]"),
    ],
)
def test_a_changed_verdict_or_heading_is_found(results, page, tmp_path, old, new):
    assert old in page
    assert check(results, page.replace(old, new, 1), tmp_path) == 1


@pytest.mark.parametrize("label", ["id+exp: profiles", "id+all: profiles minus frontal"])
def test_rows_have_partners_on_both_sides(results, page, tmp_path, capsys, label):
    row = row_of(page, "y2", label)
    assert check(results, page.replace(row + "\n", ""), tmp_path) == 1
    assert f"Y2, {label}: not on the page" in capsys.readouterr().out
    other = row.replace(label, f"{label} (beside)")
    assert check(results, page.replace(row, f"{row}\n{other}"), tmp_path) == 1
    assert f"Y2, {label} (beside): only on the page" in capsys.readouterr().out
    assert check(results, page.replace(row, f"{row}\n{row}"), tmp_path) == 1
    assert f"Y2, {label}: on the page twice" in capsys.readouterr().out


def test_luck_in_shuffles_is_forgiven_and_no_more(results, page, tmp_path, capsys):
    label = "identity apart: identity and pose"
    claim = recompute.recomputed(recompute.Runs(results, "laptop"))["Y9"]
    (row,) = (row for row in claim["rows"] if row["label"] == label)
    luck, _ = recompute.luck_of(row)
    mean = row["interval"]["mean"]
    for moved, status in ((0.9 * luck, 0), (-0.9 * luck, 0), (1.1 * luck + 0.1, 1)):
        changed = tampered(page, "y9", label, 1, lambda cell, moved=moved: f"{mean + moved:+.3f}")
        assert check(results, changed, tmp_path) == status


def test_luck_may_change_an_outcome_between_borders():
    values = np.array([-0.47, -0.34])  # ends at -1.2 and 0.4, where luck moves them by 1.6
    row = recompute.part("apart", {"values": values, "luck": np.array([0.03, 0.03])})
    said = {"mean": "−0.4", "over seeds": f"[−0.9,{NO_BREAK}+0.1]", "result": "no difference"}
    assert recompute.outcome_of(row) == "does not hold"
    assert recompute.against_row(row, said, "does not hold") == ([], "no difference")
    certain = recompute.part("apart", {"values": values})
    wrong, _ = recompute.against_row(certain, said, "does not hold")
    assert wrong == ["over seeds", "result"]


# --- statistics ---------------------------------------------------------------------------------


@pytest.mark.parametrize("of_people", [0.0, 0.1, 3.0])
def test_the_interval_over_people_is_that_of_mean_squares(of_people):
    rng = np.random.default_rng(5)
    table = rng.normal(0.3, 1, (5, 30)) + rng.normal(0, 0.2, (5, 1))
    table += of_people * rng.normal(0, 1, 30)
    found, expected = recompute.over_people(table), crossed_interval(table)
    for name in ("mean", "low", "high"):
        assert found[name] == pytest.approx(getattr(expected, name), rel=1e-9)
    assert found["p"] == pytest.approx(expected.p_value, rel=1e-9)


def test_the_interval_ignores_people_whom_chance_makes_too_alike():
    table = np.array([[1.0, -1.0, 2.0], [-1.0, 1.0, 1.0], [0.0, 0.5, 0.0]])
    found, expected = recompute.over_people(table), crossed_interval(table)
    assert expected.df == 2
    assert [found["low"], found["high"]] == pytest.approx([expected.low, expected.high])


@pytest.mark.parametrize("values", [[1.0, 2.0, 4.0], [0.1, 0.1, 0.1], [0.0, 0.0, 0.0]])
def test_the_interval_over_seeds_is_students(values):
    found, expected = recompute.over_seeds(np.array(values)), mean_interval(values)
    assert [found["low"], found["high"]] == pytest.approx([expected.low, expected.high])
    assert found["p"] == pytest.approx(expected.p_value)


def test_shuffles_are_averaged_without_a_draw(monkeypatch):
    rng = np.random.default_rng(2)
    table = rng.gamma(0.5, 1.0, (4, 5))
    monkeypatch.setattr(recompute, "energies", lambda run: table)
    p, q = table[0] / table[0].sum(), table[2] / table[2].sum()

    def index(other):
        mixed = (p + other) / 2
        return 100 * (0.5 * (p @ np.log2(p / mixed)) + 0.5 * (other @ np.log2(other / mixed)))

    null = [index(q[list(order)]) for order in itertools.permutations(range(5))]
    excess, luck = recompute.apart({}, "id", "illum")
    assert excess == pytest.approx(index(q) - np.mean(null))
    assert luck == pytest.approx(np.std(null) / recompute.PAGE_SHUFFLES**0.5)


# --- judging ------------------------------------------------------------------------------------

ENDS = [(1.5, 3.0), (0.2, 0.6), (-0.5, 0.5), (-3.0, 0.5), (-1.0, 4.0)]
"""An interval of each outcome."""


def both_verdicts(parts, intervals):
    """The package's verdict and the script's, of parts with these intervals."""
    statements = {part.statement for part in parts if part.role != "beside"}
    claim = claim_of(*parts, logic="each" if len(statements) > 1 else "every")
    effects = {p.label: effect(*ends) for p, ends in zip(parts, intervals, strict=True)}
    rows = []
    for one in parts:
        found = effects[one.label].judged
        numbers = {"low": found.low, "high": found.high, "p": found.p_value}
        rows.append({"label": one.label, "role": one.role, "statement": one.statement,
                     "smallest": 1.0, "falls": one.direction == "less",
                     "interval": numbers})  # fmt: skip
    outcomes = {row["label"]: recompute.outcome_of(row) for row in rows}
    judgement = judge(claim, effects)
    return (judgement.verdict, dict(judgement.outcomes)), (
        recompute.verdict_of(rows, outcomes),
        outcomes,
    )


ROLES = ("decides", "trivial", "beside")


@pytest.mark.parametrize("roles", list(itertools.product(("decides",), ROLES, ROLES)))
@pytest.mark.parametrize("statements", ["aaa", "aab", "abc"])
def test_the_rule_is_that_of_the_words_for_all_outcomes(roles, statements):
    parts = [
        Part(str(place), never, role=role, statement=statement)
        for place, (role, statement) in enumerate(zip(roles, statements, strict=True))
    ]
    # the last one is barely there, so that it stands only where it is the only statement
    ends = [*ENDS, (0.05, 3.0)]
    for intervals in itertools.product(ends, repeat=3):
        theirs, ours = both_verdicts(parts, intervals)
        assert ours == theirs


@pytest.mark.parametrize("ends", [(0.0, 2.0), (-1.0, 0.5), (0.5, 1.0), (-0.5, 1.0), (-1.0, 1.0)])
def test_outcomes_agree_at_their_borders_both_ways(ends):
    for direction in ("greater", "less"):
        for low, high in (ends, (-ends[1], -ends[0])):
            theirs, ours = both_verdicts([Part("a", never, direction=direction)], [(low, high)])
            assert ours == theirs


# --- what must not be compared ------------------------------------------------------------------


def test_arms_that_were_trained_otherwise_are_not_compared(results):
    runs = recompute.Runs(results, "laptop")
    people = {"people": 75, "steps": LAPTOP.steps}
    few = runs.of("side_task_gains", first=recompute.FEW, phi_s=0.3, **people)
    with pytest.raises(ValueError, match="differ in people too"):
        recompute.difference(few, runs.s_cnn(), recompute.RANK1)
    other = json.loads(json.dumps(few[0], default=str))
    other["hardware"]["gpu"] = "another"
    with pytest.raises(ValueError, match="differ in gpu too"):
        recompute.require_alike(few[0], other)


def test_energies_are_sums_of_the_stored_weights(results):
    run = recompute.Runs(results, "laptop").m_cnn()[0]
    stored = recompute.energies(run)
    assert stored.shape == (4, DIMENSIONS)
    fewer = run | {"config": run["config"] | {"people": 75}}
    with pytest.raises(ValueError, match="has not 75 classes"):
        recompute.energies(fewer)


@pytest.mark.parametrize("phi_s", sorted(set(PHI_GRID) - {CHOICE.phi_s}))
def test_another_choice_on_validation_people_is_noticed(results, phi_s):
    runs = recompute.Runs(results, "laptop")
    assert (runs.phi_s, runs.factor) == (CHOICE.phi_s, CHOICE.feature_l2)
    others = recompute.Runs(results, "laptop")
    stored = {(run["arm"], run["seed"]): run for run in others.stored["weighting_rules"]}
    for config in EXPERIMENTS["weighting_rules"].configs(LAPTOP):
        validation = stored[config.arm, config.seed]["metrics"]["validation"]
        validation["rank1"]["y_d"]["overall"] = liking(config, Choice(phi_s, CHOICE.feature_l2))
    assert others.phi_s == phi_s


@pytest.mark.parametrize(
    ("values", "peak"), [([0.1, 0.4, 0.5, 0.4], 1.9), ([0.5, 0.4, 0.3, 0.6], 3)]
)
def test_the_top_of_a_parabola_or_the_best_is_chosen(values, peak):
    places = np.arange(4)
    square, linear, _ = np.polyfit(places, values, 2)
    expected = -linear / (2 * square) if square < 0 else np.argmax(values)
    assert expected == pytest.approx(peak, abs=0.1)
    assert recompute.peak_of(places, np.array(values)) == pytest.approx(expected)


# --- the claims about structures of tasks -------------------------------------------------------


@pytest.fixture(scope="module")
def structure_runs(tmp_path_factory):
    """A folder with every run that T1 to T8 ask for, of a world where the paper is right."""
    root = tmp_path_factory.mktemp("structures")
    for name in names_of_experiments(STRUCTURE_CLAIMS):
        for config in EXPERIMENTS[name].configs(LAPTOP):
            made = World(1, config, name)
            metrics = getattr(made, name)()
            store_run(EXPERIMENTS[name], LAPTOP, config, root, metrics=metrics, arrays=made.arrays)
    return root


def test_claims_about_structures_agree_with_their_page(structure_runs, tmp_path, capsys):
    page = ledger_markdown(CLAIMS, LAPTOP, root=structure_runs)
    assert check(structure_runs, page, tmp_path) == 0, capsys.readouterr().out[-2000:]
    claims = recompute.recomputed(recompute.Runs(structure_runs, "laptop"))
    found = {name: claims[name]["verdict"] for name in STRUCTURE_CLAIMS}
    assert found == dict.fromkeys(STRUCTURE_CLAIMS, "holds") | {"T2": "not tested"}
    labels = {name: {part.label for part in STRUCTURE_CLAIMS[name].parts} for name in found}
    rows = {
        name: {row["label"].removesuffix(f" ({row['role']})") for row in claims[name]["rows"]}
        for name in found
    }
    assert rows == labels


@pytest.mark.parametrize("claim", ["t1", "t4", "t5", "t6", "t8"])
def test_a_changed_row_about_structures_is_found(structure_runs, tmp_path, capsys, claim):
    page = ledger_markdown(CLAIMS, LAPTOP, root=structure_runs)
    part = next(part for part in STRUCTURE_CLAIMS[claim.upper()].parts if part.role == "decides")
    changed = tampered(page, claim, part.label, 1, somewhat_more)
    assert check(structure_runs, changed, tmp_path) == 1
    assert f"{claim.upper()}, {part.label}: mean is" in capsys.readouterr().out


def test_a_penalty_at_an_end_of_the_grid_leaves_t5_untested(structure_runs):
    runs = recompute.Runs(structure_runs, "laptop")
    for run in runs.stored["penalty_curves"]:
        run["metrics"]["gamma"]["4"]["validation"]["all"]["accuracy"] = 1.0
    assert GRID[4] == recompute.GRID[-1]
    claim = recompute.recomputed(runs)["T5"]
    assert (claim["verdict"], claim["why"]) == (
        "not tested",
        ["an end of the grid was chosen for gamma"],
    )
    assert "gamma ten times more" not in {row["label"] for row in claim["rows"]}
