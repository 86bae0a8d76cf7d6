# SPDX-License-Identifier: Apache-2.0
"""The test program of this client: clients/contract/README.md has the commands."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import cidecar
import cidecar.lease

Fields = dict[str, Any]

LEASED = 1000
"""CIDs of one lease."""


class Program:
    """Maps the commands to the public interface of the client."""

    def __init__(self) -> None:
        self.pool: cidecar.CidPool | None = None
        self.held: dict[int, int] = {}
        self.events: list[Fields] = []
        self.minter: cidecar.lease.LocalMinter | None = None
        self.minting: cidecar.CidPool | None = None

    @property
    def started(self) -> cidecar.CidPool:
        if self.pool is None:
            raise RuntimeError("there was no start")
        return self.pool

    async def start(self, fields: Fields) -> Fields:
        server_use = fields.get("server_use")
        self.pool = cidecar.CidPool(
            socket=fields["socket"],
            high_water=fields.get("high_water", 4096),
            client_name="contract-test",
            server_use=None if server_use is None else bytes.fromhex(server_use),
            can_retire=fields.get("can_retire", True),
            held_generations=lambda: self.held,
        )
        self.pool.subscribe(lambda event: self.events.append(described(event)))
        self.pool.start()
        return {}

    async def ready(self, fields: Fields) -> Fields:
        await self.started.ready(timeout=fields["timeout_ms"] / 1000)
        return {"cid_length": self.started.cid_length}

    async def take(self, fields: Fields) -> Fields:
        taken = [self.started.take() for _ in range(fields["count"])]
        runs = [
            {"generation": generation, "routable": routable, "count": len(list(run))}
            for (generation, routable), run in groupby(
                taken, key=lambda each: (each.generation, each.routable)
            )
        ]
        return {
            "cids": base64.b64encode(b"".join(each.cid for each in taken)).decode(),
            "tokens": base64.b64encode(b"".join(each.token for each in taken)).decode(),
            "runs": runs,
        }

    async def stats(self, _: Fields) -> Fields:
        stats = self.started.stats
        return {
            "connected": stats.connected,
            "level": stats.level,
            "generation": stats.generation,
            "dry": stats.dry,
            "stale": stats.stale,
            "reason": None if stats.last_error is None else str(stats.last_error),
        }

    async def take_events(self, _: Fields) -> Fields:
        events, self.events = self.events, []
        return {"events": events}

    async def hold(self, fields: Fields) -> Fields:
        self.held = {int(generation): n for generation, n in fields["generations"].items()}
        return {}

    async def reset_token(self, fields: Fields) -> Fields:
        token = await self.started.reset_token(bytes.fromhex(fields["cid"]))
        return {"token": None if token is None else token.hex()}

    async def is_own(self, fields: Fields) -> Fields:
        return {"own": await self.started.is_own(bytes.fromhex(fields["cid"]))}

    async def pace(self, fields: Fields) -> Fields:
        began = time.monotonic()
        deadline = datetime.now(UTC) + timedelta(milliseconds=fields["within_ms"])
        at: list[int] = []
        await cidecar.pace_reissue(
            range(fields["items"]),
            lambda _: at.append(round((time.monotonic() - began) * 1000)),
            deadline,
        )
        return {"at_ms": at}

    async def mint(self, fields: Fields) -> Fields:
        if self.minting is None:
            self.minting = cidecar.CidPool(socket=fields["socket"])
            self.minting.start()
        await self.minting.ready(timeout=30)
        minted: list[tuple[bytes, bytes]] = []
        while len(minted) < fields["count"]:
            if self.minter is None or self.minter.left == 0:
                lease = await cidecar.lease.lease_nonces(self.minting, LEASED)
                self.minter = cidecar.lease.LocalMinter(lease)
            minted.append(self.minter.mint())
        return {
            "cids": base64.b64encode(b"".join(cid for cid, _ in minted)).decode(),
            "tokens": base64.b64encode(b"".join(token for _, token in minted)).decode(),
        }

    async def close(self, _: Fields) -> Fields:
        for pool in (self.pool, self.minting):
            if pool is not None:
                await pool.close()
        return {}

    async def answer(self, line: bytes) -> None:
        fields: Fields = json.loads(line)
        command = fields.pop("do")
        names = {"events": "take_events"}
        act: Callable[[Fields], Awaitable[Fields]] = getattr(
            self, names.get(command, command.replace("-", "_"))
        )
        try:
            result = await act(fields)
        except cidecar.CidecarError as error:
            result = {"error": str(error)}
        sys.stdout.write(json.dumps({"id": fields["id"], **result}) + "\n")
        sys.stdout.flush()


def described(event: cidecar.PoolEvent) -> Fields:
    """An event as the scenarios name it."""
    match event:
        case cidecar.Reissue():
            due = event.seconds_left <= 0
            return {"event": "reissue", "through_generation": event.through_generation, "due": due}
        case cidecar.Trouble():
            return {"event": "trouble", "message": str(event.error)}
        case _:
            return {"event": type(event).__name__.lower()}


async def main() -> None:
    program = Program()
    reader = asyncio.StreamReader(limit=1 << 24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    answering: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        task = loop.create_task(program.answer(line))
        answering.add(task)
        task.add_done_callback(answering.discard)
    await program.close({})


asyncio.run(main())
