"""The command line: ``python -m mtl_helpers COMMAND``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mtl_helpers.errors import CourseError
from mtl_helpers.machine import project_root, write_atomic
from mtl_helpers.presets import PRESETS, Preset, get_preset

if TYPE_CHECKING:
    from mtl_helpers.runs.experiment import Experiment

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code.

    0: done. 1: it ran, and found something wrong (a failed run, a stale ledger, a damaged
    record). 2: it could not run; the sentence on standard error says why. 130: interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except (CourseError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted; what was finished is kept.", file=sys.stderr)
        return 130
    except RuntimeError as error:
        if "home directory" not in str(error):  # of ~ or ~NAME in a path
            raise
        print(f"error: {error} Write paths without ~.", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # the reader of a pipe has gone; without this, closing stdout would complain again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"error: {error.filename or 'A file'}: {error.strerror or error}.", file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mtl_helpers", description="Run what the course is made from."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    presets = commands.add_parser("presets", help="print the presets side by side")
    presets.set_defaults(command=_presets)

    corpus = commands.add_parser("corpus", help="render the corpus of a preset into the cache")
    _add_preset(corpus)
    corpus.add_argument(
        "--corpus", default="pie", metavar="NAME", help="which, or all of them (default: pie)"
    )
    corpus.add_argument("--processes", type=_positive, help="processes that render at once")
    corpus.add_argument(
        "--repair", action="store_true", help="render damaged parts of a stored corpus anew"
    )
    corpus.set_defaults(command=_corpus)

    sweep = commands.add_parser(
        "sweep",
        help="run an experiment; finished runs are kept",
        description="Run the configurations of an experiment that are not stored yet.",
    )
    sweep.add_argument(
        "experiment", nargs="*", help="names of experiments, all if none; 'help' lists them"
    )
    _add_preset(sweep)
    _add_results(sweep)
    sweep.add_argument(
        "--executor",
        metavar="WHERE",
        help="loky (default): processes on this machine; dask: the cluster of DASK_SCHEDULER, else "
        "a local one; or a Dask scheduler's address, tcp://HOST:PORT",
    )
    sweep.add_argument(
        "--processes", type=_positive, help="runs at a time on this machine (default: one per core)"
    )
    sweep.add_argument("--threads", type=_positive, default=1, help="threads of each run")
    sweep.add_argument(
        "--rerun",
        action="store_true",
        default=None,
        help="compute stored runs again (as MTL_RERUN=1)",
    )
    sweep.add_argument(
        "--data", metavar="NAME", help="a real set instead of the rendered corpus (or MTL_DATA)"
    )
    sweep.add_argument("--root", type=Path, help="the real set's folder (or MTL_DATA_ROOT)")
    sweep.add_argument(
        "--setting", help="which of the set's settings (or MTL_DATA_SETTING; default: its first)"
    )
    sweep.set_defaults(command=_sweep)

    ledger = commands.add_parser("ledger", help="write the claims ledger from the stored runs")
    _add_preset(ledger)
    _add_results(ledger)
    _add_ledger_file(ledger)
    ledger.add_argument(
        "--check", action="store_true", help="write nothing; fail if the page is stale"
    )
    ledger.set_defaults(command=_ledger)

    check = commands.add_parser(
        "check", help="check every stored run, and that the ledger follows from them"
    )
    _add_preset(check)
    _add_results(check)
    _add_ledger_file(check)
    check.set_defaults(command=_check)
    return parser


def _add_preset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", help=f"{', '.join(PRESETS)} (default: MTL_PRESET, or laptop)")


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", type=Path, help="folder of stored runs (default: MTL_RESULTS, or results)"
    )


def _add_ledger_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, help="the page (default: book/claims.md)")


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return number


def _presets(options: argparse.Namespace) -> int:
    presets = list(PRESETS.values())
    rows: list[tuple[str, list[str]]] = [
        ("image", [f"{p.side} px, {'grey' if p.channels == 1 else 'RGB'}" for p in presets]),
        ("width of CASIA-Net", [f"{p.width:g}" for p in presets]),
        (
            "identities of pie: train, validation, test",
            [
                f"{p.train_identities}, {p.pie_validation_identities}, {p.pie_test_identities}"
                for p in presets
            ],
        ),
        (
            "identities of the other sets",
            [
                f"{p.train_identities}, {p.validation_identities}, {p.test_identities}"
                for p in presets
            ],
        ),
        (
            "cameras x shots x expressions",
            [f"{len(p.cameras)} x {len(p.shots)} x {len(p.expressions)}" for p in presets],
        ),
        ("images of pie", [f"{p.images:,}" for p in presets]),
        ("people in a gallery", [str(p.gallery) for p in presets]),
        ("steps x batch", [f"{p.steps:,} x {p.batch}" for p in presets]),
        ("kernels are trained by", ["Muon" if p.muon else "SGD" for p in presets]),
        ("learning rate", [f"{p.learning_rate:g}, {p.schedule}" for p in presets]),
        ("warm-up steps", [str(p.warmup_steps) for p in presets]),
        ("weight decay", [f"{p.weight_decay:g}" for p in presets]),
        ("dropout", [f"{p.dropout:g}" for p in presets]),
        (
            "weight averaging",
            [f"decay {p.average_decay:g}" if p.average_decay else "off" for p in presets],
        ),
        ("seeds", [", ".join(map(str, p.seeds)) for p in presets]),
    ]
    table = [("", [p.name for p in presets]), *rows]
    widths = [
        max(len(name) for name, _ in table),
        *(max(len(cells[i]) for _, cells in table) for i in range(len(presets))),
    ]
    for name, cells in table:
        line = "  ".join(
            cell.ljust(width) for cell, width in zip([name, *cells], widths, strict=True)
        )
        print(line.rstrip())
    return 0


def _corpus(options: argparse.Namespace) -> int:
    preset = get_preset(options.preset)
    from mtl_helpers.faces.corpora.kinds import CORPORA, load_corpus

    names = list(CORPORA) if options.corpus == "all" else [options.corpus]
    for name in names:
        if name not in CORPORA:
            known = ", ".join(CORPORA)
            raise ValueError(f"Unknown corpus {name!r}; choose one of: {known}, or all.")
        corpus = load_corpus(
            CORPORA[name].from_preset(preset), processes=options.processes, repair=options.repair
        )
        count = f"{len(corpus.images):,} images"
        print(f"The {name} corpus of the preset {preset.name} is ready: {count}.")
    return 0


def _sweep(options: argparse.Namespace) -> int:
    from mtl_helpers.distributed import joined_group
    from mtl_helpers.registry import EXPERIMENTS
    from mtl_helpers.runs.executors import get_executor
    from mtl_helpers.runs.sweep import on_chosen_data, run_sweep

    if options.experiment == ["help"]:
        print("\n".join(EXPERIMENTS) or "No experiments are registered.")
        return 0
    preset = get_preset(options.preset)
    for name in options.experiment:
        if name not in EXPERIMENTS:
            known = ", ".join(EXPERIMENTS) or "none"
            raise ValueError(f"Unknown experiment {name!r}; choose one of: {known}.")
    # Workers find the set through the environment: a configuration says what it is, not where.
    settings = {
        "MTL_DATA": options.data,
        "MTL_DATA_ROOT": options.root and str(options.root.expanduser().absolute()),
        "MTL_DATA_SETTING": options.setting,
    }
    failed = 0
    environment = {name: value for name, value in settings.items() if value}
    executor = get_executor(options.executor, options.processes, options.threads)
    with _environment(environment), joined_group(), executor.kept():
        experiments = [
            on_chosen_data(EXPERIMENTS[name], preset) for name in options.experiment
        ] or _all_that_fit(preset)
        for experiment in experiments:
            name = experiment.name
            report = run_sweep(
                experiment,
                preset,
                executor=executor,
                root=options.results,
                rerun=options.rerun,
            )
            words = str(report) if len(experiments) == 1 else f"{name}: {report}"
            print(words, file=sys.stderr if report.failed else sys.stdout)
            failed += bool(report.failed)
    return 1 if failed else 0


def _all_that_fit(preset: Preset) -> list[Experiment]:
    """Return every experiment: on a real set, those that can be asked of it."""
    from mtl_helpers.registry import EXPERIMENTS
    from mtl_helpers.runs.sweep import on_chosen_data

    if not os.environ.get("MTL_DATA"):
        return list(EXPERIMENTS.values())
    found, refusal = [], None
    for experiment in (each for each in EXPERIMENTS.values() if each.on):
        try:
            found.append(on_chosen_data(experiment, preset))
        except ValueError as error:
            refusal = error
    if not found and refusal is not None:
        raise refusal
    return found


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _ledger_text(options: argparse.Namespace) -> str:
    from mtl_helpers.ledger.page import ledger_markdown
    from mtl_helpers.registry import CLAIMS, EXPERIMENTS

    _results(options)  # a folder that is not there must not empty the page
    return ledger_markdown(
        CLAIMS,
        get_preset(options.preset),
        experiments=EXPERIMENTS.values(),
        root=options.results,
    )


def _results(options: argparse.Namespace) -> Path:
    from mtl_helpers.runs.record import results_root

    chosen: Path | None = options.results
    if chosen is not None and not chosen.is_dir():
        raise ValueError(f"Expected the folder of stored runs at {chosen}, found none.")
    return chosen or results_root()


def _ledger_file(options: argparse.Namespace) -> Path:
    path: Path | None = options.output
    return path or project_root() / "book" / "claims.md"


def _ledger(options: argparse.Namespace) -> int:
    text, path = _ledger_text(options), _ledger_file(options)
    if options.check:
        if _is_current(path, text):
            print(f"{path.name} follows from the stored runs.")
            return 0
        print(_stale(path), file=sys.stderr)
        return 1
    write_atomic(path, text.encode())
    print(f"Wrote {path.name}.")
    return 0


def _is_current(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes().replace(b"\r\n", b"\n") == text.encode()


def _stale(path: Path) -> str:
    what = "does not follow from" if path.is_file() else "is missing beside"
    return f"{path.name} {what} the stored runs; run 'python -m mtl_helpers ledger'."


def _check(options: argparse.Namespace) -> int:
    from mtl_helpers.registry import EXPERIMENTS
    from mtl_helpers.runs.record import record_files

    root = _results(options)
    experiments: dict[tuple[str, ...], Experiment] = {
        (each.paper, each.name): each for each in EXPERIMENTS.values()
    }
    problems: list[str] = []
    count = 0
    for folder in sorted({path.parent for path in root.rglob("[!.]*.json")}):
        names = [path.name for path in record_files(folder)]
        count += len(names)
        place = folder.relative_to(root).parts
        experiment = experiments.get(place[:2]) if len(place) == 3 else None
        if experiment is None:
            problems += [
                f"The record {name} is of {'/'.join(place) or root.name}, which is unknown; "
                "delete it."
                for name in names
            ]
        else:
            problems += _problems(experiment, place[2], root, names)
    try:
        if not _is_current(_ledger_file(options), _ledger_text(options)):
            problems.append(_stale(_ledger_file(options)))
    except (CourseError, ValueError) as error:
        if str(error) not in problems:
            problems.append(str(error))
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 1
    print(f"{count} stored runs are whole, and the ledger follows from them.")
    return 0


def _problems(experiment: Experiment, place: str, root: Path, names: Sequence[str]) -> list[str]:
    """Return what is wrong with the records of one folder."""
    from mtl_helpers.datasets import RealSpec
    from mtl_helpers.runs.query import stored_runs
    from mtl_helpers.runs.record import ResultsError, read_record

    folder = root / experiment.paper / experiment.name / place
    name, _, data = place.partition("-")
    try:
        preset = PRESETS[name]
        if data:
            corpus = dict(read_record(folder / names[0]).config["corpus"])
            experiment = experiment.on_data(RealSpec(**corpus | {"tasks": tuple(corpus["tasks"])}))
        if experiment.place(preset) != place:
            raise ValueError(place)
    except ResultsError as error:
        return [str(error)]
    except (LookupError, ValueError, TypeError):
        return [
            f"The record {each} is of {experiment.name}/{place}, which is unknown; delete it."
            for each in names
        ]
    stored = stored_runs(experiment, preset, root)
    expected = {
        record.path for config in experiment.configs(preset) if (record := stored.record_of(config))
    }
    return [str(problem) for problem in stored.problems] + [
        f"The record {record.path.name} is of a configuration that {experiment.name}/{place} no "
        "longer has; delete it."
        for record in stored.records
        if record.path not in expected
    ]


if __name__ == "__main__":
    sys.exit(main())
