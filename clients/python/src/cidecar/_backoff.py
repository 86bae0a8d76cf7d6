# SPDX-License-Identifier: Apache-2.0
"""Pauses between attempts to open a Session."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_SECONDS = 0.05
LONGEST_SECONDS = 0.5


class Backoff:
    """Pauses that double from 50 ms to 0.5 s.

    To connect to a unix socket costs nothing, and a sidecar that is back is to be noticed within a
    second. Each pause is half to all of what it would be, at random, so that the servers of a host
    do not come back at one moment.
    """

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self._pause = FIRST_SECONDS

    def next(self) -> float:
        """Seconds of the pause that is due now."""
        pause = self._uniform(self._pause / 2, self._pause)
        self._pause = min(2 * self._pause, LONGEST_SECONDS)
        return pause

    def reset(self) -> None:
        """A Session has begun: the next pause is the first one again."""
        self._pause = FIRST_SECONDS

    def use_longest(self) -> None:
        """For what will not pass soon: the next pause is the longest."""
        self._pause = LONGEST_SECONDS
