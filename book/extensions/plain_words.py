"""Words of a part of a page, where only words can be shown, and not too many."""

from __future__ import annotations

import re

from docutils import nodes


def plain_words(part: nodes.Element) -> str:
    """Return the words on one line; of a formula, its letters and signs."""
    copy = part.deepcopy()
    for formula in list(copy.findall(nodes.math)):
        # a letter's font goes, a Greek letter's name stays
        letters = re.sub(r"\\(?:math[a-z]*|boldsymbol|text|hat|bar)\s*", "", formula.astext())
        formula.replace_self(nodes.Text(re.sub(r"\\(?:var)?|[{}]", "", letters)))
    return " ".join(copy.astext().split())


def cut_at_word(words: str, most: int) -> str:
    """Return the words, or as many as fit, ending in dots."""
    if len(words) <= most:
        return words
    return words[: most - 3].rsplit(" ", 1)[0].rstrip(",;:") + " ..."
