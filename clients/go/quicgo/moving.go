// SPDX-License-Identifier: Apache-2.0

package quicgo

import (
	"context"
	"slices"
	"time"

	"github.com/quic-go/quic-go"

	cidecar "github.com/cidecar/cidecar/clients/go"
)

const (
	// watchPart of the time to a deadline, and at most longestWatch, is taken to see which
	// connections are idle.
	watchPart    = 20
	longestWatch = 3 * time.Second
	// lookEvery is the time between two looks at which are idle now.
	lookEvery = 500 * time.Millisecond
)

// reissue obeys an order: quic-go cannot have CIDs retired, so connections are closed.
func (a *Adapter) reissue(order cidecar.Reissue) {
	a.order.Store(&order)
	a.move(a.connections.covered(order.ThroughGeneration), order)
}

func (a *Adapter) move(records []*record, order cidecar.Reissue) {
	if a.options.Moving != nil {
		for _, r := range records {
			if conn, ok := r.conn.(*quic.Conn); ok {
				a.options.Moving(conn)
			}
		}
	}
	go a.closeSpread(records, order.Deadline)
}

// closeSpread closes connections one after the other until shortly before the deadline, those first
// on which nothing was sent or received for long.
func (a *Adapter) closeSpread(records []*record, deadline time.Time) {
	watching, done := context.WithCancel(a.ctx)
	defer done()
	a.connections.look(records)
	go a.watch(watching, slices.Clone(records))
	if watch := min(time.Until(deadline)/watchPart, longestWatch); watch > 0 && !sleep(a.ctx, watch) {
		return
	}
	var sorted time.Time
	_ = cidecar.Pace(a.ctx, len(records), deadline, func(index int) {
		if time.Since(sorted) >= lookEvery {
			a.connections.idleFirst(records[index:])
			sorted = time.Now()
		}
		r := records[index]
		if !a.connections.isOpen(r) || r.closing.Swap(true) {
			return
		}
		a.closed.Add(1)
		// It returns when the connection has ended.
		go func() { _ = r.conn.CloseWithError(a.options.CloseCode, a.options.CloseReason) }()
	})
}

func (a *Adapter) watch(ctx context.Context, records []*record) {
	for sleep(ctx, lookEvery) {
		a.connections.look(records)
	}
}

// sleep returns false where the context ends first.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
