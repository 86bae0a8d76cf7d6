// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/cidecar/cidecar/clients/go/cidecarv1"
)

const draftKey = "8f95f09245765f80256934e50c66207f"

// The vectors are those of the draft, in cid/testdata/draft-22.json of the project.
func TestMintedCIDsAreThoseOfTheDraft(t *testing.T) {
	for _, v := range []struct {
		config                  uint32
		serverID, nonce, minted string
	}{
		{0, "ed793a", "ee080dbf", "0720b1d07b359d3c"},
		{1, "ed793a51d49b8f5fab65", "ee080dbf48", "2fcc381bc74cb4fbad2823a3d1f8fed2"},
		{2, "ed793a51d49b8f5f", "ee080dbf48c0d1e5", "504dd2d05a7b0de9b2b9907afb5ecf8cc3"},
		{0, "ed793a51d49b8f5fab", "ee080dbf48c0d1e55d", "125779c9cc86beb3a3a4a3ca96fce4bfe0cdbc"},
	} {
		m, err := newMinter(&cidecarv1.LeaseNoncesResponse{
			Scheme: "quic-lb", ConfigId: v.config, CidLength: uint32(len(v.minted) / 2), Count: 1,
			NonceLength: uint32(len(v.nonce) / 2), LengthSelfEncoded: true, ServerId: unhex(t, v.serverID),
			Key: unhex(t, draftKey), FirstCounter: unhex(t, v.nonce), ResetKey: make([]byte, 16), ResetTokens: "cmac",
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var cid CID
		m.mint(&cid)
		if cid.String() != v.minted {
			t.Errorf("%s, not %s", cid, v.minted)
		}
	}
}

func plainTerms() *cidecarv1.LeaseNoncesResponse {
	return &cidecarv1.LeaseNoncesResponse{
		Scheme: "quic-lb", ConfigId: 3, CidLength: 10, Count: 10, NonceLength: 4, ServerUseLength: 2,
		ServerId: []byte{1, 2, 3}, FirstCounter: []byte{0xff, 0xff, 0xff, 0xff}, ResetTokens: "hmac-sha256",
		PermutationKey: []byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"),
		ResetKey:       []byte("0123456789abcdef"),
	}
}

func TestMintedCIDsInTheClear(t *testing.T) {
	m, err := newMinter(plainTerms(), []byte{0x5a})
	if err != nil {
		t.Fatal(err)
	}
	// The nonces of cid/testdata/cidecar.json for the last counter and the one after it.
	for _, nonce := range []string{"1ade432a", "15e7f9ba"} {
		var cid CID
		m.mint(&cid)
		if got := hex.EncodeToString(cid.Bytes()[1:9]); got != "010203"+nonce+"5a" || cid.Bytes()[0]>>5 != 3 {
			t.Errorf("%s", cid)
		}
		mac := hmac.New(sha256.New, []byte("0123456789abcdef"))
		mac.Write(cid.Bytes())
		if cid.ResetToken != ResetToken(mac.Sum(nil)[:16]) {
			t.Errorf("token %x", cid.ResetToken)
		}
	}
}

func TestMintedCIDsOfKatran(t *testing.T) {
	const nonce = "1ade432a" // Of the counter in plainTerms.
	for _, v := range []struct {
		config           uint32
		serverID, minted string
		spareOfFirst     byte
		spareOfLast      byte
	}{
		// Version 1 has everything two bits to the right of where octets begin.
		{2, "0402", "410086b790ca80", 0, 0x3f},
		{4, "030402", "80030402" + nonce, 0x3f, 0},
		{6, "03040205", "c003040205" + nonce, 0x3f, 0},
	} {
		terms := plainTerms()
		terms.Scheme, terms.ConfigId, terms.ServerUseLength = "katran", v.config, 0
		terms.ServerId = unhex(t, v.serverID)
		terms.CidLength = uint32(1 + len(terms.ServerId) + 4)
		m, err := newMinter(terms, nil)
		if err != nil {
			t.Fatal(err)
		}
		var cid CID
		m.mint(&cid)
		octets := cid.Bytes()
		octets[0] &^= v.spareOfFirst
		octets[len(octets)-1] &^= v.spareOfLast
		if cid.String() != v.minted {
			t.Errorf("version %d: %s, not %s", v.config/2, cid, v.minted)
		}
	}
}

func TestTermsThatCannotBeUsed(t *testing.T) {
	for name, spoil := range map[string]func(*cidecarv1.LeaseNoncesResponse){
		"scheme":         func(l *cidecarv1.LeaseNoncesResponse) { l.Scheme = "x" },
		"config":         func(l *cidecarv1.LeaseNoncesResponse) { l.ConfigId = 7 },
		"no counters":    func(l *cidecarv1.LeaseNoncesResponse) { l.Count = 0 },
		"many counters":  func(l *cidecarv1.LeaseNoncesResponse) { l.Count = MaxLease + 1 },
		"no server ID":   func(l *cidecarv1.LeaseNoncesResponse) { l.ServerId = nil },
		"nonce length":   func(l *cidecarv1.LeaseNoncesResponse) { l.NonceLength = 5 },
		"CID length":     func(l *cidecarv1.LeaseNoncesResponse) { l.CidLength = 11 },
		"use length":     func(l *cidecarv1.LeaseNoncesResponse) { l.ServerUseLength = 1<<32 - 8 },
		"less use":       func(l *cidecarv1.LeaseNoncesResponse) { l.ServerUseLength, l.CidLength = 0, 8 },
		"two keys":       func(l *cidecarv1.LeaseNoncesResponse) { l.Key = l.ResetKey },
		"no key":         func(l *cidecarv1.LeaseNoncesResponse) { l.PermutationKey = nil },
		"short key":      func(l *cidecarv1.LeaseNoncesResponse) { l.PermutationKey = l.PermutationKey[:15] },
		"no reset key":   func(l *cidecarv1.LeaseNoncesResponse) { l.ResetKey = nil },
		"kind of tokens": func(l *cidecarv1.LeaseNoncesResponse) { l.ResetTokens = "" },
		"Katran's use":   func(l *cidecarv1.LeaseNoncesResponse) { l.Scheme = "katran" },
	} {
		terms := proto.Clone(plainTerms()).(*cidecarv1.LeaseNoncesResponse)
		spoil(terms)
		if _, err := newMinter(terms, []byte{0x5a}); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
}

func TestALeaseIsVoidWhenItsGenerationComesAgain(t *testing.T) {
	p, s := offline(t)
	m, err := newMinter(plainTerms(), nil)
	if err != nil {
		t.Fatal(err)
	}
	lease := &Lease{pool: p, generation: 2, minter: m, left: 3}
	for number, generation := range []uint64{2, 1, 2} {
		s.greeted = false // Each is of another Session.
		if lie := p.receive(s, helloOf(generation)); lie != nil {
			t.Fatal(lie)
		}
		if _, err := lease.Take(); (err == nil) != (number == 0) {
			t.Errorf("hello %d, of generation %d: %v", number, generation, err)
		}
	}
}
