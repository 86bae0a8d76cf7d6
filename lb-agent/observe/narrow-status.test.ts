// SPDX-License-Identifier: Apache-2.0
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { type Balancer, DEFAULT_SETTINGS, NO_MTU } from '../../bpf/tables/index.js';
import type { AgentRecord } from '../reconcile/record.js';
import { metricsText } from './metrics.js';
import { monotonicSeconds } from './narrow-tunnels.js';
import { describe } from './status.js';
import { statusText } from './status-text.js';

const REAL = { encapsulation: 'ipip', down: false, incarnation: 1 };
const balancer = {
  settings: { ...DEFAULT_SETTINGS, mtu: 1600 },
  counters: () => ({ vips: new Map(), reals: new Map() }),
  configs: () => [],
  vips: () => [],
  reals: () => [
    { ...REAL, index: 1, address: '10.9.0.1', mtu: NO_MTU },
    { ...REAL, index: 2, address: '10.9.0.2', mtu: 1480 },
  ],
  tunnelMtus: () => [{ address: '10.9.0.1', mtu: 1500, packets: 3, seconds: monotonicSeconds() }],
} as unknown as Balancer;
const server = { pool: 'web', weight: 100, state: 'active' } as const;
const record: AgentRecord = {
  interface: 'eth0',
  mode: 'native',
  revision: 'r1',
  pools: [],
  servers: [
    { ...server, name: 'web-1', real: 1, address: '10.9.0.1' },
    { ...server, name: 'web-2', real: 2, address: '10.9.0.2' },
  ],
  configs: [],
  cooldowns: [],
  incarnations: [],
};

it('a server that tunnels do not fit to is in the status, by name and for programs', () => {
  const status = { ifindex: 2, programId: 7, ...describe(balancer, record) };
  expect(status.servers).toMatchObject([
    { name: 'web-1', mtu: null, narrow: { mtu: 1500, sent: 1600, packets: 3 } },
    { name: 'web-2', mtu: 1480, narrow: null },
  ]);
  const [, section = ''] = statusText(status).split('TUNNELS THAT DO NOT FIT\n');
  expect(section.split('\n\n')[0]).toMatch(
    /^ {2}NAME +FITS +SENT +ERRORS +LAST\n {2}web-1 +1500 +1600 +3 +[0-9]+ s ago$/,
  );
});

it('and in the metrics, which leave out the others', async () => {
  const { text } = await metricsText({ balancer, record, attached: () => true }, new Registry());
  expect(text.match(/^cidecar_balancer_tunnel_mtu_octets\{.*$/gm)).toEqual([
    'cidecar_balancer_tunnel_mtu_octets{pool="web",server="web-1"} 1500',
  ]);
});

it('revisions are printed for each pool where they are recorded', () => {
  const parts = { document: 'd1', pools: [{ name: 'web', cids: 'c1', resetTokens: 't1' }] };
  const described = { ifindex: 2, programId: 7, ...describe(balancer, { ...record, parts }) };
  expect(described).toMatchObject({ revision: 'r1', revisionParts: parts });
  const [, section = ''] = statusText(described).split('REVISIONS (of the document alone d1)\n');
  expect(section.split('\n\n')[0]).toMatch(
    /^ {2}POOL +WITH CID KEYS +WITH RESET KEYS\n {2}web +c1 +t1$/,
  );
  const bare = { ifindex: 2, programId: 7, ...describe(balancer, record) };
  expect(statusText(bare)).not.toContain('REVISIONS');
});
