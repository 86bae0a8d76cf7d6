// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"crypto/aes"
	"crypto/cipher"
)

const (
	// permutationPasses makes a permutation of counters that looks random even where few octets are
	// free (docs/connection-ids.md, "Nonces").
	permutationPasses = 8
	// encryptionPasses are those of "Four-Pass Encryption".
	encryptionPasses = 4
)

// A feistel is the network of draft-ietf-quic-load-balancers-22, "Four-Pass Encryption", with any
// number of passes, for strings of 2 to 20 octets. It is not safe for concurrent use.
//
// With an odd length the halves share the middle octet: its upper nibble ends the left half, its
// lower one begins the right half.
type feistel struct {
	aes           cipher.Block
	passes        int
	left, right   [aes.BlockSize]byte
	input, stream [aes.BlockSize]byte
}

func newFeistel(key []byte, passes int) (*feistel, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return &feistel{aes: block, passes: passes}, nil
}

// encrypt changes text in place.
func (f *feistel) encrypt(text []byte) {
	odd := len(text) % 2
	half := (len(text) + odd) / 2
	left, right := f.left[:half], f.right[:half]
	copy(left, text)
	copy(right, text[len(text)-half:])
	trim := func() {
		if odd == 1 {
			left[half-1] &= 0xf0
			right[0] &= 0x0f
		}
	}
	trim()
	for pass := 1; pass <= f.passes; pass++ {
		from, into := left, right
		if pass%2 == 0 {
			from, into = right, left
		}
		clear(f.input[:])
		copy(f.input[:], from)
		f.input[14], f.input[15] = byte(len(text)), byte(pass)
		f.aes.Encrypt(f.stream[:], f.input[:])
		for i := range into {
			into[i] ^= f.stream[i]
		}
		trim()
	}
	copy(text, left)
	copy(text[half:], right[odd:])
	if odd == 1 {
		text[half-1] |= right[0]
	}
}
