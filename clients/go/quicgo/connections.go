// SPDX-License-Identifier: Apache-2.0

package quicgo

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	cidecar "github.com/cidecar/cidecar/clients/go"
)

// A connection is what the adapter needs of a [quic.Conn].
type connection interface {
	ConnectionStats() quic.ConnectionStats
	CloseWithError(quic.ApplicationErrorCode, string) error
}

// A record is what the adapter knows of a connection.
type record struct {
	// generation is the lowest that a CID of the connection can have.
	generation uint64
	// unroutable says that its first CID began with 0b111: it holds no routable one.
	unroutable atomic.Bool
	// closing says that it was closed for a reissue.
	closing atomic.Bool

	// conn is nil until the server says that it has accepted the connection.
	conn connection
	// octets is how many had been sent and received when it was looked at last.
	octets uint64
	// activeAt is when that number was first seen.
	activeAt time.Time
}

// misses tells whether an order covers the connection, which can have come in its handshake.
func (r *record) misses(order *cidecar.Reissue) bool {
	return order != nil && !r.unroutable.Load() && r.generation <= order.ThroughGeneration
}

// Connections are all that are open, those in their handshake too.
type connections struct {
	mu      sync.Mutex
	records map[*record]struct{}
}

func (c *connections) add(r *record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records[r] = struct{}{}
}

func (c *connections) remove(r *record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.records, r)
}

// accepted says which connection a record is of.
func (c *connections) accepted(r *record, conn connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.conn, r.activeAt = conn, time.Now()
}

func (c *connections) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.records)
}

// held counts connections by the generation that they hold.
func (c *connections) held() map[uint64]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := make(map[uint64]uint64)
	for r := range c.records {
		if !r.unroutable.Load() {
			held[r.generation]++
		}
	}
	return held
}

// covered returns those accepted connections that hold CIDs which an order covers.
func (c *connections) covered(through uint64) []*record {
	c.mu.Lock()
	defer c.mu.Unlock()
	var covered []*record
	for r := range c.records {
		if r.conn != nil && !r.unroutable.Load() && r.generation <= through {
			covered = append(covered, r)
		}
	}
	return covered
}

// look sees on which connections something was sent or received since the last look.
func (c *connections) look(records []*record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for _, r := range records {
		stats := r.conn.ConnectionStats()
		if octets := stats.BytesSent + stats.BytesReceived; octets != r.octets {
			r.octets, r.activeAt = octets, now
		}
	}
}

// idleFirst sorts connections by how long nothing was seen on them.
func (c *connections) idleFirst(records []*record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortStableFunc(records, func(a, b *record) int { return a.activeAt.Compare(b.activeAt) })
}

// isOpen tells whether a connection has not ended yet.
func (c *connections) isOpen(r *record) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, open := c.records[r]
	return open
}
