// SPDX-License-Identifier: Apache-2.0
import type { EtcdClient } from '../../registry/etcd/client/index.js';
import {
  type FleetView,
  type FollowedFleet,
  followFleet,
} from '../../registry/etcd/fleet/index.js';
import type { Keys } from '../../registry/etcd/layout/index.js';

/** What the gate is decided by. */
export type AgentsView = Pick<FleetView, 'acks' | 'liveAgents'>;

export interface FollowedAgentsOptions {
  readonly onChange: () => void;
  readonly onUnreadable: (key: string, error: unknown) => void;
}

/**
 * What agents hold, and which of them give a sign of life. They are followed apart: the whole
 * desired state lies between them in etcd, and signs of life only say how an agent that is waited
 * for is called, so the two need not be of one revision.
 */
export class FollowedAgents {
  readonly #acks: FollowedFleet;
  readonly #live: FollowedFleet;

  constructor(client: EtcdClient, keys: Keys, { onChange, onUnreadable }: FollowedAgentsOptions) {
    const handlers = { onChange };
    this.#acks = followFleet(client, keys, handlers, { parts: ['acks'], onUnreadable });
    this.#live = followFleet(client, keys, handlers, { parts: ['liveAgents'], onUnreadable });
  }

  /** Undefined before there is a first view of both. */
  get view(): AgentsView | undefined {
    const acks = this.#acks.view;
    const live = this.#live.view;
    if (acks.revision === 0 || live.revision === 0) return undefined;
    return { acks: acks.acks, liveAgents: live.liveAgents };
  }

  close(): void {
    this.#acks.close();
    this.#live.close();
  }
}
