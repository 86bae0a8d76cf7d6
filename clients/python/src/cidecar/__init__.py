# SPDX-License-Identifier: Apache-2.0
"""Connection IDs (CIDs) for QUIC servers behind any load balancer.

The asyncio client of the cidecar sidecar: a ``CidPool`` gives a QUIC stack CIDs that carry the ID
of its server, and says when those of live connections have to be replaced. ``cidecar.aioquic`` puts
it under aioquic.
"""

from ._batch_queue import PooledCid
from ._held_report import HeldGenerations
from ._pacing import pace_reissue
from ._reissue_orders import Reissue
from ._target import TcpAddress, mutual_tls
from .errors import (
    ArgumentError,
    CidecarError,
    ContractError,
    LeaseExhaustedError,
    SidecarUnavailableError,
)
from .events import (
    Connected,
    Disconnected,
    Dry,
    PoolEvent,
    PoolStats,
    Recovered,
    Stale,
    Trouble,
)
from .pool import CidPool

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "CidPool",
    "CidecarError",
    "Connected",
    "ContractError",
    "Disconnected",
    "Dry",
    "HeldGenerations",
    "LeaseExhaustedError",
    "PoolEvent",
    "PoolStats",
    "PooledCid",
    "Recovered",
    "Reissue",
    "SidecarUnavailableError",
    "Stale",
    "TcpAddress",
    "Trouble",
    "mutual_tls",
    "pace_reissue",
]
