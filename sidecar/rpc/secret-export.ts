// SPDX-License-Identifier: Apache-2.0
import { FAILOVER_CONFIG_ID, showsNonces } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import type {
  ExportResetKeysResponse,
  LeaseNoncesResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import type { Issuer } from '../issuing/issuer.js';
import { kindOf } from '../issuing/reset-token-keys.js';
import type { SidecarMetrics } from '../metrics.js';

const MAX_LEASE = 1 << 24;

/** Hands keys to servers that mint, or make reset tokens, in-process. Off unless allowed. */
export class SecretExport {
  readonly #issuer: Issuer;
  readonly #metrics: SidecarMetrics;
  readonly #allowed: boolean;

  constructor(options: { issuer: Issuer; metrics: SidecarMetrics; allowed: boolean }) {
    this.#issuer = options.issuer;
    this.#metrics = options.metrics;
    this.#allowed = options.allowed;
  }

  /**
   * Throws LEASE_REFUSED, ARGUMENT_INVALID, CONFIG_UNUSABLE, NONCES_EXHAUSTED,
   * STATE_UNWRITABLE or STATE_REPLACED.
   */
  async leaseNonces(count: number): Promise<LeaseNoncesResponse> {
    this.#requireAllowed();
    if (count < 1 || count > MAX_LEASE) {
      const message = `count is ${count}; it goes from 1 to ${MAX_LEASE}`;
      throw new CidecarError('ARGUMENT_INVALID', message);
    }
    const { source, generation } = this.#issuer;
    if (source === undefined) throw new CidecarError('CONFIG_UNUSABLE', this.#issuer.reason);
    const { config, serverId, space } = source;
    const range = await space.lease(count);
    // The config or server ID may have changed while the disk was busy. Then nobody uses these
    // nonces, and we lease others.
    if (this.#issuer.generation !== generation) return this.leaseNonces(count);
    this.#metrics.issued('lease', {
      count: range.count,
      configId: config.id,
      cidLength: config.codec.cidLength,
      generation,
      routable: true,
    });
    const { codec } = config;
    return {
      generation,
      scheme: codec.scheme,
      configId: config.id,
      cidLength: codec.cidLength,
      nonceLength: codec.nonceLength,
      serverUseLength: codec.lease.serverUseLength,
      lengthSelfEncoded: codec.lease.lengthSelfEncoded,
      serverId,
      key: codec.lease.key?.reveal() ?? new Uint8Array(0),
      firstCounter: bigEndian(range.first, codec.nonceLength),
      count: range.count,
      permutationKey: showsNonces(codec) ? space.permutationKey.reveal() : new Uint8Array(0),
      resetKey: this.#issuer.keys.of(config).reveal(),
      resetTokens: kindOf(this.#issuer.view.server),
    };
  }

  /** Throws LEASE_REFUSED, STATE_UNWRITABLE or STATE_REPLACED. */
  async resetKeys(): Promise<ExportResetKeysResponse> {
    this.#requireAllowed();
    const live = this.#issuer.view.live.map((config) => ({
      configId: config.id,
      key: this.#issuer.keys.of(config).reveal(),
    }));
    const resetTokens = kindOf(this.#issuer.view.server);
    await this.#issuer.settle(); // Some keys may be new and not on disk yet.
    const key = this.#issuer.keys.failover.reveal();
    const keys = [...live, { configId: FAILOVER_CONFIG_ID, key }];
    return { keys, resetTokens };
  }

  #requireAllowed(): void {
    if (this.#allowed) return;
    throw new CidecarError('LEASE_REFUSED', 'this sidecar does not hand out keys');
  }
}

function bigEndian(value: bigint, length: number): Uint8Array {
  return Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex');
}
