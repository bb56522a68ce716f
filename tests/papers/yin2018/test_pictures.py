"""Pictures of methods and of faces: who is shown, in which place, and whether right or wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn_figures import assert_words_apart, course_style, words_of  # noqa: F401
from matplotlib.figure import Figure

from mtl_helpers.papers.yin2018 import pictures
from mtl_helpers.show.diagrams import network_diagram
from mtl_helpers.show.sheet import RIGHT, WRONG

pytestmark = pytest.mark.usefixtures("course_style")

# 8 probes of 4 people, and their gallery pictures after them: each picture is its number
IMAGES = np.arange(12, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
PROBES, GALLERY = np.arange(8), np.arange(8, 12)
OWN = np.array([0, 0, 1, 1, 2, 2, 3, 3])
#            both  B  B  A  A none both B
A = np.array([0, 1, 2, 1, 2, 0, 3, 0])
B = np.array([0, 0, 1, 3, 1, 1, 3, 3])


def shown(figure: Figure) -> list[tuple[int, str | None]]:
    """Number and mark of each picture, in rows from the top, from left to right."""
    (axis,) = figure.axes
    marks = {
        (round(float(np.mean(line.get_xdata())), 1), round(float(np.mean(line.get_ydata())), 1)): (
            {RIGHT: "right", WRONG: "wrong"}[line.get_color()]
        )
        for line in axis.lines
    }
    found = []
    for image in axis.images:
        left, right, bottom, top = image.get_extent()
        mark = next(
            (
                m
                for (x, y), m in marks.items()
                if left < x <= right + 0.1 and bottom - 0.1 < y < top
            ),
            None,
        )
        found.append((-round(bottom, 3), left, int(image.get_array()[0, 0]), mark))
    return [(number, mark) for *_, number, mark in sorted(found)]


def test_disagreements_are_what_only_one_network_identifies() -> None:
    only_second, only_first = pictures.disagreements(OWN, A, B)
    assert only_second.tolist() == [1, 2, 7]
    assert only_first.tolist() == [3, 4]


def test_a_row_shows_probe_person_and_both_answers() -> None:
    figure = pictures.taken_for(IMAGES, GALLERY, PROBES, OWN, {"A": A, "B": B}, count=5)
    faces = shown(figure)
    rows = [faces[k : k + 4] for k in range(0, len(faces), 4)]
    probes = [row[0][0] for row in rows]
    assert sorted(probes[:3]) == [1, 2, 7] and sorted(probes[3:]) == [3, 4]
    for (probe, _), person, *answers in rows:
        assert person == (8 + OWN[probe], None)
        for (number, mark), taken in zip(answers, (A, B), strict=True):
            assert number == 8 + taken[probe]
            assert mark == ("right" if taken[probe] == OWN[probe] else "wrong")


def test_headings_say_out_of_how_many_rows_were_drawn() -> None:
    figure = pictures.taken_for(IMAGES, GALLERY, PROBES, OWN, {"s": A, "m": B}, count=1)
    words = words_of(figure)
    assert words[:4] == ["probe", "same person", "s", "m"]
    assert {"only m is right: 3 of 8", "only s is right: 2 of 8"} <= set(words)
    assert len(shown(figure)) == 8


def test_rows_are_of_different_people_and_of_chance() -> None:
    own = np.repeat(np.arange(4), 2)
    wrong = (own + 1) % 4
    drawn = set()
    for seed in range(6):
        figure = pictures.taken_for(
            IMAGES, GALLERY, PROBES, own, {"A": wrong, "B": own}, count=2, seed=seed
        )
        faces = shown(figure)
        people = [number for number, _ in faces[1::4]]
        assert len(set(people)) == 2
        drawn |= {number for number, _ in faces[::4]}
    assert len(drawn) > 4


@pytest.mark.parametrize("labels", [None, [f"{yaw:+d}°" for yaw in range(-90, 70, 20)]])
@pytest.mark.parametrize("names", ["AB", ("identity alone", "with side tasks")])
def test_words_beside_faces_do_not_touch(labels: list[str] | None, names: tuple[str, ...]) -> None:
    nearest = dict(zip(names, (A, B), strict=True))
    figure = pictures.taken_for(IMAGES, GALLERY, PROBES, OWN, nearest, labels=labels)
    assert_words_apart(figure)
    assert labels is None or labels[3] in words_of(figure)


def test_networks_that_agree_leave_no_rows() -> None:
    figure = pictures.taken_for(IMAGES, GALLERY, PROBES, OWN, {"A": A, "B": A})
    assert shown(figure) == []
    assert "only B is right: 0 of 8" in words_of(figure)


def test_places_that_are_not_one_per_probe_are_refused() -> None:
    with pytest.raises(ValueError, match=r"each of 8 probes.*\(7,\)"):
        pictures.taken_for(IMAGES, GALLERY, PROBES, OWN, {"A": A, "B": B[:7]})
    with pytest.raises(ValueError, match="two networks"):
        pictures.taken_for(IMAGES, GALLERY, PROBES, OWN, {"A": A})


@pytest.mark.parametrize(("own", "mark"), [(2, "right"), (0, "wrong")])
def test_a_gallery_strip_falls_in_similarity(own: int, mark: str) -> None:
    figure = pictures.gallery_strip(
        IMAGES[0], IMAGES[8:], np.array([0.4, 0.1, 0.9, -0.2]), own, count=3
    )
    assert shown(figure) == [(0, None), (10, mark), (8, None), (9, None)]
    words = words_of(figure)
    assert [word for word in words if "." in word] == ["0.90", "0.40", "0.10"]
    assert ("own, 2nd" in words) == (own == 0)
    assert_words_apart(figure)


def test_a_far_own_picture_stands_last_with_its_place() -> None:
    similarity = np.linspace(1, 0, 12)
    figure = pictures.gallery_strip(IMAGES[0], IMAGES, similarity, 11, count=4)
    assert [number for number, _ in shown(figure)] == [0, 0, 1, 2, 11]
    assert "own, 12th" in words_of(figure)
    assert_words_apart(figure)


def test_a_strip_is_no_longer_than_its_gallery() -> None:
    figure = pictures.gallery_strip(IMAGES[0], IMAGES[8:10], [0.1, 0.2], 1, count=9)
    assert [number for number, _ in shown(figure)] == [0, 9, 8]
    with pytest.raises(ValueError, match=r"found \(2, 4, 4\) and \(3,\)"):
        pictures.gallery_strip(IMAGES[0], IMAGES[8:10], [0.1, 0.2, 0.3], 1)


def routed(probabilities: list[float]) -> Figure:
    return pictures.routing_example(
        IMAGES[0],
        IMAGES[1],
        probabilities,
        IMAGES[[8, 9, 1]],
        [False, False, True],
        {"hard": (IMAGES[9], False), "stochastic": (IMAGES[1], True)},
    )


def test_routing_shows_all_answers_and_both_rules() -> None:
    figure = routed([0.1, 0.5, 0.4])
    faces = shown(figure)
    assert faces == [
        (0, None), (8, "wrong"), (9, "wrong"),  # probe, right branch, hard
        (9, "wrong"),  # frontal branch
        (1, None), (1, "right"), (1, "right"),  # same person, left branch, stochastic
    ]  # fmt: skip
    assert {"0.10", "0.50", "0.40", "hard", "stochastic"} <= set(words_of(figure))
    assert_words_apart(figure)


@pytest.mark.parametrize(("probabilities", "lines"), [([0.1, 0.5, 0.4], 4), ([0, 1, 0], 2)])
def test_hard_routing_follows_one_branch(probabilities: list[float], lines: int) -> None:
    arrows = [p for p in routed(probabilities).axes[0].patches if hasattr(p, "get_arrowstyle")]
    assert len(arrows) == lines
    widths = sorted(arrow.get_linewidth() for arrow in arrows)
    assert widths[-1] == pytest.approx(3.5)  # of hard routing
    assert widths[:-1] == pytest.approx([0.5 + 3 * p for p in sorted(probabilities) if p])


def test_routing_wants_an_answer_of_each_branch() -> None:
    with pytest.raises(ValueError, match="found 2 probabilities, 3 answers"):
        routed([0.5, 0.5])


def test_a_kernel_s_steps_have_more_even_values() -> None:
    rng = np.random.default_rng(0)
    main, side = rng.normal(size=(2, 6, 3, 3, 3)) * np.logspace(0, -1, 6)[:, None, None, None]
    figure = pictures.gradient_mixing(main, side, phi_s=(0.5, 2.0))
    assert_words_apart(figure)
    left, right = figure.axes
    step, gradient = (line.get_ydata() for line in left.lines)
    values = np.linalg.svd((main + side).reshape(6, -1), compute_uv=False)
    np.testing.assert_allclose(gradient, values / values[0], rtol=1e-4)
    assert step.min() > 2 * gradient.min()
    sums, steps = (np.transpose(line.get_data()) for line in right.lines[-2:])
    length = np.linalg.norm(main)
    expected = [np.linalg.norm(main + phi * side) / length for phi in (0.5, 2.0)]
    np.testing.assert_allclose(np.linalg.norm(sums, axis=1), expected, rtol=1e-5)
    np.testing.assert_allclose(*np.linalg.norm(steps, axis=1))
    cosine = (main * (main + 2 * side)).sum() / length / np.linalg.norm(main + 2 * side)
    assert steps[1, 0] / np.linalg.norm(steps[1]) == pytest.approx(cosine, abs=1e-5)


def test_gradients_of_two_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="by one kernel"):
        pictures.gradient_mixing(torch.zeros(2, 1, 3, 3), torch.zeros(3, 1, 3, 3))


@pytest.mark.parametrize(
    ("rows", "weights"),
    [
        (pictures.m_cnn(()), []),
        (pictures.m_cnn(["pos"]), ["1", r"$\varphi_s$"]),
        (pictures.m_cnn(), ["1", *[r"$\varphi_s/3$"] * 3]),
        (pictures.m_cnn(learned=True), ["1", *(rf"$\varphi_s\mu_{k}$" for k in "ple")]),
        (pictures.p_cnn([0, 1, 1, 2]), ["1", "1", *[r"$\varphi_s/3$"] * 3]),
        (
            pictures.p_cnn([2, 1, 0], learned=True),
            [r"$\mu_d$", r"$\mu_g$", *(rf"$\varphi_s\mu_{k}$" for k in "ple")],
        ),
        (pictures.p_cnn_asked(), ["$p_r$", "$p_f$", "$p_l$"]),
        (pictures.p_cnn_asked([0.25, 0.75, 0]), ["0.25", "0.75", "0"]),
    ],
)
def test_networks_of_the_paper_are_drawn(rows: list, weights: list[str]) -> None:
    batch = any(getattr(row, "heads", None) and not row.heads[0].weight for row in rows)
    faces = IMAGES[: 4 if batch else 1]
    figure = network_diagram(rows, faces)
    assert_words_apart(figure)
    words = words_of(figure)
    for weight in set(weights):
        assert words.count(weight) == weights.count(weight)
    assert figure.get_figwidth() < 5.8
