// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cidecar/cidecar/clients/go/cidecarv1"
)

// answerWithin is how long an answer is waited for. A stateless reset that comes later helps nobody.
const answerWithin = 2 * time.Second

// IsOwn asks the sidecar whether a CID carries an ID of this server, since the pool has no key. The
// error says why there is no answer within 2 s.
func (p *Pool) IsOwn(ctx context.Context, cid []byte) (bool, error) {
	if !possible(cid) {
		return false, nil
	}
	answer, err := p.question(ctx, &cidecarv1.Question{About: &cidecarv1.Question_Own{Own: cid}})
	if err != nil {
		return false, err
	}
	if own, ok := answer.GetResult().(*cidecarv1.Answer_Own); ok {
		return own.Own, nil
	}
	return false, refused(answer)
}

// ResetToken returns the stateless reset token of a CID that no connection of this process has: one
// that an earlier process had. It returns [ErrNoToken] where the sidecar says that this server may
// answer with none: a server that answered for the CIDs of others would let anybody end their
// connections (RFC 9000, section 21.11). Any other error says why there is no answer within 2 s, or
// that 16 questions wait for one, as many as may, since anybody can cause them. Answers are kept for
// 10 s.
func (p *Pool) ResetToken(ctx context.Context, cid []byte) (ResetToken, error) {
	if !possible(cid) {
		return ResetToken{}, ErrNoToken
	}
	return p.tokens.ask(ctx, cid)
}

func possible(cid []byte) bool { return len(cid) >= 1 && len(cid) <= MaxCIDLength }

func (p *Pool) askResetToken(ctx context.Context, cid []byte) (ResetToken, error) {
	about := &cidecarv1.Question_ResetTokenOf{ResetTokenOf: cid}
	answer, err := p.question(ctx, &cidecarv1.Question{About: about})
	if err != nil {
		return ResetToken{}, err
	}
	if token := answer.GetResetToken(); len(token) == ResetTokenLength {
		return ResetToken(token), nil
	}
	switch answer.GetRefusal().GetCode() {
	case "FOREIGN_CID", "CONFIG_UNKNOWN", "CID_UNKNOWN", "ARGUMENT_INVALID":
		return ResetToken{}, ErrNoToken
	}
	return ResetToken{}, refused(answer)
}

func refused(answer *cidecarv1.Answer) *Error {
	if refusal := answer.GetRefusal(); refusal != nil {
		return &Error{Code: refusal.GetCode(), Message: refusal.GetMessage()}
	}
	return unavailable("the sidecar answered a question with neither a result nor a refusal", nil)
}

var (
	errLate = errors.New("no answer came within 2 s")
	errLost = errors.New("the connection was lost before the answer came")
)

// question asks on the Session. A question that got no answer in time counts as open until
// the sidecar answers it, since the sidecar counts it so.
func (p *Pool) question(ctx context.Context, asked *cidecarv1.Question) (*cidecarv1.Answer, error) {
	answers, err := p.send(asked)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(answerWithin)
	defer timer.Stop()
	select {
	case answer, ok := <-answers:
		if !ok {
			return nil, unavailable("a question", errLost)
		}
		return answer, nil
	case <-timer.C:
		return nil, unavailable("a question", errLate)
	case <-ctx.Done():
		return nil, unavailable("a question", ctx.Err())
	}
}

func (p *Pool) send(question *cidecarv1.Question) (<-chan *cidecarv1.Answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	s := p.session
	if !p.connected() {
		return nil, unavailable("the sidecar is out of reach", p.lastError)
	}
	if len(s.waiting) >= s.questionLimit {
		return nil, unavailable(fmt.Sprintf("%d questions wait for an answer, as many as may",
			len(s.waiting)), nil)
	}
	s.lastQuestion++
	question.Number = s.lastQuestion
	answers := make(chan *cidecarv1.Answer, 1)
	s.waiting[question.Number] = answers
	s.questions = append(s.questions, question)
	s.wakeUp()
	return answers, nil
}
