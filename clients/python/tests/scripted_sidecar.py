# SPDX-License-Identifier: Apache-2.0
"""A sidecar that does what a test says, down to the frames of HTTP/2."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import h2.config
import h2.connection
import h2.events

from cidecar._protobuf import number, octets


def framed(message: bytes) -> bytes:
    """A message as gRPC sends it."""
    return b"\0" + struct.pack(">I", len(message)) + message


def minting(
    generation: int, *, count: int = 1, routable: bool = True, zeroes: bool = False
) -> bytes:
    """What is issued from here on; makes void what came before."""
    said = number(1, count) + number(2, generation) + number(3, 1) + number(5, int(routable))
    return said + number(7, int(zeroes))


def hello(*, length: int = 12, generation: int = 1, lifetime_ms: int = 60_000) -> bytes:
    """A SessionResponse."""
    said = number(1, length) + octets(2, minting(generation)) + number(3, lifetime_ms)
    return octets(1, said + number(5, 65_536) + number(7, 64))


class Call:
    """The first call on a connection."""

    def __init__(self, http: h2.connection.H2Connection, writer: asyncio.StreamWriter) -> None:
        self.http = http
        self.writer = writer
        self.headers: dict[str, str] = {}
        self.received = b""
        self.ended = False
        self.goaway = False

    def respond(self) -> None:
        self.http.send_headers(1, [(":status", "200"), ("content-type", "application/grpc")])
        self.flush()

    def trailers_only(self, *headers: tuple[str, str], status: str = "200") -> None:
        self.http.send_headers(1, [(":status", status), *headers], end_stream=True)
        self.flush()

    def trailers(self, *headers: tuple[str, str]) -> None:
        self.http.send_headers(1, list(headers), end_stream=True)
        self.flush()

    def data(self, data: bytes) -> None:
        self.http.send_data(1, data)
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.http.data_to_send())


Script = Callable[[Call], None]


class ScriptedSidecar:
    """Plays ``script`` to each call when its headers have come."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.calls: list[Call] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        http = h2.connection.H2Connection(config)
        http.initiate_connection()
        call = Call(http, writer)
        call.flush()
        try:
            while data := await reader.read(65_536):
                for event in http.receive_data(data):
                    self._take(call, event)
                call.flush()
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    def _take(self, call: Call, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            call.headers = {str(name): str(value) for name, value in event.headers}
            self.calls.append(call)
            self._script(call)
        elif isinstance(event, h2.events.DataReceived):
            call.received += event.data
        elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
            call.ended = True
        elif isinstance(event, h2.events.ConnectionTerminated):
            call.goaway = True


@contextlib.asynccontextmanager
async def scripted_sidecar(path: Path, script: Script) -> AsyncIterator[ScriptedSidecar]:
    """One that listens on a unix socket."""
    sidecar = ScriptedSidecar(script)
    server = await asyncio.start_unix_server(sidecar.serve, path)
    try:
        yield sidecar
    finally:
        server.close()


async def until(done: Callable[[], bool]) -> None:
    """Waits for a condition; a test that never sees it fails."""
    async with asyncio.timeout(30):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
