// SPDX-License-Identifier: Apache-2.0

// Long because every method that a server calls is here, with what it promises.

package cidecar

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const instanceLength = 16

// A Pool is a supply of CIDs for a QUIC stack, whose hooks can neither wait nor fail. Make one with
// [New]. All methods may be called at the same time from any goroutine.
type Pool struct {
	options  Options
	instance []byte
	dialer   *dialer
	events   dispatcher
	tokens   *tokenQuestions
	stop     context.CancelFunc
	// helloWithin is how long a sidecar may take to its hello; tests set their own.
	helloWithin time.Duration

	mu          sync.Mutex
	queue       batchQueue
	fresh       *freshness
	looks       *time.Timer
	orders      orders
	session     *session
	greeted     *Sidecar
	form        failoverForm
	generations generations
	outstanding int
	// arrived is closed when CIDs come.
	arrived     chan struct{}
	lastError   error
	told        map[string]bool
	taken, made uint64
	dry, closed bool
}

// A Sidecar is what the sidecar said of itself when it was connected last.
type Sidecar struct {
	// CIDLength is the number of octets of every CID, 8 to 20.
	CIDLength int
	// ServerName and PoolName are those of this server in the registry.
	ServerName, PoolName string
	// Version is that of the sidecar's program.
	Version string
	// KeyExport says whether [Pool.ExportResetKeys] and [Pool.Lease] are answered.
	KeyExport bool
	// ResetTokens is how the tokens are made that come with CIDs: "cmac" or "hmac-sha256".
	ResetTokens string
	// ServerUseLength is how many octets of server use each routable CID has room for.
	ServerUseLength int
}

// Stats describe a pool.
type Stats struct {
	Connected bool
	// Level is how many CIDs of the sidecar the pool holds.
	Level int
	// Generation is that of the CIDs that are issued now, as Pool.Generation returns it.
	Generation uint64
	// Dry says that the CID taken last was made here, because there was none, or none fresh.
	Dry bool
	// Stale says that the sidecar was silent for too long.
	Stale bool
	// Silence is the time since the sidecar said something.
	Silence time.Duration
	// Taken counts the CIDs of the sidecar that were taken, Made the 0b111 ones made in their place.
	Taken, Made uint64
	// LastError is why there is no connection; nil where there is one.
	LastError error
}

// New connects in the background and goes on trying. It returns an [Error] with
// CodeArgumentInvalid, and no other.
func New(options Options) (*Pool, error) {
	options, err := options.complete()
	if err != nil {
		return nil, err
	}
	options.ServerUse = slices.Clone(options.ServerUse)
	ctx, stop := context.WithCancel(context.Background())
	p := &Pool{
		options:     options,
		instance:    make([]byte, instanceLength),
		dialer:      newDialer(options),
		stop:        stop,
		helloWithin: helloWithin,
		fresh:       newFreshness(newSystemClock()),
		orders:      newOrders(),
		arrived:     make(chan struct{}),
		told:        make(map[string]bool),
	}
	random(p.instance)
	p.tokens = newTokenQuestions(p.askResetToken)
	p.looks = time.AfterFunc(p.fresh.lookEvery(), p.look)
	go p.run(ctx)
	return p, nil
}

// Ready returns when there are CIDs, so that a server may start. If the context ends first, or the
// pool is closed, the error says why no CIDs came; the pool goes on trying after the former.
func (p *Pool) Ready(ctx context.Context) error {
	for {
		p.mu.Lock()
		ready := p.queue.size > 0 && !p.fresh.passed
		arrived, why, closed := p.arrived, p.whyNone(), p.closed
		p.mu.Unlock()
		if ready {
			return nil
		}
		if closed {
			return ErrClosed
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return &Error{
				Code:    CodeSidecarUnavailable,
				Message: "no CIDs came in time: " + plain(why),
				Err:     errors.Join(ctx.Err(), why),
			}
		}
	}
}

// Take returns a CID that was never used before. It never waits. It fails, with
// [ErrLengthUnknown], only before the sidecar said the length: see [Pool.Ready].
//
// Only where 0b111 CIDs are so short that this process made all of them (16 million where three
// octets are free) do those begin again, the oldest first, which Trouble tells.
func (p *Pool) Take() (CID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var cid CID
	if p.takeOf(&cid) {
		return cid, nil
	}
	if p.greeted == nil {
		return cid, ErrLengthUnknown
	}
	p.fallDry()
	p.made++
	p.makeFailover(&cid)
	return cid, nil
}

// TakeRoutable returns a CID that balancers route to this server, or false where the pool has none:
// for connections that have a CID already, which are given no second one that begins with 0b111.
func (p *Pool) TakeRoutable() (CID, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var cid CID
	if p.queue.size > 0 && !p.queue.nextIsRoutable() {
		return cid, false
	}
	return cid, p.takeOf(&cid)
}

// Failover returns a 0b111 CID that costs the sidecar nothing, as the Source CID of a Retry should
// be. It fails as Take does.
func (p *Pool) Failover() (CID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var cid CID
	if p.greeted == nil {
		return cid, ErrLengthUnknown
	}
	p.makeFailover(&cid)
	return cid, nil
}

// Sidecar returns what the sidecar said of itself, and false before it said it.
func (p *Pool) Sidecar() (Sidecar, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.greeted == nil {
		return Sidecar{}, false
	}
	return *p.greeted, true
}

// Stats returns the state of the pool.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{
		Connected:  p.connected(),
		Level:      p.queue.size,
		Generation: p.generations.present,
		Dry:        p.dry,
		Stale:      p.fresh.passed,
		Silence:    p.fresh.silence(),
		Taken:      p.taken,
		Made:       p.made,
		LastError:  p.lastError,
	}
}

// Generation returns that of the CIDs that are issued now; it grows when earlier ones become void. The
// pool counts generations on where the sidecar lost its state and began anew, so none comes twice.
func (p *Pool) Generation() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.generations.present
}

// ReportHeld is to be called when connections gave up CIDs of earlier generations, so that the
// sidecar hears of it at once. Without it Options.Held is looked at once a second.
func (p *Pool) ReportHeld() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.connected() {
		p.session.reportDue = true
		p.session.wakeUp()
	}
}

// Close ends the connection. No event comes after those that are on their way.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.looks.Stop()
	p.stop()
	close(p.arrived)
	p.arrived = make(chan struct{})
}
