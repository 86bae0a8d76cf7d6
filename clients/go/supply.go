// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"errors"
	"fmt"
	"time"
)

// What the pool does to its supply. All of it runs with the lock of the pool.

// takeOf takes a CID of the supply, and asks for more where it is low.
func (p *Pool) takeOf(cid *CID) bool {
	p.checkFresh()
	if p.fresh.passed {
		return false
	}
	ok := p.queue.pop(cid)
	if p.queue.size+p.outstanding < p.options.LowWater {
		p.ask()
	}
	if !ok {
		return false
	}
	p.taken++
	if cid.Routable {
		p.orders.took(cid.Generation)
	}
	return true
}

func (p *Pool) makeFailover(cid *CID) {
	cid.Generation = p.generations.present
	if failoversOfProcess.take(p.form, cid) {
		p.events.tellError(p.options.Events.Trouble, &Error{
			Code: CodeNoncesExhausted,
			Message: fmt.Sprintf("this process has made all 0b111 CIDs of %d octets, and begins again",
				p.form.cidLength),
		})
	}
}

// room is for how many more CIDs credit may be given.
func (p *Pool) room() int {
	return max(0, p.session.highWater-p.queue.size-p.outstanding)
}

func (p *Pool) ask() {
	if !p.connected() {
		return
	}
	if credit := p.room(); credit > 0 {
		p.outstanding += credit
		p.session.credit += credit
		p.session.wakeUp()
	}
}

func (p *Pool) connected() bool { return p.session != nil && p.session.greeted }

func (p *Pool) fallDry() {
	if !p.dry {
		p.dry = true
		p.events.tell(p.options.Events.Dry)
	}
}

// checkFresh notices when the CIDs have become too old. They stay in the pool: they are good again
// if it turns out that nothing has changed.
func (p *Pool) checkFresh() {
	if !p.fresh.justPassed() {
		return
	}
	silence := fmt.Sprintf("nothing was heard from the sidecar for %v",
		p.fresh.silence().Round(time.Millisecond))
	p.events.tellError(p.options.Events.Stale, unavailable(silence, p.lastError))
	p.fallDry()
}

func (p *Pool) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.checkFresh()
	p.looks.Reset(p.fresh.lookEvery())
}

func (p *Pool) heard() {
	wasStale := p.fresh.passed
	p.fresh.heard()
	if wasStale && p.queue.size > 0 {
		p.haveCIDs()
	}
	p.giveReissue()
}

func (p *Pool) haveCIDs() {
	close(p.arrived)
	p.arrived = make(chan struct{})
	if p.dry && p.queue.nextIsRoutable() {
		p.dry = false
		p.events.tell(p.options.Events.Recovered)
	}
}

// The CIDs for an order can be used up by the time that it comes. A server that obeys at once must
// not replace void CIDs by CIDs that are void too, nor routable ones by 0b111 CIDs.
func (p *Pool) giveReissue() {
	if !p.queue.nextIsRoutable() || p.fresh.passed {
		return
	}
	if order, ok := p.orders.next(p.generations.present); ok && p.options.Events.Reissue != nil {
		p.events.add(func() { p.options.Events.Reissue(order) })
	}
}

var errSilent = errors.New("the sidecar does not answer")
var errNoBatch = errors.New("the sidecar answers, but sends no CIDs; its log says why")

// whyNone is why the pool has no CIDs.
func (p *Pool) whyNone() error {
	switch {
	case p.lastError != nil:
		return p.lastError
	case p.connected():
		return errNoBatch
	}
	return errSilent
}

// mostTold is how many reasons are kept, since a sidecar can have endlessly many.
const mostTold = 64

// tellOnce tells a reason why there is no connection, once until there is one.
func (p *Pool) tellOnce(reason error) {
	if text := reason.Error(); !p.told[text] {
		if len(p.told) >= mostTold {
			clear(p.told)
		}
		p.told[text] = true
		p.events.tellError(p.options.Events.Trouble, reason)
	}
}
