// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/errors.js';
import { fromHex, toHex } from '../../core/hex.js';
import { LENGTH_FLAG, lengthAfter, QuicLbCodec, SERVER_USE_FLAG } from './quic-lb.js';
import { type CompiledConfig, form, type Scheme } from './scheme.js';

/**
 * AWS Network Load Balancer (QUIC passthrough). This is a profile: fixed settings of another
 * scheme, for balancers that we do not configure. It is plaintext QUIC-LB with config 0 and
 * server IDs of 8 octets. Only nonces of 7 octets, and so CIDs of 16, are known to work.
 */
const CONFIG_ID = 0;
const SERVER_ID_LENGTH = 8;
const NONCE_LENGTH = 7;
const NONCE_LENGTHS = { minimum: 4, maximum: 11 } as const;

export const awsNlb: Scheme = {
  name: 'aws-nlb',

  documentForm: form(
    {
      id: {
        kind: 'integer',
        minimum: CONFIG_ID,
        maximum: CONFIG_ID,
        note: ', since an AWS NLB reads no other config',
        default: CONFIG_ID,
      },
      serverIdLength: {
        kind: 'integer',
        minimum: SERVER_ID_LENGTH,
        maximum: SERVER_ID_LENGTH,
        note: `, since an AWS NLB reads ${SERVER_ID_LENGTH} octets`,
        default: SERVER_ID_LENGTH,
      },
      nonceLength: { kind: 'integer', ...NONCE_LENGTHS, default: NONCE_LENGTH },
    },
    ({ nonceLength }) => compile({ nonceLength }),
  ),

  encodeForm: form(
    { length: LENGTH_FLAG, serverUse: SERVER_USE_FLAG },
    ({ length, serverUse }, { nonceLength }) => ({
      ...compile({ nonceLength, length, serverUseLength: serverUse?.length }),
      options: serverUse === undefined ? {} : { serverUse },
    }),
  ),

  decodeForm: form(
    {
      length: LENGTH_FLAG,
      nonceLength: {
        kind: 'integer',
        ...NONCE_LENGTHS,
        default: NONCE_LENGTH,
        help: 'octets, 4 to 11 (default: 7)',
      },
    },
    ({ length, nonceLength }, { cidLength }) => {
      const serverUseLength = lengthAfter(1 + SERVER_ID_LENGTH + nonceLength, cidLength);
      return compile({ nonceLength, length, serverUseLength });
    },
  ),

  serverIdForms: {
    parse: parseServerId,
    format: formatServerId,
    jsonField: 'awsServerId',
    label: 'AWS forms',
  },
};

function compile(of: {
  readonly nonceLength: number | undefined;
  readonly length?: boolean;
  readonly serverUseLength?: number | undefined;
}): CompiledConfig {
  const nonceLength = of.nonceLength ?? NONCE_LENGTH;
  const codec = new QuicLbCodec({
    scheme: 'quic-lb',
    configId: CONFIG_ID,
    serverIdLength: SERVER_ID_LENGTH,
    nonceLength,
    serverUseLength: of.serverUseLength ?? 0,
    lengthSelfEncoded: of.length ?? true,
    key: null,
  });
  if (nonceLength === NONCE_LENGTH) return { codec, warnings: [] };
  const octets = 1 + SERVER_ID_LENGTH + nonceLength;
  const message = `aws-nlb: CIDs of ${octets} octets; only 16 (nonceLength 7) are known to reach targets`;
  return { codec, warnings: [{ field: 'nonceLength', message }] };
}

/**
 * Reads a server ID in any form that AWS uses: `0x` and 16 hex digits (target registration),
 * base64 of the 8 octets (AWS_LBC_QUIC_SERVER_ID), or bare hex. Throws SERVER_ID_INVALID.
 */
function parseServerId(text: string): Uint8Array {
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

/** Both forms that AWS tools expect. */
function formatServerId(serverId: Uint8Array) {
  return { hex: `0x${toHex(serverId)}`, base64: Buffer.from(serverId).toString('base64') };
}
