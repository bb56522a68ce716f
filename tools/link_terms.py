"""Link the glossary's terms where a chapter first uses them, and say where no link stands yet.

Run: ``python tools/link_terms.py [NOTEBOOK ...]`` lists first uses that no link marks;
``--write`` links them in the notebooks' Markdown cells.

``book/terms.yml`` says under which words a term is used. Words with several senses are not listed
there as a term's own: where such a word has the glossary's sense, a person links it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
GLOSSARY = ROOT / "book" / "glossary.md"
TERMS = ROOT / "book" / "terms.yml"
LINK = re.compile(r"\{term\}`([^`<]+?)(?:\s*<([^>]+)>)?`")

# Blocks whose words are running prose; of all others, such as code and tables, no word counts.
PROSE_BLOCKS = {"admonition", "note", "tip", "warning", "important", "exercise", "exercise-start"}
FENCE = re.compile(r"^(`{3,}|:{3,}|~{3,})\s*(?:\{([\w-]+)\})?")
# What stands for itself within prose: formulas, roles, code, links, targets, addresses, raw HTML.
APART = re.compile(
    r"\$\$.+?\$\$(?: \([\w-]+\))?|\{[\w:-]+\}`[^`]+`|`[^`]+`|\$[^$\n]+\$|\[[^\]]*\]\([^)]*\)"
    r"|\\begin\{(\w+\*?)\}.*?\\end\{\1\}|\[[^\]]*\]\[[^\]]*\]|^\[[^\]]+\]:.*?$|https?://[^\s)>]+"
    r"|^\([\w-]+\)=$|<!--.*?-->|<[^>\n]+>",
    re.DOTALL | re.MULTILINE,
)
HIDDEN = "\0"


def is_folded(options: list[str]) -> bool:
    """Whether a block's options say that a page shows it only on request."""
    return any(re.match(r":class:.*\bdropdown\b", option) for option in options)


def masked(cells: list[str]) -> list[str]:
    """The cells with everything that is no running prose in sight replaced, letter by letter.

    Headings, code, tables, titles and options of blocks, formulas, roles and links are no prose;
    folded blocks and solutions are out of sight, also where they span several cells.
    """
    out, solution = [], False
    for cell in cells:
        lines = cell.split("\n")
        kept, blocks = [], []  # blocks: (fence, whether its words are prose in sight)
        for position, line in enumerate(lines):
            fence = FENCE.match(line)
            name = fence[2] if fence else None
            if name in ("solution-start", "solution-end"):
                solution = name == "solution-start"
            prose = not solution and all(prose for _, prose in blocks)
            if fence and blocks and line.strip() == blocks[-1][0]:
                blocks.pop()
                prose = False
            elif fence:
                options = [
                    near for near in lines[position + 1 : position + 4] if near.startswith(":")
                ]
                seen = name in PROSE_BLOCKS and not is_folded(options)
                blocks.append((fence[1], seen or name in ("exercise-end", "solution-end")))
                prose = False
            elif re.match(r"#+ |\||:[\w-]+:", line):
                prose = False
            kept.append(line if prose else HIDDEN * len(line))
        text = "\n".join(kept)
        out.append(APART.sub(lambda found: HIDDEN * len(found[0]), text))
    return out


@dataclass(frozen=True)
class Use:
    """A place where a chapter uses a term: the cell, from which letter to which, the words."""

    entry: str
    cell: int
    start: int
    end: int
    words: str
    linked: bool = False


@dataclass(frozen=True)
class Terms:
    """Under which words the glossary's terms are used."""

    forms: dict[str, str]
    """Words, in small letters but for abbreviations, and the entry that they always mean."""
    others: frozenset[str]
    """Phrases that contain such words in another sense."""
    by_hand: frozenset[str]
    """Entries that are linked by a person."""

    @property
    def pattern(self) -> re.Pattern[str]:
        """Finds every form and every phrase of another sense, the longest first."""
        return _pattern(tuple(self.forms) + tuple(self.others))

    def entry_of(self, words: str) -> str | None:
        """The entry that words mean, none for a phrase of another sense."""
        return self.forms.get(words) or self.forms.get(words.lower())


@cache
def _pattern(forms: tuple[str, ...]) -> re.Pattern[str]:
    def pieces(form: str) -> str:
        words = re.escape(form).replace(r"\ ", r"\s+")
        return words if form.isupper() or "CNN" in form else f"(?i:{words})"

    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile(r"(?<![\w-])(?:" + "|".join(map(pieces, longest_first)) + r")(?![\w-])")


def glossary_entries(text: str) -> list[str]:
    """The entries of the glossary's source."""
    return [
        line
        for line in text.split("```{glossary}")[1].split("\n")
        if line[:1] not in ("", " ", "`")
    ]


def load_terms(path: Path = TERMS) -> Terms:
    """Read the list of words."""
    listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    forms = {form: entry for entry, forms in listed["terms"].items() for form in forms}
    return Terms(forms, frozenset(listed["other senses"]), frozenset(listed["by hand"]))


def uses(cells: list[str], terms: Terms) -> Iterator[Use]:
    """Every use of a term in a chapter's prose in sight, and every link to the glossary."""
    for number, (cell, prose) in enumerate(zip(cells, masked(cells), strict=True)):
        found = [
            Use((link[2] or link[1]).strip(), number, *link.span(), link[1], linked=True)
            for link in LINK.finditer(cell)
        ]
        for match in terms.pattern.finditer(prose):
            words = re.sub(r"\s+", " ", match[0])
            if entry := terms.entry_of(words):
                found.append(Use(entry, number, *match.span(), words))
        yield from sorted(found, key=lambda use: use.start)


def problems(cells: list[str], terms: Terms) -> list[str]:
    """What is wrong with a chapter's links, as sentences."""
    first: dict[str, Use] = {}
    found = []
    for use in uses(cells, terms):
        if use.entry not in first:
            first[use.entry] = use
            if not use.linked:
                found.append(f"cell {use.cell}: {use.words!r} has no link to {use.entry!r}")
        elif use.linked:
            found.append(f"cell {use.cell}: {use.words!r} is linked behind the first {use.entry!r}")
    return found


def linked(cells: list[str], terms: Terms) -> list[str]:
    """The cells with every term linked at its first use; later links become plain words."""
    out, seen = list(cells), set()
    changes: list[tuple[Use, str]] = []
    for use in uses(cells, terms):
        if use.entry not in seen and not use.linked:
            words = cells[use.cell][use.start : use.end]
            target = words if words == use.entry else f"{words} <{use.entry}>"
            changes.append((use, f"{{term}}`{target}`"))
        elif use.entry in seen and use.linked:
            changes.append((use, use.words))
        seen.add(use.entry)
    for use, text in reversed(changes):
        out[use.cell] = out[use.cell][: use.start] + text + out[use.cell][use.end :]
    return out


def markdown_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The Markdown cells of a notebook."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]


def sources(notebook: dict[str, Any]) -> list[str]:
    """The texts of a notebook's Markdown cells."""
    return ["".join(cell["source"]) for cell in markdown_cells(notebook)]


def write(path: Path, terms: Terms) -> int:
    """Link a notebook's terms in place; return how many cells changed."""
    raw = path.read_text(encoding="utf-8")
    notebook = json.loads(raw)
    before = sources(notebook)
    after, changed = linked(before, terms), 0
    for cell, old, new in zip(markdown_cells(notebook), before, after, strict=True):
        if old != new:
            changed += 1
            cell["source"] = (
                new.splitlines(keepends=True) if isinstance(cell["source"], list) else new
            )
    if changed:
        text = json.dumps(notebook, indent=1, ensure_ascii=False)
        path.write_text(text + "\n" * raw.endswith("\n"), encoding="utf-8")
    return changed


def main() -> None:
    """List what is to be linked, or link it."""
    from notebook_checks import chapter_paths

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, default=chapter_paths(ROOT))
    parser.add_argument("--write", action="store_true", help="link them in the notebooks")
    options = parser.parse_args()
    terms, missing = load_terms(), 0
    for path in options.notebooks:
        if options.write:
            print(f"{path.name}: {write(path, terms)} cells changed")
        for problem in problems(sources(json.loads(path.read_text(encoding="utf-8"))), terms):
            missing += 1
            print(f"{path.name}: {problem}")
    sys.exit(bool(missing))


if __name__ == "__main__":
    main()
