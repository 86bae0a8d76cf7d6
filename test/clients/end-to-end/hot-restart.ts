// SPDX-License-Identifier: Apache-2.0
import { objectPath } from '../../../bpf/binding/index.js';
import { inNamespace, run } from '../../netns/command.js';
import type { Host } from '../../netns/topology.js';
import { CONNECTIONS, type Stand } from './stand.js';

/** As in steer.bpf.c. */
const SUCCESSOR = { port: 8443, serverUse: '02' };

/** Sends packets of the process from before to it by their server-use octet, all others on. */
async function steer({ namespace }: Host): Promise<void> {
  const tc = (...words: string[]) => run(inNamespace(namespace, ['tc', ...words]));
  await tc('qdisc', 'add', 'dev', 'eth0', 'clsact');
  for (const way of ['ingress', 'egress']) {
    const program = ['bpf', 'direct-action', 'object-file', objectPath('steer'), 'section', way];
    await tc('filter', 'add', 'dev', 'eth0', way, ...program);
  }
}

/**
 * Each server gets a second process. New connections are its own, and those from before stay where
 * they are, wherever their clients move; at last the first process is ended, which closes what it
 * has left, and the clients come back.
 */
export async function hotRestart(stand: Stand): Promise<string> {
  const { clients } = stand;
  const before = stand.servers;
  const had = await openIn(before);
  stand.servers = before.map((server) => server.successor(SUCCESSOR));
  await Promise.all(stand.servers.map((server) => server.start()));
  await Promise.all(stand.servers.map(({ host }) => steer(host)));

  const all = had + CONNECTIONS;
  await stand.check(await clients.open(CONNECTIONS), all);
  await stand.check(await stand.reach(), all);
  const fresh = await openIn(stand.servers);
  if (fresh !== CONNECTIONS) {
    throw new Error(`${fresh} of ${CONNECTIONS} new connections are in the new processes`);
  }
  const left = await openIn(before);
  if (left !== had) throw new Error(`${left} of ${had} connections stayed in the old processes`);

  for (const server of before) {
    const { code, signal } = await server.terminate();
    if (code !== 0) throw new Error(`${server.title} ended with ${signal ?? code} at SIGTERM`);
  }
  await stand.check(await clients.echo(), all, { closed: had });
  return `${had} connections stayed with the old processes, and were closed at their end`;
}

async function openIn(servers: Stand['servers']): Promise<number> {
  const all = await Promise.all(servers.map((server) => server.statistics()));
  return all.reduce((sum, { open }) => sum + open, 0);
}
