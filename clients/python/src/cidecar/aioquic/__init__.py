# SPDX-License-Identifier: Apache-2.0
"""cidecar under aioquic: a server whose packets find it by the CIDs of its pool.

``Endpoint`` takes the place of ``aioquic.asyncio.serve``. Of aioquic it uses the public interface
(packets, events, protocols) wherever there is one. There is none for connection IDs: a connection
makes them itself. So ``RoutedConnection`` subclasses ``QuicConnection`` and overrides names that
are private, which ``_private.py`` lists; a release without them is refused at the start.

To have a peer retire its CIDs (retire_prior_to) takes one override more, of the method that writes
NEW_CONNECTION_ID frames. That is an explicit choice: ``CidPool(can_retire=True)``. Without it the
connections are closed by the deadline of a reissue, spread and idle-first, by public means.
"""

from ._connection import RoutedConnection
from ._endpoint import Endpoint, EndpointStats

__all__ = ["Endpoint", "EndpointStats", "RoutedConnection"]
