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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from mtl_helpers import machine
from mtl_helpers.machine import StorageError
from mtl_helpers.runs import record as results
from mtl_helpers.runs.record import (
    Record,
    ResultsError,
    clean_leftovers,
    config_dict,
    config_hash,
    load_records,
    provenance_line,
    read_record,
    record_path,
    seed_values,
    write_record,
)


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    tasks: tuple[str, ...] = ("id", "pos")


@dataclass(frozen=True)
class Config:
    arm: str = "id"
    seed: int = 0
    phi_s: float = 1.0
    inner: Inner = Inner()


def store(root: Path, config: object = Config(), **more) -> Path:
    more = {"metrics": {"rank1": 0.5}, "seconds": 1.5, **more}
    return write_record("toy", "smoke", config, root=root, **more)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- hashes -------------------------------------------------------------------------------------


def test_hash_is_sha256_of_canonical_json() -> None:
    # whole numbers have no point, keys are sorted, tuples are lists
    text = '{"arm":"id","inner":{"rate":0.1,"tasks":["id","pos"]},"phi_s":1,"seed":0}'
    assert config_hash(Config()) == hashlib.sha256(text.encode()).hexdigest()


def test_hash_does_not_depend_on_field_order_or_process() -> None:
    @dataclass(frozen=True)
    class Reordered:
        inner: Inner = Inner()
        phi_s: float = 1.0
        seed: int = 0
        arm: str = "id"

    assert config_hash(Reordered()) == config_hash(Config())
    code = (
        "from dataclasses import dataclass\n"
        "from mtl_helpers.runs.record import config_hash\n"
        "@dataclass(frozen=True)\n"
        "class C:\n    b: tuple = (1, 2.5)\n    a: str = 'x'\n"
        "print(config_hash(C()))"
    )
    seen = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        seen.add(subprocess.check_output([sys.executable, "-c", code], env=environment))
    assert len(seen) == 1


@pytest.mark.parametrize(
    "other",
    [
        Config(arm="id+pos"),
        Config(seed=1),
        Config(phi_s=math.nextafter(1.0, 2.0)),
        Config(inner=Inner(rate=0.1 + 2**-56)),
        Config(inner=Inner(tasks=("pos", "id"))),
    ],
)
def test_hash_sees_every_difference(other: Config) -> None:
    assert other != Config()
    assert config_hash(other) != config_hash(Config())


def test_configurations_that_compare_equal_have_one_hash() -> None:
    assert Config(phi_s=1) == Config(phi_s=1.0)
    assert config_hash(Config(phi_s=1)) == config_hash(Config(phi_s=np.float64(1.0)))
    assert config_hash(Config(seed=np.int64(3))) == config_hash(Config(seed=3))


def test_hash_survives_json() -> None:
    config = Config(phi_s=0.1 + 0.2, inner=Inner(rate=1e-300))
    assert config_hash(json.loads(json.dumps(config_dict(config)))) == config_hash(config)


def test_unfit_configurations_are_refused() -> None:
    @dataclass
    class Thawed:
        arm: str = "a"

    with pytest.raises(TypeError, match="Thawed is not frozen"):
        config_hash(Thawed())
    with pytest.raises(TypeError, match="must be a frozen dataclass"):
        config_dict({"arm": "a"})
    with pytest.raises(ValueError, match=r"Config.phi_s is nan"):
        config_hash(Config(phi_s=math.nan))
    with pytest.raises(TypeError, match=r"Config.phi_s is a PosixPath|WindowsPath"):
        config_hash(Config(phi_s=Path("x")))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="another machine"):
        config_hash(Config(inner=Inner(tasks=("/data/faces",))))
    with pytest.raises(TypeError, match="needs the fields arm"):
        record_path("toy", "smoke", Inner(), Path())
    with pytest.raises(ValueError, match="cannot stand in a file name"):
        record_path("toy", "smoke", Config(arm="../x"), Path())


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
    assert path == record_path("toy", "smoke", Config(), tmp_path)
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


def test_record_without_arrays_has_none(tmp_path: Path) -> None:
    path = store(tmp_path)
    assert read_record(path).arrays() == {}
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
    before = results.results_root()
    monkeypatch.chdir(tmp_path)
    assert results.results_root() == before
    assert before == Path(__file__).resolve().parents[2] / "results"
    monkeypatch.setenv("MTL_RESULTS", str(tmp_path / "elsewhere"))
    assert results.results_root() == tmp_path / "elsewhere"
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
    folder = tmp_path / "toy" / "smoke"
    if already_there:
        (path,) = folder.glob("*.json")
        record = read_record(path)
        assert record.metric("rank1") == 0.1 and record.arrays()["a"].tolist() == [0, 1, 2, 3]
        assert len(files(folder)) == 2
    else:
        assert files(folder) == []


def test_unwritable_place_ends_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("a file where a folder should be")
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
        ({"schema": 99}, "has schema 99, this code reads schema 1"),
        ({"metrics": "absent"}, "lacks the field 'metrics'"),
        ({"metrics": [1]}, "has a list as 'metrics'"),
        ({"seed": True}, "has a bool as 'seed'"),
        ({"config": {"arm": "id", "seed": 0}}, "hash of another configuration"),
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


def test_leftovers_of_a_killed_writer_are_cleaned_and_nothing_else(tmp_path: Path) -> None:
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
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from mtl_helpers.runs.record import write_record

@dataclass(frozen=True)
class Config:
    arm: str = "id"
    seed: int = 0

code = {"commit": None, "dirty": None, "sources": "0" * 16}
n = 0
while True:
    arrays = {"n": np.full(2000, n)}
    metrics = {"n": n, "more": list(range(2000))}
    write_record("toy", "smoke", Config(), metrics=metrics, arrays=arrays, seconds=n, code=code,
                 root=Path(sys.argv[1]))
    n += 1
    print(n, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_writer_killed_at_any_moment_leaves_a_whole_record(tmp_path: Path) -> None:
    rng = random.Random(0)
    for _ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(rng.uniform(0, 0.1))
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.wait()
        stored = int(rest[-1]) if rest else 1
        (path,) = (tmp_path / "toy" / "smoke").glob("*.json")
        record = read_record(path)
        # the last one reported, or the one that was just being written
        assert record.metric("n") in (stored - 1, stored)
        assert (record.arrays()["n"] == record.metric("n")).all()
        clean_leftovers(path.parent)
        assert len(files(path.parent)) == 2


# --- records of a sweep -------------------------------------------------------------------------


def test_load_records_keeps_the_order_of_the_configurations(tmp_path: Path) -> None:
    configs = [Config(arm=arm, seed=seed) for seed in (1, 0) for arm in ("id+pos", "id")]
    for config in reversed(configs):
        store(tmp_path, config)
    store(tmp_path, Config(arm="of_no_interest"))
    records = load_records("toy", "smoke", configs, root=tmp_path)
    assert [(record.arm, record.seed) for record in records] == [
        (config.arm, config.seed) for config in configs
    ]


def test_missing_run_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(
        ResultsError, match=r"toy/smoke/id-s0-.*'python -m mtl_helpers sweep toy --preset smoke'"
    ):
        load_records("toy", "smoke", [Config()], root=tmp_path)


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
        load_records("toy", "smoke", [Config()], root=tmp_path)
    assert path.name in str(caught.value)


def test_fields_that_came_or_went_are_named(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Longer(Config):
        dropout: float = 0.4

    store(tmp_path, Config())
    with pytest.raises(ResultsError, match="dropout is absent there and 0.4 now"):
        load_records("toy", "smoke", [Longer()], root=tmp_path)
    store(tmp_path, Longer(seed=1))
    with pytest.raises(ResultsError, match="dropout is 0.4 there and absent now"):
        load_records("toy", "smoke", [Config(seed=1)], root=tmp_path)


def test_record_renamed_to_pass_for_another_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path, Config(phi_s=0.3))
    path.rename(record_path("toy", "smoke", Config(), tmp_path))
    with pytest.raises(ResultsError, match="holds the run"):
        load_records("toy", "smoke", [Config()], root=tmp_path)


def test_record_moved_from_another_preset_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path)
    path.parent.rename(tmp_path / "toy" / "laptop")
    with pytest.raises(ResultsError, match="belongs to the preset 'smoke', not to 'laptop'"):
        load_records("toy", "laptop", [Config()], root=tmp_path)


def stored_records(root: Path, **values: tuple[float, ...]) -> list[Record]:
    configs = []
    for arm, numbers in values.items():
        for seed, value in enumerate(numbers):
            configs.append(Config(arm=arm, seed=seed))
            store(root, configs[-1], metrics={"rank1": value, "by": {"0": 1.0}})
    return load_records("toy", "smoke", configs, root=root)


def test_seed_values_are_in_the_order_of_seeds(tmp_path: Path) -> None:
    records = stored_records(tmp_path, id=(0.1, 0.2, 0.3), other=(0.9, 0.8))
    seeds, values = seed_values(reversed(records), "id", "rank1")
    assert seeds == (0, 1, 2) and values.tolist() == [0.1, 0.2, 0.3]
    with pytest.raises(ResultsError, match="no runs of the arm 'ID'; stored arms: id, other"):
        seed_values(records, "ID", "rank1")
    with pytest.raises(ResultsError, match="not one number a run"):
        seed_values(records, "id", "by")
    with pytest.raises(ResultsError, match="two runs with one seed"):
        seed_values([*records, records[0]], "id", "rank1")


def test_provenance_line_tells_runs_machines_dates_and_code(tmp_path: Path) -> None:
    (record,) = stored_records(tmp_path, id=(0.1,))
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
