# SPDX-License-Identifier: Apache-2.0
"""The supply of CIDs of one process, and the Session that fills it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from . import _grpc_status as grpc
from ._backoff import Backoff
from ._freshness import system_clock
from ._held_report import HeldGenerations
from ._messages import Hello, write_open
from ._options import INSTANCE_LENGTH, check_length, read_introduction, read_levels
from ._questions import ResetTokenQuestions
from ._refusal import refusal_of
from ._session import Session
from ._stock import CidStock
from ._target import TcpAddress, unix_socket
from .errors import ArgumentError, ContractError, SidecarUnavailableError
from .events import (
    Connected,
    Disconnected,
    PoolStats,
)

_log = logging.getLogger("cidecar")


class CidPool(CidStock):
    """A supply of CIDs for a QUIC stack, whose hooks can neither wait nor fail.

    ``take()`` is synchronous: it gives a CID of a local supply that is refilled in the background,
    or a 0b111 CID of the same length while the supply is empty. The pool survives restarts of the
    sidecar, changes of config and lost connections by itself; its events say what the server has to
    do. It belongs to one event loop, and is not safe for threads. In a child of ``os.fork()`` it is
    empty and without a Session, since its CIDs stay with the parent: ``start()`` connects it again,
    as another instance.

        async with CidPool(socket="/run/cidecar/web-1/sidecar.sock") as pool:
            await pool.ready()
            cid = pool.take()
    """

    def __init__(
        self,
        *,
        socket: str | os.PathLike[str] | None = None,
        tcp: TcpAddress | None = None,
        low_water: int | None = None,
        high_water: int = 4096,
        cid_length: int | None = None,
        client_name: str = "cidecar-python/0.1.0",
        server_use: bytes | None = None,
        can_retire: bool = False,
        held_generations: HeldGenerations | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Raises ArgumentError.

        :param socket: path of the sidecar's unix socket, up to 107 octets; give this or ``tcp``
        :param low_water: the pool is refilled when it holds fewer CIDs; half of ``high_water``
        :param high_water: the most CIDs that the pool holds or has asked for, 1 to 65,536
        :param cid_length: octets of every CID, 8 to 20, where they are known; else the hello says
        :param client_name: for the sidecar's log: up to 64 octets of printable ASCII
        :param server_use: what the server-use octets of every routable CID begin with, such as the
            number of a worker: 1 to 14 octets, at most as many as the config has
        :param can_retire: whether the stack makes its peers retire CIDs. Where it does not, its
            connections have to be closed by the deadline of a reissue
        :param held_generations: the number of connections by the oldest generation of the routable
            CIDs that their peers may still use. A rotation waits for it, so a server that leaves it
            out holds that up. Called about once a second while some are old
        :param clock: seconds; for tests
        """
        if (socket is None) == (tcp is None):
            raise ArgumentError("give either socket or tcp")
        self.target = tcp if tcp is not None else unix_socket(socket or "")
        """Where the sidecar is."""
        self._introduction = read_introduction(client_name, server_use, can_retire)
        if cid_length is not None:
            try:
                check_length(cid_length, None)
            except ContractError as error:
                raise ArgumentError(f"cid_length: {error}") from None
        super().__init__(read_levels(low_water, high_water), cid_length, clock or system_clock())
        self._counters = [] if held_generations is None else [held_generations]
        self._held: Counter[int] = Counter()
        self._tokens = ResetTokenQuestions(self._ask_token)
        self._session: Session | None = None
        self._connected = False
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def forget_supply(self) -> None:
        """:meta private:"""
        # The Session writes to the parent's socket, and is bound to its event loop.
        self._session = None
        self._connected = False
        self._task = None
        self._look = None
        self._introduction = replace(self._introduction, instance=os.urandom(INSTANCE_LENGTH))
        super().forget_supply()

    def start(self) -> None:
        """Connects in the background, and goes on trying. Needs a running event loop."""
        if self._task is None and not self._closed:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="cidecar")

    async def close(self) -> None:
        """Ends the Session. ``take()`` still gives what the pool holds."""
        self._closed = True
        self._ask_below = 0
        self._came.set()
        if self._look is not None:
            self._look.cancel()
        if self._session is not None:
            self._session.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.close()

    async def ready(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Returns when there are CIDs.

        Raises SidecarUnavailableError, with the reason, when the pool is closed before that, or
        after ``timeout`` seconds; the pool goes on trying then. Without a timeout only the log and
        ``Trouble`` say why it takes long.
        """
        try:
            async with asyncio.timeout(timeout):
                while self._level == 0 or self._freshness.passed:
                    if self._closed:
                        raise SidecarUnavailableError("the pool was closed before CIDs came")
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            raise self._unavailable(f"no CIDs came within {timeout} s") from None

    @property
    def can_retire(self) -> bool:
        """What the sidecar was told of the stack."""
        return self._introduction.can_retire

    @property
    def stats(self) -> PoolStats:
        return PoolStats(
            connected=self._connected,
            level=self._level,
            generation=self.generation,
            dry=self._dry,
            stale=self._freshness.passed,
            silence=self._freshness.silence,
            taken=self._received - self._dropped - self._level,
            made=self._made,
            last_error=self._reasons.last,
        )

    async def is_own(self, cid: bytes) -> bool:
        """Asks the sidecar whether a CID carries an ID of this server.

        Raises SidecarUnavailableError where it does not answer within 2 s.
        """
        return await self._connected_session().is_own(cid)

    async def reset_token(self, cid: bytes) -> bytes | None:
        """The stateless reset token, 16 octets, of a CID that an earlier process here had.

        None where the sidecar says that there is none: send no reset then (RFC 9000, section
        21.11). Answers are kept for 10 s. Raises SidecarUnavailableError where there is no answer
        within 2 s, or 16 questions wait for one.
        """
        return await self._tokens.ask(bytes(cid))

    def count_held_by(self, held_generations: HeldGenerations) -> Callable[[], None]:
        """Has connections counted by this too, as by ``held_generations`` of the constructor.

        The sidecar hears the sum. Returns what ends that.
        """
        self._counters.append(held_generations)
        self.report_held()

        def stop() -> None:
            with contextlib.suppress(ValueError):
                self._counters.remove(held_generations)

        return stop

    def report_held(self) -> None:
        """Has connections counted again, since some gave up CIDs, and what changed said.

        Call it as often as you like: connections are counted at most once a second.
        """
        if self._session is not None:
            self._session.report_held()

    def _count_held(self) -> Counter[int] | None:
        if not self._counters:
            return None
        held: Counter[int] = Counter()
        try:
            for counter in self._counters:
                held.update(counter())
        except Exception:
            # Fewer than there are would end a rotation too early.
            _log.exception("connections could not be counted; their last numbers stand")
            return self._held
        self._held = held
        return held

    def _send_credit(self, credit: int) -> bool:
        if self._session is None:
            return False
        self._session.ask(credit)
        return True

    def _connected_session(self) -> Session:
        if self._session is None or not self._session.begun:
            raise self._unavailable("the sidecar is out of reach")
        return self._session

    async def _ask_token(self, cid: bytes) -> bytes | None:
        return await self._connected_session().reset_token(cid)

    # The Session.

    async def _run(self) -> None:
        backoff = Backoff()
        while True:
            session = self._session = Session(self.target, self, self._count_held)
            end = await session.run()
            self._session = None
            self._lost(session, end)
            if session.at_fault:
                backoff.use_longest()
            elif session.heard:
                backoff.reset()
            await asyncio.sleep(backoff.next())

    def _lost(self, session: Session, end: grpc.GrpcStatus | Exception) -> None:
        self._forget_credit()
        reason = refusal_of("Session", end, self.target)
        was_connected, self._connected = self._connected, False
        # A Session that had begun is opened again at once, and the reason is old by then.
        self._reasons.note(reason, tell=session.at_fault or not was_connected)
        if was_connected:
            self._tell(Disconnected(reason))

    def write_open(self) -> bytes:
        """:meta private:"""
        return write_open(
            self._introduction,
            self.generations.to_sidecar(self.generations.present),
            self.generations.to_sidecar(self._orders.oldest),
        )

    def greeted(self, hello: Hello) -> None:
        """:meta private:"""
        self._begin(hello)
        self._connected = True
        self._reasons.connected()
        self._tell(Connected())
