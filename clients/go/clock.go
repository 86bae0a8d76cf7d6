// SPDX-License-Identifier: Apache-2.0

package cidecar

import "time"

// A clock has two hands, because none that is cheap counts the time that a machine sleeps.
type clock interface {
	// awake is cheap, and stands still while the machine is suspended.
	awake() time.Duration
	// always goes on while the machine is suspended.
	always() time.Duration
}

type systemClock struct{ began time.Time }

func newSystemClock() systemClock { return systemClock{began: time.Now()} }

func (c systemClock) awake() time.Duration { return time.Since(c.began) }

func (c systemClock) always() time.Duration {
	if since, ok := sinceBoot(); ok {
		return since
	}
	return c.awake()
}
