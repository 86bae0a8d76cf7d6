// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import { FAILOVER_MIN_CID_LENGTH, MAX_CID_LENGTH } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import { type SessionOpen, SidecarServiceClient } from '../../proto/gen/cidecar/v1/sidecar.js';
import { isCidLength } from './cid-length.js';
import type { HeldGenerations } from './held-report.js';
import { socketTarget } from './socket-target.js';

export interface CidPoolOptions {
  /** Path of the sidecar's unix socket, at most 107 octets. Give either this or `channel`. */
  readonly socket?: string;
  /**
   * For a sidecar that serves TLS. On Node 26 the address must be a host name, since gRPC 1.14
   * cannot connect to an IP address by TLS there.
   */
  readonly channel?: { readonly address: string; readonly credentials: ChannelCredentials };
  /** The pool is refilled when it holds fewer CIDs than this; half of `highWater` if left out. */
  readonly lowWater?: number;
  /** The most CIDs that the pool holds or has asked for, 1 to 65536; 4096 if left out. */
  readonly highWater?: number;
  /** Octets of every CID, 8 to 20, if they are known; else the first batch decides. */
  readonly cidLength?: number;
  /** For the sidecar's log and status, such as `my-server/1.2`: up to 64 octets of ASCII. */
  readonly clientName?: string;
  /**
   * What the server-use octets of every routable CID begin with, such as the number of a worker:
   * 1 to 14 octets, at most as many as the config has (`serverUseLength` in the registry). The
   * sidecar refuses more: `disconnected` or `trouble` has its answer. 0b111 CIDs carry none. A
   * sidecar of an earlier release is not told.
   */
  readonly serverUse?: Uint8Array;
  /** Whether the stack makes its peers retire CIDs; true if left out. */
  readonly canRetire?: boolean;
  /**
   * How many connections there are by the oldest generation of the routable CIDs that their peers
   * may still use (given out, and not retired). The registry's rotation waits for that number, so
   * a server that leaves this out holds it up. Called when a rotation comes, and once a second
   * while connections hold CIDs of earlier generations; must not throw.
   */
  readonly heldGenerations?: () => HeldGenerations;
}

/** Who a pool is, beside what it knows of generations. */
export type Introduction = Omit<SessionOpen, 'knownGeneration' | 'oldestGeneration'>;

/** Octets by which the sidecar knows a pool again. */
const INSTANCE_LENGTH = 16;
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

/** Who a pool is. Throws ARGUMENT_INVALID. */
export function readIntroduction(options: CidPoolOptions): Introduction {
  const { clientName = 'cidecar-typescript', serverUse, canRetire = true } = options;
  if (!/^[ -~]{0,64}$/.test(clientName)) {
    const message = 'clientName is not 0 to 64 octets of printable ASCII';
    throw new CidecarError('ARGUMENT_INVALID', message);
  }
  if (serverUse !== undefined && (serverUse.length < 1 || serverUse.length > MAX_SERVER_USE)) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `serverUse has ${serverUse.length} octets; it may have 1 to ${MAX_SERVER_USE}`,
    );
  }
  const octets = serverUse === undefined ? {} : { serverUse: Uint8Array.from(serverUse) };
  return { clientName, canRetire, instance: randomBytes(INSTANCE_LENGTH), ...octets };
}

/** Throws ARGUMENT_INVALID. */
export function readCidLength({ cidLength }: CidPoolOptions): number | undefined {
  if (cidLength === undefined || isCidLength(cidLength)) return cidLength;
  throw new CidecarError(
    'ARGUMENT_INVALID',
    `cidLength is ${cidLength}; it goes from ${FAILOVER_MIN_CID_LENGTH} to ${MAX_CID_LENGTH}`,
  );
}

/** Connects in the background. Throws ARGUMENT_INVALID. */
export function connectClient({ socket, channel }: CidPoolOptions): SidecarServiceClient {
  if ((socket === undefined) === (channel === undefined)) {
    throw new CidecarError('ARGUMENT_INVALID', 'give either socket or channel');
  }
  const address = channel?.address ?? socketTarget(socket ?? '');
  return new SidecarServiceClient(address, channel?.credentials ?? credentials.createInsecure(), {
    // The pool has pauses of its own. To connect to a unix socket costs nothing.
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': socket === undefined ? 500 : 100,
    // Else nobody would notice a sidecar on another host that is gone without a word.
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    // Connections of the default pool are shared, and so is the time that they wait to reconnect.
    'grpc.use_local_subchannel_pool': 1,
  });
}
