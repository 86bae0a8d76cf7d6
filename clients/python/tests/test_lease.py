# SPDX-License-Identifier: Apache-2.0
"""Minting in the process, by the vectors of the repository (cid/testdata)."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from cidecar import (
    ArgumentError,
    CidPool,
    ContractError,
    LeaseExhaustedError,
    SidecarUnavailableError,
)
from cidecar._protobuf import number, octets
from cidecar.lease import (
    Aes,
    LocalMinter,
    export_reset_keys,
    feistel,
    lease_nonces,
    read_lease,
    reset_token,
)
from scripted_sidecar import Call, framed, scripted_sidecar

DATA = Path(__file__).parents[3] / "cid/testdata"
DRAFT: dict[str, Any] = json.loads((DATA / "draft-22.json").read_text())
OURS: dict[str, Any] = json.loads((DATA / "cidecar.json").read_text())
KEY = bytes(range(16))


def message(**changed: Any) -> bytes:
    """A LeaseNoncesResponse."""
    said: dict[str, Any] = {
        "scheme": b"quic-lb",
        "config_id": 1,
        "cid_length": 12,
        "nonce": bytes(8),
        "server_use": 0,
        "self_encoded": 1,
        "server_id": b"abc",
        "key": KEY,
        "count": 300,
        "permutation": b"",
        "reset_key": KEY,
        "tokens": b"cmac",
        **changed,
    }
    return b"".join(
        (
            *(number(1, 9), octets(2, said["scheme"]), number(3, said["config_id"])),
            *(number(4, said["cid_length"]), number(5, len(said["nonce"]))),
            *(number(6, said["server_use"]), number(7, said["self_encoded"])),
            *(octets(8, said["server_id"]), octets(9, said["key"]), octets(10, said["nonce"])),
            *(number(11, said["count"]), octets(12, said["permutation"])),
            *(octets(13, said["reset_key"]), octets(14, said["tokens"])),
        )
    )


@pytest.mark.parametrize("vector", DRAFT["encrypted"], ids=lambda vector: vector["row"])
def test_encrypted_cids(vector: dict[str, Any]) -> None:
    cid = bytes.fromhex(vector["cid"])
    changed = {
        "config_id": vector["configId"],
        "cid_length": len(cid),
        "nonce": bytes.fromhex(vector["nonce"]),
        "server_id": bytes.fromhex(vector["sid"]),
        "key": bytes.fromhex(vector["key"]),
        "self_encoded": int(vector["lengthSelfEncoded"]),
    }
    minted, _ = LocalMinter(read_lease(message(**changed))).mint()
    assert minted[1:] == cid[1:]
    assert minted[0] == cid[0] or not vector["lengthSelfEncoded"]


@pytest.mark.parametrize("vector", OURS["permutation"])
def test_nonces(vector: dict[str, Any]) -> None:
    counter = bytes.fromhex(vector["counter"])
    made = feistel(Aes(bytes.fromhex(vector["key"])), counter, 8)
    assert made == bytes.fromhex(vector["nonce"])


@pytest.mark.parametrize("vector", OURS["resetToken"])
def test_reset_tokens(vector: dict[str, Any]) -> None:
    key, cid = bytes.fromhex(vector["resetKey"]), bytes.fromhex(vector["cid"])
    assert reset_token("cmac", key, cid) == bytes.fromhex(vector["token"])


def test_no_cid_comes_twice_and_the_lease_ends() -> None:
    lease = read_lease(message(key=b"", permutation=KEY, nonce=b"\xff" * 8, server_use=1))
    minter = LocalMinter(lease, b"\x5a")
    made = [minter.mint() for _ in range(300)]
    assert len({cid for cid, _ in made}) == 300
    assert {cid[-1] for cid, _ in made} == {0x5A}
    assert minter.left == 0
    with pytest.raises(LeaseExhaustedError):
        minter.mint()


@pytest.mark.parametrize(("config", "version"), [(2, 1), (4, 2), (6, 3)])
def test_katran(config: int, version: int) -> None:
    length = {1: 2, 2: 3, 3: 4}[version]
    lease = read_lease(
        message(
            scheme=b"katran",
            config_id=config,
            key=b"",
            permutation=KEY,
            nonce=bytes(5),
            server_id=b"\x04\x02\x00\x00"[:length],
        )
    )
    cid, _ = LocalMinter(lease).mint()
    assert cid[0] >> 6 == version
    assert len(cid) == 1 + length + 5
    if version == 1:
        assert int.from_bytes(cid[:3]) >> 6 & 0xFFFF == 0x0402
    else:
        assert cid[1 : 1 + length] == b"\x04\x02\x00\x00"[:length]


@pytest.mark.parametrize(
    "changed",
    [
        {"scheme": b"new"},
        {"key": b"short"},
        {"reset_key": b""},
        {"tokens": b"md5"},
        {"nonce": b""},
        {"config_id": 7},
    ],
)
def test_leases_that_cannot_be_used(changed: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        read_lease(message(**changed))


def test_server_use_for_which_there_is_no_room() -> None:
    with pytest.raises(ArgumentError):
        LocalMinter(read_lease(message()), b"a")


def test_keys_are_not_shown() -> None:
    assert "key=" not in repr(read_lease(message()))


def test_a_lease_of_the_sidecar(tmp_path: Path) -> None:
    def script(call: Call) -> None:
        method = call.headers[":path"].rpartition("/")[2]
        answers = {
            "LeaseNonces": message(),
            "ExportResetKeys": octets(1, number(1, 3) + octets(2, KEY)) + octets(2, b"cmac"),
        }
        call.respond()
        call.data(framed(answers[method]))
        call.trailers(("grpc-status", "0"))

    async def main() -> None:
        pool = CidPool(socket=tmp_path / "s")
        async with scripted_sidecar(tmp_path / "s", script):
            lease = await lease_nonces(pool, 1000)
            assert (lease.count, lease.generation) == (300, 9)
            [key], kind = await export_reset_keys(pool)
            assert (key.config_id, key.key, kind) == (3, KEY, "cmac")
        with pytest.raises(ArgumentError):
            await lease_nonces(pool, 0)

    asyncio.run(main())


def test_a_lease_that_is_refused(tmp_path: Path) -> None:
    def script(call: Call) -> None:
        call.trailers_only(("grpc-status", "7"), ("grpc-message", "runs without a flag"))

    async def main() -> None:
        pool = CidPool(socket=tmp_path / "s")
        async with scripted_sidecar(tmp_path / "s", script):
            with pytest.raises(SidecarUnavailableError, match="LeaseNonces: runs without"):
                await lease_nonces(pool, 1000)
        (tmp_path / "s").unlink(missing_ok=True)
        with pytest.raises(SidecarUnavailableError, match="ENOENT"):
            await lease_nonces(pool, 1000)

    asyncio.run(main())


def test_a_child_that_was_forked_mints_nothing() -> None:
    minter = LocalMinter(read_lease(message()))
    left = minter.left
    child = os.fork()
    if child == 0:
        os._exit(1 if minter.left else 0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert minter.left == left > 0
