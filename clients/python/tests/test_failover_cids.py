# SPDX-License-Identifier: Apache-2.0
"""0b111 CIDs: their form, and that none comes twice."""

from __future__ import annotations

import os

import pytest

from cidecar._failover_cids import Counter, FailoverCids, Permutation


@pytest.mark.parametrize("length", [1, 2])
def test_a_permutation_takes_each_number_once(length: int) -> None:
    size = 256**length
    permutation = Permutation(length, b"a key of the test")
    made = [permutation.apply(number) for number in range(size)]
    assert sorted(made) == list(range(size))
    assert made != list(range(size))


def test_a_permutation_of_an_odd_length_stays_within_it() -> None:
    permutation = Permutation(3, os.urandom(16))
    made = {permutation.apply(number) for number in range(20_000)}
    assert len(made) == 20_000
    assert max(made) < 256**3
    # Looks random: the upper half of all numbers is hit about as often as the lower.
    upper = sum(number >= 256**3 // 2 for number in made)
    assert 9_000 < upper < 11_000


def test_keys_make_other_orders() -> None:
    one, other = Permutation(2, bytes(16)), Permutation(2, bytes([1]) * 16)
    assert [one.apply(i) for i in range(100)] != [other.apply(i) for i in range(100)]


def test_a_counter_begins_again_with_the_oldest() -> None:
    counter = Counter(1)
    first = [counter.next() for _ in range(256)]
    assert len({number for number, _ in first}) == 256
    assert not any(again for _, again in first)
    second = [counter.next() for _ in range(257)]
    assert [number for number, _ in second[:256]] == [number for number, _ in first]
    assert [again for _, again in second] == [True] + [False] * 255 + [True]


@pytest.mark.parametrize("zeroes", [False, True])
@pytest.mark.parametrize("length", [8, 9, 12, 16, 17, 20])
def test_the_form(length: int, zeroes: bool) -> None:
    cids = FailoverCids(length, zeroes, {})
    made = [cids.make() for _ in range(2000)]
    for cid, token, again in made:
        assert len(cid) == length
        assert cid[0] == 0xE0 | (length - 1)
        assert not zeroes or cid[1:5] == bytes(4)
        assert len(token) == 16
        assert not again
    assert len({cid for cid, _, _ in made}) == 2000
    assert len({token for _, token, _ in made}) == 2000


def test_pools_of_one_process_share_a_counter() -> None:
    counters: dict[tuple[int, bool], Counter] = {}
    pools = [FailoverCids(8, True, counters) for _ in range(2)]
    made = [pool.make() for _ in range(3000) for pool in pools]
    assert len({cid for cid, _, _ in made}) == 6000
    # Each pool has a key of its own for the tokens, which is known to nobody else.
    assert pools[0]._token_key != pools[1]._token_key


def test_a_child_that_was_forked_makes_others() -> None:
    cids = FailoverCids(8, True)
    cids.make()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"".join(cids.make()[0] for _ in range(100)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 800)
    mine = b"".join(cids.make()[0] for _ in range(100))
    assert len(theirs) == 800
    assert theirs != mine


def test_a_source_of_a_retry_has_the_form() -> None:
    cid = FailoverCids(9, True, {}).random_cid()
    assert cid[:5] == b"\xe8\0\0\0\0"
    assert len(cid) == 9
