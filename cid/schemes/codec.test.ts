// SPDX-License-Identifier: Apache-2.0
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { CidecarError } from '../../core/errors.js';
import { Secret } from '../../core/secret.js';
import { type CidConfig, createCodec } from './index.js';
import type { KatranConfig } from './katran.js';
import type { QuicLbConfig } from './quic-lb.js';

const good: QuicLbConfig = {
  scheme: 'quic-lb',
  configId: 0,
  serverIdLength: 3,
  nonceLength: 4,
  serverUseLength: 0,
  lengthSelfEncoded: true,
  key: new Secret(new Uint8Array(16).fill(0xab)),
};

function errorOf(action: () => unknown): CidecarError {
  try {
    action();
  } catch (error) {
    if (error instanceof CidecarError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('configs that break a rule', () => {
  it.each<[string, Partial<QuicLbConfig>, string, string]>([
    ['config ID 7 is never a config', { configId: 7 }, 'configId', 'CID_CONFIG_INVALID'],
    ['config ID below 0', { configId: -1 }, 'configId', 'CID_CONFIG_INVALID'],
    ['no server ID', { serverIdLength: 0 }, 'serverIdLength', 'CID_CONFIG_INVALID'],
    ['server ID of 16', { serverIdLength: 16 }, 'serverIdLength', 'CID_CONFIG_INVALID'],
    ['half an octet', { serverIdLength: 1.5 }, 'serverIdLength', 'CID_CONFIG_INVALID'],
    ['nonce of 3', { nonceLength: 3 }, 'nonceLength', 'CID_CONFIG_INVALID'],
    ['nonce of 19', { nonceLength: 19 }, 'nonceLength', 'CID_CONFIG_INVALID'],
    ['sum of 20', { serverIdLength: 10, nonceLength: 10 }, 'nonceLength', 'CID_CONFIG_INVALID'],
    ['CID of 21', { serverUseLength: 13 }, 'serverUseLength', 'CID_CONFIG_INVALID'],
    ['not a number', { nonceLength: Number.NaN }, 'nonceLength', 'CID_CONFIG_INVALID'],
    ['key of 15', { key: new Secret(new Uint8Array(15)) }, 'key', 'KEY_INVALID'],
  ])('QUIC-LB: %s', (_, change, field, code) => {
    const error = errorOf(() => createCodec({ ...good, ...change }));
    expect(error.code).toBe(code);
    expect(error.place.field).toBe(field);
  });

  it.each<[string, Partial<KatranConfig>, string]>([
    ['CID of 7: Katran would not look', { cidLength: 7 }, 'cidLength'],
    ['CID of 21', { cidLength: 21 }, 'cidLength'],
    ['version 4', { version: 4 as 3 }, 'version'],
  ])('Katran: %s', (_, change, field) => {
    const config: CidConfig = { scheme: 'katran', version: 1, cidLength: 8, ...change };
    const error = errorOf(() => createCodec(config));
    expect(error.code).toBe('CID_CONFIG_INVALID');
    expect(error.place.field).toBe(field);
  });
});

describe('a codec', () => {
  it('shows its key to nobody who prints it', () => {
    const codec = createCodec(good);
    const printed = [inspect(codec, { depth: 9, showHidden: true }), JSON.stringify(codec)];
    for (const text of printed) {
      expect(text).not.toMatch(/abab|171,\s*171/);
      expect(text).toContain('[secret]');
    }
  });

  it('refuses a server ID of another length', () => {
    const codec = createCodec(good);
    expect(errorOf(() => codec.checkServerId(new Uint8Array(2))).code).toBe('SERVER_ID_INVALID');
    expect(errorOf(() => codec.encode(new Uint8Array(4), new Uint8Array(4))).code).toBe(
      'SERVER_ID_INVALID',
    );
    expect(errorOf(() => codec.encode(new Uint8Array(3), new Uint8Array(5))).code).toBe(
      'NONCE_INVALID',
    );
  });
});
