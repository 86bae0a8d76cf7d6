// SPDX-License-Identifier: Apache-2.0

package quicgo

import (
	"context"
	"errors"
	"time"

	"github.com/quic-go/quic-go"

	cidecar "github.com/cidecar/cidecar/clients/go"
)

// askAgainAfter is the pause before the sidecar is asked for its keys once more.
const askAgainAfter = 200 * time.Millisecond

// ownResetKey returns the key of the sidecar's 0b111 CIDs, which it makes itself. Keys of configs
// would do less: servers may share them, and each rotation brings another one, while quic-go has one
// key for all CIDs.
func ownResetKey(ctx context.Context, pool *cidecar.Pool) (*quic.StatelessResetKey, error) {
	for {
		keys, err := pool.ExportResetKeys(ctx)
		if err == nil {
			for _, key := range keys.Keys {
				if key.ConfigID == cidecar.FailoverConfigID {
					// HMAC pads a key with zeroes, so this is the key of 16 octets.
					wide := &quic.StatelessResetKey{}
					copy(wide[:], key.Key[:])
					return wide, nil
				}
			}
			return nil, errors.New("quicgo: the sidecar has no key of its own for reset tokens")
		}
		var refusal *cidecar.Error
		if errors.As(err, &refusal) && refusal.Code != cidecar.CodeSidecarUnavailable {
			return nil, err
		}
		if !sleep(ctx, askAgainAfter) {
			return nil, err
		}
	}
}
