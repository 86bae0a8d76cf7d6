// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { grantCommands, grantsOf } from './grants.js';
import { Keys } from './keys.js';

const keys = new Keys();
const writes = (who: Parameters<typeof grantsOf>[1]) =>
  grantsOf(keys, who).flatMap(({ right, key, prefix }) =>
    right === 'read' ? [] : [`${key.slice(keys.root.length)}${prefix ? '*' : ''}`],
  );

it('a sidecar writes keys of its own server alone', () => {
  expect(writes({ kind: 'sidecar', pool: 'web', server: 'web-1' })).toEqual([
    'requests/web/web-1',
    'live/servers/web/web-1',
    ...[0, 1, 2, 3, 4, 5, 6].map((config) => `uses/web/${config}/web-1`),
  ]);
});

it('an agent writes its own keys alone, unless it may be a controller', () => {
  const own = ['agents', 'acks', 'stale', 'counted-out', 'live/agents', 'held', 'quiet'];
  const ownKeys = own.map((folder) => `${folder}/lb-1`);
  expect(writes({ kind: 'agent', agent: 'lb-1' })).toEqual(ownKeys);
  const controller = writes({ kind: 'controller', agent: 'lb-1' });
  expect(controller.slice(0, ownKeys.length)).toEqual(ownKeys);
  const others = ['desired', 'controllers', 'rotations', 'requests', 'rest', 'acks', 'stale'];
  expect(controller.slice(ownKeys.length)).toEqual(
    [...others, 'quarantines', 'events'].map((each) => `${each}/*`),
  );
});

it('commands are quoted for a shell', () => {
  const commands = grantCommands(keys, { kind: 'operator', name: "o'x" });
  expect(commands).toEqual([
    "etcdctl role add 'o'\\''x'",
    "etcdctl role grant-permission 'o'\\''x' readwrite /cidecar/v1/ --prefix",
    "etcdctl user add 'o'\\''x' --no-password",
    "etcdctl user grant-role 'o'\\''x' 'o'\\''x'",
  ]);
});
