// SPDX-License-Identifier: Apache-2.0

package quicgo

import (
	"context"
	"sync/atomic"

	"github.com/quic-go/quic-go"

	cidecar "github.com/cidecar/cidecar/clients/go"
)

// Options say how a server joins its sidecar.
type Options struct {
	// Pool is where the sidecar is, and what the server wants to be told. Held and CannotRetire are
	// the adapter's; Events.Reissue is called besides what the adapter does.
	Pool cidecar.Options
	// CloseCode is the application error with which connections are closed for a reissue. Protocols
	// have one that means no fault, such as H3_NO_ERROR (0x100) in HTTP/3.
	CloseCode quic.ApplicationErrorCode
	// CloseReason goes with it; empty means "moved".
	CloseReason string
	// Moving is called for each connection that will be closed, when the order for it comes, to send
	// GOAWAY or what the protocol has for it. It may be nil, and must return soon.
	Moving func(*quic.Conn)
	// ResetKey is what quic-go makes stateless reset tokens with, in place of the key that Attach
	// takes by itself. Give no key that another server has: quic-go resets whatever it does not know.
	ResetKey *quic.StatelessResetKey
	// NoResets has no stateless resets sent. While two processes serve one address, as in a hot
	// restart, each would reset the connections of the other.
	NoResets bool
}

// An Adapter gives the transports of a server CIDs of the sidecar, and closes connections whose CIDs
// have to go. All methods may be called at the same time from any goroutine.
type Adapter struct {
	options     Options
	pool        *cidecar.Pool
	cidLength   int
	resetKey    *quic.StatelessResetKey
	connections connections
	// ctx ends with the adapter.
	ctx  context.Context
	stop context.CancelFunc

	accepted, closed atomic.Uint64
	// order is the newest that came.
	order atomic.Pointer[cidecar.Reissue]
}

// Stats describe an adapter.
type Stats struct {
	// Open is how many connections there are, those in their handshake too.
	Open int
	// Accepted counts the connections that were tracked.
	Accepted uint64
	// ClosedForReissue counts those that were closed because their CIDs had to go.
	ClosedForReissue uint64
	Pool             cidecar.Stats
}

// Join connects to the sidecar and returns when there are CIDs, so that a server can start. If the
// context ends first, the error says why there are none.
func Join(ctx context.Context, options Options) (*Adapter, error) {
	if options.CloseReason == "" {
		options.CloseReason = "moved"
	}
	a := &Adapter{options: options, connections: connections{records: make(map[*record]struct{})}}
	a.ctx, a.stop = context.WithCancel(context.Background())
	pool := options.Pool
	pool.CannotRetire = true
	pool.Held = a.connections.held
	pool.Events.Reissue = func(order cidecar.Reissue) {
		a.reissue(order)
		if options.Pool.Events.Reissue != nil {
			options.Pool.Events.Reissue(order)
		}
	}
	var err error
	if a.pool, err = cidecar.New(pool); err != nil {
		return nil, err
	}
	if err := a.start(ctx); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func (a *Adapter) start(ctx context.Context) error {
	if err := a.pool.Ready(ctx); err != nil {
		return err
	}
	sidecar, _ := a.pool.Sidecar()
	a.cidLength = sidecar.CIDLength
	if a.options.NoResets {
		return nil
	}
	if a.resetKey = a.options.ResetKey; a.resetKey != nil || !sidecar.KeyExport {
		return nil
	}
	var err error
	a.resetKey, err = ownResetKey(ctx, a.pool)
	return err
}

// Pool returns the pool that the CIDs come from.
func (a *Adapter) Pool() *cidecar.Pool { return a.pool }

// Attach has a transport take its CIDs from the sidecar. Call it once for each transport, before it
// listens, and after everything else of the transport was set: a ConnContext that it has is called
// as before.
//
// The transport gets a key for stateless resets that no other server has, so that it can reset
// connections of an earlier process and nobody else's: that of the sidecar's 0b111 CIDs, which never
// leaves its host and stays the same when the registry rotates to another config. The sidecar gives
// it out if it runs with --allow-key-export; if it does not, there are no resets, unless
// Options.ResetKey has a key.
func (a *Adapter) Attach(transport *quic.Transport) {
	g := &generator{pool: a.pool, transport: transport, cidLength: a.cidLength}
	transport.ConnectionIDGenerator = g
	if a.resetKey != nil {
		transport.StatelessResetKey = a.resetKey
	}
	theirs := transport.ConnContext
	transport.ConnContext = func(ctx context.Context, client *quic.ClientInfo) (context.Context, error) {
		whole := ctx
		if theirs != nil {
			var err error
			if whole, err = theirs(ctx, client); err != nil {
				return nil, err
			}
		}
		r := &record{generation: a.pool.Generation()}
		a.connections.add(r)
		g.newest.Store(r)
		context.AfterFunc(ctx, func() {
			a.connections.remove(r)
			a.pool.ReportHeld()
		})
		return context.WithValue(whole, recordKey{}, r), nil
	}
}

type recordKey struct{}

// Track has a connection closed in time when its CIDs have to go. Call it for every connection that
// the server accepts.
func (a *Adapter) Track(conn *quic.Conn) {
	r, ok := conn.Context().Value(recordKey{}).(*record)
	if !ok {
		return // It is of a transport that is not attached.
	}
	if r.unroutable.Load() && !a.pool.Stats().Dry {
		r.unroutable.Store(false) // It may have got routable CIDs since.
	}
	a.connections.accepted(r, conn)
	a.accepted.Add(1)
	if order := a.order.Load(); r.misses(order) {
		a.move([]*record{r}, *order) // The order came in its handshake.
	}
}

// Stats returns what happened.
func (a *Adapter) Stats() Stats {
	return Stats{
		Open:             a.connections.open(),
		Accepted:         a.accepted.Load(),
		ClosedForReissue: a.closed.Load(),
		Pool:             a.pool.Stats(),
	}
}

// Close ends the connection to the sidecar. It closes no connection of a client.
func (a *Adapter) Close() {
	a.stop()
	a.pool.Close()
}
