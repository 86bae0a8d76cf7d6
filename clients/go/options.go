// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
)

// Options say where the sidecar is, and how a [Pool] uses it.
type Options struct {
	// Socket is the path of the sidecar's unix socket, at most 107 octets. Give either this or
	// Address.
	Socket string
	// Address is host:port of a sidecar on TCP, which takes TLS.
	Address string
	// TLS has the certificate of this server, and the roots by which the sidecar's is verified. Its
	// ServerName is that of Address where it is empty.
	TLS *tls.Config
	// HighWater is how many CIDs the pool holds or has asked for at most, 1 to 65,536; 0 means
	// 4,096. A pool of 16,384 or more is the fastest where millions a second are wanted.
	HighWater int
	// LowWater is the number below which the pool is refilled; 0 means half of HighWater.
	LowWater int
	// ClientName is for the sidecar's log and status, such as "my-server/1.2": up to 64 octets of
	// printable ASCII. Empty means the name of this package.
	ClientName string
	// ServerUse is what the server-use octets of all routable CIDs begin with, such as the number of
	// a worker: up to 14 octets, and no more than the config has room for (serverUseLength in the
	// registry), or the sidecar refuses. Each process that shares a UDP address has its own.
	ServerUse []byte
	// CannotRetire says that the stack cannot make a peer retire CIDs (retire_prior_to), so that
	// connections have to be closed by the deadline of a reissue.
	CannotRetire bool
	// Held returns how many connections there are by the lowest generation of the routable CIDs that
	// their peers may still use (given out, and not retired). The registry's rotation waits for that
	// number, so a server without it holds rotations up. It is called at each change of generation,
	// and once a second while connections hold CIDs of earlier ones, on a goroutine of the pool.
	Held func() map[uint64]uint64
	// Events are what the server wants to be told.
	Events Events
}

const (
	defaultHighWater = 4096
	creditLimit      = 65536
	longestPath      = 107 // sun_path of unix(7) has 108 octets, and a zero ends it.
	longestServerUse = 14
	longestName      = 64
)

// complete checks the options, and fills in what was left out.
func (o Options) complete() (Options, error) {
	if o.HighWater == 0 {
		o.HighWater = defaultHighWater
	}
	if o.LowWater == 0 {
		o.LowWater = (o.HighWater + 1) / 2
	}
	if o.LowWater < 1 || o.LowWater > o.HighWater || o.HighWater > creditLimit {
		return o, invalid("LowWater %d and HighWater %d: 1 <= LowWater <= HighWater <= %d",
			o.LowWater, o.HighWater, creditLimit)
	}
	if o.ClientName == "" {
		o.ClientName = "cidecar-go/" + Version
	}
	if len(o.ClientName) > longestName || strings.IndexFunc(o.ClientName, unprintable) >= 0 {
		return o, invalid("ClientName is not up to %d octets of printable ASCII", longestName)
	}
	if len(o.ServerUse) > longestServerUse {
		return o, invalid("ServerUse has %d octets; it may have %d", len(o.ServerUse), longestServerUse)
	}
	if (o.Socket == "") == (o.Address == "") {
		return o, invalid("give either Socket or Address")
	}
	if o.Address != "" {
		if o.TLS == nil {
			return o, invalid("an Address needs TLS: CIDs and tokens are secrets of the server")
		}
		return o, nil
	}
	path, err := socketPath(o.Socket)
	o.Socket = path
	return o, err
}

// socketPath is absolute, so that the process may change its folder, unless only the relative path
// is short enough for the system.
func socketPath(path string) (string, error) {
	if strings.ContainsAny(path, "\x00\n\r") {
		return "", invalid("socket %q: no socket has such a path", path)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", &Error{Code: CodeArgumentInvalid, Message: "socket " + path, Err: err}
	}
	if len(absolute) <= longestPath {
		return absolute, nil
	}
	if here, err := filepath.Abs("."); err == nil {
		if relative, err := filepath.Rel(here, absolute); err == nil && len(relative) <= longestPath {
			return relative, nil
		}
	}
	return "", invalid("socket %s: the path has %d octets; the system takes %d",
		path, len(absolute), longestPath)
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }

func invalid(format string, arguments ...any) *Error {
	return &Error{Code: CodeArgumentInvalid, Message: fmt.Sprintf(format, arguments...)}
}
