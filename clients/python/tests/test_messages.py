# SPDX-License-Identifier: Apache-2.0
"""Messages, those of a hostile sidecar above all."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from cidecar import ContractError
from cidecar._messages import (
    Alive,
    Answer,
    Batch,
    Hello,
    Introduction,
    Minting,
    Refusal,
    ReissueOrder,
    read_response,
    write_open,
    write_question,
    write_request,
)
from cidecar._protobuf import Fields, number, octets, read_varint, varint


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32 - 1, 2**64 - 1])
def test_numbers_come_back(value: int) -> None:
    assert read_varint(varint(value), 0) == (value, len(varint(value)))


def test_a_hello() -> None:
    minting = number(1, 1) + number(2, 7) + number(3, 1) + number(5, 1) + octets(8, b"cmac")
    hello = (
        number(1, 12) + octets(2, minting) + number(3, 60_000) + number(5, 65_536) + number(7, 64)
    )
    said = read_response(octets(1, hello + octets(9, b"web-1")))
    assert isinstance(said, Hello)
    assert (said.cid_length, said.lifetime_ms, said.question_limit) == (12, 60_000, 64)
    assert said.server_name == "web-1"
    assert said.minting == Minting(1, 7, True, True, "", False, "cmac", 0)


def test_a_batch() -> None:
    batch = octets(1, bytes(24)) + octets(2, bytes(32)) + number(3, 2) + number(4, 12)
    said = read_response(octets(2, batch + number(6, 9) + number(7, 1)))
    assert said == Batch(bytes(24), bytes(32), 2, 12, 9, True)


@pytest.mark.parametrize(
    ("seconds", "moment"),
    [
        (1_000_000_000, datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)),
        (2**64 - 5, datetime(1970, 1, 1, tzinfo=UTC)),
        (2**62, datetime(9999, 1, 1, tzinfo=UTC)),
    ],
)
def test_deadlines_that_no_clock_has(seconds: int, moment: datetime) -> None:
    order = number(1, 4) + octets(2, number(1, seconds))
    assert read_response(octets(4, order)) == ReissueOrder(4, moment)


def test_answers() -> None:
    token = bytes(range(16))
    assert read_response(octets(6, number(1, 3) + octets(2, token))) == Answer(3, token)
    assert read_response(octets(6, number(1, 3) + number(3, 1))) == Answer(3, True)
    assert read_response(octets(6, number(1, 3) + b"\x18\x00")) == Answer(3, False)
    refusal = octets(4, octets(1, b"FOREIGN_CID") + octets(2, b"no"))
    assert read_response(octets(6, number(1, 3) + refusal)) == Answer(
        3, Refusal("FOREIGN_CID", "no")
    )


def test_what_a_later_release_says_is_passed_over() -> None:
    assert read_response(octets(5, number(99, 1) + octets(77, b"new"), even_empty=True)) == Alive()
    assert read_response(octets(19, b"new")) is None


@pytest.mark.parametrize(
    "hostile",
    [
        b"\xff",  # a tag without an end
        b"\xff" * 11,  # and a number without one
        b"\x08" + b"\x80" * 10 + b"\x00",  # one of eleven
        b"\x00",  # field 0
        b"\x0b\x0c",  # a group
        b"\x0a\x05ab",  # a length beyond the end
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a length of 2^64 - 1
        b"\x09\x00",  # a fixed64 that is cut off
        octets(1, number(1, 12)),  # a hello that does not say what is minted
        octets(6, octets(2, b"short")),  # a token of five octets
    ],
)
def test_hostile_messages(hostile: bytes) -> None:
    with pytest.raises(ContractError):
        read_response(hostile)


def test_any_octets_are_a_message_or_a_fault() -> None:
    source = random.Random(7)
    whole = octets(2, octets(1, bytes(24)) + number(3, 2) + number(4, 12))
    for _ in range(20_000):
        octets_ = bytearray(whole if source.random() < 0.5 else source.randbytes(40))
        for _ in range(source.randrange(4)):
            octets_[source.randrange(len(octets_))] = source.randrange(256)
        try:
            read_response(bytes(octets_[: source.randrange(1, len(octets_) + 1)]))
        except ContractError:
            continue


def test_fields_of_another_type_count_as_unknown() -> None:
    said = Fields(octets(1, b"text") + number(2, 5))
    assert said.number(1) == 0
    assert said.octets(2) == b""


def test_the_first_message() -> None:
    who = Introduction("me/1", bytes(16), b"\x05", can_retire=True)
    said = Fields(Fields(write_open(who, 9, 8)).octets(1))
    assert (said.text(1), said.octets(2), said.octets(3)) == ("me/1", bytes(16), b"\x05")
    assert (said.number(4), said.number(5), said.flag(6)) == (9, 8, True)


def test_held_with_nobody_is_said_too() -> None:
    assert write_request(held={}) == b"\x1a\x00"
    assert write_request(credit=5, held={0: 4}, acknowledged=2) == bytes.fromhex(
        "10051a040a0210042002"
    )
    assert write_request() == b""


def test_questions() -> None:
    assert write_question(1, reset_token_of=b"ab") == bytes.fromhex("2a060801120261 62")
    assert write_question(1, own=b"ab") == bytes.fromhex("2a0608011a026162")
