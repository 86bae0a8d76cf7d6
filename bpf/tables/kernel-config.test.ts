// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { type CidConfig, createCodec } from '../../cid/index.js';
import { Secret } from '../../core/index.js';
import { decodePlanMark, decodingMark, encodeConfig } from './kernel-config.js';
import type { TableShape } from './table-shape.js';

const SHAPES: TableShape[] = [
  { kind: 'dense', indexBits: 10, tag: [0x1234_5678, 9, 0, 0] },
  { kind: 'exact', rows: 17 },
  { kind: 'wide', rows: 40_000 },
];
const QUIC_LB = { scheme: 'quic-lb', serverUseLength: 0, lengthSelfEncoded: true } as const;

function config(serverIdLength: number, nonceLength: number, key: number | null): CidConfig {
  const secret = key === null ? null : new Secret(new Uint8Array(16).fill(key));
  return { ...QUIC_LB, configId: 0, serverIdLength, nonceLength, key: secret };
}

describe('the mark of a config', () => {
  // Plaintext, single pass, and four passes of even and odd length, with other keys and lengths.
  const decodePlans = [
    config(3, 4, null),
    config(3, 5, null),
    config(4, 4, null),
    config(8, 8, 1),
    config(8, 8, 2),
    config(4, 12, 1),
    config(3, 4, 1),
    config(3, 5, 1),
    config(4, 4, 1),
    config(3, 4, 2),
  ].map((each) => createCodec(each).decodePlan);
  decodePlans.push({ ...decodePlans[0]!, zeroReserved: true });

  it('is that of its decode plan, whatever its table', () => {
    for (const decodePlan of decodePlans) {
      for (const shape of SHAPES) {
        expect(decodingMark(encodeConfig(decodePlan, 77, shape))).toBe(decodePlanMark(decodePlan));
      }
    }
  });

  it('is that of no other decode plan, and shows no key', () => {
    expect(new Set(decodePlans.map(decodePlanMark)).size).toBe(decodePlans.length);
    expect(decodePlanMark(decodePlans[3]!)).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  });
});
