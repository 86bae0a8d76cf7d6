# SPDX-License-Identifier: Apache-2.0
"""What the client costs: prints one JSON object."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cidecar import CidPool

HIGH_WATER = 65_536
ROUND = 256


def resident() -> int:
    """Octets of memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmRSS")


async def filled(pool: CidPool, level: int) -> None:
    while pool.stats.level < level:  # noqa: ASYNC110 (an event for this would cost)
        await asyncio.sleep(0.001)


def time_take(pool: CidPool, count: int) -> float:
    """Nanoseconds of processor time of one take from a pool that has enough: the median."""
    take = pool.take
    rounds: list[int] = []
    for _ in range(count // ROUND):
        began = time.thread_time_ns()
        for _ in range(ROUND):
            take()
        rounds.append(time.thread_time_ns() - began)
    return statistics.median(rounds) / ROUND


async def cids_per_second(pool: CidPool, count: int) -> float:
    """As fast as they come from the sidecar; 0b111 ones do not count."""
    before = pool.stats.taken
    began = time.perf_counter()
    while pool.stats.taken - before < count:
        for _ in range(pool.stats.level):
            pool.take()
        await asyncio.sleep(0)
    return (pool.stats.taken - before) / (time.perf_counter() - began)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sidecar", required=True)
    parser.add_argument("--count", type=int, default=1_000_000)
    options = parser.parse_args()
    memory, threads = resident(), threading.active_count()
    from cidecar import CidPool  # What is imported with it counts.

    async with CidPool(socket=options.sidecar, high_water=HIGH_WATER) as pool:
        await pool.ready(timeout=60)
        await filled(pool, HIGH_WATER)
        added = resident() - memory
        take_ns = time_take(pool, HIGH_WATER // 4)
        result = {
            "take_ns": round(take_ns, 1),
            "cids_per_second": round(await cids_per_second(pool, options.count)),
            "memory_octets": max(0, added),
            "threads": threading.active_count() - threads,
        }
    print(json.dumps(result))  # noqa: T201


asyncio.run(main())
