"""Sliders over pictures that move in the published page, where no kernel runs.

Every frame is drawn beforehand and travels with the page; the slider is linked to the frames in
the browser, so moving it needs neither Python nor the network. Panels stand side by side under
their slider, and below each other on a phone, where the slider stays in view.

Where a kernel is there, :class:`LiveControl` adds a button that computes the value chosen now,
:class:`LiveTraining` one that trains with it and shows how far it has come, and
:class:`LivePicture` redraws a picture at each move of a slider. In the published page they are
empty: a button that does nothing would mislead.
"""

from __future__ import annotations

import base64
import html
import io
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

from mtl_helpers.show.plots import learning_curves
from mtl_helpers.show.stack import Stack
from mtl_helpers.show.style import figure_png

__all__ = [
    "Axis",
    "Explorer",
    "FrameGrid",
    "LinkedFrames",
    "LiveControl",
    "LivePicture",
    "LiveTraining",
    "frame_grid",
    "image_bytes",
    "linked_frames",
]

Frame = bytes | Figure | Image.Image | np.ndarray

_QUALITY = 70
_LEAST_PANEL = 200
_SHOWN = 320
_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"))


def image_bytes(frame: Frame, *, zoom: int = 1, lossy: bool = False) -> bytes:
    """Return a frame as the bytes of a picture file.

    A frame is the bytes of a PNG, JPEG, GIF or WebP file (returned as they are), a matplotlib
    figure (drawn and closed), a PIL image, or a ``uint8`` array (H, W) of grey or (H, W, 3) of RGB
    values. The last two are enlarged ``zoom`` times, each pixel staying a sharp square, and if
    ``lossy`` become WebP instead of PNG: about a tenth of the size for a rendered face, with
    differences that the eye does not see.
    """
    if isinstance(frame, bytes):
        _media_type(frame)
        return frame
    if isinstance(frame, Figure):
        return figure_png(frame)
    if isinstance(frame, np.ndarray):
        if frame.dtype != np.uint8:
            raise TypeError(
                f"Expected an image array of uint8, found {frame.dtype}; scale it to 0-255 and "
                "convert it with .astype(np.uint8)."
            )
        if frame.ndim != 2 and (frame.ndim != 3 or frame.shape[2] != 3):
            raise ValueError(
                f"Expected an image of shape (H, W) or (H, W, 3), found {frame.shape}; "
                "pass one image at a time."
            )
        frame = Image.fromarray(frame)
    if not isinstance(frame, Image.Image):
        raise TypeError(
            "Expected the bytes of a picture, a figure, a PIL image or an array, found "
            f"{type(frame).__name__}."
        )
    if zoom != 1:
        frame = frame.resize((frame.width * zoom, frame.height * zoom), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    if lossy:
        frame.save(buffer, "WEBP", quality=_QUALITY, method=6)
    else:
        frame.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _media_type(data: bytes) -> str:
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return f"image/{name}"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise ValueError(
        f"Expected the bytes of a PNG, JPEG, GIF or WebP picture, found {data[:8]!r}; "
        "pass figures and arrays as they are."
    )


def _picture_width(data: bytes) -> int:
    return Image.open(io.BytesIO(data)).width


def _image_html(data: bytes, alt: str, shown: int | None = None) -> str:
    # The picture's shape stands in the tag, so that a page does not jump when it is decoded.
    width, height = Image.open(io.BytesIO(data)).size
    source = f"data:{_media_type(data)};base64,{base64.b64encode(data).decode('ascii')}"
    return (
        f'<img class="course-frame" src="{source}" alt="{html.escape(alt, quote=True)}" '
        f'width="{width}" height="{height}" '
        f'style="width:100%;max-width:{shown or width}px;height:auto">'
    )


class LinkedFrames(ipywidgets.VBox):
    """One slider and the panels that it moves; made by :func:`linked_frames`.

    ``panels`` holds the stacks of frames by panel name, ``values`` what each position stands for.
    """

    def __init__(self, slider: Any, panels: Mapping[str, Any], values: Sequence[Any], row: Any):
        super().__init__(children=[slider, row])
        self.add_class("course-explorer")
        self.slider = slider
        self.panels = dict(panels)
        self.values = tuple(values)

    @property
    def value(self) -> Any:
        """What the slider's position stands for now."""
        return self.values[self.slider.index]


def linked_frames(
    panels: Mapping[str, Sequence[Frame]],
    values: Sequence[Any],
    *,
    description: str,
    alt: str | Mapping[str, str],
    labels: Sequence[str] | None = None,
    start: int = 0,
    zoom: int = 1,
    lossy: bool = False,
    limit_bytes: int = 3_000_000,
) -> LinkedFrames:
    """Several panels of pictures that move together with one slider, without a kernel.

    Parameters
    ----------
    panels
        Panel title to its frames, one per value; an empty title shows none. Side by side they
        share a column of some 720 px in proportion to their widths: draw two or three figures at
        :data:`mtl_helpers.show.style.PANEL`.
    values, labels
        What the slider runs over, and what it shows for each value.
    description
        What the slider changes, in a few words; read aloud by a screen reader.
    alt
        What the pictures show, for who cannot see them, one text for all panels or one per panel;
        each frame's text ends with its value.
    zoom, lossy
        As in :func:`image_bytes`.
    limit_bytes
        Most that all frames may weigh together, since all of them travel with the page.
    """
    if not panels:
        raise ValueError("Expected at least one panel of frames, found none.")
    words = _labels(values, labels, start)
    texts = {name: alt if isinstance(alt, str) else alt.get(name, "") for name in panels}
    for name, frames in panels.items():
        if len(frames) != len(values):
            raise ValueError(
                f"Expected {len(values)} frames in panel {name!r}, one per value, "
                f"found {len(frames)}."
            )
        if not texts[name].strip():
            raise ValueError(f"Panel {name!r} has no alt text; say what its pictures show.")

    encoded = {
        name: [image_bytes(frame, zoom=zoom, lossy=lossy) for frame in frames]
        for name, frames in panels.items()
    }
    _check_weight(sum(len(data) for group in encoded.values() for data in group), limit_bytes)
    slider = _slider(description, words, start)
    # a column is narrower than two panels by this much only on a phone
    least = f"min(100%, {_LEAST_PANEL}px)"
    stacks = {}
    columns = []
    for name, frames in encoded.items():
        pictures = [
            ipywidgets.HTML(_image_html(data, f"{texts[name]} {description}: {label}."))
            for data, label in zip(frames, words, strict=True)
        ]
        stack = Stack(children=pictures, selected_index=start)
        ipywidgets.jslink((slider, "index"), (stack, "selected_index"))
        stacks[name] = stack
        title = [ipywidgets.HTML(f"<strong>{html.escape(name)}</strong>")] if name else []
        share = f"{_picture_width(frames[start])} 1 0px"
        column = ipywidgets.VBox([*title, stack], layout={"flex": share, "min_width": least})
        column.add_class("course-panel")
        columns.append(column)
    return LinkedFrames(slider, stacks, values, _row(columns))


def _row(columns: Sequence[Any]) -> Any:
    return ipywidgets.Box(columns, layout={"flex_flow": "row wrap", "width": "100%"})


@dataclass(frozen=True)
class Axis:
    """What one slider of a :func:`frame_grid` runs over: at least two values, from ``start``.

    The slider shows ``str(value)`` where no labels are given.
    """

    description: str
    values: Sequence[Any]
    labels: Sequence[str] | None = None
    start: int = 0


class FrameGrid(ipywidgets.VBox):
    """Several sliders, the outermost first, that choose one picture; see :func:`frame_grid`."""

    def __init__(self, sliders: Sequence[Any], axes: Sequence[Axis], row: Any) -> None:
        super().__init__(children=[row])
        self.add_class("course-explorer")
        self.sliders = tuple(sliders)
        self.axes = tuple(axes)

    @property
    def value(self) -> tuple[Any, ...]:
        """What the sliders' positions stand for now, one value per axis."""
        return tuple(
            axis.values[slider.index] for axis, slider in zip(self.axes, self.sliders, strict=True)
        )


def frame_grid(
    axes: Sequence[Axis],
    draw: Callable[..., Frame],
    *,
    alt: str,
    shown: int = _SHOWN,
    zoom: int = 1,
    lossy: bool = False,
    limit_bytes: int = 3_000_000,
) -> FrameGrid:
    """One picture beside several sliders, drawn beforehand for every combination of their values.

    The frames lie in stacks within stacks, one level per axis, and each slider is linked to all
    stacks of its level: so the browser finds the picture with nothing but links. ``draw`` is called
    with one value per axis. Frames are ``shown`` at a width in pixels, whatever their own: hundreds
    of them travel with the page, so that they may be smaller than they are shown. The rest is as in
    :func:`linked_frames`.
    """
    if not axes:
        raise ValueError("Expected at least one axis, found none.")
    if not alt.strip():
        raise ValueError("The frames have no alt text; say what their pictures show.")
    labels = [_labels(axis.values, axis.labels, axis.start) for axis in axes]
    sliders = [
        _slider(axis.description, words, axis.start)
        for axis, words in zip(axes, labels, strict=True)
    ]
    # All pictures share one layout and one style: without that, each would bring its own two.
    shared = {"layout": ipywidgets.Layout(width="100%"), "style": ipywidgets.HTML().style}
    weight = 0

    def stack(place: tuple[int, ...]) -> Any:
        nonlocal weight
        level = len(place)
        if level == len(axes):
            values = [axis.values[i] for axis, i in zip(axes, place, strict=True)]
            data = image_bytes(draw(*values), zoom=zoom, lossy=lossy)
            weight += len(data)
            text = ", ".join(
                f"{axis.description}: {words[i]}"
                for axis, words, i in zip(axes, labels, place, strict=True)
            )
            return ipywidgets.HTML(_image_html(data, f"{alt} {text}.", shown), **shared)
        inner = [stack((*place, i)) for i in range(len(axes[level].values))]
        box = Stack(children=inner, selected_index=axes[level].start, layout=shared["layout"])
        ipywidgets.jslink((sliders[level], "index"), (box, "selected_index"))
        return box

    whole = stack(())
    _check_weight(weight, limit_bytes)
    knobs = ipywidgets.VBox(sliders, layout={"flex": "1 1 260px", "justify_content": "center"})
    knobs.add_class("course-knobs")
    picture = ipywidgets.Box([whole], layout={"flex": f"1 1 {shown}px", "max_width": f"{shown}px"})
    return FrameGrid(sliders, axes, _row([knobs, picture]))


def _labels(values: Sequence[Any], labels: Sequence[str] | None, start: int) -> list[str]:
    """Return what a slider shows for each value, checked."""
    words = [str(value) for value in values] if labels is None else list(labels)
    if len(values) < 2:
        raise ValueError(f"A slider needs at least two values, found {len(values)}.")
    if len(words) != len(values) or len(set(words)) != len(words):
        raise ValueError(
            f"Expected {len(values)} different labels, one per value, found {words}; "
            "pass labels that tell the values apart."
        )
    if not 0 <= start < len(values):
        raise ValueError(f"Expected a start from 0 to {len(values) - 1}, found {start}.")
    return words


def _slider(description: str, labels: Sequence[str], start: int) -> Any:
    return ipywidgets.SelectionSlider(
        options=[(label, position) for position, label in enumerate(labels)],
        index=start,
        description=description,
        continuous_update=True,
        style={"description_width": "initial"},
        layout={"width": "100%", "max_width": "560px"},
    )


def _check_weight(weight: int, limit_bytes: int) -> None:
    if weight > limit_bytes:
        raise ValueError(
            f"The frames weigh {weight:,} bytes together and at most {limit_bytes:,} may travel "
            "with the page; draw them smaller, take fewer, or pass lossy=True."
        )


class LivePicture(ipywidgets.VBox):
    """Sliders of any value and the picture that they make, where a kernel is there.

    Whenever a control changes, ``draw`` gets the values of all by keyword and returns a frame.
    """

    def __init__(
        self,
        controls: Mapping[str, Any],
        draw: Callable[..., Frame],
        *,
        alt: str,
        live: bool | None = None,
    ) -> None:
        super().__init__()
        self.live = _kernel_for_readers() if live is None else live
        self.controls = dict(controls)
        self._draw = draw
        self._alt = alt
        self.status = ipywidgets.HTML()
        self.shown = ipywidgets.HTML()
        if not self.live:
            return
        for control in self.controls.values():
            control.observe(lambda _: self.redraw(), names="value")
        self.children = [*self.controls.values(), self.shown, self.status]
        self.redraw()

    def _ipython_display_(self) -> None:
        _display_if(self.live, self)

    def redraw(self) -> None:
        """Draw the picture for the present values."""
        values = {name: control.value for name, control in self.controls.items()}
        try:
            self.shown.value = _image_html(image_bytes(self._draw(**values)), self._alt)
            self.status.value = ""
        except Exception as error:  # a callback's error is shown nowhere else
            self.status.value = html.escape(f"This failed. {type(error).__name__}: {error}")


def _kernel_for_readers() -> bool:
    """Whether a reader will have a kernel: not while a notebook is executed for publication."""
    return os.environ.get("MTL_PUBLISH", "") in ("", "0")


class LiveControl(ipywidgets.VBox):
    """A button that computes for the slider's present value, where a kernel is there.

    ``compute`` gets the value and returns a sentence to show, or a frame as :func:`image_bytes`
    takes it, or both as a tuple ``(frame, sentence)``; the sentence is then the frame's alt text
    too. If ``live`` does not say whether a kernel will be there for the reader: yes, unless the
    notebook is being executed for publication (``MTL_PUBLISH=1``, as ``make run`` sets it).
    """

    def __init__(
        self,
        frames: LinkedFrames | FrameGrid,
        compute: Callable[[Any], str | Frame | tuple[Frame, str]],
        *,
        button: str = "Train live",
        live: bool | None = None,
    ) -> None:
        super().__init__()
        self.live = _kernel_for_readers() if live is None else live
        self.frames = frames
        self._compute = compute
        self.button = ipywidgets.Button(
            description=button, layout={"width": "auto", "flex": "0 0 auto"}
        )
        self.status = ipywidgets.HTML("Computes for the slider's value.")
        self.shown = ipywidgets.HTML()
        self.button.on_click(self._on_click)
        if self.live:
            self.children = [ipywidgets.HBox([self.button, self.status]), self.shown]

    def _ipython_display_(self) -> None:
        _display_if(self.live, self)

    def _on_click(self, _: Any) -> None:
        value = self.frames.value
        self.button.disabled = True
        self.status.value = f"Computing for {html.escape(str(value))} ..."
        started = time.perf_counter()
        try:
            self.shown.value = self._rendered(self._compute(value), value)
            took = time.perf_counter() - started
            self.status.value = f"Computed for {html.escape(str(value))} in {took:.0f} s."
        except Exception as error:  # a callback's error is shown nowhere else
            message = html.escape(f"{type(error).__name__}: {error}")
            self.status.value = f"This failed for {html.escape(str(value))}. {message}"
        finally:
            self.button.disabled = False

    def _rendered(self, result: str | Frame | tuple[Frame, str], value: Any) -> str:
        if isinstance(result, str):
            return f"<p>{html.escape(result)}</p>"
        frame, sentence = result if isinstance(result, tuple) else (result, f"Result for {value}.")
        picture = _image_html(image_bytes(frame), sentence)
        return f"{picture}<p>{html.escape(sentence)}</p>"


class LiveTraining(LiveControl):
    """A button that trains at the slider's value, with a progress bar and curves that grow.

    ``train`` gets the value and a function ``watch(state)`` that takes in each of the ``steps``,
    and returns what :class:`LiveControl` shows. ``losses`` are drawn from
    ``state.terms["loss/..."]``, ``redraws`` times in all; they are names, or name to its words.
    """

    def __init__(
        self,
        frames: LinkedFrames | FrameGrid,
        train: Callable[[Any, Callable[[Any], None]], str | Frame | tuple[Frame, str]],
        *,
        steps: int,
        losses: Sequence[str] | Mapping[str, str],
        redraws: int = 20,
        button: str = "Train live",
        live: bool | None = None,
    ) -> None:
        self.progress = ipywidgets.IntProgress(
            max=steps, layout={"width": "100%", "max_width": "360px", "visibility": "hidden"}
        )
        self.curves = ipywidgets.HTML()
        self._words = dict(losses) if isinstance(losses, Mapping) else {n: n for n in losses}
        self._every = max(1, steps // redraws)
        self._curves: list[tuple[int, list[float]]] = []
        super().__init__(frames, lambda value: train(value, self.watch), button=button, live=live)
        if self.live:
            self.children = [*self.children, self.progress, self.curves]

    def _on_click(self, button: Any) -> None:
        self._curves = []
        self.progress.value = 0
        self.progress.layout.visibility = "visible"
        self.curves.value = ""
        super()._on_click(button)

    def watch(self, state: Any) -> None:
        """Take in a step: its number ``state.step`` and what it reported, ``state.terms``."""
        self.progress.value = state.step
        if state.step % self._every and state.step != self.progress.max:
            return
        losses = [float(state.terms[f"loss/{name}"]) for name in self._words]
        self._curves.append((state.step, losses))
        if len(self._curves) < 2:
            return
        steps, rows = zip(*self._curves, strict=True)
        curves = {name: [row[k] for row in rows] for k, name in enumerate(self._words)}
        figure = learning_curves(curves, names=self._words, steps=steps)
        figure.set_size_inches(5.0, 3.2)
        last = ", ".join(
            f"{word} {value:.2f}" for word, value in zip(self._words.values(), losses, strict=True)
        )
        alt = f"Losses up to step {state.step}: {last}."
        self.curves.value = _image_html(figure_png(figure), alt)


class Explorer(ipywidgets.VBox):
    """A slider with its panels, and below it the training that it starts where a kernel is."""

    def __init__(self, frames: LinkedFrames, training: LiveTraining) -> None:
        super().__init__(children=[frames, training] if training.live else [frames])
        self.frames = frames
        self.training = training


def _display_if(live: bool, widget: Any) -> None:
    """Display a widget or nothing; a cell that ends with it has no output then."""
    if live:
        display(widget._repr_mimebundle_(), raw=True)
