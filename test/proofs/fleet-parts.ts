// SPDX-License-Identifier: Apache-2.0
import { chmodSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import type { FleetTimes } from '../../lb-agent/fleet/fleet-times.js';
import { runCidctl } from '../etcd/operators.js';
import type { Scope } from '../netns/scope.js';
import { type Host, VIP_PORT, VIP4, VIP6 } from '../netns/topology.js';
import { Agent } from '../system/agent.js';
import { QuicServerProcess } from '../system/quic-server.js';
import { Sidecar } from '../system/sidecar.js';
import type { TlsPaths } from '../system/tls.js';
import { AgentHost, type LinkToEtcd, ServerHost } from './hosts.js';
import { POOL } from './operator.js';

/** Seconds: the least that etcd grants is 2. */
export const LEASE_TTL = 4;
/** Seconds after which an agent that cannot reach etcd has itself withdrawn. */
const WITHDRAW_AFTER = 8;
/** Milliseconds for which others wait for an agent that is dead. */
const GRACE_MS = 24_000;
const TIMES: FleetTimes = {
  graceMs: GRACE_MS,
  countEvery: 1,
  rotation: { quietSeconds: 1, readAgainMs: 500, lookEveryMs: 250 },
};
/** Seconds in which connections replace their CIDs. */
const REISSUE_SECONDS = 1;
const CID_LIFETIME_SECONDS = 60;
/** Seconds for which what was freed rests. */
const CONNECTION_AGE = 1;

export interface SharedDocument {
  readonly address: string;
  /** Path of the cluster secret. */
  readonly secret: string;
}

/** One pool, whose servers register themselves. */
export async function applyDocument(scope: Scope, address: string): Promise<SharedDocument> {
  const secret = scope.path('cluster-secret');
  const cidctl = async (...args: string[]) => {
    const { code, err } = await runCidctl(args);
    if (code !== 0) throw new Error(`cidctl ${args[0]}: ${err}`);
  };
  await cidctl('keygen', '--cluster-secret', secret);
  await cidctl('keygen', scope.path('web-0.key'));
  const pool = {
    vips: [VIP4, VIP6].map((vip) => ({ address: vip, port: VIP_PORT, protocol: 'udp' })),
    configs: [
      {
        ...{ id: 0, scheme: 'quic-lb', serverIdLength: 3, nonceLength: 8 },
        ...{ keyFile: 'web-0.key', state: 'minting' },
      },
    ],
    allocation: { idsPerServer: 1, connectionAge: CONNECTION_AGE },
  };
  const document = scope.path('registry.yaml');
  writeFileSync(document, stringify({ pools: { [POOL]: pool } }));
  await cidctl('apply', document, '--registry', address, '--cluster-secret', secret);
  return { address, secret };
}

export function agentHost(
  scope: Scope,
  host: Host,
  { address, secret }: SharedDocument,
  link: LinkToEtcd,
): AgentHost {
  const announceFile = scope.path(host.name, 'announce');
  const hook = scope.path(host.name, 'announce-hook');
  writeFileSync(hook, `#!/bin/sh\necho "$CIDECAR_ANNOUNCE" > ${announceFile}\n`);
  chmodSync(hook, 0o755);
  return new AgentHost({
    host,
    link,
    announceFile,
    agent: new Agent(scope, host, address, {
      entry: 'test/proofs/agent-main',
      env: { CIDECAR_FLEET_TIMES: JSON.stringify(TIMES) },
    }),
    flags: [
      ...['--agent', host.name, '--cluster-secret', secret, '--lease-ttl', String(LEASE_TTL)],
      ...['--announce-hook', hook, '--withdraw-when-stale', String(WITHDRAW_AFTER)],
      ...['--cooldown', '2'],
    ],
  });
}

export function serverHost(
  scope: Scope,
  host: Host,
  { address, secret }: SharedDocument,
  link: LinkToEtcd,
  tls: TlsPaths,
): ServerHost {
  const sidecar = new Sidecar(scope, host, address, {
    decapsulates: true,
    reissueSeconds: REISSUE_SECONDS,
    cidLifetimeSeconds: CID_LIFETIME_SECONDS,
    more: [
      ...['--pool', POOL, '--address', host.address4, '--cluster-secret', secret],
      ...['--deregister-on-stop', '--lease-ttl', String(LEASE_TTL)],
    ],
  });
  const givenFile = scope.path('logs', `${host.name}-given-cids.log`);
  const server = new QuicServerProcess(scope, host, {
    ...{ tls, body: scope.path('body'), cids: { sidecar: sidecar.socket } },
    witness: givenFile,
  });
  return new ServerHost({ host, sidecar, server, link, givenFile });
}
