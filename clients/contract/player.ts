// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type Answer, Driver } from './driver.js';
import type { ClientStep, Scenario, SidecarStep } from './scenario.js';
import { ScriptedSidecar } from './scripted-sidecar.js';

export interface PlayOptions {
  /** The client's test program and its arguments. */
  readonly command: readonly string[];
  /** Where it runs; here, if left out. */
  readonly folder?: string;
  /** Path of a socket that nobody uses. */
  readonly socket: string;
  /** Milliseconds that an outage lasts. */
  readonly outageMs: number;
  /** How many CIDs are taken where a scenario takes many. */
  readonly cids: number;
  /** Milliseconds for each step that waits. */
  readonly withinMs: number;
  /** Whether the times of scenarios count, which takes a machine that has nothing else to do. */
  readonly strictTiming?: boolean;
}

/** CIDs in one answer of a test program. */
const TAKEN_AT_ONCE = 10_000;

/** Plays a scenario to a client. Throws where the client does not do what it has to. */
export async function play(scenario: Scenario, options: PlayOptions): Promise<void> {
  const player = new Player(options);
  let at = 0;
  try {
    for (const step of scenario.steps) {
      at += 1;
      if ('pause_ms' in step) {
        await sleep(step.pause_ms === 'outage' ? options.outageMs : step.pause_ms);
      } else if ('client' in step) await player.client(step);
      else if (step.sidecar === 'calm') await player.calm(step.for_ms, step.at_most);
      else await player.play(step);
      player.sidecar.check();
    }
  } catch (error) {
    const step = JSON.stringify(scenario.steps[at - 1]);
    const errors = player.driver.errors === '' ? '' : `\n${player.driver.errors}`;
    throw new Error(
      `${scenario.name}, step ${at} ${step}: ${(error as Error).message}${errors}\nThe rule: ${scenario.rule}`,
      { cause: error },
    );
  } finally {
    await player.stop();
  }
}

class Player {
  readonly driver: Driver;
  readonly sidecar: ScriptedSidecar;
  readonly #options: PlayOptions;
  #highWater = 0;
  #listensSince = 0;
  /** Events that no step has looked at. */
  #events: Answer[] = [];
  #last = Buffer.alloc(0);
  /** In hexadecimal, as the client gave it with the last CID. */
  #lastToken = '';

  constructor(options: PlayOptions) {
    this.#options = options;
    this.driver = new Driver(options.command, options.folder);
    this.sidecar = new ScriptedSidecar(options.socket, () => this.#highWater);
  }

  async stop(): Promise<void> {
    await this.driver.stop();
    this.sidecar.down();
  }

  /** Waits until `done`, and fails when the client did something that is not allowed. */
  async until(done: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + this.#options.withinMs;
    while (!(await done())) {
      this.sidecar.check();
      if (performance.now() > end) throw new Error(`not within ${this.#options.withinMs} ms`);
      await sleep(5);
    }
  }

  async play(step: SidecarStep): Promise<void> {
    if (step.sidecar === 'listen') this.#listensSince = performance.now();
    await this.until(() => this.sidecar.play(step));
    if (step.sidecar !== 'opened' || step.within_ms === undefined) return;
    const took = performance.now() - this.#listensSince;
    if (this.#options.strictTiming !== true || took <= step.within_ms) return;
    throw new Error(`the client was back after ${Math.round(took)} ms`);
  }

  async calm(forMs: number, atMost: number): Promise<void> {
    const before = this.sidecar.attempts;
    await sleep(forMs);
    const attempts = this.sidecar.attempts - before;
    if (attempts > atMost) throw new Error(`${attempts} attempts in ${forMs} ms`);
  }

  async client(step: ClientStep): Promise<void> {
    if (step.client === 'take') return this.#take(step);
    if (step.client === 'events') return this.#checkEvents(step);
    if (step.client === 'start') this.#highWater = Number(step.with?.high_water ?? 4096);
    const place = step.client === 'start' ? { socket: this.#options.socket } : {};
    const fields = { ...place, ...this.#about(step), ...step.with };
    if (step.until !== undefined) {
      return this.until(async () => holds(await this.driver.ask(step.client, fields), step.until));
    }
    const answer = await this.driver.ask(step.client, fields);
    if ((answer.error === undefined) === (step.fails === true)) {
      throw new Error(`the answer is ${JSON.stringify(answer)}`);
    }
    if (step.client === 'reset-token' && step.about === 'last' && step.fails !== true) {
      if (answer.token !== this.#lastToken) throw new Error(`the token is ${answer.token}`);
    }
    if (step.client === 'pace') checkPace(answer, step.with ?? {});
    if (!holds(answer, step.expect)) throw new Error(`the answer is ${JSON.stringify(answer)}`);
  }

  #about({ about }: ClientStep): Answer {
    if (about === undefined) return {};
    const foreign = Buffer.from(this.#last).fill(0xff, this.#last.length - 6);
    return { cid: (about === 'last' ? this.#last : foreign).toString('hex') };
  }

  async #take(step: ClientStep): Promise<void> {
    const all = step.many ? this.#options.cids : Number(step.with?.count ?? 1);
    let routable = 0;
    for (let taken = 0; taken < all; ) {
      const count = Math.min(TAKEN_AT_ONCE, all - taken);
      const answer = await this.driver.ask('take', { count });
      if (answer.error !== undefined) throw new Error(`take failed: ${answer.error}`);
      routable += this.#record(answer, count);
      taken += count;
    }
    const expected = step.expect?.routable;
    if (expected !== undefined && expected !== routable) {
      throw new Error(`${routable} of ${all} CIDs are routable`);
    }
  }

  /** Returns how many are routable. */
  #record(answer: Answer, wanted: number): number {
    const cids = Buffer.from(String(answer.cids), 'base64');
    const tokens = Buffer.from(String(answer.tokens), 'base64');
    const { length } = this.sidecar.form;
    let [at, routable] = [0, 0];
    for (const run of answer.runs as { routable: boolean; count: number }[]) {
      for (let i = 0; i < run.count; i += 1, at += 1) {
        this.#last = cids.subarray(at * length, (at + 1) * length);
        const token = tokens.subarray(at * 16, (at + 1) * 16);
        this.#lastToken = token.toString('hex');
        this.sidecar.ledger.take(this.#last, token, run.routable, this.sidecar.form);
        if (run.routable) routable += 1;
      }
    }
    if (at !== wanted || cids.length !== at * length) throw new Error(`${at} CIDs, not ${wanted}`);
    return routable;
  }

  async #checkEvents({ events = [], none = [] }: ClientStep): Promise<void> {
    await this.#collect();
    this.#refuse(none);
    await this.until(async () => {
      await this.#collect();
      return inOrder(this.#events, events);
    });
    this.#refuse(none);
    if (events.length > 0) this.#events = [];
  }

  async #collect(): Promise<void> {
    const { events } = await this.driver.ask('events');
    this.#events.push(...(events as Answer[]));
  }

  #refuse(none: readonly string[]): void {
    const found = this.#events.find((event) => none.includes(String(event.event)));
    if (found !== undefined) throw new Error(`the event ${JSON.stringify(found)}`);
  }
}

/** Whether all of `part` is in `whole`. */
function holds(whole: Answer, part: Answer = {}): boolean {
  return Object.entries(part).every(([name, value]) => isDeepStrictEqual(whole[name], value));
}

function inOrder(events: readonly Answer[], wanted: readonly Answer[]): boolean {
  let at = 0;
  for (const event of events) {
    const next = wanted[at];
    if (next !== undefined && holds(event, next)) at += 1;
  }
  return at === wanted.length;
}

/** Items are replaced one after the other, the last before the deadline, not all at once. */
function checkPace(answer: Answer, { items, within_ms }: Answer): void {
  const at = answer.at_ms as number[];
  const [first = 0, last = 0] = [at[0], at.at(-1)];
  const spread = Number(within_ms) === 0 || last - first >= Number(within_ms) / 2;
  if (at.length !== items || !spread) throw new Error(`paced as ${JSON.stringify(at)}`);
}
