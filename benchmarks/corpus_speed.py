"""Speed of building each rendered corpus, beside `pie`'s.

Parts (people) of every corpus are rendered in turn, round after round, by the same number of
processes of one thread each, so that what else the machine does falls on all corpora. The time to
build the whole corpus of the preset is extrapolated from it.

    python benchmarks/corpus_speed.py                 # a table at the laptop preset
    python benchmarks/corpus_speed.py --preset smoke
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

from joblib import Parallel, delayed, parallel_config

from mtl_helpers.faces.corpora.kinds import CORPORA
from mtl_helpers.faces.corpora.rendered import RenderedSpec
from mtl_helpers.presets import get_preset


def render(spec: RenderedSpec, part: int) -> None:
    """Render one part."""
    spec.make_part(part)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default=None)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="about so long a measurement")
    options = parser.parse_args()
    preset = get_preset(options.preset)
    specs = {name: kind.from_preset(preset) for name, kind in CORPORA.items()}
    seconds: dict[str, list[float]] = {name: [] for name in specs}
    with (
        parallel_config("loky", inner_max_num_threads=1),
        Parallel(n_jobs=options.processes) as pool,
    ):
        count = {}
        for name, spec in specs.items():
            # the first parts compile kernels and load the head; they also say how many to time
            pool(delayed(render)(spec, part) for part in range(options.processes))
            began = time.perf_counter()
            pool(delayed(render)(spec, part) for part in range(options.processes))
            took = time.perf_counter() - began
            rounds = max(1, round(options.seconds / took)) * options.processes
            count[name] = min(rounds, spec.layout().parts)
        for _ in range(options.rounds):
            for name, spec in specs.items():
                began = time.perf_counter()
                pool(delayed(render)(spec, part) for part in range(count[name]))
                took = time.perf_counter() - began
                seconds[name].append(took / count[name])
    print(f"preset {preset.name}, {options.processes} processes, {options.rounds} rounds")
    print(f"{'corpus':<12}{'pictures':>10}{'side':>6}{'a second':>10}{'of pie':>8}{'whole':>8}")
    rate = {}
    for name, spec in specs.items():
        parts = spec.layout().parts
        a_part = statistics.median(seconds[name])
        rate[name] = len(spec) / parts / a_part
        print(
            f"{name:<12}{len(spec):>10,}{spec.side:>6}{rate[name]:>10,.0f}"
            f"{rate[name] / rate['pie']:>8.2f}{a_part * parts:>6.0f} s"
        )


if __name__ == "__main__":
    main()
