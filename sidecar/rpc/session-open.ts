// SPDX-License-Identifier: Apache-2.0
import { CidecarError, toHex } from '../../core/index.js';
import type { SessionOpen } from '../../proto/gen/cidecar/v1/sidecar.js';

/** Printable ASCII, since it goes into logs and onto terminals. */
const CLIENT_NAME = /^[ -~]{0,64}$/;
/** Octets of an instance. */
const INSTANCE = { least: 8, most: 32 };

/** Who a client is, checked. */
export interface SessionClient {
  readonly name: string;
  /** In hexadecimal. */
  readonly instance: string;
  readonly canRetire: boolean;
  /** The generation that it knew before, 0 for none: it may have connections from that time. */
  readonly knownGeneration: number;
}

/** Throws ARGUMENT_INVALID. */
export function readSessionOpen(open: SessionOpen | undefined): SessionClient {
  if (open === undefined) throw invalid('the first message of a Session has no `open`');
  const { clientName, instance, canRetire, knownGeneration } = open;
  if (!CLIENT_NAME.test(clientName)) {
    throw invalid('client_name is not 0 to 64 octets of printable ASCII');
  }
  if (instance.length < INSTANCE.least || instance.length > INSTANCE.most) {
    throw invalid(
      `instance has ${instance.length} octets; it takes ${INSTANCE.least} to ${INSTANCE.most}`,
    );
  }
  return { name: clientName, instance: toHex(instance), canRetire, knownGeneration };
}

function invalid(message: string): CidecarError {
  return new CidecarError('ARGUMENT_INVALID', message);
}
