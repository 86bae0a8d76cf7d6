// SPDX-License-Identifier: Apache-2.0

// Package sidecartest has a sidecar for tests: it makes CIDs from a counter, and does what a test
// says. Scenarios of clients/contract look at the rules of the contract; this one is for what they
// cannot see.
package sidecartest

import (
	"context"
	"encoding/binary"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/cidecar/cidecar/clients/go/cidecarv1"
)

// CIDLength is that of all CIDs in octets.
const CIDLength = 12

const batchLimit = 1024

// A Sidecar serves one Session at a time.
type Sidecar struct {
	cidecarv1.UnimplementedSidecarServiceServer
	Socket string

	mu         sync.Mutex
	changed    *sync.Cond
	generation uint64
	number     uint64
	routable   bool
	dry        bool
	counter    uint64
	credit     uint32
	send       func(*cidecarv1.SessionResponse)
	said       []*cidecarv1.SessionRequest
	keys       *cidecarv1.ExportResetKeysResponse
	lease      *cidecarv1.LeaseNoncesResponse
}

// Start listens on a socket until the test ends. Options are for the gRPC server.
func Start(t testing.TB, options ...grpc.ServerOption) *Sidecar {
	s := &Sidecar{Socket: filepath.Join(t.TempDir(), "s.sock"), generation: 1, routable: true}
	s.changed = sync.NewCond(&s.mu)
	listener, err := net.Listen("unix", s.Socket)
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(t, listener, options...)
	return s
}

// Serve has the sidecar serve another listener too.
func (s *Sidecar) Serve(t testing.TB, listener net.Listener, options ...grpc.ServerOption) {
	server := grpc.NewServer(options...)
	cidecarv1.RegisterSidecarServiceServer(server, s)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
}

// Session says hello, and sends a CID for each that there is credit for.
func (s *Sidecar) Session(stream cidecarv1.SidecarService_SessionServer) error {
	s.mu.Lock()
	s.number, s.credit = 1, 0
	s.send = func(message *cidecarv1.SessionResponse) { _ = stream.Send(message) }
	s.send(&cidecarv1.SessionResponse{Event: &cidecarv1.SessionResponse_Hello{Hello: &cidecarv1.SessionHello{
		CidLength: CIDLength, Minting: s.minting(), LifetimeMs: 60_000, AliveEveryMs: 15_000,
		CreditLimit: 65_536, BatchLimit: batchLimit, QuestionLimit: 64, KeyExport: s.keys != nil,
	}}})
	s.mu.Unlock()
	for {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.said = append(s.said, request)
		s.credit += request.GetCredit()
		for _, question := range request.GetQuestions() {
			s.answer(question)
		}
		s.fill()
		s.changed.Broadcast()
		s.mu.Unlock()
	}
}

func (s *Sidecar) answer(question *cidecarv1.Question) {
	answer := &cidecarv1.Answer{Number: question.GetNumber()}
	if cid := question.GetResetTokenOf(); len(cid) == CIDLength && cid[0]>>5 != 7 {
		answer.Result = &cidecarv1.Answer_ResetToken{ResetToken: token(binary.BigEndian.Uint64(cid[CIDLength-8:]))}
	} else {
		answer.Result = &cidecarv1.Answer_Refusal{Refusal: &cidecarv1.Refusal{Code: "FOREIGN_CID"}}
	}
	s.send(&cidecarv1.SessionResponse{Event: &cidecarv1.SessionResponse_Answer{Answer: answer}})
}

func token(counter uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 8, 16), counter)
}

func (s *Sidecar) minting() *cidecarv1.Minting {
	return &cidecarv1.Minting{
		Number: s.number, Generation: s.generation, MakesVoid: true, Routable: s.routable, ConfigId: 1,
		ResetTokens: "cmac",
	}
}

func (s *Sidecar) fill() {
	for s.credit > 0 && !s.dry {
		count := min(s.credit, batchLimit)
		s.credit -= count
		batch := &cidecarv1.CidBatch{
			Count: count, CidLength: CIDLength, Generation: s.generation, Routable: s.routable,
		}
		for range count {
			s.counter++
			first := byte(1<<5 | CIDLength - 1)
			if !s.routable {
				first |= 0xe0
			}
			batch.Cids = append(batch.Cids, first, 0, 0, 0)
			batch.Cids = binary.BigEndian.AppendUint64(batch.Cids, s.counter)
			batch.Tokens = append(batch.Tokens, token(s.counter)...)
		}
		s.send(&cidecarv1.SessionResponse{Event: &cidecarv1.SessionResponse_Batch{Batch: batch}})
	}
}

// SetDry has the sidecar send no more CIDs, or send them again.
func (s *Sidecar) SetDry(dry bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dry = dry
	s.fill()
}

// Rotate changes the generation.
func (s *Sidecar) Rotate(generation uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation = generation
	s.number++
	s.send(&cidecarv1.SessionResponse{Event: &cidecarv1.SessionResponse_Minting{Minting: s.minting()}})
}

// Reissue sends an order.
func (s *Sidecar) Reissue(through uint64, deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send(&cidecarv1.SessionResponse{Event: &cidecarv1.SessionResponse_Reissue{Reissue: &cidecarv1.Reissue{
		ThroughGeneration: through, Deadline: timestamppb.New(deadline),
	}}})
}

// Send sends any message.
func (s *Sidecar) Send(message *cidecarv1.SessionResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send(message)
}

// Issued is how many CIDs were sent.
func (s *Sidecar) Issued() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counter
}

// Await returns the first message of the client, of those not yet awaited, for which is returns true.
func (s *Sidecar) Await(is func(*cidecarv1.SessionRequest) bool) *cidecarv1.SessionRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for i, request := range s.said {
			if is(request) {
				s.said = s.said[i+1:]
				return request
			}
		}
		s.changed.Wait()
	}
}

// Export is what the sidecar answers to ExportResetKeys and LeaseNonces; nil where it refuses.
func (s *Sidecar) Export(keys *cidecarv1.ExportResetKeysResponse, lease *cidecarv1.LeaseNoncesResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.lease = keys, lease
}

// ExportResetKeys answers with what Export said.
func (s *Sidecar) ExportResetKeys(
	context.Context, *cidecarv1.ExportResetKeysRequest,
) (*cidecarv1.ExportResetKeysResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		return nil, refusal()
	}
	return s.keys, nil
}

// LeaseNonces answers with what Export said.
func (s *Sidecar) LeaseNonces(
	context.Context, *cidecarv1.LeaseNoncesRequest,
) (*cidecarv1.LeaseNoncesResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lease == nil {
		return nil, refusal()
	}
	return s.lease, nil
}
