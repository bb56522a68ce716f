"""The store: right when all goes well, and when things go wrong."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from mapped_memory import noise_file, on_linux, resident
from numbered_parts import LAYOUT, Recorded, calls_in, make_part

from mtl_helpers.store import (
    CacheError,
    Field,
    Store,
    default_root,
    fingerprint,
    load_store,
    release_pages,
)

ALL = list(range(LAYOUT.parts))
Usage = namedtuple("Usage", "total used free")


def load(root, make=make_part, **options):
    return load_store(LAYOUT, make, root=root, **{"processes": 1, "progress": False, **options})


def final(root):
    return root / LAYOUT.directory_name


def building(root):
    return root / f".{LAYOUT.directory_name}.building"


def assert_right(store):
    for name in ("grey", "points"):
        expected = np.stack([make_part(part)[name] for part in ALL])
        np.testing.assert_array_equal(store.arrays[name], expected)
        assert store.arrays[name].dtype == expected.dtype


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.fixture
def recorded(tmp_path):
    calls = tmp_path / "calls"
    calls.mkdir()
    return Recorded(calls)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


def start_builder(root, calls, *, processes, seconds):
    """Build in another interpreter; it prints a digest of what it loaded."""
    program = (
        "import hashlib, sys\n"
        "from pathlib import Path\n"
        "from numbered_parts import LAYOUT, Recorded\n"
        "from mtl_helpers.store import load_store\n"
        f"make = Recorded(Path({str(calls)!r}), {seconds})\n"
        f"store = load_store(LAYOUT, make, root=Path({str(root)!r}), processes={processes})\n"
        "print(hashlib.sha256(store.arrays['grey'].tobytes()).hexdigest())\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition, seconds=90.0):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "nothing happened in time"
        time.sleep(0.01)


def running(pid):
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in "ZX"


# -- all goes well ------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [1, 2])
def test_every_part_stands_in_its_place(root, processes):
    store = load(root, processes=processes)
    assert_right(store)
    np.testing.assert_array_equal(np.load(store.directory / "grey.npy"), store.arrays["grey"])


def test_parts_are_made_once_and_arrays_are_read_only(root, recorded):
    load(root, recorded)
    store = load(root, recorded)
    assert calls_in(recorded.calls)[0] == ALL
    with pytest.raises(ValueError, match="read-only"):
        store.arrays["grey"][0] = 0


def test_a_finished_store_is_opened_without_a_lock_or_a_write(root):
    load(root)
    (lock,) = root.glob("*.lock")
    lock.unlink()
    assert_right(load(root))
    assert [path.name for path in root.iterdir()] == [LAYOUT.directory_name]


def test_fingerprint_is_the_hash_of_canonical_json():
    text = '{"a":[1,2],"b":"x"}'
    expected = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert fingerprint({"b": "x", "a": (1, 2)}) == expected


def test_directory_name_changes_with_version_and_specification():
    others = [
        LAYOUT,
        dataclasses.replace(LAYOUT, version=4),
        dataclasses.replace(LAYOUT, spec={**LAYOUT.spec, "colour": True}),
    ]
    assert len({layout.directory_name for layout in others}) == 3


def test_default_root_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("MTL_CACHE", str(tmp_path / "own"))
    assert default_root() == tmp_path / "own"
    monkeypatch.delenv("MTL_CACHE")
    assert default_root() == tmp_path / "xdg" / "mtl_helpers"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_root() == tmp_path / ".cache" / "mtl_helpers"


# -- killed in mid-build ------------------------------------------------------------------------


def test_a_killed_build_loses_no_part_and_shows_none_unfinished(root, recorded, tmp_path):
    builder = start_builder(root, recorded.calls, processes=2, seconds=0.4)
    journal = building(root) / "journal"
    wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 3)
    assert not final(root).exists()
    builder.send_signal(signal.SIGKILL)
    builder.communicate(timeout=60)
    workers = calls_in(recorded.calls)[1]
    assert builder.pid not in workers
    wait_until(lambda: not any(map(running, workers)), seconds=10)
    finished = [json.loads(line.split(b" ", 1)[1])[0] for line in journal.read_bytes().splitlines()]
    assert not final(root).exists()
    assert 3 <= len(finished) < LAYOUT.parts

    (tmp_path / "later").mkdir()
    said = []
    store = load(root, Recorded(tmp_path / "later"), say=said.append)
    assert calls_in(tmp_path / "later")[0] == sorted(set(ALL) - set(finished))
    assert f"{len(finished)} of {LAYOUT.parts}" in said[0]
    assert_right(store)
    assert not building(root).exists()


def test_resumed_build_makes_anew_what_does_not_fit_its_journal(root, recorded):
    def fails_at_7(part):
        if part == 7:
            raise ArithmeticError("no part 7")
        return make_part(part)

    with pytest.raises(ArithmeticError, match="no part 7"):
        load(root, fails_at_7)
    assert not final(root).exists()
    field = LAYOUT.fields[0]
    flip(building(root) / "grey.npy", len(LAYOUT.header(field)) + 2 * field.part_bytes)
    with (building(root) / "journal").open("ab") as journal:
        journal.write(b"0badc0de [8,{")  # torn by a kill
    assert_right(load(root, recorded))
    assert calls_in(recorded.calls)[0] == [2, 7, 8, 9]


def test_build_goes_on_after_a_torn_allocation(root, recorded):
    building(root).mkdir(parents=True)
    (building(root) / "grey.npy").write_bytes(b"\x93NUM")
    assert_right(load(root, recorded))
    assert calls_in(recorded.calls)[0] == ALL


def _dies_at_5(part):
    if part == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return make_part(part)


def test_dead_worker_is_reported_and_the_rest_kept(root, recorded):
    with pytest.raises(CacheError, match="worker process died .* run again"):
        load(root, _dies_at_5, processes=2)
    assert_right(load(root, recorded))
    assert 5 in calls_in(recorded.calls)[0]
    assert 0 not in calls_in(recorded.calls)[0]


# -- two builders -------------------------------------------------------------------------------


def test_two_builders_make_each_part_once_and_agree(root, recorded):
    first = start_builder(root, recorded.calls, processes=1, seconds=0.5)
    wait_until(lambda: any(recorded.calls.iterdir()))
    second = start_builder(root, recorded.calls, processes=1, seconds=0.5)
    outputs = [builder.communicate(timeout=120) for builder in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    parts, builders = calls_in(recorded.calls)
    assert parts == ALL
    assert builders == {first.pid}
    assert "waiting" in outputs[1][1]
    assert "waiting" not in outputs[0][1]
    assert outputs[0][0] == outputs[1][0]
    assert_right(load(root))


# -- damage -------------------------------------------------------------------------------------


def test_a_flipped_bit_in_any_byte_of_any_file_is_found(root):
    directory = load(root).directory
    paths = sorted(directory.iterdir())
    assert [path.name for path in paths] == ["grey.npy", "manifest.json", "points.npy"]
    for path in paths:
        sound = path.read_bytes()
        for offset in range(len(sound)):
            flip(path, offset)
            with pytest.raises(CacheError, match="delete"):
                Store(directory, LAYOUT)
            path.write_bytes(sound)
    assert_right(Store(directory, LAYOUT))


def test_damage_is_reported_with_file_and_part(root):
    directory = load(root).directory
    flip(directory / "grey.npy", -1)
    with pytest.raises(CacheError, match=r"grey\.npy is damaged: the checksum of part 9 .*delete"):
        load(root)
    store = load(root, verify=False)
    assert store.damaged() == {"grey": [9]}
    with pytest.raises(CacheError):
        store.verify()


def test_truncated_file_is_refused(root):
    path = load(root).directory / "points.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CacheError, match=r"points\.npy should have \d+ bytes but has \d+"):
        load(root)
    path.unlink()
    with pytest.raises(CacheError, match="but has 0"):
        load(root)


def test_repair_makes_only_the_damaged_parts(root, recorded):
    directory = load(root).directory
    flip(directory / "grey.npy", -1)
    flip(directory / "points.npy", len(LAYOUT.header(LAYOUT.fields[1])))
    assert_right(load(root, recorded, repair=True))
    assert calls_in(recorded.calls)[0] == [0, 9]
    assert_right(load(root))


def test_repair_without_a_sound_manifest_makes_everything(root, recorded):
    (load(root).directory / "manifest.json").write_text("{}")
    with pytest.raises(CacheError, match=r"manifest\.json"):
        load(root)
    assert_right(load(root, recorded, repair=True))
    assert calls_in(recorded.calls)[0] == ALL


def test_store_of_another_specification_is_refused(root):
    directory = load(root).directory
    other = dataclasses.replace(LAYOUT, spec={**LAYOUT.spec, "colour": True})
    shutil.move(directory, root / other.directory_name)
    with pytest.raises(CacheError, match="expected colour = True, found False"):
        load_store(other, make_part, root=root, progress=False)
    newer = dataclasses.replace(LAYOUT, version=4)
    with pytest.raises(CacheError, match="expected version = 4, found 3"):
        Store(root / other.directory_name, newer)


# -- no room, no right to write -----------------------------------------------------------------


def test_too_little_disk_is_said_before_the_work_starts(root, recorded):
    with pytest.raises(CacheError, match=r"needs 0\.07 GB .* only 0\.01 GB are free"):
        load(root, recorded, disk_usage=lambda path: Usage(10**9, 10**9, 10**7))
    assert calls_in(recorded.calls)[0] == []
    assert not final(root).exists()
    assert list(building(root).iterdir()) == []


def test_disk_that_fills_up_is_reported_and_the_build_can_go_on(root, recorded):
    def full_at_4(part):
        if part == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return make_part(part)

    with pytest.raises(CacheError, match="became full .* run again"):
        load(root, full_at_4)
    assert_right(load(root, recorded))
    assert calls_in(recorded.calls)[0] == [4, 5, 6, 7, 8, 9]


def test_room_that_is_already_taken_is_not_asked_for_again(tmp_path):
    big = dataclasses.replace(
        LAYOUT,
        parts=2,
        fields=(dataclasses.replace(LAYOUT.fields[0], shape=(50_000_000,)),),
    )
    free = [180_000_000]

    def make(part):
        if free[0] > 100_000_000 and part == 1:
            raise InterruptedError
        return {"grey": np.zeros(50_000_000, np.uint8)}

    def build():
        return load_store(
            big,
            make,
            root=tmp_path,
            processes=1,
            progress=False,
            disk_usage=lambda path: Usage(10**9, 10**9, free[0]),
        )

    with pytest.raises(InterruptedError):
        build()
    free[0] = 80_000_000
    assert build().arrays["grey"].shape == (2, 50_000_000)


def test_root_that_cannot_be_written_is_reported(tmp_path, recorded):
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(CacheError, match="cannot be written .* set MTL_CACHE"):
        load(tmp_path / "file" / "cache", recorded)
    assert calls_in(recorded.calls)[0] == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_read_only_root_is_reported(root, recorded):
    root.mkdir(mode=0o500)
    with pytest.raises(CacheError, match="cannot be written .* set MTL_CACHE"):
        load(root, recorded)


def test_part_of_the_wrong_shape_or_type_is_refused(root):
    with pytest.raises(ValueError, match=r"expected grey of shape \(4, 5\) and type uint8"):
        load(root, lambda part: {**make_part(part), "grey": np.zeros((4, 5))})


# -- memory ------------------------------------------------------------------------------------


@on_linux
@pytest.mark.parametrize("view", [lambda a: a, lambda a: a[5:], lambda a: np.asarray(a)[::2]])
def test_pages_that_were_read_are_let_go_and_read_again(tmp_path, view):
    path = tmp_path / "noise.npy"
    array = noise_file(path, (64, 256, 256))  # 4 MiB
    total = array.sum()
    assert resident(path) > 3 << 20
    release_pages(view(array))
    assert resident(path) == 0
    assert array.sum() == total


@on_linux
def test_a_store_is_checked_without_staying_in_memory(root):
    layout = dataclasses.replace(LAYOUT, fields=(Field("grey", (512, 512), "uint8"),))

    def make(part):
        return {"grey": np.full((512, 512), part, np.uint8)}

    load_store(layout, make, root=root, processes=1, progress=False)
    store = Store(root / layout.directory_name, layout)
    path = store.directory / "grey.npy"
    assert store.damaged() == {} and resident(path) == 0
    assert store.arrays["grey"][7].max() == 7 and resident(path) > 0


@pytest.mark.parametrize(
    "make", [lambda: np.arange(6.0), lambda: np.frombuffer(b"abcdef", np.uint8)[1:]]
)
def test_an_array_of_no_file_is_left_alone(make):
    array, copy = make(), make()
    release_pages(array)
    np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("view", [lambda a: a, lambda a: a[1:], lambda a: np.asarray(a)])
def test_changes_that_no_file_has_are_kept(tmp_path, view):
    np.save(tmp_path / "zeros.npy", np.zeros(10_000))
    private = np.load(tmp_path / "zeros.npy", mmap_mode="c")
    private[:] = 1
    release_pages(view(private))
    assert (private == 1).all()
