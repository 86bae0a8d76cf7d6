# SPDX-License-Identifier: Apache-2.0
"""Why a call ended, as gRPC says it in headers or trailers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ._protobuf import Fields
from .errors import CidecarError

OK = 0
UNKNOWN = 2
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14

_LONGEST_DETAILS = 8192
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


@dataclass(frozen=True, slots=True)
class GrpcStatus:
    """The end of a call."""

    status: int
    message: str
    code: str | None = None
    """A word of cidecar's catalogue of errors, where the sidecar gave one."""


def read_status(headers: Mapping[str, str]) -> GrpcStatus:
    """The status in the last block of headers of a response."""
    http = headers.get(":status")
    if http is not None and http != "200":
        return GrpcStatus(UNKNOWN, f"HTTP status {http}, so this is no sidecar, or none for us")
    said = headers.get("grpc-status", "")
    if not said.isascii() or not said.isdigit() or len(said) > 3:
        return GrpcStatus(UNKNOWN, "the call ended without a status")
    # The sidecar encodes messages, the library that it uses does not.
    message = unquote_to_bytes(headers.get("grpc-message", "")).decode("utf-8", "replace")
    return GrpcStatus(int(said), message, _reason(headers.get("grpc-status-details-bin", "")))


def _reason(details: str) -> str | None:
    """The reason of the google.rpc.ErrorInfo in a google.rpc.Status."""
    if not details or len(details) > _LONGEST_DETAILS:
        return None
    try:
        packed = base64.b64decode(details + "=" * (-len(details) % 4), validate=True)
        for each in Fields(packed).all(3):
            item = Fields(each)
            if item.text(1) == _ERROR_INFO:
                return Fields(item.octets(2)).text(1) or None
    except (binascii.Error, ValueError, CidecarError):
        return None
    return None
