// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"bytes"
	"encoding/hex"
	"testing"
)

func unhex(t testing.TB, text string) []byte {
	octets, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

// The vectors are those of cid/testdata/cidecar.json of the project.
func TestPermutationIsThatOfTheProject(t *testing.T) {
	key := unhex(t, "000102030405060708090a0b0c0d0e0f")
	for counter, want := range map[string]string{
		"00000000":               "15e7f9ba",
		"00000001":               "823aa3eb",
		"ffffffff":               "1ade432a",
		"0000000000":             "d9e1943d0b",
		"00000000000102":         "d2b8b580b8ea4c",
		"0000000000000001":       "e7cfd2485171672c",
		"0000000000000000000001": "da5037542b8112416ac030",
	} {
		permutation, err := newFeistel(key, permutationPasses)
		if err != nil {
			t.Fatal(err)
		}
		nonce := unhex(t, counter)
		permutation.encrypt(nonce)
		if got := hex.EncodeToString(nonce); got != want {
			t.Errorf("counter %s: %s, not %s", counter, got, want)
		}
	}
}

func TestTokensAreThoseOfTheProject(t *testing.T) {
	for cid, want := range map[string]string{
		"0720b1d07b359d3c":                   "7eb112d258e0d9e4da236d9a5b9d921c",
		"2fcc381bc74cb4fbad2823a3d1f8fed2":   "1d2a869520958adc12650045f9ed7e3a",
		"504dd2d05a7b0de9b2b9907afb5ecf8cc3": "c53ce19167ae8c5708ff345272121133",
	} {
		mac, err := newCMAC(unhex(t, "000102030405060708090a0b0c0d0e0f"))
		if err != nil {
			t.Fatal(err)
		}
		var token ResetToken
		mac.sum(unhex(t, cid), &token)
		if got := hex.EncodeToString(token[:]); got != want {
			t.Errorf("CID %s: %s, not %s", cid, got, want)
		}
	}
}

// The shortest bodies that a sequence can have: all CIDs of the form come before one comes again.
func TestFailoverCIDsRepeatOnlyWhenAllWereMade(t *testing.T) {
	for _, form := range []failoverForm{{7, true}, {3, false}} {
		s := newFailoverSequence(form)
		seen := make(map[string]bool)
		var first, cid CID
		for i := range 1 << 16 {
			if s.take(&cid) {
				t.Fatalf("after %d of 65,536 the form is said to be used up", i)
			}
			if seen[cid.String()] {
				t.Fatalf("CID %d was made before", i)
			}
			seen[cid.String()] = true
			if i == 0 {
				first = cid
			}
		}
		if !s.take(&cid) || cid != first {
			t.Error("the oldest does not come again when all were made")
		}
		if s.take(&cid) {
			t.Error("it is told more than once each time")
		}
	}
}

func TestFailoverForm(t *testing.T) {
	var makers failovers
	for length := MinCIDLength; length <= MaxCIDLength; length++ {
		for _, zeroes := range []bool{false, true} {
			var a, b CID
			makers.take(failoverForm{length, zeroes}, &a)
			makers.take(failoverForm{length, zeroes}, &b)
			if a.Len() != length || a.Bytes()[0] != 0xe0|byte(length-1) || a.Routable {
				t.Errorf("no 0b111 CID of %d octets: %s", length, a)
			}
			if zero := bytes.Equal(a.Bytes()[1:5], make([]byte, 4)); zero != zeroes {
				t.Errorf("zeroes %v: %s", zeroes, a)
			}
			if a.String() == b.String() || a.ResetToken == b.ResetToken {
				t.Errorf("two are the same: %s", a)
			}
		}
	}
}
