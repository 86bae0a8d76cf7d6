// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import type { EtcdClient } from '../../registry/etcd/client/index.js';
import type { AgentNameValue, Keys } from '../../registry/etcd/layout/index.js';

export interface MembershipOptions {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly agent: string;
  /** Who it is, by which others know it again. */
  readonly owner: AgentNameValue;
  /** Seconds for which others believe that it is awake after its last word. */
  readonly ttl: number;
  readonly log: Logger;
  /** The standing, or what was acknowledged, is another. */
  readonly onChange: () => void;
  /** Saves that this agent was counted out; rejects where the disk does not take it. */
  readonly rememberOut: () => Promise<void>;
}
