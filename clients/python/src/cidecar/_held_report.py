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
        held: HeldGenerations,
        say: Callable[[Mapping[int, int]], None],
        loop: asyncio.AbstractEventLoop,
        generations: Generations,
    ) -> None:
        self._generations = generations
        self._held = held
        self._say = say
        self._loop = loop
        self._said: dict[int, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def now(self, held: Mapping[int, int] | None = None) -> dict[int, int]:
        """What to say now; from here on changes are said once a second.

        ``held`` is what the server counted, if it was asked just now.
        """
        counted = self._held() if held is None else held
        self._said = count_held(counted, self._generations)
        self.stop()
        present = self._generations.to_sidecar(self._generations.present)
        if any(each < present for each in self._said):
            self._timer = self._loop.call_later(LOOK_EVERY_SECONDS, self._look)
        return self._said

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        before = self._said
        held = self.now()
        if held != before:
            self._say(held)
