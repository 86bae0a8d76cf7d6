// SPDX-License-Identifier: Apache-2.0

package cidecar_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	cidecar "github.com/cidecar/cidecar/clients/go"
	"github.com/cidecar/cidecar/clients/go/cidecarv1"
	"github.com/cidecar/cidecar/clients/go/internal/sidecartest"
)

// within is for what comes at once on a machine that has nothing else to do.
const within = time.Minute

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	t.Cleanup(cancel)
	return ctx
}

func open(t *testing.T, o cidecar.Options) *cidecar.Pool {
	pool, err := cidecar.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func ready(t *testing.T, o cidecar.Options) *cidecar.Pool {
	pool := open(t, o)
	if err := pool.Ready(soon(t)); err != nil {
		t.Fatal(err)
	}
	return pool
}

func TestManyTakeAndNoneGetsACIDTwice(t *testing.T) {
	pool := ready(t, cidecar.Options{Socket: sidecartest.Start(t).Socket, HighWater: 5000})
	var mu sync.Mutex
	seen := make(map[string]bool)
	var takers sync.WaitGroup
	for range 8 {
		takers.Go(func() {
			var mine []cidecar.CID
			for range 5000 {
				cid, err := pool.Take()
				if err != nil {
					t.Error(err)
					return
				}
				mine = append(mine, cid)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, cid := range mine {
				if seen[cid.String()] {
					t.Errorf("%s came twice", cid)
				}
				seen[cid.String()] = true
			}
		})
	}
	takers.Wait()
	if stats := pool.Stats(); stats.Taken+stats.Made != 40_000 {
		t.Errorf("%+v", stats)
	}
}

func TestWhyThereIsNoConnection(t *testing.T) {
	told := make(chan error, 1)
	socket := filepath.Join(t.TempDir(), "s.sock")
	pool := open(t, cidecar.Options{Socket: socket, Events: cidecar.Events{
		Trouble: func(err error) { told <- err },
	}})
	if err := <-told; !errors.Is(err, syscall.ENOENT) {
		t.Errorf("told %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := pool.Ready(ctx); !errors.Is(err, syscall.ENOENT) || !errors.Is(err, context.Canceled) {
		t.Errorf("Ready: %v", err)
	}
	if _, err := pool.Take(); !errors.Is(err, cidecar.ErrLengthUnknown) {
		t.Errorf("Take: %v", err)
	}
	pool.Close()
	if err := pool.Ready(soon(t)); !errors.Is(err, cidecar.ErrClosed) {
		t.Errorf("Ready of a closed pool: %v", err)
	}
}

func TestASidecarWithoutSessionIsTooOld(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	t.Cleanup(server.Stop)
	cidecarv1.RegisterSidecarServiceServer(server, cidecarv1.UnimplementedSidecarServiceServer{})
	go func() { _ = server.Serve(listener) }()
	told := make(chan error, 1)
	open(t, cidecar.Options{Socket: socket, Events: cidecar.Events{Trouble: func(err error) { told <- err }}})
	var ours *cidecar.Error
	if err := <-told; !errors.As(err, &ours) || !strings.HasPrefix(ours.Message, "the sidecar is too old") {
		t.Errorf("told %v", err)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	pool := ready(t, cidecar.Options{Socket: sidecartest.Start(t).Socket})
	_, err := pool.ExportResetKeys(soon(t))
	var ours *cidecar.Error
	if !errors.As(err, &ours) || ours.Code != cidecar.CodeLeaseRefused || ours.Hint == "" {
		t.Errorf("%v", err)
	}
}

func TestConnectionsAreReportedWhileTheyHoldEarlierCIDs(t *testing.T) {
	sidecar := sidecartest.Start(t)
	var mu sync.Mutex
	held := map[uint64]uint64{1: 3}
	pool := ready(t, cidecar.Options{Socket: sidecar.Socket, Held: func() map[uint64]uint64 {
		mu.Lock()
		defer mu.Unlock()
		return held
	}})
	sidecar.Rotate(2)
	report := sidecar.Await(func(r *cidecarv1.SessionRequest) bool { return r.GetAcknowledgedMinting() == 2 })
	if generations := report.GetHeld().GetGenerations(); len(generations) != 1 || generations[0].Connections != 3 {
		t.Errorf("with the acknowledgement: %v", report)
	}
	mu.Lock()
	held = map[uint64]uint64{2: 3}
	mu.Unlock()
	pool.ReportHeld()
	sidecar.Await(func(r *cidecarv1.SessionRequest) bool {
		generations := r.GetHeld().GetGenerations()
		return len(generations) == 1 && generations[0].Generation == 2
	})
}

func TestQuestions(t *testing.T) {
	sidecar := sidecartest.Start(t)
	pool := ready(t, cidecar.Options{Socket: sidecar.Socket})
	cid, err := pool.Take()
	if err != nil {
		t.Fatal(err)
	}
	if token, err := pool.ResetToken(soon(t), cid.Bytes()); err != nil || token != cid.ResetToken {
		t.Errorf("%x: %v", token, err)
	}
	for _, foreign := range [][]byte{{0xff}, nil, make([]byte, 21)} {
		if _, err := pool.ResetToken(soon(t), foreign); !errors.Is(err, cidecar.ErrNoToken) {
			t.Errorf("%x: %v", foreign, err)
		}
	}
}

// An event may call the pool, and closing the pool from one does not hang.
func TestEventsMayCallThePool(t *testing.T) {
	done := make(chan struct{})
	var pool *cidecar.Pool
	begin := make(chan struct{})
	pool = open(t, cidecar.Options{
		Socket: sidecartest.Start(t).Socket,
		Events: cidecar.Events{Connected: func() {
			<-begin
			pool.Stats()
			pool.Close()
			close(done)
		}},
	})
	close(begin)
	select {
	case <-done:
	case <-soon(t).Done():
		t.Fatal("it hangs")
	}
}

func TestALease(t *testing.T) {
	sidecar := sidecartest.Start(t)
	sidecar.Export(nil, &cidecarv1.LeaseNoncesResponse{
		Generation: 1, Scheme: "quic-lb", CidLength: sidecartest.CIDLength, NonceLength: 8, Count: 2,
		ServerId: []byte{1, 2, 3}, Key: make([]byte, 16), FirstCounter: make([]byte, 8),
		ResetKey: make([]byte, 16), ResetTokens: "cmac",
	})
	pool := ready(t, cidecar.Options{Socket: sidecar.Socket})
	if _, err := pool.Lease(soon(t), cidecar.MaxLease+1); err == nil {
		t.Error("too many are leased")
	}
	lease, err := pool.Lease(soon(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	a, errA := lease.Take()
	b, errB := lease.Take()
	if errA != nil || errB != nil || a.String() == b.String() || !a.Routable || a.Generation != 1 || lease.Left() != 0 {
		t.Errorf("%v and %v: %v %v", a, b, errA, errB)
	}
	if _, err := lease.Take(); !errors.Is(err, cidecar.ErrLeaseUsedUp) {
		t.Errorf("a counter more: %v", err)
	}
	if lease, err = pool.Lease(soon(t), 2); err != nil {
		t.Fatal(err)
	}
	sidecar.Rotate(2)
	sidecar.Await(func(r *cidecarv1.SessionRequest) bool { return r.GetAcknowledgedMinting() == 2 })
	if _, err := lease.Take(); !errors.Is(err, cidecar.ErrLeaseVoid) || lease.Left() != 2 {
		t.Errorf("after a rotation: %v", err)
	}
}

// Certificates are made for the test: the sidecar on TCP asks for that of the server, and gets it.
func TestTCPWithMutualTLS(t *testing.T) {
	authority := newAuthority(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sidecar := sidecartest.Start(t)
	sidecar.Serve(t, listener, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{authority.issue(t)},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: authority.pool,
	})))
	address := listener.Addr().String()
	ready(t, cidecar.Options{Address: address, TLS: &tls.Config{
		Certificates: []tls.Certificate{authority.issue(t)}, RootCAs: authority.pool,
	}})
	told := make(chan error, 1)
	open(t, cidecar.Options{
		Address: address, TLS: &tls.Config{RootCAs: newAuthority(t).pool},
		Events: cidecar.Events{Trouble: func(err error) { told <- err }},
	})
	if err := <-told; !strings.Contains(err.Error(), "certificate") {
		t.Errorf("told %v", err)
	}
}
