// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { integer, name, needs } from '../../../document/shape.js';

// What hosts say of themselves. Fields that are not known are left out and are no error, so that
// hosts of two versions can work together.

const identity = z.string(needs('the identity of a state folder')).min(1).max(64);
const address = z.string(needs('an IPv4 or IPv6 address'));
const revision = integer(0, Number.MAX_SAFE_INTEGER);

/** `requests/<pool>/<server>`: what a sidecar asks for. It hangs on no lease. */
export const requestValue = z.object({
  address,
  /** IDs that it asks for under each config; left out: as many as the pool gives each server. */
  ids: integer(1, 4096).optional(),
  /** A UUID that lives in the state folder: who asks for the same server again is the same. */
  identity,
  /**
   * Seconds of the pool's hold, as the sidecar knows it: it issues under IDs that were handed out
   * only for less than this after its last sign of life. Left out: it goes on without an end.
   */
  hold: integer(1, 31_536_000).optional(),
  /** Of the server, when it is put into the pool; left out: as a document's server without them. */
  weight: integer(0, 65_535).optional(),
  encapsulation: z.enum(['ipip', 'gue', 'l2']).optional(),
  /** IDs that were handed out to it, in hex, by config ID. */
  granted: z.record(z.string(), z.array(z.string())).default({}),
  /** Its hold is over, and some of its IDs were taken back already. */
  reclaimed: z.literal(true).optional(),
});
export type RequestValue = z.infer<typeof requestValue>;

/** `live/servers/<pool>/<server>`, under the sidecar's lease. */
export const liveServerValue = z.object({
  identity,
  /** The name of its host, for people. */
  host: z.string().optional(),
  /** ID of the config under which it issues; null while it issues 0b111. */
  issuing: integer(0, 6).nullable().default(null),
  /** Agents for which it waits before it issues under something newer. */
  waitingFor: z.array(name('agent')).default([]),
  /** Connections that hold CIDs of other configs, by config ID; null where it cannot know. */
  older: z.record(z.string(), z.number().nullable()).default({}),
  /** Nonces that it has left under the config under which it issues, where it uses any. */
  noncesLeft: z.number().min(0).nullable().optional(),
});
export type LiveServerValue = z.infer<typeof liveServerValue>;

/** `live/agents/<agent>`, under the agent's lease. It appears only when the agent caught up. */
export const liveAgentValue = z.object({
  /** A UUID that lives in the state folder: two agents with one name are told by it. */
  identity,
  /** The name of its host, for people. */
  host: z.string().default(''),
  /** The revision of etcd that it had caught up with when it wrote this. */
  since: revision.default(0),
});
export type LiveAgentValue = z.infer<typeof liveAgentValue>;

/**
 * `agents/<agent>`: whose acknowledgement `acks/<agent>` or `stale/<agent>` is. It hangs on no
 * lease: an agent that is cut off goes on routing, and is waited for by this name.
 */
export const agentNameValue = z.object({
  identity,
  /**
   * Of the machine and the pin folder, where the machine has an ID: an agent there that has lost
   * its state folder, as at a reboot, is the same one.
   */
  machine: z.string().optional(),
  /** Of the boot of the kernel and the pin folder: what is pinned there is this agent's. */
  boot: z.string().optional(),
  /** The name of its host, for people. */
  host: z.string().default(''),
});
export type AgentNameValue = z.infer<typeof agentNameValue>;

/** `held/<agent>`, under the lease: digests (digest.ts) by `<pool>/<config>`. */
export const heldValue = z.record(z.string(), z.string());
export type HeldValue = z.infer<typeof heldValue>;

/**
 * `quiet/<agent>`, under the lease: by `<pool>/<config>`, the seconds since its last packet under
 * a config that is retiring; by `<pool>/servers/<server>`, since the last packet that it sent to a
 * server that is draining or down.
 */
export const quietValue = z.record(z.string(), z.number().min(0));
export type QuietValue = z.infer<typeof quietValue>;

/** `counted-out/<agent>`: a person decided to go on without it. */
export const countedOutValue = z.object({
  by: z.string(),
  why: z.string().default(''),
});
export type CountedOutValue = z.infer<typeof countedOutValue>;

/**
 * `quarantines/<pool>/<config>`: for how long the config has been in quarantine, as controllers
 * have measured it, each on its own clock. It hangs on no lease.
 */
export const quarantineValue = z.object({
  /** The mod_revision of the config's key in that quarantine. */
  of: revision,
  seconds: z.number().min(0),
});
export type QuarantineValue = z.infer<typeof quarantineValue>;

/** `controllers/<pool>`, under the lease of the agent that holds it. */
export const controllerValue = z.object({ agent: name('agent') });
export type ControllerValue = z.infer<typeof controllerValue>;

/**
 * `uses/<pool>/<config>/<server>`: this sidecar may issue under this config. It hangs on no
 * lease: a sidecar that is cut off may go on issuing.
 */
export const useValue = z.object({
  identity,
  /** The revision at which all agents were known to hold the config. */
  since: revision.default(0),
});
export type UseValue = z.infer<typeof useValue>;
