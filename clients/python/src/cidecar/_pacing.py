# SPDX-License-Identifier: Apache-2.0
"""Spreading a reissue over the time until its deadline."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

Item = TypeVar("Item")

USED_PART = 0.8
"""The part of the time that is used. The rest is left for connections that are slow."""
STEP_SECONDS = 0.02
"""Between two steps, each of one connection or a few."""


async def pace_reissue(
    items: Sequence[Item],
    replace: Callable[[Item], object],
    deadline: datetime,
    *,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> list[tuple[Item, Exception]]:
    """Calls ``replace`` for each item in order, spread evenly over the time until the deadline.

    New CIDs for all connections at once would be a burst on the network and a queue at the sidecar.
    With a deadline in the past all items have their turn at once. An item for which ``replace``
    raises does not keep the others from theirs; returns those items with what they raised. Cancel
    the task to stop. ``now`` (seconds since 1970) and ``sleep`` are for tests.
    """
    failures: list[tuple[Item, Exception]] = []
    began = now()
    seconds = (deadline.timestamp() - began) * USED_PART
    done = 0
    while done < len(items):
        part = min(1.0, (now() - began) / seconds) if seconds > 0 else 1.0
        due = max(done + 1, math.ceil(part * len(items)))
        for item in items[done:due]:
            try:
                replace(item)
            except Exception as error:
                failures.append((item, error))
        done = due
        if done < len(items):
            await sleep(max(STEP_SECONDS, seconds / len(items)))
    return failures
