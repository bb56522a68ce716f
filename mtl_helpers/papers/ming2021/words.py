"""What tasks, rules and transfers of the experiments are called in figures, and their colours."""

from __future__ import annotations

from collections.abc import Mapping

from mtl_helpers.papers.ming2021.model import TASKS
from mtl_helpers.show.style import COLOURS

__all__ = ["ARM_WORDS", "TASK_COLOURS", "TASK_WORDS", "TRANSFER_WORDS"]

TASK_WORDS: Mapping[str, str] = {
    "verification": "verification",
    "caricature": "caricatures",
    "photo": "photographs",
}

TASK_COLOURS: Mapping[str, str] = dict(
    zip(TASKS, (COLOURS[2], COLOURS[1], COLOURS[0]), strict=True)
)
"""Caricatures are orange and photographs blue, in curves as in pictures of embeddings."""

_RULE_WORDS: Mapping[str, str] = {
    "fixed": "equal weights",
    "naive": "naive",
    "printed": "as printed",
    "released": "as released",
    "slow": "slow printed",
    "slow-naive": "slow naive",
    "released-naive": "naive, length ½",
    "only-scale": "only its scale",
    "only-offset": "only its offset",
    "only-rate": "only its rate",
    "only-leak": "only its leak",
    "rectified": "released with ReLU",
}

ARM_WORDS: Mapping[str, str] = {
    **{f"single-{task}": "each alone" for task in TASKS},
    "single": "alone",
    **_RULE_WORDS,
    **{f"toy-{rule}": words for rule, words in _RULE_WORDS.items()},
}
"""Arms by how the losses are weighted; "only" is the printed rule with one released setting."""

TRANSFER_WORDS: Mapping[str, str] = {
    "V2V": "photographs,\nlearnt on them",
    "V2C": "caricatures,\nlearnt on photographs",
    "C2C": "caricatures,\nlearnt on them",
    "C2V": "photographs,\nlearnt on caricatures",
}
"""What is asked, and what the branch that answers has learnt from."""
