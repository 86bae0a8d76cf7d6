// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import type { EtcdClient } from '../../registry/etcd/client/index.js';
import type { Keys } from '../../registry/etcd/layout/index.js';

export interface MembershipOptions {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly agent: string;
  /** UUID of the state folder. */
  readonly identity: string;
  /** Of the machine and the pin folder; undefined where the machine has no ID. */
  readonly machine: string | undefined;
  /** Name of this host, for people. */
  readonly host: string;
  /** Seconds for which others believe that it is awake after its last word. */
  readonly ttl: number;
  readonly log: Logger;
  /** The standing, or what was acknowledged, is another. */
  readonly onChange: () => void;
  /** Saves that this agent was counted out; rejects where the disk does not take it. */
  readonly rememberOut: () => Promise<void>;
}
