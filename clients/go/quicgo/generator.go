// SPDX-License-Identifier: Apache-2.0

package quicgo

import (
	"errors"
	"sync/atomic"

	"github.com/quic-go/quic-go"

	cidecar "github.com/cidecar/cidecar/clients/go"
)

var errNoSecond = errors.New("quicgo: there are 0b111 CIDs only, of which a connection gets no second")

// A generator gives one transport its CIDs.
type generator struct {
	pool      *cidecar.Pool
	transport *quic.Transport
	cidLength int
	// newest is the connection that is being accepted. Transports accept one after the other.
	newest atomic.Pointer[record]
}

// ConnectionIDLen returns the number of octets of every CID.
func (g *generator) ConnectionIDLen() int { return g.cidLength }

// GenerateConnectionID returns a CID. It never waits.
func (g *generator) GenerateConnectionID() (quic.ConnectionID, error) {
	cid, err := g.next()
	if err != nil {
		return quic.ConnectionID{}, err
	}
	return quic.ConnectionIDFromBytes(cid.Bytes()), nil
}

func (g *generator) next() (cidecar.CID, error) {
	if g.transport.VerifySourceAddress == nil {
		if cid, ok := g.pool.TakeRoutable(); ok {
			return cid, nil
		}
	}
	switch purposeOfCall() {
	case retrySource:
		return g.pool.Failover()
	case furtherOfConnection:
		if cid, ok := g.pool.TakeRoutable(); ok {
			return cid, nil
		}
		return cidecar.CID{}, errNoSecond
	case firstOfConnection:
		cid, err := g.pool.Take()
		if newest := g.newest.Load(); newest != nil {
			newest.unroutable.Store(err == nil && !cid.Routable)
		}
		return cid, err
	}
	return g.pool.Take()
}
