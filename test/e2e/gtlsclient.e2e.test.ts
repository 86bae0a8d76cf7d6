// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CidOwner } from '../../proto/gen/cidecar/v1/sidecar.js';
import { inNamespace, tryRun } from '../netns/command.js';
import { Scope } from '../netns/scope.js';
import { VIP_PORT, VIP4, VIP6 } from '../netns/topology.js';
import { type ClientLog, readClientLog } from '../quic/gtlsclient.js';
import { codecOf } from '../system/codec.js';
import { FOUR_PASS, SystemDocument } from '../system/document.js';
import { SidecarApi } from '../system/sidecar-api.js';
import { System } from '../system/system.js';

// ngtcp2's client is independent of this project: it prints what another implementation of QUIC
// saw.
const BODY = randomBytes(30_000);
const MOVE = ['--change-local-addr=200ms', '--delay-stream=600ms'];

let scope: Scope;
let system: System;
let sidecars: SidecarApi[];

beforeAll(async () => {
  scope = new Scope('cdetoe');
  system = await System.start(scope, {
    balancers: 2,
    servers: 3,
    configs: [FOUR_PASS],
    body: BODY,
  });
  sidecars = system.sidecars.map(({ socket }) => new SidecarApi(socket));
});

afterAll(async () => {
  for (const sidecar of sidecars ?? []) sidecar.close();
  await scope.dispose();
});

describe.each([
  ['IPv4', VIP4],
  ['IPv6', VIP6],
])('gtlsclient over %s', (family, vip) => {
  test('fetches a file after it migrated to an unused CID', async () => {
    const log = await fetchFile(vip, `${family}-migration`, MOVE);
    expect(log.localPorts.length).toBeGreaterThanOrEqual(2);
    expect(log.pathValidated).toBe(true);
    expect(log.destinations.length).toBeGreaterThanOrEqual(2);
    await expectIssuedByOneSidecar(log);
  });

  test('fetches a file after its NAT was rebound', async () => {
    const log = await fetchFile(vip, `${family}-rebinding`, [...MOVE, '--nat-rebinding']);
    expect(log.localPorts.length).toBeGreaterThanOrEqual(2);
    await expectIssuedByOneSidecar(log);
  });
});

test('a server that lost its connections resets one whose CID is not the first', async () => {
  // The client moves to another CID at 200 ms, and then sends nothing until the server is another
  // process.
  const quiet = ['--change-local-addr=200ms', '--delay-stream=5s'];
  const before = await system.statistics();
  const client = runClient(VIP4, 'reset', quiet);
  const accepted = async () => {
    const now = await system.statistics();
    return now.findIndex((server, i) => server.accepted > (before[i]?.accepted ?? 0));
  };
  await expect.poll(accepted, { timeout: 3000 }).toBeGreaterThanOrEqual(0);
  const server = system.servers[await accepted()];
  await new Promise((resolve) => setTimeout(resolve, 800));
  await server?.kill();
  await server?.start();
  const log = await client;
  const used = log.further.find(({ cid }) => cid === log.destinations.at(-1));
  expect(used).toBeDefined();
  expect(log.resetToken).toBe(used?.token);
  expect(await server?.statistics()).toMatchObject({ accepted: 0, open: 0 });
});

async function fetchFile(vip: string, title: string, options: string[]): Promise<ClientLog> {
  const log = await runClient(vip, title, options);
  // Its exit code is 0 even without a server, so only the file that it wrote counts.
  const file = readFileSync(join(scope.path('downloads', title), 'file'));
  expect(Buffer.compare(file, BODY)).toBe(0);
  return log;
}

async function runClient(vip: string, title: string, options: string[]): Promise<ClientLog> {
  const folder = scope.path('downloads', title);
  mkdirSync(folder);
  const { stdout, stderr } = await tryRun(
    inNamespace(system.topology.client, [
      ...['timeout', '20', 'gtlsclient', '--exit-on-all-streams-close', '--sni=cidecar.test'],
      ...['--no-quic-dump', '--no-http-dump', `--download=${folder}`, ...options],
      ...[vip, String(VIP_PORT), 'https://cidecar.test/file'],
    ]),
  );
  return readClientLog(stdout + stderr);
}

/** Checks that every CID and token that the client saw came from the sidecar of one server. */
async function expectIssuedByOneSidecar(log: ClientLog): Promise<void> {
  const codec = codecOf(system.document, FOUR_PASS);
  const seen = [log.first, ...log.further];
  expect(log.further.length).toBeGreaterThan(0);
  const owners = new Set<string>();
  const nonces = new Set<string>();
  for (const { cid } of seen) {
    const decoded = codec.decode(Buffer.from(cid, 'hex'));
    if (!decoded.routable) throw new Error(`${cid} does not decode: ${decoded.reason}`);
    owners.add(Buffer.from(decoded.serverId).toString('hex'));
    nonces.add(Buffer.from(decoded.nonce).toString('hex'));
  }
  expect(owners.size).toBe(1);
  expect(nonces.size).toBe(seen.length);
  const index = system.topology.servers.findIndex(
    (_, i) => SystemDocument.serverId(FOUR_PASS, i) === [...owners][0],
  );
  const own = sidecars[index];
  const other = sidecars[(index + 1) % sidecars.length];
  if (own === undefined || other === undefined) throw new Error('no server has this ID');
  for (const { cid, token } of seen) {
    expect(await own.resetToken(cid)).toBe(token);
    expect(await own.inspect(cid)).toMatchObject({ routable: true, owner: CidOwner.CID_OWNER_OWN });
    expect(await other.inspect(cid)).toMatchObject({ owner: CidOwner.CID_OWNER_FOREIGN });
    await expect(other.resetToken(cid)).rejects.toThrow(/PERMISSION_DENIED/);
  }
  // After the handshake it sent to CIDs of that sidecar only.
  const issued = new Set(seen.map(({ cid }) => cid));
  expect(log.destinations.filter((cid) => !issued.has(cid))).toEqual([]);
}
