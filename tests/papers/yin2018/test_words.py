"""Names of tasks and arms in plain words."""

from __future__ import annotations

import pytest

from mtl_helpers.papers.yin2018.experiments import weighting_rules
from mtl_helpers.papers.yin2018.experiments.networks import ALL_TASKS
from mtl_helpers.papers.yin2018.words import TASK_WORDS, arm_words, by_word
from mtl_helpers.presets import PRESETS


def test_every_task_has_a_word_of_its_own() -> None:
    assert set(ALL_TASKS) <= set(TASK_WORDS)
    assert len(set(TASK_WORDS.values())) == len(TASK_WORDS)


def test_values_keep_their_order_under_words() -> None:
    assert list(by_word({"pos": 1, "id": 2, "other": 3}).items()) == [
        ("pose", 1),
        ("identity", 2),
        ("other", 3),
    ]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_arm_of_the_rules_has_words(preset: str) -> None:
    arms = weighting_rules.arms(PRESETS[preset])
    assert len({arm_words(arm) for arm in arms}) == len(arms)


def test_an_arm_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"found 'p-heavy'"):
        arm_words("p-heavy")
