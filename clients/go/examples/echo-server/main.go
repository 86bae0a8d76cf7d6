// SPDX-License-Identifier: Apache-2.0

// An echo server on quic-go behind the balancers of cidecar: it sends back what comes on each
// bidirectional stream that a client opens (ALPN "echo").
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"

	cidecar "github.com/cidecar/cidecar/clients/go"
	"github.com/cidecar/cidecar/clients/go/quicgo"
)

type addresses []string

func (a *addresses) String() string         { return strings.Join(*a, " ") }
func (a *addresses) Set(value string) error { *a = append(*a, value); return nil }

var listen addresses

func main() {
	flag.Var(&listen, "listen", "`ADDRESS:PORT` for QUIC; repeatable")
	sidecar := flag.String("sidecar", "", "path of the sidecar's `SOCKET`")
	certificate := flag.String("certificate", "", "`PEM` file of the certificate")
	key := flag.String("private-key", "", "`PEM` file of its key")
	use := flag.String("server-use", "", "server-use octets of all CIDs in `HEX`")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, *sidecar, *certificate, *key, *use); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, sidecar, certificate, key, use string) error {
	serverUse, err := hex.DecodeString(use)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	tlsConfig := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"echo"}}
	events := cidecar.Events{
		Trouble:      func(err error) { log.Print(err) },
		Disconnected: func(err error) { log.Print(err) },
		Reissue: func(order cidecar.Reissue) {
			say(map[string]any{"event": "reissue", "through_generation": order.ThroughGeneration})
		},
	}
	// [join
	side, err := quicgo.Join(ctx, quicgo.Options{Pool: cidecar.Options{
		Socket: sidecar, ServerUse: serverUse, Events: events, ClientName: "echo quic-go/0.65.0",
	}})
	if err != nil {
		return err
	}
	defer side.Close()
	// join]
	var serving sync.WaitGroup
	for _, address := range listen {
		socket, err := listenUDP(address)
		if err != nil {
			return err
		}
		// [join
		transport := &quic.Transport{Conn: socket}
		side.Attach(transport) // It takes its CIDs from the sidecar.
		// join]
		listener, err := transport.Listen(tlsConfig, &quic.Config{MaxIdleTimeout: 2 * time.Minute})
		if err != nil {
			return err
		}
		serving.Go(func() { accept(ctx, side, listener) })
	}
	say(map[string]any{"event": "listening"})
	go answerStatistics(side)
	serving.Wait()
	return ctx.Err()
}

func accept(ctx context.Context, side *quicgo.Adapter, listener *quic.Listener) {
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		conn, err := listener.Accept(ctx)
		if err != nil {
			return
		}
		// [join
		side.Track(conn) // It is closed in time when its CIDs have to go.
		// join]
		serving.Go(func() { serve(ctx, conn) })
	}
}

func serve(ctx context.Context, conn *quic.Conn) {
	defer context.AfterFunc(ctx, func() { _ = conn.CloseWithError(0, "the server ends") })()
	for {
		stream, err := conn.AcceptStream(conn.Context())
		if err != nil {
			<-conn.Context().Done()
			return
		}
		go func() {
			if _, err := io.Copy(stream, stream); err != nil {
				stream.CancelRead(0)
				stream.CancelWrite(0)
				return
			}
			_ = stream.Close() // FIN.
		}()
	}
}

func listenUDP(address string) (*net.UDPConn, error) {
	resolved, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	return net.ListenUDP("udp", resolved)
}

func answerStatistics(side *quicgo.Adapter) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if lines.Text() != "statistics" {
			continue
		}
		stats := side.Stats()
		say(map[string]any{
			"event": "statistics", "open": stats.Open, "accepted": stats.Accepted, "moved": 0,
			"closed_for_reissue": stats.ClosedForReissue, "taken": stats.Pool.Taken + stats.Pool.Made,
			"dry": stats.Pool.Made, "connected": stats.Pool.Connected,
		})
	}
}

var output sync.Mutex

func say(event map[string]any) {
	line, err := json.Marshal(event)
	if err != nil {
		log.Print(errors.Join(errors.New("an event cannot be written"), err))
		return
	}
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(line))
}
