"""What the page on real sets says agrees with the adapters, and its code runs on small trees."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fixture_sets import CASES

from mtl_helpers.datasets import DATASETS
from mtl_helpers.evaluation.verification import cosine_scores

PAGE = (Path(__file__).parents[2] / "book" / "real-data.md").read_text(encoding="utf-8")

TREES = {name: case.build for name, case in CASES.items()}
TITLES = {"casia_webface": "CASIA-WebFace"}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def section(name: str) -> str:
    """The section of a set."""
    title = DATASETS[name].source.title
    found = re.search(rf"^### {re.escape(title)}\b(.*?)(?=^\(real-|\Z)", PAGE, re.M | re.S)
    assert found, f"no section {title}"
    return found[1]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MTL_CACHE", str(tmp_path / "cache"))


def test_every_set_has_a_row_in_the_order_of_its_sections():
    rows = re.findall(r"^\| \[`(\w+)`\]\(#(real-[\w-]+)\)", PAGE, re.M)
    assert sorted(name for name, _ in rows) == sorted(DATASETS)
    targets = re.findall(r"^\((real-[\w-]+)\)=\n### ", PAGE, re.M)
    assert [target for _, target in rows] == targets


@pytest.mark.parametrize("name", TREES)
def test_a_section_names_the_lists_and_settings(name):
    text, adapter = section(name), DATASETS[name]
    tree = "".join(blocks(text, "text"))
    assert tree.startswith("DIR/")
    assert max(map(len, tree.splitlines())) <= 78  # or the page shows half of it
    # the last names of the layout that messages show, e.g. "pairs.txt" and "list_attr_celeba"
    files = re.findall(r"(\w+)\.(?:txt|mat|csv)", adapter.source.layout)
    assert all(file in tree for file in files)
    for words in ("**Get it**", "**Terms**", "**Labels**", "**Protocol**"):
        assert words in text
    if len(adapter.settings) > 1:
        named = re.search(r"\*\*Settings\*\*:\s+(.*?)\*\*", text, re.S)
        assert named is not None
        assert f"`{adapter.settings[0]}`" in named[1]


def run(code: str, root: Path, **names: object) -> dict[str, object]:
    space: dict[str, object] = {"DATASETS": DATASETS, **names}
    exec(compile(code.replace('"DIR"', repr(str(root))), "the page", "exec"), space)
    return space


def features_of(model, images, index):
    return {"x": np.random.default_rng(0).normal(size=(len(list(index)), 8))}


@pytest.mark.parametrize("name", TREES)
def test_the_code_of_a_section_runs(name, tmp_path):
    root = tmp_path / "set"
    root = TREES[name](root) or root
    found = blocks(section(name), "python")
    assert found or name == "multipie"  # whose command is a sweep
    for code in found:
        space = run(
            code,
            root,
            extract=features_of,
            cosine_scores=cosine_scores,
            result=SimpleNamespace(final=None),
        )
        if "corpus" in space:
            assert len(space["corpus"].images)


def test_the_first_code_of_the_page_runs(tmp_path, capsys):
    code = blocks(PAGE.partition("(real-colab)=")[0], "python")
    assert len(code) == 1
    run(code[0], TREES["cavi"](tmp_path))
    assert "CaVI_Dataset" in capsys.readouterr().out


def test_the_recipe_for_colab_runs(monkeypatch, capsys):
    from mtl_helpers.datasets import sklearn_faces
    from mtl_helpers.evaluation import extract as evaluation
    from mtl_helpers.training import loop as training

    def faces(count, side):
        return np.random.default_rng(side).integers(0, 256, (count, side, side)) / 255

    monkeypatch.setattr(
        sklearn_faces,
        "fetch_olivetti_faces",
        lambda **_: SimpleNamespace(images=faces(400, 64), target=np.repeat(np.arange(40), 10)),
    )
    monkeypatch.setattr(
        sklearn_faces,
        "fetch_lfw_people",
        lambda **_: SimpleNamespace(
            images=faces(200, 48),
            target=np.repeat(np.arange(10), 20),
            target_names=np.array([f"Person {n}" for n in range(10)]),
        ),
    )
    monkeypatch.setattr(
        sklearn_faces,
        "fetch_lfw_pairs",
        lambda **_: SimpleNamespace(
            pairs=faces(40, 48).reshape(20, 2, 48, 48), target=np.tile([1, 0], 10)
        ),
    )
    seen = []
    monkeypatch.setattr(
        training, "train", lambda *given: seen.append(given) or SimpleNamespace(final=None)
    )
    monkeypatch.setattr(evaluation, "extract", features_of)
    recipe = PAGE.partition("(real-colab)=")[2].partition("(real-multipie)=")[0]
    run("".join(blocks(recipe, "python")), Path())
    method, batches, plan = seen[0]
    assert method.model.losses == ("id",)
    assert batches.order.count < 200 and plan.steps == 600
    assert re.search(r"0\.\d{3} \+- 0\.\d{3}$", capsys.readouterr().out.strip())


def test_no_link_of_the_page_is_relative_or_unsafe():
    addresses = re.findall(r"\]\(((?!#real-)[^)]+)\)", PAGE)
    assert len(addresses) > 8
    # CFP's own page has no other form
    assert all(a.startswith("https://") or a == "http://www.cfpw.io" for a in addresses)
