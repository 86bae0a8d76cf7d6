# SPDX-License-Identifier: Apache-2.0
# Long because taking and filling are two sides of the same numbers.
"""What a pool has in hand: how CIDs come into it, become void, and are given out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace

from ._batch_queue import BatchQueue, PooledCid
from ._failover_cids import FailoverCids
from ._forks import belongs_to_this_process
from ._freshness import Freshness
from ._generations import Generations
from ._messages import TOKEN_LENGTH, Batch, Hello, Minting, ReissueOrder
from ._options import CREDIT_LIMIT, check_length
from ._refusal import Reasons
from ._reissue_orders import ReissueOrders
from .errors import CidecarError, ContractError, SidecarUnavailableError
from .events import Disconnected, Dry, PoolEvent, Recovered, Stale, Trouble

_log = logging.getLogger("cidecar")
_LEVELS = {Trouble: logging.WARNING, Disconnected: logging.WARNING, Stale: logging.WARNING}

Listener = Callable[[PoolEvent], object]

_LOOKS = 8
_SHORTEST_BETWEEN_LOOKS = 0.02
_LONGEST_BETWEEN_LOOKS = 1.0


class CidStock:
    """The base of a pool, without the Session that fills it.

    A base rather than a part, since ``take`` is called for each CID and another call would cost as
    much as the CID itself.
    """

    def __init__(
        self, levels: tuple[int, int], cid_length: int | None, clock: Callable[[], float]
    ) -> None:
        """``levels`` are low and high water, ``clock`` gives seconds."""
        self._low_water, self._high_water = levels
        self._cid_length = cid_length
        self._clock = clock
        self._freshness = Freshness(clock)
        self._queue = BatchQueue()
        self._cut: list[PooledCid] = []
        self._level = 0
        self._outstanding = 0
        self._most = self._high_water
        self._ask_below = 0
        self.generations = Generations()
        """:meta private:"""
        self._zero_host_id = False
        self._failover: FailoverCids | None = None
        self._orders = ReissueOrders()
        self._reasons = Reasons(lambda error: self._tell(Trouble(error)))
        self._listeners: list[Listener] = []
        self._look: asyncio.TimerHandle | None = None
        self._came = asyncio.Event()
        self._dry = False
        self._stale = False
        self._received = 0
        self._dropped = 0
        self._made = 0
        belongs_to_this_process(self)

    @property
    def cid_length(self) -> int:
        """Octets of every CID. Raises SidecarUnavailableError before the first hello."""
        if self._cid_length is None:
            raise self._unavailable("the CID length is not known: await ready() first")
        return self._cid_length

    @property
    def generation(self) -> int:
        """That of the CIDs that are issued now; it grows when earlier ones become void.

        The pool counts on where the sidecar lost its state and began anew: no number comes twice.
        """
        return self.generations.present

    def take(self) -> PooledCid:
        """A CID that was never given before. Never waits.

        Raises SidecarUnavailableError only while the CID length is unknown. A 0b111 CID comes again
        only where all of its form were made in this process (16 million where three octets are
        free): the oldest first, which ``Trouble`` tells.
        """
        if self._clock() > self._freshness.until:
            self._fall_stale()
            return self._take_failover()
        if not self._cut and not self._cut_more():
            self._ask()
            return self._take_failover()
        self._level -= 1
        if self._level < self._ask_below:
            self._ask()
        return self._cut.pop()

    def take_routable(self) -> PooledCid | None:
        """A routable CID for a connection that has one already; None where there is none.

        Such a connection is never given a 0b111 CID: it keeps what it has, and asks again after
        ``Recovered``.
        """
        if self._freshness.passed:
            self._fall_stale()
            return None
        if self._next_is_routable:
            return self.take()
        self._ask()
        self._fall_dry()
        return None

    def retry_source_cid(self) -> bytes:
        """The Source CID for a Retry packet, which costs no CID of the pool.

        Balancers send what it comes back on by the 4-tuple, as they did the first packet. Raises
        SidecarUnavailableError while the CID length is unknown.
        """
        return self._failover_cids().random_cid()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls ``listener`` with each event; returns what ends that.

        It is called within ``take()`` and within the handling of messages, so it must not wait.
        What it raises is logged.
        """
        self._listeners.append(listener)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return unsubscribe

    # Taking.

    def _cut_more(self) -> bool:
        cut = self._cut = self._queue.cut()
        if cut and cut[0].routable:
            self._orders.took(cut[0].generation)
        return bool(cut)

    @property
    def _next_is_routable(self) -> bool:
        return self._cut[-1].routable if self._cut else self._queue.next_is_routable

    def _take_failover(self) -> PooledCid:
        failover = self._failover_cids()
        self._fall_dry()
        self._made += 1
        cid, token, began_again = failover.make()
        if began_again:
            message = f"all 0b111 CIDs of {len(cid)} octets were made; the oldest are used again"
            self._tell(Trouble(CidecarError(message, code="NONCES_EXHAUSTED")))
        return PooledCid(cid, token, False, self.generation)

    def _failover_cids(self) -> FailoverCids:
        if self._failover is None:
            self._failover = FailoverCids(self.cid_length, self._zero_host_id)
        return self._failover

    def _fall_dry(self) -> None:
        if not self._dry:
            self._dry = True
            self._tell(Dry())

    # The CIDs stay in the pool: they are good again if it turns out that nothing has changed.
    def _fall_stale(self) -> None:
        if self._stale:
            return
        self._stale = True
        silence = f"nothing was heard from the sidecar for {self._freshness.silence:.1f} s"
        self._tell(Stale(self._unavailable(silence)))
        self._fall_dry()

    def _look_at_clock(self) -> None:
        if self._freshness.passed:
            self._fall_stale()
        pause = min(
            max(self._freshness.lifetime / _LOOKS, _SHORTEST_BETWEEN_LOOKS), _LONGEST_BETWEEN_LOOKS
        )
        self._look = asyncio.get_running_loop().call_later(pause, self._look_at_clock)

    def _have_cids(self) -> None:
        self._came.set()
        if self._dry and self._next_is_routable:
            self._dry = False
            self._tell(Recovered())

    # Asking.

    def _ask(self) -> None:
        if self._level >= self._ask_below:
            return
        credit = self._room()
        if credit > 0 and self._send_credit(credit):
            self._expect(credit)

    def _send_credit(self, credit: int) -> bool:
        """Asks the sidecar for so many CIDs more; False where there is no Session."""
        raise NotImplementedError

    def forget_supply(self) -> None:
        """:meta private:"""
        self._queue = BatchQueue()
        self._cut = []
        self._level = 0
        self._failover = None
        self._forget_credit()

    def _forget_credit(self) -> None:
        """The Session is lost, and what was asked for with it."""
        self._outstanding = 0
        self._ask_below = 0

    def _room(self) -> int:
        return max(0, self._most - self._level - self._outstanding)

    def _expect(self, count: int) -> None:
        """So many more CIDs were asked for; negative where they came."""
        self._outstanding += count
        self._ask_below = min(self._low_water, self._most) - self._outstanding

    # What the sidecar says.

    def _begin(self, hello: Hello) -> None:
        """The server may start. Raises ContractError where CIDs have another length by now."""
        check_length(hello.cid_length, self._cid_length)
        self._cid_length = hello.cid_length
        self._most = min(self._high_water, hello.credit_limit or CREDIT_LIMIT)
        self._freshness.limit(hello.lifetime_ms)
        self._freshness.heard()
        if self._look is not None:
            self._look.cancel()
        self._look = None
        if hello.lifetime_ms:
            self._look_at_clock()

    def voided(self, minting: Minting) -> int:
        """:meta private:"""
        if minting.zero_host_id != self._zero_host_id:
            self._failover = None
        self._zero_host_id = minting.zero_host_id
        if self.generations.begin(minting.generation):
            self._orders.start_anew(self.generations.base, self.generation)
        present = self.generation
        self._queue.keep(lambda each: each.routable and each.generation == present)
        if self._cut and (not self._cut[0].routable or self._cut[0].generation != present):
            self._cut = []
        left = len(self._queue) + len(self._cut)
        self._dropped += self._level - left
        self._level = left
        credit = self._room()
        self._expect(credit)
        return credit

    def heard(self) -> None:
        """:meta private:"""
        was_stale, self._stale = self._stale, False
        self._freshness.heard()
        if was_stale and self._level:
            self._have_cids()
        self._give_reissue()

    def received(self, batch: Batch) -> None:
        """:meta private:"""
        check_length(batch.cid_length, self._cid_length)
        octets = (len(batch.cids), len(batch.tokens))
        if octets != (batch.count * batch.cid_length, batch.count * TOKEN_LENGTH):
            raise ContractError("a batch does not have the octets that it says")
        if not 1 <= batch.count <= self._outstanding:
            raise ContractError(
                f"a batch of {batch.count} CIDs came where {self._outstanding} were asked for"
            )
        self._expect(-batch.count)
        generation = self.generations.to_server(batch.generation)
        if generation != self.generation:
            self._ask()
            return
        self._queue.push(replace(batch, generation=generation))
        self._received += batch.count
        self._level += batch.count
        self._have_cids()
        self._give_reissue()

    def ordered(self, order: ReissueOrder) -> None:
        """:meta private:"""
        through = self.generations.to_server(order.through_generation)
        self._orders.order(through, order.deadline)
        self._give_reissue()

    # A server that obeys at once must not replace void CIDs by void ones, nor routable ones by
    # 0b111 CIDs: an order waits for routable CIDs.
    def _give_reissue(self) -> None:
        if not self._orders.waiting or not self._next_is_routable or self._freshness.passed:
            return
        reissue = self._orders.next(self.generation)
        if reissue is not None:
            self._tell(reissue)

    def _unavailable(self, message: str) -> SidecarUnavailableError:
        last = self._reasons.last
        if last is None:
            return SidecarUnavailableError(message)
        error = SidecarUnavailableError(
            f"{message}: {last}",
            errno=getattr(last, "errno", None),
            path=getattr(last, "path", None),
            status=getattr(last, "status", None),
        )
        error.__cause__ = last
        return error

    def _tell(self, event: PoolEvent) -> None:
        _log.log(_LEVELS.get(type(event), logging.INFO), "%s", event)
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                _log.exception("a listener raised at %s", event)
