// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"context"
	"fmt"

	"github.com/cidecar/cidecar/clients/go/cidecarv1"
)

// FailoverConfigID is the value of the top three bits of CIDs that are of no config.
const FailoverConfigID = 7

// keyLength is that of all keys in octets.
const keyLength = 16

// ResetKeys are the keys with which stateless reset tokens are made.
type ResetKeys struct {
	Keys []ResetKey
	// Kind is how the sidecar makes tokens from them: "cmac" or "hmac-sha256".
	Kind string
}

// A ResetKey is the key of one config. It is a secret.
type ResetKey struct {
	// ConfigID is 0 to 6, or FailoverConfigID for the key of the sidecar's 0b111 CIDs.
	ConfigID int
	Key      [keyLength]byte
}

// String hides the key.
func (k ResetKey) String() string { return fmt.Sprintf("reset key of config %d", k.ConfigID) }

// GoString hides the key.
func (k ResetKey) GoString() string { return k.String() }

// ExportResetKeys asks the sidecar for the keys of all live configs, for stacks that make tokens
// themselves. The code of the error is CodeLeaseRefused unless the sidecar runs with
// --allow-key-export.
//
// A stack that answers for every CID with a key that servers share is a stateless reset oracle (RFC
// 9000, section 21.11): somebody who sends it a CID of another server learns the token that ends the
// connection there. The key of config 7 is known to this server's sidecar alone, and stays the same
// in a rotation.
func (p *Pool) ExportResetKeys(ctx context.Context) (ResetKeys, error) {
	link, err := p.dialer.dial()
	if err != nil {
		return ResetKeys{}, err
	}
	defer link.Close()
	answer, err := cidecarv1.NewSidecarServiceClient(link).
		ExportResetKeys(ctx, &cidecarv1.ExportResetKeysRequest{})
	if err != nil {
		return ResetKeys{}, link.refusal("ExportResetKeys", err)
	}
	keys := ResetKeys{Kind: answer.GetResetTokens()}
	for _, key := range answer.GetKeys() {
		if len(key.GetKey()) != keyLength {
			return ResetKeys{}, unavailable("the sidecar's answer has a key of another length", nil)
		}
		keys.Keys = append(keys.Keys, ResetKey{
			ConfigID: int(key.GetConfigId()),
			Key:      [keyLength]byte(key.GetKey()),
		})
	}
	return keys, nil
}
