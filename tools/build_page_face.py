"""Write the people and the head that the page with the face draws.

Usage::

    python tools/build_page_face.py [book/static/face]

``head.safetensors`` holds shapes as whole numbers with a unit each, people in 16 bits and what is
added to them in 8: the mean of the
page's people, each person's difference from it and from others of the same gender, age and
ancestry, five expressions and ageing. Its metadata hold what
else the page has to know: colours of each person, cameras, lights, the tone curve. The people are
the first test people of the ``pie`` corpus, whom no network has been trained on. All of them wear
one look, so that only the face tells them apart.

Note
----
An expression is the mean over the people of how each shows it, and so is ageing, which runs from
the head model's young to its old.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor

from mtl_helpers.faces.corpora.pie import PieSpec
from mtl_helpers.faces.draw.collar import RINGS
from mtl_helpers.faces.draw.render import EXPOSURE, GAMMA, get_renderer
from mtl_helpers.faces.model.exaggeration import exaggerate
from mtl_helpers.faces.model.expression import EXPRESSIONS, identity_expression
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import Identity
from mtl_helpers.faces.model.landmarks import (
    LANDMARKS_51,
    LEFT_EYEBALL,
    RIGHT_EYEBALL,
    TURNING_AXIS_DEPTH,
    framing,
    normalise_framing,
)
from mtl_helpers.faces.scene.appearance import HAIR_STYLES, Look, skin_of
from mtl_helpers.faces.scene.cameras import CAMERA_DISTANCE, FIELD_WIDTH, TARGET
from mtl_helpers.faces.scene.lights import AMBIENT_INTENSITY, FLASH_INTENSITY, PIE_SHOTS
from mtl_helpers.presets import get_preset

FOLDER = Path(__file__).resolve().parent.parent / "book" / "static" / "face"
PEOPLE = 24
YOUNG, OLD = 2 / 3, 1.0
"""Ages of the head model between which the page's slider runs."""

LOOK = Look(
    colour=(0.065, 0.034, 0.017),
    cloth=(0.10, 0.14, 0.20),
    backdrop=(0.27, 0.27, 0.27),
    hairline=-0.03,
    sideburn=0.0,
    ragged=0.06,
    top=0.16,
    side=0.08,
    strands=0.4,
    pattern=1,
    hair=HAIR_STYLES.index("short"),
)
"""What everybody on the page wears: short brown hair, and nothing in the face."""

_MOUTH_CORNERS = (31, 37)


def code_of(look: Look) -> str:
    """Return the Python that makes a look, without what it has by default."""
    given = [
        f"    {field.name}={getattr(look, field.name)!r},\n"
        for field in dataclasses.fields(look)
        if getattr(look, field.name) != field.default
    ]
    return f"Look(\n{''.join(given)})"


def page_people() -> list[Identity]:
    """Return the people that the page can draw: the first test people of the laptop's ``pie``."""
    return everybody()[:PEOPLE]


def strangers() -> list[Identity]:
    """Return the people of the gallery that the page knows by one picture only: the others."""
    return everybody()[PEOPLE:]


def everybody() -> list[Identity]:
    """Return all test people of the laptop's ``pie``."""
    spec = PieSpec.from_preset(get_preset("laptop"))
    return [spec.person(number) for number in spec.identity_range("test")]


def classes() -> dict[str, list[str]]:
    """Return the names of the classes of each side task, in the order of the labels."""
    spec = PieSpec.from_preset(get_preset("laptop"))
    lights = {PIE_SHOTS[shot].condition: PIE_SHOTS[shot].label for shot in spec.shots}
    return {
        "pos": [f"{yaw:+d}°" if yaw else "0°" for yaw in spec.yaw_degrees],
        "illum": [lights[condition] for condition in spec.conditions],
        "exp": list(spec.expressions),
    }


def shapes(head: HeadModel, people: list[Identity]) -> dict[str, Tensor]:
    """Return framed ``people`` and ``distinct`` (P, V, 3), ``expressions`` (5, V, 3), ``older``.

    ``distinct`` is what tells a person from the mean of the same gender, age and ancestry: a
    caricature has more of it.
    """
    coefficients = torch.stack([person.coefficients for person in people])  # (P, K)
    neutral = head(coefficients)  # (P, V, 3)
    frame = framing(neutral)
    offsets = []
    for name in EXPRESSIONS[1:]:
        rows = torch.stack(
            [identity_expression(name, seed=0, identity=person.index) for person in people]
        )
        shown = frame.apply(head(coefficients + rows)) - frame.apply(neutral)
        offsets.append(shown.mean(0))
    means = torch.stack([exaggerate(person, 0, limited=False) for person in people])  # (P, K)
    ages = [aged(head, people, coefficients, age) for age in (YOUNG, OLD)]
    return {
        "people": frame.apply(neutral),
        "distinct": frame.apply(neutral) - normalise_framing(head(means)),
        "expressions": torch.stack(offsets),
        "older": (ages[1] - ages[0]).mean(0),
    }


def aged(head: HeadModel, people: list[Identity], coefficients: Tensor, age: float) -> Tensor:
    """Return the people's framed shapes (P, V, 3) as if all were of one age."""
    changed = coefficients.clone()
    for row, person in zip(changed, people, strict=True):
        phenotype = head.phenotype_coefficients(person.phenotype | {"age": age})[0]
        row[: len(phenotype)] = phenotype
    return normalise_framing(head(changed))


def quantised(values: Tensor, kind: type[np.signedinteger[Any]]) -> tuple[Any, list[float]]:
    """Return shapes (N, V, 3) as whole numbers of a kind, and the unit of each."""
    units = values.abs().amax(dim=(1, 2)) / np.iinfo(kind).max
    whole = (values / units[:, None, None]).round()
    return whole.numpy().astype(kind), units.tolist()


def by_material(
    faces: NDArray[np.int64], materials: NDArray[np.int32]
) -> tuple[NDArray[np.uint16], list[dict[str, int]]]:
    """Return the triangles sorted by material, and where each material's begin."""
    order = np.argsort(materials, kind="stable")
    numbers, first, counts = np.unique(materials[order], return_index=True, return_counts=True)
    runs = [
        {"material": int(m), "first": int(f), "count": int(c)}
        for m, f, c in zip(numbers, first, counts, strict=True)
    ]
    return faces[order].astype(np.uint16), runs


def build(folder: Path) -> None:
    """Write the file."""
    head, people = HeadModel.load(), page_people()
    found = shapes(head, people)
    mean = found["people"].mean(0)
    own, own_units = quantised(found["people"] - mean, np.int16)
    distinct, distinct_units = quantised(found["distinct"], np.int8)
    expressions, expression_units = quantised(found["expressions"], np.int8)
    older, older_units = quantised(found["older"][None], np.int8)

    figure = get_renderer(head).figure
    closed = figure.closed
    vertices = len(closed) - 1  # without the seat of the glasses
    tints = []
    for person in people:
        figure.tint(skin_of(person))
        # a root, for the eye tells dark colours apart more finely than light ones
        tints.append(np.sqrt(np.clip(figure.surfaces.tints.numpy()[:vertices], 0, 1)))
    faces, runs = by_material(closed.faces, closed.materials)

    def per_vertex(values: Any) -> NDArray[np.uint8]:
        return (255 * np.asarray(values.numpy()[:vertices])).round().astype(np.uint8)

    tensors = {
        "mean": mean.numpy().astype(np.float32),
        "people": own,
        "distinct": distinct,
        "expressions": expressions,
        "older": older,
        "places": closed.places[:vertices].astype(np.float32),
        "lips": per_vertex(figure.surfaces.lips),
        "ears": per_vertex(figure.surfaces.ears),
        "openness": per_vertex(figure.surfaces.openness),
        "tints": (255 * np.stack(tints)).round().astype(np.uint8),
        "faces": faces,
        "rim": closed.rings[0].astype(np.uint16),
        "right_eye": RIGHT_EYEBALL.astype(np.uint16),
        "left_eye": LEFT_EYEBALL.astype(np.uint16),
        "mouth_corners": LANDMARKS_51[list(_MOUTH_CORNERS)].astype(np.uint16),
    }
    about = {
        "units": {
            "people": own_units,
            "distinct": distinct_units,
            "expressions": expression_units,
            "older": older_units,
        },
        "materials": runs,
        "rings": [list(ring) for ring in RINGS],
        "axisDepth": TURNING_AXIS_DEPTH,
        "expressions": list(EXPRESSIONS),
        "ages": [YOUNG, OLD],
        "classes": classes(),
        "camera": {"distance": CAMERA_DISTANCE, "width": FIELD_WIDTH, "target": list(TARGET)},
        "light": {"flash": FLASH_INTENSITY, "ambient": AMBIENT_INTENSITY},
        "tone": {"exposure": EXPOSURE, "gamma": GAMMA},
        "look": dataclasses.asdict(LOOK),
        "lookCode": code_of(LOOK),
        "people": [
            {
                "number": person.index,
                "gender": person.phenotype["gender"],
                "age": person.phenotype["age"],
                "skin": dataclasses.asdict(skin_of(person)),
            }
            for person in people
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: np.ascontiguousarray(value) for name, value in tensors.items()},
        folder / "head.safetensors",
        {"about": json.dumps(about)},
    )


def main() -> None:
    """Build the file of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    build(parser.parse_args().folder)


if __name__ == "__main__":
    main()
