// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"crypto/aes"
	"crypto/cipher"
)

// A cmac makes AES-CMACs (RFC 4493). It is not safe for concurrent use.
type cmac struct {
	aes           cipher.Block
	whole, padded [aes.BlockSize]byte
	state         [aes.BlockSize]byte
}

func newCMAC(key []byte) (*cmac, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	c := &cmac{aes: block}
	block.Encrypt(c.whole[:], c.whole[:])
	double(&c.whole)
	c.padded = c.whole
	double(&c.padded)
	return c, nil
}

func (c *cmac) sum(message []byte, mac *ResetToken) {
	clear(c.state[:])
	for len(message) > aes.BlockSize {
		c.mix(message[:aes.BlockSize])
		c.aes.Encrypt(c.state[:], c.state[:])
		message = message[aes.BlockSize:]
	}
	c.mix(message)
	if len(message) == aes.BlockSize {
		c.mix(c.whole[:])
	} else {
		c.state[len(message)] ^= 0x80
		c.mix(c.padded[:])
	}
	c.aes.Encrypt(mac[:], c.state[:])
}

func (c *cmac) mix(octets []byte) {
	for i, octet := range octets {
		c.state[i] ^= octet
	}
}

// double multiplies by x in the field of RFC 4493.
func double(block *[aes.BlockSize]byte) {
	carry := block[0] >> 7
	for i := range block {
		var next byte
		if i+1 < len(block) {
			next = block[i+1] >> 7
		}
		block[i] = block[i]<<1 | next
	}
	block[len(block)-1] ^= 0x87 * carry
}
