// SPDX-License-Identifier: Apache-2.0

// Package cidecar brings a QUIC server its connection IDs (CIDs) from the cidecar sidecar that
// stands beside it, so that load balancers find the server by the CID alone.
//
// A [Pool] keeps a supply of CIDs that a stream from the sidecar refills in the background.
// [Pool.Take] never waits, and fails only before the length of the CIDs is known: it gives a CID of
// the supply, or one that begins with 0b111, which balancers route by the 4-tuple, while the supply
// is empty or too old. The pool connects again by itself, drops what a rotation of the registry
// makes void, and says by its [Events] what the server has to do.
//
//	pool, err := cidecar.New(cidecar.Options{Socket: "/run/cidecar/web-1/sidecar.sock"})
//	...
//	if err := pool.Ready(ctx); err != nil { ... } // says why there are no CIDs
//	cid, err := pool.Take()
//
// A server on quic-go needs package quicgo beside this one, and calls no method here but
// [Pool.Ready].
package cidecar

// Version of this module.
const Version = "0.1.0"
