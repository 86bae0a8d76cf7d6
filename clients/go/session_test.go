// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"context"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/cidecar/cidecar/clients/go/cidecarv1"
)

// mute takes Sessions, and says nothing on them.
type mute struct {
	cidecarv1.UnimplementedSidecarServiceServer
}

func (mute) Session(stream cidecarv1.SidecarService_SessionServer) error {
	<-stream.Context().Done()
	return nil
}

func TestASidecarThatSaysNoHelloIsGivenUp(t *testing.T) {
	p, _ := offline(t)
	p.options.Socket = filepath.Join(t.TempDir(), "s.sock")
	listener, err := net.Listen("unix", p.options.Socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	t.Cleanup(server.Stop)
	cidecarv1.RegisterSidecarServiceServer(server, mute{})
	go func() { _ = server.Serve(listener) }()
	p.dialer = newDialer(p.options)
	p.helloWithin = time.Second / 10
	// It returns, or the test ends by its own limit.
	p.keepSession(context.Background(), &backoff{random: rand.Float64})
	if p.lastError == nil || !strings.Contains(p.lastError.Error(), "no hello within 100ms") {
		t.Errorf("%v", p.lastError)
	}
}

func TestALimitThatIsOverAfterTheHelloEndsNothing(t *testing.T) {
	p, s := offline(t)
	if lie := p.receive(s, helloOf(1)); lie != nil {
		t.Fatal(lie)
	}
	p.giveUpSilent(s, func() { t.Error("the Session was ended") })
}
