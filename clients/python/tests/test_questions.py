# SPDX-License-Identifier: Apache-2.0
"""Questions to the sidecar, which strangers can provoke."""

from __future__ import annotations

import asyncio

import pytest

from cidecar import SidecarUnavailableError, _questions
from cidecar._messages import Answer, Refusal
from cidecar._questions import Questions, ResetTokenQuestions, own_in, token_in

TOKEN = bytes(range(16))


def test_answers_find_their_questions() -> None:
    async def play() -> None:
        questions = Questions(64)
        sent: list[int] = []
        asking = [asyncio.ensure_future(questions.ask(sent.append)) for _ in range(3)]
        await asyncio.sleep(0)
        questions.answered(Answer(sent[2], b"c"))
        questions.answered(Answer(sent[0], True))
        questions.answered(Answer(99, b"nobody asked"))
        questions.answered(Answer(sent[1], Refusal("X", "y")))
        assert await asyncio.gather(*asking) == [True, Refusal("X", "y"), b"c"]

    asyncio.run(play())


def test_questions_fail_when_the_session_is_lost() -> None:
    async def play() -> None:
        questions = Questions(64)
        asking = asyncio.ensure_future(questions.ask(lambda _: None))
        await asyncio.sleep(0)
        questions.lost()
        with pytest.raises(SidecarUnavailableError, match="lost"):
            await asking

    asyncio.run(play())


def test_one_that_was_given_up_still_waits_as_the_sidecar_sees_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_questions, "ANSWER_WITHIN_SECONDS", 0.01)

    async def play() -> None:
        questions = Questions(1)
        sent: list[int] = []
        with pytest.raises(SidecarUnavailableError, match="no answer"):
            await questions.ask(sent.append)
        with pytest.raises(SidecarUnavailableError, match="wait"):
            await questions.ask(sent.append)
        assert len(sent) == 1
        questions.answered(Answer(sent[0], TOKEN))
        with pytest.raises(SidecarUnavailableError, match="no answer"):
            await questions.ask(sent.append)
        assert len(sent) == 2

    asyncio.run(play())


def test_what_is_not_ours_has_no_token() -> None:
    assert token_in(TOKEN) == TOKEN
    for code in ("FOREIGN_CID", "CONFIG_UNKNOWN", "CID_UNKNOWN", "ARGUMENT_INVALID"):
        assert token_in(Refusal(code, "no")) is None
    for cannot_tell in (Refusal("STATE_UNWRITABLE", "later"), None, True):
        with pytest.raises(SidecarUnavailableError):
            token_in(cannot_tell)
    assert own_in(False) is False
    for no_answer in (Refusal("FOREIGN_CID", "no"), None, TOKEN):
        with pytest.raises(SidecarUnavailableError):
            own_in(no_answer)


class Sidecar:
    """Counts what it is asked, and answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.answering = asyncio.Event()
        self.fails = False
        self.now = 0.0
        self.tokens = ResetTokenQuestions(self._ask, lambda: self.now)

    async def _ask(self, cid: bytes) -> bytes | None:
        self.asked.append(cid)
        await self.answering.wait()
        if self.fails:
            raise SidecarUnavailableError("no")
        return TOKEN


def test_an_answer_is_kept_for_ten_seconds() -> None:
    async def play() -> None:
        sidecar = Sidecar()
        both = asyncio.gather(sidecar.tokens.ask(b"a"), sidecar.tokens.ask(b"a"))
        await asyncio.sleep(0)
        sidecar.answering.set()
        assert list(await both) == [TOKEN, TOKEN]
        sidecar.now = 9.9
        await sidecar.tokens.ask(b"a")
        assert sidecar.asked == [b"a"]
        sidecar.now = 10
        await sidecar.tokens.ask(b"a")
        assert sidecar.asked == [b"a", b"a"]

    asyncio.run(play())


def test_what_failed_is_asked_again() -> None:
    async def play() -> None:
        sidecar = Sidecar()
        sidecar.answering.set()
        sidecar.fails = True
        with pytest.raises(SidecarUnavailableError):
            await sidecar.tokens.ask(b"a")
        await asyncio.sleep(0)
        sidecar.fails = False
        assert await sidecar.tokens.ask(b"a") == TOKEN

    asyncio.run(play())


def test_no_more_than_sixteen_wait_at_once_even_where_all_come_at_one_moment() -> None:
    async def play() -> None:
        sidecar = Sidecar()
        asking = [asyncio.ensure_future(sidecar.tokens.ask(bytes([i]))) for i in range(40)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(sidecar.asked) == 16
        sidecar.answering.set()
        results = await asyncio.gather(*asking, return_exceptions=True)
        assert results[:16] == [TOKEN] * 16
        assert all(isinstance(each, SidecarUnavailableError) for each in results[16:])
        assert await sidecar.tokens.ask(b"later") == TOKEN

    asyncio.run(play())


def test_one_who_stops_waiting_leaves_the_answer_to_the_others() -> None:
    async def play() -> None:
        sidecar = Sidecar()
        impatient = asyncio.ensure_future(sidecar.tokens.ask(b"a"))
        patient = asyncio.ensure_future(sidecar.tokens.ask(b"a"))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.sleep(0)
        sidecar.answering.set()
        assert await patient == TOKEN

    asyncio.run(play())


def test_the_memory_for_answers_is_bounded() -> None:
    async def play() -> None:
        sidecar = Sidecar()
        sidecar.answering.set()
        for number in range(1500):
            await sidecar.tokens.ask(number.to_bytes(2, "big"))
        assert len(sidecar.tokens._kept) == 1024

    asyncio.run(play())


def test_a_sidecar_that_says_no_limit_is_asked() -> None:
    async def play() -> None:
        questions = Questions(0)
        asked = asyncio.ensure_future(questions.ask(lambda _: None))
        await asyncio.sleep(0)
        questions.answered(Answer(1, TOKEN))
        assert await asked == TOKEN

    asyncio.run(play())
