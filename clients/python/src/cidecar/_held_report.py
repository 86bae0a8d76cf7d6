# SPDX-License-Identifier: Apache-2.0
"""What the sidecar hears of connections that hold CIDs of earlier generations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from ._generations import Generations

LOOK_EVERY_SECONDS = 1.0
MOST_GENERATIONS = 64
"""The most that the sidecar takes in one message."""

HeldGenerations = Callable[[], Mapping[int, int]]
MaybeHeld = Callable[[], Mapping[int, int] | None]


def count_held(held: Mapping[int, int], generations: Generations) -> dict[int, int]:
    """Connections by generation as the sidecar wants to hear them, the lowest first.

    The generations of ``held`` are the server's numbers, those of the result the sidecar's. Where
    there are more than 64, the lowest count together: more under an older one only makes a
    rotation wait longer.
    """
    counted: dict[int, int] = {}
    for each, connections in sorted(held.items()):
        known = generations.to_sidecar(each)
        if connections > 0:
            counted[known] = counted.get(known, 0) + connections
    lowest = sorted(counted)
    for each in lowest[1 : len(lowest) - MOST_GENERATIONS + 1]:
        counted[lowest[0]] += counted.pop(each)
    return dict(sorted(counted.items()))


class HeldReport:
    """Says how many connections hold CIDs of which generation, while some hold earlier ones."""

    def __init__(
        self,
        held: MaybeHeld,
        say: Callable[[Mapping[int, int]], None],
        loop: asyncio.AbstractEventLoop,
        generations: Generations,
    ) -> None:
        """``held`` counts the connections by generation; None where nobody counts them."""
        self._generations = generations
        self._held = held
        self._say = say
        self._loop = loop
        self._said: dict[int, int] | None = None
        self._looked_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> dict[int, int] | None:
        """What to say now; from here on changes are said once a second.

        None where nobody counts the connections.
        """
        self.stop()
        self._looked_at = self._loop.time()
        counted = self._held()
        if counted is None:
            return None
        self._said = count_held(counted, self._generations)
        present = self._generations.to_sidecar(self._generations.present)
        if any(each < present for each in self._said):
            self._timer = self._loop.call_later(LOOK_EVERY_SECONDS, self._look)
        return self._said

    def soon(self) -> None:
        """Says what changed: at once, or a second after the last look where that is not over.

        Many connections can give up CIDs in one second, and each look counts all of them.
        """
        looked_at = self._looked_at
        if looked_at is None or self._loop.time() - looked_at >= LOOK_EVERY_SECONDS:
            self._look()
        elif self._timer is None:
            self._timer = self._loop.call_at(looked_at + LOOK_EVERY_SECONDS, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        before = self._said
        held = self.now()
        if held is not None and held != before:
            self._say(held)
