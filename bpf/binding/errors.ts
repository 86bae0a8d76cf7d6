// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:os';
import { CidecarError, type ErrorCode } from '../../cid/errors.js';

const { EPERM, EACCES, EBUSY, EEXIST, ENODEV, ENOENT, EINVAL, EOPNOTSUPP, ENOSYS, E2BIG, ENOSPC } =
  constants.errno;
/** The kernel's own ENOTSUPP, which leaks out of bpf(2) and has no name in user space. */
const ENOTSUPP = 524;

/** What the addon puts on the errors of refused calls. */
interface NativeFailure extends Error {
  readonly call: string;
  readonly errno: number;
  readonly log: string;
}

function isNativeFailure(error: unknown): error is NativeFailure {
  return error instanceof Error && 'call' in error && 'errno' in error && 'log' in error;
}

/** Where the same errno means the same thing for every call. */
function commonCode(errno: number): ErrorCode {
  if (errno === EPERM || errno === EACCES) return 'KERNEL_PERMISSION';
  if (errno === ENOSYS) return 'KERNEL_UNSUPPORTED';
  return 'KERNEL_CALL_FAILED';
}

function code({ call, errno, log }: NativeFailure): ErrorCode {
  switch (call) {
    case 'bpf_object__open_file':
      return errno === ENOENT ? 'FILE_UNREADABLE' : commonCode(errno);
    case 'bpf_object__load':
      // A rejection shows as EACCES, EINVAL, EPERM, E2BIG...; only the log tells it apart.
      return log.includes('PROG LOAD LOG') ? 'PROGRAM_REJECTED' : commonCode(errno);
    case 'bpf_link_create':
      if (errno === EBUSY || errno === EEXIST) return 'INTERFACE_BUSY';
      if (errno === ENODEV) return 'INTERFACE_UNKNOWN';
      return errno === EOPNOTSUPP || errno === ENOTSUPP ? 'KERNEL_UNSUPPORTED' : commonCode(errno);
    case 'bpf_link_update':
      // EPERM here says that the link runs another program than the one expected.
      return errno === EPERM ? 'INTERFACE_BUSY' : commonCode(errno);
    case 'bpf_map_update_elem':
    case 'bpf_map_update_batch':
      return errno === E2BIG || errno === ENOSPC ? 'MAP_FULL' : commonCode(errno);
    case 'if_nametoindex':
      return 'INTERFACE_UNKNOWN';
    case 'bpf_obj_get':
      return errno === EPERM || errno === EACCES ? 'KERNEL_PERMISSION' : 'PIN_INVALID';
    case 'bpf_obj_pin':
      return errno === EEXIST || errno === ENOENT || errno === EINVAL
        ? 'PIN_INVALID'
        : commonCode(errno);
    case 'pin_kind':
    case 'reuse':
      return 'PIN_INVALID';
    default:
      return commonCode(errno);
  }
}

/** The message without the word that the addon uses for its own checks. */
function message(failure: NativeFailure): string {
  if (failure.call === 'closed') return `${failure.message.split(': closed')[0]} is closed`;
  return failure.message;
}

/** What to throw for what the addon threw; RangeError and TypeError stay what they are. */
export function translated(error: unknown): unknown {
  if (!isNativeFailure(error)) return error;
  return new CidecarError(code(error), message(error), {
    cause: error,
    errno: error.errno,
    ...(error.log === '' ? {} : { log: error.log }),
  });
}

/** Calls into the addon; what the kernel refuses comes out as a CidecarError. */
export function guarded<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw translated(error);
  }
}
