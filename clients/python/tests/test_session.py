# SPDX-License-Identifier: Apache-2.0
"""Sessions with sidecars that are old, ending, or hostile. clients/contract has the rest."""

from __future__ import annotations

import asyncio
import base64
import errno
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from cidecar import (
    ArgumentError,
    CidPool,
    Connected,
    Disconnected,
    PoolEvent,
    SidecarUnavailableError,
    TcpAddress,
    Trouble,
    _grpc_stream,
    _session,
    mutual_tls,
)
from cidecar._protobuf import Fields, number, octets
from scripted_sidecar import Call, Script, ScriptedSidecar, framed, hello, scripted_sidecar, until

ERROR_INFO = octets(1, b"type.googleapis.com/google.rpc.ErrorInfo")


def troubles(events: list[PoolEvent]) -> list[str]:
    return [str(event.error) for event in events if isinstance(event, Trouble)]


def play(place: Path, script: Script, *, calls: int = 2) -> tuple[list[PoolEvent], ScriptedSidecar]:
    """Serves so many Sessions by the script; returns what the pool told."""

    async def main() -> tuple[list[PoolEvent], ScriptedSidecar]:
        events: list[PoolEvent] = []
        async with scripted_sidecar(place / "s", script) as sidecar:
            pool = CidPool(socket=place / "s", high_water=64)
            pool.subscribe(events.append)
            async with pool:
                await until(lambda: len(sidecar.calls) >= calls)
            return events, sidecar

    return asyncio.run(main())


def test_the_request_is_as_the_sidecar_wants_it(tmp_path: Path) -> None:
    _, sidecar = play(tmp_path, Call.respond, calls=1)
    headers = sidecar.calls[0].headers
    assert headers[":method"] == "POST"
    assert headers[":path"] == "/cidecar.v1.SidecarService/Session"
    assert headers[":authority"] == "localhost"
    assert headers["content-type"] == "application/grpc"
    assert headers["te"] == "trailers"


def test_a_sidecar_that_knows_no_session_is_named_as_too_old(tmp_path: Path) -> None:
    def script(call: Call) -> None:
        call.trailers_only(("grpc-status", "12"), ("grpc-message", "unknown method"))

    events, _ = play(tmp_path, script, calls=4)
    [told] = troubles(events)  # Once, however often it is tried.
    assert "too old" in told
    assert not any(isinstance(event, Connected) for event in events)


def test_the_code_and_the_message_of_a_refusal(tmp_path: Path) -> None:
    info = ERROR_INFO + octets(2, octets(1, b"STREAMS_EXHAUSTED"))
    status = octets(3, info)

    def script(call: Call) -> None:
        details = base64.b64encode(status).decode().rstrip("=")
        call.trailers_only(
            ("grpc-status", "8"),
            ("grpc-message", "zu viele Str%C3%B6me: 100%"),
            ("grpc-status-details-bin", details),
        )

    events, _ = play(tmp_path, script)
    [event] = [each for each in events if isinstance(each, Trouble)]
    assert str(event.error) == "Session: zu viele Ströme: 100%"
    assert event.error.code == "STREAMS_EXHAUSTED"
    assert isinstance(event.error, SidecarUnavailableError)
    assert event.error.status == 8


def test_an_http_status_is_no_grpc_status(tmp_path: Path) -> None:
    events, _ = play(tmp_path, lambda call: call.trailers_only(status="415"))
    assert "415" in troubles(events)[0]


def test_end_stream_of_the_trailers_ends_it_while_our_half_is_open(tmp_path: Path) -> None:
    def script(call: Call) -> None:
        call.respond()
        call.data(framed(hello()))
        call.trailers(("grpc-status", "0"))

    events, sidecar = play(tmp_path, script, calls=3)
    assert any(isinstance(event, Disconnected) for event in events)
    assert sidecar.calls[0].goaway


def test_a_message_may_come_in_any_pieces(tmp_path: Path) -> None:
    def script(call: Call) -> None:
        call.respond()
        for octet in framed(hello(length=17)):
            call.data(bytes([octet]))

    async def main() -> int:
        pool = CidPool(socket=tmp_path / "s", high_water=64)
        async with scripted_sidecar(tmp_path / "s", script), pool:
            await until(lambda: pool.stats.connected)
            return pool.cid_length

    assert asyncio.run(main()) == 17


@pytest.mark.parametrize(
    "hostile",
    [
        b"\1" + framed(hello())[1:],  # compressed
        b"\0\xff\xff\xff\xff",  # 4 GB
        framed(b"\xff"),
        framed(b""),
        framed(hello(length=7)),
        framed(hello(length=21)),
        framed(octets(1, number(1, 12))),
        framed(hello()) * 2,
    ],
)
def test_hostile_messages_end_the_session(tmp_path: Path, hostile: bytes) -> None:
    def script(call: Call) -> None:
        call.respond()
        call.data(hostile)

    events, _ = play(tmp_path, script)
    assert "no hello within" not in troubles(events)[0]  # At once, that is.


def test_octets_that_are_no_http(tmp_path: Path) -> None:
    events, _ = play(tmp_path, lambda call: call.writer.write(bytes(9)))  # DATA on stream 0
    assert "HTTP/2" in troubles(events)[0]


def test_a_stream_that_is_reset(tmp_path: Path) -> None:
    def script(call: Call) -> None:
        call.http.reset_stream(1, 11)
        call.flush()

    events, _ = play(tmp_path, script)
    assert "reset" in troubles(events)[0]


def test_what_waits_for_a_sidecar_that_does_not_read_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_grpc_stream, "LONGEST_BACKLOG", 1000)

    async def main() -> list[PoolEvent]:
        def script(call: Call) -> None:
            call.respond()
            call.data(framed(hello()))

        events: list[PoolEvent] = []
        async with scripted_sidecar(tmp_path / "s", script) as sidecar:
            held = dict.fromkeys(range(64), 1)
            pool = CidPool(socket=tmp_path / "s", high_water=64, held_generations=lambda: held)
            pool.subscribe(events.append)
            async with pool:
                await until(lambda: pool.stats.connected)
                session = pool._session
                assert session is not None
                for _ in range(20_000):
                    session._say_held(held)
                await until(lambda: len(sidecar.calls) > 1)
        return events

    assert any("does not read" in each for each in troubles(asyncio.run(main())))


def test_a_sidecar_that_answers_no_ping_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_grpc_stream, "PING_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(_grpc_stream, "PING_WITHIN_SECONDS", 0.05)

    async def main() -> list[PoolEvent]:
        events: list[PoolEvent] = []

        async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            while await reader.read(4096):
                pass

        server = await asyncio.start_unix_server(silent, tmp_path / "s")
        pool = CidPool(socket=tmp_path / "s")
        pool.subscribe(events.append)
        async with pool:
            await until(lambda: bool(events))
        server.close()
        return events

    assert "did not answer" in troubles(asyncio.run(main()))[0]


def test_a_session_without_a_hello_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_session, "HELLO_WITHIN_SECONDS", 0.02)
    events, _ = play(tmp_path, lambda _: None)
    assert "no hello" in troubles(events)[0]


def test_why_nobody_can_connect(tmp_path: Path) -> None:
    async def main() -> SidecarUnavailableError:
        async with CidPool(socket=tmp_path / "nobody") as pool:
            await until(lambda: pool.stats.last_error is not None)
            with pytest.raises(SidecarUnavailableError) as caught:
                await pool.ready(timeout=0.01)
            with pytest.raises(SidecarUnavailableError):
                pool.take()
            return caught.value

    error = asyncio.run(main())
    assert error.errno == errno.ENOENT
    assert error.path == str(tmp_path / "nobody")
    assert "ENOENT" in str(error)


def test_ready_ends_when_the_pool_is_closed(tmp_path: Path) -> None:
    async def main() -> None:
        pool = CidPool(socket=tmp_path / "nobody")
        pool.start()
        waiting = asyncio.ensure_future(pool.ready())
        await asyncio.sleep(0)
        await pool.close()
        with pytest.raises(SidecarUnavailableError, match="closed"):
            await waiting

    asyncio.run(main())


@pytest.mark.parametrize("path", ["", "a\0b", "a\nb", "/" + "x" * 107])
def test_paths_that_no_socket_can_have(path: str) -> None:
    with pytest.raises(ArgumentError):
        CidPool(socket=path)


def test_a_relative_path_that_alone_is_short_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.chdir(deep)
    CidPool(socket="sidecar.sock")
    with pytest.raises(ArgumentError):
        CidPool(socket=deep / ("y" * 108))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"socket": "a", "high_water": 0},
        {"socket": "a", "high_water": 65_537},
        {"socket": "a", "high_water": 8, "low_water": 9},
        {"socket": "a", "cid_length": 7},
        {"socket": "a", "cid_length": 21},
        {"socket": "a", "client_name": "é"},
        {"socket": "a", "client_name": "x" * 65},
        {"socket": "a", "server_use": b""},
        {"socket": "a", "server_use": bytes(15)},
    ],
)
def test_arguments_out_of_range(wrong: dict[str, object]) -> None:
    with pytest.raises(ArgumentError):
        CidPool(**wrong)  # type: ignore[arg-type]


def certificate(place: Path, name: str) -> tuple[Path, Path]:
    """One that signs itself, for 127.0.0.1."""
    key, cert = place / f"{name}.key", place / f"{name}.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(cert)]
    command = ["openssl", "req", "-x509", *curve, *names, *files]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return cert, key


def test_tcp_with_mutual_tls(tmp_path: Path) -> None:
    server_cert, server_key = certificate(tmp_path, "server")
    client_cert, client_key = certificate(tmp_path, "client")
    accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    accepting.load_cert_chain(server_cert, server_key)
    accepting.load_verify_locations(client_cert)
    accepting.verify_mode = ssl.CERT_REQUIRED
    accepting.set_alpn_protocols(["h2"])

    def script(call: Call) -> None:
        call.respond()
        call.data(framed(hello()))

    async def main() -> dict[str, str]:
        sidecar = ScriptedSidecar(script)
        server = await asyncio.start_server(
            sidecar.serve, "127.0.0.1", 0, ssl=accepting, family=socket.AF_INET
        )
        port = server.sockets[0].getsockname()[1]
        tls = mutual_tls(ca=server_cert, certificate=client_cert, private_key=client_key)
        async with CidPool(tcp=TcpAddress("127.0.0.1", port, tls)) as pool:
            await until(lambda: pool.stats.connected)
        server.close()
        return sidecar.calls[0].headers

    headers = asyncio.run(main())
    assert headers[":scheme"] == "https"
    assert headers[":authority"].startswith("127.0.0.1:")


def test_the_hello_gets_one_answer_with_credit_acknowledgement_and_held(tmp_path: Path) -> None:
    def script(call: Call) -> None:
        call.respond()
        call.data(framed(hello(generation=7)))

    async def main() -> bytes:
        async with scripted_sidecar(tmp_path / "s", script) as sidecar:
            held = {3: 2, 7: 1}
            pool = CidPool(socket=tmp_path / "s", high_water=64, held_generations=lambda: held)
            async with pool:
                await until(lambda: bool(sidecar.calls) and len(sidecar.calls[0].received) > 40)
                await until(lambda: sidecar.calls[0].received.endswith(b"\x20\x01"))
                return sidecar.calls[0].received

    received = asyncio.run(main())
    first = 5 + int.from_bytes(received[1:5], "big")
    second = Fields(received[first + 5 :])
    assert second.number(2) == 64
    assert second.number(4) == 1
    assert second.octets(3) == octets(1, number(1, 3) + number(2, 2)) + octets(
        1, number(1, 7) + number(2, 1)
    )
