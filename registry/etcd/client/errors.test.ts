// SPDX-License-Identifier: Apache-2.0
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { callError } from './errors.js';

function failed(code: status, details: string): ServiceError {
  return Object.assign(new Error(`${code} ${details}`), {
    code,
    details,
    metadata: new Metadata(),
  });
}

// How etcd 3.4 and 3.5 and grpc-js put it.
describe('what became of a write', () => {
  test.each([
    [status.UNKNOWN, 'context deadline exceeded'],
    [status.DEADLINE_EXCEEDED, 'Deadline exceeded'],
    [status.INTERNAL, 'Response message parsing error: protobuf decode recursion limit exceeded'],
    [status.INTERNAL, 'Received RST_STREAM with code 0'],
    [status.UNAVAILABLE, 'etcdserver: request timed out'],
    [status.UNAVAILABLE, 'etcdserver: request timed out, possibly due to previous leader failure'],
    [status.UNAVAILABLE, 'etcdserver: no leader'],
    [status.UNAVAILABLE, 'Connection dropped'],
    [status.RESOURCE_EXHAUSTED, 'Bandwidth exhausted or memory limit exceeded'],
  ])('is unknown after %i %s, which passes', (code, details) => {
    expect(callError('put', failed(code, details))).toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      fate: 'unknown',
      passing: true,
      message: `put: ${details}`,
    });
  });

  test('is unknown after this client left the member', () => {
    expect(callError('put', failed(status.CANCELLED, 'Cancelled on client'))).toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      fate: 'unknown',
      message: 'put: the member did not answer in time',
    });
  });

  test('is unknown after an answer that is too large, which does not pass', () => {
    const details = 'Received message larger than max (4718592 vs 4194304)';
    expect(callError('txn', failed(status.RESOURCE_EXHAUSTED, details))).toMatchObject({
      code: 'REGISTRY_REQUEST_INVALID',
      fate: 'unknown',
      passing: false,
    });
  });

  test.each([
    [status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded', 'REGISTRY_FULL'],
    [status.PERMISSION_DENIED, 'etcdserver: permission denied', 'REGISTRY_REFUSED'],
    [status.UNAUTHENTICATED, 'etcdserver: invalid auth token', 'REGISTRY_REFUSED'],
    [status.INVALID_ARGUMENT, 'etcdserver: revision of auth store is old', 'REGISTRY_REFUSED'],
    [status.INVALID_ARGUMENT, 'etcdserver: user name is empty', 'REGISTRY_REFUSED'],
    [
      status.INVALID_ARGUMENT,
      'etcdserver: authentication failed, invalid user ID or password',
      'REGISTRY_REFUSED',
    ],
    [status.FAILED_PRECONDITION, 'etcdserver: authentication is not enabled', 'REGISTRY_REFUSED'],
    [status.INVALID_ARGUMENT, 'etcdserver: request is too large', 'REGISTRY_REQUEST_INVALID'],
    [
      status.RESOURCE_EXHAUSTED,
      'grpc: received message larger than max (2500038 vs. 2097152)',
      'REGISTRY_REQUEST_INVALID',
    ],
    [
      status.OUT_OF_RANGE,
      'etcdserver: mvcc: required revision has been compacted',
      'REGISTRY_REQUEST_INVALID',
    ],
    [status.NOT_FOUND, 'etcdserver: requested lease not found', 'REGISTRY_REQUEST_INVALID'],
  ] as const)('is none after %i %s: %s', (code, details, ours) => {
    expect(callError('put', failed(code, details))).toMatchObject({
      code: ours,
      fate: 'not done',
      passing: false,
    });
  });
});
