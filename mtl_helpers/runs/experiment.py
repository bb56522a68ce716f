"""Experiments: a question, as configurations to run and the function that runs one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtl_helpers.presets import Preset
from mtl_helpers.runs.record import results_root

if TYPE_CHECKING:
    from mtl_helpers.datasets import RealSpec

__all__ = ["Experiment", "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What one run found.

    Parameters
    ----------
    metrics
        Nested dictionaries of numbers, strings and lists; ``"training"`` says what happened in
        training: see :mod:`mtl_helpers.runs.record`.
    curves
        Short lists, such as the loss at every hundredth step.
    arrays
        What is too large for a text file; it is stored as ``.npz`` beside the record.
    """

    metrics: Mapping[Any, Any]
    curves: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """A question, as configurations to run and the function that runs one of them.

    Parameters
    ----------
    name
        Also the name of its folder of results.
    configs
        Gives the configurations of a preset in the order in which they are run: frozen
        dataclasses with at least an ``arm`` (a short name) and a ``seed``.
    run
        Runs one configuration. It must depend on nothing else.
    prepare
        Called once before the workers start, for instance to build the corpus; may be absent.
    on
        Gives the same question on a real set; absent where it cannot be asked of one.
    data
        The real set that it is asked of; absent on the rendered corpora.
    paper
        The folder of the paper whose question it is; ``"laboratory"`` for questions of our own.
    """

    name: str
    configs: Callable[[Preset], Sequence[Any]]
    run: Callable[[Any], Outcome]
    prepare: Callable[[Preset], object] | None = None
    on: Callable[[RealSpec], Experiment] | None = None
    data: RealSpec | None = None
    paper: str = "laboratory"

    def place(self, preset: Preset) -> str:
        """Return the name of the folder of a preset's runs, and what records call the preset.

        Runs on a real set never lie among those on the rendered corpora: ``"laptop"``, but
        ``"laptop-multipie"``.
        """
        return preset.name if self.data is None else f"{preset.name}-{self.data.name}"

    def folder(self, preset: Preset, root: Path | None = None) -> Path:
        """Return the folder of a preset's runs, below ``root`` or :func:`results_root`."""
        return (root or results_root()) / self.paper / self.name / self.place(preset)

    def on_data(self, data: RealSpec | None) -> Experiment:
        """Return the experiment on a real set, or itself where there is none."""
        if data is None:
            return self
        if self.on is None:
            raise rendered_only(self)
        return self.on(data)

    def asked_of(
        self,
        data: RealSpec,
        configs: Callable[..., Sequence[Any]],
        prepare: Callable[..., object],
    ) -> Experiment:
        """Return this question on a real set, which both functions take as ``data``."""
        return replace(
            self,
            configs=partial(configs, data=data),
            prepare=partial(prepare, data=data),
            on=None,
            data=data,
        )


def rendered_only(experiment: Experiment) -> ValueError:
    """Return the error that says that an experiment cannot be run on real sets."""
    return ValueError(
        f"The experiment {experiment.name!r} runs on the rendered corpora only; leave out --data "
        "and MTL_DATA."
    )
