// SPDX-License-Identifier: Apache-2.0
import type { ServiceError } from '@grpc/grpc-js';
import {
  codecOfLease,
  Minter,
  RESET_TOKEN_LENGTH,
  type ResetTokenKind,
  tokenMaker,
} from '../../cid/index.js';
import { CidecarError, Secret } from '../../core/index.js';
import type { LeaseNoncesResponse } from '../../proto/gen/cidecar/v1/sidecar.js';
import { BatchQueue } from './batch-queue.js';
import { type CidPoolOptions, connectClient, readIntroduction } from './pool-options.js';
import type { PooledCid } from './pooled-cid.js';
import { refusalOf } from './refusal.js';

export type CidLeaseOptions = Pick<CidPoolOptions, 'socket' | 'channel' | 'serverUse'>;

/** How many CIDs are minted at a time. */
const BATCH = 512;

/**
 * A range of nonces that a sidecar with --allow-key-export gave this process, which mints CIDs from
 * it without asking anybody. It belongs to one generation: note `pool.generation` before you ask for
 * the lease, and throw it away for good when that has changed, since a rotation or a lost state has
 * made its CIDs void then.
 */
export class CidLease {
  /** The sidecar's number, which is lower than that of the pool after the sidecar lost its state. */
  readonly generation: number;
  readonly #minter: Minter;
  readonly #serverUse: Uint8Array | undefined;
  readonly #configId: number;
  readonly #minted = new BatchQueue();
  #next: bigint;
  #unminted: number;

  /**
   * Rejects with ARGUMENT_INVALID, or with SIDECAR_UNAVAILABLE, whose cause is the answer of gRPC:
   * PERMISSION_DENIED where the sidecar hands out no keys.
   *
   * @param count CIDs that are wanted, 1 to 16777216; the lease can hold fewer
   */
  static async take(options: CidLeaseOptions, count: number): Promise<CidLease> {
    const { serverUse } = readIntroduction(options);
    const client = connectClient(options);
    try {
      const lease = await new Promise<LeaseNoncesResponse>((resolve, reject) => {
        client.leaseNonces({ count }, (error: ServiceError | null, response) => {
          if (error === null) resolve(response);
          else reject(refusalOf('LeaseNonces', error, options.socket));
        });
      });
      return new CidLease(lease, serverUse);
    } finally {
      client.close();
    }
  }

  private constructor(lease: LeaseNoncesResponse, serverUse: Uint8Array | undefined) {
    this.generation = lease.generation;
    this.#configId = lease.configId;
    this.#serverUse = serverUse;
    this.#next = BigInt(`0x${Buffer.from(lease.firstCounter).toString('hex')}`);
    this.#unminted = lease.count;
    this.#minter = new Minter({
      codec: codecOfLease(lease),
      serverId: lease.serverId,
      // Not used where a key hides the nonces; the sidecar then sends none.
      permutationKey: new Secret(lease.key.length > 0 ? lease.key : lease.permutationKey),
      resetTokens: tokenMaker(kindOf(lease), new Secret(lease.resetKey)),
    });
  }

  /** How many CIDs are left. */
  get left(): number {
    return this.#minted.size + this.#unminted;
  }

  /** A CID that was never used before; undefined when none is left. */
  take(): PooledCid | undefined {
    if (this.#minted.size === 0) this.#mint();
    return this.#minted.shift();
  }

  #mint(): void {
    const count = Math.min(BATCH, this.#unminted);
    if (count === 0) return;
    const { cidLength } = this.#minter.codec;
    const cids = new Uint8Array(count * cidLength);
    const tokens = new Uint8Array(count * RESET_TOKEN_LENGTH);
    this.#minter.mint(this.#next, count, cids, tokens, this.#serverUse);
    this.#next += BigInt(count);
    this.#unminted -= count;
    const { generation } = this;
    const configId = this.#configId;
    const fixed = { cidLength, configId, generation, routable: true, lifetimeMs: 0 };
    this.#minted.push({ cids, tokens, count, ...fixed });
  }
}

function kindOf({ resetTokens }: LeaseNoncesResponse): ResetTokenKind {
  if (resetTokens === 'cmac' || resetTokens === 'hmac-sha256') return resetTokens;
  throw new CidecarError('CONFIG_UNUSABLE', `this client makes no "${resetTokens}" reset tokens`);
}
