// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

func TestTokenQuestionsAreFewAndKept(t *testing.T) {
	var asked atomic.Int32
	release := make(chan struct{})
	q := newTokenQuestions(func(context.Context, []byte) (ResetToken, error) {
		asked.Add(1)
		<-release
		return ResetToken{1}, nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	for i := range tokenQuestionsAtOnce {
		if _, err := q.begin(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.begin("0"); err != nil {
		t.Errorf("a question that waits is refused: %v", err)
	}
	if _, err := q.ask(ctx, []byte("one more")); err == nil {
		t.Error("a question too many is asked")
	}
	cancel()
	if _, err := q.ask(ctx, []byte("0")); !errors.Is(err, context.Canceled) {
		t.Errorf("the context does not end it: %v", err)
	}
	close(release)
	for i := range tokenQuestionsAtOnce {
		if token, err := q.ask(context.Background(), []byte(fmt.Sprint(i))); err != nil || token[0] != 1 {
			t.Error(token, err)
		}
	}
	if asked.Load() != tokenQuestionsAtOnce {
		t.Errorf("%d were asked", asked.Load())
	}
}

func TestTokenAnswersAreKeptForTenSeconds(t *testing.T) {
	now := time.Now()
	asked := 0
	answers := []error{nil, ErrNoToken, errLost, nil}
	q := newTokenQuestions(func(context.Context, []byte) (ResetToken, error) {
		asked++
		return ResetToken{}, answers[asked-1]
	})
	q.now = func() time.Time { return now }
	ask := func(cid string, want int) {
		t.Helper()
		_, _ = q.ask(context.Background(), []byte(cid))
		if asked != want {
			t.Errorf("%d questions, not %d", asked, want)
		}
	}
	ask("a", 1)
	ask("b", 2)
	now = now.Add(keptFor - 1)
	ask("a", 2)
	ask("b", 2)
	now = now.Add(1)
	ask("a", 3) // It fails, and is asked again.
	ask("a", 4)
}

func TestTokenAnswersAreBounded(t *testing.T) {
	q := newTokenQuestions(func(context.Context, []byte) (ResetToken, error) { return ResetToken{}, nil })
	for i := range 3 * answersKept {
		if _, err := q.ask(context.Background(), []byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if len(q.kept) > answersKept || q.order.Len() != len(q.kept) {
		t.Errorf("%d answers are kept, %d in order", len(q.kept), q.order.Len())
	}
}
