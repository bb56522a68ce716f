"""Plain words for the names of tasks and arms, as pages and figures say them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

TASK_WORDS = {
    "id": "identity",
    "id_pose": "identity, by pose",
    "pos": "pose",
    "illum": "light",
    "exp": "expression",
}
_RULES = {"fixed": "fixed weights", "eq8": "Eq. 8", "released": "released layer"}

V = TypeVar("V")


def by_word(values: Mapping[str, V]) -> dict[str, V]:
    """The same values under the words for their tasks: ``pos`` becomes "pose"."""
    return {TASK_WORDS.get(name, name): value for name, value in values.items()}


def arm_words(arm: str) -> str:
    """An arm of `weighting_rules` in words: ``fixed-phi1`` is "fixed weights, phi_s 1"."""
    match = re.fullmatch(r"(\w+)-phi([\d.]+)", arm)
    if match is None or match[1] not in _RULES:
        raise ValueError(f"Expected an arm such as fixed-phi1, found {arm!r}.")
    return f"{_RULES[match[1]]}, phi_s {match[2]}"
