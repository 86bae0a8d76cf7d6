# SPDX-License-Identifier: Apache-2.0
"""Orders to replace the CIDs of live connections."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Reissue:
    """Connections have to replace their CIDs of the generations that this covers.

    Spread that over the time until the deadline (``pace_reissue``). When a pool says this it has
    routable CIDs to replace them with.
    """

    through_generation: int
    """The highest generation that is covered."""
    deadline: datetime
    """In the past where the order was missed while the sidecar was out of reach: it is due now."""
    present_generation: int
    """That of the CIDs that the pool gives out now."""

    def covers(self, generation: int) -> bool:
        """Whether a routable CID of this generation has to be replaced."""
        return generation <= self.through_generation

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; negative after it."""
        return (self.deadline - datetime.now(UTC)).total_seconds()


class ReissueOrders:
    """Decides when CIDs that were given out have to be replaced, and up to which generation.

    Generations are the server's numbers.
    """

    def __init__(self) -> None:
        self._oldest_taken: float = math.inf
        self._ordered_through = 0
        self._pending: tuple[int, datetime] | None = None

    @property
    def oldest(self) -> int:
        """The lowest generation that was taken and not ordered to be replaced; 0 for none."""
        return 0 if math.isinf(self._oldest_taken) else int(self._oldest_taken)

    @property
    def waiting(self) -> bool:
        """Whether an order waits for CIDs."""
        return self._pending is not None

    def took(self, generation: int) -> None:
        """A routable CID of this generation was given out."""
        self._oldest_taken = min(self._oldest_taken, generation)

    def order(self, through_generation: int, deadline: datetime) -> None:
        """Takes an order. Known ones come again with each Session, and change nothing."""
        if through_generation <= self._ordered_through:
            return
        self._ordered_through = through_generation
        if self._pending is not None:
            deadline = min(deadline, self._pending[1])
        self._pending = (through_generation, deadline)

    def start_anew(self, before: int, first: int) -> None:
        """The sidecar lost its state and began anew at ``first``.

        What was taken until then is of ``before`` at most. Each order that comes from here on
        covers that, and so does one that waits.
        """
        if not math.isinf(self._oldest_taken):
            self._oldest_taken = first  # The sidecar sends no order that covers less.
        self._ordered_through = min(self._ordered_through, before)
        if self._pending is not None:
            self._pending = (before, self._pending[1])

    def next(self, generation: int) -> Reissue | None:
        """The order to give now that there are routable CIDs of this generation, if any."""
        if self._pending is None or generation <= self._pending[0]:
            return None
        through, deadline = self._pending
        self._pending = None
        if self._oldest_taken <= through:
            self._oldest_taken = through + 1
        return Reissue(through, deadline, generation)
