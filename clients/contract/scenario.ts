// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

// The shape of scenarios/*.json, which README.md explains. They are data, so that every language
// is held to the same ones.

const count = z.number().int().nonnegative();
const minting = {
  generation: count.optional(),
  routable: z.boolean().optional(),
  zero_host_id: z.boolean().optional(),
};

const sidecarStep = z.discriminatedUnion('sidecar', [
  /**
   * Listens; what comes of a Session that is opened: it is served, ended at once, refused, left
   * without an answer, or gets a message that must not come first.
   */
  z.strictObject({
    sidecar: z.literal('listen'),
    sessions: z.enum(['serve', 'end', 'refuse', 'hang', 'babble']).optional(),
  }),
  /** Closes all connections without a word, and stops listening. */
  z.strictObject({ sidecar: z.literal('down') }),
  /** Ends the Session in good order. */
  z.strictObject({ sidecar: z.literal('end') }),
  z.strictObject({
    sidecar: z.literal('hello'),
    cid_length: count.optional(),
    lifetime_ms: count.optional(),
    /** The most credit that may be open, below the usual. */
    credit_limit: count.optional(),
    ...minting,
  }),
  z.strictObject({ sidecar: z.literal('minting'), makes_void: z.boolean().optional(), ...minting }),
  /** CIDs; `count` left out means as many as there is credit for. */
  z.strictObject({
    sidecar: z.literal('batch'),
    count: count.optional(),
    generation: count.optional(),
    cid_length: count.optional(),
    /** More or fewer octets than the batch says. */
    octets_more: z.number().int().optional(),
    /** Sends this many above the credit. */
    above_credit: count.optional(),
  }),
  z.strictObject({
    sidecar: z.literal('reissue'),
    through_generation: count,
    deadline_in_ms: z.number().int(),
  }),
  z.strictObject({ sidecar: z.literal('alive') }),
  z.strictObject({ sidecar: z.literal('stop-reading') }),
  /** Waits until a Session is open, and its first message holds these. */
  z.strictObject({
    sidecar: z.literal('opened'),
    known_generation: count.optional(),
    oldest_generation: count.optional(),
    server_use: z.string().optional(),
    can_retire: z.boolean().optional(),
    /** The instance is that of the Session before. */
    same_instance: z.boolean().optional(),
    /** Milliseconds since the sidecar listens; counts with `--strict-timing` only. */
    within_ms: count.optional(),
  }),
  /** Waits until so much credit is open. */
  z.strictObject({ sidecar: z.literal('credit'), is: count }),
  /** Waits until the client has acknowledged the newest change that made CIDs void. */
  z.strictObject({ sidecar: z.literal('acknowledged') }),
  /** Waits until the client has said this of its connections, by generation. */
  z.strictObject({ sidecar: z.literal('held'), generations: z.record(z.string(), count) }),
  /** Waits until so many Sessions were opened since the last `attempts`, whatever came of them. */
  z.strictObject({ sidecar: z.literal('attempts'), at_least: count }),
  /** Counts for a while; more than these are a client that hammers. */
  z.strictObject({ sidecar: z.literal('calm'), for_ms: count, at_most: count }),
  /** Sends a batch whenever there is credit, from here on. */
  z.strictObject({ sidecar: z.literal('keep-filling') }),
]);

/** A command of the driver protocol; `expect` is a part of the answer. */
const clientStep = z.strictObject({
  client: z.enum([
    'start',
    'ready',
    'take',
    'stats',
    'events',
    'hold',
    'reset-token',
    'is-own',
    'pace',
    'close',
  ]),
  with: z.record(z.string(), z.unknown()).optional(),
  /** Which CID a question is about: the last that was taken, or one of nobody. */
  about: z.enum(['last', 'foreign']).optional(),
  expect: z.record(z.string(), z.unknown()).optional(),
  /** Events, each a part of one, that come in this order; others may come between. */
  events: z.array(z.record(z.string(), z.unknown())).optional(),
  /** Events that have not come since the start or the last step with `events`. */
  none: z.array(z.string()).optional(),
  /** Asks again until the answer is so. */
  until: z.record(z.string(), z.unknown()).optional(),
  /** The answer is an error. */
  fails: z.boolean().optional(),
  /** How many CIDs are taken all told, instead of `with.count`, for `--cids`. */
  many: z.boolean().optional(),
});

const pause = z.strictObject({ pause_ms: z.union([count, z.literal('outage')]) });

const scenario = z.strictObject({
  name: z.string(),
  /** What a client has to do, in a sentence. */
  rule: z.string(),
  steps: z.array(z.union([sidecarStep, clientStep, pause])),
});

export type SidecarStep = z.infer<typeof sidecarStep>;
export type ClientStep = z.infer<typeof clientStep>;
export type Scenario = z.infer<typeof scenario>;

/** All scenarios of a folder, in the order of their file names. */
export function readScenarios(folder: string): Scenario[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => scenario.parse(JSON.parse(readFileSync(join(folder, name), 'utf8'))));
}
