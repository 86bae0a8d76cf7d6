# SPDX-License-Identifier: Apache-2.0
"""The messages of a Session, as proto/cidecar/v1/sidecar.proto has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ._protobuf import Fields, number, octets
from .errors import ContractError

TOKEN_LENGTH = 16
"""Octets of a stateless reset token."""


@dataclass(frozen=True, slots=True)
class Minting:
    """What is issued from here on."""

    number: int
    generation: int
    makes_void: bool
    routable: bool
    reason: str
    zero_host_id: bool
    reset_tokens: str
    server_use_length: int


@dataclass(frozen=True, slots=True)
class Hello:
    """What a server has to know before it accepts its first connection."""

    cid_length: int
    minting: Minting
    lifetime_ms: int
    credit_limit: int
    question_limit: int
    key_export: bool
    server_name: str
    pool_name: str
    version: str


@dataclass(frozen=True, slots=True)
class Batch:
    """``count`` CIDs of ``cid_length`` octets and their tokens, packed."""

    cids: bytes
    tokens: bytes
    count: int
    cid_length: int
    generation: int
    routable: bool


@dataclass(frozen=True, slots=True)
class ReissueOrder:
    """An order as it comes from the sidecar."""

    through_generation: int
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Alive:
    """Nothing has changed."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a question has no other answer."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """To the question of this number. ``result`` is None where it is of a kind unknown here."""

    number: int
    result: bytes | bool | Refusal | None


Message = Hello | Batch | Minting | ReissueOrder | Alive | Answer


def read_response(data: bytes) -> Message | None:
    """A SessionResponse; None where its event is one of a later release.

    Raises ContractError where the octets are no such message.
    """
    event = Fields(data).last_of(range(1, 7))
    if event is None:
        return None
    field, value = event
    said = Fields(value)
    match field:
        case 1:
            return _hello(said)
        case 2:
            return _batch(said)
        case 3:
            return _minting(said)
        case 4:
            return ReissueOrder(said.number(1), _moment(said.message(2)))
        case 5:
            return Alive()
        case _:
            return _answer(said)


def _hello(said: Fields) -> Hello:
    minting = said.message(2)
    if minting is None:
        raise ContractError("the hello of the sidecar does not say what is minted")
    return Hello(
        cid_length=said.uint32(1),
        minting=_minting(minting),
        lifetime_ms=said.uint32(3),
        credit_limit=said.uint32(5),
        question_limit=said.uint32(7),
        key_export=said.flag(8),
        server_name=said.text(9),
        pool_name=said.text(10),
        version=said.text(11),
    )


def _batch(said: Fields) -> Batch:
    return Batch(
        cids=said.octets(1),
        tokens=said.octets(2),
        count=said.uint32(3),
        cid_length=said.uint32(4),
        generation=said.number(6),
        routable=said.flag(7),
    )


def _minting(said: Fields) -> Minting:
    return Minting(
        number=said.number(1),
        generation=said.number(2),
        makes_void=said.flag(3),
        routable=said.flag(5),
        reason=said.text(6),
        zero_host_id=said.flag(7),
        reset_tokens=said.text(8),
        server_use_length=said.uint32(9),
    )


def _answer(said: Fields) -> Answer:
    if said.message(4) is not None:
        refusal = Fields(said.octets(4))
        return Answer(said.number(1), Refusal(refusal.text(1), refusal.text(2)))
    if said.octets(2):
        if len(said.octets(2)) != TOKEN_LENGTH:
            raise ContractError(f"a reset token of {len(said.octets(2))} octets")
        return Answer(said.number(1), said.octets(2))
    # false is the default, and may be left out by encoders that know no oneof.
    return Answer(said.number(1), said.flag(3))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


def _moment(said: Fields | None) -> datetime:
    """A Timestamp, within the years that ``datetime`` has; now where it is left out."""
    if said is None:
        return datetime.now(UTC)
    seconds = said.int64(1)
    if seconds < 0:
        return _EARLIEST
    if seconds >= (_LATEST - _EPOCH).total_seconds():
        return _LATEST
    return _EPOCH + timedelta(seconds=seconds, microseconds=(said.uint32(2) % 10**9) // 1000)


@dataclass(frozen=True, slots=True)
class Introduction:
    """Who a client is; stays the same for the life of a pool."""

    client_name: str
    instance: bytes
    server_use: bytes | None
    can_retire: bool


def write_open(who: Introduction, known_generation: int, oldest_generation: int) -> bytes:
    """A SessionRequest with nothing but ``open``: the first of a Session."""
    said = b"".join(
        (
            octets(1, who.client_name.encode("ascii")),
            octets(2, who.instance),
            b"" if who.server_use is None else octets(3, who.server_use, even_empty=True),
            number(4, known_generation),
            number(5, oldest_generation),
            number(6, int(who.can_retire)),
        )
    )
    return octets(1, said, even_empty=True)


def write_request(
    *, credit: int = 0, held: Mapping[int, int] | None = None, acknowledged: int = 0
) -> bytes:
    """A SessionRequest. ``held`` has numbers of connections by generation."""
    said = number(2, credit)
    if held is not None:
        each = (octets(1, number(1, g) + number(2, n), even_empty=True) for g, n in held.items())
        said += octets(3, b"".join(each), even_empty=True)
    return said + number(4, acknowledged)


def write_question(
    question: int, *, reset_token_of: bytes | None = None, own: bytes | None = None
) -> bytes:
    """A SessionRequest with one question."""
    about = (
        octets(3, own, even_empty=True)
        if own is not None
        else octets(2, reset_token_of or b"", even_empty=True)
    )
    return octets(5, number(1, question) + about)
