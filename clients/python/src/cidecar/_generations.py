# SPDX-License-Identifier: Apache-2.0
"""The numbers of generations, for the sidecar and for the server."""

from __future__ import annotations


class Generations:
    """Generations are numbered twice.

    The sidecar begins anew at a lower number where it lost its state; the server's numbers always
    grow. Else connections from before would count as present when the sidecar's numbers have caught
    up with theirs.
    """

    def __init__(self) -> None:
        self.base = 0
        """The server's last number from before the sidecar lost its state; 0: it did not."""
        self.present = 0
        """The server's number of what is issued now."""

    def to_server(self, sidecars: int) -> int:
        return self.base + sidecars

    def to_sidecar(self, servers: int) -> int:
        """0 for what is from before the sidecar lost its state."""
        return max(0, servers - self.base)

    def begin(self, sidecars: int) -> bool:
        """Takes the sidecar's number of what is issued from here on.

        Returns whether it shows that the sidecar lost its state.
        """
        lost = sidecars < self.to_sidecar(self.present)
        if lost:
            self.base = self.present
        self.present = self.to_server(sidecars)
        return lost
