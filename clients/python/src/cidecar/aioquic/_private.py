# SPDX-License-Identifier: Apache-2.0
"""What this adapter uses of aioquic that is not public, in one place.

aioquic has no hook for connection IDs: a connection makes them itself, by ``os.urandom``. So a
server whose packets find it by their CIDs has to reach into ``QuicConnection``. The names below are
those of aioquic 1.7; a release that lacks one of them is refused at the start, since handshakes
would fail with it.
"""

from __future__ import annotations

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from ..errors import CidecarError

_FOR_ISSUING = (
    "_host_cids",  # the CIDs that the peer may use
    "_host_cid_seq",  # the sequence number of the next
    "_local_initial_source_connection_id",  # for the transport parameter of that name
    "_remote_active_connection_id_limit",  # how many CIDs the peer takes
    "_replenish_connection_ids",  # called when it may get more
    "_serialize_transport_parameters",  # for disable_active_migration, which has no setting
)
_FOR_RETIRING = (
    "_write_new_connection_id_frame",  # writes retire_prior_to, as 0
    "_on_new_connection_id_delivery",
    "_events",
)


def check_aioquic(*, retiring: bool) -> None:
    """Raises CidecarError where aioquic is not of a release that this adapter knows."""
    probe = QuicConnection(configuration=QuicConfiguration(is_client=True))
    wanted = _FOR_ISSUING + (_FOR_RETIRING if retiring else ())
    missing = [name for name in wanted if not hasattr(probe, name)]
    if missing:
        message = f"this aioquic is of a release that was not tried: it has no {', '.join(missing)}"
        raise CidecarError(message, code="ARGUMENT_INVALID")
