# SPDX-License-Identifier: Apache-2.0
"""A QUIC server on aioquic whose CIDs come from a pool."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aioquic.asyncio.protocol import QuicConnectionProtocol, QuicStreamHandler
from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import (
    QuicErrorCode,
    QuicHeader,
    QuicPacketType,
    pull_quic_header,
)
from aioquic.tls import SessionTicketFetcher, SessionTicketHandler

from .._reissue_orders import Reissue
from ..events import PoolEvent, Recovered
from ..pool import CidPool
from ._admission import Admission, Admitted
from ._connection import RoutedConnection
from ._private import check_aioquic
from ._reissuing import Reissuing
from ._resets import Resets
from ._sockets import Paths, Socket

_log = logging.getLogger("cidecar.aioquic")

_REMEMBERED = 4096
_REMEMBERED_SECONDS = 10.0
"""For packets on a CID that was retired while they were on their way: those get no reset."""


@dataclass(slots=True)
class EndpointStats:
    """What an endpoint has done."""

    open: int = 0
    accepted: int = 0
    moved: int = 0
    """Connections that gave up all CIDs that an order covered."""
    closed_for_reissue: int = 0
    resets: int = 0
    """Stateless resets that were sent."""


@dataclass(slots=True)
class _Open:
    protocol: QuicConnectionProtocol
    paths: Paths
    cids: set[bytes]


class Endpoint:
    """Serves QUIC on any number of addresses with CIDs of ``pool``.

    In place of ``aioquic.asyncio.serve``, whose server knows no other CIDs than random ones. It
    counts its connections for the sidecar, sends stateless resets for those of an earlier process,
    and obeys orders to reissue. How depends on ``pool.can_retire``:

    - False, the default: connections are closed one after the other until the deadline, those first
      whose streams have rested longest, with application error 0 and the reason "moved". To send
      GOAWAY or the like before, subscribe to the ``Reissue`` events of the pool.
    - True: their CIDs are replaced. aioquic has no interface for retire_prior_to, so this overrides
      private methods of it (see ``cidecar.aioquic``).
    """

    def __init__(
        self,
        pool: CidPool,
        configuration: QuicConfiguration,
        *,
        create_protocol: Callable[..., QuicConnectionProtocol] = QuicConnectionProtocol,
        stream_handler: QuicStreamHandler | None = None,
        session_ticket_fetcher: SessionTicketFetcher | None = None,
        session_ticket_handler: SessionTicketHandler | None = None,
        retry: bool = False,
    ) -> None:
        """The arguments besides ``pool`` are those of ``aioquic.asyncio.serve``.

        Raises SidecarUnavailableError while the CID length is unknown, so await ``pool.ready()``
        first; CidecarError where aioquic is of a release that was not tried.
        """
        check_aioquic(retiring=pool.can_retire)
        self._pool = pool
        self._configuration = dataclasses.replace(
            configuration, connection_id_length=pool.cid_length
        )
        self._create_protocol = create_protocol
        self._stream_handler = stream_handler
        self._tickets = {
            "session_ticket_fetcher": session_ticket_fetcher,
            "session_ticket_handler": session_ticket_handler,
        }
        self._admission = Admission(pool, configuration.supported_versions, retry=retry)
        self._sockets: list[asyncio.DatagramTransport] = []
        self._open: dict[RoutedConnection, _Open] = {}
        self._by_cid: dict[bytes, RoutedConnection] = {}
        self._retired: OrderedDict[bytes, float] = OrderedDict()
        self._resets = Resets(pool)
        self._reissuing = Reissuing(lambda: list(self._open))
        self._stats = EndpointStats()
        self._unsubscribe = pool.subscribe(self._on_pool_event)
        self._stop_counting = pool.count_held_by(self.held_generations)

    async def listen(
        self, host: str, port: int, *, reuse_port: bool | None = None
    ) -> tuple[str, int]:
        """Listens on this address too; returns the address and the port.

        Name each address rather than a wildcard: a client takes answers from no other address than
        the one that it sent to. Raises OSError.
        """
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: Socket(self._received), local_addr=(host, port), reuse_port=reuse_port
        )
        self._sockets.append(transport)
        name: tuple[Any, ...] = transport.get_extra_info("sockname")
        return name[0], name[1]

    async def close(self) -> None:
        """Closes all connections and sockets."""
        self._unsubscribe()
        self._stop_counting()
        self._reissuing.stop()
        self._resets.close()
        for each in list(self._open.values()):
            each.protocol.close()
        await asyncio.sleep(0)
        for socket in self._sockets:
            socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def stats(self) -> EndpointStats:
        return dataclasses.replace(self._stats, open=len(self._open), resets=self._resets.sent)

    def held_generations(self) -> dict[int, int]:
        """Connections by the oldest generation of the routable CIDs that their peers may use."""
        oldest = (connection.oldest_generation for connection in self._open)
        return dict(Counter(each for each in oldest if each is not None))

    # What comes in.

    def _received(self, data: bytes, addr: Any, transport: asyncio.DatagramTransport) -> None:
        length = self._configuration.connection_id_length
        try:
            header = pull_quic_header(Buffer(data=data), host_cid_length=length)
        except ValueError:
            return
        connection = self._by_cid.get(header.destination_cid)
        if connection is None:
            connection = self._receive_unknown(data, header, addr, transport)
        each = None if connection is None else self._open.get(connection)
        if each is None:
            return
        each.paths.came(addr, transport)
        try:
            each.protocol.datagram_received(data, addr)
        except Exception:
            # What goes wrong in one connection ends that one, and nothing else.
            _log.exception("a connection failed")
            each.protocol.close(error_code=QuicErrorCode.INTERNAL_ERROR)

    def _receive_unknown(
        self, data: bytes, header: QuicHeader, addr: Any, transport: asyncio.DatagramTransport
    ) -> RoutedConnection | None:
        cid = header.destination_cid
        if header.packet_type == QuicPacketType.ONE_RTT:
            if not self._was_retired(cid):
                self._resets.answer(cid, len(data), lambda sent: transport.sendto(sent, addr))
            return None
        decided = self._admission.decide(len(data), header, addr, asyncio.get_running_loop().time())
        if isinstance(decided, bytes):
            transport.sendto(decided, addr)
            return None
        return None if decided is None else self._accept(cid, decided, transport)

    def _accept(
        self, clients_choice: bytes, admitted: Admitted, transport: asyncio.DatagramTransport
    ) -> RoutedConnection:
        connection = RoutedConnection(
            pool=self._pool,
            host=self,
            configuration=self._configuration,
            original_destination_connection_id=admitted.original,
            retry_source_connection_id=admitted.retry_source,
            **self._tickets,
        )
        protocol = self._create_protocol(connection, stream_handler=self._stream_handler)
        paths = Paths(transport)
        protocol.connection_made(paths)
        cids = {clients_choice, connection.host_cid}
        self._by_cid[clients_choice] = connection
        self._open[connection] = _Open(protocol, paths, cids)
        self._stats.accepted += 1
        return connection

    # What connections say.

    def register(self, cid: bytes, connection: RoutedConnection) -> None:
        """:meta private:"""
        self._by_cid[cid] = connection
        if connection in self._open:
            self._open[connection].cids.add(cid)

    def retired(self, cid: bytes, connection: RoutedConnection) -> None:
        """:meta private:"""
        self._by_cid.pop(cid, None)
        if connection in self._open:
            self._open[connection].cids.discard(cid)
        self._retired[cid] = time.monotonic() + _REMEMBERED_SECONDS
        if len(self._retired) > _REMEMBERED:
            self._retired.popitem(last=False)

    def moved(self, connection: RoutedConnection) -> None:  # noqa: ARG002
        """:meta private:"""
        self._stats.moved += 1

    def terminated(self, connection: RoutedConnection) -> None:
        """:meta private:"""
        each = self._open.pop(connection, None)
        for cid in () if each is None else each.cids:
            self._by_cid.pop(cid, None)

    def _was_retired(self, cid: bytes) -> bool:
        return self._retired.get(cid, 0.0) > time.monotonic()

    # Orders.

    def _on_pool_event(self, event: PoolEvent) -> None:
        if isinstance(event, Reissue):
            if self._pool.can_retire:
                self._reissuing.replace(event, lambda each: self._replace(each, event))
            else:
                self._reissuing.close_idle_first(event, self._close)
        elif isinstance(event, Recovered):
            for connection, each in list(self._open.items()):
                connection.replenish()
                each.protocol.transmit()

    def _replace(self, connection: RoutedConnection, order: Reissue) -> None:
        each = self._open.get(connection)
        if each is not None:
            connection.replace(order)
            each.protocol.transmit()

    def _close(self, connection: RoutedConnection) -> None:
        each = self._open.get(connection)
        if each is None:
            return
        self._stats.closed_for_reissue += 1
        connection.forget_cids()
        each.protocol.close(error_code=QuicErrorCode.NO_ERROR, reason_phrase="moved")
