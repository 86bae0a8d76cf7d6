// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:os';
import { CidecarError, type ErrorCode } from '../../core/errors.js';

const {
  EPERM,
  EACCES,
  EBUSY,
  EEXIST,
  ENODEV,
  ENXIO,
  ENOENT,
  EINVAL,
  ENOMEM,
  ENOSYS,
  E2BIG,
  ENOSPC,
} = constants.errno;

/** The error that the addon throws when the kernel or libbpf refuses a call. */
interface NativeFailure extends Error {
  readonly call: string;
  readonly errno: number;
  /** What the call was about, such as the path of an object. */
  readonly subject: string;
  readonly log: string;
}

function isNativeFailure(error: unknown): error is NativeFailure {
  return error instanceof Error && 'call' in error && 'errno' in error && 'log' in error;
}

/** For an errno that means the same in every call. */
function commonCode(errno: number): ErrorCode {
  if (errno === EPERM || errno === EACCES) return 'KERNEL_PERMISSION';
  if (errno === ENOSYS) return 'KERNEL_UNSUPPORTED';
  return 'KERNEL_CALL_FAILED';
}

function code({ call, errno, log }: NativeFailure): ErrorCode {
  switch (call) {
    case 'bpf_object__open_file':
      return 'FILE_UNREADABLE';
    case 'bpf_object__load':
      // A rejection is reported as EACCES, EINVAL, EPERM, E2BIG...; only the log identifies it.
      return log.includes('PROG LOAD LOG') ? 'PROGRAM_REJECTED' : commonCode(errno);
    case 'bpf_link_create':
      if (errno === EBUSY || errno === EEXIST) return 'INTERFACE_BUSY';
      if (errno === ENODEV) return 'INTERFACE_UNKNOWN';
      if (errno === ENOMEM || errno === ENOSYS) return commonCode(errno);
      // Whatever else it is lies in the driver and how its interface is set up.
      return errno === EPERM || errno === EACCES ? 'KERNEL_PERMISSION' : 'DRIVER_REFUSED';
    case 'bpf_link_update':
      // This EPERM says that the link runs another program than the expected one.
      return errno === EPERM ? 'INTERFACE_BUSY' : commonCode(errno);
    case 'bpf_map_update_elem':
    case 'bpf_map_update_batch':
      return errno === E2BIG || errno === ENOSPC ? 'MAP_FULL' : commonCode(errno);
    case 'if_nametoindex':
    case 'if_indextoname':
      return errno === ENODEV || errno === ENXIO ? 'INTERFACE_UNKNOWN' : commonCode(errno);
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

/** What the verifier objects to: its last line, after all of its steps. */
function verdict(log: string): string {
  const program = /prog '([^']*)': BPF program load failed/.exec(log)?.[1] ?? 'a program';
  const lines = log.split('\n');
  const end = lines.findIndex((line) => line.startsWith('processed '));
  return `the verifier rejected ${program}: ${lines[end - 1] ?? 'see its log'}`;
}

function message(failure: NativeFailure, code: ErrorCode): string {
  if (code === 'PROGRAM_REJECTED') return `${failure.subject}: ${verdict(failure.log)}`;
  // These are checks of the addon, whose errno would add nothing.
  if (failure.call === 'pin_kind' || failure.call === 'reuse') return failure.subject;
  return failure.message;
}

/**
 * Translates what the addon threw into what the binding throws. Mistakes of the caller stay plain
 * errors: a RangeError, a TypeError, the use of a closed handle, an unknown name in an object.
 */
export function translated(error: unknown): unknown {
  if (!isNativeFailure(error)) return error;
  if (error.call === 'closed') return new Error(`${error.subject} is closed`, { cause: error });
  if (error.call === 'find') return new Error(error.subject, { cause: error });
  const kind = code(error);
  return new CidecarError(kind, message(error, kind), {
    cause: error,
    errno: error.errno,
    ...(error.log === '' ? {} : { log: error.log }),
  });
}

/** Makes a call into the addon. @throws CidecarError for what the kernel refuses */
export function guarded<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw translated(error);
  }
}
