# SPDX-License-Identifier: Apache-2.0
"""Obeying orders to reissue: by new CIDs, or by closing connections one after the other."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable

from .._pacing import pace_reissue
from .._reissue_orders import Reissue
from ._connection import RoutedConnection

Act = Callable[[RoutedConnection], object]


class Reissuing:
    """Spreads each order over the time until its deadline."""

    def __init__(self, connections: Callable[[], Iterable[RoutedConnection]]) -> None:
        self._connections = connections
        self._tasks: set[asyncio.Task[object]] = set()

    def replace(self, order: Reissue, replace: Act) -> None:
        """Calls ``replace`` for each connection that the order covers."""
        self._spread(pace_reissue(self._covered(order), replace, order.deadline))

    def close_idle_first(self, order: Reissue, close: Act) -> None:
        """Calls ``close`` for each, each time for the one whose streams rest longest by then."""
        # A heap, since all may have their turn at once, and each search through all would hold up
        # the event loop.
        waiting = [(each.active_at, at, each) for at, each in enumerate(self._covered(order))]
        heapq.heapify(waiting)

        def close_next(_: int) -> None:
            while waiting:
                known, at, each = heapq.heappop(waiting)
                if not each.holds(order):
                    continue
                if each.active_at > known:  # It was used since, and is put where it belongs by now.
                    heapq.heappush(waiting, (each.active_at, at, each))
                    continue
                close(each)
                return

        turns = range(len(waiting))
        self._spread(pace_reissue(turns, close_next, order.deadline))

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _covered(self, order: Reissue) -> list[RoutedConnection]:
        return [each for each in self._connections() if each.holds(order)]

    def _spread(self, pacing: object) -> None:
        assert asyncio.iscoroutine(pacing)  # noqa: S101 (for the type)
        task: asyncio.Task[object] = asyncio.get_running_loop().create_task(pacing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
