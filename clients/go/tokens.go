// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// tokenQuestionsAtOnce is how many questions may have no answer at one time.
	tokenQuestionsAtOnce = 16
	// answersKept is how many answers are kept; the oldest goes first.
	answersKept = 1024
	// keptFor is how long an answer is kept. Peers repeat themselves for seconds.
	keptFor = 10 * time.Second
)

// TokenQuestions asks for reset tokens. Anybody can make a server ask by sending it packets, so there
// are never many questions at once, and none is repeated within some seconds.
type tokenQuestions struct {
	askOne func(context.Context, []byte) (ResetToken, error)
	now    func() time.Time

	mu    sync.Mutex
	open  int
	kept  map[string]*list.Element
	order list.List // of *tokenAnswer, the oldest first
}

type tokenAnswer struct {
	cid   string
	at    time.Time
	done  chan struct{} // closed when token and err are set
	token ResetToken
	err   error
}

func newTokenQuestions(ask func(context.Context, []byte) (ResetToken, error)) *tokenQuestions {
	return &tokenQuestions{askOne: ask, now: time.Now, kept: make(map[string]*list.Element)}
}

func (q *tokenQuestions) ask(ctx context.Context, cid []byte) (ResetToken, error) {
	answer, err := q.begin(string(cid))
	if err != nil {
		return ResetToken{}, err
	}
	select {
	case <-answer.done:
		return answer.token, answer.err
	case <-ctx.Done():
		return ResetToken{}, unavailable("a question", ctx.Err())
	}
}

// begin returns the answer that is kept or on its way, or asks.
func (q *tokenQuestions) begin(cid string) (*tokenAnswer, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if element := q.kept[cid]; element != nil {
		if answer := element.Value.(*tokenAnswer); q.now().Sub(answer.at) < keptFor {
			return answer, nil
		}
		q.forget(element)
	}
	if q.open >= tokenQuestionsAtOnce {
		return nil, unavailable(fmt.Sprintf(
			"%d questions for reset tokens wait for an answer, as many as may", q.open), nil)
	}
	answer := &tokenAnswer{cid: cid, at: q.now(), done: make(chan struct{})}
	element := q.order.PushBack(answer)
	q.kept[cid] = element
	if len(q.kept) > answersKept {
		q.forget(q.order.Front())
	}
	q.open++
	go func() {
		// It serves all who wait for it, and so belongs to the context of none.
		answer.token, answer.err = q.askOne(context.Background(), []byte(cid))
		q.mu.Lock()
		defer q.mu.Unlock()
		q.open--
		if answer.err != nil && !errors.Is(answer.err, ErrNoToken) {
			q.forget(element) // It is asked again.
		}
		close(answer.done)
	}()
	return answer, nil
}

func (q *tokenQuestions) forget(element *list.Element) {
	cid := element.Value.(*tokenAnswer).cid
	if q.kept[cid] == element {
		delete(q.kept, cid)
	}
	q.order.Remove(element)
}
