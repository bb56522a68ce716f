"""Widgets read back: their links, their pictures and the words of these."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from typing import Any

import ipywidgets
import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def no_widgets_left() -> Iterator[None]:
    yield
    ipywidgets.Widget.close_all()


def grey(level: int, side: int = 4) -> np.ndarray:
    return np.full((side, side), level, np.uint8)


def picture_of(html: str) -> Image.Image:
    """The picture inside an HTML widget, decoded again."""
    data = re.search(r"base64,([^\"]+)", html)
    assert data
    return Image.open(io.BytesIO(base64.b64decode(data[1])))


def alt_of(html: str) -> str:
    match = re.search('alt="([^"]*)"', html)
    return match[1] if match else ""


def links() -> list[Any]:
    from ipywidgets.widgets.widget import _instances
    from ipywidgets.widgets.widget_link import Link

    return [widget for widget in _instances.values() if isinstance(widget, Link)]
