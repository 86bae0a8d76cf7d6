// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import type { WorkerProcess } from '../netns/process.js';
import type { Scope } from '../netns/scope.js';
import { CLIENT_ADDRESSES4, type Topology, VIP_PORT, VIP4 } from '../netns/topology.js';
import { PROBE_PORTS } from '../quic/cid-witness.js';
import type { ProbeReport, ProbeRequest } from '../udp/prober.js';
import { PATIENCE_MS } from './operator.js';

/** What a look at the servers needs of each. */
export interface WitnessedServer {
  readonly name: string;
  hasGiven(cid: string): boolean;
  readonly server: {
    readonly running: boolean;
    heldCids(): Promise<string[]>;
    foreign(): Promise<string[]>;
  };
}

/** Octets after a CID, so that a datagram is not too short for a packet. */
const PADDING = 24;
const WINDOW = 64;

/**
 * Looks whether CIDs that connections hold lead to their servers. It sends numbered datagrams to
 * them, from several ports, so that every balancer gets some; the server that a datagram comes to
 * answers with its name. So CIDs are tried too that no connection has used yet.
 */
export class Witnesses {
  readonly #prober: WorkerProcess;
  readonly #random: () => number;
  /** Datagrams that were answered by the right server. */
  right = 0;

  private constructor(prober: WorkerProcess, random: () => number) {
    this.#prober = prober;
    this.#random = random;
  }

  static async start(scope: Scope, topology: Topology, random: () => number): Promise<Witnesses> {
    const prober = scope.start({
      title: 'prober',
      namespace: topology.client,
      entry: 'test/udp/prober-main',
      log: scope.path('logs', 'prober.log'),
    });
    await prober.ready();
    return new Witnesses(prober, random);
  }

  /**
   * Tries some of the CIDs that connections hold now. Returns what is wrong, in words.
   *
   * @param most how many CIDs are tried
   */
  async look(servers: readonly WitnessedServer[], most: number): Promise<string[]> {
    const running = servers.filter(({ server }) => server.running);
    const wrong: string[] = [];
    for (const { name, server } of running) {
      for (const cid of new Set(await server.foreign())) {
        const giver = servers.find((each) => each.hasGiven(cid));
        wrong.push(`a packet with CID ${cid} of ${giver?.name ?? 'nobody'} came to ${name}`);
      }
    }
    const held = await heldBy(running);
    let tried = [...held.keys()];
    while (tried.length > most) tried.splice(Math.floor(this.#random() * tried.length), 1);
    const end = performance.now() + PATIENCE_MS;
    while (tried.length > 0) {
      const answers = await this.#send(tried);
      const missed = [...answers].filter(([cid, names]) => {
        const owner = held.get(cid);
        this.right += names.filter((each) => each === owner).length;
        return names.some((each) => each !== owner);
      });
      if (missed.length === 0) break;
      // A CID that its connection has given up meanwhile may lead nowhere.
      const still = await heldBy(running.filter(({ server }) => server.running));
      const bad = missed.filter(([cid]) => still.get(cid) === held.get(cid));
      for (const [cid, names] of bad) {
        const others = names.filter((each) => each !== null && each !== held.get(cid));
        for (const each of new Set(others)) {
          wrong.push(`CID ${cid}, which a connection of ${held.get(cid)} holds, leads to ${each}`);
        }
      }
      // A datagram can be lost on a busy machine; one that is lost again and again is not.
      tried = bad.filter(([, names]) => names.includes(null)).map(([cid]) => cid);
      if (performance.now() > end) {
        for (const cid of tried) wrong.push(`CID ${cid} of ${held.get(cid)} leads nowhere`);
        break;
      }
      if (tried.length > 0) await pause(200);
    }
    return wrong;
  }

  async #send(cids: readonly string[]): Promise<Map<string, (string | null)[]>> {
    const sources = PROBE_PORTS.map((port) => ({ address: CLIENT_ADDRESSES4[0] ?? '', port }));
    const request: ProbeRequest = {
      server: { host: VIP4, port: VIP_PORT },
      sources,
      probes: cids.flatMap((cid) =>
        sources.map((_, source) => ({ source, payload: `40${cid}${'00'.repeat(PADDING)}` })),
      ),
      window: WINDOW,
    };
    const { answers } = await this.#prober.call<ProbeReport>('probe', request);
    const count = sources.length;
    return new Map(cids.map((cid, i) => [cid, answers.slice(i * count, (i + 1) * count)]));
  }
}

/** The server of each CID that a connection holds. */
async function heldBy(servers: readonly WitnessedServer[]): Promise<Map<string, string>> {
  const held = new Map<string, string>();
  for (const { name, server } of servers) {
    for (const cid of await server.heldCids()) held.set(cid, name);
  }
  return held;
}
