// SPDX-License-Identifier: Apache-2.0
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { CidecarError, type ErrorCode } from '../../core/index.js';

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

// The messages of googleapis' google/rpc/status.proto and error_details.proto, by field number.
function statusDetails(code: status, error: CidecarError): Buffer {
  const entry = new BinaryWriter().uint32(10).string('hint').uint32(18).string(error.hint);
  const errorInfo = new BinaryWriter()
    .uint32(10) // reason
    .string(error.code)
    .uint32(18) // domain
    .string(DOMAIN)
    .uint32(26) // metadata
    .bytes(entry.finish());
  const any = new BinaryWriter()
    .uint32(10) // type_url
    .string('type.googleapis.com/google.rpc.ErrorInfo')
    .uint32(18) // value
    .bytes(errorInfo.finish());
  const details = new BinaryWriter()
    .uint32(8) // code
    .int32(code)
    .uint32(18) // message
    .string(error.message)
    .uint32(26) // details
    .bytes(any.finish());
  return Buffer.from(details.finish());
}
