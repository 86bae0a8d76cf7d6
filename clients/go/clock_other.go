// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package cidecar

import "time"

func sinceBoot() (time.Duration, bool) { return 0, false }
