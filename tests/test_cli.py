from __future__ import annotations

import os
import re
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

from mtl_helpers import __main__ as cli
from mtl_helpers import registry as experiments
from mtl_helpers.faces.corpora.kinds import CORPORA
from mtl_helpers.ledger.claim import Claim, Part, over_runs
from mtl_helpers.presets import PRESETS
from mtl_helpers.runs.experiment import Experiment, Outcome


@dataclass(frozen=True)
class Toy:
    arm: str
    seed: int


def run(config: Toy) -> Outcome:
    if config.arm == "bad":
        raise ArithmeticError("diverged")
    return Outcome({"rank1": 0.5 + 0.1 * config.seed})


def configs(preset):
    return [Toy("a", seed) for seed in preset.seeds]


def bad_configs(preset):
    return [*configs(preset), Toy("bad", 0)]


TOY = Experiment("toy", configs, run)
CLAIM = Claim(
    "T1",
    "Toy (2018)",
    "It works.",
    "Table 1",
    experiments=(TOY,),
    parts=(Part("rank-1", lambda records: over_runs(records, lambda r: r.metric("rank1"))),),
    smallest_effect=0.1,
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(
        experiments,
        "EXPERIMENTS",
        {"toy": TOY, "bad": Experiment("bad", bad_configs, run)},
    )
    monkeypatch.setattr(experiments, "CLAIMS", {"T1": CLAIM})
    monkeypatch.setenv("MTL_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("MTL_PRESET", "smoke")
    monkeypatch.delenv("MTL_RERUN", raising=False)
    return tmp_path


def sweep(*more: str) -> int:
    return cli.main(["sweep", "toy", "--processes", "1", *more])


def test_presets_table_has_a_column_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["smoke", "laptop", "gpu"]

    def row(name: str) -> list[str]:
        line = next(line for line in lines if line.startswith(name))
        return re.split(r"\s{2,}", line)[1:]

    presets = PRESETS.values()
    assert row("images of pie") == [f"{preset.images:,}" for preset in presets]
    assert row("identities of pie") == [
        f"{p.train_identities}, {p.pie_validation_identities}, {p.pie_test_identities}"
        for p in presets
    ]
    assert row("people in a gallery") == [str(preset.gallery) for preset in presets]
    assert row("kernels are trained by") == ["Muon", "Muon", "SGD"]
    starts = [lines[0].index(name) for name in PRESETS]
    assert all(line[start - 1] == " " != line[start] for line in lines for start in starts)


def test_sweep_runs_and_then_skips(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep() == 0
    assert "2 runs done, 0 were stored already, 0 failed." in capsys.readouterr().out
    assert sweep() == 0
    assert "0 runs done, 2 were stored already" in capsys.readouterr().out
    assert sweep("--rerun") == 0
    assert "2 runs done" in capsys.readouterr().out
    assert sweep("--results", str(place / "other"), "--preset", "laptop") == 0
    assert len(list((place / "other" / "laboratory" / "toy" / "laptop").glob("*.json"))) == len(
        PRESETS["laptop"].seeds
    )


def test_without_a_name_every_experiment_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "--processes", "1"]) == 1  # "bad" fails once, and does not stop it
    captured = capsys.readouterr()
    assert "toy: 2 runs done, 0 were stored already, 0 failed." in captured.out
    assert "bad: 2 runs done" in captured.err


def test_several_experiments_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "toy", "toy", "--processes", "1"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("toy: 2 runs done") and second.startswith("toy: 0 runs done")


def test_failed_run_makes_the_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "bad", "--processes", "1"]) == 1
    captured = capsys.readouterr()
    assert "2 runs done" in captured.err and "Toy(arm='bad', seed=0)" in captured.err
    assert captured.out == ""


def test_sweep_help_lists_the_experiments(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "help"]) == 0
    assert capsys.readouterr().out.split() == ["toy", "bad"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "tyo"], "Unknown experiment 'tyo'; choose one of: toy, bad."),
        (["sweep", "toy", "--preset", "labtop"], "Unknown preset 'labtop'"),
        (
            ["sweep", "toy", "--data", "multipie", "--root", "nowhere"],
            "The experiment 'toy' runs on the rendered corpora only",
        ),
        (["ledger", "--preset", "labtop"], "Unknown preset 'labtop'"),
        (["corpus", "--preset", "labtop"], "Unknown preset 'labtop'"),
        (["corpus", "--corpus", "tame"], "Unknown corpus 'tame'; choose one of: pie, wild, "),
    ],
)
def test_wrong_names_end_in_a_sentence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: {message}") and captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["sweep", "toy", "--processes", "none"]])
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_ledger_is_written_and_checked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = place / "book" / "claims.md"
    output = ["--output", str(page)]
    assert cli.main(["ledger", "--check", *output]) == 1
    assert "claims.md is missing beside the stored runs; run" in capsys.readouterr().err
    assert not page.exists()
    assert cli.main(["ledger", *output]) == 0
    assert cli.main(["ledger", "--check", *output]) == 0
    assert "**not tested**" in page.read_text(encoding="utf-8")
    # new runs make the page stale
    assert sweep() == 0
    assert cli.main(["ledger", "--check", *output]) == 1
    assert "claims.md does not follow from the stored runs" in capsys.readouterr().err
    assert cli.main(["ledger", *output]) == 0
    assert cli.main(["ledger", "--check", *output]) == 0
    # and so does one changed digit
    text = page.read_text(encoding="utf-8")
    changed = re.sub(r"\| \+0\.", "| +1.", text, count=1)
    assert changed != text
    page.write_text(changed, encoding="utf-8")
    assert cli.main(["ledger", "--check", *output]) == 1


def test_check_finds_what_is_wrong(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = place / "claims.md"
    check = ["check", "--output", str(page)]
    assert sweep() == 0
    assert cli.main(["ledger", "--output", str(page)]) == 0
    assert cli.main(check) == 0
    assert "2 stored runs are whole, and the ledger follows from them." in capsys.readouterr().out

    first, second = sorted((place / "results" / "laboratory" / "toy" / "smoke").glob("*.json"))
    whole = first.read_text()
    first.write_text(whole.replace("0.5", "0.9"))
    assert cli.main(check) == 1
    assert capsys.readouterr().err.count("was changed after it was stored") == 1

    first.write_text(whole)
    experiments.EXPERIMENTS["toy"] = Experiment("toy", lambda preset: configs(preset)[:1], run)
    assert cli.main(check) == 1
    wrong = capsys.readouterr().err
    assert f"{second.name} is of a configuration that toy/smoke no longer has" in wrong

    del experiments.EXPERIMENTS["toy"]
    experiments.CLAIMS.clear()
    assert cli.main(check) == 1
    wrong = capsys.readouterr().err
    assert wrong.count("is of laboratory/toy/smoke, which is unknown") == 2
    assert "claims.md does not follow" in wrong


@pytest.mark.parametrize(
    ("arguments", "kind", "wanted"),
    [
        ([], "pie", {"processes": None, "repair": False}),
        (
            ["--corpus", "wild", "--processes", "2", "--repair"],
            "wild",
            {"processes": 2, "repair": True},
        ),
    ],
)
def test_corpus_builds_that_of_the_preset(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    kind: str,
    wanted: dict[str, object],
) -> None:
    asked = []

    def load_corpus(spec, **options):
        asked.append((spec, options))
        return types.SimpleNamespace(images=range(1170))

    monkeypatch.setattr("mtl_helpers.faces.corpora.kinds.load_corpus", load_corpus)
    assert cli.main(["corpus", *arguments]) == 0
    assert asked == [(CORPORA[kind].from_preset(PRESETS["smoke"]), wanted)]
    assert f"The {kind} corpus of the preset smoke is ready: 1,170" in capsys.readouterr().out


def refusing(data):
    raise ValueError(f"needs labels of pose, which {data} lacks")


def test_on_a_real_set_what_fits_is_swept(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mtl_helpers.datasets.chosen_data", lambda side, channels: "celeba")
    some = {
        "rendered": Experiment("rendered", bad_configs, run),
        "poses": Experiment("poses", bad_configs, run, on=refusing),
        "fits": Experiment("fits", bad_configs, run, on=lambda data: TOY),
    }
    monkeypatch.setattr(experiments, "EXPERIMENTS", some)
    every = ["sweep", "--processes", "1", "--data", "celeba", "--root", str(place)]
    assert cli.main(every) == 0
    assert "2 runs done" in capsys.readouterr().out
    named = ["sweep", "poses", *every[1:]]
    del some["fits"]
    for command in (every, named):
        assert cli.main(command) == 2
        assert "needs labels of pose, which celeba lacks" in capsys.readouterr().err


def test_all_corpora_are_built_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def load_corpus(spec, **options):
        asked.append(spec)
        return types.SimpleNamespace(images=range(3))

    monkeypatch.setattr("mtl_helpers.faces.corpora.kinds.load_corpus", load_corpus)
    assert cli.main(["corpus", "--corpus", "all", "--preset", "smoke"]) == 0
    assert asked == [kind.from_preset(PRESETS["smoke"]) for kind in CORPORA.values()]
    assert capsys.readouterr().out.count("is ready") == len(CORPORA)


def test_interruption_says_that_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr("mtl_helpers.runs.sweep.run_sweep", interrupted)
    assert sweep() == 130
    assert "what was finished is kept" in capsys.readouterr().err


def test_module_runs_as_a_program_from_any_folder(tmp_path: Path) -> None:
    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mtl_helpers", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **environment},
        )

    good = call("presets")
    assert good.returncode == 0 and "laptop" in good.stdout and good.stderr == ""
    bad = call("sweep", "no_such_experiment", MTL_PRESET="smoke")
    assert bad.returncode == 2
    assert "Traceback" not in bad.stderr and bad.stderr.startswith("error: Unknown experiment")


def test_reader_that_stops_early_is_no_error() -> None:
    command = f"{sys.executable} -u -m mtl_helpers presets | head -n 1"
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert answer.stdout.split() == ["smoke", "laptop", "gpu"]
    assert "Traceback" not in answer.stderr and "BrokenPipe" not in answer.stderr


def test_a_page_that_cannot_be_written_is_one_sentence(place: Path, capsys):
    (place / "folder").mkdir()
    (place / "file").write_bytes(b"")
    for page in ("folder", "file/page.md"):
        assert cli.main(["ledger", "--output", str(place / page)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all(line.startswith("error: ") and "could not be stored" in line for line in errors)


def test_a_page_that_is_no_text_is_stale(place: Path, capsys):
    page = place / "page.md"
    page.write_bytes(b"\xff\xfe")
    assert cli.main(["ledger", "--check", "--output", str(page)]) == 1
    assert "page.md does not follow from the stored runs" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["ledger", "check"])
def test_a_mistyped_results_folder_empties_no_page(command: str, place: Path, capsys):
    page = place / "page.md"
    page.write_text("kept")
    assert cli.main([command, "--results", str(place / "reslts"), "--output", str(page)]) == 2
    assert "Expected the folder of stored runs at" in capsys.readouterr().err
    assert page.read_text() == "kept"


def test_other_troubles_with_files_are_one_sentence(monkeypatch, capsys):
    def fail(options):
        raise PermissionError(13, "Permission denied", "a/file")

    monkeypatch.setattr(cli, "_presets", fail)
    assert cli.main(["presets"]) == 2
    assert capsys.readouterr().err == "error: a/file: Permission denied.\n"


def test_a_home_that_nobody_has_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setenv("MTL_RESULTS", "~nobody_of_that_name/results")
    assert cli.main(["check"]) == 2
    assert "Write paths without ~." in capsys.readouterr().err
