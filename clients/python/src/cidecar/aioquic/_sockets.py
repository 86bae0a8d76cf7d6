# SPDX-License-Identifier: Apache-2.0
"""The UDP sockets of an endpoint, of which each connection may use several."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, cast

Received = Callable[[bytes, Any, asyncio.DatagramTransport], None]

_MOST_PEERS = 16


class Socket(asyncio.DatagramProtocol):
    """Hands what it receives over, with the transport by which to answer."""

    def __init__(self, received: Received) -> None:
        self._received = received
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own transports are no subclass of it.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._transport is not None:
            self._received(data, addr, self._transport)


class Paths(asyncio.DatagramTransport):
    """The transport of one connection: answers each address by the socket that it came in by.

    A client takes answers from no other address than the one that it sent to, and may go from IPv4
    to IPv6 in the life of a connection.
    """

    def __init__(self, first: asyncio.DatagramTransport) -> None:
        super().__init__()
        self._first = first
        self._by_peer: OrderedDict[Any, asyncio.DatagramTransport] = OrderedDict()
        # An address of IPv4 on a socket of IPv6 is an error by which asyncio closes the socket.
        self._by_shape: dict[int, asyncio.DatagramTransport] = {}

    def came(self, addr: Any, transport: asyncio.DatagramTransport) -> None:
        """A packet of this connection came from ``addr``; anybody can have sent it."""
        self._by_shape[len(addr)] = transport
        self._by_peer[addr] = transport
        self._by_peer.move_to_end(addr)
        if len(self._by_peer) > _MOST_PEERS:
            self._by_peer.popitem(last=False)

    def sendto(self, data: Any, addr: Any = None) -> None:
        transport = self._by_peer.get(addr) or self._by_shape.get(len(addr))
        if transport is not None:
            transport.sendto(data, addr)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._first.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._first.is_closing()

    def close(self) -> None:
        """The sockets belong to the endpoint, and stay open."""

    def abort(self) -> None:
        """The sockets belong to the endpoint, and stay open."""
