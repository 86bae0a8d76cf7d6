// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"sync"
	"time"
)

// Events are what a server can be told. Each function may be nil. They are called one after the
// other on a goroutine of the pool, in the order in which things happened, and may call all methods
// of the pool. They should return soon, since the next one waits.
type Events struct {
	// Connected says that the sidecar answers.
	Connected func()
	// Disconnected says that a Session with the sidecar is over; the pool opens another.
	Disconnected func(error)
	// Trouble says why there is no connection, once for each reason, and what the sidecar did that
	// it should not. The pool goes on trying.
	Trouble func(error)
	// Dry says that the pool has no CID that may be used, and makes 0b111 ones.
	Dry func()
	// Recovered says that there are routable CIDs again.
	Recovered func()
	// Stale says that nothing was heard from the sidecar for so long that its CIDs may be void.
	Stale func(error)
	// Reissue says that connections have to give up old CIDs. The CIDs that this takes are there.
	Reissue func(Reissue)
}

// A Reissue is an order: the CIDs of live connections of generations up to ThroughGeneration have
// to be replaced and retired, or their connections closed, by the deadline.
type Reissue struct {
	// ThroughGeneration is a number of the pool, as in CID.Generation.
	ThroughGeneration uint64
	// Deadline is in the past where the order was missed while the sidecar was out of reach.
	Deadline time.Time
}

// A dispatcher calls functions in order, so that those who cause events wait for nobody.
type dispatcher struct {
	mu     sync.Mutex
	queue  []func()
	active bool
}

func (d *dispatcher) add(call func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = append(d.queue, call)
	if !d.active {
		d.active = true
		go d.run()
	}
}

func (d *dispatcher) run() {
	for {
		d.mu.Lock()
		if len(d.queue) == 0 {
			d.active = false
			d.mu.Unlock()
			return
		}
		calls := d.queue
		d.queue = nil
		d.mu.Unlock()
		for _, call := range calls {
			call()
		}
	}
}

func (d *dispatcher) tell(event func()) {
	if event != nil {
		d.add(event)
	}
}

func (d *dispatcher) tellError(event func(error), err error) {
	if event != nil {
		d.add(func() { event(err) })
	}
}
