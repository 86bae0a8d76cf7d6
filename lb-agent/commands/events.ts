// SPDX-License-Identifier: Apache-2.0
import { statSync } from 'node:fs';
import type { Balancer, PacketEvent } from '../../bpf/tables/index.js';
import { AttachedTables } from '../drivers/xdp/attached-tables.js';
import { EventsLock } from '../installation/pin-folder-lock.js';
import { PinFolder } from '../installation/pins.js';
import { EventStream } from '../observe/event-stream.js';
import {
  type EventNames,
  eventLine,
  eventNames,
  matches,
  nameEvent,
} from '../observe/event-text.js';
import { type EventsOptions, stateFile } from '../options.js';
import type { AgentRecord } from '../reconcile/record.js';
import { StateFile } from '../state/state-file.js';

/** Between looks at which tables are in force, and at what names mean. */
const CHECK_MS = 200;

/**
 * `lb-agent events`: prints sampled packets until enough were printed, a signal, or the end
 * of its reader; then sampling goes off again.
 * @throws CidecarError STATE_LOCKED where another reads, PIN_INVALID where nothing is attached
 */
export async function events(options: EventsOptions): Promise<void> {
  const attached = new AttachedTables(new PinFolder(options.pinDir));
  attached.link(); // Before the lock: who may not look into bpffs may not lock either.
  const lock = await EventsLock.acquire(options.pinDir);
  try {
    const { promise, resolve, reject } = ending();
    const names = new Names(stateFile(options));
    let printed = 0;
    const print = (batch: PacketEvent[], balancer: Balancer) => {
      const of = names.of(balancer);
      const now = { wallMs: Date.now(), monotonicNs: process.hrtime.bigint() };
      const wanted = batch
        .filter((event) => matches(event, of, options))
        .slice(0, (options.count ?? Number.POSITIVE_INFINITY) - printed);
      printed += wanted.length;
      const lines = wanted.map((event) => {
        const named = nameEvent(event, of, now);
        return `${options.json ? JSON.stringify(named) : eventLine(named)}\n`;
      });
      if (lines.length > 0) process.stdout.write(lines.join(''));
      if (printed === options.count) resolve();
    };
    const stream = new EventStream(
      attached,
      { sampleEvery: options.sample, eventsPerSecond: options.rate },
      // Thrown out of here, it would end the process with the sampling on.
      (batch, balancer) => attempt(() => print(batch, balancer), reject),
    );
    const timer = setInterval(() => {
      names.refresh();
      attempt(() => stream.check(), reject);
    }, CHECK_MS);
    process.stderr.write(
      `lb-agent: one packet in ${options.sample} on each CPU, at most ${options.rate} a second\n`,
    );
    try {
      await promise;
    } finally {
      clearInterval(timer);
      const { lost } = stream;
      stream.close();
      if (lost > 0) {
        process.stderr.write(
          `lb-agent: ${lost} more were sampled, but over the rate or faster than they were read\n`,
        );
      }
    }
  } finally {
    await lock.release();
  }
}

/** Settled by a signal, or when nobody reads our output any more. */
function ending(): { promise: Promise<void>; resolve(): void; reject(error: unknown): void } {
  let resolve = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<void>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, resolve);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') resolve();
    else reject(error);
  });
  return { promise, resolve, reject };
}

function attempt(action: () => void, reject: (error: unknown) => void): void {
  try {
    action();
  } catch (error) {
    reject(error);
  }
}

/** Names as of the last check: an agent beside us may give a number to another. */
class Names {
  readonly #file: string;
  #fresh = false;
  #names: EventNames | undefined;
  #balancer: Balancer | undefined;
  #record: AgentRecord | undefined;
  #mtime = Number.NaN;

  constructor(file: string) {
    this.#file = file;
  }

  /** Read again with the next event. */
  refresh(): void {
    this.#fresh = false;
  }

  of(balancer: Balancer): EventNames {
    if (this.#names !== undefined && this.#fresh && this.#balancer === balancer) return this.#names;
    const mtime = statSync(this.#file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (mtime !== this.#mtime) this.#record = new StateFile(this.#file).read();
    this.#mtime = mtime;
    this.#names = eventNames(balancer, this.#record);
    this.#balancer = balancer;
    this.#fresh = true;
    return this.#names;
  }
}
