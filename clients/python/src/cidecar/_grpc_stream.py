# SPDX-License-Identifier: Apache-2.0
"""One HTTP/2 connection that carries one gRPC call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol, cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from . import _grpc_status as grpc
from ._target import Target
from .errors import CidecarError, ContractError

WINDOW = 1 << 20
"""Octets that may come before this side has said that it took them."""
LONGEST_MESSAGE = 4 << 20
"""Octets; a batch of 1,024 CIDs has less than 40 kB."""
LONGEST_BACKLOG = 1 << 18
"""Octets that may wait for a sidecar that does not read."""
PING_EVERY_SECONDS = 10.0
PING_WITHIN_SECONDS = 5.0
"""Else nobody would notice a sidecar on another host that is gone without a word."""
LINGER_SECONDS = 1.0
"""For what was written last, when the connection is closed."""

_USER_AGENT = "cidecar-python/0.1.0"


class Listener(Protocol):
    """What becomes of a call."""

    def on_open(self) -> None:
        """Messages can be sent."""

    def on_message(self, message: bytes) -> None:
        """A message came. What this raises ends the call."""

    def on_lost(self, end: grpc.GrpcStatus | Exception) -> None:
        """The call is over, for this reason. Comes once, and last."""


class GrpcStream(asyncio.Protocol):
    """A call of ``method``; give it to the ``connect`` of a target."""

    def __init__(self, method: str, target: Target, listener: Listener) -> None:
        self._headers = [
            (":method", "POST"),
            (":scheme", target.scheme),
            (":path", f"/cidecar.v1.SidecarService/{method}"),
            (":authority", target.authority),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("user-agent", _USER_AGENT),
        ]
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._http = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )
        self._transport: asyncio.Transport | None = None
        self._stream = 0
        self._received = bytearray()
        self._backlog = bytearray()
        self._ending = False
        self._said: dict[str, str] = {}
        """The newest headers or trailers of the response."""
        self._goaway: str | None = None
        self._over = False
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Handle | None = None

    def send(self, message: bytes) -> None:
        """Sends a message soon, without waiting: as much of it as the sidecar has room for."""
        if self._over:
            return
        self._backlog += b"\0" + len(message).to_bytes(4, "big") + message
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._flush)

    def end_half(self) -> None:
        """Nothing more is sent. It ends a Session, and belongs to every unary call."""
        self._ending = True
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._flush)

    def abandon(self, reason: Exception) -> None:
        """Ends the call from this side."""
        if self._over:
            return
        if self._transport is not None and self._stream:
            # The other side may have ended it at this moment.
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._http.reset_stream(self._stream, h2.errors.ErrorCodes.CANCEL)
        self._finish(reason)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._over:
            self._transport.abort()
            return
        settings = {
            h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
            h2.settings.SettingCodes.ENABLE_PUSH: 0,
        }
        self._http.local_settings = h2.settings.Settings(client=True, initial_values=settings)
        self._http.initiate_connection()
        self._http.increment_flow_control_window(WINDOW - 65_535)
        self._stream = self._http.get_next_available_stream_id()
        self._http.send_headers(self._stream, self._headers)
        self._timer = self._loop.call_later(PING_EVERY_SECONDS, self._ping)
        self._listener.on_open()
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        try:
            for event in self._http.receive_data(data):
                if not self._over:
                    self._take(event)
        except h2.exceptions.ProtocolError as error:
            self._finish(ContractError(f"the sidecar does not speak HTTP/2: {error}"))
            return
        except CidecarError as error:
            self.abandon(error)
            return
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        reason = self._goaway or "the sidecar closed the connection"
        self._finish(exc or grpc.GrpcStatus(grpc.UNAVAILABLE, reason))

    # What comes.

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.DataReceived):
            if event.flow_controlled_length:
                self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self._received += event.data
            self._take_messages()
        elif isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
            # The headers are text, as header_encoding says.
            self._said = {str(name): str(value) for name, value in event.headers}
        elif isinstance(event, h2.events.StreamEnded):
            self._finish(grpc.read_status(self._said))
        elif isinstance(event, h2.events.StreamReset):
            reason = f"the sidecar reset the stream (HTTP/2 error {int(event.error_code or 0)})"
            self._finish(grpc.GrpcStatus(grpc.UNAVAILABLE, reason))
        elif isinstance(event, h2.events.ConnectionTerminated):
            said = (event.additional_data or b"").decode("utf-8", "replace")
            code = int(event.error_code or 0)
            self._goaway = f"the sidecar ends the connection (HTTP/2 error {code}) {said}".rstrip()
        elif isinstance(event, h2.events.PingAckReceived):
            self._wait(PING_EVERY_SECONDS, self._ping)

    def _take_messages(self) -> None:
        received = self._received
        at = 0
        while len(received) - at >= 5 and not self._over:
            length = int.from_bytes(received[at + 1 : at + 5], "big")
            if received[at]:
                raise ContractError("the sidecar sent a compressed message, which nobody asked for")
            if length > LONGEST_MESSAGE:
                raise ContractError(f"the sidecar sent a message of {length} octets")
            if len(received) - at - 5 < length:
                break
            message = bytes(received[at + 5 : at + 5 + length])
            at += 5 + length
            self._listener.on_message(message)
        del received[:at]

    # What goes.

    def _flush(self) -> None:
        self._flushing = None
        if self._over or self._transport is None:
            return
        while self._backlog:
            room = self._http.local_flow_control_window(self._stream)
            some = min(room, self._http.max_outbound_frame_size, len(self._backlog))
            if some <= 0:
                break
            self._http.send_data(self._stream, bytes(self._backlog[:some]))
            del self._backlog[:some]
        if self._ending and not self._backlog:
            self._ending = False
            self._http.end_stream(self._stream)
        self._transport.write(self._http.data_to_send())
        if len(self._backlog) + self._transport.get_write_buffer_size() > LONGEST_BACKLOG:
            self.abandon(ContractError("the sidecar does not read what it is sent"))

    def _ping(self) -> None:
        self._http.ping(bytes(8))
        self._flush()
        late = ContractError(f"the sidecar did not answer within {PING_WITHIN_SECONDS:.0f} s")
        self._wait(PING_WITHIN_SECONDS, lambda: self.abandon(late))

    def _wait(self, seconds: float, then: Callable[[], object]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if self._over else self._loop.call_later(seconds, then)

    def _finish(self, end: grpc.GrpcStatus | Exception) -> None:
        if self._over:
            return
        self._over = True
        self._wait(0, lambda: None)
        transport = self._transport
        if transport is not None:
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._http.close_connection()
            transport.write(self._http.data_to_send())
            transport.close()
            # A sidecar that does not read would keep the connection for ever.
            self._loop.call_later(LINGER_SECONDS, transport.abort)
        self._listener.on_lost(end)
