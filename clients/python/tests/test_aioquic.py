# SPDX-License-Identifier: Apache-2.0
"""The adapter, against aioquic's own client on the loopback interface."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamDataReceived
from aioquic.quic.packet import pull_quic_transport_parameters

from cidecar import CidecarError, CidPool, Reissue, SidecarUnavailableError
from cidecar._messages import Batch, Hello, Minting, ReissueOrder
from cidecar.aioquic import Endpoint, RoutedConnection, _connection, _private, _reissuing
from cidecar.aioquic._reissuing import Reissuing
from cidecar.aioquic._resets import stateless_reset
from scripted_sidecar import until
from test_session import certificate

LENGTH = 12


class Supply:
    """Plays the sidecar to a pool, without a Session."""

    def __init__(self, *, can_retire: bool) -> None:
        self.pool = CidPool(socket="nobody", high_water=4096, can_retire=can_retire)
        self._next = 1
        self._number = 0
        self.pool.greeted(Hello(LENGTH, self._minting(1), 60_000, 65_536, 64, False, "", "", ""))
        self.mint(1)

    def _minting(self, generation: int) -> Minting:
        self._number += 1
        self._generation = generation
        return Minting(self._number, generation, True, True, "", False, "cmac", 0)

    def mint(self, generation: int, count: int = 1000) -> None:
        self.pool.voided(self._minting(generation))
        self.fill(count)

    def fill(self, count: int) -> None:
        numbers = range(self._next, self._next + count)
        self._next += count
        head = bytes([self.pool.generation])
        cids = b"".join(head + each.to_bytes(LENGTH - 1, "big") for each in numbers)
        tokens = b"".join(each.to_bytes(16, "big") for each in numbers)
        if count:
            self.pool.received(Batch(cids, tokens, count, LENGTH, self._generation, True))

    def order(self, through: int, seconds: float = 0) -> None:
        self.pool.ordered(ReissueOrder(through, datetime.now(UTC) + timedelta(seconds=seconds)))


class Echo(QuicConnectionProtocol):
    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, StreamDataReceived):
            self._quic.send_stream_data(event.stream_id, event.data, event.end_stream)


class Client(QuicConnectionProtocol):
    """Notes how it ended."""

    ended: ConnectionTerminated | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        super().quic_event_received(event)
        if isinstance(event, ConnectionTerminated):
            self.ended = event

    async def echo(self) -> None:
        async with asyncio.timeout(30):
            reader, writer = await self.create_stream()
            writer.write(b"hello")
            writer.write_eof()
            assert await reader.read() == b"hello"

    @property
    def cid(self) -> bytes:
        """The CID that it sends to."""
        return self._quic._peer_cid.cid

    @property
    def known(self) -> list[bytes]:
        """The CIDs that it may send to, by their first octet, which is the generation here."""
        return [self.cid, *(each.cid for each in self._quic._peer_cid_available)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"), "server")


def server_configuration(files: tuple[Path, Path]) -> QuicConfiguration:
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["echo"])
    configuration.load_cert_chain(files[0], files[1])
    return configuration


@asynccontextmanager
async def serving(
    supply: Supply, files: tuple[Path, Path], *, retry: bool = False
) -> AsyncIterator[tuple[Endpoint, int]]:
    configuration = server_configuration(files)
    endpoint = Endpoint(supply.pool, configuration, create_protocol=Echo, retry=retry)
    async with endpoint:
        _, port = await endpoint.listen("127.0.0.1", 0)
        yield endpoint, port
    await supply.pool.close()


@asynccontextmanager
async def client(port: int) -> AsyncIterator[Client]:
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=["echo"], verify_mode=ssl.CERT_NONE
    )
    async with connect(
        "127.0.0.1", port, configuration=configuration, create_protocol=Client
    ) as protocol:
        assert isinstance(protocol, Client)
        yield protocol


def test_packets_come_on_cids_of_the_pool(files: tuple[Path, Path]) -> None:
    async def main() -> None:
        supply = Supply(can_retire=False)
        async with serving(supply, files) as (endpoint, port), client(port) as one:
            await one.echo()
            assert len(one.cid) == LENGTH
            await until(lambda: len(one.known) == 8)
            assert {cid[0] for cid in one.known} == {1}
            assert endpoint.held_generations() == {1: 1}
            assert supply.pool.stats.taken == 8
            before = one.cid
            one.change_connection_id()
            await one.echo()
            assert one.cid != before
            await until(lambda: supply.pool.stats.taken == 9)  # The one that was retired.
        assert endpoint.stats.accepted == 1

    asyncio.run(main())


def test_cids_are_replaced_and_the_old_ones_retired(files: tuple[Path, Path]) -> None:
    async def main() -> None:
        supply = Supply(can_retire=True)
        async with serving(supply, files) as (endpoint, port), client(port) as one:
            await one.echo()
            await until(lambda: len(one.known) == 8)
            supply.mint(2)
            assert endpoint.held_generations() == {1: 1}
            supply.order(1)
            await until(lambda: endpoint.stats.moved == 1)
            await until(lambda: len(one.known) == 8)
            assert {cid[0] for cid in one.known} == {2}
            assert endpoint.held_generations() == {2: 1}
            await one.echo()
            assert one.ended is None
            supply.mint(3)
            supply.order(2)
            await until(lambda: endpoint.stats.moved == 2)
            await one.echo()
            assert one.cid[0] == 3
            assert endpoint.stats.closed_for_reissue == 0

    asyncio.run(main())


def test_one_for_which_the_pool_is_dry_gets_its_cids_later(files: tuple[Path, Path]) -> None:
    async def main() -> None:
        supply = Supply(can_retire=True)
        async with serving(supply, files) as (endpoint, port), client(port) as one:
            await one.echo()
            await until(lambda: len(one.known) == 8)
            supply.mint(2, count=1)
            supply.order(1)
            supply.pool.take()  # A new connection is faster.
            await one.echo()
            assert {cid[0] for cid in one.known} == {1}
            [connection] = endpoint._open
            assert connection._retire_prior_to == 0
            supply.fill(100)
            assert connection._retire_prior_to == 8  # At once, rather than with its next packet.
            await until(lambda: endpoint.stats.moved == 1)
            assert {cid[0] for cid in one.known} == {2}

    asyncio.run(main())


def test_connections_are_closed_where_the_stack_cannot_retire(files: tuple[Path, Path]) -> None:
    async def main() -> None:
        supply = Supply(can_retire=False)
        async with serving(supply, files) as (endpoint, port), client(port) as one:
            await one.echo()
            supply.mint(2)
            async with client(port) as other:
                await other.echo()
                supply.order(1)
                await until(lambda: endpoint.stats.closed_for_reissue == 1)
                assert endpoint.held_generations() == {2: 1}  # At once, though it is draining.
                await until(lambda: one.ended is not None)
                assert one.ended is not None
                assert (one.ended.error_code, one.ended.reason_phrase) == (0, "moved")
                assert one.ended.frame_type is None  # By the application.
                await other.echo()
                assert other.ended is None

    asyncio.run(main())


class Fake:
    """A connection that an order covers."""

    def __init__(self, active_at: float) -> None:
        self.active_at = active_at
        self.open = True
        self.looks = 0

    def holds(self, _: Reissue) -> bool:
        self.looks += 1
        return self.open


def test_those_whose_streams_rest_longest_are_closed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[float] = []
    connections = [Fake(active_at) for active_at in (5, 1, 4, 2, 3)]

    async def paced(turns: range, close: Callable[[int], None], _: datetime) -> None:
        for turn in turns:
            close(turn)
            connections[3].active_at = 9  # It is used after the first turn.

    def close(connection: object) -> None:
        assert isinstance(connection, Fake)
        connection.open = False
        closed.append(connection.active_at)

    async def main() -> None:
        reissuing = Reissuing(lambda: connections)  # type: ignore[arg-type, return-value]
        reissuing.close_idle_first(Reissue(1, datetime.now(UTC), 2), close)
        await until(lambda: len(closed) == 5)

    monkeypatch.setattr(_reissuing, "pace_reissue", paced)
    asyncio.run(main())
    assert closed == [1, 3, 4, 5, 9]


def test_to_close_many_at_once_takes_few_looks_at_each() -> None:
    connections = [Fake(at) for at in range(1000)]

    def close(connection: object) -> None:
        assert isinstance(connection, Fake)
        connection.open = False

    async def main() -> None:
        reissuing = Reissuing(lambda: connections)  # type: ignore[arg-type, return-value]
        reissuing.close_idle_first(Reissue(1, datetime.now(UTC), 2), close)
        await until(lambda: not any(each.open for each in connections))

    asyncio.run(main())
    assert max(each.looks for each in connections) <= 3


def test_cids_from_before_the_sidecar_lost_its_state_are_the_oldest(
    files: tuple[Path, Path],
) -> None:
    async def main() -> None:
        supply = Supply(can_retire=False)
        supply.mint(9)
        async with serving(supply, files) as (endpoint, port), client(port) as one:
            await one.echo()
            await until(lambda: len(one.known) == 8)
            supply.mint(3)
            one.change_connection_id()
            await one.echo()
            await until(lambda: 12 in [cid[0] for cid in one.known])
            assert endpoint.held_generations() == {9: 1}

    asyncio.run(main())


def test_a_0b111_cid_is_the_only_one_and_forbids_migration(files: tuple[Path, Path]) -> None:
    async def main() -> None:
        supply = Supply(can_retire=True)
        supply.mint(2, count=0)
        async with serving(supply, files) as (endpoint, port), client(port) as one:
            await one.echo()
            supply.fill(100)
            await one.echo()
            assert len(one.known) == 1
            assert one.cid[0] == 0xE0 | (LENGTH - 1)
            assert endpoint.held_generations() == {}
            [connection] = endpoint._open
            parameters = pull_quic_transport_parameters(
                Buffer(data=connection._serialize_transport_parameters())
            )
            assert parameters.disable_active_migration
            assert parameters.initial_source_connection_id == one.cid

    asyncio.run(main())


def test_retry_costs_no_cid_of_the_pool(files: tuple[Path, Path]) -> None:
    async def main() -> None:
        supply = Supply(can_retire=False)
        async with serving(supply, files, retry=True) as (endpoint, port), client(port) as one:
            await one.echo()
            await until(lambda: len(one.known) == 8)
            assert supply.pool.stats.taken == 8
            retry_source = one._quic._retry_source_connection_id
            assert retry_source is not None
            assert retry_source[0] == 0xE0 | (LENGTH - 1)
            assert endpoint.stats.accepted == 1

    asyncio.run(main())


def test_a_peer_that_uses_up_cids_gets_few(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_connection, "_PER_SECOND", 0.0)

    async def main() -> None:
        supply = Supply(can_retire=False)
        async with serving(supply, files) as (_, port), client(port) as one:
            await one.echo()
            for _ in range(40):
                one.change_connection_id()
                await one.echo()
            assert supply.pool.stats.taken == 17

    asyncio.run(main())


def test_a_frame_that_is_sent_again_retires_only_what_came_before_it(
    files: tuple[Path, Path],
) -> None:
    async def main() -> None:
        supply = Supply(can_retire=True)
        async with serving(supply, files) as (endpoint, port), client(port) as one:
            await one.echo()
            await until(lambda: len(one.known) == 8)
            [connection] = endpoint._open
            supply.mint(2)
            supply.order(1)
            await until(lambda: endpoint.stats.moved == 1)
            # As if the frames of the first order were lost, and another order had come since.
            connection._retire_prior_to = 1000
            for each in connection._host_cids:
                each.was_sent = False
            await one.echo()
            assert one.ended is None  # 1000 in all of them would be a FRAME_ENCODING_ERROR.

    asyncio.run(main())


class Answers(asyncio.DatagramProtocol):
    """Notes what comes back."""

    def __init__(self) -> None:
        self.received: list[bytes] = []

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        self.received.append(data)


def test_resets_are_for_cids_of_an_earlier_process(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = bytes(range(16))
    theirs, nobodys = bytes([5]) * LENGTH, bytes([6]) * LENGTH
    asked: list[bytes] = []

    async def reset_token(cid: bytes) -> bytes | None:
        asked.append(cid)
        return token if cid == theirs else None

    async def main() -> None:
        supply = Supply(can_retire=True)
        monkeypatch.setattr(supply.pool, "reset_token", reset_token)
        async with serving(supply, files) as (endpoint, port), client(port) as one:
            await one.echo()
            await until(lambda: len(one.known) == 8)
            retired = one.cid
            supply.mint(2)
            supply.order(1)
            await until(lambda: endpoint.stats.moved == 1)
            loop = asyncio.get_running_loop()
            transport, answers = await loop.create_datagram_endpoint(
                Answers, remote_addr=("127.0.0.1", port)
            )
            for cid in (retired, nobodys, theirs):
                transport.sendto(b"\x40" + cid + bytes(30))
            await until(lambda: bool(answers.received))
            transport.close()
            # A packet that was late for a CID of our own is no reason to ask, let alone to reset.
            assert asked == [nobodys, theirs]
            [reset] = answers.received
            assert reset.endswith(token)
            assert len(reset) < 43
            assert endpoint.stats.resets == 1

    asyncio.run(main())


def test_an_endpoint_may_be_closed_twice(files: tuple[Path, Path]) -> None:
    async def main() -> None:
        async with serving(Supply(can_retire=False), files) as (endpoint, _):
            await endpoint.close()

    asyncio.run(main())


def test_a_server_does_not_start_without_the_length(files: tuple[Path, Path]) -> None:
    with pytest.raises(SidecarUnavailableError, match="length"):
        Endpoint(CidPool(socket="nobody"), server_configuration(files))


def test_another_release_of_aioquic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_private, "_FOR_ISSUING", ("_host_cids", "_gone"))
    with pytest.raises(CidecarError, match="_gone"):
        _private.check_aioquic(retiring=False)


def test_names_do_not_collide_with_those_of_aioquic() -> None:
    probe = QuicConnection(configuration=QuicConfiguration(is_client=True))
    overridden = {
        *("_replenish_connection_ids", "_serialize_transport_parameters"),
        *("_write_new_connection_id_frame", "receive_datagram", "send_stream_data", "next_event"),
    }
    ours = {name for name in vars(RoutedConnection) if not name.startswith("__")}
    assert {name for name in ours if hasattr(probe, name)} == overridden
    instance = {"_pool", "_host", "routable", "_generations", "_handshaken", "_order"}
    instance |= {"_retire_prior_to", "_budget", "_budget_at", "active_at"}
    assert not {name for name in instance if hasattr(probe, name)}


@pytest.mark.parametrize("size", [22, 30, 41, 1200])
def test_a_stateless_reset_is_smaller_than_what_it_answers(size: int) -> None:
    token = bytes(range(16))
    reset = stateless_reset(token, size)
    assert reset is not None
    assert 21 <= len(reset) < size
    assert reset.endswith(token)
    assert reset[0] & 0xC0 == 0x40


def test_no_reset_for_what_is_too_small() -> None:
    assert stateless_reset(bytes(16), 21) is None
