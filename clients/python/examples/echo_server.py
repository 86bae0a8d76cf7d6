# SPDX-License-Identifier: Apache-2.0
"""A QUIC server on aioquic that sends back what comes on each stream, behind any load balancer."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import signal
import sys

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent, StreamDataReceived

from cidecar import CidPool, PoolEvent, Reissue
from cidecar.aioquic import Endpoint


class Echo(QuicConnectionProtocol):
    """Sends back what the client sends on streams that it opens in both directions."""

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, StreamDataReceived) and event.stream_id % 4 == 0:
            with contextlib.suppress(RuntimeError):  # The client reads the stream no longer.
                self._quic.send_stream_data(event.stream_id, event.data, event.end_stream)


# The part that joins the sidecar: README.md shows it.
async def serve(options: argparse.Namespace, tls: QuicConfiguration) -> None:
    async with CidPool(
        socket=options.sidecar,
        client_name="echo/0.1.0 aioquic",
        server_use=options.server_use,
        can_retire=options.replace_cids,
    ) as pool:
        pool.subscribe(say_reissue)
        await pool.ready()
        async with Endpoint(pool, tls, create_protocol=Echo) as endpoint:
            for host, port in options.listen:
                await endpoint.listen(host, port)
            await answer_questions(endpoint, pool)


# The rest is for those who watch it.
def say(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def say_reissue(event: PoolEvent) -> None:
    if isinstance(event, Reissue):
        say(event="reissue", through_generation=event.through_generation)


async def answer_questions(endpoint: Endpoint, pool: CidPool) -> None:
    """Answers those on the standard input until the server is told to stop."""
    say(event="listening")
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        if line.strip() == b"statistics":
            say_statistics(endpoint, pool)
    await asyncio.Event().wait()


def say_statistics(endpoint: Endpoint, pool: CidPool) -> None:
    done, supply = endpoint.stats, pool.stats
    say(
        event="statistics",
        open=done.open,
        accepted=done.accepted,
        moved=done.moved,
        closed_for_reissue=done.closed_for_reissue,
        resets=done.resets,
        taken=supply.taken,
        dry=supply.made,
        connected=supply.connected,
    )


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", type=address, action="append", required=True)
    parser.add_argument("--sidecar", required=True, help="path of the sidecar's socket")
    parser.add_argument("--certificate", required=True, help="PEM file")
    parser.add_argument("--private-key", required=True, help="PEM file")
    parser.add_argument("--server-use", type=bytes.fromhex, help="hexadecimal")
    parser.add_argument("--replace-cids", action="store_true", help="instead of closing")
    return parser.parse_args()


async def main() -> None:
    options = read_options()
    logging.basicConfig(level=logging.WARNING)
    tls = QuicConfiguration(is_client=False, alpn_protocols=["echo"])
    tls.load_cert_chain(options.certificate, options.private_key)
    server = asyncio.create_task(serve(options, tls))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await server


if __name__ == "__main__":
    asyncio.run(main())
