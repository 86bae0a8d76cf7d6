// SPDX-License-Identifier: Apache-2.0
import type { ServiceDefinition } from '@grpc/grpc-js';
import { CidecarError } from '../../core/index.js';

/** Stands for a request whose octets are no message of its type. */
const MALFORMED = Object.freeze({});

/**
 * The service with a say in what happens to such requests: gRPC by itself answers INTERNAL,
 * as it does for a fault of ours.
 */
export function withMalformed<Service extends ServiceDefinition>(service: Service): Service {
  const methods = Object.entries(service).map(([name, method]) => {
    const requestDeserialize = (octets: Buffer): unknown => {
      try {
        return method.requestDeserialize(octets);
      } catch {
        return MALFORMED;
      }
    };
    return [name, { ...method, requestDeserialize }];
  });
  return Object.fromEntries(methods);
}

/** Throws ARGUMENT_INVALID. */
export function requireWellFormed(request: unknown): void {
  if (request !== MALFORMED) return;
  throw new CidecarError(
    'ARGUMENT_INVALID',
    'the request is no protobuf message of its type, or holds an integer beyond 2^53',
  );
}
