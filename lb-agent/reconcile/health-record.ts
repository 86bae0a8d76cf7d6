// SPDX-License-Identifier: Apache-2.0

/** What the health checks of this host say of one server. */
export interface ServerHealth {
  readonly pool: string;
  readonly server: string;
  readonly address: string;
  /** `unproven`: it has not answered yet. */
  readonly standing: 'unproven' | 'up' | 'down';
  /** It takes no new flows because of that; false where the floor keeps it in. */
  readonly out: boolean;
  /** Why it is not up; null where it is. */
  readonly reason: string | null;
  /** Unix time in milliseconds, since when it stands so. */
  readonly since: number;
}

export interface HealthRecord {
  readonly servers: readonly ServerHealth[];
  /** By pool: why its check itself is suspect, so that it takes no more servers out. */
  readonly suspect: Readonly<Record<string, string>>;
}

/** Keeps the last record for the next agent, which must not put dead servers back in, and for people. */
export interface HealthStore {
  /** Undefined where there is none, or none that can be trusted. */
  read(): HealthRecord | undefined;
  /** @throws CidecarError STATE_UNWRITABLE */
  write(record: HealthRecord): Promise<void>;
}

/** What metrics say of the checks of a running agent. */
export interface HealthCounts {
  readonly sent: number;
  readonly answered: number;
  readonly missed: number;
  /** Answers that came after their probe had been given up, or that answer nothing. */
  readonly late: number;
  /** Probes that waited, because too many were in flight or this process was too slow. */
  readonly deferred: number;
  /** What the kernel did not send. */
  readonly refused: number;
}
