// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { HealthCheck } from '../../../registry/index.js';
import { ProbeTarget } from './probe-target.js';
import { MOST_IN_FLIGHT, Prober } from './prober.js';
import { answerTo, PlayedClock, type PlayedProbe, PlayedWire } from './testing/played-wire.js';

const HEALTH: HealthCheck = {
  ...{ check: 'quic', interval: 800, timeout: 400, up: 2, down: 3, floor: 50 },
  ...{ ownAddress: false, cids: 'keep', start: 'unproven' },
};
const VIP = '198.51.100.10';

function world(servers: number, health: Partial<HealthCheck> = {}, places = 16, name?: string) {
  const clock = new PlayedClock();
  const wire = new PlayedWire(clock, places);
  const prober = new Prober({ clock, onOutcome: () => {}, beforeGiveUp: () => {} });
  const targets = Array.from({ length: servers }, (_, i) => {
    const server = `10.3.${i >> 8}.${i & 255}`;
    return new ProbeTarget({
      ...{ server: name ?? `s${i}`, pool: 'web', health: { ...HEALTH, ...health } },
      ...{ alternatives: [], standing: 'unproven' },
      way: {
        ...{ source: '192.0.2.1', destination: VIP, port: 443 },
        tunnel: { encapsulation: 'ipip', source: '192.0.2.1', server, guePort: 6080, link: null },
      },
    });
  });
  prober.follow(targets, wire);
  const answer = (probe: PlayedProbe) => {
    const { from, answer: octets } = answerTo(probe);
    prober.answered(from, octets);
  };
  let answered = 0;
  /** Time passes, and each probe is answered at once. */
  const live = (milliseconds: number) => {
    for (let passed = 0; passed < milliseconds; passed += 5) {
      clock.pass(5);
      for (; answered < wire.sent.length; answered++) {
        const probe = wire.sent[answered];
        if (probe !== undefined) answer(probe);
      }
    }
  };
  return { clock, wire, prober, targets, answer, live };
}

describe('the prober', () => {
  it('takes an answer for proof, and as many misses as are asked for to the contrary', () => {
    const { clock, targets, live } = world(1);
    const [target] = targets;
    expect(target?.standing).toBe('unproven');
    live(250);
    expect(target?.standing).toBe('up');
    clock.pass(655 + 400 + 200 + 400 + 200 + 300);
    expect(target?.standing).toBe('up');
    // 2.4 s from the last probe that was answered, and a tick of 5 ms at each of six steps.
    clock.pass(200);
    expect(target?.standing).toBe('down');
  });

  it('takes no late answer, none of another number, and none from elsewhere', () => {
    const { clock, wire, prober, targets } = world(1);
    clock.pass(150);
    const [probe] = wire.sent;
    if (probe === undefined) throw new Error('nothing was sent');
    const { from, answer } = answerTo(probe);
    const other = Uint8Array.from(answer);
    other[13] = (other[13] ?? 0) ^ 1;
    prober.answered(from, other);
    prober.answered({ ...from, address: '10.3.0.0' }, answer);
    prober.answered({ ...from, port: 444 }, answer);
    prober.answered({ ...from, place: (from.place + 1) % 16 }, answer);
    prober.answered(from, answer.subarray(0, 20));
    expect(targets[0]?.standing).toBe('unproven');
    expect(targets[0]?.reason).toContain('it answers from 10.3.0.0');
    clock.pass(450);
    prober.answered(from, answer);
    expect(targets[0]?.standing).toBe('unproven');
    expect(prober.counts).toMatchObject({ answered: 0, missed: 1 });
  });

  it('gives no probe up before its socket was read', () => {
    const { wire, clock, targets, answer, prober } = world(1);
    wire.readsAtOnce = false;
    clock.pass(150);
    clock.stall(900);
    expect(prober.counts.missed).toBe(0);
    const [probe] = wire.sent;
    if (probe !== undefined) answer(probe);
    wire.read();
    expect(targets[0]?.standing).toBe('up');
    expect(prober.counts).toMatchObject({ answered: 1, missed: 0, late: 0 });
  });

  it('sends no backlog after a stall, and forgets no server by it', () => {
    const { wire, clock, targets, live } = world(500);
    live(1_000);
    const before = wire.sent.length;
    clock.stall(5_000);
    expect(wire.sent.length - before).toBeLessThanOrEqual(targets.length / 4);
    live(2_000);
    expect(targets.filter(({ standing }) => standing === 'up')).toHaveLength(targets.length);
    const again = wire.sent.slice(before).map(({ octets }) => octets.subarray(16, 20).join('.'));
    expect(new Set(again).size).toBe(targets.length);
  });

  it('changes its source port, and uses none twice in 100 ms to one server', () => {
    // Three VIPs of one server.
    const { wire, live } = world(3, { interval: 100, timeout: 100 }, 2, 'web-1');
    live(5_000);
    const used = new Map<number, number>();
    const ports = new Set<number>();
    for (const { at, octets } of wire.sent) {
      const port = ((octets[40] ?? 0) << 8) | (octets[41] ?? 0);
      expect(at - (used.get(port) ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(100);
      used.set(port, at);
      ports.add(port);
    }
    expect(ports.size).toBe(2);
  });

  it('has so many probes under way and no more', () => {
    const { clock, prober } = world(MOST_IN_FLIGHT + 1_000, { interval: 60_000, timeout: 30_000 });
    clock.pass(1_000);
    expect(prober.inFlight).toBe(MOST_IN_FLIGHT);
    expect(prober.counts.deferred).toBeGreaterThan(0);
  });

  it('gives each probe of udp a port of its own, and none to another soon after a miss', () => {
    const { wire, clock, prober } = world(3, { check: 'udp', interval: 1_000, timeout: 300 }, 2);
    clock.pass(200);
    expect(prober.inFlight).toBe(2);
    clock.pass(1_000);
    expect(wire.sent).toHaveLength(2);
    clock.pass(3_000);
    expect(wire.sent.length).toBeGreaterThan(2);
  });
});
