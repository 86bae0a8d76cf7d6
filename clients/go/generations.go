// SPDX-License-Identifier: Apache-2.0

package cidecar

import "math"

// Generations are numbered twice: as the sidecar does, which begins anew at a lower number where it
// lost its state, and for the server, whose numbers always grow. Else connections from before would
// count as present when the sidecar's numbers have caught up with theirs.
type generations struct {
	// base is the last number of the server from before the sidecar lost its state; 0: it did not.
	base uint64
	// present is that of the CIDs that are issued now, for the server.
	present uint64
}

// toServer returns the server's number of one of the sidecar.
func (g *generations) toServer(sidecars uint64) uint64 {
	return g.base + min(sidecars, math.MaxUint64-g.base)
}

// toSidecar returns the sidecar's number of one of the server; 0 where it is from before the sidecar
// lost its state.
func (g *generations) toSidecar(servers uint64) uint64 {
	if servers <= g.base {
		return 0
	}
	return servers - g.base
}

// begin takes the sidecar's number of what is issued from here on. It returns true where that shows
// that the sidecar lost its state.
func (g *generations) begin(sidecars uint64) bool {
	lost := sidecars < g.toSidecar(g.present)
	if lost {
		g.base = g.present
	}
	g.present = g.toServer(sidecars)
	return lost
}
