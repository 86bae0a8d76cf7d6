// SPDX-License-Identifier: Apache-2.0

package sidecartest

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// refusal is an error as the sidecar gives it where it hands out no keys.
func refusal() error {
	answer := status.New(codes.PermissionDenied, "this sidecar does not hand out keys")
	detailed, err := answer.WithDetails(&errdetails.ErrorInfo{
		Domain: "cidecar", Reason: "LEASE_REFUSED", Metadata: map[string]string{"hint": "Start it with a flag."},
	})
	if err != nil {
		return err
	}
	return detailed.Err()
}
