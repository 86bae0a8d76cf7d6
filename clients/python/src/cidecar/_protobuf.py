# SPDX-License-Identifier: Apache-2.0
"""Reading and writing of protobuf messages, as far as those of the sidecar need it."""

from __future__ import annotations

from collections.abc import Iterator

from .errors import ContractError

VARINT = 0
FIXED64 = 1
BYTES = 2
FIXED32 = 5

_MAX_UINT64 = (1 << 64) - 1
_FIXED_LENGTH = {FIXED64: 8, FIXED32: 4}
_HIGHEST_FIELD = (1 << 29) - 1


def varint(value: int) -> bytes:
    """A number from 0 to 2^64 - 1."""
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A field with a number or a bool. 0 is the default, and left out."""
    return varint(field << 3 | VARINT) + varint(value) if value else b""


def octets(field: int, value: bytes, *, even_empty: bool = False) -> bytes:
    """A field with octets, a text or a message.

    ``even_empty`` is for fields that say something by being there.
    """
    if not value and not even_empty:
        return b""
    return varint(field << 3 | BYTES) + varint(len(value)) + value


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at``, and where it ends. Raises ContractError where there is none."""
    value = shift = 0
    while at < len(data) and shift < 70:
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value & _MAX_UINT64, at
        shift += 7
    raise ContractError("a message of the sidecar has a number without an end")


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: numbers as ``int``, all else as ``bytes``.

    Raises ContractError where the octets are no message.
    """
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        field, wire_type = tag >> 3, tag & 7
        if not 1 <= field <= _HIGHEST_FIELD:
            raise ContractError(f"a message of the sidecar has the field {field}, which is none")
        if wire_type == VARINT:
            value, at = read_varint(data, at)
            yield field, value
            continue
        if wire_type == BYTES:
            length, at = read_varint(data, at)
        elif wire_type in _FIXED_LENGTH:
            length = _FIXED_LENGTH[wire_type]
        else:
            raise ContractError(f"a message of the sidecar has a field of wire type {wire_type}")
        if length > len(data) - at:
            raise ContractError("a message of the sidecar ends within a field")
        yield field, data[at : at + length]
        at += length


class Fields:
    """The fields of a message by their numbers.

    Of several with one number the last counts, except in ``all``. A field of another wire type than
    is asked for counts as one that is unknown, as in other implementations.
    """

    __slots__ = ("_all", "_last")

    def __init__(self, data: bytes) -> None:
        """Raises ContractError where the octets are no message."""
        self._all = list(fields(data))
        self._last: dict[int, int | bytes] = dict(self._all)

    def number(self, field: int) -> int:
        value = self._last.get(field, 0)
        return value if isinstance(value, int) else 0

    def uint32(self, field: int) -> int:
        return self.number(field) & 0xFFFFFFFF

    def int64(self, field: int) -> int:
        value = self.number(field)
        return value - (1 << 64) if value >> 63 else value

    def flag(self, field: int) -> bool:
        return self.number(field) != 0

    def octets(self, field: int) -> bytes:
        value = self._last.get(field, b"")
        return value if isinstance(value, bytes) else b""

    def text(self, field: int) -> str:
        return self.octets(field).decode("utf-8", "replace")

    def message(self, field: int) -> Fields | None:
        """None where the field is left out."""
        value = self._last.get(field)
        return Fields(value) if isinstance(value, bytes) else None

    def all(self, field: int) -> list[bytes]:
        return [
            value for number, value in self._all if number == field and isinstance(value, bytes)
        ]

    def last_of(self, among: range) -> tuple[int, bytes] | None:
        """The last field with one of these numbers that holds octets: what a oneof says."""
        for number, value in reversed(self._all):
            if number in among and isinstance(value, bytes):
                return number, value
        return None
