"""The files of the page with the face: what they hold, and that their tools still make it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "extensions"))
import build_page_face
import measure_page_face
import measured_face
import train_page_networks

from mtl_helpers.faces.corpora.pie import PieSpec
from mtl_helpers.networks import MultiTaskNetwork
from mtl_helpers.presets import get_preset
from mtl_helpers.training.batches import to_input
from mtl_helpers.trunks import CASIANet

FACE = ROOT / "book" / "static" / "face"
SIDE_TASKS = ("pos", "illum", "exp")
in_every_network = pytest.mark.parametrize("name", train_page_networks.NETWORKS)


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as stored:
        return stored.metadata()


def test_the_heads_file_is_what_its_tool_writes(tmp_path):
    build_page_face.build(tmp_path)
    stored, made = (load_file(folder / "head.safetensors") for folder in (FACE, tmp_path))
    assert stored.keys() == made.keys()
    for name, values in stored.items():
        # rounding to whole numbers may fall either way on another machine
        assert (values.double() - made[name].double()).abs().max() <= 1
    about = [
        json.loads(metadata(folder / "head.safetensors")["about"]) for folder in (FACE, tmp_path)
    ]
    assert about[0].keys() == about[1].keys()
    assert about[0]["people"] == about[1]["people"]


def test_nobody_on_the_page_was_trained_on():
    spec = PieSpec.from_preset(get_preset("laptop"))
    people = {person.index for person in build_page_face.page_people()}
    assert people <= set(spec.identity_range("test")) and len(people) == build_page_face.PEOPLE
    assert not people & set(spec.identity_range("train"))


@in_every_network
def test_a_network_fits_the_page(name):
    tensors, about = load_file(FACE / f"{name}.safetensors"), metadata(FACE / f"{name}.safetensors")
    preset = get_preset("laptop")
    spec = PieSpec.from_preset(preset)
    trunk = CASIANet(preset.width)
    for task in SIDE_TASKS:
        assert tensors[f"{task}.weight"].shape == (spec.class_counts[task], trunk.feature_dim)
    assert about["preset"] == preset.name
    # trained to the end: 300 people are told apart far better than by guessing
    assert json.loads(about["trained"])["losses"]["id"] < 0.5 * np.log(spec.class_counts["id"])
    read = json.loads(about["read by a regression"])
    assert read == (list(SIDE_TASKS) if name in ("one_task", "aprn") else [])


def test_a_folded_network_answers_as_the_whole_one():
    torch.manual_seed(0)
    network = MultiTaskNetwork(CASIANet(0.125), dict(zip(SIDE_TASKS, (13, 6, 6), strict=True)))
    images = torch.randint(0, 256, (12, 48, 48), dtype=torch.uint8)
    network.train()
    for _ in range(3):  # so that the running statistics are not those of the beginning
        network(to_input(images))
    network.eval()
    tensors = train_page_networks.trunk_tensors(network.trunk)
    for task in SIDE_TASKS:
        head = network.heads[task]
        tensors |= {f"{task}.weight": head.weight, f"{task}.bias": head.bias}
    with torch.no_grad():
        expected = network(to_input(images))
        found = measure_page_face.answer(tensors, images.numpy())
    torch.testing.assert_close(found["x"], expected.features, atol=1e-4, rtol=1e-4)
    for task in SIDE_TASKS:
        torch.testing.assert_close(found[task], expected.logits[task], atol=1e-4, rtol=1e-4)


def test_a_reading_is_the_regression_that_was_fitted():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 60)
    x = 5 + 3 * np.eye(3)[labels] @ rng.normal(size=(3, 4)) + 0.1 * rng.normal(size=(180, 4))
    weight, bias = train_page_networks.reading(x, labels)
    assert ((torch.from_numpy(x) @ weight.T + bias).argmax(1).numpy() == labels).all()


def test_the_crowd_is_everybody_else_as_a_network_sees_them():
    people, crowd = build_page_face.strangers(), load_file(FACE / "crowd.safetensors")
    drawn = {person.index for person in build_page_face.page_people()}
    assert not drawn & {person.index for person in people}
    some = np.arange(0, len(people), 37)
    pictures = measure_page_face.drawn([people[k] for k in some], measure_page_face.ENROLLED)[:, 0]
    for name in train_page_networks.NETWORKS:
        assert len(crowd[name]) == len(people)
        x = measure_page_face.answer(load_file(FACE / f"{name}.safetensors"), pictures)["x"]
        torch.testing.assert_close(crowd[name][some].float(), x, atol=5e-3, rtol=5e-3)
    sheet = np.asarray(Image.open(FACE / "crowd.webp").convert("L"), dtype=float)
    side, row, column = 48, *divmod(int(some[3]), measure_page_face.COLUMNS)
    shown = sheet[row * side :, column * side :][:side, :side]
    assert np.corrcoef(shown.ravel(), pictures[3].ravel())[0, 1] > 0.98


def test_measured_numbers_are_those_of_the_networks():
    measured = json.loads((FACE / "measured.json").read_text(encoding="utf-8"))
    again = measure_page_face.measure(FACE)
    for name, network in measured["networks"].items():
        for key, value in network.items():
            # a picture at a time may tip over on another machine
            np.testing.assert_allclose(value, again["networks"][name][key], atol=0.01)


def test_the_table_says_what_was_measured():
    network = {
        "rank1": 0.912,
        "rank1 interval": [0.8, 0.95],
        "profile": 0.5,
        "profile interval": [0.25, 0.75],
    }
    for side in ("pose", "light", "expression"):
        network |= {side: 0.333, f"{side} interval": [0.3, 0.4]}
    rows = measured_face.rows({"networks": dict.fromkeys(measured_face.NAMES, network)})
    sides = 3 * ["33&nbsp;% [30,&nbsp;40]"]
    assert rows[0] == ("one task", "91&nbsp;% [80,&nbsp;95]", "50&nbsp;% [25,&nbsp;75]", *sides)
    assert tuple(measured_face.NAMES) == tuple(train_page_networks.NETWORKS)


def test_the_page_and_its_table_call_networks_alike():
    script = (FACE / "face.js").read_text(encoding="utf-8")
    named = re.search(r"export const NETWORKS = \{(.+?)\};", script, re.DOTALL)
    assert named is not None
    assert dict(re.findall(r'(\w+): "([^"]+)"', named[1])) == measured_face.NAMES
