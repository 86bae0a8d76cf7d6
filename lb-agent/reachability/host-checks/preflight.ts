// SPDX-License-Identifier: Apache-2.0
import { familyOf } from '../../../core/index.js';
import type { Finding, Severity } from './finding.js';

/** What a host says of itself; undefined is what it does not tell. */
export interface HostFacts {
  readonly interface: string;
  readonly native: boolean;
  /** The release of Linux, and what the programs need and it lacks. */
  readonly release: string;
  readonly missing: readonly string[];
  /** Of the needed ones, by their names. */
  readonly missingCapabilities: readonly string[];
  readonly bpffsMounted: boolean;
  /** Octets of memory that this process and its tables may use; undefined where there is no limit. */
  readonly memoryLimit: number | undefined;
  /** Octets of RLIMIT_MEMLOCK; undefined where there is no limit. */
  readonly memlock: number | undefined;
  readonly jit: boolean | undefined;
  /** Programs that are missing. */
  readonly missingPrograms: readonly string[];
  readonly cpus: number;
  /** Undefined where there is no such interface. */
  readonly link:
    | {
        readonly up: boolean;
        readonly mtu: number | undefined;
        readonly driver: string | undefined;
        readonly rxQueues: number | undefined;
        readonly mostQueues: number | undefined;
        readonly lro: boolean | undefined;
        readonly gro: boolean | undefined;
        /** XDP programs that are not this agent's. */
        readonly others: readonly { readonly id: number; readonly name: string }[];
      }
    | undefined;
  /** By VIP: `local`, `blackhole`, or undefined for what is routed elsewhere. */
  readonly vips: ReadonlyMap<string, string | undefined>;
  readonly rpFilter: 'off' | 'loose' | 'strict' | undefined;
  readonly acceptLocal: boolean | undefined;
}

/** Drivers of Linux 6.1 that run XDP natively, as far as their sources say. */
const NATIVE = new Set(
  'ena ixgbe ixgbevf i40e ice igb igc mlx4_en mlx5_core bnxt_en virtio_net veth tun nfp qede sfc nicvf mvneta mvpp2 stmmac st_gmac cpsw fsl_dpaa2_eth fsl_enetc fsl_dpa gve hv_netvsc mana tsnep netsec bonding fec atlantic netdevsim ionic funeth'.split(
    ' ',
  ),
);

/** Octets: the longest tunnel header, from IPv6 to IPv6 with GUE. */
const TUNNEL = 48;
/** Octets that Ethernet carries by default, and so what clients send at most. */
const CLIENT_MTU = 1500;
/** Octets of an IPv6 packet that every link must take (RFC 8200 section 5), and a tunnel. */
const LEAST_MTU = 1280 + TUNNEL;
/** Octets that fit a page with the headroom of XDP; most drivers take no more in native mode. */
const NATIVE_MTU = 3498;
/** Octets: a table of a million IDs with its flows, and the agent itself. */
const MEMORY = 256 << 20;

/** What of the host is in the way of a balancer, the worst first. */
export function preflight(facts: HostFacts): Finding[] {
  const found = [...kernelFindings(facts), ...linkFindings(facts), ...answerFindings(facts)];
  const order: readonly Severity[] = ['error', 'warning', 'note'];
  return found.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

function kernelFindings(facts: HostFacts): Finding[] {
  const found: Finding[] = [];
  const add = (check: string, severity: Severity, sentence: string, remedy?: string) =>
    found.push({ check, severity, sentence, ...(remedy === undefined ? {} : { remedy }) });
  const { release, missing, missingCapabilities, missingPrograms, memoryLimit, memlock } = facts;
  if (missing.length > 0) {
    const sentence = `Linux ${release} lacks ${missing.join(', ')}`;
    add('kernel', 'error', sentence, 'install Linux 5.15 or later');
  } else if (!isSince(release, 5, 15)) {
    const sentence = `Linux ${release} is older than 5.15, with which this was tested`;
    add('kernel', 'warning', sentence, 'install Linux 5.15 or later');
  }
  if (missingCapabilities.length > 0) {
    const sentence = `this process has no ${missingCapabilities.join(', ')}`;
    const remedy = `run as root, or AmbientCapabilities=${missingCapabilities.join(' ')} in the unit`;
    add('capabilities', 'error', sentence, remedy);
  }
  for (const program of missingPrograms) {
    const packages = program === 'ip' ? 'iproute2' : 'util-linux';
    add('programs', 'error', `${program} is not installed`, `apt-get install ${packages}`);
  }
  if (!facts.bpffsMounted) {
    const sentence = 'bpffs is not mounted on /sys/fs/bpf; an agent that may mounts it itself';
    add('bpffs', 'warning', sentence, 'mount -t bpf bpf /sys/fs/bpf');
  }
  if (facts.jit === false) {
    const sentence = 'BPF programs are interpreted, which costs several times as much a packet';
    add('jit', 'warning', sentence, 'sysctl -w net.core.bpf_jit_enable=1');
  }
  // Since Linux 5.11 tables count as memory of the control group, and not as locked memory.
  if (!isSince(release, 5, 11) && memlock !== undefined && memlock < MEMORY) {
    const sentence = `${memlock} octets may be locked, and tables need more`;
    add('memlock', 'error', sentence, 'LimitMEMLOCK=infinity in the unit, or ulimit -l unlimited');
  }
  if (memoryLimit !== undefined && memoryLimit < MEMORY) {
    const sentence = `the control group of this process may use ${memoryLimit} octets; large tables with their flows need ${MEMORY}`;
    add('memory', 'warning', sentence, `MemoryMax=${MEMORY >> 20}M in the unit, or more`);
  }
  return found;
}

function linkFindings({ interface: name, native, cpus, link }: HostFacts): Finding[] {
  const found: Finding[] = [];
  const add = (check: string, severity: Severity, sentence: string, remedy?: string) =>
    found.push({ check, severity, sentence, ...(remedy === undefined ? {} : { remedy }) });
  if (link === undefined) {
    add('interface', 'error', `there is no interface ${name} here`, 'ip link');
    return found;
  }
  const { up, mtu, driver, rxQueues, mostQueues, lro, others } = link;
  if (!up) add('interface', 'warning', `${name} is down`, `ip link set dev ${name} up`);
  for (const { id, name: program } of others) {
    const sentence = `${name} has an XDP program of somebody else: "${program}", ID ${id}`;
    add('other-program', 'error', sentence, `ip link set dev ${name} xdp off`);
  }
  if (native && driver !== undefined && !NATIVE.has(driver)) {
    const sentence = `the driver ${driver} is not known to run XDP natively`;
    add('driver', 'warning', sentence, 'lb-agent run --mode generic, if it is refused');
  }
  if (mtu !== undefined && mtu < LEAST_MTU) {
    const sentence = `the MTU of ${name}, ${mtu}, is too small for tunnels of IPv6 packets of 1280 octets, of which no sender can be told`;
    add('mtu', 'warning', sentence, `ip link set dev ${name} mtu ${CLIENT_MTU + 100}`);
  } else if (mtu !== undefined && mtu < CLIENT_MTU + TUNNEL) {
    const sentence = `the MTU of ${name}, ${mtu}, does not carry packets of ${CLIENT_MTU} octets in a tunnel: their senders are told, and TCP should announce a smaller MSS`;
    add('mtu', 'note', sentence, `ip link set dev ${name} mtu ${CLIENT_MTU + 100}`);
  }
  if (native && mtu !== undefined && mtu > NATIVE_MTU) {
    const sentence = `the MTU of ${name}, ${mtu}, is more than most drivers take in native mode`;
    add('mtu', 'warning', sentence, `ip link set dev ${name} mtu ${NATIVE_MTU}`);
  }
  if (native && lro === true) {
    const sentence = `LRO is on: many drivers refuse native XDP with it, and packets that it joined fit no tunnel`;
    add('offloads', 'warning', sentence, `ethtool -K ${name} lro off`);
  }
  // These drivers give XDP transmit queues of their own beside those of the stack.
  const spares = driver === 'ena' || driver === 'virtio_net';
  if (native && spares && rxQueues !== undefined && mostQueues !== undefined) {
    const least = driver === 'ena' ? rxQueues * 2 : rxQueues + cpus;
    if (mostQueues > 0 && mostQueues < least) {
      const few = Math.max(driver === 'ena' ? Math.floor(mostQueues / 2) : mostQueues - cpus, 1);
      const sentence = `${name} uses ${rxQueues} of ${mostQueues} queues: ${driver} has none left for what XDP sends, and refuses the program or shares a slow one`;
      add('queues', 'warning', sentence, `ethtool -L ${name} combined ${few}`);
    }
  }
  if (rxQueues === 1 && cpus > 1) {
    const many = Math.min(cpus, mostQueues ?? 1);
    const remedy = many > 1 ? `ethtool -L ${name} combined ${many}` : undefined;
    add('queues', 'note', `${name} has one queue: one of ${cpus} CPUs does all the work`, remedy);
  }
  return found;
}

/** What eats answers from VIPs to this host, such as those to health checks. */
function answerFindings({ interface: name, vips, rpFilter, acceptLocal }: HostFacts): Finding[] {
  const found: Finding[] = [];
  const four = [...vips].filter(([vip]) => familyOf(vip) === 4);
  const local = four.find(([, type]) => type === 'local')?.[0];
  const blackhole = four.find(([, type]) => type === 'blackhole')?.[0];
  if (local !== undefined && (acceptLocal === false || rpFilter === 'strict')) {
    found.push({
      check: 'answers',
      severity: 'warning',
      sentence: `${local} is an address of this host, which drops answers from it, such as those to health checks`,
      remedy: `sysctl -w net.ipv4.conf.${name}.accept_local=1 net.ipv4.conf.${name}.rp_filter=0`,
    });
  }
  if (blackhole !== undefined && rpFilter !== undefined && rpFilter !== 'off') {
    found.push({
      check: 'answers',
      severity: 'warning',
      sentence: `${blackhole} is a blackhole here: with rp_filter this host drops answers from it, such as those to health checks`,
      remedy: `sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.${name}.rp_filter=0`,
    });
  }
  return found;
}

function isSince(release: string, major: number, minor: number): boolean {
  const [, a = '0', b = '0'] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return Number(a) > major || (Number(a) === major && Number(b) >= minor);
}
