// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { ipBatch, tryRun } from '../netns/command.js';
import type { Scope } from '../netns/scope.js';
import { Members, type MembersOptions } from './members.js';

// RFC 2544's addresses for benchmarks, which no network of a host uses.
const NET = '198.18';
/** The third octet of the clients' net; that of the members' is the next. */
const FIRST = 71;
const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
/** Host part of the address at which this process is on the clients' net. */
const OWN_HOST = 254;

export interface EtcdNetworkOptions extends MembersOptions {
  /** Third octet of the clients' net, for tests that run beside each other. Default 71. */
  readonly first?: number;
}

/**
 * Members in a namespace each, with two links: one to the net of the clients, one to the net of
 * the members. Each can be cut by itself. This process is on the clients' net; other namespaces
 * can join it.
 */
export class EtcdNetwork {
  readonly members: Members;
  readonly #switch: string;
  readonly #clientNet: string;
  #joined = 0;

  private constructor(members: Members, switchNamespace: string, clientNet: string) {
    this.members = members;
    this.#switch = switchNamespace;
    this.#clientNet = clientNet;
  }

  /** The scope removes the namespaces; `dispose()` of the members comes before that. */
  static async build(scope: Scope, options: EtcdNetworkOptions = {}): Promise<EtcdNetwork> {
    const { first = FIRST } = options;
    const [clientNet, peerNet] = [`${NET}.${first}`, `${NET}.${first + 1}`];
    const indices = Array.from({ length: options.count ?? 3 }, (_, i) => i + 1);
    const [hub = '', ...hosts] = await scope.addNamespaces([
      'etcd-net',
      ...indices.map((i) => `etcd${i}`),
    ]);
    await ipBatch(hub, [
      'link set lo up',
      ...['clients', 'peers'].flatMap((net) => [
        `link add ${net} type bridge`,
        `link set ${net} up`,
      ]),
      ...hosts.flatMap((host, i) => [
        ...link(`c${i + 1}`, 'clients', 'eth0', host),
        ...link(`p${i + 1}`, 'peers', 'eth1', host),
      ]),
    ]);
    for (const [i, host] of hosts.entries()) {
      await ipBatch(host, [
        'link set lo up',
        `addr add ${clientNet}.${i + 1}/24 dev eth0`,
        `addr add ${peerNet}.${i + 1}/24 dev eth1`,
        'link set eth0 up',
        'link set eth1 up',
      ]);
    }
    const own = `etcd${process.pid}`.slice(0, 15);
    // That of a network before can still be there: the kernel removes namespaces a moment later.
    await tryRun(['ip', 'link', 'del', own]);
    await ipBatch(hub, link('own', 'clients', own, `/proc/${process.pid}/ns/net`));
    await ipBatch(null, [`addr add ${clientNet}.${OWN_HOST}/24 dev ${own}`, `link set ${own} up`]);
    const members = await Members.startAt(
      (folder) =>
        hosts.map((namespace, i) => ({
          name: `m${i + 1}`,
          address: `${clientNet}.${i + 1}`,
          peerAddress: `${peerNet}.${i + 1}`,
          clientPort: CLIENT_PORT,
          peerPort: PEER_PORT,
          namespace,
          folder: join(folder, `m${i + 1}`),
        })),
      options,
    );
    return new EtcdNetwork(members, hub, clientNet);
  }

  /**
   * Puts a namespace on the clients' net, where its interface is named `etcd0`. Returns what cuts
   * that link (false) and mends it (true).
   */
  async join(namespace: string): Promise<(up: boolean) => Promise<void>> {
    this.#joined += 1;
    const port = `j${this.#joined}`;
    await ipBatch(this.#switch, link(port, 'clients', 'etcd0', namespace));
    await ipBatch(namespace, [
      `addr add ${this.#clientNet}.${100 + this.#joined}/24 dev etcd0`,
      'link set etcd0 up',
    ]);
    return (up) => this.#set(port, up);
  }

  /** Cuts a member from the other members (false), or mends that. Clients still reach it. */
  linkToPeers(member: number, up: boolean): Promise<void> {
    return this.#set(`p${member + 1}`, up);
  }

  /** Cuts a member from all clients (false), or mends that. It still is a member. */
  linkToClients(member: number, up: boolean): Promise<void> {
    return this.#set(`c${member + 1}`, up);
  }

  async #set(port: string, up: boolean): Promise<void> {
    await ipBatch(this.#switch, [`link set ${port} ${up ? 'up' : 'down'}`]);
  }
}

/** Lines that join an interface of a namespace, a name or a path, to a bridge. */
function link(port: string, bridge: string, device: string, namespace: string): string[] {
  return [
    `link add ${port} type veth peer name ${device} netns ${namespace}`,
    `link set ${port} master ${bridge}`,
    `link set ${port} up`,
  ];
}
