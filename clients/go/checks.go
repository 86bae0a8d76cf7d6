// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"fmt"

	"github.com/cidecar/cidecar/clients/go/cidecarv1"
)

// questionLimit is how many questions may wait where the sidecar does not say.
const questionLimit = 64

// whyNoHello is why a server cannot use what a hello says; nil where it can. known is the CID
// length of the server in octets, 0 before it is known.
func whyNoHello(hello *cidecarv1.SessionHello, known int) *Error {
	if hello.GetMinting() == nil {
		return unavailable("the hello of the sidecar does not say what is minted", nil)
	}
	return whyNoLength(hello.GetCidLength(), known)
}

func whyNoLength(said uint32, known int) *Error {
	if known != 0 && said != uint32(known) {
		return &Error{
			Code: CodeConfigUnusable,
			Message: fmt.Sprintf("the sidecar's CIDs have %d octets, this server's %d: restart the server",
				said, known),
		}
	}
	if said < MinCIDLength || said > MaxCIDLength {
		return &Error{
			Code:    CodeConfigUnusable,
			Message: fmt.Sprintf("CIDs of %d octets: 0b111 ones of that length cannot be made", said),
		}
	}
	return nil
}

// whyNoBatch is why a batch cannot be used; nil where it can. outstanding is how many CIDs were
// asked for and have not come.
func whyNoBatch(b *cidecarv1.CidBatch, known, outstanding int) *Error {
	if trouble := whyNoLength(b.GetCidLength(), known); trouble != nil {
		return trouble
	}
	count := uint64(b.GetCount())
	if count*uint64(known) != uint64(len(b.GetCids())) ||
		count*ResetTokenLength != uint64(len(b.GetTokens())) {
		return unavailable("a batch does not have the length that it says", nil)
	}
	if count < 1 || count > uint64(outstanding) {
		return unavailable(fmt.Sprintf("a batch of %d CIDs came where %d were asked for",
			count, outstanding), nil)
	}
	return nil
}

// limitOr is a limit of the sidecar, or the usual one where it says none or a higher one.
func limitOr(said uint32, usual int) int {
	if said == 0 || uint64(said) > uint64(usual) {
		return usual
	}
	return int(said)
}
