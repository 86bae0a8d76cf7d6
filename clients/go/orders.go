// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"math"
	"time"
)

const none = math.MaxUint64

// Orders decide when connections have to replace CIDs, and up to which generation, in the server's
// numbers.
type orders struct {
	// oldestTaken is the lowest generation of a routable CID that was taken since the last reissue.
	oldestTaken    uint64
	orderedThrough uint64
	// pending is an order for which there are no CIDs yet.
	pending *Reissue
}

func newOrders() orders { return orders{oldestTaken: none} }

// oldest is the lowest generation of CIDs that were taken and not ordered to be replaced; 0: none.
func (o *orders) oldest() uint64 {
	if o.oldestTaken == none {
		return 0
	}
	return o.oldestTaken
}

func (o *orders) took(generation uint64) { o.oldestTaken = min(o.oldestTaken, generation) }

// order takes an order. Known ones, which come again with each Session, change nothing.
func (o *orders) order(through uint64, deadline time.Time) {
	if through <= o.orderedThrough {
		return
	}
	o.orderedThrough = through
	if o.pending != nil && o.pending.Deadline.Before(deadline) {
		deadline = o.pending.Deadline
	}
	o.pending = &Reissue{ThroughGeneration: through, Deadline: deadline}
}

// startAnew says that the sidecar lost its state and began anew. Every order that comes from here on
// covers what was taken before that, and so does one that waits.
func (o *orders) startAnew(now generations) {
	if o.oldestTaken != none {
		o.oldestTaken = now.present // The sidecar sends no order that covers less.
	}
	o.orderedThrough = min(o.orderedThrough, now.base)
	if o.pending != nil {
		o.pending.ThroughGeneration = now.base
	}
}

// next returns the order to give now that there are CIDs of this generation, if there is one.
func (o *orders) next(generation uint64) (Reissue, bool) {
	if o.pending == nil || generation <= o.pending.ThroughGeneration {
		return Reissue{}, false
	}
	order := *o.pending
	o.pending = nil
	if o.oldestTaken <= order.ThroughGeneration {
		o.oldestTaken = order.ThroughGeneration + 1
	}
	return order, true
}
