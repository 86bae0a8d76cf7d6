# SPDX-License-Identifier: Apache-2.0
"""CIDs in stock."""

from __future__ import annotations

from cidecar import PooledCid
from cidecar._batch_queue import BatchQueue
from cidecar._messages import Batch


def batch(first: int, count: int, generation: int = 1, *, routable: bool = True) -> Batch:
    numbers = range(first, first + count)
    return Batch(
        cids=b"".join(each.to_bytes(9, "big") for each in numbers),
        tokens=b"".join(each.to_bytes(16, "big") for each in numbers),
        count=count,
        cid_length=9,
        generation=generation,
        routable=routable,
    )


def drain(queue: BatchQueue) -> list[PooledCid]:
    out: list[PooledCid] = []
    while cut := queue.cut():
        out += reversed(cut)
    return out


def test_cids_come_in_order_each_with_its_token() -> None:
    queue = BatchQueue()
    queue.push(batch(0, 100))
    queue.push(batch(100, 1))
    queue.push(batch(101, 300, generation=2))
    assert len(queue) == 401
    out = drain(queue)
    assert [int.from_bytes(each.cid) for each in out] == list(range(401))
    assert [int.from_bytes(each.token) for each in out] == list(range(401))
    assert [each.generation for each in out] == [1] * 101 + [2] * 300
    assert len(queue) == 0


def test_batches_that_became_void_are_dropped() -> None:
    queue = BatchQueue()
    queue.push(batch(0, 100))
    queue.push(batch(100, 100, generation=2))
    queue.push(batch(200, 100, generation=2, routable=False))
    queue.cut()
    queue.keep(lambda each: each.generation == 2 and each.routable)
    assert len(queue) == 100
    assert [int.from_bytes(each.cid) for each in drain(queue)] == list(range(100, 200))


def test_a_batch_that_was_begun_and_is_kept_goes_on_where_it_was() -> None:
    queue = BatchQueue()
    queue.push(batch(0, 100))
    began = len(queue.cut())
    queue.keep(lambda _: True)
    assert len(queue) == 100 - began
    assert int.from_bytes(drain(queue)[0].cid) == began


def test_whether_the_next_is_routable() -> None:
    queue = BatchQueue()
    assert not queue.next_is_routable
    queue.push(batch(0, 1, routable=False))
    queue.push(batch(1, 1))
    assert not queue.next_is_routable
    queue.cut()
    assert queue.next_is_routable


def test_the_token_is_not_shown() -> None:
    shown = repr(PooledCid(b"\1" * 8, b"secret-token-0000", True, 3))
    assert "secret" not in shown
    assert shown == "PooledCid(cid=0101010101010101, routable=True, generation=3)"
