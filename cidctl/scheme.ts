// SPDX-License-Identifier: Apache-2.0
import {
  AWS_NLB,
  awsNlbProfile,
  type CidConfig,
  KATRAN_MIN_CID_LENGTH,
  katranNonceLength,
  parseAwsServerId,
} from '../cid/index.js';
import type { Secret } from '../core/index.js';
import { readOctets } from './arguments.js';

/** A config but for its lengths, which follow from the server ID and nonce, or from flags. */
export type Scheme =
  | {
      readonly scheme: 'quic-lb';
      readonly configId: number;
      readonly key: Secret | null;
      readonly lengthSelfEncoded: boolean;
    }
  | { readonly scheme: 'aws-nlb'; readonly lengthSelfEncoded: boolean }
  | { readonly scheme: 'katran'; readonly version: 1 | 2 | 3 };

/** Octets; undefined where the person did not say. */
export interface Lengths {
  readonly serverId?: number | undefined;
  readonly nonce?: number | undefined;
  readonly serverUse?: number | undefined;
  readonly cid?: number | undefined;
}

/** Octets of nonce where none was given: as many as keep random ones from colliding early. */
const DEFAULT_NONCE_LENGTH = 7;

export interface ReadConfig {
  readonly config: CidConfig;
  readonly warnings: readonly string[];
}

export function configOf(scheme: Scheme, lengths: Lengths): ReadConfig {
  switch (scheme.scheme) {
    case 'quic-lb': {
      const serverIdLength = lengths.serverId ?? 1;
      const room = 19 - serverIdLength - (lengths.serverUse ?? 0);
      const nonceLength = lengths.nonce ?? Math.max(4, Math.min(DEFAULT_NONCE_LENGTH, room));
      const serverUseLength = lengths.serverUse ?? 0;
      return { config: { ...scheme, serverIdLength, nonceLength, serverUseLength }, warnings: [] };
    }
    case 'aws-nlb': {
      const { config, warnings } = awsNlbProfile(lengths.nonce ?? AWS_NLB.nonceLength);
      const { lengthSelfEncoded } = scheme;
      const serverUseLength = lengths.serverUse ?? 0;
      return { config: { ...config, lengthSelfEncoded, serverUseLength }, warnings };
    }
    case 'katran': {
      const shortest: CidConfig = { ...scheme, cidLength: KATRAN_MIN_CID_LENGTH };
      const longer = (lengths.nonce ?? 0) - katranNonceLength(shortest);
      const cidLength = lengths.cid ?? KATRAN_MIN_CID_LENGTH + Math.max(0, longer);
      return { config: { ...scheme, cidLength }, warnings: [] };
    }
  }
}

export function readServerId(scheme: Scheme, text: string): Uint8Array {
  return scheme.scheme === 'aws-nlb' ? parseAwsServerId(text) : readOctets(text, '--server-id');
}
