# SPDX-License-Identifier: Apache-2.0
"""What becomes of a long header that belongs to no connection."""

from __future__ import annotations

from typing import Any, NamedTuple

from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE
from aioquic.quic.packet import (
    QuicHeader,
    QuicPacketType,
    encode_quic_retry,
    encode_quic_version_negotiation,
)
from aioquic.quic.retry import QuicRetryTokenHandler

from ..pool import CidPool

_SHORTEST_CHOICE = 8
"""Octets of the DCID that a client chooses for its first packet (RFC 9000, section 7.2)."""


class Admitted(NamedTuple):
    """The packet begins a connection."""

    original: bytes
    """The DCID of the client's very first packet."""
    retry_source: bytes | None
    """The Source CID of the Retry packet, where there was one."""


Decision = Admitted | bytes | None
"""Octets are the answer to send."""


class Admission:
    """Decides what begins a connection."""

    def __init__(self, pool: CidPool, versions: list[int], *, retry: bool) -> None:
        self._pool = pool
        self._versions = versions
        self._retry = QuicRetryTokenHandler() if retry else None

    def decide(
        self, size: int, header: QuicHeader, addr: Any, now: float
    ) -> Admitted | bytes | None:
        """For a datagram of ``size`` octets from ``addr``; octets are the answer to send."""
        if size < SMALLEST_MAX_DATAGRAM_SIZE or header.version is None:
            return None
        # One is never answered by another, else two servers could be set on each other.
        if header.packet_type == QuicPacketType.VERSION_NEGOTIATION:
            return None
        if header.version not in self._versions:
            return encode_quic_version_negotiation(
                source_cid=header.destination_cid,
                destination_cid=header.source_cid,
                supported_versions=self._versions,
            )
        begins = header.packet_type == QuicPacketType.INITIAL
        if not begins or len(header.destination_cid) < _SHORTEST_CHOICE:
            return None
        if self._retry is None:
            return Admitted(header.destination_cid, None)
        if not header.token:
            return self._ask_again(self._retry, header.version, header, addr, now)
        try:
            original = self._retry.validate_token(
                address=addr, destination_cid=header.destination_cid, token=header.token, now=now
            )
        except ValueError:
            return None
        return Admitted(original, header.destination_cid)

    def _ask_again(
        self, tokens: QuicRetryTokenHandler, version: int, header: QuicHeader, addr: Any, now: float
    ) -> bytes:
        source_cid = self._pool.retry_source_cid()
        token = tokens.create_token(
            address=addr,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=source_cid,
            now=now,
        )
        return encode_quic_retry(
            version=version,
            source_cid=source_cid,
            destination_cid=header.source_cid,
            original_destination_cid=header.destination_cid,
            retry_token=token,
        )
