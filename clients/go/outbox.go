// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"context"
	"time"

	"github.com/cidecar/cidecar/clients/go/cidecarv1"
)

// reportEvery is the time between two looks whether connections gave up CIDs of earlier generations.
const reportEvery = time.Second

type sessionStream = cidecarv1.SidecarService_SessionClient

// An outbox sends what waits on a session to be sent. It belongs to one goroutine, which alone waits
// where the sidecar does not read.
type outbox struct {
	pool    *Pool
	session *session
	// said is what was reported last of connections, and lookedAt when they were looked at.
	said     []*cidecarv1.HeldGeneration
	lookedAt time.Time
	// looks fires when connections are to be looked at again.
	looks *time.Timer
}

// write sends until the Session is over.
func (p *Pool) write(ctx context.Context, stream sessionStream, s *session) {
	o := outbox{pool: p, session: s, looks: time.NewTimer(reportEvery)}
	defer o.looks.Stop()
	request := o.introduction()
	for {
		if request != nil && stream.Send(request) != nil {
			return // The reading side says why.
		}
		looking := false
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-o.looks.C:
			looking = true
		}
		request = o.next(looking)
	}
}

func (o *outbox) introduction() *cidecarv1.SessionRequest {
	p := o.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	return &cidecarv1.SessionRequest{Open: &cidecarv1.SessionOpen{
		ClientName:       p.options.ClientName,
		Instance:         p.instance,
		ServerUse:        p.options.ServerUse,
		KnownGeneration:  p.generations.toSidecar(p.generations.present),
		OldestGeneration: p.generations.toSidecar(p.orders.oldest()),
		CanRetire:        !p.options.CannotRetire,
	}}
}

// next returns the next message; nil where there is nothing to say.
func (o *outbox) next(looking bool) *cidecarv1.SessionRequest {
	p, s := o.pool, o.session
	p.mu.Lock()
	request := &cidecarv1.SessionRequest{
		Credit:              uint32(s.credit),
		AcknowledgedMinting: s.acknowledged,
		Questions:           s.questions,
	}
	greeted, reporting := s.greeted, s.reportDue
	s.credit, s.acknowledged, s.questions, s.reportDue = 0, 0, nil, false
	p.mu.Unlock()

	acknowledges := request.AcknowledgedMinting > 0
	if p.options.Held != nil && greeted && (acknowledges || reporting || looking) {
		request.Held = o.report(acknowledges)
	}
	if request.Credit == 0 && !acknowledges && len(request.Questions) == 0 && request.Held == nil {
		return nil
	}
	return request
}

// report asks the server for its connections. Unless a report has to be, it returns nil where none
// holds CIDs of an earlier generation, or nothing has changed, or the last look is not a second ago.
func (o *outbox) report(must bool) *cidecarv1.HeldCids {
	if wait := reportEvery - time.Since(o.lookedAt); wait > 0 && !must {
		o.looks.Reset(wait)
		return nil
	}
	o.lookedAt = time.Now()
	counted := o.pool.options.Held()
	// Generations are read afterwards: the server cannot have counted CIDs of a later one.
	generations := o.pool.numbering()
	present := generations.toSidecar(generations.present)
	report := heldReport(counted, generations)
	o.looks.Stop()
	if holdsEarlier(report, present) {
		o.looks.Reset(reportEvery)
	} else if !must && !holdsEarlier(o.said, present) {
		return nil
	}
	if !must && sameHeld(report, o.said) {
		return nil
	}
	o.said = report
	return &cidecarv1.HeldCids{Generations: report}
}

func (p *Pool) numbering() generations {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.generations
}
