// SPDX-License-Identifier: Apache-2.0
import type { FleetView } from './fleet-view.js';

// What agents say in `quiet/<agent>` of servers that are draining or down, beside what they say
// of configs: the seconds since the last packet that they sent to a server.

/** Seconds are said in these steps, so that a server that rests for long is rarely written. */
const STEPS = [0, 1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600];

/** The name of a server in `quiet/<agent>`. Configs have two parts there, so they are told apart. */
export function quietServer(pool: string, server: string): string {
  return `${pool}/servers/${server}`;
}

/** Seconds as they are said: never more than they are. */
export function quietStep(seconds: number): number {
  return STEPS.findLast((step) => step <= seconds) ?? 0;
}

/** What one agent says; undefined where it has not said anything yet. */
export interface QuietReport {
  readonly agent: string;
  readonly seconds: number | undefined;
}

/**
 * What the agents that acknowledge say of `name`, by agent: a server ({@link quietServer}) or
 * `<pool>/<config>`.
 */
export function quietReports(view: FleetView, name: string): QuietReport[] {
  return [...view.acks.in('').keys()]
    .sort()
    .map((agent) => ({ agent, seconds: view.quiet.get(agent)?.value[name] }));
}

/** The seconds that are true of all agents that acknowledge; undefined where one says nothing. */
export function quietForAll(view: FleetView, name: string): number | undefined {
  let least: number | undefined;
  for (const { seconds } of quietReports(view, name)) {
    if (seconds === undefined) return undefined;
    least = Math.min(least ?? seconds, seconds);
  }
  return least;
}
