// SPDX-License-Identifier: Apache-2.0
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { CidecarError, type ErrorCode } from '../../core/index.js';
import { ErrorInfo } from '../../proto/gen/google/rpc/error_details.js';
import { Status } from '../../proto/gen/google/rpc/status.js';

const STATUS_OF: Partial<Record<ErrorCode, status>> = {
  ARGUMENT_INVALID: status.INVALID_ARGUMENT,
  CID_UNKNOWN: status.NOT_FOUND,
  CONFIG_UNKNOWN: status.NOT_FOUND,
  CONFIG_UNUSABLE: status.FAILED_PRECONDITION,
  CREDIT_EXCEEDED: status.RESOURCE_EXHAUSTED,
  FOREIGN_CID: status.PERMISSION_DENIED,
  LEASE_REFUSED: status.PERMISSION_DENIED,
  NONCES_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  STATE_REPLACED: status.UNAVAILABLE,
  STATE_UNWRITABLE: status.UNAVAILABLE,
  STREAMS_EXHAUSTED: status.RESOURCE_EXHAUSTED,
};

const DOMAIN = 'cidecar';

/**
 * The gRPC status of an error. `grpc-status-details-bin` holds a google.rpc.Status with one
 * google.rpc.ErrorInfo: the code of the catalogue as its reason, and the hint. An error
 * that nobody raised on purpose tells the client nothing but that.
 */
export function toServiceError(error: unknown): ServiceError {
  if (!(error instanceof CidecarError)) {
    return serviceError(status.INTERNAL, 'internal error', new Metadata());
  }
  const code = STATUS_OF[error.code] ?? status.INTERNAL;
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', statusDetails(code, error));
  return serviceError(code, error.message, metadata);
}

function serviceError(code: status, details: string, metadata: Metadata): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata });
}

function statusDetails(code: status, error: CidecarError): Buffer {
  const info = { reason: error.code, domain: DOMAIN, metadata: { hint: error.hint } };
  const any = {
    typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo',
    value: Buffer.from(ErrorInfo.encode(info).finish()),
  };
  return Buffer.from(Status.encode({ code, message: error.message, details: [any] }).finish());
}
