"""Claims as data, and effects from stored runs."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
from made_up_claims import (
    ARMS,
    CONFIGS,
    POSE,
    RANK1,
    claim_of,
    minus,
    of,
    part,
    people_of,
    store_toy,
    toy_runs,
)

from mtl_helpers.ledger.claim import (
    Effect,
    Measure,
    Window,
    ceiling,
    compare,
    over_pairs,
    over_runs,
)
from mtl_helpers.ledger.statistics import crossed_interval, mean_interval, paired_difference
from mtl_helpers.runs.record import ResultsError


@pytest.fixture
def records(tmp_path):
    store_toy(tmp_path)
    return toy_runs(tmp_path)


@pytest.fixture
def records_by_person(tmp_path):
    store_toy(tmp_path, with_people=True)
    return toy_runs(tmp_path)


# --- effects ------------------------------------------------------------------------------------


def test_compare_pairs_by_seed_and_gives_points(records):
    random.Random(0).shuffle(records)
    effect = minus("id+pos")(records)
    expected = paired_difference(100 * np.array(ARMS["id+pos"]), 100 * np.array(ARMS["s-cnn"]))
    assert dataclasses.astuple(effect.over_seeds)[:4] == pytest.approx(
        dataclasses.astuple(expected)[:4]
    )
    assert effect.over_seeds.mean == pytest.approx((10 + 10.5 + 10) / 3)
    assert effect.over_people is None and effect.judged is effect.over_seeds
    assert f"{effect:.1f}" == f"{expected:.1f}"


def test_compare_takes_the_seeds_that_both_arms_have(records):
    fewer = [run for run in records if (run.arm, run.seed) != ("id+pos", 2)]
    effect = minus("id+pos")(fewer)
    assert effect.over_seeds.n == 2
    assert effect.over_seeds.mean == pytest.approx(10.25)
    with pytest.raises(ResultsError, match="share no seed"):
        compare(of(records, "id+pos")[:1], of(records, "s-cnn")[1:], RANK1)


def test_two_runs_of_one_seed_are_refused(records):
    with pytest.raises(ResultsError, match="Two of these runs have the seed 0"):
        compare(records[:6], of(records, "s-cnn"), RANK1)


def test_compare_covers_people_where_every_run_kept_them(records_by_person):
    effect = minus("id+exp")(records_by_person)
    table = [
        100 * (people_of(a).astype(float) - people_of(b))
        for a, b in zip(of(CONFIGS, "id+exp"), of(CONFIGS, "s-cnn"), strict=True)
    ]
    expected = crossed_interval(table)
    got = effect.over_people
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high))
    assert (got.n, got.people) == (3, 6)
    assert effect.judged is got
    seeds = mean_interval(np.mean(table, axis=1))
    assert (effect.over_seeds.low, effect.over_seeds.high) == pytest.approx((seeds.low, seeds.high))
    more = got.standard_error**2 - effect.over_seeds.standard_error**2
    assert effect.people_error == pytest.approx(max(0, more) ** 0.5)


def test_compare_leaves_people_out_where_one_run_lacks_them(records, records_by_person):
    ours, theirs = of(records_by_person, "id+pos"), of(records_by_person, "s-cnn")
    bare = [dataclasses.replace(theirs[0], stored_arrays=None), *theirs[1:]]
    effect = compare(ours, bare, RANK1)
    assert effect.over_people is None
    assert effect.over_seeds.mean == pytest.approx((10 + 10.5 + 10) / 3)
    assert compare(ours, theirs, Measure("rank1")).over_people is None


def test_over_runs_is_the_mean_of_what_is_measured(records):
    effect = over_runs(of(records, "id+exp"), lambda run: run.metric("rank1") + run.seed)
    assert effect == Effect(mean_interval([0.50, 1.56, 2.49]))


def test_over_pairs_measures_runs_of_one_seed_together(records):
    ours, theirs = of(records, "id+pos")[::-1], of(records, "s-cnn")[1:]
    effect = over_pairs(ours, theirs, lambda a, b: 10 * a.seed + b.seed)
    assert effect == Effect(mean_interval([11.0, 22.0]))


def test_an_effect_knows_the_runs_behind_it(records, records_by_person):
    for runs in (records, records_by_person):
        arms = [run.arm for run in minus("id+pos")(runs).runs]
        assert sorted(arms) == ["id+pos"] * 3 + ["s-cnn"] * 3
    arms = [run.arm for run in over_runs(of(records, "id+exp"), lambda run: run.seed).runs]
    assert arms == ["id+exp"] * 3


@pytest.mark.parametrize(
    ("ours", "theirs", "says"),
    [
        ((0.997, 0.998, 0.998), (0.9962, 0.997, 0.9965), "in every seed, but both are within 0.4 "),
        (
            (0.997, 0.998, 0.9962),
            (0.9962, 0.997, 0.997),
            "in 2 of 3 seeds, but both are within 0.4",
        ),
        ((0.997, 0.998, 0.998), (0.980, 0.992, 0.985), ""),  # room for a lead of a point
        ((0.900, 0.910, 0.905), (0.998, 0.997, 0.999), ""),  # it plainly does not lead
    ],
)
def test_two_scores_at_the_ceiling_leave_no_room(records, ours, theirs, says):
    def scored(arm, values):
        return [
            dataclasses.replace(run, metrics={"score": value})
            for run, value in zip(of(records, arm), values, strict=True)
        ]

    arms = scored("id+pos", ours), scored("s-cnn", theirs)
    said = ceiling(("pose", "light"), *arms, ("score", "score"), smallest=1.0)
    assert said.startswith(f"Pose leads light {says}" if says else "") and bool(said) is bool(says)


# --- claims -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: claim_of(part("a"), part("a")), "two parts of one name"),
        (lambda: claim_of(part("a", role="trivial")), "needs a part that decides"),
        (lambda: claim_of(part("a"), smallest_effect=0.0), "must be > 0"),
        (lambda: claim_of(part("a"), logic="each"), "judged by 'each' but makes 1 statements"),
        (
            lambda: claim_of(part("a", statement="x"), part("b", statement="y")),
            "judged by 'every' but makes 2 statements",
        ),
    ],
)
def test_claim_that_contradicts_itself_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_part_beside_is_no_statement():
    assert claim_of(part("a"), part("b", statement="other", role="beside")).logic == "every"


def test_the_smallest_effect_stands_once_and_a_part_may_differ():
    claim = claim_of(part("a"), part("b", smallest_effect=3.0), smallest_effect=2.0)
    assert [claim.smallest(one) for one in claim.parts] == [2.0, 3.0]


def test_window_is_unmet_by_the_shortest_run(records):
    window = Window("20 epochs", passes=1.0, of=lambda run: 0.59 + run.seed)
    assert window.unmet(records[1:3]) == ""
    assert window.unmet(records) == (
        "The claim speaks of 20 epochs, and a run that tests it needs at least 1 passes over the "
        "training data; the stored runs end after 0.59."
    )


def test_anchor_is_made_of_the_id():
    assert POSE.anchor == "claim-t1"
    assert dataclasses.replace(POSE, id="T 3b").anchor == "claim-t-3b"
