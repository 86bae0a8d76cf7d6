# SPDX-License-Identifier: Apache-2.0
"""Orders to replace CIDs, and what the sidecar hears of those that are held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

from cidecar import Reissue
from cidecar._generations import Generations
from cidecar._held_report import HeldReport, count_held
from cidecar._reissue_orders import ReissueOrders

SOON = datetime.now(UTC) + timedelta(minutes=1)
SOONER = SOON - timedelta(seconds=30)


def test_an_order_waits_for_cids_of_a_later_generation() -> None:
    orders = ReissueOrders()
    orders.took(3)
    orders.order(4, SOON)
    assert orders.next(4) is None
    assert orders.waiting
    assert orders.next(5) == Reissue(4, SOON, 5)
    assert not orders.waiting
    assert orders.next(6) is None


def test_an_order_that_was_obeyed_changes_nothing() -> None:
    orders = ReissueOrders()
    orders.order(4, SOON)
    orders.next(5)
    orders.order(4, SOONER)
    orders.order(3, SOONER)
    assert not orders.waiting


def test_of_two_that_wait_the_sooner_deadline_counts() -> None:
    orders = ReissueOrders()
    orders.order(4, SOONER)
    orders.order(5, SOON)
    assert orders.next(6) == Reissue(5, SOONER, 6)


def test_the_oldest_generation_without_an_order() -> None:
    orders = ReissueOrders()
    assert orders.oldest == 0
    orders.took(4)
    orders.took(3)
    orders.took(5)
    assert orders.oldest == 3
    orders.order(3, SOON)
    assert orders.oldest == 3
    orders.next(5)
    assert orders.oldest == 4


def test_after_a_reset_the_next_order_covers_what_was_before_it() -> None:
    orders = ReissueOrders()
    orders.took(2000)
    orders.start_anew(before=2000, first=3000)
    assert orders.oldest == 3000
    orders.order(3000, SOON)
    reissue = orders.next(3001)
    assert reissue == Reissue(3000, SOON, 3001)
    assert [reissue.covers(each) for each in (1, 2000, 3000, 3001)] == [True, True, True, False]


def test_an_order_that_waits_at_a_reset_is_given_afterwards() -> None:
    orders = ReissueOrders()
    orders.took(2000)
    orders.order(2000, SOON)
    orders.start_anew(before=2001, first=3001)
    assert orders.next(3001) == Reissue(2001, SOON, 3001)


def test_a_deadline_that_has_passed() -> None:
    assert Reissue(1, datetime.now(UTC) - timedelta(seconds=1), 2).seconds_left < 0
    assert Reissue(1, SOON, 2).seconds_left > 0


def test_connections_are_counted_by_generation() -> None:
    assert count_held({3: 2, 1: 4, 2: 0}, Generations()) == {1: 4, 3: 2}
    assert count_held({}, Generations()) == {}


def test_generations_of_a_server_never_come_again() -> None:
    generations = Generations()
    begun = []
    for sidecars in (2, 1, 2, 2, 1, 2):
        begun.append((generations.begin(sidecars), generations.present))
        assert generations.to_sidecar(generations.present) == sidecars
    assert begun == [(False, 2), (True, 3), (False, 4), (False, 4), (True, 5), (False, 6)]
    # Those from before the sidecar lost its state count as 0, also now that 2 has come again.
    assert count_held({2: 4, 4: 1, 6: 2}, generations) == {0: 5, 2: 2}


def test_no_more_generations_than_the_sidecar_takes() -> None:
    counted = count_held(dict.fromkeys(range(1, 101), 1), Generations())
    assert len(counted) == 64
    assert sum(counted.values()) == 100
    assert counted[1] == 37
    assert counted[100] == 1


class Loop:
    """Has the clock and the timer that a report needs of its event loop."""

    def __init__(self) -> None:
        self.now = 100.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, then: Callable[[], None]) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, then, (), cast("asyncio.AbstractEventLoop", self))
        self.due.append((when, lambda: None if timer.cancelled() else then()))
        return timer

    def call_later(self, delay: float, then: Callable[[], None]) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, then)

    def get_debug(self) -> bool:
        return False

    def _timer_handle_cancelled(self, timer: asyncio.TimerHandle) -> None:
        pass


def test_connections_are_counted_at_most_once_a_second() -> None:
    loop = Loop()
    said: list[Mapping[int, int]] = []
    counts = 0
    generations = Generations()
    generations.begin(2)

    def held() -> dict[int, int]:
        nonlocal counts
        counts += 1
        return {2: counts}

    def look_when_due() -> None:
        loop.now, look = loop.due.pop()
        look()

    report = HeldReport(held, said.append, cast("asyncio.AbstractEventLoop", loop), generations)
    report.soon()
    for _ in range(1000):
        report.soon()
    assert said == [{2: 1}]
    look_when_due()
    assert said == [{2: 1}, {2: 2}]
    assert not loop.due  # Nobody holds CIDs of earlier generations.
    loop.now += 5
    report.soon()
    assert counts == 3


def test_who_is_not_counted_is_not_said_to_be_none() -> None:
    said: list[Mapping[int, int]] = []
    counted: Mapping[int, int] | None = None
    loop = cast("asyncio.AbstractEventLoop", Loop())
    report = HeldReport(lambda: counted, said.append, loop, Generations())
    assert report.now() is None
    counted = {}
    assert report.now() == {}  # This is not the same as to say nothing.
