// SPDX-License-Identifier: Apache-2.0
import {
  AlarmRequest_AlarmAction,
  AlarmType,
  ClusterService,
  MaintenanceService,
  type StatusResponse,
} from '../../../proto/gen/etcdserverpb/etcd.js';
import { parseEtcdAddress } from './address.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { callError } from './errors.js';
import { Follow, type FollowHandlers, type FollowOptions } from './follow.js';
import type { Followed } from './followed-keys.js';
import { Kv } from './kv.js';
import { Lease, type LeaseHandlers, type LeaseOptions } from './lease.js';
import type { KeyRange } from './operations.js';
import { type MarkedResult, type MarkedTransaction, transact } from './transact.js';
import { Watch, type WatchHandlers } from './watch.js';

export interface EtcdMember {
  readonly id: string;
  readonly name: string;
  readonly clientUrls: readonly string[];
}

export interface EtcdStatus {
  /** Such as 3.4.23. */
  readonly version: string;
  readonly memberId: string;
  /** ID of the leader; '0' for none. */
  readonly leader: string;
  readonly revision: number;
  /** Octets of its database file. */
  readonly dbOctets: number;
}

interface Opened {
  onClosed: () => void;
  close(): void;
}

/** A client of one etcd cluster. Close it at the end, with all that was opened by it. */
export class EtcdClient {
  /** What all keys begin with, without a `/` at the end. It is for callers: no method adds it. */
  readonly prefix: string;
  readonly kv: Kv;
  readonly #connection: Connection;
  readonly #open = new Set<Opened>();

  constructor(endpoints: readonly string[], prefix: string, options: ConnectionOptions = {}) {
    this.prefix = prefix;
    this.#connection = new Connection(endpoints, options);
    this.kv = new Kv(this.#connection);
  }

  /** host:port of the member that is asked at present. */
  get endpoint(): string {
    return this.#connection.endpoints.current.target;
  }

  /** Leases, watches and follows that were opened and are not closed. */
  get opened(): number {
    return this.#open.size;
  }

  transact(transaction: MarkedTransaction): Promise<MarkedResult> {
    return transact(this.kv, transaction);
  }

  lease(options: LeaseOptions, handlers: LeaseHandlers): Lease {
    return this.#keep(new Lease(this.#connection, options, handlers));
  }

  watch(range: KeyRange, startRevision: number, handlers: WatchHandlers): Watch {
    return this.#keep(new Watch(this.#connection, range, startRevision, handlers));
  }

  /** @param followed prefixes, and keys alone; none lies within another */
  follow(followed: readonly Followed[], handlers: FollowHandlers, options?: FollowOptions): Follow {
    return this.#keep(new Follow(this.#connection, this.kv, followed, handlers, options));
  }

  async members(): Promise<EtcdMember[]> {
    const options = { repeatable: true };
    const method = ClusterService.memberList;
    const { members } = await this.#connection.call('list of members', method, {}, options);
    return members.map(({ ID, name, clientURLs }) => ({ id: ID, name, clientUrls: clientURLs }));
  }

  /** Of the member that is asked at present. */
  async status(): Promise<EtcdStatus> {
    const options = { repeatable: true };
    return statusOf(await this.#connection.call('status', MaintenanceService.status, {}, options));
  }

  /** Of each endpoint; an error for one that does not answer within `ms` milliseconds. */
  async statuses(ms = 2_000): Promise<{ endpoint: string; status: EtcdStatus | Error }[]> {
    const { endpoints } = this.#connection;
    const metadata = await this.#connection.metadataOfUser();
    return Promise.all(
      endpoints.all.map(async (endpoint) => ({
        endpoint: endpoint.target,
        status: await endpoint
          .unary(MaintenanceService.status, {}, metadata, ms)
          .then(statusOf, (error: unknown) => callError(`status of ${endpoint.target}`, error)),
      })),
    );
  }

  /** Whether some member has stopped all writes because its quota is full. */
  async isFull(): Promise<boolean> {
    const request = {
      action: AlarmRequest_AlarmAction.GET,
      memberID: '0',
      alarm: AlarmType.NONE,
    };
    const options = { repeatable: true };
    const method = MaintenanceService.alarm;
    const { alarms } = await this.#connection.call('list of alarms', method, request, options);
    return alarms.some(({ alarm }) => alarm === AlarmType.NOSPACE);
  }

  /** Ends everything at once; calls that are under way reject. */
  close(): void {
    for (const each of this.#open) each.close();
    this.#open.clear();
    this.#connection.close();
  }

  #keep<T extends Opened>(opened: T): T {
    this.#open.add(opened);
    opened.onClosed = () => this.#open.delete(opened);
    return opened;
  }
}

/**
 * Opens `etcd://host:2379,host:2379/prefix`. Nothing is sent yet. Throws ARGUMENT_INVALID for an
 * address that is none.
 */
export function openEtcdClient(address: string, options: ConnectionOptions = {}): EtcdClient {
  const { endpoints, prefix } = parseEtcdAddress(address);
  return new EtcdClient(endpoints, prefix, options);
}

function statusOf(response: StatusResponse): EtcdStatus {
  return {
    version: response.version,
    memberId: response.header?.memberId ?? '0',
    leader: response.leader,
    revision: response.header?.revision ?? 0,
    dbOctets: response.dbSize,
  };
}
