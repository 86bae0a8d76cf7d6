# SPDX-License-Identifier: Apache-2.0
"""A call with one request and one response."""

from __future__ import annotations

import asyncio

from . import _grpc_status as grpc
from ._grpc_stream import GrpcStream
from ._refusal import refusal_of
from ._target import Target
from .errors import SidecarUnavailableError

WITHIN_SECONDS = 10.0


class _Call:
    """The listener of the stream."""

    def __init__(self, method: str, target: Target, request: bytes) -> None:
        self._request = request
        self.end: asyncio.Future[grpc.GrpcStatus | Exception]
        self.end = asyncio.get_running_loop().create_future()
        self.response: bytes | None = None
        self.stream = GrpcStream(method, target, self)

    def on_open(self) -> None:
        self.stream.send(self._request)
        self.stream.end_half()

    def on_message(self, message: bytes) -> None:
        self.response = message

    def on_lost(self, end: grpc.GrpcStatus | Exception) -> None:
        if not self.end.done():
            self.end.set_result(end)


async def call(method: str, target: Target, request: bytes) -> bytes:
    """The response. Raises SidecarUnavailableError, or ContractError."""
    made = _Call(method, target, request)
    end: grpc.GrpcStatus | Exception
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            await target.connect(lambda: made.stream)
            end = await made.end
    except TimeoutError:
        made.stream.abandon(TimeoutError())
        raise SidecarUnavailableError(f"{method}: no answer in {WITHIN_SECONDS:.0f} s") from None
    except OSError as error:
        end = error
    if isinstance(end, grpc.GrpcStatus) and end.status == grpc.OK and made.response is not None:
        return made.response
    raise refusal_of(method, end, target)
