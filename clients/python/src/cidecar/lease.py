# SPDX-License-Identifier: Apache-2.0
"""Minting of CIDs in the process, from a lease of the sidecar (docs/sidecar.md).

Needs ``cryptography`` (``cidecar[lease]``), and a sidecar that runs with --allow-key-export. Each
process takes a lease of its own; counters that it does not use are lost.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from ._forks import belongs_to_this_process
from ._grpc_call import call
from ._messages import TOKEN_LENGTH
from ._protobuf import Fields, number
from .errors import ArgumentError, ContractError, LeaseExhaustedError
from .pool import CidPool

MOST_NONCES = 1 << 24
_PERMUTATION_PASSES = 8
_CID_PASSES = 4


@dataclass(frozen=True, slots=True)
class Lease:
    """Counters of this process alone, and what makes CIDs of them. Holds keys."""

    generation: int
    """As in ``CidPool.generation``: when that is another, the lease is void for good."""
    scheme: str
    config_id: int
    cid_length: int
    nonce_length: int
    server_use_length: int
    length_self_encoded: bool
    server_id: bytes
    key: bytes = field(repr=False)
    first_counter: bytes = field(repr=False)
    count: int
    permutation_key: bytes = field(repr=False)
    reset_key: bytes = field(repr=False)
    reset_tokens: str


@dataclass(frozen=True, slots=True)
class ResetKey:
    """The key of the reset tokens of a config; 7 stands for 0b111 CIDs."""

    config_id: int
    key: bytes = field(repr=False)


async def lease_nonces(pool: CidPool, count: int) -> Lease:
    """Leases up to ``count`` nonces, 1 to 2^24; the sidecar may give fewer.

    Raises ArgumentError; SidecarUnavailableError where the sidecar refuses (LEASE_REFUSED: it runs
    without --allow-key-export) or cannot be reached within 10 s; ContractError.
    """
    if not 1 <= count <= MOST_NONCES:
        raise ArgumentError(f"count is {count}; it goes from 1 to {MOST_NONCES}")
    base = pool.generations.base  # A lease of before the sidecar lost its state stays so.
    lease = read_lease(await call("LeaseNonces", pool.target, number(1, count)))
    return replace(lease, generation=base + lease.generation)


async def export_reset_keys(pool: CidPool) -> tuple[list[ResetKey], str]:
    """The reset keys of all live configs, and how tokens are made: "cmac" or "hmac-sha256".

    For stacks that make tokens themselves. With a key that servers share such a stack is a reset
    oracle (docs/sidecar.md). Raises as ``lease_nonces``.
    """
    said = Fields(await call("ExportResetKeys", pool.target, b""))
    keys = [Fields(each) for each in said.all(1)]
    return [ResetKey(each.uint32(1), each.octets(2)) for each in keys], said.text(2)


def read_lease(message: bytes) -> Lease:
    """A LeaseNoncesResponse. Raises ContractError where it cannot be used."""
    said = Fields(message)
    lease = Lease(
        generation=said.number(1),
        scheme=said.text(2),
        config_id=said.uint32(3),
        cid_length=said.uint32(4),
        nonce_length=said.uint32(5),
        server_use_length=said.uint32(6),
        length_self_encoded=said.flag(7),
        server_id=said.octets(8),
        key=said.octets(9),
        first_counter=said.octets(10),
        count=said.uint32(11),
        permutation_key=said.octets(12),
        reset_key=said.octets(13),
        reset_tokens=said.text(14),
    )
    lengths = {len(lease.key), len(lease.permutation_key)} <= {0, 16}
    if not lengths or len(lease.reset_key) != 16 or lease.reset_tokens not in _TOKENS:
        raise ContractError("a lease has a key of another kind than this client knows")
    if not 1 <= lease.nonce_length <= 18 or len(lease.first_counter) != lease.nonce_length:
        raise ContractError("a lease has a counter of another length than it says")
    if lease.scheme not in _SCHEMES or not 0 <= lease.config_id <= 6:
        raise ContractError(f"a lease of the scheme {lease.scheme!r}, which this client lacks")
    return lease


class LocalMinter:
    """Makes the CIDs of a lease, one after the other; none in a child of ``os.fork()``."""

    def __init__(self, lease: Lease, server_use: bytes = b"") -> None:
        """``server_use`` is what the server-use octets begin with; the others are random.

        Raises ArgumentError where the config has no room for it.
        """
        if len(server_use) > lease.server_use_length:
            raise ArgumentError(f"the config has room for {lease.server_use_length} octets")
        self._lease = lease
        self._server_use = bytes(server_use)
        self._first = int.from_bytes(lease.first_counter, "big")
        self._modulus = 1 << (8 * lease.nonce_length)
        self._taken = 0
        belongs_to_this_process(self)
        self._key = Aes(lease.key) if lease.key else None
        self._permutation = Aes(lease.permutation_key) if lease.permutation_key else None

    def forget_supply(self) -> None:
        """:meta private:"""
        self._taken = self._lease.count

    @property
    def left(self) -> int:
        """How many CIDs can still be made."""
        return self._lease.count - self._taken

    def mint(self) -> tuple[bytes, bytes]:
        """A CID and its reset token. Raises LeaseExhaustedError when every counter was used."""
        if self.left <= 0:
            raise LeaseExhaustedError("every counter of the lease was used")
        counter = (self._first + self._taken) % self._modulus
        self._taken += 1
        nonce = counter.to_bytes(self._lease.nonce_length, "big")
        if self._permutation is not None:
            nonce = feistel(self._permutation, nonce, _PERMUTATION_PASSES)
        cid = self._katran(nonce) if self._lease.scheme == "katran" else self._quic_lb(nonce)
        return cid, reset_token(self._lease.reset_tokens, self._lease.reset_key, cid)

    def _quic_lb(self, nonce: bytes) -> bytes:
        lease = self._lease
        low = lease.cid_length - 1 if lease.length_self_encoded else os.urandom(1)[0] & 0x1F
        plain = lease.server_id + nonce
        use = self._server_use + os.urandom(lease.server_use_length - len(self._server_use))
        return bytes([lease.config_id << 5 | low]) + self._encrypt(plain) + use

    def _encrypt(self, plain: bytes) -> bytes:
        if self._key is None:
            return plain
        if len(plain) == 16:
            return self._key.block(plain)
        return feistel(self._key, plain, _CID_PASSES)

    def _katran(self, nonce: bytes) -> bytes:
        version = self._lease.config_id // 2
        spare = os.urandom(1)[0] & 0x3F
        if version != 1:
            return bytes([version << 6 | spare]) + self._lease.server_id + nonce
        # Two bits of version, the host ID, the nonce, and six spare bits.
        rest = self._lease.server_id + nonce
        whole = 1 << (8 * len(rest) + 6) | int.from_bytes(rest, "big") << 6 | spare
        return whole.to_bytes(len(rest) + 1, "big")


class Aes:
    """AES-128 of single blocks."""

    def __init__(self, key: bytes) -> None:
        # A block cipher alone is what the draft asks for.
        self._encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305

    def block(self, block: bytes) -> bytes:
        return self._encryptor.update(block)


def feistel(key: Aes, text: bytes, passes: int) -> bytes:
    """draft-ietf-quic-load-balancers-22, "Four-Pass Encryption", with any number of passes.

    ``text`` has 2 to 19 octets. With an odd number the halves share the middle octet.
    """
    length = len(text)
    bits = 4 * length
    half = (length + 1) // 2
    mask = (1 << bits) - 1
    odd = length % 2
    whole = int.from_bytes(text, "big")
    left, right = whole >> bits, whole & mask
    for turn in range(1, passes + 1):
        # With an odd length, the left half has four bits of zero at its end, and the right one at
        # its beginning.
        said = (left << 4 * odd if turn % 2 else right).to_bytes(half, "big")
        block = said + bytes(14 - half) + bytes([length, turn])
        stream = int.from_bytes(key.block(block)[:half], "big")
        if turn % 2:
            right ^= stream & mask
        else:
            left ^= stream >> 4 * odd
    return (left << bits | right).to_bytes(length, "big")


def _cmac(key: bytes, cid: bytes) -> bytes:
    code = CMAC(algorithms.AES(key))
    code.update(cid)
    return code.finalize()


def _hmac(key: bytes, cid: bytes) -> bytes:
    return hmac.digest(key, cid, "sha256")[:TOKEN_LENGTH]


_TOKENS: dict[str, Callable[[bytes, bytes], bytes]] = {"cmac": _cmac, "hmac-sha256": _hmac}
_SCHEMES = ("quic-lb", "katran")


def reset_token(kind: str, key: bytes, cid: bytes) -> bytes:
    """The token, 16 octets, of a CID under a reset key of 16 octets."""
    return _TOKENS[kind](key, cid)
