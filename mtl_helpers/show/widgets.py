"""Sliders over pictures that move in the published page, where no kernel runs.

Every frame is drawn beforehand and travels with the page; the slider is linked to the frames in
the browser, so moving it needs neither Python nor the network. Where a kernel is there,
:class:`LiveControl` adds a button that computes the value chosen now, :class:`LiveTraining` one
that trains with it and shows how far it has come, and :class:`LivePicture` redraws a picture at
each move of a slider. :func:`phi_explorer` puts the first and the third together, the same way in
every chapter.
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
from matplotlib.figure import Figure
from PIL import Image

from mtl_helpers.show.plots import figure_png, learning_curves
from mtl_helpers.show.stack import Stack

__all__ = [
    "Axis",
    "FrameGrid",
    "LinkedFrames",
    "LiveControl",
    "LivePicture",
    "LiveTraining",
    "PhiExplorer",
    "frame_grid",
    "image_bytes",
    "linked_frames",
    "phi_explorer",
]

Frame = bytes | Figure | Image.Image | np.ndarray

_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"))


def image_bytes(frame: Frame, *, zoom: int = 1, lossy: bool = False) -> bytes:
    """Return a frame as the bytes of a picture file.

    Parameters
    ----------
    frame
        Bytes of a PNG, JPEG, GIF or WebP file (returned as they are), a matplotlib figure (drawn
        and closed), a PIL image, or a ``uint8`` array (H, W) of grey or (H, W, 3) of RGB values.
    zoom
        Whole factor by which an array or PIL image is enlarged, each pixel staying a sharp square.
    lossy
        Whether arrays and PIL images become WebP at quality 85 instead of PNG: about a sixth of
        the size for a rendered face, with differences that the eye does not see.

    Raises
    ------
    TypeError
        If the frame is of another kind, or an array of another type.
    ValueError
        If bytes are not those of a picture, or an array has another shape.
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
        frame.save(buffer, "WEBP", quality=85, method=6)
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


def _image_html(data: bytes, alt: str) -> str:
    # The picture's own size stands in the tag, so that a page does not jump when it is decoded.
    width, height = Image.open(io.BytesIO(data)).size
    source = f"data:{_media_type(data)};base64,{base64.b64encode(data).decode('ascii')}"
    return (
        f'<img class="course-frame" src="{source}" alt="{html.escape(alt, quote=True)}" '
        f'width="{width}" height="{height}" style="max-width:100%;height:auto">'
    )


class LinkedFrames(ipywidgets.VBox):
    """One slider and the panels that it moves; made by :func:`linked_frames`.

    Parameters
    ----------
    slider
        The slider; its ``index`` is linked in the browser to each panel's frame.
    panels
        The stacks of frames by panel name.
    values
        What each position of the slider stands for.
    children
        What is shown, from top to bottom.
    """

    def __init__(
        self,
        slider: Any,
        panels: Mapping[str, Any],
        values: Sequence[Any],
        children: Sequence[Any],
    ) -> None:
        super().__init__(children=list(children))
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
        Panel title to its frames, one a value; an empty title shows none.
    values
        What the slider runs over, such as 13 yaws or five values of ``phi_s``.
    description
        What the slider changes, in a few words; read aloud by a screen reader.
    alt
        What the pictures show, for who cannot see them; each frame's text ends with its value.
        One text for all panels, or one a panel.
    labels
        What the slider shows for each value; ``str(value)`` if not given.
    start
        Position shown first.
    zoom, lossy
        As in :func:`image_bytes`.
    limit_bytes
        Most that all frames may weigh together, since all of them travel with the page.

    Returns
    -------
    LinkedFrames
        To be shown by ending a cell with it.

    Raises
    ------
    ValueError
        If a panel has not one frame a value, there are fewer than two values, labels repeat, the
        alt text is empty, or the frames weigh more than `limit_bytes`.
    """
    if not panels:
        raise ValueError("Expected at least one panel of frames, found none.")
    shown = _labels(values, labels, start)
    texts = {name: alt if isinstance(alt, str) else alt.get(name, "") for name in panels}
    for name, frames in panels.items():
        if len(frames) != len(values):
            raise ValueError(
                f"Expected {len(values)} frames in panel {name!r}, one a value, "
                f"found {len(frames)}."
            )
        if not texts[name].strip():
            raise ValueError(f"Panel {name!r} has no alt text; say what its pictures show.")

    encoded = {
        name: [image_bytes(frame, zoom=zoom, lossy=lossy) for frame in frames]
        for name, frames in panels.items()
    }
    _check_weight(sum(len(data) for group in encoded.values() for data in group), limit_bytes)
    slider = _slider(description, shown, start)
    stacks = {}
    columns = []
    for name, frames in encoded.items():
        pictures = [
            ipywidgets.HTML(_image_html(data, f"{texts[name]} {description}: {label}."))
            for data, label in zip(frames, shown, strict=True)
        ]
        stack = Stack(children=pictures, selected_index=start)
        ipywidgets.jslink((slider, "index"), (stack, "selected_index"))
        stacks[name] = stack
        title = [ipywidgets.HTML(f"<strong>{html.escape(name)}</strong>")] if name else []
        columns.append(ipywidgets.VBox([*title, stack], layout={"max_width": "100%"}))
    # Panels stand side by side where there is room and below each other on a phone.
    row = ipywidgets.Box(columns, layout={"flex_flow": "row wrap", "max_width": "100%"})
    return LinkedFrames(slider, stacks, values, [slider, row])


@dataclass(frozen=True)
class Axis:
    """What one slider of a :func:`frame_grid` runs over.

    Parameters
    ----------
    description
        What the slider changes, in a word or two.
    values
        At least two.
    labels
        What the slider shows for each value; ``str(value)`` if not given.
    start
        Position shown first.
    """

    description: str
    values: Sequence[Any]
    labels: Sequence[str] | None = None
    start: int = 0


class FrameGrid(ipywidgets.VBox):
    """Several sliders that choose one picture together; made by :func:`frame_grid`.

    Parameters
    ----------
    sliders
        One an axis, the outermost first.
    axes
        What they run over.
    children
        What is shown, from top to bottom.
    """

    def __init__(
        self, sliders: Sequence[Any], axes: Sequence[Axis], children: Sequence[Any]
    ) -> None:
        super().__init__(children=list(children))
        self.sliders = tuple(sliders)
        self.axes = tuple(axes)

    @property
    def value(self) -> tuple[Any, ...]:
        """What the sliders' positions stand for now, one value an axis."""
        return tuple(
            axis.values[slider.index] for axis, slider in zip(self.axes, self.sliders, strict=True)
        )


def frame_grid(
    axes: Sequence[Axis],
    draw: Callable[..., Frame],
    *,
    alt: str,
    zoom: int = 1,
    lossy: bool = False,
    limit_bytes: int = 3_000_000,
) -> FrameGrid:
    """One picture under several sliders, drawn beforehand for every combination of their values.

    The frames lie in stacks within stacks, one level an axis, and each slider is linked to all
    stacks of its level: so the browser finds the picture with nothing but links.

    Parameters
    ----------
    axes
        The sliders, from top to bottom.
    draw
        Called with one value an axis; returns the frame.
    alt
        What the picture shows, for who cannot see it; each frame's text ends with its values.
    zoom, lossy
        As in :func:`image_bytes`.
    limit_bytes
        Most that all frames may weigh together, since all of them travel with the page.

    Returns
    -------
    FrameGrid
        To be shown by ending a cell with it.

    Raises
    ------
    ValueError
        If there is no axis, an axis has fewer than two values or labels that repeat, the alt text
        is empty, or the frames weigh more than `limit_bytes`.
    """
    if not axes:
        raise ValueError("Expected at least one axis, found none.")
    if not alt.strip():
        raise ValueError("The frames have no alt text; say what their pictures show.")
    labels = [_labels(axis.values, axis.labels, axis.start) for axis in axes]
    sliders = [
        _slider(axis.description, shown, axis.start)
        for axis, shown in zip(axes, labels, strict=True)
    ]
    # All pictures share one layout and one style: without that, each would bring its own two.
    shared = {"layout": ipywidgets.Layout(), "style": ipywidgets.HTML().style}
    weight = 0

    def stack(place: tuple[int, ...]) -> Any:
        nonlocal weight
        level = len(place)
        if level == len(axes):
            values = [axis.values[i] for axis, i in zip(axes, place, strict=True)]
            data = image_bytes(draw(*values), zoom=zoom, lossy=lossy)
            weight += len(data)
            words = ", ".join(
                f"{axis.description}: {shown[i]}"
                for axis, shown, i in zip(axes, labels, place, strict=True)
            )
            return ipywidgets.HTML(_image_html(data, f"{alt} {words}."), **shared)
        inner = [stack((*place, i)) for i in range(len(axes[level].values))]
        box = Stack(children=inner, selected_index=axes[level].start, layout=shared["layout"])
        ipywidgets.jslink((sliders[level], "index"), (box, "selected_index"))
        return box

    whole = stack(())
    _check_weight(weight, limit_bytes)
    columns = [ipywidgets.VBox(sliders, layout=_wide("360px")), whole]
    row = ipywidgets.Box(columns, layout={"flex_flow": "row wrap", "max_width": "100%"})
    return FrameGrid(sliders, axes, [row])


def _labels(values: Sequence[Any], labels: Sequence[str] | None, start: int) -> list[str]:
    """Return what a slider shows for each value, checked."""
    shown = [str(value) for value in values] if labels is None else list(labels)
    if len(values) < 2:
        raise ValueError(f"A slider needs at least two values, found {len(values)}.")
    if len(shown) != len(values) or len(set(shown)) != len(shown):
        raise ValueError(
            f"Expected {len(values)} different labels, one a value, found {shown}; "
            "pass labels that tell the values apart."
        )
    if not 0 <= start < len(values):
        raise ValueError(f"Expected a start from 0 to {len(values) - 1}, found {start}.")
    return shown


def _slider(description: str, labels: Sequence[str], start: int) -> Any:
    return ipywidgets.SelectionSlider(
        options=[(label, position) for position, label in enumerate(labels)],
        index=start,
        description=description,
        continuous_update=True,
        style={"description_width": "initial"},
        layout=_wide("560px"),
    )


def _wide(most: str) -> dict[str, str]:
    return {"width": "100%", "max_width": most}


def _check_weight(weight: int, limit_bytes: int) -> None:
    if weight > limit_bytes:
        raise ValueError(
            f"The frames weigh {weight:,} bytes together and at most {limit_bytes:,} may travel "
            "with the page; draw them smaller, take fewer, or pass lossy=True."
        )


class LivePicture(ipywidgets.VBox):
    """Sliders of any value and the picture that they make, where a kernel is there.

    Parameters
    ----------
    controls
        Keyword of ``draw`` to the widget whose ``value`` is passed.
    draw
        Called with all values whenever one changes; returns a frame.
    alt
        What the picture shows, for who cannot see it.
    live
        As in :class:`LiveControl`. Without a kernel only a sentence is shown, for sliders that
        move nothing would mislead.
    """

    def __init__(
        self,
        controls: Mapping[str, Any],
        draw: Callable[..., Frame],
        *,
        alt: str,
        live: bool | None = None,
    ) -> None:
        self.controls = dict(controls)
        self._draw = draw
        self._alt = alt
        self.status = ipywidgets.HTML()
        self.shown = ipywidgets.HTML()
        if not (_kernel_for_readers() if live is None else live):
            self.status.value = (
                f"With a kernel, this cell shows free sliders for {', '.join(self.controls)}: open "
                "this notebook in JupyterLab or Colab."
            )
            super().__init__(children=[self.status])
            return
        for control in self.controls.values():
            control.observe(lambda _: self.redraw(), names="value")
        super().__init__(children=[*self.controls.values(), self.shown, self.status])
        self.redraw()

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

    The published page holds the same button, dimmed, with the words that it needs a kernel.

    Parameters
    ----------
    frames
        The slider whose value is taken.
    compute
        Called with the value; returns a sentence to show, or a frame as :func:`image_bytes`
        takes it, or both as a tuple ``(frame, sentence)``. The sentence also serves as the
        frame's alt text.
    button
        What the button says.
    live
        Whether a kernel will be there for the reader. If not given: yes, unless the notebook is
        being executed for publication (``MTL_PUBLISH=1``, as ``make run`` sets it).
    """

    def __init__(
        self,
        frames: LinkedFrames | FrameGrid,
        compute: Callable[[Any], str | Frame | tuple[Frame, str]],
        *,
        button: str = "Train live",
        live: bool | None = None,
    ) -> None:
        if live is None:
            live = _kernel_for_readers()
        self.frames = frames
        self._compute = compute
        self.button = ipywidgets.Button(
            description=button, disabled=not live, layout={"width": "auto", "flex": "0 0 auto"}
        )
        self.status = ipywidgets.HTML(
            "Computes for the slider's value."
            if live
            else "Needs a kernel: open this notebook in JupyterLab or Colab."
        )
        self.shown = ipywidgets.HTML()
        self.button.on_click(self._on_click)
        super().__init__(children=[ipywidgets.HBox([self.button, self.status]), self.shown])

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

    Parameters
    ----------
    frames
        The slider whose value is taken.
    train
        Called with the value and a function ``watch(state)`` for ``on_step`` of
        :func:`mtl_helpers.training.loop.fit`; returns what :class:`LiveControl` shows.
    steps
        Steps of such a training.
    losses
        Names of the losses, in the order in which ``state.losses`` has them.
    redraws
        How often the curves are drawn anew.
    button, live
        As in :class:`LiveControl`.
    """

    def __init__(
        self,
        frames: LinkedFrames | FrameGrid,
        train: Callable[[Any, Callable[[Any], None]], str | Frame | tuple[Frame, str]],
        *,
        steps: int,
        losses: Sequence[str],
        redraws: int = 20,
        button: str = "Train live",
        live: bool | None = None,
    ) -> None:
        self.progress = ipywidgets.IntProgress(
            max=steps, layout={"width": "100%", "max_width": "360px", "visibility": "hidden"}
        )
        self.curves = ipywidgets.HTML()
        self._names = tuple(losses)
        self._every = max(1, steps // redraws)
        self._seen: list[tuple[int, list[float]]] = []
        super().__init__(frames, lambda value: train(value, self.watch), button=button, live=live)
        shown = self.children  # type: ignore[has-type]
        self.children = (*shown, self.progress, self.curves)

    def _on_click(self, button: Any) -> None:
        self._seen = []
        self.progress.value = 0
        self.progress.layout.visibility = "visible"
        self.curves.value = ""
        super()._on_click(button)

    def watch(self, state: Any) -> None:
        """Take in a step: its number ``state.step`` and its losses ``state.losses`` (T,)."""
        self.progress.value = state.step
        if state.step % self._every and state.step != self.progress.max:
            return
        self._seen.append((state.step, [float(loss) for loss in state.losses]))
        if len(self._seen) < 2:
            return
        steps, rows = zip(*self._seen, strict=True)
        figure = learning_curves(
            {name: [row[k] for row in rows] for k, name in enumerate(self._names)}, steps=steps
        )
        figure.set_size_inches(5.0, 2.8)
        last = ", ".join(
            f"{name} {value:.2f}" for name, value in zip(self._names, rows[-1], strict=True)
        )
        alt = f"Losses up to step {state.step}: {last}."
        self.curves.value = _image_html(figure_png(figure), alt)


class PhiExplorer(ipywidgets.VBox):
    """A slider of phi_s over prepared panels, and the training that it starts; made by
    :func:`phi_explorer`.

    Parameters
    ----------
    frames
        Slider and panels.
    training
        Button, progress bar and curves.
    """

    def __init__(self, frames: LinkedFrames, training: LiveTraining) -> None:
        super().__init__(children=[frames, training])
        self.frames = frames
        self.training = training


def phi_explorer(
    panels: Mapping[str, Callable[[Any], Frame]],
    values: Sequence[Any],
    train: Callable[[Any, Callable[[Any], None]], str | Frame | tuple[Frame, str]],
    *,
    alt: Mapping[str, str],
    steps: int,
    losses: Sequence[str],
    start: int = 0,
    description: str = "phi_s",
    labels: Sequence[str] | None = None,
    lossy: bool = False,
    live: bool | None = None,
) -> PhiExplorer:
    """What the total weight of the side tasks does: panels that move together, and a live training.

    Parameters
    ----------
    panels
        Title to a function that draws the panel for a value.
    values
        Of phi_s, or of whatever else ``description`` names.
    train
        As in :class:`LiveTraining`.
    alt
        What each panel shows, for who cannot see it, by title.
    steps, losses
        As in :class:`LiveTraining`.
    start
        Position shown first.
    description
        What the slider changes.
    labels
        What the slider shows for each value; the value itself if not given.
    lossy, live
        As in :func:`linked_frames` and :class:`LiveControl`.

    Returns
    -------
    PhiExplorer
        To be shown by ending a cell with it.

    Raises
    ------
    ValueError
        As :func:`linked_frames`.
    """
    frames = linked_frames(
        {title: [draw(value) for value in values] for title, draw in panels.items()},
        values,
        description=description,
        alt=alt,
        labels=labels,
        start=start,
        lossy=lossy,
    )
    training = LiveTraining(frames, train, steps=steps, losses=losses, live=live)
    return PhiExplorer(frames, training)
