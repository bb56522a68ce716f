"""Sphinx extension: leave out the scripts of sphinx-thebe, which Jupyter Book always loads.

They would run code cells on a public server. The book has no such button, its pages ask nothing of
other servers, and the scripts' constants, declared twice, are an error in the browser.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


def drop_scripts(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Take the scripts out of the list that the page's template writes."""
    context["script_files"] = [
        script
        for script in context.get("script_files", [])
        if "thebe" not in str(getattr(script, "filename", script) or "")
        and "THEBE" not in str(getattr(script, "attributes", {}).get("body", ""))
    ]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx, after every extension that adds scripts."""
    app.connect("html-page-context", drop_scripts, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
