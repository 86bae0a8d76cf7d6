// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"

	"github.com/cidecar/cidecar/clients/go/cidecarv1"
)

// A minter makes CIDs by the terms of a lease (docs/connection-ids.md of the project). It is not
// safe for concurrent use.
type minter struct {
	katran      bool
	configID    byte
	cidLength   int
	useLength   int
	selfEncoded bool
	serverID    []byte
	// counter is the next one, big-endian.
	counter []byte
	// use is what the server-use octets begin with.
	use []byte
	// permutation makes nonces of counters where there is no key.
	permutation *feistel
	// Of a config with a key, single encrypts blocks of 16 octets, and four everything else.
	single cipher.Block
	four   *feistel
	tokens tokenMaker
	chance randomOctets
}

type tokenMaker interface {
	sum(cid []byte, token *ResetToken)
}

// newMinter checks the terms of a lease.
func newMinter(terms *cidecarv1.LeaseNoncesResponse, use []byte) (*minter, error) {
	m := &minter{
		katran:      terms.GetScheme() == "katran",
		configID:    byte(terms.GetConfigId()),
		cidLength:   int(terms.GetCidLength()),
		useLength:   int(terms.GetServerUseLength()),
		selfEncoded: terms.GetLengthSelfEncoded(),
		serverID:    bytes.Clone(terms.GetServerId()),
		counter:     bytes.Clone(terms.GetFirstCounter()),
		use:         use,
	}
	block := len(m.serverID) + len(m.counter)
	switch {
	case !m.katran && terms.GetScheme() != "quic-lb":
		return nil, fmt.Errorf("a scheme %q", terms.GetScheme())
	case terms.GetConfigId() > 6:
		return nil, fmt.Errorf("config ID %d", terms.GetConfigId())
	case terms.GetCount() < 1 || terms.GetCount() > MaxLease:
		return nil, fmt.Errorf("%d counters", terms.GetCount())
	case len(m.serverID) < 1 || len(m.counter) < 2 || len(m.counter) != int(terms.GetNonceLength()):
		return nil, errors.New("server ID or counter have another length than they should")
	case m.useLength > longestServerUse || 1+block+m.useLength != m.cidLength:
		return nil, fmt.Errorf("parts that do not make up CIDs of %d octets", m.cidLength)
	case len(use) > m.useLength:
		return nil, fmt.Errorf("room for %d server-use octets, where %d are wanted", m.useLength, len(use))
	case m.katran && (m.useLength > 0 || len(terms.GetKey()) > 0):
		return nil, errors.New("a key, or server-use octets, in CIDs of Katran")
	}
	if err := m.takeKeys(terms, block); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *minter) takeKeys(terms *cidecarv1.LeaseNoncesResponse, block int) (err error) {
	for _, key := range [][]byte{terms.GetKey(), terms.GetPermutationKey(), terms.GetResetKey()} {
		if len(key) != 0 && len(key) != keyLength {
			return fmt.Errorf("a key of %d octets", len(key))
		}
	}
	switch {
	case (len(terms.GetKey()) == 0) == (len(terms.GetPermutationKey()) == 0):
		return errors.New("a key and one of a permutation, or neither")
	case len(terms.GetKey()) == 0:
		m.permutation, err = newFeistel(terms.GetPermutationKey(), permutationPasses)
	case block == aes.BlockSize:
		m.single, err = aes.NewCipher(terms.GetKey())
	default:
		m.four, err = newFeistel(terms.GetKey(), encryptionPasses)
	}
	if err != nil {
		return err
	}
	switch terms.GetResetTokens() {
	case "cmac":
		m.tokens, err = newCMAC(terms.GetResetKey())
	case "hmac-sha256":
		if len(terms.GetResetKey()) != keyLength {
			return errors.New("no key for reset tokens")
		}
		m.tokens = &hmacTokens{hash: hmac.New(sha256.New, terms.GetResetKey())}
	default:
		err = fmt.Errorf("reset tokens of the kind %q", terms.GetResetTokens())
	}
	return err
}

// mint makes the CID of the next counter, and its token.
func (m *minter) mint(cid *CID) {
	cid.length = uint8(m.cidLength)
	octets := cid.octets[:m.cidLength]
	block := octets[1 : 1+len(m.serverID)+len(m.counter)]
	copy(block, m.serverID)
	nonce := block[len(m.serverID):]
	copy(nonce, m.counter)
	increment(m.counter)
	switch {
	case m.permutation != nil:
		m.permutation.encrypt(nonce)
	case m.single != nil:
		m.single.Encrypt(block, block)
	default:
		m.four.encrypt(block)
	}
	if m.katran {
		m.layOutKatran(octets)
	} else {
		octets[0] = m.configID<<5 | byte(m.cidLength-1)
		if !m.selfEncoded {
			octets[0] = m.configID<<5 | m.chance.next()&0x1f
		}
		use := octets[1+len(block):]
		for i := copy(use, m.use); i < len(use); i++ {
			use[i] = m.chance.next()
		}
	}
	m.tokens.sum(octets, &cid.ResetToken)
}

// layOutKatran puts version and spare bits round host ID and nonce, which are in place from octet 1.
// Version 1 has the host ID from bit 2 on, and the spare bits at the end.
func (m *minter) layOutKatran(octets []byte) {
	version, spare := m.configID/2, m.chance.next()&0x3f
	octets[0] = version<<6 | spare
	if version != 1 {
		return
	}
	octets[0] = version << 6
	for i := 1; i < len(octets); i++ {
		octets[i-1] |= octets[i] >> 2
		octets[i] <<= 6
	}
	octets[len(octets)-1] |= spare
}

// hmacTokens are those of stacks that make tokens themselves.
type hmacTokens struct {
	hash hash.Hash
	all  [sha256.Size]byte
}

func (h *hmacTokens) sum(cid []byte, token *ResetToken) {
	h.hash.Reset()
	h.hash.Write(cid)
	copy(token[:], h.hash.Sum(h.all[:0]))
}

// randomOctets reads many at a time, since each read costs a system call.
type randomOctets struct {
	octets [256]byte
	used   int
}

func (r *randomOctets) next() byte {
	if r.used%len(r.octets) == 0 {
		random(r.octets[:])
		r.used = 0
	}
	r.used++
	return r.octets[r.used-1]
}
