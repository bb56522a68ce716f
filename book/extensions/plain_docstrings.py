"""Sphinx extension: numpy docstrings as the package writes them.

Napoleon takes a word after a parameter's colon, and whatever stands before the first colon of an
attribute's docstring, for the name of a class and looks for its page. In `mtl_helpers` those are
words for the reader, such as "shape (B, D)"; types stand in the signatures. Here sections are
parsed by napoleon, and such words stay words.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, NumpyDocstring

# Parameters and attributes become plain lists, in which nothing is looked up.
_CONFIG = Config(
    napoleon_google_docstring=False,
    napoleon_numpy_docstring=True,
    napoleon_use_param=False,
    napoleon_use_rtype=False,
    napoleon_use_ivar=True,
)
_IVAR = re.compile(r"^\s*:ivar [^:]*:")


def parse_docstring(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Turn the sections of one docstring into reStructuredText, in place."""
    if what in ("attribute", "data", "property"):
        return
    parsed = NumpyDocstring(list(lines), _CONFIG, app, what, name, obj, options).lines()
    kept = [line for line in parsed if not line.lstrip().startswith(":vartype ")]
    # In ":ivar a, b:" the first word would be taken for a type, so names stand without spaces.
    lines[:] = [_IVAR.sub(lambda found: found[0].replace(", ", ",\u200b"), line) for line in kept]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", parse_docstring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
