# SPDX-License-Identifier: Apache-2.0
# Long because every public method of the pool is here, with what it promises.
"""The supply of CIDs of one process."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from . import _grpc_status as grpc
from ._backoff import Backoff
from ._batch_queue import BatchQueue, PooledCid
from ._failover_cids import FailoverCids
from ._freshness import Freshness, system_clock
from ._held_report import HeldGenerations
from ._messages import TOKEN_LENGTH, Batch, Hello, Minting, ReissueOrder, write_open
from ._options import CREDIT_LIMIT, check_length, read_introduction, read_levels
from ._questions import ResetTokenQuestions
from ._refusal import Reasons, refusal_of
from ._reissue_orders import ReissueOrders
from ._session import Session
from ._target import TcpAddress, unix_socket
from .errors import ArgumentError, CidecarError, ContractError, SidecarUnavailableError
from .events import (
    Connected,
    Disconnected,
    Dry,
    PoolEvent,
    PoolStats,
    Recovered,
    Stale,
    Trouble,
)

_log = logging.getLogger("cidecar")
_LEVELS = {Trouble: logging.WARNING, Disconnected: logging.WARNING, Stale: logging.WARNING}

Listener = Callable[[PoolEvent], object]

_LOOKS = 8
_SHORTEST_BETWEEN_LOOKS = 0.02
_LONGEST_BETWEEN_LOOKS = 1.0


class CidPool:
    """A supply of CIDs for a QUIC stack, whose hooks can neither wait nor fail.

    ``take()`` is synchronous: it gives a CID of a local supply that is refilled in the background,
    or a 0b111 CID of the same length while the supply is empty. The pool survives restarts of the
    sidecar, changes of config and lost connections by itself; its events say what the server has to
    do. It belongs to one event loop, and is not safe for threads.

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
        self._low_water, self._high_water = read_levels(low_water, high_water)
        self._introduction = read_introduction(client_name, server_use, can_retire)
        if cid_length is not None:
            try:
                check_length(cid_length, None)
            except ContractError as error:
                raise ArgumentError(f"cid_length: {error}") from None
        self._cid_length = cid_length
        self._counters = [] if held_generations is None else [held_generations]
        self._held: Counter[int] = Counter()
        self._clock = clock or system_clock()
        self._freshness = Freshness(self._clock)
        self._queue = BatchQueue()
        self._cut: list[PooledCid] = []
        self._level = 0
        self._outstanding = 0
        self._most = high_water
        self._ask_below = 0
        self._generation = 0
        self._zero_host_id = False
        self._failover: FailoverCids | None = None
        self._orders = ReissueOrders()
        self._reasons = Reasons(lambda error: self._tell(Trouble(error)))
        self._tokens = ResetTokenQuestions(self._ask_token)
        self._listeners: list[Listener] = []
        self._session: Session | None = None
        self._connected = False
        self._task: asyncio.Task[None] | None = None
        self._look: asyncio.TimerHandle | None = None
        self._came = asyncio.Event()
        self._closed = False
        self._dry = False
        self._stale = False
        self._received = 0
        self._dropped = 0
        self._made = 0

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
    def cid_length(self) -> int:
        """Octets of every CID. Raises SidecarUnavailableError before the first hello."""
        if self._cid_length is None:
            raise self._unavailable("the CID length is not known: await ready() first")
        return self._cid_length

    @property
    def can_retire(self) -> bool:
        """What the sidecar was told of the stack."""
        return self._introduction.can_retire

    @property
    def generation(self) -> int:
        """That of the CIDs that are issued now; it grows when earlier ones become void."""
        return self._generation

    @property
    def stats(self) -> PoolStats:
        return PoolStats(
            connected=self._connected,
            level=self._level,
            generation=self._generation,
            dry=self._dry,
            stale=self._freshness.passed,
            silence=self._freshness.silence,
            taken=self._received - self._dropped - self._level,
            made=self._made,
            last_error=self._reasons.last,
        )

    def take(self) -> PooledCid:
        """A CID that was never given before. Never waits.

        Raises SidecarUnavailableError only while the CID length is unknown. A 0b111 CID comes again
        only where all of its form were made in this process (16 million where three octets are
        free): the oldest first, which ``Trouble`` tells.
        """
        if self._clock() > self._freshness.until:
            self._fall_stale()
            return self._take_failover()
        if not self._cut and not self._cut_more():
            self._ask()
            return self._take_failover()
        self._level -= 1
        if self._level < self._ask_below:
            self._ask()
        return self._cut.pop()

    def take_routable(self) -> PooledCid | None:
        """A routable CID for a connection that has one already; None where there is none.

        Such a connection is never given a 0b111 CID: it keeps what it has, and asks again after
        ``Recovered``.
        """
        if self._freshness.passed:
            self._fall_stale()
            return None
        if self._next_is_routable:
            return self.take()
        self._ask()
        self._fall_dry()
        return None

    def retry_source_cid(self) -> bytes:
        """The Source CID for a Retry packet, which costs no CID of the pool.

        Balancers send what it comes back on by the 4-tuple, as they did the first packet. Raises
        SidecarUnavailableError while the CID length is unknown.
        """
        return self._failover_cids().random_cid()

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

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls ``listener`` with each event; returns what ends that.

        It is called within ``take()`` and within the handling of messages, so it must not wait.
        What it raises is logged.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def count_held_by(self, held_generations: HeldGenerations) -> Callable[[], None]:
        """Has connections counted by this too, as by ``held_generations`` of the constructor.

        The sidecar hears the sum. Returns what ends that.
        """
        self._counters.append(held_generations)
        self.report_held()
        return lambda: self._counters.remove(held_generations)

    def report_held(self) -> None:
        """Says at once that connections gave up CIDs; else it is looked at once a second."""
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

    # Taking.

    def _cut_more(self) -> bool:
        cut = self._cut = self._queue.cut()
        if cut and cut[0].routable:
            self._orders.took(cut[0].generation)
        return bool(cut)

    @property
    def _next_is_routable(self) -> bool:
        return self._cut[-1].routable if self._cut else self._queue.next_is_routable

    def _take_failover(self) -> PooledCid:
        failover = self._failover_cids()
        self._fall_dry()
        self._made += 1
        cid, token, began_again = failover.make()
        if began_again:
            message = f"all 0b111 CIDs of {len(cid)} octets were made; the oldest are used again"
            self._tell(Trouble(CidecarError(message, code="NONCES_EXHAUSTED")))
        return PooledCid(cid, token, False, self._generation)

    def _failover_cids(self) -> FailoverCids:
        if self._failover is None:
            self._failover = FailoverCids(self.cid_length, self._zero_host_id)
        return self._failover

    def _fall_dry(self) -> None:
        if not self._dry:
            self._dry = True
            self._tell(Dry())

    # The CIDs stay in the pool: they are good again if it turns out that nothing has changed.
    def _fall_stale(self) -> None:
        if self._stale:
            return
        self._stale = True
        silence = f"nothing was heard from the sidecar for {self._freshness.silence:.1f} s"
        self._tell(Stale(self._unavailable(silence)))
        self._fall_dry()

    def _look_at_clock(self) -> None:
        if self._freshness.passed:
            self._fall_stale()
        pause = min(
            max(self._freshness.lifetime / _LOOKS, _SHORTEST_BETWEEN_LOOKS), _LONGEST_BETWEEN_LOOKS
        )
        self._look = asyncio.get_running_loop().call_later(pause, self._look_at_clock)

    def _have_cids(self) -> None:
        self._came.set()
        if self._dry and self._next_is_routable:
            self._dry = False
            self._tell(Recovered())

    # Asking.

    def _ask(self) -> None:
        if self._level >= self._ask_below:
            return
        credit = self._room()
        if credit > 0 and self._session is not None:
            self._expect(credit)
            self._session.ask(credit)

    def _room(self) -> int:
        return max(0, self._most - self._level - self._outstanding)

    def _expect(self, count: int) -> None:
        """So many more CIDs were asked for; negative where they came."""
        self._outstanding += count
        self._ask_below = min(self._low_water, self._most) - self._outstanding

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
        self._outstanding = 0
        self._ask_below = 0
        reason = refusal_of("Session", end, self.target)
        was_connected, self._connected = self._connected, False
        # A Session that had begun is opened again at once, and the reason is old by then.
        self._reasons.note(reason, tell=session.at_fault or not was_connected)
        if was_connected:
            self._tell(Disconnected(reason))

    def write_open(self) -> bytes:
        """:meta private:"""
        return write_open(self._introduction, self._generation, self._orders.oldest)

    def greeted(self, hello: Hello) -> None:
        """:meta private:"""
        check_length(hello.cid_length, self._cid_length)
        self._cid_length = hello.cid_length
        self._most = min(self._high_water, hello.credit_limit or CREDIT_LIMIT)
        self._freshness.limit(hello.lifetime_ms)
        self._freshness.heard()
        if self._look is not None:
            self._look.cancel()
        self._look = None
        if hello.lifetime_ms:
            self._look_at_clock()
        self._connected = True
        self._reasons.connected()
        self._tell(Connected())

    def voided(self, minting: Minting) -> int:
        """:meta private:"""
        if minting.zero_host_id != self._zero_host_id:
            self._failover = None
        self._zero_host_id = minting.zero_host_id
        if minting.generation < self._generation:
            self._orders.start_anew(minting.generation, self._generation)
        self._generation = minting.generation
        self._queue.keep(lambda each: each.routable and each.generation == minting.generation)
        if self._cut and (not self._cut[0].routable or self._cut[0].generation != self._generation):
            self._cut = []
        left = len(self._queue) + len(self._cut)
        self._dropped += self._level - left
        self._level = left
        credit = self._room()
        self._expect(credit)
        return credit

    def heard(self) -> None:
        """:meta private:"""
        was_stale, self._stale = self._stale, False
        self._freshness.heard()
        if was_stale and self._level:
            self._have_cids()
        self._give_reissue()

    def received(self, batch: Batch) -> None:
        """:meta private:"""
        check_length(batch.cid_length, self._cid_length)
        octets = (len(batch.cids), len(batch.tokens))
        if octets != (batch.count * batch.cid_length, batch.count * TOKEN_LENGTH):
            raise ContractError("a batch does not have the octets that it says")
        if not 1 <= batch.count <= self._outstanding:
            raise ContractError(
                f"a batch of {batch.count} CIDs came where {self._outstanding} were asked for"
            )
        self._expect(-batch.count)
        if batch.generation != self._generation:
            self._ask()
            return
        self._queue.push(batch)
        self._received += batch.count
        self._level += batch.count
        self._have_cids()
        self._give_reissue()

    def ordered(self, order: ReissueOrder) -> None:
        """:meta private:"""
        self._orders.order(order.through_generation, order.deadline)
        self._give_reissue()

    # A server that obeys at once must not replace void CIDs by void ones, nor routable ones by
    # 0b111 CIDs: an order waits for routable CIDs.
    def _give_reissue(self) -> None:
        if not self._orders.waiting or not self._next_is_routable or self._freshness.passed:
            return
        reissue = self._orders.next(self._generation)
        if reissue is not None:
            self._tell(reissue)

    def _unavailable(self, message: str) -> SidecarUnavailableError:
        last = self._reasons.last
        if last is None:
            return SidecarUnavailableError(message)
        error = SidecarUnavailableError(
            f"{message}: {last}",
            errno=getattr(last, "errno", None),
            path=getattr(last, "path", None),
            status=getattr(last, "status", None),
        )
        error.__cause__ = last
        return error

    def _tell(self, event: PoolEvent) -> None:
        _log.log(_LEVELS.get(type(event), logging.INFO), "%s", event)
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                _log.exception("a listener raised at %s", event)
