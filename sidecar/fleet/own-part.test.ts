// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { DesiredState, Pool, Server } from '../../registry/index.js';
import { isSameForServer } from './own-part.js';

const OWN = { pool: 'web', server: 'web-1' };
const own = { name: 'web-1' } as Server;
const web: Pool = {
  name: 'web',
  vips: [],
  configs: [],
  servers: [own, { name: 'web-2' } as Server],
  allocation: { first: 1, last: 9 } as Pool['allocation'] & object,
};
const state = (...pools: Pool[]): DesiredState => ({ revision: 'etcd 1', pools });

test.each<[string, Pool]>([
  ['another server', { ...web, servers: [own, { name: 'web-2' } as Server] }],
  ['a VIP', { ...web, vips: [] }],
])('a state that changed %s is the same for a server', (_, after) => {
  expect(isSameForServer(state(web), state(after, { ...web, name: 'mail' }), OWN)).toBe(true);
});

test.each<[string, Pool | undefined]>([
  ['the server itself', { ...web, servers: [{ name: 'web-1' } as Server] }],
  ['that there is the server', { ...web, servers: [] }],
  ['the configs', { ...web, configs: [] }],
  ['what is handed out', { ...web, allocation: { first: 1 } as Pool['allocation'] & object }],
  ['that there is the pool', undefined],
])('a state that changed %s is not', (_, after) => {
  const changed = after === undefined ? state() : state(after);
  expect(isSameForServer(state(web), changed, OWN)).toBe(false);
  expect(isSameForServer(changed, state(web), OWN)).toBe(false);
});
