from __future__ import annotations

import torch

from mtl_helpers.streams import seeded, stream_seed


def test_streams_differ_in_each_of_their_names():
    seeds = {
        stream_seed(seed, purpose, number)
        for seed in range(5)
        for purpose in ("a", "b")
        for number in range(5)
    }
    assert len(seeds) == 50
    assert all(0 <= s < 2**63 for s in seeds)


def test_a_seeded_block_gives_the_generator_back():
    torch.manual_seed(5)
    expected = torch.rand(3)
    draws = []
    torch.manual_seed(5)
    for purpose in ("a", "a", "b"):
        with seeded(7, purpose):
            draws.append(torch.rand(4))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
