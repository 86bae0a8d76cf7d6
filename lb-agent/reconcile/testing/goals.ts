// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { createCodec } from '../../../cid/index.js';
import { Secret } from '../../../core/index.js';
import type { DesiredState, Pool, PoolConfig, Server } from '../../../registry/index.js';
import type { Goal } from '../goal.js';
import { type NextHop, REPLY } from '../next-hop.js';
import type { Rings } from '../ring.js';
import { mergeVerdicts, type Verdict } from '../verdict.js';

export const NO_GOAL: Goal = goalOf({ revision: '', pools: [] });

/** A document of which every server can be reached, by replying. */
export function goalOf(desired: DesiredState, change: Partial<Goal> = {}): Goal {
  return { desired, verdicts: new Map(), nextHop: () => REPLY, ...change };
}

/** Enough of a ring for the order of operations: every server once, in one of two sizes. */
export const RINGS: Rings = {
  build: (_, servers) => {
    if (servers.length === 0) return new Uint32Array();
    const size = servers.length <= 2 ? 2 : 6;
    return Uint32Array.from({ length: size }, (_, entry) => {
      return servers[entry % servers.length]?.real ?? 0;
    });
  },
  retain: () => {},
};

// Small domains, so that documents that follow each other collide in everything.
const serverArbitrary = fc.record({
  address: fc.integer({ min: 1, max: 5 }).map((i) => `10.0.0.${i}`),
  weight: fc.constantFrom(0, 1),
  state: fc.constantFrom('active', 'draining', 'down'),
  encapsulation: fc.constantFrom('ipip', 'ipip', 'l2'),
});

/** Beyond the pools that VIPs and servers may be in there is none. */
const documentArbitrary = (pools: fc.Arbitrary<number>): fc.Arbitrary<DesiredState> =>
  fc
    .record({
      vips: fc.array(pools, { minLength: 4, maxLength: 4 }),
      servers: fc.array(fc.tuple(pools, serverArbitrary), {
        maxLength: 6,
      }),
      keys: fc.array(fc.constantFrom(0, 1, 2), { minLength: 6, maxLength: 6 }),
      owners: fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 36, maxLength: 36 }),
      quic: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      names: fc.shuffledSubarray(['a', 'b', 'c'], { minLength: 3, maxLength: 3 }),
    })
    .map(({ vips, servers, keys, owners, quic, names }) => {
      const pools = names.map((name, poolIndex): Pool => {
        const configs = [0, 1].flatMap((id): PoolConfig[] => {
          const key = keys[poolIndex * 2 + id] ?? 0;
          if (key === 2) return [];
          const codec = createCodec({
            scheme: 'quic-lb',
            configId: id,
            serverIdLength: 1,
            nonceLength: 6,
            serverUseLength: 0,
            lengthSelfEncoded: true,
            key: id === 0 ? null : new Secret(new Uint8Array(16).fill(key)),
          });
          return [{ id, codec, state: 'staged', resetKey: null }];
        });
        const own = servers.flatMap(([pool, server], index): Server[] => {
          if (pool !== poolIndex) return [];
          const serverIds = new Map(
            configs.map(({ id }): [number, Uint8Array[]] => [
              id,
              [0, 1, 2, 3, 4, 5].flatMap((sid) =>
                owners[poolIndex * 12 + id * 6 + sid] === index ? [Uint8Array.of(sid)] : [],
              ),
            ]),
          );
          return [{ ...server, name: `s${index}`, serverIds } as Server];
        });
        return {
          name,
          vips: vips.flatMap((owner, port) =>
            owner === poolIndex
              ? [{ address: '192.0.2.1', port, protocol: 'udp' as const, quic: quic[port] ?? true }]
              : [],
          ),
          configs,
          servers: own,
        };
      });
      return { revision: '', pools };
    });

const HOPS: readonly (NextHop | null)[] = [
  null,
  REPLY,
  ...[1, 2].map((last): NextHop => {
    return {
      kind: 'neighbour',
      mac: Uint8Array.of(2, 0, 0, 0, 0, last),
      ifindex: last,
      sourceMac: Uint8Array.of(2, 0, 0, 0, 1, last),
    };
  }),
];

/** Documents with what a host might know of the next hops and of the health of their servers. */
export const goalArbitrary = (pools: fc.Arbitrary<number>): fc.Arbitrary<Goal> =>
  fc
    .record({
      desired: documentArbitrary(pools),
      hops: fc.array(fc.nat(HOPS.length - 1), { minLength: 6, maxLength: 6 }),
      lost: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
    })
    .map(({ desired, hops, lost }) => {
      const nextHop: Goal['nextHop'] = ({ address, encapsulation }) => {
        const found = HOPS[hops[Number(address.at(-1))] ?? 0] ?? null;
        return encapsulation === 'l2' && found?.kind === 'reply' ? null : found;
      };
      const verdicts = desired.pools
        .flatMap((pool) => pool.servers)
        .map((server): Verdict => {
          const { name, encapsulation } = server;
          if (encapsulation === 'l2' && nextHop(server) === null) {
            return { server: name, reachable: false, reason: 'no next hop' };
          }
          return lost[Number(name.slice(1))]
            ? { server: name, reachable: false, reason: 'no answer' }
            : { server: name, reachable: true, reason: null };
        });
      return { desired, verdicts: mergeVerdicts(verdicts), nextHop };
    });
