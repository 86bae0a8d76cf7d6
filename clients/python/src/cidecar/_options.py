# SPDX-License-Identifier: Apache-2.0
"""What a pool is told when it is made."""

from __future__ import annotations

import math
import os
import re

from ._failover_cids import LONGEST, SHORTEST
from ._messages import Introduction
from .errors import ArgumentError, ContractError

CREDIT_LIMIT = 65_536
"""The most CIDs that a sidecar sends ahead."""
INSTANCE_LENGTH = 16
LONGEST_SERVER_USE = 14


def read_levels(low_water: int | None, high_water: int) -> tuple[int, int]:
    """Raises ArgumentError."""
    low = math.ceil(high_water / 2) if low_water is None else low_water
    if 1 <= low <= high_water <= CREDIT_LIMIT:
        return low, high_water
    raise ArgumentError(
        f"low_water {low} and high_water {high_water}: "
        f"1 <= low_water <= high_water <= {CREDIT_LIMIT}"
    )


def read_introduction(name: str, server_use: bytes | None, can_retire: bool) -> Introduction:
    """Raises ArgumentError."""
    if not re.fullmatch(r"[ -~]{0,64}", name):
        raise ArgumentError("client_name is not 0 to 64 octets of printable ASCII")
    if server_use is not None and not 1 <= len(server_use) <= LONGEST_SERVER_USE:
        raise ArgumentError(
            f"server_use has {len(server_use)} octets; it may have 1 to {LONGEST_SERVER_USE}"
        )
    octets = None if server_use is None else bytes(server_use)
    return Introduction(name, os.urandom(INSTANCE_LENGTH), octets, can_retire)


def check_length(said: int, known: int | None) -> None:
    """Raises ContractError where CIDs of ``said`` octets cannot be used by this server.

    ``known`` is the length that the server began with.
    """
    if known is not None and said != known:
        raise ContractError(
            f"the sidecar's CIDs have {said} octets, this server's {known}: restart the server",
            code="CONFIG_UNUSABLE",
        )
    if not SHORTEST <= said <= LONGEST:
        raise ContractError(
            f"CIDs of {said} octets: 0b111 ones of that length cannot be made",
            code="CONFIG_UNUSABLE",
        )
