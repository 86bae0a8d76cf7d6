# SPDX-License-Identifier: Apache-2.0
"""A server's connection whose CIDs come from the pool."""

from __future__ import annotations

import time
from typing import Any, Protocol

from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import NetworkAddress, QuicConnection, QuicConnectionId
from aioquic.quic.packet import (
    CONNECTION_ID_MAX_SIZE,
    STATELESS_RESET_TOKEN_SIZE,
    QuicFrameType,
    pull_quic_transport_parameters,
    push_quic_transport_parameters,
)
from aioquic.quic.packet_builder import QuicPacketBuilder

from .._reissue_orders import Reissue
from ..pool import CidPool

MOST_CIDS = 8
"""The most CIDs that a peer gets to hold, as in aioquic."""
_BURST = 16
_PER_SECOND = 4.0
"""CIDs that a peer may use up: it costs a nonce to replace each (docs/sidecar.md)."""
_FRAME_CAPACITY = 1 + 8 + 8 + 1 + CONNECTION_ID_MAX_SIZE + STATELESS_RESET_TOKEN_SIZE


class Host(Protocol):
    """What a connection needs of its endpoint."""

    def register(self, cid: bytes, connection: RoutedConnection) -> None: ...

    def retired(self, cid: bytes, connection: RoutedConnection) -> None: ...

    def moved(self, connection: RoutedConnection) -> None:
        """The peer gave up all CIDs that an order covers."""

    def terminated(self, connection: RoutedConnection) -> None: ...


class RoutedConnection(QuicConnection):
    """A connection of a server, with CIDs and tokens of the pool in place of random ones."""

    def __init__(
        self,
        *,
        pool: CidPool,
        host: Host,
        configuration: QuicConfiguration,
        original_destination_connection_id: bytes,
        **more: Any,
    ) -> None:
        super().__init__(
            configuration=configuration,
            original_destination_connection_id=original_destination_connection_id,
            **more,
        )
        self._pool = pool
        self._host = host
        first = pool.take()
        self.routable = first.routable
        """Whether balancers know its first CID. If not, it gets no second one."""
        self._generations = {first.cid: first.generation} if first.routable else {}
        self._host_cids = [
            QuicConnectionId(
                cid=first.cid,
                sequence_number=0,
                stateless_reset_token=first.token,
                was_sent=True,
            )
        ]
        self.host_cid = first.cid
        self._local_initial_source_connection_id = first.cid
        self._handshaken = False
        self._order: Reissue | None = None
        self._retire_prior_to = 0
        self._budget = float(_BURST)
        self._budget_at = time.monotonic()
        self.active_at = time.monotonic()
        """When its streams were used last."""
        host.register(first.cid, self)

    @property
    def oldest_generation(self) -> int | None:
        """That of the routable CIDs that the peer may still use; None for none."""
        return min(self._generations.values(), default=None)

    def holds(self, order: Reissue) -> bool:
        """Whether the peer may use CIDs that the order covers."""
        return any(map(order.covers, self._generations.values()))

    def replace(self, order: Reissue) -> None:
        """Gives the peer new CIDs, and asks it to retire those that the order covers.

        What cannot be done now, in the handshake or while the pool is dry, is done later.
        """
        self._order = order
        self.replenish()

    def replenish(self) -> None:
        """Gives the peer the CIDs that it lacks, as far as there are some."""
        if self._handshaken:
            self._replenish_connection_ids()

    def forget_cids(self) -> None:
        """It is being closed, so its CIDs hold nothing up any more."""
        self._generations.clear()

    # What aioquic calls, or its user.

    def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
        super().receive_datagram(data, addr, now)
        if len(self._host_cids) < self._room or self._order is not None:
            self.replenish()

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        self.active_at = time.monotonic()
        super().send_stream_data(stream_id, data, end_stream)

    def next_event(self) -> events.QuicEvent | None:
        event = super().next_event()
        if isinstance(event, events.StreamDataReceived | events.DatagramFrameReceived):
            self.active_at = time.monotonic()
        elif isinstance(event, events.ConnectionIdRetired):
            self._generations.pop(event.connection_id, None)
            self._host.retired(event.connection_id, self)
            self._check_moved()
        elif isinstance(event, events.ConnectionTerminated):
            self._generations.clear()
            self._host.terminated(self)
        return event

    # In place of aioquic's own, which are private.

    def _replenish_connection_ids(self) -> None:
        self._handshaken = True
        self._move()
        self._fill_budget()
        while len(self._host_cids) < self._room and self._budget >= 1 and self._issue():
            self._budget -= 1

    def _serialize_transport_parameters(self) -> bytes:
        packed: bytes = super()._serialize_transport_parameters()
        if self.routable:
            return packed
        parameters = pull_quic_transport_parameters(Buffer(data=packed))
        parameters.disable_active_migration = True
        buffer = Buffer(capacity=len(packed) + 64)
        push_quic_transport_parameters(buffer, parameters)
        return buffer.data

    def _write_new_connection_id_frame(
        self, builder: QuicPacketBuilder, connection_id: QuicConnectionId
    ) -> None:
        if self._retire_prior_to == 0:
            super()._write_new_connection_id_frame(builder, connection_id)
            return
        buffer = builder.start_frame(
            QuicFrameType.NEW_CONNECTION_ID,
            capacity=_FRAME_CAPACITY,
            handler=self._on_new_connection_id_delivery,
            handler_args=(connection_id,),
        )
        # A frame that was lost is sent again, and must not retire more than what came before it.
        sequence = connection_id.sequence_number
        buffer.push_uint_var(sequence)
        buffer.push_uint_var(min(self._retire_prior_to, sequence))
        buffer.push_uint8(len(connection_id.cid))
        buffer.push_bytes(connection_id.cid)
        buffer.push_bytes(connection_id.stateless_reset_token)
        connection_id.was_sent = True
        self._events.append(events.ConnectionIdIssued(connection_id=connection_id.cid))

    # Issuing.

    @property
    def _room(self) -> int:
        return min(MOST_CIDS, self._remote_active_connection_id_limit) if self.routable else 1

    def _move(self) -> None:
        if self._order is None:
            return
        old = [each for each in self._host_cids if self._is_old(each.cid, self._order)]
        if not old or old[-1].sequence_number < self._retire_prior_to:
            return  # The peer has been asked.
        left = len(self._host_cids) - len(old)
        issued = False
        while left < self._room and self._issue():
            left += 1
            issued = True
        # Without a new CID no frame would say it, and the peer would be left with none.
        if issued:
            self._retire_prior_to = old[-1].sequence_number + 1

    def _is_old(self, cid: bytes, order: Reissue) -> bool:
        generation = self._generations.get(cid)
        return generation is not None and order.covers(generation)

    def _check_moved(self) -> None:
        if self._order is not None and not self.holds(self._order):
            self._order = None
            self._host.moved(self)

    def _issue(self) -> bool:
        taken = self._pool.take_routable()
        if taken is None:
            return False
        self._host_cids.append(
            QuicConnectionId(
                cid=taken.cid,
                sequence_number=self._host_cid_seq,
                stateless_reset_token=taken.token,
            )
        )
        self._host_cid_seq += 1
        self._generations[taken.cid] = taken.generation
        self._host.register(taken.cid, self)
        return True

    def _fill_budget(self) -> None:
        now = time.monotonic()
        self._budget = min(_BURST, self._budget + (now - self._budget_at) * _PER_SECOND)
        self._budget_at = now
