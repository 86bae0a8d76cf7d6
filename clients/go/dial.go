// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

const (
	// window is that of the stream and of the connection in octets, for millions of CIDs a second.
	window = 1 << 20
	// connectWithin bounds an attempt to connect.
	connectWithin = 2 * time.Second
	// Without these nobody would notice a sidecar on another host that is gone without a word.
	keepaliveEvery  = 10 * time.Second
	keepaliveWithin = 5 * time.Second
)

// A dialer makes connections to the sidecar.
type dialer struct {
	network, address string
	tls              *tls.Config
}

func newDialer(o Options) *dialer {
	if o.Socket != "" {
		return &dialer{network: "unix", address: o.Socket}
	}
	return &dialer{network: "tcp", address: o.Address, tls: o.TLS}
}

// A link is a connection to the sidecar, and what the system said if there is none.
type link struct {
	*grpc.ClientConn
	mu     sync.Mutex
	failed error
}

// dial returns at once; the first call connects.
func (d *dialer) dial() (*link, error) {
	l := &link{}
	// The name of the host is for TLS; a path of a socket in its place would be refused.
	target, security := "passthrough:///localhost", insecure.NewCredentials()
	if d.tls != nil {
		target, security = "passthrough:///"+d.address, credentials.NewTLS(d.tls)
	}
	conn, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(security),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			var dialer net.Dialer
			conn, err := dialer.DialContext(ctx, d.network, d.address)
			l.mu.Lock()
			l.failed = err
			l.mu.Unlock()
			return conn, err
		}),
		grpc.WithInitialWindowSize(window),
		grpc.WithInitialConnWindowSize(window),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveEvery, Timeout: keepaliveWithin}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           grpcbackoff.Config{BaseDelay: firstPause, Multiplier: 2, MaxDelay: longestPause},
			MinConnectTimeout: connectWithin,
		}),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithUserAgent("cidecar-go/"+Version),
	)
	if err != nil {
		return nil, unavailable("no connection", err)
	}
	l.ClientConn = conn
	return l, nil
}

// refusal says for a person why a call did not get to the sidecar, or what the sidecar answered.
func (l *link) refusal(method string, err error) error {
	var ours *Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	if errors.Is(err, io.EOF) {
		return unavailable("the sidecar ended the "+method, nil)
	}
	answer := status.Convert(err)
	l.mu.Lock()
	failed := l.failed
	l.mu.Unlock()
	if failed != nil && answer.Code() == codes.Unavailable {
		return &Error{
			Code:    CodeSidecarUnavailable,
			Message: "no connection: " + failed.Error(),
			Hint:    adviceFor(failed),
			Err:     failed,
		}
	}
	if answer.Code() == codes.Unimplemented {
		return &Error{
			Code:    CodeSidecarUnavailable,
			Message: fmt.Sprintf("the sidecar is too old: it does not know %s (%s)", method, answer.Message()),
			Hint:    "Upgrade the sidecar before its servers.",
			Err:     err,
		}
	}
	refusal := &Error{Code: CodeSidecarUnavailable, Message: method + ": " + answer.Message(), Err: err}
	for _, detail := range answer.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "cidecar" {
			refusal.Code, refusal.Hint = info.GetReason(), info.GetMetadata()["hint"]
		}
	}
	return refusal
}

// adviceFor is what to look at, by what connect(2) said.
func adviceFor(err error) string {
	switch {
	case errors.Is(err, syscall.ENOENT):
		return "There is no such socket: is the path right, and does the sidecar run?"
	case errors.Is(err, syscall.EACCES):
		return "This user may not write to the socket: see --socket-mode and --socket-group."
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Nobody listens there: does the sidecar run?"
	}
	return ""
}
