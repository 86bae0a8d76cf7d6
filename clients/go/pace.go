// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"context"
	"time"
)

const (
	// usedPart of the time to a deadline is used; the rest is for connections that are slow.
	usedPart = 0.8
	// paceStep is the shortest time between two steps, each of one item or a few.
	paceStep = 20 * time.Millisecond
	// longestPace is a bound for deadlines that make no sense.
	longestPace = 365 * 24 * time.Hour
)

// Pace calls replace count times, with 0, 1, ..., spread evenly over 80 % of the time until the
// deadline, because new CIDs for all connections at once would be a burst on the network and a queue
// at the sidecar. With a deadline in the past it calls them all at once. It returns the error of the
// context if that ends first.
func Pace(ctx context.Context, count int, deadline time.Time, replace func(index int)) error {
	return pace(ctx, count, time.Until(deadline), replace, systemPaceClock{time.Now()})
}

// A paceClock is what pacing knows of time.
type paceClock interface {
	elapsed() time.Duration
	// sleep returns the error of the context if that ends first.
	sleep(context.Context, time.Duration) error
}

func pace(ctx context.Context, count int, within time.Duration, replace func(int), c paceClock) error {
	used := time.Duration(float64(min(within, longestPace)) * usedPart)
	for done := 0; done < count; {
		if err := ctx.Err(); err != nil {
			return err
		}
		due := count
		if elapsed := c.elapsed(); elapsed < used {
			due = int(float64(count) * float64(elapsed) / float64(used))
		}
		for due = min(max(due, done+1), count); done < due; done++ {
			replace(done)
		}
		if done == count {
			break
		}
		if err := c.sleep(ctx, max(paceStep, used/time.Duration(count))); err != nil {
			return err
		}
	}
	return nil
}

type systemPaceClock struct{ began time.Time }

func (c systemPaceClock) elapsed() time.Duration { return time.Since(c.began) }

func (c systemPaceClock) sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
