"""Drawings of networks: everything described is there, in its place, and no words touch."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_figures import assert_words_apart, course_style, words_of  # noqa: F401
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from mtl_helpers.show.diagrams import BLOCKS, Branches, Head, network_diagram
from mtl_helpers.show.style import COLOURS, INK

pytestmark = pytest.mark.usefixtures("course_style")

FACES = np.arange(5 * 16, dtype=np.uint8).reshape(5, 4, 4)
TASKS = ("identity", "pose", "light", "expression", "age", "spectacles")


def some_heads(count: int) -> list[Head]:
    return [
        Head(task, f"$L_{task[0]}$", rf"$\varphi_s\mu_{task[0]}$", COLOURS[k])
        for k, task in enumerate(TASKS[:count])
    ]


def branched(*, late: bool) -> list[Head | Branches]:
    """Three branches, each reading its share of four pictures, under one weight or three."""
    names = ("right", "frontal", "left")
    reads = ([0], [1, 2], [3])
    heads = [
        Head(name, weight=f"$p_{name[0]}$" if late else "", reads=rows, colour=COLOURS[4])
        for name, rows in zip(names, reads, strict=True)
    ]
    group = Branches("branches", heads, "$L_g$", "" if late else r"$\mu_g$", COLOURS[4])
    return [Head("identity", "$L_d$", "1"), group, Head("pose", weighs=names if late else ())]


def boxes_by_words(figure: Figure) -> dict[str, FancyBboxPatch]:
    """The box in which each of the words stands, if any."""
    figure.canvas.draw()
    (axis,) = figure.axes
    boxes = [patch for patch in axis.patches if isinstance(patch, FancyBboxPatch)]
    found = {}
    for text in axis.texts:
        middle = text.get_window_extent()
        point = ((middle.x0 + middle.x1) / 2, (middle.y0 + middle.y1) / 2)
        found |= {text.get_text(): box for box in boxes if box.get_window_extent().contains(*point)}
    return found


def arrows(figure: Figure) -> list[tuple[np.ndarray, np.ndarray]]:
    """Where each arrow begins and ends, in inches."""
    patches = [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    # matplotlib gives away the outline only
    return [tuple(patch._path_original.vertices[[0, -1]]) for patch in patches]


@pytest.mark.parametrize("count", [1, 3, 6])
@pytest.mark.parametrize("pictures", [1, 4])
def test_no_words_touch_whatever_the_number_of_heads(count: int, pictures: int) -> None:
    assert_words_apart(network_diagram(some_heads(count), FACES[:pictures]))


@pytest.mark.parametrize("late", [True, False])
def test_no_words_touch_with_branches(late: bool) -> None:
    assert_words_apart(network_diagram(branched(late=late), FACES[:4]))


def test_everything_described_is_written_once() -> None:
    heads = some_heads(4)
    figure = network_diagram([*heads, Head("shares", weighs=[h.name for h in heads[1:]])], FACES[0])
    words = [w for h in heads for w in (h.name, h.weight, h.gives)]
    assert sorted(words_of(figure)) == sorted([*words, "shares", "trunk", r"$\mathbf{x}$"])


def test_heads_stand_from_top_to_bottom_in_their_colours() -> None:
    heads = some_heads(4)
    boxes = boxes_by_words(network_diagram(heads, FACES[0]))
    heights = [boxes[head.name].get_window_extent().y0 for head in heads]
    assert heights == sorted(heights, reverse=True)
    for head in heads:
        for word in (head.name, head.weight):
            assert boxes[word].get_edgecolor()[:3] == pytest.approx(
                [int(head.colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
            )


def test_words_stay_inside_their_boxes() -> None:
    figure = network_diagram(some_heads(6), FACES[0])
    boxes = boxes_by_words(figure)
    assert len(boxes) == 12
    for text in figure.axes[0].texts:
        if text.get_text() in boxes:
            box, words = boxes[text.get_text()].get_window_extent(), text.get_window_extent()
            assert box.x0 < words.x0 and words.x1 < box.x1


@pytest.mark.parametrize("faces", [FACES[:1], FACES, FACES[2], FACES / 255])
def test_every_picture_is_shown_in_order(faces: np.ndarray) -> None:
    figure = network_diagram(some_heads(1), faces)
    (axis,) = figure.axes
    given = faces if faces.ndim == 3 else faces[None]
    for image, pixels in zip(axis.images, given, strict=True):
        np.testing.assert_array_equal(image.get_array(), pixels)
    bottoms = [image.get_extent()[2] for image in axis.images]
    assert bottoms == sorted(bottoms, reverse=True)


def test_the_trunk_shrinks_as_its_maps_do() -> None:
    figure = network_diagram(some_heads(1), FACES[0], blocks=BLOCKS)
    blocks = [p for p in figure.axes[0].patches if type(p) is Rectangle][: len(BLOCKS)]
    heights = np.array([block.get_height() for block in blocks])
    np.testing.assert_allclose((heights / heights[0]) ** 2, [1, 1 / 2, 1 / 4, 1 / 8, 1 / 16])
    widths = [block.get_width() for block in blocks]
    assert widths == sorted(widths)


def test_a_batch_is_split_among_its_branches() -> None:
    figure = network_diagram(branched(late=False), FACES[:4])
    boxes = boxes_by_words(figure)
    (axis,) = figure.axes
    into: dict[str, list[float]] = {name: [] for name in ("right", "frontal", "left", "pose")}
    for start, end in arrows(figure):
        for name in into:
            box = boxes[name].get_window_extent().transformed(axis.transData.inverted())
            if abs(end[0] - box.x0) < 0.02 and box.y0 < end[1] < box.y1:
                into[name].append(float(start[1]))
    assert [len(into[name]) for name in into] == [1, 2, 1, 1]
    rows = into["right"] + into["frontal"] + into["left"]
    assert rows == sorted(rows, reverse=True) and len(set(rows)) == 4
    assert into["pose"] == [rows[-1]]  # it reads all: joined at the nearest edge


def test_branches_have_one_weight_or_one_each() -> None:
    for late, weights in ((True, ["$p_r$", "$p_f$", "$p_l$"]), (False, [r"$\mu_g$"])):
        figure = network_diagram(branched(late=late), FACES[:4])
        boxes = boxes_by_words(figure)
        assert set(weights) <= set(boxes)
        assert words_of(figure).count("$L_g$") == 1
        result = next(t for t in figure.axes[0].texts if t.get_text() == "$L_g$")
        place = boxes["frontal"].get_window_extent()
        assert place.y0 < result.get_window_extent().y0 < place.y1


@pytest.mark.parametrize("above", [True, False])
def test_dashes_run_from_a_head_to_all_that_it_weighs(above: bool) -> None:
    side = some_heads(3)
    shares = Head("shares", weighs=["pose", "light"])
    figure = network_diagram([shares, side[0], *side[1:]] if above else [*side, shares], FACES[0])
    (line,) = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    boxes = boxes_by_words(figure)
    inches = figure.axes[0].transData.inverted()
    ends = {head.name: boxes[head.weight].get_window_extent().transformed(inches) for head in side}
    nearest = "light" if above else "pose"
    reached = line.get_ydata()[-1]
    assert reached == pytest.approx(ends[nearest].y1 if above else ends[nearest].y0, abs=0.02)
    heads_on_it = [
        end for start, end in arrows(figure) if start[0] == pytest.approx(end[0], abs=1e-6)
    ]
    assert len(heads_on_it) == 2
    assert line.get_color() == INK


def test_a_network_of_nine_rows_is_read_on_a_phone() -> None:
    side = some_heads(4)[1:]
    rows = [Head("main shares", weighs=["identity", "branches"]), *branched(late=False)[:2]]
    rows += [*side, Head("side shares", weighs=[head.name for head in side])]
    figure = network_diagram(rows, FACES[:4])
    assert_words_apart(figure)
    width = figure.get_figwidth() * 72
    smallest = min(text.get_fontsize() for text in figure.axes[0].texts)
    assert 328 / width * smallest > 9  # px of letters in a column of 328 px


@pytest.mark.parametrize(
    ("rows", "faces", "words"),
    [
        ([], FACES, "at least one head"),
        ([Head("a"), Head("a")], FACES, "different names"),
        ([Head("a"), Head("b", weighs=["a"])], FACES, r"'b' weighs \['a'\]"),
        ([Head("a", reads=[5])], FACES, "there are 5 pictures"),
        ([Head("a")], FACES[0, 0], r"found \(4,\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(rows: list, faces: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        network_diagram(rows, faces)
