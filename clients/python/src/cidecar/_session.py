# SPDX-License-Identifier: Apache-2.0
"""One Session with the sidecar, from its opening to its loss."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from . import _grpc_status as grpc
from ._generations import Generations
from ._grpc_stream import GrpcStream
from ._held_report import HeldReport, MaybeHeld
from ._messages import (
    Answer,
    Batch,
    Hello,
    Minting,
    ReissueOrder,
    read_response,
    write_question,
    write_request,
)
from ._questions import Questions, own_in, token_in
from ._target import Target
from .errors import ContractError, SidecarUnavailableError

CONNECT_WITHIN_SECONDS = 5.0
HELLO_WITHIN_SECONDS = 10.0
"""A sidecar that is starting takes connections about a second before it answers."""


class SessionPool(Protocol):
    """What a Session needs of the pool. The calls come in the order of the messages."""

    generations: Generations

    def write_open(self) -> bytes:
        """The first message."""

    def greeted(self, hello: Hello) -> None:
        """Raises where the pool cannot go on with that."""

    def voided(self, minting: Minting) -> int:
        """CIDs became void and were dropped; returns the credit to give."""

    def heard(self) -> None:
        """A message came, after the first."""

    def received(self, batch: Batch) -> None:
        """Raises where the batch cannot be used."""

    def ordered(self, order: ReissueOrder) -> None: ...


class Session:
    """Opens a Session, and plays the sidecar's messages to the pool."""

    def __init__(self, target: Target, pool: SessionPool, held: MaybeHeld) -> None:
        """``held`` counts the connections by generation; None where nobody counts them."""
        self._target = target
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[grpc.GrpcStatus | Exception] = self._loop.create_future()
        self._stream = GrpcStream("Session", target, self)
        self._questions = Questions(0)
        self._minting: Minting | None = None
        self._report = HeldReport(held, self._say_held, self._loop, pool.generations)
        self.begun = False
        """Whether the hello came and could be used, and the Session was not lost since."""
        self.heard = False
        """Whether any message came."""
        self.at_fault = False
        """Whether the sidecar broke the contract."""

    async def run(self) -> grpc.GrpcStatus | Exception:
        """Returns why the Session was lost, or did not come about."""
        try:
            async with asyncio.timeout(CONNECT_WITHIN_SECONDS):
                await self._target.connect(lambda: self._stream)
        except TimeoutError:
            return SidecarUnavailableError(f"no connection within {CONNECT_WITHIN_SECONDS:.0f} s")
        except (OSError, ValueError) as error:
            return error
        late = SidecarUnavailableError(
            f"the sidecar takes connections, but said no hello within {HELLO_WITHIN_SECONDS:.0f} s"
        )
        timer = self._loop.call_later(HELLO_WITHIN_SECONDS, self._check_hello, late)
        try:
            return await self._lost
        finally:
            timer.cancel()

    def close(self) -> None:
        """Ends the Session from this side."""
        self._stream.abandon(SidecarUnavailableError("the pool was closed"))

    def ask(self, credit: int) -> None:
        self._stream.send(write_request(credit=credit))

    def report_held(self) -> None:
        """Has connections counted, if somebody counts them, and changes said."""
        if self.begun:
            self._report.soon()

    async def reset_token(self, cid: bytes) -> bytes | None:
        return token_in(
            await self._questions.ask(
                lambda number: self._stream.send(write_question(number, reset_token_of=cid))
            )
        )

    async def is_own(self, cid: bytes) -> bool:
        return own_in(
            await self._questions.ask(
                lambda number: self._stream.send(write_question(number, own=cid))
            )
        )

    # What the stream says.

    def on_open(self) -> None:
        self._stream.send(self._pool.write_open())

    def on_message(self, message: bytes) -> None:
        self.heard = True
        try:
            self._take(message)
        except Exception:
            self.at_fault = True
            raise

    def on_lost(self, end: grpc.GrpcStatus | Exception) -> None:
        self.begun = False
        self.at_fault |= isinstance(end, ContractError)
        self._report.stop()
        self._questions.lost()
        if not self._lost.done():
            self._lost.set_result(end)

    # What the sidecar says.

    def _take(self, octets: bytes) -> None:
        message = read_response(octets)
        if isinstance(message, Hello) == self.begun:
            raise ContractError("the first message of the sidecar is no hello, or a later one is")
        if isinstance(message, Hello):
            self._questions = Questions(message.question_limit)
            self._pool.greeted(message)
            self.begun = True
            self._mint(message.minting)
        elif isinstance(message, Minting):
            self._mint(message)
        self._pool.heard()
        if isinstance(message, Batch):
            self._pool.received(message)
        elif isinstance(message, ReissueOrder):
            self._pool.ordered(message)
        elif isinstance(message, Answer):
            self._questions.answered(message)

    def _mint(self, minting: Minting) -> None:
        self._minting = minting
        if not minting.makes_void:
            return
        # The sidecar goes by the credit that is open at the acknowledgement: one message.
        credit = self._pool.voided(minting)
        held = self._report.now()
        self._stream.send(write_request(credit=credit, held=held, acknowledged=minting.number))

    def _say_held(self, held: Mapping[int, int]) -> None:
        self._stream.send(write_request(held=held))

    def _check_hello(self, late: SidecarUnavailableError) -> None:
        if not self.begun:
            self._stream.abandon(late)
