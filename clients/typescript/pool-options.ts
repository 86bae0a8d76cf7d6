// SPDX-License-Identifier: Apache-2.0
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import { FAILOVER_MIN_CID_LENGTH, MAX_CID_LENGTH } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import { SidecarServiceClient } from '../../proto/gen/cidecar/v1/sidecar.js';
import { isCidLength } from './cid-length.js';
import { socketTarget } from './socket-target.js';

export interface CidPoolOptions {
  /** Path of the sidecar's unix socket, at most 107 octets. Give either this or `channel`. */
  readonly socket?: string;
  readonly channel?: { readonly address: string; readonly credentials: ChannelCredentials };
  /** The pool is refilled when it holds fewer CIDs than this; half of `highWater` if left out. */
  readonly lowWater?: number;
  /** The most CIDs that the pool holds or has asked for, 1 to 65536; 4096 if left out. */
  readonly highWater?: number;
  /** Octets of every CID, 8 to 20, if they are known; else the first batch decides. */
  readonly cidLength?: number;
  /**
   * What the server-use octets of every routable CID begin with, such as the number of a worker:
   * 1 to 14 octets, at most as many as the config has (`serverUseLength` in the registry). The
   * sidecar refuses more: `disconnected` or `trouble` has its answer. 0b111 CIDs carry none.
   */
  readonly serverUse?: Uint8Array;
}

const MAX_SERVER_USE = 14;

const DEFAULT_HIGH_WATER = 4096;
/** The sidecar refuses more open credit. */
const CREDIT_LIMIT = 65_536;

/** Throws ARGUMENT_INVALID. */
export function readLevels(options: CidPoolOptions): { lowWater: number; highWater: number } {
  const { highWater = DEFAULT_HIGH_WATER, lowWater = Math.ceil(highWater / 2) } = options;
  if (lowWater >= 1 && lowWater <= highWater && highWater <= CREDIT_LIMIT) {
    return { lowWater, highWater };
  }
  throw new CidecarError(
    'ARGUMENT_INVALID',
    `lowWater ${lowWater} and highWater ${highWater}: 1 <= lowWater <= highWater <= ${CREDIT_LIMIT}`,
  );
}

/** Throws ARGUMENT_INVALID. */
export function readCidLength({ cidLength }: CidPoolOptions): number | undefined {
  if (cidLength === undefined || isCidLength(cidLength)) return cidLength;
  throw new CidecarError(
    'ARGUMENT_INVALID',
    `cidLength is ${cidLength}; it goes from ${FAILOVER_MIN_CID_LENGTH} to ${MAX_CID_LENGTH}`,
  );
}

/** Throws ARGUMENT_INVALID. */
export function readServerUse({ serverUse }: CidPoolOptions): Buffer | undefined {
  if (serverUse === undefined) return undefined;
  const { length } = serverUse;
  if (length >= 1 && length <= MAX_SERVER_USE) return Buffer.from(serverUse);
  throw new CidecarError(
    'ARGUMENT_INVALID',
    `serverUse has ${length} octets; it may have 1 to ${MAX_SERVER_USE}`,
  );
}

/** Connects in the background. Throws ARGUMENT_INVALID. */
export function connectClient({ socket, channel }: CidPoolOptions): SidecarServiceClient {
  if ((socket === undefined) === (channel === undefined)) {
    throw new CidecarError('ARGUMENT_INVALID', 'give either socket or channel');
  }
  const address = channel?.address ?? socketTarget(socket ?? '');
  return new SidecarServiceClient(address, channel?.credentials ?? credentials.createInsecure(), {
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1_000,
    // Else nobody would notice a sidecar on another host that is gone without a word.
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    // Connections of the default pool are shared, and so is the time that they wait to reconnect.
    'grpc.use_local_subchannel_pool': 1,
  });
}
