// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createCodec } from '../../cid/index.js';
import { toHex } from '../../core/index.js';
import { type DesiredState, type Server, unpackIds } from '../../registry/index.js';
import { viewOf } from './server-view.js';

function stateOf(idsOf: Uint8Array[], length: number): DesiredState {
  const lengths = { serverIdLength: length, nonceLength: 8, serverUseLength: 0 };
  const codec = createCodec({
    scheme: 'quic-lb',
    configId: 0,
    key: null,
    lengthSelfEncoded: true,
    ...lengths,
  });
  const servers = idsOf.map((octets, i): Server => {
    const serverIds = new Map([[0, unpackIds(octets, length)]]);
    const rest = { weight: 1, state: 'active', encapsulation: 'ipip' } as const;
    return { name: `web-${i}`, address: '10.0.1.11', serverIds, ...rest };
  });
  const configs = [{ id: 0, codec, state: 'minting', resetKey: null } as const];
  return { revision: 'r', pools: [{ name: 'web', vips: [], configs, servers }] };
}

it('finds the owner of an ID, and of no octets that lie across two', () => {
  // With few different octets, the octets of an ID are found across two others too.
  const octet = fc.constantFrom(0, 1, 2);
  const sample = fc.integer({ min: 1, max: 4 }).chain((length) =>
    fc.record({
      length: fc.constant(length),
      servers: fc.array(
        fc.array(fc.array(octet, { minLength: length, maxLength: length }), { maxLength: 12 }),
        { minLength: 1, maxLength: 4 },
      ),
      asked: fc.array(octet, { minLength: length, maxLength: length }),
    }),
  );
  fc.assert(
    fc.property(sample, ({ length, servers, asked }) => {
      const seen = new Set<string>();
      const owned = servers.map((ids) =>
        ids.filter((id) => {
          const hex = toHex(Uint8Array.from(id));
          return !seen.has(hex) && seen.add(hex);
        }),
      );
      const packed = owned.map((ids) => Uint8Array.from(ids.flat()));
      const view = viewOf(stateOf(packed, length), 'web-0');
      const owner = owned.findIndex((ids) => ids.some((id) => id.join() === asked.join()));
      const found = view.owner(0, Uint8Array.from(asked));
      expect(found?.name).toBe(owner === -1 ? undefined : `web-${owner}`);
      expect(view.owner(1, Uint8Array.from(asked))).toBeUndefined();
    }),
    { numRuns: 1000 },
  );
});
