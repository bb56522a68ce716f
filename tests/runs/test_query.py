from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from stored_runs import store_run
from toy_runs import SMOKE, TOY, Config, Inner, nothing

from mtl_helpers.presets import PRESETS
from mtl_helpers.runs.config import config_dict
from mtl_helpers.runs.experiment import Experiment
from mtl_helpers.runs.query import (
    load_records,
    one,
    paired_values,
    pairs,
    select,
    stored_runs,
    values,
)
from mtl_helpers.runs.record import Record, ResultsError, record_name


def store(root: Path, config: object = Config(), **more) -> Path:
    return store_run(TOY, SMOKE, config, root, **{"metrics": {"rank1": 0.5}, **more})


def load(root: Path, *configs: object) -> list[Record]:
    return load_records(TOY, SMOKE, configs, root=root)


# --- by configuration ---------------------------------------------------------------------------


def test_records_come_in_the_order_of_the_configurations(tmp_path: Path) -> None:
    configs = [Config(arm=arm, seed=seed) for seed in (1, 0) for arm in ("id+pos", "id")]
    for config in reversed(configs):
        store(tmp_path, config)
    store(tmp_path, Config(arm="of_no_interest"))
    records = load(tmp_path, *configs)
    assert [(record.arm, record.seed) for record in records] == [
        (config.arm, config.seed) for config in configs
    ]


def test_record_is_found_under_whatever_name(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Former(Config):
        phi_s: float = 0.5  # the default was another one, so the name was too

    path = store(tmp_path, Former(phi_s=1.0))
    assert path.name != record_name(Config())
    assert load(tmp_path, Config())[0].path == path


def test_field_that_is_new_is_filled_in(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Longer(Config):
        dropout: float = 0.4

    store(tmp_path, Config())
    (record,) = load(tmp_path, Longer())
    assert record.config == config_dict(Longer())
    assert one([record], dropout=0.4) == record
    with pytest.raises(ResultsError, match="dropout is absent there and 0.5 now"):
        load(tmp_path, Longer(dropout=0.5))
    store(tmp_path, Longer(seed=1))
    with pytest.raises(ResultsError, match="dropout is 0.4 there and absent now"):
        load(tmp_path, Config(seed=1))


def test_missing_run_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(
        ResultsError, match=r"toy/smoke/id-s0-.*'python -m mtl_helpers sweep toy --preset smoke'"
    ):
        load(tmp_path, Config())


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (Config(phi_s=0.3), "phi_s is 0.3 there and 1.0 now"),
        (Config(inner=Inner(rate=0.2)), r"inner.rate is 0.2 there and 0.1 now"),
        (
            Config(inner=Inner(tasks=("id",))),
            r"inner.tasks is \['id'\] there and \['id', 'pos'\] now",
        ),
    ],
)
def test_run_of_another_configuration_is_refused_by_field(
    tmp_path: Path, stored: Config, message: str
) -> None:
    path = store(tmp_path, stored)
    with pytest.raises(ResultsError, match=message) as caught:
        load(tmp_path, Config())
    assert path.name in str(caught.value)


def test_record_that_passes_for_another_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path, Config(phi_s=0.3))
    path.rename(path.with_name(record_name(Config())))
    with pytest.raises(ResultsError, match="holds the run"):
        load(tmp_path, Config())


@pytest.mark.parametrize("what", ["preset", "experiment"])
def test_record_moved_from_elsewhere_is_refused(tmp_path: Path, what: str) -> None:
    folder = store(tmp_path).parent
    other = dataclasses.replace(TOY, name="other") if what == "experiment" else TOY
    preset = PRESETS["laptop"] if what == "preset" else SMOKE
    other.folder(preset, tmp_path).parent.mkdir(exist_ok=True)
    folder.rename(other.folder(preset, tmp_path))
    with pytest.raises(ResultsError, match=f"belongs to the {what} '(smoke|toy)', not to"):
        load_records(other, preset, root=tmp_path)


def test_damaged_record_troubles_only_who_needs_it(tmp_path: Path) -> None:
    store(tmp_path)
    store(tmp_path, Config(seed=1)).write_text("{")
    assert len(load(tmp_path, Config())) == 1
    with pytest.raises(ResultsError, match="not whole JSON"):
        load(tmp_path, Config(seed=1))
    stored = stored_runs(TOY, SMOKE, tmp_path)
    assert (len(stored.records), len(stored.problems)) == (1, 1)


def test_all_of_an_experiment_are_loaded_without_a_list(tmp_path: Path) -> None:
    configs = [Config(seed=seed) for seed in range(3)]
    experiment = Experiment("toy", lambda preset: configs, nothing)
    for config in configs:
        store(tmp_path, config)
    assert [record.seed for record in load_records(experiment, SMOKE, root=tmp_path)] == [0, 1, 2]


# --- by field -----------------------------------------------------------------------------------

GRID = [
    Config(arm, seed, phi_s, Inner(rate, tasks))
    for arm, phi_s, rate, tasks in (
        ("fixed", 0.3, 0.1, ("id", "pos")),
        ("fixed2", 1.0, 0.1, ("id", "pos")),
        ("fast", 1.0, 0.2, ("id",)),
    )
    for seed in (1, 0, 2)
]


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    for number, config in enumerate(GRID):
        store(tmp_path, config, metrics={"rank1": number / 10, "by": {"0": 1.0}, "ok": True})
    return load(tmp_path, *GRID)


def arms(records: list[Record]) -> set[str]:
    return {record.arm for record in records}


def test_runs_are_selected_by_their_fields(records: list[Record]) -> None:
    assert arms(select(records, phi_s=0.3)) == {"fixed"}
    assert arms(select(records, phi_s=1)) == {"fixed2", "fast"}
    assert arms(select(records, phi_s=1.0, **{"inner.rate": 0.1})) == {"fixed2"}
    assert arms(select(records, **{"inner.tasks": ("id",)})) == {"fast"}
    assert arms(select(records, inner=Inner(0.2, ("id",)))) == {"fast"}
    assert arms(select(records, phi_s={0.1, 0.3})) == {"fixed"}
    assert arms(select(records, phi_s=lambda phi: phi > 0.5)) == {"fixed2", "fast"}
    assert arms(select(records, phi_s=0.1 + 0.2)) == {"fixed"}
    assert arms(select(records, experiment="toy", preset="smoke", arm="fast")) == {"fast"}
    assert len(select(records)) == len(records)


def test_selected_runs_are_in_the_order_of_seeds(records: list[Record]) -> None:
    assert [record.seed for record in select(reversed(records), arm="fast")] == [0, 1, 2]


def test_unknown_field_is_refused_with_its_neighbours(records: list[Record]) -> None:
    with pytest.raises(ResultsError, match=r"no field 'phi_S'; choose one of: phi_s"):
        select(records, phi_S=0.3)
    with pytest.raises(ResultsError, match=r"no field 'inner.rates'; choose one of: inner.rate"):
        select(records, **{"inner.rates": 0.3})
    with pytest.raises(ResultsError, match=r"no field 'zzz'; choose one of: arm, seed, phi_s, "):
        select(records, zzz=0.3)


def test_run_without_the_field_is_not_meant(records: list[Record], tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Other:
        arm: str = "other"
        seed: int = 0
        rule: str = "eq8"

    store(tmp_path, Other())
    mixed = [*records, *load(tmp_path, Other())]
    assert arms(select(mixed, rule={"eq8", None})) == {"other"}


def test_nothing_selected_says_what_there_is(records: list[Record]) -> None:
    with pytest.raises(ResultsError, match=r"with phi_s=0.2, seed=0; stored: phi_s 0.3, 1.0; seed"):
        select(records, phi_s=0.2, seed=0)
    with pytest.raises(ResultsError, match="no stored runs to look for phi_s=0.2 in"):
        select([], phi_s=0.2)


def test_one_run_is_one_run(records: list[Record]) -> None:
    assert one(records, phi_s=0.3, seed=2).arm == "fixed"
    with pytest.raises(ResultsError, match="found 2: they differ in arm, inner.rate, inner.tasks"):
        one(records, phi_s=1.0, seed=2)


# --- numbers ------------------------------------------------------------------------------------


def test_values_are_in_the_order_of_seeds(records: list[Record]) -> None:
    fixed = select(records, phi_s=0.3)
    assert values(reversed(fixed), "rank1").tolist() == [0.1, 0.0, 0.2]
    assert values(fixed, lambda run: run.seed * 2).tolist() == [0, 2, 4]
    assert values(fixed, "rank1").dtype == np.float64


def test_values_of_mixed_configurations_are_refused(records: list[Record]) -> None:
    with pytest.raises(ResultsError, match=r"the seed 0, .*they differ in arm, inner.rate"):
        values(select(records, phi_s=1.0), "rank1")
    with pytest.raises(ResultsError, match="they are the same"):
        values([records[0], records[0]], "rank1")


def test_values_are_one_number_a_run(records: list[Record]) -> None:
    for metric in ("by", "ok"):
        with pytest.raises(ResultsError, match="not one number a run"):
            values(records[:1], metric)
    with pytest.raises(ResultsError, match="no runs"):
        values([], "rank1")


def test_pairs_have_equal_seeds(records: list[Record]) -> None:
    first, second = select(records, arm="fixed"), select(records, arm="fast", seed={1, 2})
    assert [(a.seed, b.seed) for a, b in pairs(first, second)] == [(1, 1), (2, 2)]
    mine, theirs = paired_values(first, second, "rank1")
    assert mine.tolist() == [0.0, 0.2] and theirs.tolist() == [0.6, 0.8]
    mine, theirs = paired_values(first, second, "rank1", lambda run: run.seed)
    assert mine.tolist() == [0.0, 0.2] and theirs.tolist() == [1, 2]
    with pytest.raises(ResultsError, match=r"share no seed \(0 and 1\)"):
        pairs(select(first, seed=0), select(second, seed=1))


def test_files_that_systems_hide_are_no_records(tmp_path: Path) -> None:
    path = store(tmp_path)
    path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")  # macOS on a memory stick
    assert stored_runs(TOY, SMOKE, tmp_path).problems == ()
    assert [record.path for record in load(tmp_path, Config())] == [path]


def test_record_without_end_is_named(tmp_path: Path) -> None:
    path = store(tmp_path)
    path.write_text("[" * 100_000)
    with pytest.raises(ResultsError, match=f"{path.name} is not whole JSON"):
        load(tmp_path, Config())
