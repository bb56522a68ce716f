"""Sphinx extension: a link to the glossary shows the definition where a pointer rests on it."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from plain_words import cut_at_word, plain_words
from sphinx.application import Sphinx

GLOSSARY = "book/glossary"
MOST = 300


def definitions(glossary: nodes.document) -> dict[str, str]:
    """Return the definition of each term by the name of its place in the page, cut at a word."""
    found = {}
    for item in glossary.findall(nodes.definition_list_item):
        (definition,) = item.findall(nodes.definition)
        words = cut_at_word(plain_words(definition), MOST)
        for term in item.findall(nodes.term):
            found |= dict.fromkeys(term["ids"], words)
    return found


def add_titles(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Give every link to a term its definition."""
    if page == GLOSSARY or GLOSSARY not in app.env.found_docs:
        return
    links = [
        link
        for link in doctree.findall(nodes.reference)
        if any("std-term" in child["classes"] for child in link.findall(nodes.inline))
    ]
    if not links:
        return
    known = definitions(app.env.get_doctree(GLOSSARY))
    for link in links:
        _, _, place = link.get("refuri", "").partition("#")
        if place in known:
            link["reftitle"] = known[place]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("doctree-resolved", add_titles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
