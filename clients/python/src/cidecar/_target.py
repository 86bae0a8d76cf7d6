# SPDX-License-Identifier: Apache-2.0
"""Where the sidecar is: a unix socket, or a TCP address with mutual TLS."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import ArgumentError

LONGEST_PATH = 107
"""Octets of the path of a unix socket: sun_path of unix(7) has 108, and a zero ends it."""


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """The path of a socket, as it is given to the system."""

    path: str

    authority = "localhost"
    scheme = "http"

    async def connect(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        await asyncio.get_running_loop().create_unix_connection(protocol, self.path)


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """An address of a sidecar that listens with --listen, and the TLS to reach it."""

    host: str
    port: int
    tls: ssl.SSLContext

    path = None
    scheme = "https"

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def connect(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(protocol, self.host, self.port, ssl=self.tls)


Target = UnixSocket | TcpAddress


def unix_socket(path: str | os.PathLike[str]) -> UnixSocket:
    """The socket at this path.

    Made absolute, so that the process may change its folder, unless only the relative path is short
    enough. Raises ArgumentError where neither is, or where no socket can have this path.
    """
    said = os.fspath(path)
    if said == "" or any(octet in said for octet in "\0\n\r"):
        raise ArgumentError(f"socket {said!r}: no socket has such a path")
    absolute = os.path.abspath(said)  # noqa: PTH100 (Path.absolute() keeps "..")
    for each in (absolute, os.path.relpath(absolute)):
        if len(os.fsencode(each)) <= LONGEST_PATH:
            return UnixSocket(each)
    length = len(os.fsencode(absolute))
    raise ArgumentError(
        f"socket {said}: the path has {length} octets; the system takes {LONGEST_PATH}"
    )


def mutual_tls(
    *,
    ca: str | os.PathLike[str],
    certificate: str | os.PathLike[str],
    private_key: str | os.PathLike[str],
) -> ssl.SSLContext:
    """TLS for a sidecar that listens on TCP, from three PEM files: both ends show a certificate.

    Raises OSError where a file cannot be read, ssl.SSLError where it holds something else.
    """
    context = ssl.create_default_context(cafile=Path(ca))
    context.load_cert_chain(Path(certificate), Path(private_key))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    return context
