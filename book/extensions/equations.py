"""Sphinx extension: numbered equations that lead to the code and to a test.

``book/equations.yml`` lists every labelled equation. A label is written as MyST has it,
``$$ ... $$ (eq-name)``. In the page the equation gets a number of its chapter, such as (3.2), and a
line below it: what number a paper has for it, what computes it, and which test derives it.
``{equations}`` shows all of them.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from chapter_cards import words
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

EQUATIONS = "book/equations.yml"
LABELLED = re.compile(r"\$\$([^$]+)\$\$ \((eq-[\w-]+)\)")


@dataclass(frozen=True)
class Equation:
    """An entry of the list.

    Attributes
    ----------
    label: The name that pages refer to it by.
    what: What it says, in a few words.
    code: Dotted name of what computes it.
    test: File and name of a test, as pytest takes them.
    paper: Key of the paper that prints it, or none.
    printed: Where it stands in that paper.
    """

    label: str
    what: str
    code: str
    test: str
    paper: str = ""
    printed: str = ""

    @property
    def test_name(self) -> str:
        """The test's name without its file."""
        return self.test.partition("::")[2]

    @property
    def code_name(self) -> str:
        """What the line shows of the dotted name: the class or function, a method with both."""
        parts = self.code.split(".")
        return ".".join(parts[-2:] if parts[-2][:1].isupper() else parts[-1:])


@cache
def equations(source: Path) -> dict[str, Equation]:
    """The entries of the list by label, in its order."""
    entries = yaml.safe_load((source / EQUATIONS).read_text(encoding="utf-8"))
    return {entry["label"]: Equation(**entry) for entry in entries}


def in_words(test: str) -> str:
    """A test's name as words, which a table's narrow column can break."""
    return re.sub(r" s\b", "'s", test.removeprefix("test_").replace("_", " "))


@cache
def line_of(path: Path, name: str) -> int:
    """The line on which a test of a file begins."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node.lineno
    raise ExtensionError(f"{path.name} has no {name}: see {EQUATIONS}.")


def test_address(equation: Equation, source: Path, options: dict[str, Any]) -> str:
    """Where the test's source stands in the repository of the theme's options."""
    file = equation.test.partition("::")[0]
    address = options["repository_url"].rstrip("/")
    branch = options.get("repository_branch") or "main"
    return f"{address}/blob/{branch}/{file}#L{line_of(source / file, equation.test_name)}"


def chapter_number(title: str) -> str:
    """The number that a chapter's title begins with: ``3`` of *3 Weights*, ``A1`` of *A1 How*."""
    number = title.split()[0]
    if not number[-1].isdigit():
        raise ExtensionError(f"Equations are numbered by chapter, and {title!r} has no number.")
    return number


def code_link(equation: Equation, page: str) -> addnodes.pending_xref:
    """A link to the entry of the reference."""
    link = addnodes.pending_xref(
        "",
        nodes.literal("", equation.code_name),
        refdomain="py",
        reftype="obj",
        reftarget=equation.code,
        refdoc=page,
        refexplicit=True,
        refwarn=True,
    )
    return link


def line_below(equation: Equation, app: Sphinx, page: str) -> nodes.paragraph:
    """What stands in small letters below an equation."""
    address = test_address(equation, Path(app.srcdir), app.config.html_theme_options)
    line = nodes.paragraph(classes=["equation-line"])
    if equation.printed:
        line += nodes.Text(f"{equation.printed} of the paper · ")
    line += code_link(equation, page)
    line += nodes.Text(" · ")
    # the name is long, and the line stands within a sentence
    line += nodes.reference("", "its test", refuri=address, reftitle=equation.test)
    return line


def number_equations(app: Sphinx, doctree: nodes.document) -> None:
    """Number the labelled equations of a page, and put the line below each."""
    page, known = app.env.docname, equations(Path(app.srcdir))
    blocks = [block for block in doctree.findall(nodes.math_block) if block.get("label")]
    if not blocks:
        return
    app.env.note_dependency(str(Path(app.srcdir) / EQUATIONS))
    chapter = chapter_number(next(iter(doctree.findall(nodes.title))).astext())
    mathematics = app.env.get_domain("math")
    standard = app.env.get_domain("std")
    for position, block in enumerate(blocks, start=1):
        label = block["label"]
        if label not in known:
            raise ExtensionError(f"The equation {label!r} of {page} is not in {EQUATIONS}.")
        block["number"] = f"{chapter}.{position}"
        mathematics.data["objects"][label] = (page, block["number"])
        # so that words can lead to it, too: {ref}`the slope <eq-name>`
        standard.note_hyperlink_target(label, page, f"equation-{label}")
        block.parent.insert(block.parent.index(block) + 1, line_below(known[label], app, page))


@cache
def formulas(source: Path) -> dict[str, tuple[str, str]]:
    """Of each labelled equation, the page it stands on and its TeX, in the order of the book."""
    found = {}
    for path in sorted((source / "notebooks").glob("*.ipynb")):
        for tex, label in LABELLED.findall(words(json.loads(path.read_text(encoding="utf-8")))):
            found[label] = (f"notebooks/{path.stem}", tex.strip().rstrip(".,"))
    return found


class Equations(SphinxDirective):
    """All numbered equations, chapter by chapter."""

    def run(self) -> list[nodes.Node]:
        """Return a heading per chapter, and of each equation its words, itself and its links."""
        source = Path(self.env.srcdir)
        written = formulas(source)
        self.env.note_dependency(str(source / EQUATIONS))
        options = self.env.app.config.html_theme_options
        parts, before = [], ""
        for one in equations(source).values():
            page, tex = written[one.label]
            if page != before:
                self.env.note_dependency(str(source / f"{page}.ipynb"))
                parts.append(f"**{{doc}}`/{page}`**")
                before = page
            paper = f"{{cite:t}}`{one.paper}`, {one.printed} · " if one.paper else ""
            test = f"[{in_words(one.test_name)}]({test_address(one, source, options)})"
            code = f"{{py:obj}}`{one.code_name} <{one.code}>`"
            parts.append(f"{{eq}}`{one.label}` {one.what}")
            parts.append(f"$$\n{tex}\n$$")
            parts.append(f"{paper}{code} · tested: {test}")
        return self.parse_text_to_nodes("\n\n".join(parts))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("equations", Equations)
    app.connect("doctree-read", number_equations)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
