// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { Secret } from '../../core/index.js';
import {
  AlarmRequest_AlarmAction,
  AlarmType,
  LeaseService,
  MaintenanceService,
} from '../../proto/gen/etcdserverpb/etcd.js';
import { Connection } from '../../registry/etcd/client/connection.js';
import { type EtcdClient, get, nested, put } from '../../registry/etcd/client/index.js';
import { type Grantee, grantsOf, Keys, userOf } from '../../registry/etcd/layout/index.js';
import { AS_ROOT, enableAccess, ROOT_PASSWORD } from './access.js';
import { Members, type MembersOptions } from './members.js';
import { until } from './until.js';

const keys = new Keys();
const SIDECAR: Grantee = { kind: 'sidecar', pool: 'web', server: 'web-1' };
const AGENT: Grantee = { kind: 'agent', agent: 'lb-1' };
const CONTROLLER: Grantee = { kind: 'controller', agent: 'lb-2' };
const PASSWORD = 'of-tests';
const ROOT_LOGIN = { user: 'root', password: new Secret(Buffer.from(ROOT_PASSWORD)) };

/** One member with the users of `cidctl grants`. */
export class RightsCluster {
  readonly members: Members;
  readonly root: EtcdClient;

  private constructor(members: Members) {
    this.members = members;
    this.root = this.client('root', ROOT_PASSWORD);
  }

  static async start(options: MembersOptions): Promise<RightsCluster> {
    const members = await Members.start(options);
    try {
      const users = [SIDECAR, AGENT, CONTROLLER].map((who) => {
        const grants = grantsOf(keys, who);
        const of = (right: string, prefix: boolean) =>
          grants.filter((g) => g.right === right && g.prefix === prefix).map(({ key }) => key);
        const rights = { read: of('read', true), readWrite: of('readwrite', true) };
        const user = { password: PASSWORD, ...rights, readWriteKeys: of('readwrite', false) };
        return [userOf(who), user] as const;
      });
      await enableAccess(members, Object.fromEntries(users));
      return new RightsCluster(members);
    } catch (error) {
      await members.dispose();
      throw error;
    }
  }

  client(user: string, password = PASSWORD): EtcdClient {
    return this.members.client({ login: { user, password: new Secret(Buffer.from(password)) } });
  }

  async version(): Promise<string> {
    return (await this.root.status()).version;
  }

  /** What goes round the rights here, by name. */
  async holes(): Promise<string[]> {
    const found: string[] = [];
    const secret = '/elsewhere/secret';
    await this.root.kv.put(secret, 'before');
    const user = this.client(userOf(SIDECAR));
    const inside = async (operation: ReturnType<typeof get>) =>
      user.kv.txn({ when: [], success: [nested({ when: [], success: [operation] })] });

    await inside(put(secret, 'after')).catch(() => undefined);
    if ((await this.root.kv.get(secret))?.value.toString() === 'after') {
      found.push('a nested transaction writes what its user may not');
    }
    const read = await inside(get(secret)).catch(() => undefined);
    const [result] = read?.results ?? [];
    const [inner] = result?.kind === 'nested' ? result.result.results : [];
    if (inner?.kind === 'get' && inner.entries.length > 0) {
      found.push('a nested transaction reads what its user may not');
    }

    const stranger = this.members.client();
    const connection = new Connection(this.members.endpoints);
    const options = { repeatable: false };
    try {
      const request = { TTL: 60, ID: '0' };
      const lease = connection.call('grant', LeaseService.leaseGrant, request, options);
      if (await succeeds(lease)) found.push('a stranger is granted a lease');
      const { revision } = await this.root.status();
      if (await succeeds(stranger.kv.compact(revision))) {
        found.push('a stranger compacts the history');
      }
      const alarm = {
        action: AlarmRequest_AlarmAction.ACTIVATE,
        memberID: (await this.root.status()).memberId,
        alarm: AlarmType.NOSPACE,
      };
      await succeeds(connection.call('alarm', MaintenanceService.alarm, alarm, options));
      if (!(await succeeds(this.root.kv.put(secret, 'again')))) {
        found.push('a stranger stops all writes');
      }
    } finally {
      connection.close();
    }
    return found;
  }

  dispose(): Promise<void> {
    return this.members.dispose();
  }
}

async function succeeds(call: Promise<unknown>): Promise<boolean> {
  return call.then(
    () => true,
    () => false,
  );
}

/** What `cidctl grants` gives, as this release of etcd takes it. */
export function testRights(options: MembersOptions): void {
  describe('rights', () => {
    test('hosts write what is their own, and read the registry', async () => {
      const cluster = await RightsCluster.start(options);
      try {
        const [sidecar, agent, controller] = [SIDECAR, AGENT, CONTROLLER].map((who) =>
          cluster.client(userOf(who)),
        );
        const may: [EtcdClient | undefined, boolean, string][] = [
          [sidecar, true, keys.request('web', 'web-1')],
          [sidecar, true, keys.liveServer('web', 'web-1')],
          [sidecar, true, keys.use('web', 3, 'web-1')],
          // Other servers, also where a name begins with this one.
          [sidecar, false, keys.request('web', 'web-10')],
          [sidecar, false, keys.liveServer('web', 'web-2')],
          [sidecar, false, keys.use('web', 3, 'web-10')],
          [sidecar, false, keys.request('api', 'web-1')],
          [sidecar, false, keys.id('web', 0, '01')],
          [sidecar, false, keys.ack('lb-1')],
          [sidecar, false, keys.revision],
          [agent, true, keys.ack('lb-1')],
          [agent, true, keys.liveAgent('lb-1')],
          [agent, false, keys.ack('lb-10')],
          [agent, false, keys.controller('web')],
          [agent, false, keys.use('web', 3, 'web-1')],
          [controller, true, keys.controller('web')],
          [controller, true, keys.id('web', 0, '01')],
          [controller, true, keys.stale('lb-1')],
          [controller, false, keys.use('web', 3, 'web-1')],
          [controller, false, keys.meta],
        ];
        for (const [client, allowed, key] of may) {
          const done = await succeeds(client?.kv.put(key, '{}') ?? Promise.reject());
          expect([key, done]).toEqual([key, allowed]);
        }
        for (const client of [sidecar, agent, controller]) {
          expect(await succeeds(client?.kv.list(keys.root) ?? Promise.reject())).toBe(true);
          await expect(client?.kv.list('/')).rejects.toMatchObject({ code: 'REGISTRY_REFUSED' });
        }
      } finally {
        await cluster.dispose();
      }
    });

    test('a host that lost its user goes on watching until the members were restarted', async () => {
      const cluster = await RightsCluster.start(options);
      try {
        const client = cluster.client(userOf(SIDECAR));
        const seen: string[] = [];
        let away = false;
        const { revision } = await cluster.root.status();
        client.watch({ key: keys.meta }, revision + 1, {
          onChanges: (sets) => {
            for (const { changes } of sets) {
              for (const each of changes) {
                if (each.kind === 'put') seen.push(each.entry.value.toString());
              }
            }
          },
          onCompacted: () => undefined,
          onDisconnected: () => {
            away = true;
          },
        });
        await cluster.root.kv.put(keys.meta, '1');
        await until('it sees a change', () => seen.includes('1'));
        await cluster.members.etcdctl(AS_ROOT, 'user', 'delete', userOf(SIDECAR));
        await expect(client.kv.get(keys.meta)).rejects.toMatchObject({ code: 'REGISTRY_REFUSED' });
        await cluster.root.kv.put(keys.meta, '2');
        await until('it sees what it must not', () => seen.includes('2'));

        await cluster.members.member(0).kill();
        cluster.members.member(0).start();
        await until('its stream is gone', () => away);
        await cluster.members.healthy({ login: ROOT_LOGIN });
        await cluster.root.kv.put(keys.meta, '3');
        // A watch of somebody who may shows that it was delivered.
        const others: string[] = [];
        const other = cluster.client(userOf(AGENT));
        other.follow([keys.meta], {
          onSnapshot: ({ entries }) => void others.push(...entries.map((e) => e.value.toString())),
          onChanges: () => undefined,
        });
        await until('another sees it', () => others.includes('3'));
        await expect(client.kv.get(keys.meta)).rejects.toMatchObject({ code: 'REGISTRY_REFUSED' });
        expect(seen).not.toContain('3');
      } finally {
        await cluster.dispose();
      }
    });
  });
}
