// SPDX-License-Identifier: Apache-2.0

package quicgo

import (
	"runtime"
	"strings"
)

// A purpose is what quic-go wants a CID for.
type purpose int

const (
	// unknownPurpose is that of a release whose functions have other names.
	unknownPurpose purpose = iota
	// firstOfConnection is for a new connection.
	firstOfConnection
	// furtherOfConnection is for one of those that a connection gets in its handshake. An error
	// means that it gets none.
	furtherOfConnection
	// replacement is for one that the peer retired. An error ends the connection.
	replacement
	// retrySource is for the Source CID of a Retry.
	retrySource
)

// callers are the functions of quic-go that ask for CIDs, by the ends of their names.
var callers = []struct {
	name string
	is   purpose
}{
	{".(*baseServer).handleInitialImpl", firstOfConnection},
	{".(*baseServer).sendRetryPacket", retrySource},
	{".(*connIDGenerator).SetMaxActiveConnIDs", furtherOfConnection},
	{".(*connIDGenerator).Retire", replacement},
}

// deepest is how far up the stack such a function is at most.
const deepest = 8

// purposeOfCall looks at the stack, since quic-go does not say it. It takes about a microsecond.
func purposeOfCall() purpose {
	var stack [deepest]uintptr
	frames := runtime.CallersFrames(stack[:runtime.Callers(3, stack[:])])
	for {
		frame, more := frames.Next()
		for _, caller := range callers {
			if strings.HasSuffix(frame.Function, caller.name) {
				return caller.is
			}
		}
		if !more {
			return unknownPurpose
		}
	}
}
