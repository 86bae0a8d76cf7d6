# SPDX-License-Identifier: Apache-2.0
"""What the scenarios of clients/contract cannot see of a pool: its clock, and who is asked."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from cidecar import CidPool, Dry, PoolEvent, Reissue, Stale, Trouble
from cidecar._failover_cids import Counter
from cidecar._messages import Batch, Hello, Minting
from cidecar._protobuf import octets
from scripted_sidecar import Call, framed, hello, minting, scripted_sidecar, until


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def said(generation: int, *, zeroes: bool = False) -> Minting:
    return Minting(1, generation, True, True, "", zeroes, "cmac", 0)


def greeting(length: int = 12, *, zeroes: bool = False) -> Hello:
    return Hello(length, said(1, zeroes=zeroes), 60_000, 65_536, 64, False, "", "", "")


def batch(count: int, *, routable: bool = True) -> Batch:
    cids = b"".join(each.to_bytes(12, "big") for each in range(count))
    return Batch(cids, bytes(16 * count), count, 12, 1, routable)


def play(clock: Clock, hello: Hello) -> tuple[CidPool, list[PoolEvent]]:
    """A pool that was greeted, without a Session."""
    events: list[PoolEvent] = []
    pool = CidPool(socket="nobody", high_water=64, clock=clock)
    pool.subscribe(events.append)
    pool.greeted(hello)
    pool.voided(hello.minting)
    pool.heard()
    return pool, events


def test_a_first_hello_after_a_long_wait_finds_nothing_stale() -> None:
    async def main() -> None:
        clock = Clock()
        events: list[PoolEvent] = []
        pool = CidPool(socket="nobody", clock=clock)
        pool.subscribe(events.append)
        clock.now += 100_000
        pool.greeted(greeting())
        assert not any(isinstance(event, Stale | Dry) for event in events)
        await pool.close()

    asyncio.run(main())


def test_the_clock_is_looked_at_before_each_use() -> None:
    async def main() -> None:
        clock = Clock()
        pool, events = play(clock, greeting())
        pool.received(batch(64))
        assert pool.take().routable
        clock.now += 60.1
        assert not pool.take().routable
        assert pool.take_routable() is None
        assert [type(event) for event in events[-2:]] == [Stale, Dry]
        pool.heard()
        assert pool.take().routable
        assert (pool.stats.taken, pool.stats.made, pool.stats.level) == (2, 1, 62)
        await pool.close()

    asyncio.run(main())


def test_take_does_not_fail_when_all_0b111_cids_were_made() -> None:
    async def main() -> None:
        pool, events = play(Clock(), greeting(8, zeroes=True))
        failover = pool._failover_cids()
        failover._counters = {failover._form: Counter(1)}
        failover._head, failover._free = failover._head + bytes(2), 1
        made = [pool.take().cid for _ in range(600)]
        assert made[:256] == made[256:512]
        told = [event.error.code for event in events if isinstance(event, Trouble)]
        assert told == ["NONCES_EXHAUSTED"] * 2  # Once each time that they begin again.
        await pool.close()

    asyncio.run(main())


def test_take_routable_leaves_0b111_cids_of_the_sidecar_alone() -> None:
    async def main() -> None:
        pool, _ = play(Clock(), greeting())
        pool.received(batch(3, routable=False))
        assert pool.take_routable() is None
        assert pool.stats.level == 3
        assert not pool.take().routable
        await pool.close()

    asyncio.run(main())


def test_a_listener_that_raises_keeps_nothing_from_its_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        pool, events = play(Clock(), greeting())

        def broken(_: PoolEvent) -> None:
            raise ValueError("broken")

        pool.subscribe(broken)
        assert not pool.take().routable
        assert isinstance(events[-1], Dry)
        assert "broken" in caplog.text
        await pool.close()

    asyncio.run(main())


def test_void_cids_are_dropped_also_those_that_were_cut_out() -> None:
    async def main() -> None:
        pool, _ = play(Clock(), greeting())
        pool.received(batch(64))
        pool.take()
        assert pool.voided(said(2)) == 64
        assert not pool.take().routable
        assert (pool.stats.taken, pool.stats.level) == (1, 0)
        await pool.close()

    asyncio.run(main())


def test_an_order_is_given_with_the_generation_that_replaces(tmp_path: Path) -> None:
    def script(call: Call) -> None:
        call.respond()
        call.data(framed(hello()))
        call.data(framed(octets(3, minting(2, count=2))))
        one = octets(1, bytes(12)) + octets(2, bytes(16)) + bytes.fromhex("1801200c30023801")
        call.data(framed(octets(2, one)))
        call.data(framed(octets(4, b"\x08\x01")))

    async def main() -> list[PoolEvent]:
        events: list[PoolEvent] = []
        pool = CidPool(socket=tmp_path / "s")
        pool.subscribe(events.append)
        async with scripted_sidecar(tmp_path / "s", script), pool:
            await until(lambda: any(isinstance(event, Reissue) for event in events))
        return events

    [order] = [event for event in asyncio.run(main()) if isinstance(event, Reissue)]
    assert (order.through_generation, order.present_generation) == (1, 2)
    assert order.seconds_left <= 0  # Without a deadline it is due now.


def test_the_sidecar_hears_the_sum_of_all_who_count(tmp_path: Path) -> None:
    def script(call: Call) -> None:
        call.respond()
        call.data(framed(hello()))

    async def main() -> bytes:
        pool = CidPool(socket=tmp_path / "s", high_water=64, held_generations=lambda: {1: 2})
        stop = pool.count_held_by(lambda: {1: 40})
        async with scripted_sidecar(tmp_path / "s", script) as sidecar, pool:
            await until(lambda: bool(sidecar.calls) and b"\x20\x01" in sidecar.calls[0].received)
            stop()
            before = len(sidecar.calls[0].received)
            pool.report_held()
            await until(lambda: len(sidecar.calls[0].received) > before)
            return sidecar.calls[0].received

    received = asyncio.run(main())
    assert octets(3, octets(1, bytes.fromhex("0801102a"))) in received
    assert received.endswith(octets(3, octets(1, bytes.fromhex("08011002"))))


def test_one_who_cannot_count_does_not_make_it_fewer() -> None:
    async def main() -> None:
        pool, _ = play(Clock(), greeting())
        counts = [{1: 5}]
        pool.count_held_by(lambda: counts.pop())
        assert pool._count_held() == {1: 5}
        assert pool._count_held() == {1: 5}  # The second time it raised.
        await pool.close()

    asyncio.run(main())


def test_a_child_that_was_forked_has_none_of_the_cids() -> None:
    async def main() -> None:
        pool, _ = play(Clock(), greeting())
        pool.received(batch(64))
        pool.take()  # Some of the batch were cut out.
        instance = pool._introduction.instance
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            said = b"again" if pool.take().routable or pool._level else b"none"
            os.write(write, said + (b"" if pool._introduction.instance != instance else b" same"))
            os._exit(0)
        os.waitpid(child, 0)  # noqa: ASYNC222
        assert os.read(read, 100) == b"none"
        assert pool._level == 63
        assert pool.take().routable
        await pool.close()

    asyncio.run(main())
