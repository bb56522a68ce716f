"""Multi-PIE: the grammar of its paths, the settings of Yin & Liu, and an experiment on it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from fixture_sets.files import litter, picture, truncate
from fixture_sets.multipie import multipie_tree

from mtl_helpers import __main__ as cli
from mtl_helpers.datasets import DatasetError, get_adapter, real_spec
from mtl_helpers.datasets.multipie import SESSION_EXPRESSIONS, SETTINGS
from mtl_helpers.faces.corpora.pie import PieSpec
from mtl_helpers.faces.model.expression import EXPRESSIONS
from mtl_helpers.faces.scene.cameras import PIE_CAMERAS
from mtl_helpers.papers.yin2018.experiments import one_or_many
from mtl_helpers.papers.yin2018.experiments.choices import (
    L2_GRID,
    L2_SEEDS,
    PHI_GRID,
    Choice,
    choice_at,
)
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.runs.query import load_records
from mtl_helpers.runs.record import ResultsError, read_record
from mtl_helpers.runs.sweep import on_chosen_data, stored_or_rerun

ADAPTER = get_adapter("multipie")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = multipie_tree(tmp_path_factory.mktemp("multipie") / "with blanks")
    litter(place)
    return place


def facts(name: str) -> dict[str, object]:
    """What a path says, by cutting it at fixed places."""
    session = int(name[7:9])
    subject, recording, camera = name.split("/")[2:5]
    return {
        "subject": subject,
        "session": session,
        "camera": camera,
        "shot": int(name[-6:-4]),
        "expression": SESSION_EXPRESSIONS[session][int(recording) - 1],
    }


def test_labels_mean_what_those_of_the_rendered_corpus_mean(root: Path):
    table = ADAPTER.index(root, "V")
    spec = PieSpec(1, 0, 0, tuple(PIE_CAMERAS), tuple(range(20)), EXPRESSIONS, side=32)
    assert table.class_names["pos"] == tuple(map(str, spec.yaw_degrees))
    assert table.class_names["illum"] == tuple(map(str, spec.conditions))
    assert table.class_names["exp"] == spec.expressions
    for number, name in enumerate(table.files):
        fact = facts(name)
        rendered = spec.labels(spec.at(0, fact["camera"], fact["shot"], fact["expression"]))
        for task in ("pos", "illum", "exp"):
            assert table.labels[task][number] == rendered[task]
        assert table.identities[table.identity[number]] == fact["subject"]
    assert len(table) == len(set(table.files))


@pytest.mark.parametrize(
    ("setting", "sessions", "yaw", "shots", "expressions", "last"),
    [
        ("I", {1, 2, 3, 4}, 45, {7}, {"neutral"}, 200),
        ("II", {1}, 45, set(range(20)), {"neutral"}, 100),
        ("III", {1}, 90, set(range(20)), {"neutral"}, 150),
        ("IV", {1, 2, 3, 4}, 60, set(range(20)), {"neutral"}, 200),
        ("V", {1, 2, 3, 4}, 90, set(range(20)), set(EXPRESSIONS), 200),
    ],
)
def test_each_setting_takes_its_part(root, setting, sessions, yaw, shots, expressions, last):
    everything = [facts(name) | {"name": name} for name in ADAPTER.index(root, "V").files]
    low = setting in ("I", "II", "IV")  # only cameras at head height
    expected = {
        fact["name"]
        for fact in everything
        if fact["session"] in sessions
        and fact["shot"] in shots
        and fact["expression"] in expressions
        and abs(PIE_CAMERAS[fact["camera"]].label_deg) <= yaw
        and not (low and fact["camera"] in ("08_1", "19_1"))
    }
    table = ADAPTER.index(root, setting)
    assert set(table.files) == expected
    train = [table.files[n] for n in table.splits["train"]]
    test = [table.files[n] for n in table.splits["test"]]
    assert all(int(facts(name)["subject"]) <= last for name in train)
    assert all(int(facts(name)["subject"]) > last for name in test)
    assert len(train) + len(test) == len(table)


def test_settings_have_the_papers_numbers_of_cameras_and_lights():
    cameras = {name: len(setting.cameras) for name, setting in SETTINGS.items()}
    assert cameras == {"V": 15, "I": 7, "II": 7, "III": 15, "IV": 9}
    yaws = {name: len(setting.yaws) for name, setting in SETTINGS.items()}
    assert yaws == {"V": 13, "I": 7, "II": 7, "III": 13, "IV": 9}
    assert [len(SETTINGS[name].shots) for name in ("V", "I", "II")] == [20, 1, 20]
    # every subject in every session: 11 recordings, 15 cameras, 20 shots
    assert sum(map(len, SESSION_EXPRESSIONS.values())) == 11


def test_the_gallery_is_the_first_frontal_neutral_lit_picture(root: Path):
    table = ADAPTER.index(root, "V")
    names = [table.files[number] for number in table.galleries["test"]]
    # 203 did not come to the first session
    assert names == [
        "session01/multiview/201/01/05_1/201_01_01_051_07.png",
        "session02/multiview/203/01/05_1/203_02_01_051_07.png",
    ]
    assert sorted([*table.galleries["test"], *table.probes["test"]]) == sorted(table.splits["test"])


def test_whoever_has_no_gallery_picture_is_not_looked_for(tmp_path: Path):
    root = multipie_tree(tmp_path, subjects=(1, 201, 203), shots=(7,), absent=())
    for path in root.rglob("203_*_051_07.png"):
        path.unlink()
    table = ADAPTER.index(root, "V")
    asked = {facts(table.files[number])["subject"] for number in table.probes["test"]}
    assert asked == {"201"}
    assert "203" in {facts(table.files[number])["subject"] for number in table.splits["test"]}


def test_a_tuning_setting_holds_out_the_last_training_people(tmp_path: Path):
    train = tuple(range(1, 31))
    root = multipie_tree(tmp_path, (*train, 201), cameras=("05_1",), shots=(7,), absent=())
    table = ADAPTER.index(root, "I-tune")
    people = {
        split: sorted({facts(table.files[number])["subject"] for number in index})
        for split, index in table.splits.items()
    }
    assert people["validation"] == ["028", "029", "030"] and people["test"] == ["201"]
    assert people["train"] == [f"{number:03d}" for number in range(1, 28)]
    assert table.identity[table.splits["train"]].max() == 26
    assert len(table.galleries["validation"]) == 3
    assert "validation" not in ADAPTER.index(root, "I").splits


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("001_01_01_051_07.png", "002_01_01_051_07.png", "Expected the name 001_01_01_051_00.png"),
        ("001_01_01_051_07.png", "001_01_01_051_20.png", "found session01/multiview/001/01/05_1/"),
        ("001_01_01_051_07.png", "face.png", "Expected the name 001_01_01_051_00.png"),
        ("01/05_1", "01/05_7", "Expected cameras 11_0"),
        ("001/02", "001/03", "Expected recordings 01 to 02"),
        ("multiview/001", "multiview/347", "Expected subjects 001 to 346"),
        ("multiview/001", "multiview/1 b", "found '1 b'"),
        ("session01", "session05", "folder of a session that the setting asks for"),
    ],
)
def test_paths_against_the_grammar_are_named(tmp_path: Path, old: str, new: str, words: str):
    root = multipie_tree(tmp_path, (1, 201), cameras=("05_1",), shots=(7,), absent=())
    found = sorted(root.rglob("*"), key=lambda path: len(path.parts))
    path = next(path for path in found if path.as_posix().endswith(old))
    path.rename(path.as_posix().removesuffix(old) + new)
    with pytest.raises(DatasetError, match=re.escape(words)):
        ADAPTER.index(root)


def test_people_to_train_on_and_to_test_on_are_both_needed(tmp_path: Path):
    root = multipie_tree(tmp_path, (1, 2), cameras=("05_1",), shots=(7,), absent=())
    with pytest.raises(DatasetError, match="found 2 and 0"):
        ADAPTER.index(root)
    picture(root / "session01/multiview/201/01/05_1/201_01_01_051_00.png", 1)
    with pytest.raises(DatasetError, match="Expected a neutral picture by camera 05_1"):
        ADAPTER.index(root)


# -- the experiment -----------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The experiment at a few steps, in a place of its own."""
    tiny = replace(get_preset("smoke"), steps=3, warmup_steps=1, seeds=(0,), average_decay=0.0)
    monkeypatch.setitem(PRESETS, "smoke", tiny)
    monkeypatch.setattr(one_or_many, "PHI_GRID", (0.1,))
    monkeypatch.setattr(one_or_many, "L2_GRID", (1e-3,))
    monkeypatch.setenv("MTL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MTL_RESULTS", str(tmp_path / "results"))
    for name in ("MTL_DATA", "MTL_DATA_ROOT", "MTL_DATA_SETTING", "MTL_RERUN"):
        monkeypatch.delenv(name, raising=False)


def sweep(root: Path, *more: str) -> int:
    command = ["sweep", "one_or_many", "--preset", "smoke", "--processes", "1"]
    return cli.main([*command, "--data", "multipie", "--root", str(root), *more])


def test_one_or_many_runs_on_it_by_name_and_folder(
    root: Path, tmp_path: Path, small: None, monkeypatch, capsys
):
    assert sweep(root, "--setting", "I-tune") == 0
    assert "6 runs done, 0 were stored already, 0 failed." in capsys.readouterr().out
    folder = tmp_path / "results" / "yin2018" / "one_or_many" / "smoke-multipie"
    arms = {read_record(path).arm for path in folder.glob("*.json")}
    smooth = {"fixed-phi0-smooth0.1", "id+pos-phi0.1-smooth0.1"}
    assert arms == {"fixed-phi0", "id+pos-phi0.1", "pos", "id+L2-0.001"} | smooth
    text = "".join(path.read_text() for path in folder.glob("*.json"))
    assert str(tmp_path) not in text and root.name not in text
    record = next(read_record(path) for path in folder.glob("fixed-phi0-s0-*.json"))
    assert set(record.metrics) >= {"validation", "test"}
    assert record.config["corpus"]["setting"] == "I-tune"
    assert set(record.metric("test.rank1.y_d.by_yaw")) == {"-45", "0"}

    # stored runs are found by the environment, as a notebook does, and are not run again
    monkeypatch.setenv("MTL_DATA", "multipie")
    monkeypatch.setenv("MTL_DATA_ROOT", str(root))
    monkeypatch.setenv("MTL_DATA_SETTING", "I-tune")
    experiment = on_chosen_data(one_or_many.EXPERIMENT, get_preset("smoke"))
    assert {item.arm for item in stored_or_rerun(experiment, get_preset("smoke"))} == arms
    assert {item.arm for item in one_or_many.compared_runs(get_preset("smoke"))} == arms
    assert len(one_or_many.load_corpus(get_preset("smoke"))) == len(ADAPTER.index(root, "I-tune"))
    assert cli.main(["sweep", "one_or_many", "--preset", "smoke"]) == 0
    assert "0 runs done, 6 were stored already" in capsys.readouterr().out

    # and the check of stored runs knows them, wherever the set lies now
    monkeypatch.delenv("MTL_DATA_ROOT")
    monkeypatch.delenv("MTL_DATA")
    page = str(tmp_path / "claims.md")
    assert cli.main(["ledger", "--preset", "smoke", "--output", page]) == 0
    assert cli.main(["check", "--preset", "smoke", "--output", page]) == 0
    monkeypatch.setattr(one_or_many, "L2_GRID", (1e-2,))
    monkeypatch.setattr(one_or_many, "PUBLISHED", Choice(phi_s=0.1, feature_l2=1e-2))
    assert cli.main(["check", "--preset", "smoke", "--output", page]) == 1
    assert "that one_or_many/smoke-multipie no longer has" in capsys.readouterr().err


def test_official_settings_report_test_people_and_take_phi_s(root: Path, small):
    spec = real_spec("multipie", 32, 1, root=root)
    assert spec.tasks == ("id", "pos", "illum", "exp")
    runs = one_or_many.on(spec).configs(get_preset("smoke"))
    assert len(runs) == len(set(runs)) == 1 + 1 + 1 + 2 + 3 + 3 + 3
    assert {run.phi_s for run in runs} == {0.0, 0.1, 0.1 / 3}
    assert choice_at("smoke-multipie").phi_s == 0.1
    assert all(run.corpus == spec for run in runs)


def test_a_real_set_gets_every_network_of_the_table_in_float32(root: Path):
    spec, preset = real_spec("multipie", 32, 1, root=root), get_preset("laptop")
    runs = one_or_many.on(spec).configs(preset)
    keys = [(run.arm, run.seed) for run in runs]
    assert len(keys) == len(set(keys))
    side = ("pos", "illum", "exp")
    always = {"fixed-phi0", "id+L2-0.001", "fixed-phi0-smooth0.1", "fixed-phi0.1-smooth0.1"}
    always |= {f"fixed-phi{phi:g}" for phi in PHI_GRID} | set(side)
    seeds = dict.fromkeys(always | {f"id+{task}-phi0.1" for task in side}, preset.seeds)
    searched = {f"id+L2-{factor:g}" for factor in L2_GRID} - always
    seeds |= dict.fromkeys(searched, preset.seeds[:L2_SEEDS])
    shares = {f"id+{task}-phi0.0333" for task in side}
    seeds |= dict.fromkeys(shares, preset.seeds[: one_or_many.SHARE_SEEDS])
    assert set(keys) == {(arm, seed) for arm, trained in seeds.items() for seed in trained}
    for run in runs:
        assert run.plan.bfloat16 is False
        if run.arm.startswith("fixed-phi0-") or run.arm == "fixed-phi0":
            assert run.tasks == ("id",)
        elif run.arm.startswith("fixed"):
            assert run.tasks == ("id", *side) and run.rule == "fixed"
            assert run.arm.removesuffix("-smooth0.1") == f"fixed-phi{run.phi_s:g}"


def test_configurations_of_rendered_corpora_name_no_real_set():
    for run in one_or_many.configs(get_preset("laptop")):
        assert isinstance(run.corpus, PieSpec)
    assert one_or_many.EXPERIMENT.place(get_preset("laptop")) == "laptop"


def test_a_wrong_root_or_set_ends_in_a_sentence(tmp_path: Path, small, root: Path, capsys):
    assert sweep(tmp_path / "nowhere") == 2
    answer = capsys.readouterr().err
    assert answer.startswith("error: Expected the folder of Multi-PIE") and answer.count("\n") == 1
    assert cli.main(["sweep", "one_or_many", "--preset", "smoke", "--data", "nopie"]) == 2
    assert "Unknown data set 'nopie'" in capsys.readouterr().err
    assert sweep(root, "--setting", "VI") == 2
    assert "has no setting 'VI'" in capsys.readouterr().err


def test_a_set_without_side_tasks_cannot_answer_the_question(tmp_path: Path, small, capsys):
    picture(tmp_path / "casia" / "0000001" / "001.jpg", 1)
    command = ["sweep", "one_or_many", "--preset", "smoke", "--data", "casia_webface"]
    assert cli.main([*command, "--root", str(tmp_path / "casia")]) == 2
    assert "needs a set with labels of pos, illum, exp" in capsys.readouterr().err


def test_a_truncated_picture_stops_the_sweep_before_any_run(tmp_path: Path, small, capsys):
    root = multipie_tree(tmp_path / "broken", (1, 2, 201), cameras=("05_1",), shots=(7,), absent=())
    name = "session03/multiview/002/01/05_1/002_03_01_051_07.png"
    truncate(root / name)
    assert sweep(root) == 2
    assert name in capsys.readouterr().err
    assert not list((tmp_path / "results").rglob("*.json"))


def test_load_records_names_the_command_for_a_missing_run(root: Path, small):
    spec = real_spec("multipie", 32, 1, root=root)
    experiment, preset = one_or_many.on(spec), get_preset("smoke")
    with pytest.raises(ResultsError, match="--preset smoke --data multipie --root DIR"):
        load_records(experiment, preset)
