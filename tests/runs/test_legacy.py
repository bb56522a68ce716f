from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
from stored_runs import store_run
from toy_runs import SMOKE, TOY, Config

from mtl_helpers.presets import get_preset
from mtl_helpers.registry import EXPERIMENTS
from mtl_helpers.runs.config import config_dict, config_hash, whole_as_int
from mtl_helpers.runs.legacy import legacy_hash, rearranged
from mtl_helpers.runs.query import load_records
from mtl_helpers.runs.record import ResultsError, read_record
from mtl_helpers.runs.sweep import run_sweep

ROOT = Path(__file__).resolve().parents[2] / "results"


def sha256(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def store_old(root: Path, **changes: object) -> Path:
    """A record as schema 1 had it: its name is a hash of every field, some since gone."""
    new = store_run(TOY, SMOKE, Config(), root, metrics={"rank1": 0.5})
    body = json.loads(new.read_text())
    new.unlink()
    body["config"]["inner"]["weights"] = [1.0, 0.5]
    del body["paper"], body["checksum"]
    body |= {"schema": 1, "config_hash": sha256(whole_as_int(body["config"])), **changes}
    path = new.with_name(f"{body['arm']}-s{body['seed']}-{body['config_hash'][:8]}.json")
    path.write_text(json.dumps(body | {"checksum": sha256(body)}))
    return path


MODERN = dataclasses.replace(
    TOY, modernise=lambda record: rearranged(record, {"inner.weights": None, "inner.never": None})
)


def test_old_record_is_found_by_its_present_configuration(tmp_path: Path) -> None:
    path = store_old(tmp_path)
    with pytest.raises(ResultsError, match=r"inner.weights is \[1.0, 0.5\] there and absent now"):
        load_records(TOY, SMOKE, root=tmp_path)
    (record,) = load_records(MODERN, SMOKE, root=tmp_path)
    assert record.config == json.loads(json.dumps(config_dict(Config())))
    assert record.config_hash == config_hash(Config())
    assert (record.paper, record.metric("rank1"), record.path) == ("laboratory", 0.5, path)


def test_old_hash_is_of_every_field(tmp_path: Path) -> None:
    record = read_record(store_old(tmp_path))
    assert record.schema == 1 and "weights" in record.config["inner"]
    assert legacy_hash(record.config) == record.config_hash == sha256(whole_as_int(record.config))


def test_fields_move_and_go(tmp_path: Path) -> None:
    record = read_record(store_old(tmp_path))
    moves = {
        "inner.weights": None,
        "inner.tasks": "tasks",
        "inner.rate": "sgd.rate",
        "no.such": "x",
    }
    changed = rearranged(record, moves)
    assert changed.config == {
        "arm": "id",
        "seed": 0,
        "phi_s": 1.0,
        "tasks": ["id", "pos"],
        "sgd": {"rate": 0.1},
    }
    assert "weights" in record.config["inner"]


def test_changed_old_record_is_noticed(tmp_path: Path) -> None:
    path = store_old(tmp_path)
    path.write_text(path.read_text().replace("0.5", "0.6", 1))
    with pytest.raises(ResultsError, match="was changed after it was stored"):
        read_record(path)
    path.unlink()
    path = store_old(tmp_path, config_hash="0" * 64)
    with pytest.raises(ResultsError, match="hash of another configuration"):
        read_record(path)


def test_run_made_anew_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    old = store_old(tmp_path)
    assert run_sweep(MODERN, SMOKE, root=tmp_path, progress=False, processes=1).skipped == (old,)
    report = run_sweep(MODERN, SMOKE, root=tmp_path, progress=False, processes=1, rerun=True)
    assert not old.exists() and len(report.done) == 1
    (record,) = load_records(MODERN, SMOKE, root=tmp_path)
    assert (record.path, record.schema) == (report.done[0], 2)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_stored_runs_answer_to_the_present_configurations(name: str) -> None:
    experiment, preset = EXPERIMENTS[name], get_preset("laptop")
    records = load_records(experiment, preset, root=ROOT)
    assert len(records) == len(experiment.configs(preset)) > 0
    assert {record.paper for record in records} == {experiment.paper}
    assert len(records) == len(list(experiment.folder(preset, ROOT).glob("*.json")))
