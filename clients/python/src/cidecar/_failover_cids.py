# SPDX-License-Identifier: Apache-2.0
"""0b111 CIDs, which balancers send by the 4-tuple: what a pool gives out while it is dry."""

from __future__ import annotations

import os
import secrets
from hashlib import blake2b

from ._messages import TOKEN_LENGTH

SHORTEST = 8
LONGEST = 20
"""Octets of a CID of a server that can fall back to 0b111 CIDs."""

_ZEROES = bytes(4)
_ENOUGH_FOR_CHANCE = 11
"""With so many free octets, random ones do not repeat."""
_ROUNDS = 8


class Permutation:
    """Turns each number below 256^length into another, and no two into one.

    A Feistel network whose halves have the same number of bits; with an odd length they share the
    middle octet. Eight rounds, as for nonces (docs/connection-ids.md): halves can be short.
    """

    def __init__(self, length: int, key: bytes) -> None:
        """``length`` is 1 to 20 octets, ``key`` up to 64."""
        self._bits = 4 * length
        self._octets = (self._bits + 7) // 8
        self._mask = (1 << self._bits) - 1
        self._key = key

    def apply(self, number: int) -> int:
        left, right = number >> self._bits, number & self._mask
        for turn in range(_ROUNDS):
            said = right.to_bytes(self._octets, "big")
            mixed = blake2b(said, digest_size=self._octets, key=self._key, salt=bytes([turn]))
            left, right = right, left ^ (int.from_bytes(mixed.digest(), "big") & self._mask)
        return left << self._bits | right


class Counter:
    """Numbers of ``length`` octets that look random, of which none comes twice in one turn."""

    def __init__(self, length: int) -> None:
        self._size = 1 << (8 * length)
        self._length = length
        self._permutation = Permutation(length, os.urandom(16))
        self._start = secrets.randbelow(self._size)
        self._used = 0

    def next(self) -> tuple[bytes, bool]:
        """The next number, and whether all were used and they begin again with the oldest."""
        began_again = self._used == self._size
        if began_again:
            self._used = 0
        number = self._permutation.apply((self._start + self._used) % self._size)
        self._used += 1
        return number.to_bytes(self._length, "big"), began_again


_counters: dict[tuple[int, bool], Counter] = {}
"""Of the process rather than of a pool: no CID may leave it twice, whichever pool makes it."""

# A child that was forked would make the same CIDs as its parent.
os.register_at_fork(after_in_child=_counters.clear)


class FailoverCids:
    """Makes the 0b111 CIDs of one form, and their tokens.

    The tokens are made with a key that ends with the process, so the sidecar cannot make them again
    and says so if asked.
    """

    def __init__(
        self,
        cid_length: int,
        zero_host_id: bool,
        counters: dict[tuple[int, bool], Counter] | None = None,
    ) -> None:
        """``cid_length`` is 8 to 20 octets; tests pass counters of their own."""
        self._form = (cid_length, zero_host_id)
        self._head = bytes([0xE0 | (cid_length - 1)]) + (_ZEROES if zero_host_id else b"")
        self._free = cid_length - len(self._head)
        self._counters = _counters if counters is None else counters
        self._token_key = os.urandom(16)

    def make(self) -> tuple[bytes, bytes, bool]:
        """A CID, its token, and whether the CIDs of this form begin again from here on."""
        if self._free >= _ENOUGH_FOR_CHANCE:
            body, began_again = os.urandom(self._free), False
        else:
            body, began_again = self._counter().next()
        cid = self._head + body
        token = blake2b(cid, digest_size=TOKEN_LENGTH, key=self._token_key).digest()
        return cid, token, began_again

    def random_cid(self) -> bytes:
        """A CID of the form that is merely random, for the source of a Retry packet."""
        return self._head + os.urandom(self._free)

    def _counter(self) -> Counter:
        counter = self._counters.get(self._form)
        if counter is None:
            counter = self._counters[self._form] = Counter(self._free)
        return counter
