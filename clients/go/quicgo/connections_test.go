// SPDX-License-Identifier: Apache-2.0

package quicgo

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"

	cidecar "github.com/cidecar/cidecar/clients/go"
)

type fakeConnection struct {
	name   string
	octets atomic.Uint64
	closed func(name string)
}

func (c *fakeConnection) ConnectionStats() quic.ConnectionStats {
	octets := c.octets.Load()
	return quic.ConnectionStats{BytesSent: octets / 2, BytesReceived: octets - octets/2}
}

func (c *fakeConnection) CloseWithError(quic.ApplicationErrorCode, string) error {
	c.closed(c.name)
	return nil
}

// Time is that of a bubble here, so nothing waits.
func TestIdleConnectionsAreClosedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &Adapter{ctx: t.Context(), connections: connections{records: make(map[*record]struct{})}}
		began := time.Now()
		var order []string
		var at []time.Duration
		var mu sync.Mutex
		closed := func(name string) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, name)
			at = append(at, time.Since(began))
		}
		var records []*record
		conns := make(map[string]*fakeConnection)
		for _, name := range []string{"busy", "busy until 5 s", "idle"} {
			r := &record{}
			a.connections.add(r)
			conns[name] = &fakeConnection{name: name, closed: closed}
			a.connections.accepted(r, conns[name])
			records = append(records, r)
		}
		go func() {
			for {
				select {
				case <-t.Context().Done():
					return
				case <-time.After(100 * time.Millisecond):
				}
				conns["busy"].octets.Add(1)
				if time.Since(began) < 5*time.Second {
					conns["busy until 5 s"].octets.Add(1)
				}
			}
		}()
		deadline := began.Add(time.Minute)
		a.closeSpread(records, deadline)
		synctest.Wait()
		if len(order) != 3 || order[0] != "idle" || order[1] != "busy until 5 s" || order[2] != "busy" {
			t.Errorf("closed in the order %v", order)
		}
		if at[1] < 10*time.Second || at[2] > 55*time.Second {
			t.Errorf("closed at %v", at)
		}
		if a.closed.Load() != 3 {
			t.Errorf("%d are counted", a.closed.Load())
		}
	})
}

func TestAConnectionThatHasEndedIsNotCounted(t *testing.T) {
	a := &Adapter{ctx: t.Context(), connections: connections{records: make(map[*record]struct{})}}
	r := &record{}
	a.connections.accepted(r, &fakeConnection{closed: func(string) { t.Error("it is closed") }})
	a.closeSpread([]*record{r}, time.Now())
	if a.closed.Load() != 0 {
		t.Error("it is counted")
	}
}

func TestWhichConnectionsAnOrderCovers(t *testing.T) {
	c := connections{records: make(map[*record]struct{})}
	for generation := range uint64(4) {
		r := &record{generation: generation}
		c.add(r)
		c.accepted(r, &fakeConnection{})
	}
	handshaking, unroutable := &record{generation: 1}, &record{generation: 1}
	unroutable.unroutable.Store(true)
	c.add(handshaking)
	c.add(unroutable)
	c.accepted(unroutable, &fakeConnection{})
	if covered := c.covered(2); len(covered) != 3 {
		t.Errorf("%d are covered", len(covered))
	}
	if held := c.held(); len(held) != 4 || held[1] != 2 {
		t.Errorf("held %v", held)
	}
}

func TestAnOrderCoversNoConnectionThatBeganAfterIt(t *testing.T) {
	order := &cidecar.Reissue{ThroughGeneration: 1000}
	before, after := &record{generation: 1000}, &record{generation: 1001}
	if before.misses(nil) || !before.misses(order) || after.misses(order) {
		t.Error("it covers those that began after it, or not those before")
	}
	unroutable := &record{generation: 1000}
	unroutable.unroutable.Store(true)
	if unroutable.misses(order) {
		t.Error("it covers a connection that has no routable CID")
	}
}
