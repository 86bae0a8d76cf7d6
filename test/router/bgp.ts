// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../etcd/until.js';
import { inNamespace, ipBatch, run, tryRun } from '../netns/command.js';
import { PACKAGE_ROOT, type WorkerProcess } from '../netns/process.js';
import type { Scope } from '../netns/scope.js';
import { type Host, type Topology, VIP4, VIP6 } from '../netns/topology.js';

const EXAMPLES = join(PACKAGE_ROOT, 'deploy/bgp');

/** The example of deploy/bgp/ by this name. */
export const example = (name: string): string => join(EXAMPLES, name);

/** What announces the VIPs from a balancer: a routing daemon, and the hook that commands it. */
export interface Speaker {
  readonly hook: string;
  /** For the agent, whose hook inherits it. */
  readonly env: Readonly<Record<string, string>>;
  /** Reads its configuration again. */
  reload(): Promise<void>;
}

/** The router learns the routes to the VIPs by BGP, in the place of those of the topology. */
export async function startRouter(scope: Scope, topology: Topology): Promise<void> {
  await ipBatch(topology.router, [
    `route del ${VIP4}/32`,
    `route del ${VIP6}/128`,
    'nexthop flush',
  ]);
  const text = readFileSync(example('bird-router.conf'), 'utf8');
  await startBird(scope, topology.router, 'router', text);
}

export async function startBirdSpeaker(scope: Scope, host: Host): Promise<Speaker> {
  const text = asHost(readFileSync(example('bird-balancer.conf'), 'utf8'), host);
  const socket = await startBird(scope, host.namespace, host.name, text);
  return {
    hook: example('announce-bird'),
    env: { BIRD_SOCKET: socket },
    // Another text, or BIRD changes nothing.
    reload: async () => {
      writeFileSync(configOf(scope, host.name), `${text}\nprotocol static another { ipv4; }\n`);
      await run(['birdc', '-s', socket, 'configure']);
    },
  };
}

export async function startExaSpeaker(scope: Scope, host: Host): Promise<Speaker> {
  const file = scope.path(`${host.name}-announced`);
  const text = asHost(readFileSync(example('exabgp.conf'), 'utf8'), host);
  const config = configOf(scope, host.name);
  writeFileSync(config, text.replaceAll('/run/cidecar/announced', file));
  scope.start({
    title: `exabgp of ${host.name}`,
    namespace: host.namespace,
    argv: ['exabgp', config],
    env: { 'exabgp.daemon.user': 'root', 'exabgp.api.cli': 'false', 'exabgp.tcp.bind': '' },
    log: scope.path('logs', `${host.name}-exabgp.log`),
  });
  return {
    hook: example('announce-file'),
    env: { ANNOUNCED_FILE: file },
    reload: async () => {},
  };
}

/** Waits until the router sends packets for the VIPs to exactly these hosts. */
export async function untilRouted(topology: Topology, hosts: readonly Host[]): Promise<void> {
  const wanted = hosts.map(({ routerInterface }) => routerInterface).sort();
  await until(`the router uses ${wanted.join(', ')}`, async () => {
    const routes = await Promise.all([VIP4, VIP6].map((vip) => devicesOf(topology.router, vip)));
    return routes.every((devices) => JSON.stringify(devices) === JSON.stringify(wanted));
  });
}

async function devicesOf(router: string, vip: string): Promise<string[]> {
  const family = vip.includes(':') ? '-6' : '-4';
  const { stdout } = await tryRun(['ip', '-n', router, family, '-j', 'route', 'show', vip]);
  const routes: { dev?: string; nexthops?: { dev: string }[] }[] = JSON.parse(stdout || '[]');
  return routes
    .flatMap(({ dev, nexthops }) => nexthops?.map((each) => each.dev) ?? [dev ?? ''])
    .sort();
}

async function startBird(
  scope: Scope,
  namespace: string,
  name: string,
  text: string,
): Promise<string> {
  const socket = scope.path(`${name}.ctl`);
  const config = configOf(scope, name);
  writeFileSync(config, text);
  const bird: WorkerProcess = scope.start({
    title: `bird of ${name}`,
    namespace,
    argv: ['bird', '-f', '-c', config, '-s', socket],
    log: scope.path('logs', `${name}-bird.log`),
  });
  await until('bird answers', async () => {
    if (!bird.running) throw new Error(`bird ended: ${bird.tail()}`);
    return (
      (await tryRun(inNamespace(namespace, ['birdc', '-s', socket, 'show', 'status']))).code === 0
    );
  });
  return socket;
}

const configOf = (scope: Scope, name: string) => scope.path(`${name}-bgp.conf`);

/** The examples are those of the first balancer. */
function asHost(text: string, { address4, address6 }: Host): string {
  const four = address4.replace(/\.2$/, '.');
  const six = address6.replace(/::2$/, '::');
  return text.replaceAll('10.2.1.', four).replaceAll('2001:db8:2:1::', six);
}
