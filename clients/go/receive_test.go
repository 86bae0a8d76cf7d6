// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"context"
	"math"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/cidecar/cidecar/clients/go/cidecarv1"
)

// offline is a pool without a connection, with a Session that a test feeds.
func offline(t testing.TB) (*Pool, *session) {
	o, err := Options{Socket: "/none", HighWater: 100}.complete()
	if err != nil {
		t.Fatal(err)
	}
	_, stop := context.WithCancel(context.Background())
	p := &Pool{
		options: o, stop: stop, fresh: newFreshness(&fakeClock{}), orders: newOrders(),
		arrived: make(chan struct{}), told: make(map[string]bool), looks: time.NewTimer(time.Hour),
	}
	s := newSession()
	p.session = s
	return p, s
}

func helloOf(generation uint64) *cidecarv1.SessionResponse {
	return &cidecarv1.SessionResponse{Event: &cidecarv1.SessionResponse_Hello{Hello: &cidecarv1.SessionHello{
		CidLength: 8, LifetimeMs: 60_000, Minting: &cidecarv1.Minting{
			Number: 1, Generation: generation, MakesVoid: true, Routable: true,
		},
	}}}
}

func batchOf(count int, generation uint64) *cidecarv1.SessionResponse {
	return &cidecarv1.SessionResponse{Event: &cidecarv1.SessionResponse_Batch{Batch: &cidecarv1.CidBatch{
		Cids: make([]byte, 8*count), Tokens: make([]byte, 16*count), Count: uint32(count),
		CidLength: 8, Generation: generation, Routable: true,
	}}}
}

func TestHostileHellos(t *testing.T) {
	for name, hello := range map[string]*cidecarv1.SessionHello{
		"nothing":    {},
		"no minting": {CidLength: 8},
		"too short":  {CidLength: 7, Minting: &cidecarv1.Minting{}},
		"too long":   {CidLength: 21, Minting: &cidecarv1.Minting{}},
		"huge":       {CidLength: math.MaxUint32, Minting: &cidecarv1.Minting{}},
	} {
		p, s := offline(t)
		lie := p.receive(s, &cidecarv1.SessionResponse{Event: &cidecarv1.SessionResponse_Hello{Hello: hello}})
		if lie == nil || s.greeted || p.greeted != nil {
			t.Errorf("%s: it is taken", name)
		}
	}
}

func TestHostileBatches(t *testing.T) {
	cids, tokens := make([]byte, 80), make([]byte, 160)
	for name, batch := range map[string]*cidecarv1.CidBatch{
		"nothing":         {},
		"none":            {CidLength: 8},
		"other length":    {Cids: make([]byte, 90), Tokens: tokens, Count: 10, CidLength: 9},
		"short":           {Cids: cids[:79], Tokens: tokens, Count: 10, CidLength: 8},
		"long":            {Cids: cids, Tokens: tokens, Count: 9, CidLength: 8},
		"without tokens":  {Cids: cids, Count: 10, CidLength: 8},
		"tokens too many": {Cids: cids, Tokens: make([]byte, 161), Count: 10, CidLength: 8},
		"overflow":        {Cids: cids, Tokens: tokens, Count: 1<<29 + 10, CidLength: 8},
		"huge":            {Count: math.MaxUint32, CidLength: math.MaxUint32},
		"above credit":    {Cids: make([]byte, 808), Tokens: make([]byte, 1616), Count: 101, CidLength: 8},
	} {
		p, s := offline(t)
		if lie := p.receive(s, helloOf(1)); lie != nil {
			t.Fatal(lie)
		}
		message := &cidecarv1.SessionResponse{Event: &cidecarv1.SessionResponse_Batch{Batch: batch}}
		if p.receive(s, message) == nil || p.queue.size != 0 {
			t.Errorf("%s: it is taken", name)
		}
	}
}

func TestCreditKeepsToTheLimitOfTheSidecar(t *testing.T) {
	p, s := offline(t)
	message := helloOf(1)
	message.GetHello().CreditLimit = 10
	if p.receive(s, message) != nil || s.credit != 10 || p.outstanding != 10 {
		t.Errorf("credit for %d", s.credit)
	}
}

func TestAcknowledgementAndCreditGoTogether(t *testing.T) {
	p, s := offline(t)
	_, _ = p.receive(s, helloOf(1)), p.receive(s, batchOf(60, 1))
	s.credit, s.acknowledged = 0, 0 // They were sent.
	p.receive(s, &cidecarv1.SessionResponse{Event: &cidecarv1.SessionResponse_Minting{Minting: &cidecarv1.Minting{
		Number: 2, Generation: 2, MakesVoid: true, Routable: true,
	}}})
	o := outbox{pool: p, session: s}
	if message := o.next(false); message.GetCredit() != 60 || message.GetAcknowledgedMinting() != 2 {
		t.Errorf("the message is %v", message)
	}
	if message := o.next(false); message != nil {
		t.Errorf("said again: %v", message)
	}
}

func TestADeadlineThatMakesNoSense(t *testing.T) {
	for _, deadline := range []*timestamppb.Timestamp{nil, {Seconds: math.MaxInt64}, {Nanos: -1}} {
		got := deadlineOf(&cidecarv1.Reissue{Deadline: deadline})
		if age := time.Since(got); age < 0 || age > time.Minute {
			t.Errorf("%v is %v", deadline, got)
		}
	}
}

// Whatever a sidecar sends, the pool holds no more than it asked for.
func FuzzReceive(f *testing.F) {
	add := func(messages ...*cidecarv1.SessionResponse) {
		var packed []byte
		for _, message := range messages {
			octets, err := proto.Marshal(message)
			if err != nil {
				f.Fatal(err)
			}
			packed = append(append(packed, byte(len(octets))), octets...)
		}
		f.Add(packed)
	}
	add(helloOf(1), batchOf(5, 1), helloOf(1))
	add(helloOf(5), batchOf(5, 5), batchOf(5, 4), batchOf(3, 5))
	add(batchOf(1, 1))
	f.Fuzz(func(t *testing.T, packed []byte) {
		p, s := offline(t)
		for len(packed) > 0 {
			size := min(int(packed[0]), len(packed)-1)
			var message cidecarv1.SessionResponse
			err := proto.Unmarshal(packed[1:1+size], &message)
			packed = packed[1+size:]
			if err != nil || p.receive(s, &message) != nil {
				break // The Session is given up.
			}
			if p.queue.size+p.outstanding > p.options.HighWater || p.outstanding < 0 {
				t.Fatalf("%d in the pool, %d asked for", p.queue.size, p.outstanding)
			}
			if _, err := p.Take(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
