// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { CidecarError } from '../../core/index.js';
import { type DesiredState, parseDocument } from '../../registry/index.js';
import { transitionsInSlices } from '../../registry/transitions/transitions.js';
import { assign, NO_ASSIGNMENT } from '../reconcile/assign.js';
import { IndexCooldown } from '../reconcile/index-cooldown.js';
import { plan } from '../reconcile/plan.js';
import { NO_TABLES } from '../reconcile/tables.js';
import { goalOf, RINGS } from '../reconcile/testing/goals.js';
import { agentNeedsKey } from './needed-keys.js';

const pool = (name: string, host: number, vips: string) => `
  ${name}:
    vips: [${vips}]
    configs:
      - { id: 0, scheme: quic-lb, state: minting, serverIdLength: 2, nonceLength: 8, keyFile: ${name}.key, resetKeyFile: ${name}.reset }
      - { id: 1, scheme: quic-lb, state: quarantined, serverIdLength: 2, nonceLength: 8, keyFile: ${name}-old.key }
    servers:
      - { name: ${name}-1, address: 192.0.2.${host}, serverIds: { 0: ["00${host}0"] } }
`;
const VIP = '{ address: 198.51.100.10, port: 443, protocol: udp }';
const DOCUMENT = `pools:${pool('web', 1, VIP)}${pool('dark', 2, '')}`;

function read(files: Readonly<Record<string, string>>): DesiredState {
  const readKeyFile = (name: string) => {
    const content = files[name];
    if (content === undefined) throw new CidecarError('FILE_UNREADABLE', `no ${name}`);
    return content;
  };
  return parseDocument(DOCUMENT, { file: 'd', readKeyFile, needsKey: agentNeedsKey }).state;
}

const WEB = { 'web.key': '00'.repeat(16) };
const ALL = {
  ...WEB,
  ...Object.fromEntries(
    ['web.reset', 'web-old.key', 'dark.key', 'dark.reset', 'dark-old.key'].map((name, i) => [
      name,
      `0${i + 1}`.repeat(16),
    ]),
  ),
};

it('an agent starts without reset keys, and without the keys of pools that have no VIPs', () => {
  const desired = read(WEB);
  expect(desired.revision).toMatch(/-without-5-keys$/);
  const { target } = assign({
    goal: goalOf(desired),
    actual: NO_TABLES,
    previous: NO_ASSIGNMENT,
    cooldown: new IndexCooldown(1000, () => 0),
    capacity: { pools: 8, vips: 8, reals: 8 },
    buildRing: RINGS.build,
  });
  expect(plan(NO_TABLES, target).map(({ kind }) => kind)).toContain('set-config');
  expect(() => read({})).toThrow(/no web.key/);
});

it('keys that come later are no change of keys', async () => {
  const { signal } = new AbortController();
  const [before, after] = [read(WEB), read(ALL)];
  expect(await transitionsInSlices(before, after, signal)).toEqual([]);
  expect(await transitionsInSlices(after, before, signal)).toEqual([]);
  // What both hold is compared.
  const other = read({ ...WEB, 'web.key': '11'.repeat(16) });
  const [lost] = await transitionsInSlices(before, other, signal);
  expect(lost?.name).toBe('key-changed');
});
