// SPDX-License-Identifier: Apache-2.0
import type { MemoryStore } from '../../../testing/memory-store.js';
import type { RotationView } from '../rotation-picture.js';
import type { Mutant } from './mutant.js';

/** A meaning of each config ID that an agent decodes. */
export type Decodes = ReadonlyMap<number, string>;

/** What the members of a world see of it. */
export interface Surroundings {
  readonly store: MemoryStore;
  readonly mutant: Mutant;
  /** Seconds since the world began. */
  readonly seconds: number;
  /** Revision of the desired state. */
  readonly desired: number;
  /** What the desired state has agents decode. */
  readonly decodable: Decodes;
  view(): RotationView;
  /** Throws a `Violation` where a CID that may live is read in another meaning. */
  check(): void;
  /** Throws a `Violation` where an agent that acknowledges does not decode what is issued. */
  checkIssued(config: number, meaning: string): void;
}
