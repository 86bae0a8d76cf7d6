// SPDX-License-Identifier: Apache-2.0

package quicgo_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	cidecar "github.com/cidecar/cidecar/clients/go"
	"github.com/cidecar/cidecar/clients/go/cidecarv1"
	"github.com/cidecar/cidecar/clients/go/internal/sidecartest"
	"github.com/cidecar/cidecar/clients/go/quicgo"
)

// cidsOfConnection is how many CIDs a client on quic-go takes.
const cidsOfConnection = 4

var idleTimeout = &quic.Config{MaxIdleTimeout: 5 * time.Minute, KeepAlivePeriod: time.Minute}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func join(t *testing.T, sidecar *sidecartest.Sidecar, options quicgo.Options) *quicgo.Adapter {
	options.Pool.Socket = sidecar.Socket
	side, err := quicgo.Join(soon(t), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(side.Close)
	return side
}

// A server accepts connections, and echoes their streams when they are tracked.
type server struct {
	transport *quic.Transport
	listener  *quic.Listener
	address   net.Addr
}

func serve(t *testing.T, side *quicgo.Adapter, transport *quic.Transport, address string) *server {
	socket, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	transport.Conn = socket
	side.Attach(transport)
	listener, err := transport.Listen(serverTLS(t), idleTimeout)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{transport, listener, socket.LocalAddr()}
	t.Cleanup(s.kill)
	return s
}

// kill ends the server without a word to its clients.
func (s *server) kill() {
	_ = s.transport.Close()
	_ = s.transport.Conn.Close()
}

// connect makes a connection, and returns both ends of it.
func (s *server) connect(t *testing.T) (client, accepted *quic.Conn) {
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"echo"}}
	client, err := quic.DialAddr(soon(t), s.address.String(), config, idleTimeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.CloseWithError(0, "") })
	if accepted, err = s.listener.Accept(soon(t)); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			stream, err := accepted.AcceptStream(context.Background())
			if err != nil {
				return
			}
			_, _ = io.Copy(stream, stream)
			_ = stream.Close()
		}
	}()
	return client, accepted
}

func echo(t *testing.T, client *quic.Conn) {
	stream, err := client.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	_ = stream.Close()
	if got, err := io.ReadAll(stream); err != nil || string(got) != "x" {
		t.Fatalf("%q: %v", got, err)
	}
}

func serverTLS(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}},
		NextProtos:   []string{"echo"},
	}
}

// It fails, too, where a new quic-go has other names for what asks for CIDs: see purpose.go.
func TestARetryCostsTheSidecarNothing(t *testing.T) {
	side := join(t, sidecartest.Start(t), quicgo.Options{})
	s := serve(t, side, &quic.Transport{VerifySourceAddress: func(net.Addr) bool { return true }}, "127.0.0.1:0")
	client, accepted := s.connect(t)
	side.Track(accepted)
	echo(t, client)
	if stats := side.Stats().Pool; stats.Taken != cidsOfConnection || stats.Made != 0 {
		t.Errorf("a connection with a Retry took %+v", stats)
	}
}

// It fails, too, where a new quic-go has other names for what asks for CIDs: see purpose.go.
func TestNoSecondCIDWhileDry(t *testing.T) {
	sidecar := sidecartest.Start(t)
	side := join(t, sidecar, quicgo.Options{Pool: cidecar.Options{HighWater: 10}})
	sidecar.SetDry(true)
	for range 10 {
		if cid, err := side.Pool().Take(); err != nil || !cid.Routable {
			t.Fatal(err)
		}
	}
	s := serve(t, side, &quic.Transport{}, "127.0.0.1:0")
	client, accepted := s.connect(t)
	side.Track(accepted)
	echo(t, client)
	if stats := side.Stats().Pool; stats.Taken != 10 || stats.Made != 1 {
		t.Errorf("a connection of a dry pool took %+v", stats)
	}
	sidecar.Rotate(2)
	report := sidecar.Await(func(r *cidecarv1.SessionRequest) bool { return r.GetAcknowledgedMinting() == 2 })
	if len(report.GetHeld().GetGenerations()) != 0 {
		t.Errorf("a connection without a routable CID is reported: %v", report)
	}
}

func TestAReissueClosesConnections(t *testing.T) {
	sidecar := sidecartest.Start(t)
	moving, ordered := make(chan *quic.Conn, 3), make(chan cidecar.Reissue, 1)
	side := join(t, sidecar, quicgo.Options{
		Pool:      cidecar.Options{Events: cidecar.Events{Reissue: func(o cidecar.Reissue) { ordered <- o }}},
		CloseCode: 0x100,
		Moving:    func(conn *quic.Conn) { moving <- conn },
	})
	s := serve(t, side, &quic.Transport{}, "127.0.0.1:0")
	var clients []*quic.Conn
	for range 3 {
		client, accepted := s.connect(t)
		side.Track(accepted)
		clients = append(clients, client)
	}
	sidecar.Rotate(2)
	report := sidecar.Await(func(r *cidecarv1.SessionRequest) bool { return r.GetAcknowledgedMinting() == 2 })
	if held := report.GetHeld().GetGenerations(); len(held) != 1 || held[0].Generation != 1 || held[0].Connections != 3 {
		t.Errorf("reported: %v", report)
	}
	later, accepted := s.connect(t) // It has CIDs of the new generation.
	side.Track(accepted)
	sidecar.Reissue(1, time.Now().Add(2*time.Second))
	for _, client := range clients {
		<-client.Context().Done()
		var why *quic.ApplicationError
		if err := context.Cause(client.Context()); !errors.As(err, &why) || !why.Remote ||
			why.ErrorCode != 0x100 || why.ErrorMessage != "moved" {
			t.Errorf("closed with %v", err)
		}
		<-moving
	}
	if order := <-ordered; order.ThroughGeneration != 1 {
		t.Errorf("%+v", order)
	}
	echo(t, later)
	sidecar.Await(func(r *cidecarv1.SessionRequest) bool {
		held := r.GetHeld().GetGenerations()
		return len(held) == 1 && held[0].Generation == 2
	})
	if stats := side.Stats(); stats.ClosedForReissue != 3 || stats.Accepted != 4 || stats.Open != 1 {
		t.Errorf("%+v", stats)
	}
}

func TestAConnectionThatIsTrackedAfterTheOrder(t *testing.T) {
	sidecar := sidecartest.Start(t)
	ordered := make(chan cidecar.Reissue, 1)
	side := join(t, sidecar, quicgo.Options{
		Pool: cidecar.Options{Events: cidecar.Events{Reissue: func(o cidecar.Reissue) { ordered <- o }}},
	})
	s := serve(t, side, &quic.Transport{}, "127.0.0.1:0")
	client, accepted := s.connect(t)
	sidecar.Rotate(2)
	sidecar.Reissue(1, time.Now())
	<-ordered
	echo(t, client)
	side.Track(accepted)
	<-client.Context().Done()
}

func TestConnContextOfTheServer(t *testing.T) {
	side := join(t, sidecartest.Start(t), quicgo.Options{})
	type key struct{}
	refused := errors.New("refused")
	var first net.Addr // Transports accept one after the other.
	s := serve(t, side, &quic.Transport{
		ConnContext: func(ctx context.Context, client *quic.ClientInfo) (context.Context, error) {
			if first == nil {
				first = client.RemoteAddr
			}
			if first.String() == client.RemoteAddr.String() {
				return nil, refused
			}
			return context.WithValue(ctx, key{}, "theirs"), nil
		},
	}, "127.0.0.1:0")
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"echo"}}
	if _, err := quic.DialAddr(soon(t), s.address.String(), config, idleTimeout); err == nil {
		t.Error("it was not refused")
	}
	_, accepted := s.connect(t)
	side.Track(accepted)
	if accepted.Context().Value(key{}) != "theirs" || side.Stats().Open != 1 {
		t.Errorf("%+v", side.Stats())
	}
	if taken := side.Stats().Pool.Taken; taken != cidsOfConnection {
		t.Errorf("one connection and one that was refused took %d CIDs", taken)
	}
}

func keysOf(config7 byte) *cidecarv1.ExportResetKeysResponse {
	return &cidecarv1.ExportResetKeysResponse{Keys: []*cidecarv1.ResetKey{
		{ConfigId: 0, Key: make([]byte, 16)}, {ConfigId: 7, Key: append(make([]byte, 15), config7)},
	}}
}

func TestAServerThatWasKilledResetsItsConnections(t *testing.T) {
	for _, test := range []struct {
		name  string
		after byte // The last octet of the key that the second process gets.
		reset bool
	}{{"same server", 1, true}, {"another server", 2, false}} {
		t.Run(test.name, func(t *testing.T) {
			sidecar := sidecartest.Start(t)
			sidecar.Export(keysOf(1), nil)
			side := join(t, sidecar, quicgo.Options{})
			before := serve(t, side, &quic.Transport{}, "127.0.0.1:0")
			client, _ := before.connect(t)
			echo(t, client)
			before.kill()
			side.Close()

			sidecar.Export(keysOf(test.after), nil)
			after := join(t, sidecar, quicgo.Options{})
			serve(t, after, &quic.Transport{}, before.address.String())
			stream, err := client.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			// A reset is smaller than what it answers.
			_, _ = stream.Write(make([]byte, 200))
			if !test.reset {
				select {
				case <-client.Context().Done():
					t.Errorf("another server ended the connection: %v", context.Cause(client.Context()))
				case <-time.After(500 * time.Millisecond): // What does not come cannot be waited for.
				}
				return
			}
			<-client.Context().Done()
			var reset *quic.StatelessResetError
			if err := context.Cause(client.Context()); !errors.As(err, &reset) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestWhichKeyIsUsed(t *testing.T) {
	own := quic.StatelessResetKey{1}
	exported := quic.StatelessResetKey{15: 7}
	for name, test := range map[string]struct {
		keys    *cidecarv1.ExportResetKeysResponse
		options quicgo.Options
		want    *quic.StatelessResetKey
	}{
		"exported":      {keysOf(7), quicgo.Options{}, &exported},
		"given":         {keysOf(7), quicgo.Options{ResetKey: &own}, &own},
		"none":          {nil, quicgo.Options{}, nil},
		"none wanted":   {keysOf(7), quicgo.Options{NoResets: true}, nil},
		"given, no use": {nil, quicgo.Options{ResetKey: &own, NoResets: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			sidecar := sidecartest.Start(t)
			sidecar.Export(test.keys, nil)
			var transport quic.Transport
			join(t, sidecar, test.options).Attach(&transport)
			if got := transport.StatelessResetKey; (got == nil) != (test.want == nil) || got != nil && *got != *test.want {
				t.Errorf("%v, not %v", got, test.want)
			}
		})
	}
}

func TestJoinSaysWhyThereAreNoCIDs(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := quicgo.Join(ctx, quicgo.Options{Pool: cidecar.Options{Socket: t.TempDir() + "/none"}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
