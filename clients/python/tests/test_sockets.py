# SPDX-License-Identifier: Apache-2.0
"""Which socket a connection answers by."""

from __future__ import annotations

import asyncio
from typing import Any

from cidecar.aioquic._sockets import Paths

PEER4 = ("192.0.2.7", 4433)
PEER6 = ("2001:db8::7", 4433, 0, 0)


class Socket(asyncio.DatagramTransport):
    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Any] = []

    def sendto(self, data: Any, addr: Any = None) -> None:
        assert data == b"x"
        self.sent.append(addr)


def test_each_address_is_answered_by_the_socket_that_it_came_in_by() -> None:
    one, other = Socket(), Socket()
    paths = Paths(one)
    paths.came(PEER4, one)
    paths.came(PEER6, other)
    for peer in (PEER4, PEER6):
        paths.sendto(b"x", peer)
    assert (one.sent, other.sent) == ([PEER4], [PEER6])


def test_strangers_cannot_turn_it_to_a_socket_of_the_other_family() -> None:
    four, six = Socket(), Socket()
    paths = Paths(four)
    paths.came(PEER4, four)
    for number in range(100):
        paths.came(("2001:db8::8", number, 0, 0), six)
    paths.sendto(b"x", PEER4)
    assert (four.sent, six.sent) == ([PEER4], [])


def test_an_address_of_a_family_that_never_came_gets_nothing() -> None:
    four = Socket()
    paths = Paths(four)
    paths.came(PEER4, four)
    paths.sendto(b"x", PEER6)
    assert four.sent == []
