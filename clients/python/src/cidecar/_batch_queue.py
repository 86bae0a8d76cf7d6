# SPDX-License-Identifier: Apache-2.0
"""CIDs in stock."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple

from ._messages import TOKEN_LENGTH, Batch

_AT_ONCE = 64
"""How many CIDs are cut out of a batch at one time."""


class PooledCid(NamedTuple):
    """A CID for one use."""

    cid: bytes
    token: bytes
    """The stateless reset token, 16 octets. Nobody can make that of a 0b111 CID again when the
    process has ended, if the pool was dry and made the CID itself."""
    routable: bool
    """False for a 0b111 CID: give its connection no second CID, and disable active migration."""
    generation: int
    """By this the orders to reissue name the CIDs that have to be replaced."""

    def __repr__(self) -> str:
        """Hides the token: who knows it can end the connection."""
        return (
            f"PooledCid(cid={self.cid.hex()}, routable={self.routable}, "
            f"generation={self.generation})"
        )


_new_tuple: Callable[[type[PooledCid], tuple[bytes, bytes, bool, int]], PooledCid] = tuple.__new__


class BatchQueue:
    """Batches of CIDs, kept packed: 65,536 objects would take ten times the memory."""

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self._at = 0
        """How many CIDs of the first batch were cut out."""
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def next_is_routable(self) -> bool:
        return bool(self._batches) and self._batches[0].routable

    def push(self, batch: Batch) -> None:
        self._batches.append(batch)
        self._size += batch.count

    def cut(self) -> list[PooledCid]:
        """Some CIDs of the first batch, the next one last; empty where there is none."""
        if not self._batches:
            return []
        batch = self._batches[0]
        begin, end = self._at, min(self._at + _AT_ONCE, batch.count)
        self._size -= end - begin
        self._at = end
        if end == batch.count:
            self._batches.popleft()
            self._at = 0
        cids = _cutter(batch.cid_length, end - begin)(batch.cids, begin * batch.cid_length)
        tokens = _cutter(TOKEN_LENGTH, end - begin)(batch.tokens, begin * TOKEN_LENGTH)
        rows = zip(cids, tokens, repeat(batch.routable), repeat(batch.generation), strict=False)
        # As PooledCid._make does it, but without a call of Python for each.
        cut = list(map(_new_tuple, repeat(PooledCid), rows))
        cut.reverse()
        return cut

    def keep(self, wanted: Callable[[Batch], bool]) -> None:
        """Drops the batches that are not wanted."""
        if self._batches and not wanted(self._batches[0]):
            self._at = 0
        self._batches = deque(filter(wanted, self._batches))
        self._size = sum(batch.count for batch in self._batches) - self._at


@lru_cache(maxsize=256)
def _cutter(length: int, count: int) -> Callable[[bytes, int], tuple[bytes, ...]]:
    """Cuts so many strings of this length out of a packed one."""
    return struct.Struct(f"{length}s" * count).unpack_from
