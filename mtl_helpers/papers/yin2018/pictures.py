"""Pictures of the paper's methods, and faces as results: who is taken for whom.

What :func:`~mtl_helpers.show.diagrams.network_diagram` needs to draw s-CNN, m-CNN and p-CNN stands
first, then pictures of single faces, then one of what Muon does to a sum of gradients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Rectangle
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.papers.yin2018.identification import POSE_GROUPS
from mtl_helpers.papers.yin2018.words import TASK_WORDS
from mtl_helpers.show.diagrams import Branches, Head
from mtl_helpers.show.sheet import Sheet, widest
from mtl_helpers.show.style import COLOURS, GREY, INK
from mtl_helpers.training.muon import orthogonalised

__all__ = [
    "TASK_COLOURS",
    "disagreements",
    "gallery_strip",
    "gradient_mixing",
    "m_cnn",
    "p_cnn",
    "p_cnn_asked",
    "routing_example",
    "taken_for",
]

TASK_COLOURS = dict(zip(("id", "pos", "illum", "exp", "id_pose"), COLOURS, strict=False))
_LETTERS = {"pos": "p", "illum": "l", "exp": "e"}
_BRANCHES = "branches"

# inches of a face and from one to the next
_FACE, _STEP, _LINE, _APART = 0.84, 0.92, 0.3, 0.08


def m_cnn(side: Sequence[str] = tuple(_LETTERS), *, learned: bool = False) -> list[Head]:
    """Rows of m-CNN's drawing: Eq. 6, or Eq. 8 if its weights are learned; s-CNN without a side."""
    if not side:
        return [Head(TASK_WORDS["id"], "$L_d$", colour=TASK_COLOURS["id"])]
    rows = [Head(TASK_WORDS["id"], "$L_d$", "1", TASK_COLOURS["id"])]
    for task in side:
        letter = _LETTERS[task]
        weight = r"$\varphi_s$" if len(side) == 1 else rf"$\varphi_s/{len(side)}$"
        if learned:
            weight = rf"$\varphi_s\mu_{letter}$"
        rows.append(Head(TASK_WORDS[task], f"$L_{letter}$", weight, TASK_COLOURS[task]))
    if learned:
        rows.append(Head("side shares", weighs=[head.name for head in rows[1:]]))
    return rows


def p_cnn(groups: Sequence[int], *, learned: bool = False) -> list[Head | Branches]:
    """Rows of p-CNN's drawing in training (Eqs. 9 to 11), for the pose group of each picture."""
    branches = [
        Head(
            name,
            colour=TASK_COLOURS["id_pose"],
            reads=[picture for picture, group in enumerate(groups) if group == number],
        )
        for number, name in enumerate(POSE_GROUPS)
    ]
    weights = {"id": r"$\mu_d$", "id_pose": r"$\mu_g$"} if learned else {"id": "1", "id_pose": "1"}
    identity = Head(TASK_WORDS["id"], "$L_d$", weights["id"], TASK_COLOURS["id"])
    colour = TASK_COLOURS["id_pose"]
    split = Branches(_BRANCHES, branches, "$L_g$", weights["id_pose"], colour)
    shares = [Head("main shares", weighs=[identity.name, _BRANCHES])] if learned else []
    return [*shares, identity, split, *m_cnn(learned=learned)[1:]]


def p_cnn_asked(probabilities: Sequence[float] | None = None) -> list[Head | Branches]:
    """Rows of p-CNN's drawing in testing (Eq. 12): the pose head weighs the branches.

    Their weights are symbols, or the probabilities of one picture's pose groups.
    """
    weights = [f"$p_{name[0]}$" for name in POSE_GROUPS]
    if probabilities is not None:
        weights = [f"{p:.0f}" if p in (0, 1) else f"{p:.2f}" for p in probabilities]
    colour = TASK_COLOURS["id_pose"]
    branches = [
        Head(name, weight=weight, colour=colour)
        for name, weight in zip(POSE_GROUPS, weights, strict=True)
    ]
    return [
        Head(TASK_WORDS["id"], r"$\mathbf{y}^d$", colour=TASK_COLOURS["id"]),
        Branches(_BRANCHES, branches, "mean", colour=colour),
        Head(TASK_WORDS["pos"], colour=TASK_COLOURS["pos"], weighs=list(POSE_GROUPS)),
    ]


def disagreements(
    own: ArrayLike, first: ArrayLike, second: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which probes only the second of two networks identifies, and which only the first.

    All are places in the gallery (P,): of each probe's own person, and of whom it is taken for.
    """
    places = np.asarray(own)
    right = [np.asarray(taken) == places for taken in (first, second)]
    return np.flatnonzero(~right[0] & right[1]), np.flatnonzero(right[0] & ~right[1])


def taken_for(
    images: NDArray[np.uint8],
    gallery: ArrayLike,
    probes: ArrayLike,
    own: ArrayLike,
    nearest: Mapping[str, ArrayLike],
    *,
    count: int = 3,
    labels: Sequence[str] | None = None,
    seed: int = 0,
) -> Figure:
    """Show whom two networks take probes for that only one of them identifies.

    A row per probe: the probe, its own person's gallery picture, and that of whom each network
    takes it for, right or wrong. The rows are drawn by lot, each of another person, and their
    heading says out of how many.

    Parameters
    ----------
    images
        (N, H, W) of a corpus.
    gallery, probes
        Numbers of pictures, (G,) and (P,).
    own, nearest
        Places in the gallery, (P,), as for :func:`disagreements`; ``nearest`` by the names of the
        two networks.
    count
        Of rows for each network, where there are so many.
    labels
        A short word per probe (P,), such as its yaw.
    """
    numbers, pictures, places = (np.asarray(values) for values in (probes, gallery, own))
    if len(nearest) != 2 or any(np.shape(t) != numbers.shape for t in (places, *nearest.values())):
        raise ValueError(
            f"Expected two networks, and a place for each of {len(numbers)} probes, found shapes "
            f"{ {name: np.shape(values) for name, values in nearest.items()} }."
        )
    taken = {name: np.asarray(values) for name, values in nearest.items()}
    names = list(taken)
    rng = np.random.default_rng(seed)
    blocks = {}
    for name, found in zip(names[::-1], disagreements(places, *taken.values()), strict=True):
        shuffled = rng.permutation(found)
        _, firsts = np.unique(places[shuffled], return_index=True)  # one of each person
        heading = f"only {name} is right: {len(found):,} of {len(numbers):,}"
        blocks[heading] = shuffled[np.sort(firsts)[:count]]

    headings = ["probe", "same person", *names]
    step = max(_STEP, widest(headings) + 0.12)
    left = 0.06 + widest([labels[k] for rows in blocks.values() for k in rows] if labels else [])
    x = left + 0.04 + step * (np.arange(4) + 0.5) + [0, 0, 0.14, 0.14]
    rows_of_all = sum(map(len, blocks.values()))
    y = 0.06 + _LINE + (_LINE + _APART) * len(blocks) + _STEP * rows_of_all + 0.1
    sheet = Sheet(max(x[3] + step / 2, left + widest(blocks)) + 0.06, y)
    y -= _LINE / 2 + 0.03
    for place, word in zip(x, headings, strict=True):
        sheet.words(place, y, word)
    y -= _LINE / 2
    for heading, rows in blocks.items():
        y -= _APART
        sheet.words(x[0] - _FACE / 2, y - _LINE / 2, heading, "left")
        y -= _LINE
        for k in rows:
            y -= _STEP
            if labels:
                sheet.words(left, y + _STEP / 2, labels[k], "right")
            sheet.picture(x[0], y + _STEP / 2, images[numbers[k]], _FACE)
            sheet.picture(x[1], y + _STEP / 2, images[pictures[places[k]]], _FACE)
            for place, whom in zip(x[2:], taken.values(), strict=True):
                pixels = images[pictures[whom[k]]]
                sheet.picture(place, y + _STEP / 2, pixels, _FACE, bool(whom[k] == places[k]))
    return sheet.figure


def gallery_strip(
    probe: ArrayLike, gallery: ArrayLike, similarity: ArrayLike, own: int, *, count: int = 5
) -> Figure:
    """Show a probe (H, W) beside those of the gallery (G, H, W) that it resembles most.

    They stand in falling order of their ``similarity`` (G,), written below; the first is right or
    wrong. The person's ``own`` picture, a place in the gallery, comes last if it is farther away.
    """
    pixels, cosines = np.asarray(gallery), np.asarray(similarity, dtype=float)
    if pixels.ndim != 3 or cosines.shape != (len(pixels),):
        raise ValueError(
            f"Expected a gallery (G, H, W) and a similarity (G,), found {pixels.shape} and "
            f"{cosines.shape}."
        )
    order = np.argsort(-cosines, kind="stable")
    rank = int(np.flatnonzero(order == own)[0])
    shown = [*range(min(count, len(order)))]
    if rank >= len(shown):
        shown[-1] = rank
    height = 0.12 + 2 * _LINE + _FACE
    sheet = Sheet(0.42 + (len(shown) + 1) * _STEP, height)
    middle, x = height / 2, 0.06 + _STEP / 2
    sheet.words(x, middle + _FACE / 2 + _LINE / 2, "probe")
    sheet.picture(x, middle, np.asarray(probe), _FACE)
    sheet.words(x, middle - _FACE / 2 - _LINE / 2, "cosine:")
    x += 0.3
    for place in shown:
        x += _STEP
        title = f"own, {_ordinal(place)}" if place == rank and place else _ordinal(place)
        sheet.words(x, middle + _FACE / 2 + _LINE / 2, title)
        right = None if place else rank == 0
        sheet.picture(x, middle, pixels[order[place]], _FACE, right)
        sheet.words(x, middle - _FACE / 2 - _LINE / 2, f"{cosines[order[place]]:.2f}")
    return sheet.figure


def _ordinal(place: int) -> str:
    """Return the word for a place, counted from 0."""
    number = place + 1
    endings = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if 10 < number % 100 < 14 else endings.get(number % 10, 'th')}"


def routing_example(
    probe: ArrayLike,
    own: ArrayLike,
    probabilities: Sequence[float],
    answers: ArrayLike,
    right: Sequence[bool],
    routed: Mapping[str, tuple[ArrayLike, bool]],
) -> Figure:
    """Show what routing makes of one face: pose groups, branches' answers, and answers routed.

    Parameters
    ----------
    probe, own
        The face and its own person's gallery picture, (H, W).
    probabilities
        (G,) of the pose groups.
    answers, right
        Gallery picture of whom each branch takes the face for, (G, H, W), and whether it is right.
    routed
        The same of ``"hard"`` routing, which follows the most probable branch, and of other rules,
        which follow all.
    """
    pixels, groups = np.asarray(answers), list(POSE_GROUPS)
    if not len(pixels) == len(right) == len(probabilities) == len(groups):
        raise ValueError(
            f"Expected an answer for each of {groups}, found {len(probabilities)} probabilities, "
            f"{len(pixels)} answers and {len(right)} verdicts."
        )
    bar = 0.85
    x = {
        "probe": 0.06 + widest(["same person"]) / 2,
        "pose group": 1.4,
        "branch": 3.2,
        "routed": 4.6,
    }
    sheet = Sheet(x["routed"] + 0.56, 0.12 + _LINE + len(groups) * _STEP)
    top = sheet.height - 0.06 - _LINE / 2
    ys = sheet.height - 0.06 - _LINE - _STEP * (np.arange(len(groups)) + 0.5)
    sheet.words(x["pose group"], top, "pose group", "left")
    sheet.words(x["branch"], top, "branch")
    for y, name, share, face, hit in zip(ys, groups, probabilities, pixels, right, strict=True):
        sheet.words(x["pose group"], y + 0.17, name, "left")
        for part, colour in ((1.0, GREY), (share, TASK_COLOURS["pos"])):
            corner = (x["pose group"], y - 0.2)
            sheet.axis.add_patch(Rectangle(corner, bar * part, 0.18, fc=colour))
        sheet.words(x["pose group"] + bar + 0.06, y - 0.11, f"{share:.2f}", "left")
        sheet.picture(x["branch"], y, face, _FACE, bool(hit))
    above = _FACE / 2 + _LINE / 2
    for y, word, face in zip(ys[[0, -1]], ("probe", "same person"), (probe, own), strict=True):
        sheet.picture(x["probe"], y, np.asarray(face), _FACE)
        sheet.words(x["probe"], y + above, word)
    for y, (name, (face, hit)) in zip(ys[[0, -1]], routed.items(), strict=True):
        sheet.picture(x["routed"], y, np.asarray(face), _FACE, bool(hit))
        sheet.words(x["routed"], y + above, name)
        shares = np.asarray(probabilities, dtype=float)
        if name == "hard":
            shares = (shares == shares.max()).astype(float)
        for start, share in zip(ys, shares, strict=True):
            if share:
                half = _FACE / 2 + 0.05
                ends = ((x["branch"] + half, start), (x["routed"] - half, y))
                sheet.arrow(*ends, TASK_COLOURS["id_pose"], width=0.5 + 3 * share)
    return sheet.figure


def gradient_mixing(
    main: ArrayLike, side: ArrayLike, *, phi_s: Sequence[float] = (0.3, 1.0, 3.0), rounds: int = 3
) -> Figure:
    """What Muon does to the sum of two tasks' gradients by one kernel (O, I, h, w).

    Left: the singular values of their sum and of the step that Muon makes of it, as shares of the
    largest. Right: both gradients and main + phi_s * side, in the plane in which they lie; of each
    sum only the direction, its point on the circle, enters the step. (Which itself leaves the
    plane, since Muon then evens out the singular values.)
    """
    kernels = [np.asarray(values, dtype=np.float32) for values in (main, side)]
    if kernels[0].shape != kernels[1].shape or kernels[0].ndim < 2:
        raise ValueError(
            f"Expected the gradients of two tasks by one kernel, found {kernels[0].shape} and "
            f"{kernels[1].shape}."
        )
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.0, 3.1), layout="constrained")
    first, second = (kernel.reshape(len(kernel), -1) for kernel in kernels)  # (O, I h w)
    total = torch.from_numpy(first + second)
    for matrix, words, above, style in (
        (orthogonalised(total, rounds), "Muon's step", True, {"color": COLOURS[0]}),
        (total, "gradient", False, {"color": INK, "ls": "--"}),
    ):
        values = torch.linalg.svdvals(matrix).numpy()
        values /= values[0]
        where = np.arange(1, len(values) + 1)
        left.plot(where, values, lw=2, **style)
        middle = len(values) // 2
        left.annotate(
            words, (where[middle], values[middle]), (4, 6) if above else (-4, -6),
            textcoords="offset points", fontsize=11, color=style["color"],
            ha="left" if above else "right", va="bottom" if above else "top",
        )  # fmt: skip
    left.set(ylim=(0, 1.05), xlabel="Direction", ylabel="Singular value / largest")
    left.locator_params(axis="x", nbins=4)
    _draw_plane(right, first.ravel(), second.ravel(), phi_s)
    return figure


def _draw_plane(axis: Axes, first: NDArray, second: NDArray, phi_s: Sequence[float]) -> None:
    """Draw two gradients (N,), their sums, and the directions of those on a circle."""
    length = np.linalg.norm(first)
    along = float(first @ second / length**2)
    across = float(np.linalg.norm(second - along * first) / length)
    sums = np.array([(1 + phi * along, phi * across) for phi in phi_s])  # (P, 2)
    radius = 1.25 * np.linalg.norm([*sums, (1, 0), (along, across)], axis=1).max()
    directions = radius * sums / np.linalg.norm(sums, axis=1, keepdims=True)
    axis.add_patch(Arc((0, 0), 2 * radius, 2 * radius, theta1=-12, theta2=125, ec="0.5", ls=":"))
    for words, tip, task in (("identity", (1, 0), "id"), ("side tasks", (along, across), "pos")):
        colour = TASK_COLOURS[task]
        axis.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2})
        # below the level one, and above or beside the end of the other
        place, align = ((0, -8), "top") if tip[1] == 0 else ((-2, 4), "bottom")
        axis.annotate(
            words, tip, place, textcoords="offset points", color=colour, fontsize=11,
            ha="center" if tip[1] == 0 else "right", va=align,
        )  # fmt: skip
    for end, phi in zip(directions, phi_s, strict=True):
        axis.plot(*zip((0, 0), end, strict=True), color="0.6", lw=1, zorder=1)
        words = rf"$\varphi_s$ = {phi:g}" if phi == max(phi_s) else f"{phi:g}"
        axis.annotate(words, end, (8, 2), textcoords="offset points", va="center", fontsize=11)
    axis.plot(*sums.T, "o", color=INK, fillstyle="none", label="sum of gradients")
    axis.plot(*directions.T, "o", color=INK, label="its direction: all that counts")
    axis.legend(
        frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.17), fontsize=11, handlelength=1
    )
    axis.set(xlim=(-0.55 * radius, 1.25 * radius), ylim=(-0.45 * radius, 1.15 * radius))
    axis.set_aspect("equal")
    axis.axis("off")
