// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cidecar/cidecar/clients/go/cidecarv1"
)

// helloWithin is how long a sidecar may take to its hello: PING is answered by much that is none.
const helloWithin = 10 * time.Second

// A session is one Session with the sidecar. What is to be sent waits here for the goroutine that
// writes, so that nobody else waits for the sidecar. The lock of the pool guards all of it.
type session struct {
	greeted bool
	// silent says that no hello came in time.
	silent bool
	// highWater is that of the pool, or the credit that the sidecar allows if that is less.
	highWater int
	// credit, acknowledged, questions and reportDue wait to be sent.
	credit       int
	acknowledged uint64
	questions    []*cidecarv1.Question
	reportDue    bool
	wake         chan struct{}

	lastQuestion  uint64
	questionLimit int
	// waiting are the questions that the sidecar has not answered.
	waiting map[uint64]chan *cidecarv1.Answer
}

func newSession() *session {
	return &session{
		wake:    make(chan struct{}, 1),
		waiting: make(map[uint64]chan *cidecarv1.Answer),
	}
}

func (s *session) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default: // It is awake.
	}
}

// run keeps a Session for as long as the pool lives.
func (p *Pool) run(ctx context.Context) {
	pauses := backoff{random: rand.Float64}
	for {
		p.keepSession(ctx, &pauses)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pauses.next()):
		}
	}
}

// keepSession opens a Session and returns when it is lost. Each has a connection of its own, so
// that the backoff of gRPC, which grows to minutes, has no part in it.
func (p *Pool) keepSession(ctx context.Context, pauses *backoff) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := newSession()
	conn, err := p.dialer.dial()
	if err != nil {
		p.lost(s, err)
		return
	}
	defer conn.Close()
	stream, err := cidecarv1.NewSidecarServiceClient(conn).Session(ctx)
	if err == nil {
		p.mu.Lock()
		p.session = s
		p.mu.Unlock()
		var writer sync.WaitGroup
		writer.Go(func() { p.write(ctx, stream, s) })
		late := time.AfterFunc(p.helloWithin, func() { p.giveUpSilent(s, cancel) })
		err = p.read(stream, s, pauses)
		late.Stop()
		cancel()
		writer.Wait()
	}
	p.mu.Lock()
	silent := s.silent
	p.mu.Unlock()
	if silent {
		why := fmt.Sprintf("the sidecar takes connections, but said no hello within %v", p.helloWithin)
		p.lost(s, unavailable(why, nil))
		return
	}
	p.lost(s, conn.refusal("Session", err))
}

// giveUpSilent ends a Session where no hello came in time.
func (p *Pool) giveUpSilent(s *session, cancel context.CancelFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.greeted {
		return
	}
	s.silent = true
	cancel()
}

// read takes messages until the Session is over, and returns why.
func (p *Pool) read(stream cidecarv1.SidecarService_SessionClient, s *session, pauses *backoff) error {
	for {
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		if lie := p.receive(s, message); lie != nil {
			pauses.useLongest()
			return lie
		}
		// A connect is no sign of life: it succeeds while the sidecar is still starting.
		pauses.reset()
	}
}

// lost takes note that a Session is over, or did not come about, and why.
func (p *Pool) lost(s *session, reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, answer := range s.waiting {
		close(answer)
	}
	p.session = nil
	p.outstanding = 0
	if p.closed {
		return
	}
	p.lastError = reason
	if s.greeted {
		// It is tried again at once, and the reason is old by then.
		p.events.tellError(p.options.Events.Disconnected, reason)
	} else {
		p.tellOnce(reason)
	}
}
