# SPDX-License-Identifier: Apache-2.0
"""Stateless resets for connections that an earlier process had (RFC 9000, section 10.3)."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

from ..errors import SidecarUnavailableError
from ..pool import CidPool

_SMALLEST = 21
_LARGEST = 40
"""Octets. One that is smaller than what it answers cannot be answered for ever."""
_PER_SECOND = 100.0


def stateless_reset(token: bytes, answers: int) -> bytes | None:
    """A datagram that ends with the token and otherwise looks like a short header.

    None where it could not be smaller than the ``answers`` octets that it answers.
    """
    size = min(answers - 1, _LARGEST)
    if size < _SMALLEST:
        return None
    noise = bytearray(os.urandom(size - len(token)))
    noise[0] = noise[0] & 0x3F | 0x40
    return bytes(noise) + token


class Resets:
    """Asks the sidecar for tokens, and sends few resets."""

    def __init__(self, pool: CidPool) -> None:
        self._pool = pool
        self._tasks: set[asyncio.Task[None]] = set()
        self._budget = _PER_SECOND
        self._budget_at = time.monotonic()
        self.sent = 0

    def answer(self, cid: bytes, size: int, send: Callable[[bytes], object]) -> None:
        """A packet of ``size`` octets came for a CID that no connection here has."""
        if size <= _SMALLEST or not self._spend():
            return
        task = asyncio.ensure_future(self._answer(cid, size, send))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _answer(self, cid: bytes, size: int, send: Callable[[bytes], object]) -> None:
        try:
            token = await self._pool.reset_token(cid)
        except SidecarUnavailableError:
            return  # The peer's idle timeout ends the connection.
        reset = None if token is None else stateless_reset(token, size)
        if reset is not None:
            self.sent += 1
            send(reset)

    def _spend(self) -> bool:
        now = time.monotonic()
        self._budget = min(_PER_SECOND, self._budget + (now - self._budget_at) * _PER_SECOND)
        self._budget_at = now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True
