"""APRN in the wild: the runs of each preset, and every protocol of a toy run."""

from __future__ import annotations

import dataclasses

import pytest

from mtl_helpers.faces.corpora.wild import WildSpec, load_wild
from mtl_helpers.papers.li2021.experiments import in_the_wild
from mtl_helpers.papers.li2021.experiments.games import BASELINE
from mtl_helpers.papers.li2021.experiments.in_the_wild import (
    APRN,
    CASIA,
    DISTRACTORS,
    EXPERIMENT,
    FARS,
    LONGER,
    MILD,
    RESIDUAL,
    RESIDUAL_SEEDS,
    configs,
)
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.runs.config import config_hash

TOY = WildSpec(4, 4, 4, pictures=16, side=32)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_both_trunks_are_continued_with_and_without_d(preset):
    runs = configs(preset)
    assert [(run.arm, run.seed) for run in runs] == [
        *((CASIA, seed) for seed in preset.seeds),
        *((RESIDUAL, seed) for seed in preset.seeds[:RESIDUAL_SEEDS]),
    ]
    assert len({config_hash(run) for run in runs}) == len(runs)
    assert {run.trunk for run in runs if run.arm == RESIDUAL} == {"residual"}
    assert all([game.name for game in run.games] == [LONGER, APRN, MILD] for run in runs)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    corpus = load_wild(TOY, processes=1, progress=False, root=tmp_path_factory.mktemp("wild"))
    short = {"steps": 2, "batch": 8, "warmup_steps": 0, "statistics_batches": 1}
    config = configs(get_preset("smoke"))[0]
    plans = {
        name: dataclasses.replace(getattr(config, name), **short)
        for name in ("plan", "tuning", "probing")
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_the_wild, "load_wild", lambda spec, **_: corpus)
        patch.setenv("MTL_DEVICE", "cpu")
        return EXPERIMENT.run(dataclasses.replace(config, corpus=TOY, **plans))


def test_every_protocol_is_put_to_every_arm(outcome):
    arms = outcome.metrics["arms"]
    assert list(arms) == [BASELINE, LONGER, APRN, MILD]
    for metrics in arms.values():
        for protocol in ("LFW", "CFP-FF", "CFP-FP"):
            assert 0 <= metrics[protocol]["accuracy"] <= 1
        assert set(metrics["IJB-A"]) == set(FARS)
        assert metrics["MegaFace"]["distractors"] == 8 * DISTRACTORS["smoke"]
        assert metrics["parameters"] == arms[BASELINE]["parameters"]
        assert 0 <= metrics["pose"]["test"] <= 1


def test_distractors_are_people_of_no_set():
    config = dataclasses.replace(configs(get_preset("smoke"))[0], corpus=TOY)
    strangers = in_the_wild._strangers(config)
    assert strangers.seed != TOY.seed
    assert strangers.image_shape == TOY.image_shape
