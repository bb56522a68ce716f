from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mtl_helpers import machine
from mtl_helpers.machine import (
    StorageError,
    atomic_file,
    hardware,
    limited_threads,
    pick_device,
    write_atomic,
)


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MTL_DEVICE", raising=False)
    monkeypatch.setattr(machine, "_devices", {})


def test_device_is_the_one_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pick_device("cpu") == torch.device("cpu")
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    assert pick_device() == torch.device("cpu")


def test_device_falls_back_to_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device().type == "cpu"
    monkeypatch.setattr(machine, "_devices", {})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device().type == "cuda"


def test_machine_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(calls.append(1)))
    pick_device()
    pick_device()
    assert len(calls) == 1


def test_absent_cuda_ends_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="'cuda' was asked for, but torch sees 0 CUDA"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert pick_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(ValueError, match="sees 1 CUDA device"):
        pick_device("cuda:1")


def test_unknown_device_ends_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="Unknown device 'gpu'"):
        pick_device("gpu")


def test_hardware_names_the_gpu_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hardware(1)["gpu"] is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU of {device}")
    machine._devices.clear()
    assert hardware(1)["gpu"] == "GPU of cuda"


def test_threads_are_limited_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    with limited_threads(3):
        assert torch.get_num_threads() == 3 and os.environ["OMP_NUM_THREADS"] == "3"
    assert torch.get_num_threads() == before and "OMP_NUM_THREADS" not in os.environ


def test_code_version_follows_commit_and_edits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "checkout" / "mtl_helpers"
    package.mkdir(parents=True)
    (package / "module.py").write_text("x = 1\n")
    monkeypatch.setattr(machine, "_PACKAGE", package)
    ask = machine.code_version.__wrapped__
    outside = ask()
    assert outside["commit"] is None and outside["dirty"] is None

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        command = ["git", "-C", str(package.parent), *identity, *arguments]
        return subprocess.check_output(command, text=True).strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    clean = ask()
    assert clean == {**outside, "commit": git("rev-parse", "HEAD"), "dirty": False}
    (package.parent / "notes.txt").write_text("not code")
    assert ask() == clean
    (package / "module.py").write_bytes(b"x = 1\r\n")
    assert ask()["sources"] == clean["sources"]
    (package / "module.py").write_text("x = 2\n")
    assert ask()["dirty"] is True and ask()["sources"] != clean["sources"]
    # a package inside somebody else's git tree is not of that tree's commit
    monkeypatch.setattr(machine, "_PACKAGE", package.parent / "site" / "mtl_helpers")
    (package.parent / "site" / "mtl_helpers").mkdir(parents=True)
    assert ask()["commit"] is None


def test_file_takes_its_name_only_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    with atomic_file(path) as stream:
        stream.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    with pytest.raises(ArithmeticError), atomic_file(path) as stream:
        stream.write(b"half")
        raise ArithmeticError
    assert path.read_bytes() == b"new"
    assert os.listdir(path.parent) == ["file"]


def test_sigkill_in_mid_writing_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from mtl_helpers.machine import write_atomic\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomic(Path(sys.argv[1]), b'new')"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)])
    assert ended.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    # what it left is overwritten by the next writer
    assert sorted(os.listdir(tmp_path)) == [".file.part", "file"]
    write_atomic(path, b"newer")
    assert os.listdir(tmp_path) == ["file"] and path.read_bytes() == b"newer"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_ends_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    write_atomic(tmp_path / "file", b"old")

    def full(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"The disk is full: file was not stored; free some"):
        write_atomic(tmp_path / "file", b"new")
    assert os.listdir(tmp_path) == ["file"] and (tmp_path / "file").read_bytes() == b"old"


def test_unwritable_place_ends_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"more could not be stored \(.*\); make its folder"):
        write_atomic(tmp_path / "file" / "more", b"")


@pytest.mark.parametrize("name", ["meta", "mps", "nosuch"])
def test_devices_that_the_course_does_not_know_are_refused(name: str):
    with pytest.raises(ValueError, match=f"Unknown device '{name}'"):
        machine.pick_device(name)
