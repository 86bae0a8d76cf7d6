// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SessionResponse } from '../../proto/gen/cidecar/v1/sidecar.js';
import type { DesiredState } from '../../registry/index.js';
import {
  config,
  desired,
  introduction,
  type SessionEnd,
  SessionRig,
} from '../testing/session-rig.js';

// Whatever comes between: no order is seen before the CIDs that it takes, no CID comes twice, what
// was asked for comes and nothing else, and every order arrives in the end.

const STATES: readonly DesiredState[] = [
  desired([config(0, 'minting'), config(1, 'staged')]),
  desired([config(0, 'retiring'), config(1, 'minting')]),
  desired([config(2, 'minting')]),
  desired([config(0, 'minting')], 'down'),
];

type Event = NonNullable<SessionResponse['event']>;

/** A client that follows the contract to the letter, and holds the sidecar to it. */
class StrictClient {
  readonly #rig: SessionRig;
  readonly #seen: Set<string>;
  #end: SessionEnd | undefined;
  #number = 0;
  #generation = 0;
  /** The newest change that made CIDs void, and whether it was acknowledged. */
  #voidNumber = 0;
  #acknowledged = 0;
  #outstanding = 0;
  /** Routable CIDs since the newest change that made CIDs void. */
  #since = 0;
  /** What `since` has to come to before an order. */
  #wanted = 0;
  #said: ReadonlyMap<number, number> | undefined;
  /** The generation at which it said that: what is older can only become less in the same one. */
  #saidAt = 0;
  #through = 0;
  /** Connections by generation. */
  readonly connections = new Map<number, number>();
  readonly reissues: number[] = [];

  constructor(rig: SessionRig, seen: Set<string>) {
    this.#rig = rig;
    this.#seen = seen;
  }

  get connected(): boolean {
    return this.#end !== undefined;
  }

  connect(credit: number): void {
    this.#end = this.#rig.open();
    [this.#number, this.#voidNumber, this.#acknowledged, this.#through] = [0, 0, 0, 0];
    this.#outstanding = credit;
    const unordered = [...this.connections.keys()].filter(
      (generation) => generation > Math.max(0, ...this.reissues),
    );
    const open = introduction({
      knownGeneration: this.#generation,
      oldestGeneration: unordered.length === 0 ? 0 : Math.min(...unordered),
    });
    this.#end.say({ open, credit });
  }

  drop(): void {
    this.#end?.emit('cancelled');
    this.#end = undefined;
  }

  ask(credit: number): void {
    if (this.#end === undefined) return;
    this.#outstanding += credit;
    this.#end.say({ credit });
  }

  acknowledge(credit: number, says: boolean): void {
    if (this.#end === undefined || this.#voidNumber === 0) return;
    this.#outstanding += credit;
    const first = this.#acknowledged < this.#voidNumber;
    this.#acknowledged = this.#voidNumber;
    if (first) this.#wanted = this.#since + this.#outstanding;
    if (first && this.#saidAt !== this.#generation) this.#said = undefined;
    if (says) [this.#said, this.#saidAt] = [new Map(this.connections), this.#generation];
    const generations = [...this.connections].map(([generation, connections]) => ({
      generation,
      connections,
    }));
    const held = says ? { held: { generations } } : {};
    this.#end.say({ credit, acknowledgedMinting: this.#voidNumber, ...held });
  }

  read(): boolean {
    const event = this.#end?.read();
    if (event !== undefined) this.#take(event);
    return event !== undefined;
  }

  async readAll(): Promise<void> {
    for (const event of (await this.#end?.readAll()) ?? []) this.#take(event);
  }

  #take(event: Event): void {
    expect(event.$case === 'hello').toBe(this.#number === 0);
    if (event.$case === 'hello') this.#minting(event.value.minting);
    if (event.$case === 'minting') this.#minting(event.value);
    if (event.$case === 'batch') {
      const { cids, count, cidLength, generation, routable } = event.value;
      this.#outstanding -= count;
      expect(this.#outstanding).toBeGreaterThanOrEqual(0);
      expect(generation).toBe(this.#generation);
      for (let i = 0; i < count; i += 1) {
        const cid = Buffer.from(cids.subarray(i * cidLength, (i + 1) * cidLength)).toString('hex');
        expect(this.#seen.has(cid)).toBe(false);
        this.#seen.add(cid);
      }
      if (!routable) return;
      this.#since += count;
      this.connections.set(generation, (this.connections.get(generation) ?? 0) + 1);
    }
    if (event.$case === 'reissue') {
      const { throughGeneration } = event.value;
      expect(this.#acknowledged).toBe(this.#voidNumber);
      expect(throughGeneration).toBeGreaterThan(this.#through);
      expect(throughGeneration).toBeLessThan(this.#generation);
      this.#through = throughGeneration;
      let need = this.#wanted;
      if (this.#said !== undefined) {
        const older = [...this.#said].filter(([generation]) => generation <= throughGeneration);
        need = Math.min(
          need,
          older.reduce((sum, [, connections]) => sum + connections, 0),
        );
      }
      expect(this.#since).toBeGreaterThanOrEqual(need);
      this.reissues.push(throughGeneration);
      for (const generation of this.connections.keys()) {
        if (generation <= throughGeneration) this.connections.delete(generation);
      }
    }
  }

  #minting(minting: Extract<Event, { $case: 'minting' }>['value'] | undefined): void {
    if (minting === undefined) throw new Error('a hello without what is minted');
    this.#number += 1;
    expect(minting.number).toBe(this.#number);
    this.#generation = minting.generation;
    if (!minting.makesVoid) return;
    this.#voidNumber = minting.number;
    this.#since = 0;
  }
}

type Step =
  | { readonly do: 'apply'; readonly state: number }
  | { readonly do: 'connect' | 'ask'; readonly credit: number }
  | { readonly do: 'acknowledge'; readonly credit: number; readonly says: boolean }
  | { readonly do: 'drop' | 'wait' }
  | { readonly do: 'read'; readonly count: number };

const credit = fc.oneof(fc.nat(8), fc.nat(3000));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('apply' as const), state: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('connect' as const), credit }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('ask' as const), credit }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('acknowledge' as const), credit, says: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
);

let rig: SessionRig;
beforeEach(async () => {
  rig = await SessionRig.start();
});
afterEach(() => rig.close());

it('keeps the order of its contract through rotations, breaks and slow readers', {
  timeout: 300_000,
}, async () => {
  const seen = new Set<string>();
  let orders = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const client = new StrictClient(rig, seen);
      client.connect(5);
      for (const what of steps) {
        if (what.do === 'apply') await rig.apply(STATES[what.state] as DesiredState);
        else if (what.do === 'connect' && !client.connected) client.connect(what.credit);
        else if (what.do === 'ask') client.ask(what.credit);
        else if (what.do === 'acknowledge') client.acknowledge(what.credit, what.says);
        else if (what.do === 'drop') client.drop();
        else if (what.do === 'wait') await rig.issuer.ready();
        else if (what.do === 'read') {
          for (let i = 0; i < what.count && client.read(); i += 1);
          await new Promise(setImmediate);
        }
      }
      // In the end something is minted, and the client follows.
      await rig.apply(STATES[0] as DesiredState);
      if (!client.connected) client.connect(0);
      await client.readAll();
      client.acknowledge(10, false);
      await client.readAll();
      const older = [...client.connections.keys()].filter((each) => each < rig.issuer.generation);
      expect(older).toEqual([]);
      orders += client.reissues.length;
      client.drop();
      expect(rig.refusals).toEqual([]);
      expect(rig.streams.size).toBe(0);
    }),
    { numRuns: 150 },
  );
  expect(orders).toBeGreaterThan(150);
});
