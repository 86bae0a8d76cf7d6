// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { CidecarError } from '../../core/errors.js';
import { guarded, translated } from './errors.js';

const {
  EPERM,
  EBUSY,
  EEXIST,
  EINVAL,
  ENODEV,
  ENOENT,
  ENOMEM,
  ENOSYS,
  EOPNOTSUPP,
  ERANGE,
  E2BIG,
  ENOSPC,
} = constants.errno;

/** An error like those of the addon. */
function refusal(call: string, errno: number, log = '', subject = 'subject'): Error {
  return Object.assign(new Error(`${subject}: ${call}: text`), { call, errno, subject, log });
}

const rejection = [
  "libbpf: prog 'balance': BPF program load failed: Permission denied",
  "libbpf: prog 'balance': -- BEGIN PROG LOAD LOG --",
  '1: (71) r0 = *(u8 *)(r1 +0)',
  'R1 offset is outside of the packet',
  'processed 2 insns (limit 1000000)',
  '-- END PROG LOAD LOG --',
].join('\n');

test.each([
  ['bpf_map_lookup_elem', EPERM, 'KERNEL_PERMISSION'],
  ['bpf_map_lookup_elem', ENOSYS, 'KERNEL_UNSUPPORTED'],
  ['bpf_map_lookup_elem', ENOMEM, 'KERNEL_CALL_FAILED'],
  ['bpf_map_update_elem', E2BIG, 'MAP_FULL'],
  ['bpf_map_update_batch', ENOSPC, 'MAP_FULL'],
  ['bpf_map_update_elem', EINVAL, 'KERNEL_CALL_FAILED'],
  ['bpf_link_create', EBUSY, 'INTERFACE_BUSY'],
  ['bpf_link_create', EEXIST, 'INTERFACE_BUSY'],
  ['bpf_link_create', ENODEV, 'INTERFACE_UNKNOWN'],
  ['bpf_link_create', EOPNOTSUPP, 'DRIVER_REFUSED'],
  ['bpf_link_create', 524, 'DRIVER_REFUSED'],
  ['bpf_link_create', ERANGE, 'DRIVER_REFUSED'],
  ['bpf_link_create', EINVAL, 'DRIVER_REFUSED'],
  ['bpf_link_create', ENOMEM, 'KERNEL_CALL_FAILED'],
  ['bpf_link_create', EPERM, 'KERNEL_PERMISSION'],
  ['bpf_link_update', EPERM, 'INTERFACE_BUSY'],
  ['bpf_obj_get', ENOENT, 'PIN_INVALID'],
  ['bpf_obj_get', EPERM, 'KERNEL_PERMISSION'],
  ['bpf_obj_pin', EEXIST, 'PIN_INVALID'],
  ['bpf_object__open_file', 4001, 'FILE_UNREADABLE'],
  ['bpf_object__load', EPERM, 'KERNEL_PERMISSION'],
  ['bpf_object__load', ENOMEM, 'KERNEL_CALL_FAILED'],
] as const)('%s with errno %d is %s', (call, errno, code) => {
  const cause = refusal(call, errno);
  const error = translated(cause);
  expect(error).toBeInstanceOf(CidecarError);
  expect(error).toMatchObject({ code, errno, cause, log: undefined });
});

test('a rejection is told from a missing privilege by its log', () => {
  expect(translated(refusal('bpf_object__load', EPERM, rejection, 'x.bpf.o'))).toMatchObject({
    code: 'PROGRAM_REJECTED',
    message: 'x.bpf.o: the verifier rejected balance: R1 offset is outside of the packet',
    log: rejection,
  });
});

test('a rejection whose log broke off still says where to look', () => {
  const broken = rejection.split('\n').slice(0, 3).join('\n');
  expect(translated(refusal('bpf_object__load', ENOSPC, broken))).toMatchObject({
    code: 'PROGRAM_REJECTED',
    message: 'subject: the verifier rejected balance: see its log',
  });
});

test("the caller's own mistakes stay plain errors", () => {
  const range = new RangeError('size');
  expect(() =>
    guarded(() => {
      throw range;
    }),
  ).toThrow(range);
  for (const call of ['closed', 'find']) {
    const error = translated(refusal(call, ENOENT));
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(CidecarError);
  }
});
