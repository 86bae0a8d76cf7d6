// SPDX-License-Identifier: Apache-2.0
import type { Condition, Operation } from '../../client/index.js';
import type { Waiting } from '../acknowledgements.js';
import type { RotationRecord } from './record.js';

/** What a step waits for, for people and as JSON. */
export type Wait =
  /** GATE, REMOVAL_ACKED, STALE_ACKED: balancers that do not hold, or still may hold, a config. */
  | {
      readonly kind: 'balancers';
      readonly guard: 'GATE' | 'REMOVAL_ACKED';
      readonly revision: number;
      /** None where no balancer has joined at all. */
      readonly agents: readonly Waiting[];
    }
  /** Servers without IDs under the new config. */
  | { readonly kind: 'server-ids'; readonly servers: readonly string[] }
  /** USES: sidecars that still may issue under a config, or whose connections are on it. */
  | { readonly kind: 'sidecars'; readonly config: number; readonly servers: readonly StillOn[] }
  /** Packets under a config that is to go came not long enough ago. */
  | {
      readonly kind: 'packets';
      readonly config: number;
      /** Seconds without any that are asked for. */
      readonly wanted: number;
      readonly agents: readonly { readonly agent: string; readonly quiet: number | null }[];
    }
  /** AGE: the config has to rest. */
  | {
      readonly kind: 'age';
      readonly config: number;
      readonly seconds: number;
      readonly of: number;
    }
  /** What a step would lose, or why it cannot be taken at all. */
  | { readonly kind: 'refused'; readonly why: string }
  /** The pool is not as the rotation left it. */
  | { readonly kind: 'changed'; readonly why: string }
  | { readonly kind: 'paused'; readonly by: string; readonly why: string };

/** A sidecar with a mark. */
export interface StillOn {
  readonly server: string;
  /** Whether it gives a sign of life. */
  readonly alive: boolean;
  /** Under which config it issues; null for 0b111, undefined where it is not alive. */
  readonly issuing: number | null | undefined;
  /** Its connections that hold CIDs of the config; undefined where it does not know. */
  readonly connections: number | undefined;
}

export type StepName =
  | 'begin'
  | 'stage'
  | 'give IDs'
  | 'mint'
  | 'quarantine'
  | 'remove'
  | 'restore'
  | 'mint again'
  | 'withdraw'
  | 'give up'
  | 'save';

/** What is written together with the record, if everything is as it was read. */
export interface Step {
  readonly name: StepName;
  /** Without its stamp. */
  readonly record: Omit<RotationRecord, 'stamp'>;
  readonly when: readonly Condition[];
  readonly success: readonly Operation[];
  /** In words, for the event; none where nothing is worth one. */
  readonly says: readonly string[];
  readonly forced: readonly string[];
}

export type RotationDecision =
  /** Nothing is to be done. */
  | { readonly kind: 'none' }
  /** Everything of the pool has to be read first. */
  | { readonly kind: 'read' }
  | { readonly kind: 'wait'; readonly waits: readonly Wait[]; readonly next: StepName }
  | { readonly kind: 'step'; readonly step: Step };
