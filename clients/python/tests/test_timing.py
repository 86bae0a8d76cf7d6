# SPDX-License-Identifier: Apache-2.0
"""Pauses, pacing and freshness, by clocks of the tests."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from cidecar import pace_reissue
from cidecar._backoff import Backoff
from cidecar._freshness import Freshness

BEGAN = 1_900_000_000.0


class Clock:
    """Its time passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = BEGAN
        self.late = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds + self.late
        await asyncio.sleep(0)


def pace(clock: Clock, count: int, seconds: float) -> list[float]:
    """When each item had its turn, in seconds from the beginning."""
    turns: list[float] = []
    deadline = datetime.fromtimestamp(BEGAN + seconds, UTC)
    failures = asyncio.run(
        pace_reissue(
            range(count),
            lambda _: turns.append(clock.now - BEGAN),
            deadline,
            now=clock,
            sleep=clock.sleep,
        )
    )
    assert failures == []
    assert len(turns) == count
    return turns


def test_items_are_spread_evenly_over_four_fifths_of_the_time() -> None:
    turns = pace(Clock(), 100, 50)
    assert turns[0] == 0
    assert 38 <= turns[-1] <= 40
    gaps = [later - earlier for earlier, later in pairwise(turns)]
    assert max(gaps) <= 1.0


def test_more_items_than_steps_share_their_steps() -> None:
    turns = pace(Clock(), 10_000, 1)
    assert turns[-1] <= 0.83
    assert max(turns.count(at) for at in set(turns)) <= 300


def test_a_process_that_is_busy_catches_up() -> None:
    clock = Clock()
    clock.late = 5
    turns = pace(clock, 100, 50)
    assert turns[-1] <= 45


@pytest.mark.parametrize("seconds", [0, -1, -100_000])
def test_what_is_due_is_done_at_once(seconds: float) -> None:
    assert pace(Clock(), 1000, seconds) == [0] * 1000


def test_an_item_that_fails_does_not_keep_the_others_from_their_turn() -> None:
    clock = Clock()
    done: list[int] = []

    def replace(item: int) -> None:
        if item == 3:
            raise ValueError("three")
        done.append(item)

    deadline = datetime.fromtimestamp(BEGAN + 1, UTC)
    failures = asyncio.run(pace_reissue(range(6), replace, deadline, now=clock, sleep=clock.sleep))
    assert done == [0, 1, 2, 4, 5]
    assert [(item, str(error)) for item, error in failures] == [(3, "three")]


def test_pauses_double_up_to_half_a_second() -> None:
    longest = Backoff(lambda _, high: high)
    assert [longest.next() for _ in range(6)] == [0.05, 0.1, 0.2, 0.4, 0.5, 0.5]
    shortest = Backoff(lambda low, _: low)
    assert [shortest.next() for _ in range(6)] == [0.025, 0.05, 0.1, 0.2, 0.25, 0.25]


def test_pauses_begin_anew_or_with_the_longest() -> None:
    backoff = Backoff(lambda _, high: high)
    for _ in range(5):
        backoff.next()
    backoff.reset()
    assert backoff.next() == 0.05
    backoff.use_longest()
    assert backoff.next() == 0.5


def test_cids_are_stale_when_nothing_was_heard_for_their_lifetime() -> None:
    clock = Clock()
    freshness = Freshness(clock)
    clock.now += 1e6
    assert not freshness.passed  # Nobody said how long they may be used.
    freshness.heard()
    freshness.limit(1000)
    clock.now += 0.9
    assert not freshness.passed
    clock.now += 0.2
    assert freshness.passed
    assert freshness.silence == pytest.approx(1.1)
    freshness.heard()
    assert not freshness.passed


def test_a_new_lifetime_counts_from_the_last_message() -> None:
    clock = Clock()
    freshness = Freshness(clock)
    freshness.limit(60_000)
    freshness.heard()
    clock.now += 2
    freshness.limit(1000)
    assert freshness.passed
    freshness.limit(0)
    assert not freshness.passed
