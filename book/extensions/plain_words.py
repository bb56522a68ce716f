"""The words of a part of a page, where only words can be shown: formulas without their TeX."""

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
