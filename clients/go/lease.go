// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cidecar/cidecar/clients/go/cidecarv1"
)

// MaxLease is the most counters that one lease can have.
const MaxLease = 1 << 24

var (
	// ErrLeaseUsedUp is what [Lease.Take] returns when all CIDs of the lease were made.
	ErrLeaseUsedUp = errors.New("cidecar: every counter of the lease was used")
	// ErrLeaseVoid is what [Lease.Take] returns while the CIDs of the lease may not be used: another
	// generation is issued, or the sidecar was silent for too long.
	ErrLeaseVoid = errors.New("cidecar: the generation of the lease is not known to be the present one")
)

// A Lease makes CIDs in this process, without asking for each batch: it has the key of the config
// and counters that nobody else uses. All methods may be called at the same time from any goroutine.
type Lease struct {
	pool *Pool
	// generation is the server's number.
	generation uint64

	mu     sync.Mutex
	minter *minter
	left   int
}

// Lease asks the sidecar for count counters, 1 to [MaxLease]; it can give fewer. The code of the
// error is CodeLeaseRefused unless the sidecar runs with --allow-key-export. Those that are not used
// are lost, so take what a minute or so needs, and ask for the next one in good time.
func (p *Pool) Lease(ctx context.Context, count int) (*Lease, error) {
	if count < 1 || count > MaxLease {
		return nil, invalid("a lease of %d counters; it can have 1 to %d", count, MaxLease)
	}
	sidecar, ok := p.Sidecar()
	if !ok {
		return nil, ErrLengthUnknown
	}
	before := p.numbering()
	link, err := p.dialer.dial()
	if err != nil {
		return nil, err
	}
	defer link.Close()
	terms, err := cidecarv1.NewSidecarServiceClient(link).
		LeaseNonces(ctx, &cidecarv1.LeaseNoncesRequest{Count: uint32(count)})
	if err != nil {
		return nil, link.refusal("LeaseNonces", err)
	}
	if lie := whyNoLength(terms.GetCidLength(), sidecar.CIDLength); lie != nil {
		return nil, lie
	}
	minter, err := newMinter(terms, slices.Clone(p.options.ServerUse))
	if err != nil {
		return nil, unavailable("a lease that cannot be used", err)
	}
	return &Lease{
		pool: p, generation: before.toServer(terms.GetGeneration()),
		minter: minter, left: int(terms.GetCount()),
	}, nil
}

// Left returns how many CIDs the lease can still make.
func (l *Lease) Left() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left
}

// Take makes a CID that nobody else has. It never waits. The error is [ErrLeaseUsedUp] or
// [ErrLeaseVoid]: [Pool.Take] has a CID then.
func (l *Lease) Take() (CID, error) {
	if !l.pool.minted(l.generation) {
		return CID{}, ErrLeaseVoid
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == 0 {
		return CID{}, ErrLeaseUsedUp
	}
	l.left--
	cid := CID{Routable: true, Generation: l.generation}
	l.minter.mint(&cid)
	return cid, nil
}

// minted tells whether CIDs of a generation may be made, and notes that one is given out.
func (p *Pool) minted(generation uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checkFresh()
	if p.fresh.passed || p.generations.present != generation {
		return false
	}
	p.orders.took(generation)
	return true
}

// String hides the keys.
func (l *Lease) String() string { return fmt.Sprintf("lease of generation %d", l.generation) }

// GoString hides the keys.
func (l *Lease) GoString() string { return l.String() }
