"""Write book/api.md: every module of the package, room by room, in the order of the imports.

Run: ``python tools/write_api_page.py`` after a module came, went or moved; a test holds the page.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mtl_helpers"
PAGE = ROOT / "book" / "api.md"

# Rooms in the order of the imports: what stands further down may import from what is above.
CHAPTERS: dict[str, tuple[str, ...]] = {
    "Ground": (
        "errors",
        "machine",
        "presets",
        "streams",
        "distributed",
        "store",
        "corpus",
        "losses",
    ),
    "Faces": ("faces.model", "faces.scene", "faces.draw", "faces.corpora"),
    "Real sets": ("datasets",),
    "Trunks and networks": ("trunks", "networks"),
    "Training": ("training",),
    "Evaluation": ("evaluation",),
    "Runs": ("runs",),
    "Claims": ("ledger",),
    "Figures and widgets": ("show",),
    "The laboratory": ("laboratory",),
    "Yin & Liu (2018)": ("papers.yin2018",),
    "Ming et al. (2021)": ("papers.ming2021",),
    "Li et al. (2021)": ("papers.li2021",),
    "Taherkhani et al. (2021)": ("papers.taherkhani2021",),
    "Registry": ("registry",),
}
# Kernels of the renderer, which no chapter calls: warp's functions have no signature to show.
LEFT_OUT = "kernels"


def modules_of(room: str) -> list[str]:
    """Dotted names of a room's modules; folders without code of their own are left out."""
    path = PACKAGE / room.replace(".", "/")
    if path.with_suffix(".py").is_file():
        return [room]
    names = []
    for file in sorted(path.rglob("*.py")):
        name = file.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
        if name.endswith(LEFT_OUT):
            continue
        if not name.endswith("__init__"):
            names.append(name)
        elif len(ast.parse(file.read_text(encoding="utf-8")).body) > 1:
            names.append(name.removesuffix(".__init__"))
    return sorted(names, key=lambda name: (name.count("."), name))


def page() -> str:
    """The text of the page."""
    parts = [
        "# API reference\n\nBuilt from the docstrings of `mtl_helpers`. Imports run one way, in "
        "the order of this page.\n"
    ]
    for title, rooms in CHAPTERS.items():
        parts.append(f"## {title}\n")
        for room in rooms:
            parts += [
                f"### {name}\n\n```{{eval-rst}}\n.. automodule:: mtl_helpers.{name}\n```\n"
                for name in modules_of(room)
            ]
    return "\n".join(parts)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Wrote {PAGE.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
