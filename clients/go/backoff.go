// SPDX-License-Identifier: Apache-2.0

package cidecar

import "time"

const (
	firstPause = 50 * time.Millisecond
	// longestPause keeps the promise that a client is back within 1 s of its sidecar's return.
	longestPause = 500 * time.Millisecond
)

// A backoff has the pauses between attempts. They double, each with jitter, so that the servers of
// a host do not come back at one moment.
type backoff struct {
	pause time.Duration
	// random returns a number in [0, 1).
	random func() float64
}

// next returns the pause before the next attempt: half of its length to all of it.
func (b *backoff) next() time.Duration {
	pause := max(b.pause, firstPause)
	b.pause = min(2*pause, longestPause)
	return pause/2 + time.Duration(b.random()*float64(pause/2))
}

// reset is for a sign of life, which a mere connect is not.
func (b *backoff) reset() { b.pause = firstPause }

// useLongest makes the next pause the longest one.
func (b *backoff) useLongest() { b.pause = longestPause }
