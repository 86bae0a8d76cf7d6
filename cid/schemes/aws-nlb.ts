// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/errors.js';
import { fromHex, toHex } from '../../core/hex.js';
import type { QuicLbConfig } from '../types.js';

/**
 * Profiles are fixed settings of a scheme, for balancers that we do not configure. AWS
 * Network Load Balancer (QUIC passthrough): plaintext QUIC-LB, config 0, 8 octets of
 * server ID. A nonce of 7 octets, so a CID of 16, is what is known to work.
 */
export const AWS_NLB = {
  configId: 0,
  serverIdLength: 8,
  nonceLength: 7,
} as const;

export interface Profile {
  readonly config: QuicLbConfig;
  /** What is allowed but not known to work, for the operator. */
  readonly warnings: readonly string[];
}

/** @param nonceLength octets, 4..11; 7 unless there is a reason */
export function awsNlbProfile(nonceLength: number = AWS_NLB.nonceLength): Profile {
  const config: QuicLbConfig = {
    scheme: 'quic-lb',
    configId: AWS_NLB.configId,
    serverIdLength: AWS_NLB.serverIdLength,
    nonceLength,
    serverUseLength: 0,
    lengthSelfEncoded: true,
    key: null,
  };
  const length = 1 + AWS_NLB.serverIdLength + nonceLength;
  const warnings =
    nonceLength === AWS_NLB.nonceLength
      ? []
      : [`aws-nlb: CIDs of ${length} octets; only 16 (nonceLength 7) are known to reach targets`];
  return { config, warnings };
}

/**
 * An AWS server ID in any form that AWS writes it: `0x` and 16 hex digits (target
 * registration), base64 of the 8 octets (AWS_LBC_QUIC_SERVER_ID), or bare hex.
 * Throws SERVER_ID_INVALID.
 */
export function parseAwsServerId(text: string): Uint8Array {
  const hex = /^(?:0x)?([0-9a-f]{16})$/i.exec(text)?.[1];
  if (hex !== undefined) return fromHex(hex, 'server ID', 'SERVER_ID_INVALID');
  // Eight octets are eleven base64 digits, of which the last carries four bits, and one "=".
  if (/^[A-Za-z0-9+/]{10}[AEIMQUYcgkosw048]=?$/.test(text)) {
    return Uint8Array.from(Buffer.from(text, 'base64'));
  }
  throw new CidecarError(
    'SERVER_ID_INVALID',
    'an AWS server ID is 16 hex digits, with or without 0x, or the base64 of 8 octets',
  );
}

/** Both forms that AWS tools ask for. */
export function formatAwsServerId(serverId: Uint8Array): { hex: string; base64: string } {
  return { hex: `0x${toHex(serverId)}`, base64: Buffer.from(serverId).toString('base64') };
}
