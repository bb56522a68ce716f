"""Pictures of which one is shown: ipywidgets' own ``Stack``, or a stand-in where that is older.

Google Colab runs ipywidgets 7, which has no ``Stack``, and has a kernel at all times: there the
kernel puts the picture that is asked for into the box.
"""

from __future__ import annotations

from typing import Any

import ipywidgets
import traitlets

__all__ = ["KernelStack", "Stack"]


class KernelStack(ipywidgets.Box):
    """A box that shows ``pages[selected_index]``; needs a kernel."""

    selected_index = traitlets.Int(0, allow_none=True).tag(sync=True)

    def __init__(self, children: Any = (), selected_index: int | None = 0, **options: Any) -> None:
        super().__init__(**options)
        self.pages = tuple(children)
        self.observe(self._show, "selected_index")
        self.selected_index = selected_index
        self._show()

    def _show(self, change: Any = None) -> None:
        index = self.selected_index
        self.children = () if index is None else (self.pages[index],)


Stack = getattr(ipywidgets, "Stack", KernelStack)
"""The widget to use."""
