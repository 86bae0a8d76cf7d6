// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:os';
import type { HealthCheck } from '../../../registry/index.js';
import type { HealthCounts } from '../../reconcile/health-record.js';
import { DueHeap } from './due-heap.js';
import { type Numbered, numberInAnswer, setNumber } from './probe.js';
import { ProbePorts } from './probe-ports.js';
import { kindOf, type ProbeTarget, wayOf } from './probe-target.js';
import { errnoName, type ProberClock } from './prober-clock.js';
import type { Arrival, SendingKind, Wire } from './wire.js';

export interface ProberOptions {
  readonly clock: ProberClock;
  /** Called when a probe of a target was answered, or was not. */
  readonly onOutcome: (target: ProbeTarget) => void;
  /** Called before probes are given up: the last chance to learn why. */
  readonly beforeGiveUp: () => void;
}

/** Something to do for a target: to send, or to give up what it waits for. */
interface Due {
  readonly target: ProbeTarget;
  readonly at: number;
  /** Of the target, when this was planned; another one makes it void. */
  readonly step: number;
  /** Whether it was put off already, because it came too late. */
  readonly again: boolean;
}

/** Probes that wait for an answer at one time. */
export const MOST_IN_FLIGHT = 8192;
/** Share of the interval by which probes are early or late, so that servers are not in step. */
const JITTER = 0.1;
/** Share of the interval after which a miss is looked into, and the least milliseconds. */
const RETRY_SHARE = 1 / 4;
const RETRY_LEAST_MS = 100;
/** Milliseconds within which what is new is probed first. */
const FIRST_MS = 200;
/** Milliseconds after which what is due comes so late that sending it now would be a burst. */
const LATE_MS = 50;
/** Milliseconds between two looks at what is due. */
const TICK_MS = 5;
/** Milliseconds before what was deferred is tried again. */
const DEFER_MS = 10;

/** For a moment the kernel has no room; this says nothing of the server. */
const NO_ROOM: ReadonlySet<number> = new Set([constants.errno.EAGAIN, constants.errno.ENOBUFS]);

/**
 * Probes targets, each at its interval; a miss is looked into sooner. After a stall of this
 * process what is overdue is spread over an interval again, and no probe is given up before its
 * socket was read.
 */
export class Prober {
  readonly counts: { -readonly [Name in keyof HealthCounts]: number } = {
    sent: 0,
    answered: 0,
    missed: 0,
    late: 0,
    deferred: 0,
    refused: 0,
  };
  readonly #options: ProberOptions;
  readonly #due = new DueHeap<Due>();
  readonly #ports = new ProbePorts();
  /** By index. */
  readonly #targets = new Map<number, ProbeTarget>();
  #lastIndex = 0;
  #wire: Wire | undefined;
  #inFlight = 0;
  #cancel: (() => void) | undefined;
  #wakesAt = Number.POSITIVE_INFINITY;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** From now on these are probed, by this wire. Those that were probed before go on as they are. */
  follow(targets: readonly ProbeTarget[], wire: Wire | undefined): void {
    const { clock } = this.#options;
    const now = clock.now();
    const stay = new Set(targets);
    for (const target of this.#targets.values()) {
      // By another wire, what is under way can not be answered any more.
      if (stay.has(target) && wire === this.#wire) continue;
      this.#forget(target);
      target.step += 1;
      this.#targets.delete(target.index);
    }
    const known = new Set(this.#targets.values());
    for (const target of targets) {
      if (known.has(target)) continue;
      this.#lastIndex = (this.#lastIndex + 1) >>> 0;
      target.index = this.#lastIndex;
      this.#targets.set(target.index, target);
      this.#plan(target, now + clock.random() * Math.min(target.health.interval, FIRST_MS));
    }
    this.#ports.retain(new Set(targets.map(({ server }) => server)));
    this.#wire = wire;
    this.#wake();
  }

  /** An answer came; it counts if it is the one that a target waits for. */
  answered(from: Arrival, octets: Uint8Array): void {
    const target = this.#waitingFor(from, numberInAnswer(octets));
    const waiting = target?.waiting ?? null;
    if (target === undefined || waiting === null) {
      this.counts.late += 1;
      return;
    }
    const { destination } = waiting.alternative?.way ?? target.way;
    if (from.address !== destination) {
      // It lives, but clients would not take its answers.
      target.hint = `it answers from ${from.address}, and not from ${destination}`;
      return;
    }
    this.#forget(target);
    this.counts.answered += 1;
    this.#plan(target, waiting.sentAt + this.#interval(target.health));
    if (waiting.alternative === undefined) target.answered();
    else target.hint = waiting.alternative.says;
    this.#options.onOutcome(target);
    this.#wake();
  }

  /** The target of a number that an error quotes, where that is its last probe. */
  quoted({ target: index, nonce }: Numbered): ProbeTarget | undefined {
    const target = this.#targets.get(index);
    const last = target?.last ?? null;
    return last?.nonce === nonce && last.alternative === undefined ? target : undefined;
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#due.clear();
    this.#targets.clear();
    this.#wire = undefined;
  }

  #waitingFor(from: Arrival, number: Numbered | undefined): ProbeTarget | undefined {
    const target =
      this.#ports.holder(from) ??
      (number === undefined ? undefined : this.#targets.get(number.target));
    const waiting = target?.waiting ?? null;
    if (target === undefined || waiting === null) return undefined;
    if (target.health.check === 'quic' && waiting.nonce !== number?.nonce) return undefined;
    if (waiting.family !== from.family || waiting.place !== from.place) return undefined;
    return from.port === (waiting.alternative?.way ?? target.way).port ? target : undefined;
  }

  #interval({ interval }: HealthCheck): number {
    return interval * (1 + JITTER * (2 * this.#options.clock.random() - 1));
  }

  #plan(target: ProbeTarget, at: number, again = false): void {
    target.step += 1;
    this.#due.add(at, { target, at, step: target.step, again });
  }

  #defer(target: ProbeTarget, at: number): void {
    this.counts.deferred += 1;
    this.#plan(target, at, true);
  }

  #forget(target: ProbeTarget): void {
    const { waiting } = target;
    if (waiting === null) return;
    target.waiting = null;
    this.#inFlight -= 1;
    this.#ports.release(target, waiting);
  }

  #wake(): void {
    const { clock } = this.#options;
    const { next } = this.#due;
    if (next === undefined || this.#wire === undefined) return;
    const now = clock.now();
    const at = Math.max(next, now + TICK_MS);
    if (this.#cancel !== undefined && this.#wakesAt <= at) return;
    this.#cancel?.();
    this.#wakesAt = at;
    this.#cancel = clock.after(Math.ceil(at - now), () => {
      this.#cancel = undefined;
      this.#tick();
      this.#wake();
    });
  }

  #tick(): void {
    const wire = this.#wire;
    if (wire === undefined) return;
    const { clock } = this.#options;
    const now = clock.now();
    const overdue: Due[] = [];
    const batches = new Map<SendingKind, ProbeTarget[]>();
    for (let due = this.#due.take(now); due !== undefined; due = this.#due.take(now)) {
      const { target } = due;
      if (due.step !== target.step) continue;
      if (target.waiting !== null) {
        overdue.push(due);
      } else if (now - due.at > LATE_MS && !due.again) {
        this.#defer(target, now + clock.random() * target.health.interval);
      } else if (this.#inFlight >= MOST_IN_FLIGHT || !this.#prepare(target, wire, now)) {
        this.#defer(target, now + DEFER_MS);
      } else {
        const kind = kindOf(wayOf(target));
        const batch = batches.get(kind);
        if (batch === undefined) batches.set(kind, [target]);
        else batch.push(target);
      }
    }
    for (const [kind, batch] of batches) this.#send(kind, batch, wire, now);
    if (overdue.length === 0) return;
    wire.afterRead(() => {
      if (wire === this.#wire) this.#giveUp(overdue);
    });
  }

  /** Numbers the probe. @returns false where no port is free for it */
  #prepare(target: ProbeTarget, wire: Wire, now: number): boolean {
    const place = this.#ports.take(target, wire.places(target.family), now);
    if (place === undefined) return false;
    const alternative = target.nextAlternative();
    const nonce = this.#options.clock.nonce();
    target.waiting = { nonce, family: target.family, place, sentAt: now, alternative };
    target.last = target.waiting;
    this.#inFlight += 1;
    const packet = target.packetFor(wayOf(target));
    setNumber(target.health.check, packet.payload, { target: target.index, nonce });
    packet.seal(wire.portOf(target.family, place));
    return true;
  }

  #send(kind: SendingKind, batch: readonly ProbeTarget[], wire: Wire, now: number): void {
    const results = wire.send(
      kind,
      batch.map((target) => target.packetFor(wayOf(target)).octets),
    );
    for (const [at, target] of batch.entries()) {
      const errno = results[at] ?? 0;
      if (NO_ROOM.has(errno)) {
        this.#forget(target);
        this.#defer(target, now + DEFER_MS);
        continue;
      }
      if (errno === 0) this.counts.sent += 1;
      else {
        this.counts.refused += 1;
        target.hint = `this host does not send it (${errnoName(errno)})`;
      }
      this.#plan(target, now + target.health.timeout);
    }
  }

  /** Of those that were overdue before their sockets were read, the ones that still are. */
  #giveUp(overdue: readonly Due[]): void {
    const { clock, onOutcome, beforeGiveUp } = this.#options;
    beforeGiveUp();
    const now = clock.now();
    for (const { target, step } of overdue) {
      const { waiting } = target;
      if (step !== target.step || waiting === null) continue;
      this.#forget(target);
      this.#ports.unanswered(target, waiting, now);
      const { interval } = target.health;
      if (waiting.alternative === undefined) {
        this.counts.missed += 1;
        target.missed();
      }
      const soon = Math.max(RETRY_LEAST_MS, interval * RETRY_SHARE);
      const pause = target.standing === 'down' ? this.#interval(target.health) : soon;
      this.#plan(target, now + pause);
      onOutcome(target);
    }
    this.#wake();
  }
}
