# SPDX-License-Identifier: Apache-2.0
"""Questions to the sidecar about CIDs."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from ._messages import Answer, Refusal
from .errors import SidecarUnavailableError

ANSWER_WITHIN_SECONDS = 2.0
"""A stateless reset that comes later helps nobody."""
MOST_QUESTIONS = 64
NOT_OURS = frozenset({"FOREIGN_CID", "CONFIG_UNKNOWN", "CID_UNKNOWN", "ARGUMENT_INVALID"})
"""With these the sidecar says that the CID is none for which this server may answer."""

TOKENS_AT_ONCE = 16
_KEPT = 1024
_KEPT_SECONDS = 10.0

Result = bytes | bool | Refusal | None


class Questions:
    """The questions of one Session that wait for an answer."""

    def __init__(self, limit: int) -> None:
        """``limit`` is the most that may wait; the sidecar ends the Session above it.

        0 where it does not say how many; then 64 may.
        """
        self._limit = limit or MOST_QUESTIONS
        self._number = 0
        # One that was given up waits all the same, as the sidecar sees it.
        self._waiting: dict[int, asyncio.Future[Result]] = {}

    async def ask(self, send: Callable[[int], None]) -> Result:
        """Asks with ``send``, which is given the number of the question.

        Raises SidecarUnavailableError where no answer comes within 2 s, or the Session is lost.
        """
        if len(self._waiting) >= self._limit:
            raise SidecarUnavailableError(f"{self._limit} questions wait for an answer already")
        self._number += 1
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = future
        send(self._number)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                return await future
        except TimeoutError:
            raise SidecarUnavailableError(
                f"no answer within {ANSWER_WITHIN_SECONDS:.0f} s"
            ) from None

    def answered(self, answer: Answer) -> None:
        future = self._waiting.pop(answer.number, None)
        if future is not None and not future.done():
            future.set_result(answer.result)

    def lost(self) -> None:
        """No answers come any more."""
        for future in self._waiting.values():
            if not future.done():
                error = SidecarUnavailableError("the connection was lost before the answer came")
                future.set_exception(error)
        self._waiting.clear()


def token_in(result: Result) -> bytes | None:
    """None where the CID is none of this server. Raises where the sidecar could not tell."""
    if isinstance(result, bytes):
        return result
    if isinstance(result, Refusal):
        if result.code in NOT_OURS:
            return None
        raise SidecarUnavailableError(result.message, code=result.code)
    raise SidecarUnavailableError("the sidecar answered with neither a result nor a refusal")


def own_in(result: Result) -> bool:
    """Raises where the sidecar could not tell."""
    if isinstance(result, bool):
        return result
    if isinstance(result, Refusal):
        raise SidecarUnavailableError(result.message, code=result.code)
    raise SidecarUnavailableError("the sidecar answered with neither a result nor a refusal")


class ResetTokenQuestions:
    """Asks for reset tokens.

    Anybody can make a server ask by sending it packets, so there are never more than 16 questions
    at once, and none is repeated within 10 s.
    """

    def __init__(
        self,
        ask: Callable[[bytes], Awaitable[bytes | None]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._now = now
        self._kept: OrderedDict[bytes, tuple[float, asyncio.Future[bytes | None]]] = OrderedDict()
        self._open = 0

    async def ask(self, cid: bytes) -> bytes | None:
        """None where the CID is none of this server. Raises SidecarUnavailableError."""
        kept = self._kept.get(cid)
        if kept is None or self._now() - kept[0] >= _KEPT_SECONDS:
            if self._open >= TOKENS_AT_ONCE:
                message = f"{TOKENS_AT_ONCE} questions for reset tokens wait, as many as may"
                raise SidecarUnavailableError(message)
            self._open += 1
            task = asyncio.ensure_future(self._ask(cid))
            task.add_done_callback(lambda done: self._over(cid, done))
            kept = (self._now(), task)
            self._keep(cid, kept)
        # One who stops waiting must not take the answer from the others.
        return await asyncio.shield(kept[1])

    def _over(self, cid: bytes, task: asyncio.Future[bytes | None]) -> None:
        self._open -= 1
        if task.cancelled() or task.exception() is not None:
            self._kept.pop(cid, None)  # It is asked again.

    def _keep(self, cid: bytes, kept: tuple[float, asyncio.Future[bytes | None]]) -> None:
        self._kept.pop(cid, None)
        self._kept[cid] = kept
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
