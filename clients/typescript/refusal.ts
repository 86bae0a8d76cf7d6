// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:os';
import { type ServiceError, status } from '@grpc/grpc-js';
import { CidecarError } from '../../core/index.js';

/** What to look at, by what connect(2) said. */
const ADVICE: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such socket: is the path right, and does the sidecar run?'],
  ['EACCES', 'this user may not write to the socket: see --socket-mode and --socket-group'],
  ['ECONNREFUSED', 'nobody listens there: does the sidecar run?'],
]);

/**
 * Why a call did not get to the sidecar or was refused by it, for a person: SIDECAR_UNAVAILABLE
 * with the answer of gRPC as its cause, and with the errno and the path of the socket where the
 * system refused.
 *
 * @param method name of the method, such as `Watch`
 * @param socket path of the sidecar's socket, if it has one
 */
export function refusalOf(
  method: string,
  cause: ServiceError,
  socket: string | undefined,
): CidecarError {
  const name = errnoName(cause);
  const errno = name === undefined ? undefined : errnos.get(name);
  return new CidecarError('SIDECAR_UNAVAILABLE', message(method, cause, name), {
    cause,
    ...(errno === undefined ? {} : { errno }),
    ...(errno === undefined || socket === undefined ? {} : { file: socket }),
  });
}

function message(method: string, { code, details }: ServiceError, errno: string | undefined) {
  if (code === status.UNIMPLEMENTED) {
    return `the sidecar does not know ${method}: it is of another release than this client (${details})`;
  }
  const [, reason] = NOT_CONNECTED.exec(details) ?? [];
  if (reason === undefined) return `${method}: ${details}`;
  const advice = errno === undefined ? undefined : ADVICE.get(errno);
  return `no connection: ${reason}${advice === undefined ? '' : `; ${advice}`}`;
}

/** What gRPC says when it cannot connect; the rest of it is about the resolution of names. */
const NOT_CONNECTED =
  /^No connection established\. Last error: (?:Error: )?(.*?)(?:\. Resolution note: .*)?$/s;

const errnos: ReadonlyMap<string, number> = new Map(Object.entries(constants.errno));

// gRPC keeps of an error of the system nothing but its text.
function errnoName({ code, details }: ServiceError): string | undefined {
  if (code !== status.UNAVAILABLE) return undefined;
  return details.match(/\bE[A-Z0-9]+\b/g)?.find((word) => errnos.has(word));
}
