// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DesiredState, Encapsulation, Server } from '../../../registry/index.js';
import { type NextHopMode, NextHops } from './next-hops.js';
import { FakeIp } from './testing/fake-ip.js';

const MAC_1 = '02:00:00:00:00:11';
const MAC_2 = '02:00:00:00:00:22';

let fake: FakeIp;
let nextHops: NextHops;
let lines: { level: number; msg: string; reason?: string; missing?: string }[];

beforeEach(() => {
  vi.useFakeTimers();
  fake = new FakeIp();
  lines = [];
  open('resolve');
});
afterEach(async () => {
  await nextHops.close();
  vi.useRealTimers();
});

function open(mode: NextHopMode): void {
  nextHops = new NextHops({
    mode,
    ingress: { name: 'eth0', native: true },
    ip: fake.ip,
    monitor: fake.monitor,
    log: pino({}, { write: (line: string) => lines.push(JSON.parse(line)) }),
  });
}

function server(address: string, encapsulation: Encapsulation = 'ipip'): Server {
  const rest = { serverIds: new Map(), weight: 100, state: 'active' } as const;
  return { name: address, address, encapsulation, ...rest };
}

function desired(...servers: Server[]): DesiredState {
  return { revision: '', pools: [{ name: 'web', vips: [], configs: [], servers }] };
}

async function follow(...servers: Server[]): Promise<void> {
  const followed = nextHops.follow(desired(...servers));
  await vi.advanceTimersByTimeAsync(100);
  await followed;
}

function macOf(of: Server): string {
  const nextHop = nextHops.find(of);
  if (nextHop?.kind === 'reply') return '00:00:00:00:00:00';
  return Buffer.from(nextHop?.mac ?? [])
    .toString('hex')
    .replace(/..(?=.)/g, '$&:');
}

function stateOf(of: Server): string {
  const [verdict] = nextHops.verdicts(desired(of));
  return verdict?.reachable ? 'active' : 'down';
}

/** What is read from now on is answered when the function that it returns is called. */
function holdAnswers(): () => void {
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  fake.delay = () => gate;
  return open;
}

const A = server('10.9.0.1');
const B = server('10.9.0.2');

describe('NextHops', () => {
  it('sees a change though others never cease', async () => {
    fake.answer(A.address, MAC_1);
    await follow(A);
    expect(macOf(A)).toBe(MAC_1);
    const changes: string[] = [];
    nextHops.onChange(() => changes.push(macOf(A)));
    fake.answer(A.address, MAC_2);
    for (let i = 0; i < 20; i++) {
      fake.report();
      await vi.advanceTimersByTimeAsync(40);
    }
    expect(changes).toEqual([MAC_2]);
  });

  it('asks an unanswered neighbour again, though changes never cease', async () => {
    await follow(A);
    const asked = fake.asked.length;
    for (let i = 0; i < 60; i++) {
      fake.report();
      await vi.advanceTimersByTimeAsync(40);
    }
    expect(fake.asked.length).toBe(asked + 2);
  });

  it('tells at once who begins to listen of what has changed before', async () => {
    await follow(A);
    expect(macOf(A)).toBe('00:00:00:00:00:00');
    fake.answer(A.address, MAC_1);
    fake.report();
    await vi.advanceTimersByTimeAsync(100);
    const changed = vi.fn();
    nextHops.onChange(changed);
    expect(changed).toHaveBeenCalledOnce();
    expect(macOf(A)).toBe(MAC_1);
  });

  it('tells nothing that follow has returned', async () => {
    fake.answer(A.address, MAC_1);
    await follow(A);
    const changed = vi.fn();
    nextHops.onChange(changed);
    fake.report();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(changed).not.toHaveBeenCalled();
  });

  it('resolves a server that comes while another is resolved', async () => {
    fake.answer(A.address, MAC_1);
    fake.answer(B.address, MAC_2);
    const open = holdAnswers();
    const first = nextHops.follow(desired(A));
    await vi.advanceTimersByTimeAsync(0);
    const second = nextHops.follow(desired(B));
    open();
    await vi.advanceTimersByTimeAsync(200);
    await Promise.all([first, second]);
    expect(macOf(B)).toBe(MAC_2);
  });

  it('asks for a new neighbour at once, though others were asked just now', async () => {
    await follow(A);
    expect(fake.asked).toEqual([`neigh add ${A.address} dev eth0 use`]);
    fake.neighbours = [{ dst: A.address, dev: 'eth0', state: ['INCOMPLETE'] }];
    await follow(A, B);
    expect(fake.asked.slice(1)).toEqual([`neigh add ${B.address} dev eth0 use`]);
  });

  it('does not lose a change that comes while it reads', async () => {
    fake.answer(A.address, MAC_1);
    await follow(A);
    const open = holdAnswers();
    fake.report();
    await vi.advanceTimersByTimeAsync(100);
    fake.answer(A.address, MAC_2);
    fake.report();
    await vi.advanceTimersByTimeAsync(100);
    open();
    await vi.advanceTimersByTimeAsync(0);
    expect(macOf(A)).toBe(MAC_2);
  });

  it('takes a server as down when its neighbour falls silent, and says so once', async () => {
    fake.answer(A.address, MAC_1);
    await follow(A);
    fake.neighbours = [{ dst: A.address, dev: 'eth0', state: ['INCOMPLETE'] }];
    await vi.advanceTimersByTimeAsync(15_000);
    expect([stateOf(A), macOf(A)]).toEqual(['active', MAC_1]);
    fake.neighbours = [{ dst: A.address, dev: 'eth0', state: ['FAILED'] }];
    fake.report();
    await vi.advanceTimersByTimeAsync(5_000);
    expect([stateOf(A), macOf(A)]).toEqual(['down', MAC_1]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      msg: 'no next hop to these servers',
      missing: A.address,
      reason: `no answer from ${A.address} dev eth0`,
    });
  });

  it.each(['reply', 'resolve'] as const)('takes itself for no server: %s', async (mode) => {
    open(mode);
    fake.routes.set(A.address, { type: 'local', dev: 'lo' });
    fake.answer(B.address, MAC_1);
    await follow(A, B);
    expect([stateOf(A), stateOf(B)]).toEqual(['down', 'active']);
    expect(lines).toMatchObject([{ missing: A.address, reason: 'it is an address of this host' }]);
    const changes: string[] = [];
    nextHops.onChange(() => changes.push(stateOf(A)));
    fake.routes.delete(A.address);
    fake.answer(A.address, MAC_2);
    fake.report();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(changes).toEqual(['active']);
    // No neighbour is asked for that packets do not go to.
    if (mode === 'reply') expect(fake.asked).toEqual([]);
  });

  it('says nothing against a server where replies go and this host knows no way', async () => {
    open('reply');
    fake.routes.set(A.address, null);
    await follow(A);
    expect([stateOf(A), nextHops.find(A), lines]).toEqual(['active', { kind: 'reply' }, []]);
    fake.delay = () => Promise.reject(new Error('no ip'));
    await follow(B);
    expect(stateOf(B)).toBe('active');
  });

  it('judges an l2 server by itself, though another has its address', async () => {
    const l2 = server(A.address, 'l2');
    fake.routes.set(A.address, { gateway: '192.0.2.254' });
    fake.answer('192.0.2.254', MAC_1);
    await follow(A, l2);
    expect([macOf(A), stateOf(A)]).toEqual([MAC_1, 'active']);
    expect([nextHops.find(l2), stateOf(l2)]).toEqual([null, 'down']);
    expect(lines.map(({ reason }) => reason)).toEqual([expect.stringMatching(/^l2 needs/)]);
  });

  it('says on what condition a next hop holds', async () => {
    const vlan = { ifname: 'eth0.7', ifindex: 9, address: MAC_2, link: 'eth0' };
    fake.links.push({ ...vlan, linkinfo: { info_kind: 'vlan' } });
    fake.routes.set(A.address, { dev: 'eth0.7' });
    fake.neighbours = [{ dst: A.address, dev: 'eth0.7', lladdr: MAC_1, state: ['REACHABLE'] }];
    await follow(A);
    expect([macOf(A), stateOf(A)]).toEqual([MAC_1, 'active']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lines).toEqual([
      expect.objectContaining({ msg: 'next hops with a condition', servers: A.address }),
    ]);
  });

  it('keeps what it has while nothing can be read, and complains once', async () => {
    fake.answer(A.address, MAC_1);
    await follow(A);
    fake.delay = () => Promise.reject(new Error('no ip'));
    await vi.advanceTimersByTimeAsync(60_000);
    expect([macOf(A), stateOf(A)]).toEqual([MAC_1, 'active']);
    expect(lines).toHaveLength(1);
  });
});
