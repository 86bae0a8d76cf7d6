// SPDX-License-Identifier: Apache-2.0
import { ProbeTarget } from '../lb-agent/reachability/health/probe-target.js';
import { Prober } from '../lb-agent/reachability/health/prober.js';
import { realClock } from '../lb-agent/reachability/health/real-clock.js';
import { SocketWire, type Wire } from '../lb-agent/reachability/health/wire.js';
import type { HealthCheck } from '../registry/index.js';
import { answerTo } from './health-answer.js';

const SERVERS = 10_000;
const SECONDS = 5;
const HEALTH: HealthCheck = {
  ...{ check: 'quic', interval: 1_000, timeout: 500, up: 2, down: 3, floor: 50 },
  ...{ ownAddress: false, cids: 'keep', start: 'unproven' },
};

/**
 * Milliseconds of CPU that a second of checking ten thousand servers takes, which all answer.
 * Probes leave by the sockets of the agent, and the kernel's share is in it; answers are made
 * here and handed over without a socket, which is a share that is left out.
 */
export async function benchHealthProbes(): Promise<{ cpu: number; perSecond: number }> {
  const sockets = await SocketWire.open({
    ...{ source4: '192.0.2.1', source6: null, places: 16, onAnswer: () => {} },
  });
  const wire: Wire = {
    places: (family) => sockets.places(family),
    portOf: (family, place) => sockets.portOf(family, place),
    send: (kind, packets) => {
      const answers = packets.map((octets) =>
        answerTo(octets, (port) => portPlaces.get(port) ?? 0),
      );
      setImmediate(() => {
        for (const { from, answer } of answers) prober.answered(from, answer);
      });
      return sockets.send(kind, packets);
    },
    afterRead: (then) => sockets.afterRead(then),
    readErrors: (each) => sockets.readErrors(each),
    close: () => sockets.close(),
  };
  const portPlaces = new Map(
    Array.from({ length: 16 }, (_, place) => [sockets.portOf(4, place), place]),
  );
  const prober = new Prober({ clock: realClock(), onOutcome: () => {}, beforeGiveUp: () => {} });
  const targets = Array.from({ length: SERVERS }, (_, i) => {
    const server = `10.3.${i >> 8}.${i & 255}`;
    const tunnel = { encapsulation: 'ipip', source: '192.0.2.1', server, guePort: 6080 } as const;
    return new ProbeTarget({
      ...{ server: `s${i}`, pool: 'web', health: HEALTH, alternatives: [], standing: 'unproven' },
      way: {
        ...{ source: '192.0.2.1', destination: '198.51.100.10', port: 443 },
        tunnel: { ...tunnel, link: null },
      },
    });
  });
  prober.follow(targets, wire);
  // Packets are made at the first probe of each, once.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const [before, answered] = [process.cpuUsage(), prober.counts.answered];
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1_000));
  const { user, system } = process.cpuUsage(before);
  const perSecond = (prober.counts.answered - answered) / SECONDS;
  prober.close();
  wire.close();
  return { cpu: (user + system) / 1_000 / SECONDS, perSecond };
}
