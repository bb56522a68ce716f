"""Sphinx extension: what a page says of itself where it is shared, and its icon as PNG.

A page's description is its first sentences. The published address follows from the repository's,
which stands in one place of the configuration.
"""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from plain_words import cut_at_word, plain_words
from sphinx.application import Sphinx

LEAST, MOST = 80, 200
PREVIEW = "preview.jpg"
PREVIEW_ALT = "Rendered faces of several people under the words Many Tasks, One Face."
OTHERWISE = "A course on multi-task learning for faces: papers rebuilt, their claims tested."


def published_address(repository: str) -> str:
    """The address of the pages that GitHub makes of a repository."""
    owner, name = repository.rstrip("/").split("/")[-2:]
    return f"https://{owner}.github.io/{name}/"


def description(doctree: nodes.document | None, title: str) -> str:
    """The first sentences of a page, cut at a word; pages without any say what the book is."""
    words = ""
    for paragraph in doctree.findall(nodes.paragraph) if doctree is not None else ():
        if isinstance(paragraph.parent, nodes.section | nodes.document):
            words = f"{words} {plain_words(paragraph)}".strip()
        if len(words) >= LEAST:
            break
    if len(words) < LEAST:
        words = f"{title}. {words or OTHERWISE}"
    return cut_at_word(words, MOST)


def add_tags(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Write the tags into the head of a page."""
    address = published_address(app.config.html_theme_options["repository_url"])
    book = app.config.html_title or app.config.project
    title = html.unescape(re.sub(r"<[^>]*>", "", context.get("title", "") or book))
    words = description(doctree, title)
    static = address + "_static/"
    named = {"description": words}
    shared = {
        "og:type": "article",
        "og:site_name": book,
        "og:title": title,
        "og:description": words,
        "og:url": f"{address}{pagename}.html",
        "og:image": static + PREVIEW,
        "og:image:alt": PREVIEW_ALT,
    }
    tags = [f'<meta name="{k}" content="{html.escape(v)}">' for k, v in named.items()]
    tags += [f'<meta property="{k}" content="{html.escape(v)}">' for k, v in shared.items()]
    tags.append('<meta name="twitter:card" content="summary_large_image">')
    icon = context["pathto"]("_static/favicon.png", resource=True)
    tags.append(f'<link rel="icon" type="image/png" sizes="180x180" href="{icon}">')
    context["metatags"] = context.get("metatags", "") + "\n" + "\n".join(tags)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("html-page-context", add_tags)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
