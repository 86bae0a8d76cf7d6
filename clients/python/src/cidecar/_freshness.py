# SPDX-License-Identifier: Apache-2.0
"""How long CIDs may be used by a client that hears nothing from its sidecar."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial


def system_clock() -> Callable[[], float]:
    """A clock in seconds that nobody sets and, on Linux, goes on while the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    return time.monotonic


class Freshness:
    """Knows whether CIDs in stock may still be used.

    A client that hears nothing does not hear of a rotation either.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard_at = clock()
        self.lifetime = math.inf
        """Seconds; infinite where there is no limit."""
        self.until = math.inf
        """The moment, by the clock, after which the CIDs are stale."""

    def limit(self, milliseconds: int) -> None:
        """Says how long CIDs may be used after the last message; 0 means without limit."""
        self.lifetime = milliseconds / 1000 if milliseconds else math.inf
        self.until = self._heard_at + self.lifetime

    def heard(self) -> None:
        """The sidecar said something."""
        self._heard_at = self._clock()
        self.until = self._heard_at + self.lifetime

    @property
    def silence(self) -> float:
        """Seconds since the sidecar said something."""
        return self._clock() - self._heard_at

    @property
    def passed(self) -> bool:
        return self._clock() > self.until
