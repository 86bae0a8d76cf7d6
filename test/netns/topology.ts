// SPDX-License-Identifier: Apache-2.0
import { inNamespace, ipBatch, run } from './command.js';
import type { Scope } from './scope.js';

export interface TopologyOptions {
  /** Number of load-balancer hosts. Without any, the router itself spreads the VIP over servers. */
  readonly balancers: number;
  readonly servers: number;
  /** Object file with a section "xdp" that passes everything; balancers need it. */
  readonly passObject?: string;
}

export interface Host {
  readonly namespace: string;
  readonly name: string;
  readonly address4: string;
  readonly address6: string;
  /** Name of the router's end of this host's link; the host's end is always eth0. */
  readonly routerInterface: string;
}

/** From prefixes for documentation (RFC 5737, RFC 3849), which are in use nowhere. */
export const VIP4 = '198.51.100.10';
export const VIP6 = '2001:db8:64::10';
export const VIP_PORT = 443;

/** Addresses of the client host, several because connections migrate. */
export const CLIENT_ADDRESSES4 = range(8).map((i) => `10.1.0.${i + 2}`);
export const CLIENT_ADDRESSES6 = range(8).map((i) => `2001:db8:1::${(i + 2).toString(16)}`);

// A tunnel adds up to 40 octets to a packet of 1500, and the links to the hosts must take it.
const TUNNEL_MTU = 1600;
const CLIENT_MTU = 1500;

/**
 * client - router = ECMP => balancers. The servers have links of their own to the router, over
 * which they answer the client without a balancer (direct return).
 */
export class Topology {
  readonly client: string;
  readonly router: string;
  readonly balancers: readonly Host[];
  readonly servers: readonly Host[];

  private constructor(scope: Scope, options: TopologyOptions) {
    this.client = `${scope.name}-client`;
    this.router = `${scope.name}-router`;
    this.balancers = range(options.balancers).map((i) => host(scope, 'lb', 2, i + 1));
    this.servers = range(options.servers).map((i) => host(scope, 's', 3, i + 1));
  }

  static async build(scope: Scope, options: TopologyOptions): Promise<Topology> {
    const topology = new Topology(scope, options);
    const hosts = [...topology.balancers, ...topology.servers];
    await scope.addNamespaces(['client', 'router', ...hosts.map((each) => each.name)]);
    await topology.#setSysctls();
    await topology.#connectHosts();
    await topology.#connectClient();
    await topology.#configureServers();
    await topology.announce(topology.balancers.length > 0 ? topology.balancers : topology.servers);
    if (options.passObject !== undefined) await topology.#attachPass(options.passObject);
    return topology;
  }

  /**
   * Points the router's ECMP route to the VIPs at these hosts. It uses next hop groups, which lose
   * only one hop when a device is removed, in both families.
   */
  async announce(hosts: readonly Host[]): Promise<void> {
    const members = hosts.map((each, i) => ({ ...each, id4: 40 + i, id6: 60 + i }));
    await ipBatch(this.router, [
      ...members.flatMap((hop) => [
        `nexthop replace id ${hop.id4} via ${hop.address4} dev ${hop.routerInterface}`,
        `nexthop replace id ${hop.id6} via ${hop.address6} dev ${hop.routerInterface}`,
      ]),
      `nexthop replace id 4 group ${members.map((hop) => hop.id4).join('/')}`,
      `nexthop replace id 6 group ${members.map((hop) => hop.id6).join('/')}`,
      `route replace ${VIP4}/32 nhid 4`,
      `route replace ${VIP6}/128 nhid 6`,
    ]);
  }

  /** Takes a host's link down, as when the host dies; the router then uses the others. */
  async cutLink(of: Host): Promise<void> {
    await ipBatch(this.router, [`link set ${of.routerInterface} down`]);
  }

  async #setSysctls(): Promise<void> {
    const everywhere = [
      'net.ipv6.conf.all.accept_dad=0',
      'net.ipv6.conf.default.accept_dad=0',
      // Replies from the VIP come from the servers, while the route to it leads to the balancers.
      'net.ipv4.conf.all.rp_filter=0',
      'net.ipv4.conf.default.rp_filter=0',
    ];
    const router = [
      'net.ipv4.ip_forward=1',
      'net.ipv6.conf.all.forwarding=1',
      // By 5-tuple, as real routers do: after a change of port another balancer may get the packets.
      'net.ipv4.fib_multipath_hash_policy=1',
      'net.ipv6.fib_multipath_hash_policy=1',
    ];
    const others = ['net.ipv4.ip_forward=0'];
    for (const namespace of this.#namespaces()) {
      const settings = [...everywhere, ...(namespace === this.router ? router : others)];
      await run(inNamespace(namespace, ['sysctl', '-qw', ...settings]));
    }
  }

  async #connectHosts(): Promise<void> {
    const hosts = [...this.balancers, ...this.servers];
    await ipBatch(this.router, [
      'link set lo up',
      ...hosts.flatMap((each) => [
        `link add ${each.routerInterface} address ${mac(each, 1)} mtu ${TUNNEL_MTU} type veth ` +
          `peer name eth0 address ${mac(each, 2)} mtu ${TUNNEL_MTU} netns ${each.namespace}`,
        `addr add ${gateway4(each)}/24 dev ${each.routerInterface}`,
        `addr add ${gateway6(each)}/64 dev ${each.routerInterface} nodad`,
        `link set ${each.routerInterface} up`,
        ...neighbours([each.address4, each.address6], each.routerInterface, mac(each, 2)),
      ]),
    ]);
    for (const each of hosts) {
      await ipBatch(each.namespace, [
        'link set lo up',
        `addr add ${each.address4}/24 dev eth0`,
        `addr add ${each.address6}/64 dev eth0 nodad`,
        'link set eth0 up',
        ...neighbours([gateway4(each), gateway6(each)], 'eth0', mac(each, 1)),
        // With the route's MTU, servers send nothing that is too large for the client's link.
        `route add default via ${gateway4(each)} mtu ${CLIENT_MTU}`,
        `route add ::/0 via ${gateway6(each)} mtu ${CLIENT_MTU}`,
      ]);
    }
  }

  async #connectClient(): Promise<void> {
    const addresses = [...CLIENT_ADDRESSES4, ...CLIENT_ADDRESSES6];
    const routerMac = '02:cd:01:00:00:01';
    const clientMac = '02:cd:01:00:00:02';
    await ipBatch(this.router, [
      `link add c0 address ${routerMac} mtu ${CLIENT_MTU} type veth ` +
        `peer name eth0 address ${clientMac} mtu ${CLIENT_MTU} netns ${this.client}`,
      'addr add 10.1.0.1/24 dev c0',
      'addr add 2001:db8:1::1/64 dev c0 nodad',
      'link set c0 up',
      ...neighbours(addresses, 'c0', clientMac),
    ]);
    await ipBatch(this.client, [
      'link set lo up',
      ...CLIENT_ADDRESSES4.map((address) => `addr add ${address}/24 dev eth0`),
      ...CLIENT_ADDRESSES6.map((address) => `addr add ${address}/64 dev eth0 nodad`),
      'link set eth0 up',
      ...neighbours(['10.1.0.1', '2001:db8:1::1'], 'eth0', routerMac),
      'route add default via 10.1.0.1',
      'route add ::/0 via 2001:db8:1::1',
    ]);
    // With offload the checksum is partial when native XDP encapsulates the packet, and nothing
    // completes it afterwards: the server would drop every packet in silence.
    await run(inNamespace(this.client, ['ethtool', '-K', 'eth0', 'tx', 'off']));
  }

  async #configureServers(): Promise<void> {
    for (const server of this.servers) {
      await ipBatch(server.namespace, [
        `addr add ${VIP4}/32 dev lo`,
        `addr add ${VIP6}/128 dev lo nodad`,
      ]);
    }
  }

  /** veth gives a frame that XDP transmits to the peer only if the peer runs native XDP too. */
  async #attachPass(object: string): Promise<void> {
    await ipBatch(
      this.router,
      this.balancers.map(
        (each) => `link set dev ${each.routerInterface} xdpdrv obj ${object} sec xdp`,
      ),
    );
  }

  #namespaces(): string[] {
    const hosts = [...this.balancers, ...this.servers];
    return [this.client, this.router, ...hosts.map((each) => each.namespace)];
  }
}

function host(scope: Scope, kind: 'lb' | 's', net: number, index: number): Host {
  const name = `${kind}${index}`;
  return {
    namespace: `${scope.name}-${name}`,
    name,
    address4: `10.${net}.${index}.2`,
    address6: `2001:db8:${net}:${index}::2`,
    routerInterface: name,
  };
}

function gateway4(of: Host): string {
  return of.address4.replace(/2$/, '1');
}

function gateway6(of: Host): string {
  return of.address6.replace(/2$/, '1');
}

/** @param side 1 for the router's end, 2 for the host's */
function mac(of: Host, side: 1 | 2): string {
  const [, net, index] = of.address4.split('.').map(Number);
  return ['02', 'cd', hex(net ?? 0), hex(index ?? 0), '00', hex(side)].join(':');
}

function hex(octet: number): string {
  return octet.toString(16).padStart(2, '0');
}

/** Makes permanent neighbours, because IPv6 discovery can fail for a second after the setup. */
function neighbours(addresses: readonly string[], device: string, lladdr: string): string[] {
  return addresses.map(
    (address) => `neigh replace ${address} dev ${device} lladdr ${lladdr} nud permanent`,
  );
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
