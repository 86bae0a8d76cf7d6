// SPDX-License-Identifier: Apache-2.0
import { Counter, Gauge, Registry } from 'prom-client';
import { buildInfo } from './version.js';

/** Revisions that cover fewer keys than the whole one, for hosts that read different ones. */
export interface RevisionParts {
  readonly document: string;
  readonly pools: readonly {
    readonly name: string;
    readonly cids: string;
    readonly resetTokens: string;
  }[];
}

/** What a daemon tells of the registry that it follows: which state is in force, and since when. */
export class RegistryHealth {
  readonly #now: () => number;
  #revision = '';
  #parts: RevisionParts | undefined;
  #since: Date | undefined;
  #lastApply: Date | undefined;
  #refusedSince: Date | undefined;
  #refusal = '';
  #refusals = 0;
  #failingSince: Date | undefined;

  /** @param now milliseconds since 1970; tests pass their own clock */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** The revision in force; empty before the first. */
  get revision(): string {
    return this.#revision;
  }

  /** Of the state in force, where it was read from a document. */
  get parts(): RevisionParts | undefined {
    return this.#parts;
  }

  /** Since when it is in force, in this process. */
  get since(): Date | undefined {
    return this.#since;
  }

  /** When a state was put in force last, be it the same. */
  get lastApply(): Date | undefined {
    return this.#lastApply;
  }

  /** Since when documents are refused; undefined where the newest is in force. */
  get refusedSince(): Date | undefined {
    return this.#refusedSince;
  }

  /** Why the newest was refused; empty where it is in force. */
  get refusal(): string {
    return this.#refusal;
  }

  /** How many were refused since the start of the process. */
  get refusals(): number {
    return this.#refusals;
  }

  /** Since when a state that was accepted cannot be put in force; undefined where it can. */
  get failingSince(): Date | undefined {
    return this.#failingSince;
  }

  /** The newest document is good; it may still have to be applied. */
  accepted(): void {
    this.#refusedSince = undefined;
    this.#refusal = '';
  }

  /** A state is in force. */
  applied(revision: string, parts?: RevisionParts): void {
    this.#parts = parts;
    const now = new Date(this.#now());
    this.#lastApply = now;
    this.#failingSince = undefined;
    if (this.#revision === revision && this.#since !== undefined) return;
    this.#revision = revision;
    this.#since = now;
  }

  /** An attempt to put an accepted state in force failed. */
  applyFailed(): void {
    this.#failingSince ??= new Date(this.#now());
  }

  refused(why: string): void {
    this.#refusals += 1;
    this.#refusal = why;
    this.#refusedSince ??= new Date(this.#now());
  }
}

/** Metrics that both daemons have under the same names: registry, build and process. */
export function daemonMetrics(program: string, health: RegistryHealth): Registry {
  const registry = new Registry();
  const registers = [registry];
  const seconds = (name: string, help: string, value: () => Date | undefined) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set((value()?.getTime() ?? 0) / 1000);
      },
    });
  new Gauge({
    name: 'cidecar_registry_revision_info',
    help: '1 for the revision in force. Equal on two hosts only if documents and keys are.',
    labelNames: ['revision'] as const,
    registers,
    collect() {
      this.reset();
      if (health.revision !== '') this.set({ revision: health.revision }, 1);
    },
  });
  new Gauge({
    name: 'cidecar_registry_document_info',
    help: '1 for the document in force, without its keys: equal on two hosts if its text is.',
    labelNames: ['revision'] as const,
    registers,
    collect() {
      this.reset();
      if (health.parts !== undefined) this.set({ revision: health.parts.document }, 1);
    },
  });
  new Gauge({
    name: 'cidecar_registry_pool_info',
    help: '1 for the revisions of a pool in force: document and keys of its CIDs, and document and keys of its reset tokens.',
    labelNames: ['pool', 'cids', 'reset_tokens'] as const,
    registers,
    collect() {
      this.reset();
      for (const { name: pool, cids, resetTokens } of health.parts?.pools ?? []) {
        this.set({ pool, cids, reset_tokens: resetTokens }, 1);
      }
    },
  });
  seconds(
    'cidecar_registry_revision_since_seconds',
    'Unix time since which that revision is in force, in this process; 0 before the first.',
    () => health.since,
  );
  seconds(
    'cidecar_registry_last_apply_seconds',
    'Unix time at which a state of the registry was applied last.',
    () => health.lastApply,
  );
  seconds(
    'cidecar_registry_refused_since_seconds',
    'Unix time since which documents are refused; 0 where the newest is in force.',
    () => health.refusedSince,
  );
  seconds(
    'cidecar_registry_apply_failing_since_seconds',
    'Unix time since which a state that was accepted cannot be put in force; 0 where it can.',
    () => health.failingSince,
  );
  new Counter({
    name: 'cidecar_registry_refused_total',
    help: 'Documents refused.',
    registers,
    collect() {
      this.reset();
      this.inc(health.refusals);
    },
  });
  new Gauge({
    name: 'cidecar_build_info',
    help: '1, with what runs.',
    labelNames: ['program', 'version', 'commit'] as const,
    registers,
  }).set({ program, ...buildInfo() }, 1);
  observeProcess(registers);
  return registry;
}

const STARTED = Date.now() / 1000 - process.uptime();

function observeProcess(registers: Registry[]): void {
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'User and system time.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'Unix time of the start.',
    registers,
  }).set(STARTED);
}
