# SPDX-License-Identifier: Apache-2.0
"""Long headers that belong to no connection."""

from __future__ import annotations

import asyncio

import pytest
from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.quic.packet import QuicHeader, QuicPacketType, QuicProtocolVersion, pull_quic_header

from cidecar.aioquic._admission import Admission, Admitted, Decision
from test_aioquic import Supply

VERSIONS: list[int] = [QuicProtocolVersion.VERSION_1]
CHOICE = bytes(range(8))
ADDRESS = ("192.0.2.7", 4433)


def header(
    packet_type: QuicPacketType = QuicPacketType.INITIAL,
    *,
    version: int = QuicProtocolVersion.VERSION_1,
    cid: bytes = CHOICE,
    token: bytes = b"",
) -> QuicHeader:
    return QuicHeader(
        version=version,
        packet_type=packet_type,
        packet_length=1200,
        destination_cid=cid,
        source_cid=b"client",
        token=token,
        integrity_tag=b"",
        supported_versions=[],
    )


def decide(said: QuicHeader, *, size: int = 1200, retry: bool = False) -> tuple[Decision, int]:
    """The decision, and how many CIDs of the pool it cost."""

    async def main() -> tuple[Decision, int]:
        pool = Supply(can_retire=False).pool
        decided = Admission(pool, VERSIONS, retry=retry).decide(size, said, ADDRESS, 0.0)
        taken = pool.stats.taken
        await pool.close()
        return decided, taken

    return asyncio.run(main())


def test_an_initial_begins_a_connection() -> None:
    assert decide(header()) == (Admitted(CHOICE, None), 0)


@pytest.mark.parametrize(
    "said",
    [
        header(QuicPacketType.HANDSHAKE),
        header(QuicPacketType.ZERO_RTT),
        header(QuicPacketType.RETRY),
        header(QuicPacketType.VERSION_NEGOTIATION, version=0),
        header(cid=bytes(7)),
        header(cid=b""),
    ],
)
def test_nothing_else_does(said: QuicHeader) -> None:
    assert decide(said) == (None, 0)


@pytest.mark.parametrize("version", [VERSIONS[0], 0x0A0A0A0A])
def test_small_datagrams_have_no_answer(version: int) -> None:
    assert decide(header(version=version), size=1199) == (None, 0)


def test_another_version_is_answered_with_the_cids_of_the_client() -> None:
    decided, taken = decide(header(version=0x0A0A0A0A, cid=b"any length"))
    assert isinstance(decided, bytes)
    said = pull_quic_header(Buffer(data=decided))
    assert said.packet_type == QuicPacketType.VERSION_NEGOTIATION
    assert (said.source_cid, said.destination_cid) == (b"any length", b"client")
    assert taken == 0


def test_a_retry_costs_no_cid_and_a_token_of_nobody_has_no_answer() -> None:
    decided, taken = decide(header(), retry=True)
    assert isinstance(decided, bytes)
    said = pull_quic_header(Buffer(data=decided))
    assert said.packet_type == QuicPacketType.RETRY
    assert said.source_cid[0] == 0xEB
    assert taken == 0
    assert decide(header(token=said.token), retry=True) == (None, 0)  # Of another process.
    assert decide(header(token=b"mine"), retry=True) == (None, 0)
