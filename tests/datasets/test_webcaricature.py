"""WebCaricature's adapter against a tree that the tests write."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from fixture_sets.files import truncate
from fixture_sets.webcaricature import WEB_PEOPLE, build_webcaricature, web_landmarks

from mtl_helpers.datasets import DATASETS, DatasetError
from mtl_helpers.datasets.webcaricature import (
    ADAPTER,
    FOLDS,
    restricted_pairs,
    unrestricted_pairs,
)
from mtl_helpers.evaluation.protocols import (
    webcaricature_identification_rates,
    webcaricature_verification_rates,
)

PEOPLE = list(WEB_PEOPLE)
VERIFICATION = "EvaluationProtocols/FaceVerification"
IDENTIFICATION = "EvaluationProtocols/FaceIdentification"
RESTRICTED = f"{VERIFICATION}/Restricted/RestrictedView2.txt"
UNRESTRICTED = f"{VERIFICATION}/UnRestricted/UnRestrictedView2.txt"
PROBES = f"{IDENTIFICATION}/C2P/FR_Probe_C2P1.txt"
FIRST = "identification-1"


@pytest.fixture
def root(tmp_path):
    return build_webcaricature(tmp_path)


def replace_line(path, number, text):
    lines = path.read_bytes().decode().split("\r\n")
    lines[number - 1] = text
    path.write_bytes("\r\n".join(lines).encode())


def person_and_stem(path):
    _, person, name = path.split("/")
    return person, name.removesuffix(".jpg")


def test_it_is_registered_with_every_fold():
    assert DATASETS["webcaricature"] is ADAPTER
    assert len(ADAPTER.settings) == 2 * (FOLDS + 1)
    assert ADAPTER.settings[0] == FIRST


def test_pictures_have_person_modality_and_landmarks(root):
    table = ADAPTER.index(root)
    assert len(table) == sum(map(sum, WEB_PEOPLE.values()))
    for number, path in enumerate(table.files):
        person, stem = person_and_stem(path)
        assert table.identities[table.identity[number]] == person
        assert table.labels["modality"][number] == (stem[0] == "C")
        np.testing.assert_allclose(
            table.landmarks[number], web_landmarks(person, stem), rtol=0, atol=1e-3
        )


def test_the_box_holds_all_landmarks_with_a_margin(root):
    table = ADAPTER.index(root)
    low, high = table.landmarks.min(axis=1), table.landmarks.max(axis=1)
    longer = (high - low).max(axis=1, keepdims=True)
    np.testing.assert_allclose(table.boxes[:, :2], low - 0.1 * longer, atol=1e-4)
    np.testing.assert_allclose(table.boxes[:, 2:], high + 0.1 * longer, atol=1e-4)


def test_landmarks_move_with_the_crop(root, tmp_path):
    corpus = ADAPTER.corpus(root, 32, 3, cache=tmp_path / "cache", progress=False)
    assert corpus.images.shape == (len(corpus), 32, 32, 3)
    moved = corpus.landmarks(np.arange(len(corpus)))
    # inside the picture, and the longer extent leaves the margins on its two sides
    assert (moved > 0).all()
    assert (moved < 32).all()
    extent = (moved.max(axis=1) - moved.min(axis=1)).max(axis=1)
    np.testing.assert_allclose(extent, 32 / 1.2, atol=1.2)


def test_an_identification_fold_trains_on_others_than_it_tests(root):
    for setting, train in (("identification-1", 3), ("identification-2", 2),
                           ("identification-dev", 3)):  # fmt: skip
        table = ADAPTER.index(root, setting)
        people = {name: set(table.identity[index]) for name, index in table.splits.items()}
        assert people["train"] == set(range(train))
        assert people["test"] == set(range(train, len(PEOPLE)))
        assert people["c2p"] == people["p2c"] == people["test"]


def test_galleries_and_probes_are_of_the_two_modalities(root):
    table = ADAPTER.index(root)
    drawn = table.labels["modality"] == 1
    # one photograph each of the three people who are tested, and all their caricatures
    assert (len(table.galleries["c2p"]), len(table.probes["c2p"])) == (3, 1 + 2 + 3)
    assert not drawn[table.galleries["c2p"]].any()
    assert drawn[table.probes["c2p"]].all()
    assert (len(table.galleries["p2c"]), len(table.probes["p2c"])) == (3, 3 + 2 + 2)
    assert drawn[table.galleries["p2c"]].all()
    assert not drawn[table.probes["p2c"]].any()


def test_an_unrestricted_fold_tests_its_own_people(root):
    for fold in (1, 2, 3):
        table = ADAPTER.index(root, f"unrestricted-{fold}")
        tested = {table.identities[n] for n in table.identity[table.splits["test"]]}
        assert tested == set(PEOPLE[2 * fold - 2 : 2 * fold])
        trained = {table.identities[n] for n in table.identity[table.splits["train"]]}
        assert trained == set(PEOPLE) - tested
    dev = ADAPTER.index(root, "unrestricted-dev")
    assert {dev.identities[n] for n in dev.identity[dev.splits["train"]]} == set(PEOPLE[:3])


def test_restricted_pairs_are_those_of_the_list(root):
    table, found = ADAPTER.index(root), restricted_pairs(root)
    assert found.fold.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found.same.tolist() == [True, True, False, False] * 3
    named = [
        (person_and_stem(table.files[a]), person_and_stem(table.files[b]))
        for a, b in zip(found.first, found.second, strict=True)
    ]
    one, two = PEOPLE[:2]
    assert named[:4] == [
        ((one, "C00001"), (one, "P00002")),
        ((two, "C00001"), (two, "P00002")),
        ((one, "C00001"), (two, "P00001")),
        ((two, "C00001"), (one, "P00001")),
    ]
    for view in ("dev-train", "dev-test"):
        assert (len(restricted_pairs(root, view)), restricted_pairs(root, view).folds) == (6, 1)


def test_unrestricted_pairs_are_all_pairs_of_a_fold(root):
    table, found = ADAPTER.index(root), unrestricted_pairs(root)
    expected = set()
    for fold in range(3):
        names = PEOPLE[2 * fold : 2 * fold + 2]
        for one in names:
            for other in names:
                for i in range(1, WEB_PEOPLE[one][0] + 1):
                    for j in range(1, WEB_PEOPLE[other][1] + 1):
                        expected.add((one, f"C{i:05d}", other, f"P{j:05d}", one == other, fold))
    rows = [
        (*person_and_stem(table.files[a]), *person_and_stem(table.files[b]), bool(same), int(fold))
        for a, b, same, fold in zip(
            found.first, found.second, found.same, found.fold, strict=True
        )
    ]  # fmt: skip
    assert len(rows) == len(expected)
    assert set(rows) == expected


def test_unrestricted_pairs_of_view_1_are_all_of_its_people(root):
    table = ADAPTER.index(root)
    for view, names in (("dev-train", PEOPLE[:3]), ("dev-test", PEOPLE[3:])):
        found = unrestricted_pairs(root, view)
        drawn, photos = (sum(WEB_PEOPLE[name][kind] for name in names) for kind in (0, 1))
        assert (len(found), found.folds) == (drawn * photos, 1)
        assert int(found.same.sum()) == sum(np.prod(WEB_PEOPLE[name]) for name in names)
        both = np.concatenate([found.first, found.second])
        assert {table.identities[n] for n in table.identity[both]} == set(names)


def test_rates_are_one_for_features_that_name_the_person(root):
    table = ADAPTER.index(root)
    features = np.eye(len(table.identities))[table.identity]
    assert webcaricature_identification_rates(features, table, "c2p") == {
        "rank-1": 1.0,
        "rank-10": 1.0,
    }
    pairs = unrestricted_pairs(root)
    rates = webcaricature_verification_rates(
        np.einsum("pd,pd->p", features[pairs.first], features[pairs.second]), pairs
    )
    assert set(rates) == {"VAL@FAR=0.1%", "VAL@FAR=1%", "AUC"}
    assert all(rate.folds.tolist() == [1.0] * 3 for rate in rates.values())


def test_rank_1_counts_the_probes_whose_nearest_is_right(root):
    table = ADAPTER.index(root)
    rng = np.random.default_rng(3)
    features = rng.normal(size=(len(table), 6))
    gallery, probes = table.galleries["p2c"], table.probes["p2c"]
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    hits = 0
    for probe in probes:
        # the order of the l2 distance of units, as the paper measures
        nearest = min(gallery, key=lambda g: np.linalg.norm(units[probe] - units[g]))
        hits += table.identity[nearest] == table.identity[probe]
    rates = webcaricature_identification_rates(features, table, "p2c")
    assert rates["rank-1"] == hits / len(probes)
    assert rates["rank-10"] == 1.0  # three people in the gallery


def test_rates_ask_for_a_gallery_and_for_all_features(root):
    table = ADAPTER.index(root)
    with pytest.raises(ValueError, match="Expected 31 features, found 30"):
        webcaricature_identification_rates(np.ones((30, 2)), table, "c2p")
    with pytest.raises(ValueError, match="no gallery 'c2p'"):
        webcaricature_identification_rates(
            np.ones((31, 2)), ADAPTER.index(root, "unrestricted-1"), "c2p"
        )


def test_names_of_lists_may_differ_in_case_and_be_broken_by_tabs(root):
    name = PEOPLE[0].upper().replace(" ", "\t", 1)
    replace_line(root / RESTRICTED, 2, f"{name}\tC00002\tP00003")
    table, found = ADAPTER.index(root), restricted_pairs(root)
    assert person_and_stem(table.files[found.first[0]]) == (PEOPLE[0], "C00002")
    assert person_and_stem(table.files[found.second[0]]) == (PEOPLE[0], "P00003")


def test_a_list_may_do_without_its_count(root):
    path = root / PROBES
    before = ADAPTER.index(root)
    path.write_bytes(path.read_bytes().partition(b"\r\n")[2])
    after = ADAPTER.index(root)
    np.testing.assert_array_equal(before.probes["c2p"], after.probes["c2p"])


def test_a_missing_root_says_where_the_set_comes_from(tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere.*WebCaricature\.htm"):
        ADAPTER.index(tmp_path / "nowhere")


def test_a_root_of_another_layout_is_refused(root):
    (root / "OriginalImages").rename(root / "Images")
    with pytest.raises(DatasetError, match="OriginalImages"):
        ADAPTER.index(root)


def test_folders_without_pictures_are_refused(root):
    for path in (root / "OriginalImages").glob("*/*.jpg"):
        path.unlink()
    with pytest.raises(DatasetError, match="Expected pictures in OriginalImages, found none"):
        ADAPTER.index(root)


def test_a_picture_neither_drawn_nor_photographed_is_refused(root):
    shutil.copy(root / "OriginalImages/Elm/P00001.jpg", root / "OriginalImages/Elm/Q1.jpg")
    with pytest.raises(DatasetError, match=r"found OriginalImages/Elm/Q1\.jpg"):
        ADAPTER.index(root)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        (f"{IDENTIFICATION}/FR_Train1.txt", FIRST),
        (f"{IDENTIFICATION}/FR_Train_dev.txt", "identification-dev"),
        (f"{IDENTIFICATION}/P2C/FR_Gallery_P2C1.txt", FIRST),
        (PROBES, FIRST),
        (UNRESTRICTED, "unrestricted-1"),
        ("FacialPoints/Bo Reed/C00002.txt", FIRST),
    ],
)
def test_a_missing_list_is_named(root, name, setting):
    (root / name).unlink()
    with pytest.raises(DatasetError, match=name.replace(".", r"\.")):
        ADAPTER.index(root, setting)


def test_a_missing_list_of_pairs_is_named(root):
    (root / RESTRICTED).unlink()
    with pytest.raises(DatasetError, match=r"RestrictedView2\.txt"):
        restricted_pairs(root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Bo Reed\tC00001", "a name, a caricature"),
        ("Bo Reed\tP00001\tC00001", "a name, a caricature"),
        ("C00001\tP00001", "a name, a caricature"),
        ("Bo Reed\tC00001\tP00001\tElm", "a name, a caricature"),
        ("Bo Reed\tC00009\tP00001", "a picture that lies in OriginalImages/Bo Reed"),
        ("Nobody\tC00001\tP00001", "a person with a folder"),
        ("../Bo Reed\tC00001\tP00001", "below the root"),
    ],
)
def test_a_malformed_pair_is_named_with_its_line(root, line, message):
    replace_line(root / RESTRICTED, 3, line)
    with pytest.raises(DatasetError, match=rf"RestrictedView2\.txt, line 3: .*{message}"):
        restricted_pairs(root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Bo Reed\t2", "a whole number as the number of caricatures"),
        ("2\t3", "a name, a number"),
        ("Bo Reed\ttwo\t3", "a whole number"),
        ("Bo Reed\t2\t30", "a picture that lies in OriginalImages/Bo Reed"),
        ("Nobody Here\t1\t1", "a person with a folder"),
        (r"..\..\Bo Reed" + "\t1\t1", "below the root"),
    ],
)
def test_a_malformed_person_is_named_with_its_line(root, line, message):
    replace_line(root / f"{IDENTIFICATION}/FR_Train1.txt", 3, line)
    with pytest.raises(DatasetError, match=rf"FR_Train1\.txt, line 3: .*{message}"):
        ADAPTER.index(root)


def test_a_probe_needs_one_picture_and_a_gallery_with_its_person(root):
    replace_line(root / PROBES, 2, "Elm\tC00001\tP00001")
    with pytest.raises(DatasetError, match="line 2: expected a name and one picture"):
        ADAPTER.index(root)
    replace_line(root / PROBES, 2, "Bo Reed\tC00001")
    with pytest.raises(DatasetError, match="person in the gallery of C2P.*'Bo Reed'"):
        ADAPTER.index(root)


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        (RESTRICTED, "3", "the number of what follows: 4 lines do"),
        (RESTRICTED, "Elm\tC00001\tP00001", "the number of lines of a fold"),
        (UNRESTRICTED, "9", "the number of folds: 3 follow"),
        (f"{VERIFICATION}/Restricted/RestrictedView1_DevTest.txt", "x", "number of matched"),
    ],
)
def test_a_count_that_is_not_true_is_refused(root, name, count, message):
    replace_line(root / name, 1, count)
    with pytest.raises(DatasetError, match=rf"line 1: .*{message}"):
        restricted_pairs(root, "dev-test") if "DevTest" in name else (
            unrestricted_pairs(root) if "UnR" in name else restricted_pairs(root)
        )


def test_a_single_fold_is_refused(root):
    block = "Bo Reed\tC00001\tP00001\nBo Reed\tC00001\tElm\tP00001\n"
    (root / RESTRICTED).write_text(f"1\n{block}")
    with pytest.raises(DatasetError, match="at least two folds"):
        restricted_pairs(root)


def test_people_who_train_and_test_are_refused(root):
    path = root / f"{IDENTIFICATION}/FR_Train1.txt"
    path.write_text(f"{PEOPLE[0]}\t3\t4\n{PEOPLE[4]}\t2\t2\n")
    with pytest.raises(DatasetError, match="other people to train on"):
        ADAPTER.index(root)


@pytest.mark.parametrize(
    ("text", "message"), [("1 2\n" * 16, "found 16 lines"), ("1 2\n" * 16 + "1\n", "line 17"),
                          ("1 2\n" * 16 + "1 nan\n", "line 17: expected a number as y")]
)  # fmt: skip
def test_malformed_landmarks_are_named(root, text, message):
    (root / "FacialPoints/Elm/P00002.txt").write_text(text)
    with pytest.raises(DatasetError, match=rf"FacialPoints/Elm/P00002\.txt.*{message}"):
        ADAPTER.index(root)


def test_a_fold_that_the_copy_lacks_is_refused(root):
    with pytest.raises(DatasetError, match="Expected fold 7, found 3 folds"):
        ADAPTER.index(root, "unrestricted-7")
    with pytest.raises(ValueError, match="no setting 'fold-1'"):
        ADAPTER.index(root, "fold-1")


def test_a_truncated_picture_is_named(root, tmp_path):
    truncate(root / "OriginalImages/Gus J. Pike/C00003.jpg")
    with pytest.raises(DatasetError, match=r"Gus J\. Pike/C00003\.jpg.*does not decode"):
        ADAPTER.corpus(root, 16, 1, cache=tmp_path / "cache", progress=False)


def test_a_folder_that_leads_out_of_the_root_is_refused(root, tmp_path):
    shutil.move(root / "OriginalImages/Elm", tmp_path / "elsewhere")
    (root / "OriginalImages/Elm").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="leaves the root"):
        ADAPTER.index(root)
