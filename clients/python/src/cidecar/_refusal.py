# SPDX-License-Identifier: Apache-2.0
"""Why there is no connection, in words for a person."""

from __future__ import annotations

import errno
from collections.abc import Callable

from . import _grpc_status as grpc
from ._target import Target, TcpAddress
from .errors import CidecarError, SidecarUnavailableError

_ADVICE = {
    errno.ENOENT: "there is no such socket: is the path right, and does the sidecar run?",
    errno.EACCES: "this user may not write to the socket: see --socket-mode and --socket-group",
    errno.ECONNREFUSED: "nobody listens there: does the sidecar run?",
}


def refusal_of(method: str, end: grpc.GrpcStatus | Exception, target: Target) -> CidecarError:
    """The end of a call of ``method``, or of the attempt to connect, as an error."""
    if isinstance(end, CidecarError):
        return end
    if isinstance(end, grpc.GrpcStatus):
        return _refused(method, end)
    place = f"{target.host} port {target.port}" if isinstance(target, TcpAddress) else target.path
    number = end.errno if isinstance(end, OSError) else None
    name = "" if number is None else f"{errno.errorcode.get(number, number)}: "
    said = (end.strerror if isinstance(end, OSError) else None) or str(end) or type(end).__name__
    advice = "" if number not in _ADVICE else f"; {_ADVICE[number]}"
    message = f"no connection to {place}: {name}{said}{advice}"
    return SidecarUnavailableError(message, errno=number, path=target.path)


def _refused(method: str, end: grpc.GrpcStatus) -> CidecarError:
    if end.status == grpc.UNIMPLEMENTED:
        message = (
            f"the sidecar does not know {method}: it is too old for this client ({end.message})"
        )
    elif end.status == grpc.OK:
        message = f"the sidecar ended {method}"
    else:
        message = f"{method}: {end.message or f'gRPC status {end.status}'}"
    return SidecarUnavailableError(message, code=end.code, status=end.status)


_MOST_TOLD = 64
"""Reasons that are kept, since a sidecar can have endlessly many."""


class Reasons:
    """Keeps why there is no connection, and says each reason once until there is one."""

    def __init__(self, tell: Callable[[CidecarError], None]) -> None:
        self._tell = tell
        self._told: set[str] = set()
        self.last: CidecarError | None = None

    def connected(self) -> None:
        self._told.clear()
        self.last = None

    def note(self, error: CidecarError, *, tell: bool) -> None:
        self.last = error
        if not tell or str(error) in self._told:
            return
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told.add(str(error))
        self._tell(error)
