// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SessionResponse } from '../../proto/gen/cidecar/v1/sidecar.js';
import { config, desired, introduction, SessionRig } from '../testing/session-rig.js';
import { CLIENT_GRACE } from './older-cids.js';

type Event = NonNullable<SessionResponse['event']>;

let rig: SessionRig;
beforeEach(async () => {
  rig = await SessionRig.start();
});
afterEach(async () => {
  vi.useRealTimers();
  await rig.close();
});

const first = () => desired([config(0, 'minting'), config(1, 'staged')]);
const second = () => desired([config(0, 'retiring'), config(1, 'minting')]);

const kinds = (events: readonly Event[]) => events.map(({ $case }) => $case);
function only<Case extends Event['$case']>(events: readonly Event[], wanted: Case) {
  const found = events.filter((event) => event.$case === wanted);
  return found as Extract<Event, { $case: Case }>[];
}

describe('the hello', () => {
  it('comes before the client says anything, with all that a server needs to start', async () => {
    const end = rig.open();
    const [hello, ...rest] = await end.readAll();
    expect(rest).toEqual([]);
    expect(hello).toEqual({
      $case: 'hello',
      value: {
        cidLength: 12,
        lifetimeMs: 60_000,
        aliveEveryMs: 15_000,
        creditLimit: 65_536,
        batchLimit: 1024,
        questionLimit: 64,
        keyExport: false,
        serverName: 'web-1',
        poolName: 'web',
        version: '1.2.3',
        minting: {
          number: 1,
          generation: rig.issuer.generation,
          makesVoid: true,
          configId: 0,
          routable: true,
          reason: '',
          zeroHostId: false,
          resetTokens: 'cmac',
          serverUseLength: 0,
        },
      },
    });
  });

  it('says that 0b111 CIDs are issued, and why', async () => {
    await rig.apply(desired([config(0, 'minting')], 'down'));
    const [hello] = only(await rig.open().readAll(), 'hello');
    expect(hello?.value.minting).toMatchObject({ routable: false, configId: 7 });
    expect(hello?.value.minting?.reason).toContain('down');
  });

  it('says how many octets of server use there are', async () => {
    await rig.apply(desired([config(0, 'minting', 2)]));
    const [hello] = only(await rig.open().readAll(), 'hello');
    expect(hello?.value.minting?.serverUseLength).toBe(2);
  });
});

describe('a client', () => {
  it('is given as many CIDs as it asks for, none of them before it says who it is', async () => {
    const end = rig.open();
    end.say({ open: introduction(), credit: 1500 });
    const batches = only(await end.readAll(), 'batch').map(({ value }) => value);
    expect(batches.map(({ count }) => count)).toEqual([1024, 476]);
    expect(batches[0]).toMatchObject({ cidLength: 12, routable: true, lifetimeMs: 60_000 });
    end.say({ credit: 7 });
    expect(only(await end.readAll(), 'batch').map(({ value }) => value.count)).toEqual([7]);
  });

  it.each([
    ['says nothing of itself', { credit: 1 }, 'ARGUMENT_INVALID'],
    [
      'has a name with an escape',
      { open: introduction({ clientName: '\x1b[31m' }) },
      'ARGUMENT_INVALID',
    ],
    ['has a long name', { open: introduction({ clientName: 'x'.repeat(65) }) }, 'ARGUMENT_INVALID'],
    [
      'has no instance',
      { open: introduction({ instance: new Uint8Array(7) }) },
      'ARGUMENT_INVALID',
    ],
    [
      'has a long instance',
      { open: introduction({ instance: new Uint8Array(33) }) },
      'ARGUMENT_INVALID',
    ],
    ['wants too many CIDs', { open: introduction(), credit: 65_537 }, 'CREDIT_EXCEEDED'],
    [
      'acknowledges what was not said',
      { open: introduction(), acknowledgedMinting: 2 },
      'ARGUMENT_INVALID',
    ],
    [
      'wants octets that have no room',
      { open: introduction({ serverUse: new Uint8Array(1) }) },
      'ARGUMENT_INVALID',
    ],
    [
      'names a generation twice',
      {
        open: introduction(),
        held: { generations: [1, 1].map((generation) => ({ generation, connections: 1 })) },
      },
      'ARGUMENT_INVALID',
    ],
    [
      'names many generations',
      {
        open: introduction(),
        held: {
          generations: Array.from({ length: 65 }, (_, generation) => ({
            generation,
            connections: 1,
          })),
        },
      },
      'ARGUMENT_INVALID',
    ],
    [
      'counts more connections than can be',
      { open: introduction(), held: { generations: [{ generation: 1, connections: 2 ** 32 }] } },
      'ARGUMENT_INVALID',
    ],
    [
      'asks too much at once',
      { open: introduction(), questions: Array.from({ length: 65 }, (_, number) => ({ number })) },
      'CREDIT_EXCEEDED',
    ],
  ])('that %s is refused', (_what, request, code) => {
    const end = rig.open();
    end.say(request);
    expect(rig.refusals).toEqual([code]);
    expect(end.error).toBeDefined();
    expect(rig.streams.size).toBe(0);
  });

  it('that says twice who it is is refused', () => {
    const end = rig.open();
    end.say({ open: introduction() });
    end.say({ open: introduction() });
    expect(rig.refusals).toEqual(['ARGUMENT_INVALID']);
  });

  it('gets CIDs with its server-use octets, until a config has no room for them', async () => {
    await rig.apply(desired([config(0, 'minting', 1)]));
    const end = rig.open();
    end.say({ open: introduction({ serverUse: Uint8Array.of(0x5a) }), credit: 3 });
    const [batch] = only(await end.readAll(), 'batch');
    for (let i = 1; i <= 3; i += 1) expect(batch?.value.cids[12 * i - 1]).toBe(0x5a);
    await rig.apply(second());
    expect(rig.refusals).toEqual(['ARGUMENT_INVALID']);
  });

  it('that reads nothing is sent a bounded number of messages', async () => {
    const end = rig.open();
    end.say({ open: introduction(), credit: 65_536 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(end.waiting).toBeLessThanOrEqual(9);
    for (let i = 0; i < 300; i += 1) await rig.apply(i % 2 === 0 ? second() : first());
    expect(end.waiting).toBeLessThanOrEqual(256);
    expect(end.ended).toBe(true);
  });

  it('hears that the sidecar is alive, unless there is something it did not read', async () => {
    await rig.close();
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    rig = await SessionRig.start(first(), { cidLifetime: 4000 });
    const end = rig.open();
    vi.advanceTimersByTime(3000);
    expect(end.waiting).toBe(1);
    expect(end.read()?.$case).toBe('hello');
    vi.advanceTimersByTime(1000);
    expect(end.read()?.$case).toBe('alive');
  });
});

describe('a rotation', () => {
  it('comes as: what is void, new CIDs, and the order when the client has enough of them', async () => {
    const end = rig.open();
    end.say({ open: introduction(), credit: 10, acknowledgedMinting: 1 });
    await end.readAll();
    const old = rig.issuer.generation;
    await rig.apply(second());
    const [minting, ...none] = await end.readAll();
    expect(none).toEqual([]);
    expect(minting).toMatchObject({
      $case: 'minting',
      value: { number: 2, generation: old + 1, makesVoid: true, configId: 1, routable: true },
    });
    const held = { generations: [{ generation: old, connections: 3 }] };
    end.say({ acknowledgedMinting: 2, held, credit: 2 });
    expect(kinds(await end.readAll())).toEqual(['batch', 'reissue']);
  });

  it('waits for CIDs for all its connections, where it has room for so many', async () => {
    const end = rig.open();
    end.say({ open: introduction(), credit: 10, acknowledgedMinting: 1 });
    await end.readAll();
    const old = rig.issuer.generation;
    await rig.apply(second());
    await end.readAll();
    const held = { generations: [{ generation: old, connections: 1500 }] };
    end.say({ acknowledgedMinting: 2, held, credit: 4000 });
    expect(kinds(await end.readAll())).toEqual(['batch', 'batch', 'reissue', 'batch', 'batch']);
  });

  it('gives no order while only 0b111 CIDs are issued', async () => {
    const end = rig.open();
    end.say({ open: introduction(), credit: 1, acknowledgedMinting: 1 });
    await end.readAll();
    await rig.apply(desired([config(0, 'minting')], 'down'));
    expect(kinds(await end.readAll())).toEqual(['minting']);
    end.say({ acknowledgedMinting: 2, credit: 5 });
    expect(kinds(await end.readAll())).toEqual(['batch']);
    await rig.apply(first());
    const [minting] = only(await end.readAll(), 'minting');
    expect(minting?.value).toMatchObject({ number: 3, makesVoid: true, routable: true });
    end.say({ acknowledgedMinting: 3, credit: 5 });
    expect(kinds(await end.readAll())).toEqual(['batch', 'reissue']);
  });

  it('gives a client that was away what it missed, the first thing after its CIDs', async () => {
    const old = rig.issuer.generation;
    await rig.apply(second());
    const end = rig.open();
    end.say({
      open: introduction({ knownGeneration: old, oldestGeneration: old }),
      credit: 5,
      acknowledgedMinting: 1,
    });
    const events = await end.readAll();
    expect(kinds(events)).toEqual(['hello', 'batch', 'reissue']);
    expect(only(events, 'reissue')[0]?.value.throughGeneration).toBe(old);
  });

  it('orders nothing from a client that had no CIDs', async () => {
    await rig.apply(second());
    const end = rig.open();
    end.say({ open: introduction(), credit: 5, acknowledgedMinting: 1 });
    expect(kinds(await end.readAll())).toEqual(['hello', 'batch']);
  });

  it('is acknowledged when every client says so', async () => {
    const end = rig.open();
    end.say({ open: introduction(), credit: 5, acknowledgedMinting: 1 });
    await rig.apply(second());
    expect(rig.streams.clients()[0]?.acknowledgedGeneration).toBe(rig.issuer.generation - 1);
    end.say({ acknowledgedMinting: 2 });
    expect(rig.streams.clients()[0]?.acknowledgedGeneration).toBe(rig.issuer.generation);
  });
});

describe('connections on older CIDs', () => {
  const connections = () => rig.streams.olderCids.connections;
  const silent = () => rig.streams.olderCids.silentClients;

  it('are what clients said since they know of the generation', async () => {
    const old = rig.issuer.generation;
    const end = rig.open();
    end.say({ open: introduction(), credit: 5, acknowledgedMinting: 1 });
    await end.readAll();
    expect([connections(), silent()]).toEqual([0, 0]);
    end.say({ held: { generations: [{ generation: old, connections: 4 }] } });
    expect([connections(), silent()]).toEqual([0, 0]);
    await rig.apply(second());
    // What it said before does not count connections that began since.
    expect([connections(), silent()]).toEqual([0, 1]);
    end.say({ held: { generations: [{ generation: old, connections: 6 }] } });
    expect([connections(), silent()]).toEqual([0, 1]);
    const generations = [
      { generation: old, connections: 6 },
      { generation: old + 1, connections: 9 },
      { generation: 0, connections: 1 },
    ];
    end.say({ acknowledgedMinting: 2, held: { generations } });
    expect([connections(), silent()]).toEqual([7, 0]);
    expect(rig.streams.clients()).toMatchObject([{ clientName: 'test/1', olderConnections: 7 }]);
    end.say({ held: { generations: [] } });
    expect([connections(), silent()]).toEqual([0, 0]);
  });

  it('are unknown while a client that was here before does not say', () => {
    const end = rig.open();
    end.say({ open: introduction({ knownGeneration: 1 }) });
    expect(silent()).toBe(1);
    end.say({ acknowledgedMinting: 1, held: { generations: [] } });
    expect(silent()).toBe(0);
  });

  it('count once for a client that is back while its old stream hangs', async () => {
    for (const peer of ['unix:1', 'unix:2']) {
      const end = rig.open(peer);
      end.say({
        open: introduction({ knownGeneration: 1 }),
        acknowledgedMinting: 1,
        held: { generations: [{ generation: 1, connections: 5 }] },
      });
    }
    expect(connections()).toBe(5);
  });

  it('count for a while after their client is gone', () => {
    const end = rig.open();
    end.say({
      open: introduction(),
      acknowledgedMinting: 1,
      held: { generations: [{ generation: 1, connections: 5 }] },
    });
    end.emit('cancelled');
    expect(connections()).toBe(5);
    expect(CLIENT_GRACE).toBe(30_000); // As the contract and docs/clients.md say.
  });
});

describe('a question', () => {
  it('is answered under its number', async () => {
    const end = rig.open();
    end.say({ open: introduction(), credit: 1 });
    const [batch] = only(await end.readAll(), 'batch');
    const cid = Uint8Array.from(batch!.value.cids);
    const foreign = Uint8Array.from(cid, (octet, at) => (at === 3 ? octet ^ 1 : octet));
    end.say({
      questions: [
        { number: 7, about: { $case: 'resetTokenOf', value: cid } },
        { number: 8, about: { $case: 'own', value: cid } },
        { number: 9, about: { $case: 'own', value: foreign } },
        { number: 10, about: { $case: 'resetTokenOf', value: foreign } },
        { number: 11, about: { $case: 'own', value: new Uint8Array(0) } },
        { number: 12 },
      ],
    });
    const answers = only(await end.readAll(), 'answer').map(({ value }) => value);
    const results = new Map(answers.map(({ number, result }) => [number, result]));
    expect(results.get(7)).toEqual({ $case: 'resetToken', value: batch!.value.tokens });
    expect(results.get(8)).toEqual({ $case: 'own', value: true });
    expect(results.get(9)).toEqual({ $case: 'own', value: false });
    for (const [number, code] of [
      [10, 'FOREIGN_CID'],
      [11, 'ARGUMENT_INVALID'],
      [12, 'ARGUMENT_INVALID'],
    ] as const) {
      expect(results.get(number)).toMatchObject({ $case: 'refusal', value: { code } });
    }
  });

  it('has a place again when the answer to another was read', async () => {
    const end = rig.open();
    end.say({ open: introduction() });
    const questions = Array.from({ length: 64 }, (_, number) => ({ number }));
    for (let round = 0; round < 3; round += 1) {
      end.say({ questions });
      expect(only(await end.readAll(), 'answer')).toHaveLength(64);
    }
    end.say({ questions });
    await new Promise(setImmediate);
    end.say({ questions: [{ number: 64 }] });
    expect(rig.refusals).toEqual(['CREDIT_EXCEEDED']);
  });
});
