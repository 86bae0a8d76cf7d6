// SPDX-License-Identifier: Apache-2.0

package cidecar

import "errors"

// Codes of [Error] that this package itself gives. Others are what the sidecar answered, of the
// catalogue in core/errors.ts of the project.
const (
	// CodeSidecarUnavailable: the sidecar does not answer, or not as the contract says.
	CodeSidecarUnavailable = "SIDECAR_UNAVAILABLE"
	// CodeConfigUnusable: CIDs of such a length cannot be used by this server.
	CodeConfigUnusable = "CONFIG_UNUSABLE"
	// CodeArgumentInvalid: what the caller gave cannot be used.
	CodeArgumentInvalid = "ARGUMENT_INVALID"
	// CodeNoncesExhausted: all 0b111 CIDs of a length were made, or all of a lease were.
	CodeNoncesExhausted = "NONCES_EXHAUSTED"
	// CodeLeaseRefused: the sidecar does not hand out keys (--allow-key-export).
	CodeLeaseRefused = "LEASE_REFUSED"
)

var (
	// ErrLengthUnknown is what [Pool.Take] returns before the sidecar said how long CIDs are. A
	// server must not accept connections before it knows that.
	ErrLengthUnknown = errors.New("cidecar: the CID length is not known yet: wait for Pool.Ready")
	// ErrClosed says that the pool was closed.
	ErrClosed = errors.New("cidecar: the pool is closed")
	// ErrNoToken is what [Pool.ResetToken] returns for a CID that has no token which this server
	// may send, now or later. Send no stateless reset then.
	ErrNoToken = errors.New("cidecar: the CID has no reset token of this server")
)

// An Error says why the sidecar did not do what it should. [errors.Is] finds in it what the system
// said, such as syscall.ENOENT for a socket that is not there.
type Error struct {
	// Code is of the catalogue of the project, such as SIDECAR_UNAVAILABLE.
	Code string
	// Message is a sentence for a person.
	Message string
	// Hint says what to do about it; it may be empty.
	Hint string
	// Err is the cause; it may be nil.
	Err error
}

func (e *Error) Error() string {
	text := "cidecar: " + e.Message + " (" + e.Code + ")"
	if e.Hint != "" {
		text += ". " + e.Hint
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

func unavailable(message string, cause error) *Error {
	if cause != nil {
		message += ": " + plain(cause)
	}
	return &Error{Code: CodeSidecarUnavailable, Message: message, Err: cause}
}

// plain is the text of an error without what every Error has around it.
func plain(err error) string {
	var ours *Error
	if errors.As(err, &ours) {
		return ours.Message
	}
	return err.Error()
}
