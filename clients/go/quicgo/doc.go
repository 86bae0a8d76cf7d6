// SPDX-License-Identifier: Apache-2.0

// Package quicgo puts a server on quic-go behind balancers that route by connection ID (CID): its
// CIDs come from the cidecar sidecar beside it.
//
//	side, err := quicgo.Join(ctx, quicgo.Options{Pool: cidecar.Options{Socket: path}})
//	...
//	transport := &quic.Transport{Conn: socket}
//	side.Attach(transport)
//	listener, err := transport.Listen(tlsConfig, quicConfig)
//	for {
//		conn, err := listener.Accept(ctx)
//		...
//		side.Track(conn)
//		go serve(conn)
//	}
//
// # What quic-go 0.65 can and cannot do
//
// It has nothing public by which a peer is made to retire CIDs: the generator of a [quic.Transport]
// is asked for CIDs, and every NEW_CONNECTION_ID frame has a Retire Prior To of 0. So the
// connections of a rotation cannot be moved. They are closed, the idle ones first, spread over the
// time to the deadline, with an application error that the client can tell from a fault; a client
// that comes back has a CID of the new generation. How many connections are left is reported to the
// sidecar, and the registry's rotation waits for that number.
//
// It makes stateless reset tokens itself, with one key for all CIDs, and answers every packet of a
// connection that it does not know. [Adapter.Attach] gives it a key that only this server has: see
// there.
//
// It cannot send disable_active_migration, so a connection that began while the pool was dry has a
// 0b111 CID and may be lost if its client migrates.
//
// It does not say what it wants a CID for. The adapter reads that from the call stack, so that a
// Retry costs the sidecar nothing, and that a connection gets no second CID while there are 0b111
// ones only. A release of quic-go whose functions have other names costs just that.
package quicgo
