// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"crypto/rand"
	"sync"
)

// failoverZeroes is how many octets after the first are zeroes where a config of the pool claims
// 0b111 (Katran V3): host ID 0 is not routed.
const failoverZeroes = 4

// A failoverForm is what all 0b111 CIDs of a sequence have in common.
type failoverForm struct {
	cidLength  int
	zeroHostID bool
}

func (f failoverForm) fixed() int {
	if f.zeroHostID {
		return 1 + failoverZeroes
	}
	return 1
}

// Failovers makes 0b111 CIDs, of which none repeats: each form has a counter that begins at random,
// under a permutation with a random key. Chance alone would repeat one soon where few octets are
// free: of the three that a Katran V3 pool leaves in 8 octets, half of all servers repeat one among
// 5,000 CIDs.
type failovers struct {
	mu        sync.Mutex
	sequences map[failoverForm]*failoverSequence
}

// failoversOfProcess is one for all pools, because no CID may leave this process twice, whichever
// pool makes it.
var failoversOfProcess failovers

// take makes a CID. It returns true where all of the form were made before, so that they begin
// again with the oldest, whose connection is the likeliest to have ended.
func (f *failovers) take(form failoverForm, cid *CID) (again bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sequence := f.sequences[form]
	if sequence == nil {
		if f.sequences == nil {
			f.sequences = make(map[failoverForm]*failoverSequence)
		}
		sequence = newFailoverSequence(form)
		f.sequences[form] = sequence
	}
	return sequence.take(cid)
}

type failoverSequence struct {
	form        failoverForm
	permutation *feistel
	tokens      *cmac
	start, next [MaxCIDLength]byte
	begun       bool
}

func newFailoverSequence(form failoverForm) *failoverSequence {
	var keys [32]byte
	s := &failoverSequence{form: form}
	random(keys[:])
	random(s.body(&s.start))
	s.next = s.start
	s.permutation, _ = newFeistel(keys[:16], permutationPasses) // No key of 16 octets is refused.
	s.tokens, _ = newCMAC(keys[16:])
	return s
}

// body is the part of a CID that differs.
func (s *failoverSequence) body(octets *[MaxCIDLength]byte) []byte {
	return octets[s.form.fixed():s.form.cidLength]
}

func (s *failoverSequence) take(cid *CID) (again bool) {
	again = s.begun && s.next == s.start
	s.begun = true
	cid.octets = s.next
	s.permutation.encrypt(s.body(&cid.octets))
	increment(s.body(&s.next))
	cid.octets[0] = 0xe0 | byte(s.form.cidLength-1)
	cid.length = uint8(s.form.cidLength)
	cid.Routable = false
	s.tokens.sum(cid.Bytes(), &cid.ResetToken)
	return again
}

// increment counts big-endian; the last counter is followed by 0.
func increment(counter []byte) {
	for i := len(counter) - 1; i >= 0; i-- {
		counter[i]++
		if counter[i] != 0 {
			return
		}
	}
}

func random(octets []byte) {
	// crypto/rand ends the process rather than fail.
	_, _ = rand.Read(octets)
}
