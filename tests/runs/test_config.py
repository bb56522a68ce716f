from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from toy_runs import Config, Inner

from mtl_helpers.runs.config import (
    SCHEMA,
    config_dict,
    config_hash,
    config_label,
    departures,
    first_difference,
)


def test_hash_is_of_the_departures_and_the_schema() -> None:
    # whole numbers have no point, keys are sorted, tuples are lists
    text = '{"config":{"inner":{"tasks":["id"]},"phi_s":2},"schema":2}'
    config = Config(phi_s=2.0, inner=Inner(tasks=("id",)))
    assert config_hash(config) == hashlib.sha256(text.encode()).hexdigest()


def test_hash_depends_on_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    before = config_hash(Config())
    monkeypatch.setattr("mtl_helpers.runs.config.SCHEMA", SCHEMA + 1)
    assert config_hash(Config()) != before


def test_departures_are_what_differs_from_the_defaults() -> None:
    @dataclass(frozen=True)
    class Outer:
        seed: int
        inner: Inner
        tuned: Inner = Inner(rate=0.5)
        notes: dict[str, int] = field(default_factory=dict)

    assert departures(Outer(3, Inner())) == {"seed": 3, "inner": {}}
    assert departures(Outer(3, Inner(), Inner(), {"a": 1})) == {
        "seed": 3,
        "inner": {},
        # against the field's default, not against that of the class
        "tuned": {"rate": 0.1},
        "notes": {"a": 1},
    }


def test_new_field_with_a_default_keeps_every_hash() -> None:
    @dataclass(frozen=True)
    class LongerInner(Inner):
        momentum: float = 0.9

    @dataclass(frozen=True)
    class Longer:
        arm: str = "id"
        seed: int = 0
        phi_s: float = 1.0
        inner: LongerInner = LongerInner()
        dropout: float = 0.4

    assert config_hash(Longer()) == config_hash(Config())
    assert config_hash(Longer(seed=3, inner=LongerInner(rate=0.2))) == config_hash(
        Config(seed=3, inner=Inner(rate=0.2))
    )
    assert config_hash(Longer(dropout=0.5)) != config_hash(Config())
    assert config_hash(Longer(inner=LongerInner(momentum=0))) != config_hash(Config())


def test_hash_ignores_field_order_and_process() -> None:
    @dataclass(frozen=True)
    class Reordered:
        inner: Inner = Inner()
        phi_s: float = 1.0
        seed: int = 0
        arm: str = "id"

    assert config_hash(Reordered(phi_s=2, seed=1)) == config_hash(Config(phi_s=2, seed=1))
    code = (
        "from dataclasses import dataclass\n"
        "from mtl_helpers.runs.config import config_hash\n"
        "@dataclass(frozen=True)\n"
        "class C:\n    b: tuple\n    a: str\n"
        "print(config_hash(C((1, 2.5), 'x')))"
    )
    hashes = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        hashes.add(subprocess.check_output([sys.executable, "-c", code], env=environment))
    assert len(hashes) == 1


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
    assert Config(phi_s=2) == Config(phi_s=2.0)
    assert config_hash(Config(phi_s=2)) == config_hash(Config(phi_s=np.float64(2.0)))
    assert config_hash(Config(seed=np.int64(3))) == config_hash(Config(seed=3))
    assert config_hash(Config(phi_s=1)) == config_hash(Config())


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


def test_label_may_be_a_property() -> None:
    @dataclass(frozen=True)
    class Named:
        seed: int = 1

        @property
        def arm(self) -> str:
            return "named"

    assert config_label(Named()) == ("named", 1)
    assert config_dict(Named()) == {"seed": 1}
    with pytest.raises(TypeError, match="needs the fields arm"):
        config_label(Inner())
    with pytest.raises(ValueError, match="cannot stand in a file name"):
        config_label(Config(arm="../x"))


def as_stored(config: object) -> dict:
    return json.loads(json.dumps(config_dict(config)))


def test_stored_configuration_is_told_from_another() -> None:
    config = Config(phi_s=0.1 + 0.2, inner=Inner(rate=1e-300))
    assert first_difference(config, as_stored(config)) is None
    other = Config(phi_s=0.3, inner=Inner(rate=1e-300))
    assert first_difference(config, as_stored(other)) == ("phi_s", "0.30000000000000004", "0.3")
    inner = Config(phi_s=0.1 + 0.2, inner=Inner(tasks=("id",)))
    assert first_difference(inner, as_stored(config)) == ("inner.rate", "0.1", "1e-300")


def test_field_that_did_not_exist_yet_had_its_default() -> None:
    stored = as_stored(Config())
    del stored["phi_s"], stored["inner"]["rate"]
    assert first_difference(Config(), stored) is None
    assert first_difference(Config(phi_s=2.0), stored) == ("phi_s", "2.0", "absent")
    assert first_difference(Config(inner=Inner(rate=0.2)), stored) == (
        "inner.rate",
        "0.2",
        "absent",
    )


def test_field_that_exists_no_longer_is_a_difference() -> None:
    stored = as_stored(Config()) | {"momentum": 0.9}
    assert first_difference(Config(), stored) == ("momentum", "absent", "0.9")
