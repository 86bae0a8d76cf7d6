# SPDX-License-Identifier: Apache-2.0
"""What a pool tells its listeners."""

from __future__ import annotations

from dataclasses import dataclass

from ._reissue_orders import Reissue
from .errors import CidecarError


@dataclass(frozen=True, slots=True)
class Connected:
    """CIDs come, and so do orders to replace them."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The Session is lost. The pool gives what it has, until that is stale."""

    reason: CidecarError


@dataclass(frozen=True, slots=True)
class Stale:
    """Nothing was heard for the lifetime of the CIDs: a rotation may have made them void.

    ``take()`` gives 0b111 CIDs until the sidecar is heard again.
    """

    reason: CidecarError


@dataclass(frozen=True, slots=True)
class Dry:
    """From here on ``take()`` gives 0b111 CIDs."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """CIDs are routable again."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no connection (once for each reason), or what the sidecar sent is of no use.

    The pool goes on trying.
    """

    error: CidecarError


PoolEvent = Connected | Disconnected | Stale | Dry | Recovered | Trouble | Reissue


@dataclass(frozen=True, slots=True)
class PoolStats:
    """The state and the counters of a pool."""

    connected: bool
    level: int
    """CIDs of the sidecar in the pool."""
    generation: int
    dry: bool
    """Whether ``take()`` gives 0b111 CIDs, as far as it was called."""
    stale: bool
    """Whether what the pool holds is too old to be given."""
    silence: float
    """Seconds since the sidecar was last heard."""
    taken: int
    """CIDs of the sidecar that were taken, 0b111 ones included."""
    made: int
    """0b111 CIDs that the pool made itself."""
    last_error: CidecarError | None
    """Why there is no connection; None where there is one."""
