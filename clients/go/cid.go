// SPDX-License-Identifier: Apache-2.0

package cidecar

import "encoding/hex"

const (
	// MinCIDLength is the length in octets of the shortest CID that a server can have.
	MinCIDLength = 8
	// MaxCIDLength is the length in octets of the longest CID of QUIC.
	MaxCIDLength = 20
	// ResetTokenLength is the length in octets of a stateless reset token.
	ResetTokenLength = 16
)

// A ResetToken is a stateless reset token (RFC 9000, section 10.3).
type ResetToken [ResetTokenLength]byte

// A CID is a connection ID for one use. It is a value that refers to nothing of its pool.
type CID struct {
	octets [MaxCIDLength]byte
	length uint8
	// Routable is false for a CID that begins with 0b111, which balancers route by the 4-tuple.
	// Give its connection no second such CID, and disable active migration where the stack can.
	Routable bool
	// Generation is what a [Reissue] names the CIDs by that have to be replaced.
	Generation uint64
	// ResetToken is the token that the sidecar knows for the CID. Nobody but this process can make
	// that of a 0b111 CID which the pool made because it was dry.
	ResetToken ResetToken
}

// Bytes returns the octets of the CID, 8 to 20. They belong to the receiver.
func (c *CID) Bytes() []byte { return c.octets[:c.length] }

// Len returns the number of octets, 8 to 20.
func (c *CID) Len() int { return int(c.length) }

// String returns the octets in hexadecimal.
func (c CID) String() string { return hex.EncodeToString(c.octets[:c.length]) }

// GoString hides the reset token, with which anybody can end the connection.
func (c CID) GoString() string { return "cidecar.CID(" + c.String() + ")" }
