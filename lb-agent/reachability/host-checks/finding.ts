// SPDX-License-Identifier: Apache-2.0

/** `error`: the agent cannot run; `warning`: packets are harmed; `note`: worth to know. */
export type Severity = 'error' | 'warning' | 'note';

/** Something of this host that the balancer does not get on with. */
export interface Finding {
  /** What was looked at, in one word or two joined by a dash. */
  readonly check: string;
  readonly severity: Severity;
  readonly sentence: string;
  /** A command, or what else to do; undefined where nothing can be done on this host. */
  readonly remedy?: string;
  /** Fields of the log line. */
  readonly about?: Readonly<Record<string, string | number>>;
}
