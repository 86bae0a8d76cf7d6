// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"maps"
	"slices"

	"github.com/cidecar/cidecar/clients/go/cidecarv1"
)

// heldLimit is how many generations one report may have.
const heldLimit = 64

// heldReport makes what the server counted ready for the sidecar, in whose numbers it is. Where there
// are too many generations, the oldest are counted under the oldest.
func heldReport(counted map[uint64]uint64, generations generations) []*cidecarv1.HeldGeneration {
	known := make(map[uint64]uint64, len(counted))
	for generation, connections := range counted {
		if connections > 0 {
			known[generations.toSidecar(generation)] += connections
		}
	}
	sorted := slices.Sorted(maps.Keys(known))
	for len(sorted) > heldLimit {
		known[sorted[0]] += known[sorted[1]]
		sorted = slices.Delete(sorted, 1, 2)
	}
	report := make([]*cidecarv1.HeldGeneration, len(sorted))
	for i, generation := range sorted {
		report[i] = &cidecarv1.HeldGeneration{
			Generation:  generation,
			Connections: min(known[generation], 1<<32-1),
		}
	}
	return report
}

// sameHeld tells whether two reports, both sorted, say the same.
func sameHeld(a, b []*cidecarv1.HeldGeneration) bool {
	return slices.EqualFunc(a, b, func(x, y *cidecarv1.HeldGeneration) bool {
		return x.Generation == y.Generation && x.Connections == y.Connections
	})
}

// holdsEarlier tells whether a report has connections of generations before the present one.
func holdsEarlier(report []*cidecarv1.HeldGeneration, present uint64) bool {
	return len(report) > 0 && report[0].Generation < present
}
