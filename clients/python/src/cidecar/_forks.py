# SPDX-License-Identifier: Apache-2.0
"""What a child that was forked must not share with its parent: CIDs, of which each is used once."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Supply(Protocol):
    """Has CIDs that only one process may give out."""

    def forget_supply(self) -> None:
        """Called in a child that was forked: what was in hand belongs to the parent."""


_supplies: weakref.WeakSet[Supply] = weakref.WeakSet()


def belongs_to_this_process(supply: Supply) -> None:
    """Has ``supply`` told when it finds itself in a child that was forked."""
    _supplies.add(supply)


def _forget() -> None:
    for supply in list(_supplies):
        supply.forget_supply()


os.register_at_fork(after_in_child=_forget)
