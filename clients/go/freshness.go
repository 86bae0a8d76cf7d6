// SPDX-License-Identifier: Apache-2.0

package cidecar

import "time"

const (
	// looksInLifetime is how often in a lifetime the pool looks whether it has passed.
	looksInLifetime    = 8
	longestBetweenLook = time.Second
	// alwaysEvery is how long the clock that counts sleep is left alone: to read it costs a system
	// call.
	alwaysEvery = 10 * time.Millisecond
)

// Freshness knows whether CIDs in stock may still be used: a client that hears nothing from its
// sidecar does not hear of a rotation either. Wall clocks play no part, since people set them.
type freshness struct {
	clock clock
	// lifetime is 0 where the sidecar does not limit the use of its CIDs.
	lifetime    time.Duration
	heardAwake  time.Duration
	heardAlways time.Duration
	lookedAt    time.Duration
	passed      bool
}

func newFreshness(c clock) *freshness {
	f := &freshness{clock: c}
	f.heard()
	return f
}

// heard notes that the sidecar said something.
func (f *freshness) heard() {
	f.heardAwake, f.heardAlways = f.clock.awake(), f.clock.always()
	f.lookedAt = f.heardAwake
	f.passed = false
}

// silence is the time since the sidecar said something.
func (f *freshness) silence() time.Duration {
	return max(f.clock.awake()-f.heardAwake, f.clock.always()-f.heardAlways)
}

// justPassed returns true once each time that the lifetime has passed.
func (f *freshness) justPassed() bool {
	if f.passed || f.lifetime == 0 {
		return false
	}
	now := f.clock.awake()
	silence := now - f.heardAwake
	if silence <= f.lifetime && now-f.lookedAt >= alwaysEvery {
		f.lookedAt = now
		silence = f.clock.always() - f.heardAlways
	}
	f.passed = silence > f.lifetime
	return f.passed
}

// lookEvery is the time between two looks.
func (f *freshness) lookEvery() time.Duration {
	if f.lifetime == 0 {
		return longestBetweenLook
	}
	return min(f.lifetime/looksInLifetime, longestBetweenLook)
}
