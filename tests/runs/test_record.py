from __future__ import annotations

import dataclasses
import errno
import getpass
import hashlib
import json
import math
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from stored_runs import store_run
from toy_runs import SMOKE, TOY, Config

from mtl_helpers import machine
from mtl_helpers.machine import StorageError
from mtl_helpers.runs.config import config_dict, config_hash
from mtl_helpers.runs.record import (
    ResultsError,
    clean_leftovers,
    delete_record,
    provenance_line,
    read_record,
    record_name,
    results_root,
)

TESTS = Path(__file__).resolve().parents[1]


def store(root: Path, config: object = Config(), **more) -> Path:
    return store_run(
        TOY, SMOKE, config, root, **{"metrics": {"rank1": 0.5}, "seconds": 1.5, **more}
    )


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- write and read -----------------------------------------------------------------------------


def test_record_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    path = store(
        tmp_path,
        metrics={
            "rank1": {"y_d": np.float32(0.25), "x": torch.tensor(0.5)},
            "by_yaw": {-90: 0.1 + 0.2, 0: math.nan, 90: -math.inf},
            "chosen": "0.3",
            "hits": np.array([True, False]),
        },
        curves={"loss": np.array([3.0, 2.5]), "step": torch.tensor([0, 100])},
        arrays={"mu": np.arange(6.0).reshape(2, 3), "ids": torch.tensor([4, 5])},
        threads=2,
    )
    assert path == TOY.folder(SMOKE, tmp_path) / record_name(Config())
    assert path.name == f"id-s0-{config_hash(Config())[:8]}.json"
    record = read_record(path)
    assert record.metric("rank1.y_d") == 0.25 and record.metric("rank1.x") == 0.5
    assert record.metric("by_yaw.-90") == 0.1 + 0.2
    assert math.isnan(record.metric("by_yaw.0")) and record.metric("by_yaw.90") == -math.inf
    assert record.metric("chosen") == "0.3" and record.metric("hits") == [True, False]
    assert record.curves == {"loss": [3.0, 2.5], "step": [0, 100]}
    assert record.config == config_dict(Config())
    assert (record.arm, record.seed, record.seconds) == ("id", 0, 1.5)
    arrays = record.arrays()
    assert set(arrays) == {"mu", "ids"}
    assert (arrays["mu"] == np.arange(6.0).reshape(2, 3)).all()
    assert arrays["ids"].tolist() == [4, 5]
    assert record.array("ids").tolist() == [4, 5] and record.array("nu") is None


def test_record_without_arrays_has_none(tmp_path: Path) -> None:
    path = store(tmp_path)
    assert read_record(path).arrays() == {} and read_record(path).array("mu") is None
    assert files(path.parent) == [path.name]


def test_unknown_metric_names_those_that_are_there(tmp_path: Path) -> None:
    record = read_record(store(tmp_path, metrics={"rank1": {"y_d": 0.5, "x": 0.4}}))
    with pytest.raises(ResultsError, match=r"no metric 'rank1.z'; rank1 has: y_d, x"):
        record.metric("rank1.z")
    with pytest.raises(ResultsError, match="a plain value"):
        record.metric("rank1.x.more")


def test_record_says_under_what_circumstances_it_was_made(tmp_path: Path) -> None:
    body = json.loads(store(tmp_path, threads=3).read_text())
    assert set(body["hardware"]) == {"cpu", "cores", "threads", "ram_gib", "gpu"}
    assert body["hardware"]["threads"] == 3 and body["hardware"]["cores"] >= 1
    assert body["hardware"]["cpu"]
    assert body["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert body["versions"]["numpy"] == np.__version__
    assert set(body["versions"]) == {"python", "torch", "numpy", "warp", "mtl_helpers"}
    assert len(body["code_version"]["sources"]) == 16
    age = time.time() - time.mktime(time.strptime(body["date"], "%Y-%m-%dT%H:%M:%SZ"))
    assert abs(age + time.timezone) < 60


def test_record_names_no_machine_person_or_path(tmp_path: Path) -> None:
    path = store(tmp_path, arrays={"a": np.zeros(3)})
    text = path.read_text()
    for telling in (str(Path.home()), str(tmp_path), os.getcwd(), sys.prefix, "/work", "/tmp"):
        assert telling not in text
    strings = []

    def collect(value: object) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                collect(key)
                collect(item)
        elif isinstance(value, list):
            for item in value:
                collect(item)
        elif isinstance(value, str):
            strings.append(value)

    collect(json.loads(text))
    assert strings
    assert socket.gethostname() not in strings
    assert getpass.getuser() not in strings
    assert not any(value.startswith(("/", "~")) for value in strings)
    with pytest.raises(ValueError, match=r"metrics.where holds the path"):
        store(tmp_path, metrics={"where": str(tmp_path)})


def test_places_do_not_depend_on_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MTL_RESULTS", raising=False)
    before = results_root()
    monkeypatch.chdir(tmp_path)
    assert results_root() == before
    assert before == Path(__file__).resolve().parents[2] / "results"
    monkeypatch.setenv("MTL_RESULTS", str(tmp_path / "elsewhere"))
    assert results_root() == tmp_path / "elsewhere"
    monkeypatch.setattr(machine, "_PACKAGE", tmp_path / "wheel" / "mtl_helpers")
    assert machine.project_root() == tmp_path


def test_writing_again_replaces_record_and_arrays(tmp_path: Path) -> None:
    first = store(tmp_path, arrays={"a": np.zeros(3)})
    second = store(tmp_path, arrays={"a": np.ones(3)}, metrics={"rank1": 0.75})
    assert first == second
    record = read_record(second)
    assert record.metric("rank1") == 0.75 and record.arrays()["a"].tolist() == [1, 1, 1]
    assert len(files(first.parent)) == 2
    store(tmp_path)
    assert files(first.parent) == [first.name]


def test_arrays_of_python_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="'a' holds Python objects"):
        store(tmp_path, arrays={"a": np.array([{}, []], dtype=object)})
    assert list(tmp_path.rglob("*.*")) == []


def test_unstorable_metrics_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"metrics.f is a function"):
        store(tmp_path, metrics={"f": lambda: 0})
    with pytest.raises(TypeError, match="keys must be strings or whole numbers"):
        store(tmp_path, metrics={(1, 2): 0})
    assert list(tmp_path.rglob("*.*")) == []


def test_deleted_record_takes_its_arrays_along(tmp_path: Path) -> None:
    path = store(tmp_path, arrays={"a": np.zeros(3)})
    other = store(tmp_path, Config(seed=1), arrays={"a": np.zeros(3)})
    delete_record(path)
    assert {name.split("-")[1] for name in files(path.parent)} == {"s1"}
    read_record(other)


TRAINING = {
    "weights": {"id": 1.0, "pos": 0.3},
    "losses": {"id": 0.5},
    "accuracy": {"id": 0.9},
    "passes": 2.5,
    "images": 1000,
    "seconds": 3.5,
}


def test_record_says_what_happened_in_training(tmp_path: Path) -> None:
    record = read_record(store(tmp_path, metrics={"training": TRAINING}))
    assert record.metric("training") == TRAINING
    assert record.metric("training.weights.pos") == 0.3


@pytest.mark.parametrize(("name", "wrong"), [("weights", [1.0]), ("passes", "2"), ("images", True)])
def test_what_happened_has_one_shape(tmp_path: Path, name: str, wrong: object) -> None:
    with pytest.raises(TypeError, match=rf"metrics\.training\.{name} should be a"):
        store(tmp_path, metrics={"training": TRAINING | {name: wrong}})


def test_results_by_person_come_back(tmp_path: Path) -> None:
    shares = np.array([0.25, 1.0, 0.0], dtype=np.float32)
    record = read_record(store(tmp_path, arrays={"people/test/y_d": shares, "mu": np.zeros(2)}))
    assert (record.people("test", "y_d") == shares).all()
    with pytest.raises(ResultsError, match=r"'people/test/x'; it has: people/test/y_d;"):
        record.people("test", "x")


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros((3, 1), np.float32)])
def test_results_by_person_have_one_shape(tmp_path: Path, wrong: np.ndarray) -> None:
    with pytest.raises(TypeError, match=r"'people/test/x' should be float32 of shape \(people,\)"):
        store(tmp_path, arrays={"people/test/x": wrong})


# --- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing_write", [0, 1])
@pytest.mark.parametrize("already_there", [False, True])
def test_full_disk_ends_in_a_sentence_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing_write: int, already_there: bool
) -> None:
    arrays = {"a": np.arange(4)}
    if already_there:
        store(tmp_path, arrays=arrays, metrics={"rank1": 0.1})
    writes = []
    original = os.fsync

    def full(handle: int) -> None:
        # folders are flushed too; only files fill a disk
        if os.path.isfile(f"/proc/self/fd/{handle}"):
            writes.append(handle)
            if len(writes) == failing_write + 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"The disk is full: id-s0-.*free some space"):
        store(tmp_path, arrays=arrays, metrics={"rank1": 0.9})
    monkeypatch.undo()
    folder = TOY.folder(SMOKE, tmp_path)
    if already_there:
        (path,) = folder.glob("*.json")
        record = read_record(path)
        assert record.metric("rank1") == 0.1 and record.arrays()["a"].tolist() == [0, 1, 2, 3]
        assert len(files(folder)) == 2
    else:
        assert files(folder) == []


def test_unwritable_place_ends_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "laboratory").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="could not be stored .* make its folder"):
        store(tmp_path)


def test_hand_edited_record_is_noticed(tmp_path: Path) -> None:
    path = store(tmp_path, metrics={"rank1": 0.5})
    text = path.read_text()
    path.write_text(text.replace("0.5", "0.6"))
    with pytest.raises(ResultsError, match="was changed after it was stored"):
        read_record(path)
    # reindenting is no change of content
    path.write_text(json.dumps(json.loads(text), indent=4))
    assert read_record(path).metric("rank1") == 0.5


def test_every_truncation_of_a_record_is_noticed(tmp_path: Path) -> None:
    path = store(tmp_path)
    whole = path.read_bytes()
    for length in range(0, len(whole.rstrip()), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ResultsError, match="not whole JSON"):
            read_record(path)


def resealed(path: Path, **changes: object) -> None:
    """Edit a record and give it a fitting checksum, as somebody bent on it could."""
    body = {**json.loads(path.read_text()), **changes}
    body.pop("checksum")
    body = {key: value for key, value in body.items() if value != "absent"}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    body["checksum"] = hashlib.sha256(canonical.encode()).hexdigest()
    path.write_text(json.dumps(body))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 99}, "has schema 99, this code reads schema 2"),
        ({"metrics": "absent"}, "lacks the field 'metrics'"),
        ({"metrics": [1]}, "has a list as 'metrics'"),
        ({"seed": True}, "has a bool as 'seed'"),
        ({"paper": "absent"}, "lacks the field 'paper'"),
        ({"remark": "better"}, "has the field 'remark', which records do not have"),
        ({"seed": 5}, "holds the run id-s5"),
        ({"arrays": {"file": "../x.npz", "sha256": "0"}}, "does not say which arrays"),
        ({"arrays": {"file": "x.npz", "sha256": "0"}}, "x.npz of a stored run could not be read"),
    ],
)
def test_records_that_contradict_themselves_are_refused(
    tmp_path: Path, changes: dict, message: str
) -> None:
    path = store(tmp_path)
    resealed(path)
    read_record(path)
    resealed(path, **changes)
    with pytest.raises(ResultsError, match=message):
        read_record(path)


def test_file_that_is_no_object_or_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(ResultsError, match="not a JSON object"):
        read_record(tmp_path / "a.json")
    with pytest.raises(ResultsError, match="could not be read"):
        read_record(tmp_path / "b.json")


def test_changed_or_missing_arrays_are_noticed(tmp_path: Path) -> None:
    path = store(tmp_path, arrays={"a": np.zeros(3)})
    (beside,) = path.parent.glob("*.npz")
    data = bytearray(beside.read_bytes())
    data[len(data) // 2] ^= 1
    beside.write_bytes(data)
    with pytest.raises(ResultsError, match="not those that were stored"):
        read_record(path)
    beside.unlink()
    with pytest.raises(ResultsError, match="could not be read"):
        read_record(path)


def test_leftovers_of_a_killed_writer_alone_are_cleaned(tmp_path: Path) -> None:
    path = store(tmp_path, arrays={"a": np.zeros(3)})
    folder = path.parent
    kept = files(folder)
    (folder / f".{path.name}.part").write_text('{"half')
    (folder / "id-s1-00000000-11111111.npz").write_bytes(b"no record points here")
    assert clean_leftovers(folder) == [
        f".{path.name}.part",
        "id-s1-00000000-11111111.npz",
    ]
    assert files(folder) == kept
    path.write_text("damaged")
    assert clean_leftovers(folder) == []
    assert files(folder) == kept
    assert clean_leftovers(tmp_path / "absent") == []


WRITER = """
import sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[2])
from stored_runs import store_run
from toy_runs import SMOKE, TOY, Config

n = 0
while True:
    arrays = {"n": np.full(2000, n)}
    metrics = {"n": n, "more": list(range(2000))}
    store_run(TOY, SMOKE, Config(), Path(sys.argv[1]), metrics=metrics, arrays=arrays)
    n += 1
    print(n, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_writer_killed_at_any_moment_leaves_a_whole_record(tmp_path: Path) -> None:
    rng = random.Random(0)
    for _ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(TESTS)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(rng.uniform(0, 0.1))
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.wait()
        stored = int(rest[-1]) if rest else 1
        (path,) = (TOY.folder(SMOKE, tmp_path)).glob("*.json")
        record = read_record(path)
        # the last one reported, or the one that was just being written
        assert record.metric("n") in (stored - 1, stored)
        assert (record.arrays()["n"] == record.metric("n")).all()
        clean_leftovers(path.parent)
        assert len(files(path.parent)) == 2


def test_provenance_line_tells_runs_machines_dates_and_code(tmp_path: Path) -> None:
    record = read_record(store(tmp_path))
    fixed = dataclasses.replace(
        record,
        hardware={"cpu": "Some CPU", "cores": 2, "threads": 1, "ram_gib": 7.5, "gpu": None},
        code_version={"commit": "0123456789abcdef", "dirty": True, "sources": "f" * 16},
        date="2026-01-02T03:04:05Z",
        seconds=90.0,
    )
    later = dataclasses.replace(
        fixed,
        seed=1,
        date="2026-01-04T00:00:00Z",
        hardware={**fixed.hardware, "gpu": "Some GPU", "cores": 1, "threads": 2},
        code_version={"commit": None, "dirty": None, "sources": "f" * 16},
        seconds=7200.0,
    )
    assert provenance_line([]) == "no stored runs"
    assert provenance_line([fixed]) == (
        "1 stored run, seed 0, preset smoke; Some CPU, 2 cores, 1 thread a run; 2026-01-02; "
        "code 01234567 with changes; 90 s of computing"
    )
    assert provenance_line([fixed, later]) == (
        "2 stored runs, seeds 0, 1, preset smoke; Some CPU, 2 cores, 1 thread a run; "
        "Some GPU, Some CPU, 1 core, 2 threads a run; 2026-01-02 to 2026-01-04; "
        "code 01234567 with changes, sources ffffffff; 2.0 h of computing"
    )
    assert "5 min of computing" in provenance_line([dataclasses.replace(fixed, seconds=300.0)])
