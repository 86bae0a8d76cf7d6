// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"time"

	"github.com/cidecar/cidecar/clients/go/cidecarv1"
)

// receive takes a message of the sidecar. It returns an error where the sidecar does not keep the
// contract, so that the Session has to be given up.
func (p *Pool) receive(s *session, message *cidecarv1.SessionResponse) *Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if hello := message.GetHello(); (hello != nil) == s.greeted {
		return p.lied(s, unavailable("the first message of the sidecar is no hello, or a later one is", nil))
	} else if hello != nil {
		return p.greet(s, hello)
	}
	switch event := message.GetEvent().(type) {
	case *cidecarv1.SessionResponse_Minting:
		p.mint(s, event.Minting)
		p.heard()
	case *cidecarv1.SessionResponse_Batch:
		p.heard()
		return p.receiveBatch(s, event.Batch)
	case *cidecarv1.SessionResponse_Reissue:
		p.heard()
		through := p.generations.toServer(event.Reissue.GetThroughGeneration())
		p.orders.order(through, deadlineOf(event.Reissue))
		p.giveReissue()
	case *cidecarv1.SessionResponse_Answer:
		p.heard()
		if answer := s.waiting[event.Answer.GetNumber()]; answer != nil {
			delete(s.waiting, event.Answer.GetNumber())
			answer <- event.Answer
		}
	default: // A sign of life, or something of a later release.
		p.heard()
	}
	return nil
}

func (p *Pool) lied(s *session, lie *Error) *Error {
	if s.greeted {
		p.events.tellError(p.options.Events.Trouble, lie)
	}
	return lie
}

func (p *Pool) greet(s *session, hello *cidecarv1.SessionHello) *Error {
	if lie := whyNoHello(hello, p.form.cidLength); lie != nil {
		return lie
	}
	s.greeted = true
	s.highWater = min(p.options.HighWater, limitOr(hello.GetCreditLimit(), creditLimit))
	s.questionLimit = limitOr(hello.GetQuestionLimit(), questionLimit)
	minting := hello.GetMinting()
	p.greeted = &Sidecar{
		CIDLength:       int(hello.GetCidLength()),
		ServerName:      hello.GetServerName(),
		PoolName:        hello.GetPoolName(),
		Version:         hello.GetVersion(),
		KeyExport:       hello.GetKeyExport(),
		ResetTokens:     minting.GetResetTokens(),
		ServerUseLength: int(minting.GetServerUseLength()),
	}
	p.form.cidLength = p.greeted.CIDLength
	p.lastError = nil
	clear(p.told)
	p.events.tell(p.options.Events.Connected)
	p.fresh.lifetime = time.Duration(hello.GetLifetimeMs()) * time.Millisecond
	p.looks.Reset(p.fresh.lookEvery())
	p.voidUnused(s, minting)
	p.heard()
	return nil
}

// mint takes note of what is issued from here on.
func (p *Pool) mint(s *session, minting *cidecarv1.Minting) {
	p.greeted.ResetTokens = minting.GetResetTokens()
	p.greeted.ServerUseLength = int(minting.GetServerUseLength())
	if minting.GetMakesVoid() {
		p.voidUnused(s, minting)
	} else {
		p.form.zeroHostID = minting.GetZeroHostId()
	}
}

// voidUnused drops unused CIDs that are of another generation or not routable, and acknowledges that
// together with credit for the room. At a hello mostly nothing has changed.
func (p *Pool) voidUnused(s *session, minting *cidecarv1.Minting) {
	p.form.zeroHostID = minting.GetZeroHostId()
	if p.generations.begin(minting.GetGeneration()) {
		p.orders.startAnew(p.generations)
	}
	present := p.generations.present
	p.queue.keep(func(b *batch) bool { return b.routable && b.generation == present })
	credit := p.room()
	p.outstanding += credit
	s.credit += credit
	s.acknowledged = minting.GetNumber()
	s.wakeUp()
}

func (p *Pool) receiveBatch(s *session, message *cidecarv1.CidBatch) *Error {
	if lie := whyNoBatch(message, p.form.cidLength, p.outstanding); lie != nil {
		return p.lied(s, lie)
	}
	p.outstanding -= int(message.GetCount())
	if p.generations.toServer(message.GetGeneration()) != p.generations.present {
		p.ask()
		return nil
	}
	p.queue.push(batch{
		cids:       message.GetCids(),
		tokens:     message.GetTokens(),
		count:      int(message.GetCount()),
		cidLength:  p.form.cidLength,
		generation: p.generations.present,
		routable:   message.GetRoutable(),
	})
	p.haveCIDs()
	p.giveReissue()
	return nil
}

// deadlineOf is now where the sidecar says none that makes sense.
func deadlineOf(reissue *cidecarv1.Reissue) time.Time {
	if deadline := reissue.GetDeadline(); deadline.CheckValid() == nil {
		return deadline.AsTime()
	}
	return time.Now()
}
