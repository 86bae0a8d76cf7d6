// SPDX-License-Identifier: Apache-2.0
import { type ServiceError, status } from '@grpc/grpc-js';
import { CidecarError, type ErrorCode } from '../../../core/index.js';

/**
 * What is known of a write that failed. A failed call is no rollback: etcd may have committed
 * it although the answer was lost, timed out or could not be read.
 */
export type Fate = 'not done' | 'unknown';

/** An error of the registry, with what is known about the write that met it. */
export class RegistryCallError extends CidecarError {
  readonly fate: Fate;
  /** Whether the same call may succeed later or at another endpoint. */
  readonly passing: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    { fate, passing, cause }: { fate: Fate; passing: boolean; cause?: unknown },
  ) {
    super(code, message, { cause });
    this.fate = fate;
    this.passing = passing;
  }

  withFate(fate: Fate): RegistryCallError {
    if (this.fate === fate) return this;
    const { passing, cause } = this;
    return new RegistryCallError(this.code, this.message, { fate, passing, cause });
  }
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number';
}

/** The token is unknown, expired or older than the users: a new one may be taken. */
export function asksForLogin(error: unknown): boolean {
  if (!isServiceError(error)) return false;
  const { code, details } = error;
  return (
    (code === status.UNAUTHENTICATED && details.includes('invalid auth token')) ||
    (code === status.INVALID_ARGUMENT && details.includes('revision of auth store is old')) ||
    (code === status.INVALID_ARGUMENT && details.includes('user name is empty'))
  );
}

/** The revision asked for is compacted; only a new Range helps. */
export function isCompacted(error: unknown): boolean {
  return (
    error instanceof RegistryCallError &&
    isServiceError(error.cause) &&
    error.cause.code === status.OUT_OF_RANGE &&
    error.cause.details.includes('compacted')
  );
}

/** There is no lease of the ID given. */
export function isLeaseUnknown(error: unknown): boolean {
  return (
    error instanceof RegistryCallError &&
    isServiceError(error.cause) &&
    error.cause.code === status.NOT_FOUND &&
    error.cause.details.includes('lease not found')
  );
}

/** What became of a call, as a CidecarError. `what` begins the message, such as "put". */
export function callError(what: string, error: unknown): RegistryCallError {
  if (error instanceof RegistryCallError) return error;
  if (!isServiceError(error)) {
    const message = `${what}: ${error instanceof Error ? error.message : String(error)}`;
    return new RegistryCallError('REGISTRY_UNAVAILABLE', message, {
      fate: 'unknown',
      passing: true,
      cause: error,
    });
  }
  const { code, passing } = verdictOn(error);
  return new RegistryCallError(code, `${what}: ${reasonOf(error)}`, {
    fate: saysNotDone(error) ? 'not done' : 'unknown',
    passing,
    cause: error,
  });
}

function reasonOf({ code, details, message }: ServiceError): string {
  // Only this client cancels, when it leaves a member.
  if (code === status.CANCELLED) return 'the member did not answer in time';
  return details || message;
}

function verdictOn({ code, details }: ServiceError): { code: ErrorCode; passing: boolean } {
  if (details.includes('database space exceeded')) return { code: 'REGISTRY_FULL', passing: false };
  switch (code) {
    case status.PERMISSION_DENIED:
    case status.UNAUTHENTICATED:
      return { code: 'REGISTRY_REFUSED', passing: false };
    case status.INVALID_ARGUMENT: {
      const refused = /authentication failed|user name is empty|auth store is old/.test(details);
      return { code: refused ? 'REGISTRY_REFUSED' : 'REGISTRY_REQUEST_INVALID', passing: false };
    }
    case status.FAILED_PRECONDITION: {
      const refused = details.includes('authentication is not enabled');
      return { code: refused ? 'REGISTRY_REFUSED' : 'REGISTRY_REQUEST_INVALID', passing: false };
    }
    case status.NOT_FOUND:
    case status.OUT_OF_RANGE:
    case status.UNIMPLEMENTED:
      return { code: 'REGISTRY_REQUEST_INVALID', passing: false };
    case status.RESOURCE_EXHAUSTED:
      // The answer is larger than this side takes, or the request larger than etcd does.
      return /larger than max/.test(details)
        ? { code: 'REGISTRY_REQUEST_INVALID', passing: false }
        : { code: 'REGISTRY_UNAVAILABLE', passing: true };
    default:
      return { code: 'REGISTRY_UNAVAILABLE', passing: true };
  }
}

/** Codes by which etcd refuses a request before anything of it is done. */
const REFUSALS: ReadonlySet<number> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.PERMISSION_DENIED,
  status.RESOURCE_EXHAUSTED,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
  status.UNAUTHENTICATED,
]);

/**
 * Whether etcd itself says that it refused. An error that gRPC makes on this side says nothing:
 * "Received message larger than max" is about the answer to a write that was committed.
 */
function saysNotDone({ code, details }: ServiceError): boolean {
  if (code === status.UNIMPLEMENTED) return true;
  return REFUSALS.has(code) && /^(?:etcdserver: |auth: |grpc: received message)/.test(details);
}
