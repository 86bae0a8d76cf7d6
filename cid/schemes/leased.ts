// SPDX-License-Identifier: Apache-2.0
import { CidecarError, Secret } from '../../core/index.js';
import type { CidCodec } from '../types.js';
import { createCodec } from './index.js';
import type { KatranConfig } from './katran.js';

/** What a lease of nonces says of its config; the fields are those of LeaseNoncesResponse. */
export interface LeasedConfig {
  readonly scheme: string;
  readonly configId: number;
  /** Octets, 8 to 20. */
  readonly cidLength: number;
  readonly serverId: Uint8Array;
  /** Octets. */
  readonly nonceLength: number;
  /** Octets. */
  readonly serverUseLength: number;
  readonly lengthSelfEncoded: boolean;
  /** 16 octets, or none for a config without encryption. */
  readonly key: Uint8Array;
}

/**
 * The codec with which a client makes CIDs from a lease. Throws CONFIG_UNUSABLE for a scheme that
 * this version does not know, and what `createCodec` throws.
 */
export function codecOfLease(lease: LeasedConfig): CidCodec {
  const { scheme, configId, cidLength, nonceLength, serverUseLength, lengthSelfEncoded } = lease;
  if (scheme === 'katran') {
    const version = (configId / 2) as KatranConfig['version'];
    return createCodec({ scheme, version, cidLength });
  }
  if (scheme !== 'quic-lb') {
    throw new CidecarError('CONFIG_UNUSABLE', `this client does not know the scheme "${scheme}"`);
  }
  return createCodec({
    scheme,
    configId,
    serverIdLength: lease.serverId.length,
    nonceLength,
    serverUseLength,
    lengthSelfEncoded,
    key: lease.key.length > 0 ? new Secret(lease.key) : null,
  });
}
