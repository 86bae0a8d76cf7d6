// SPDX-License-Identifier: Apache-2.0
import { isIPv6 } from 'node:net';
import type { Balancer, PacketEvent, Reason } from '../../bpf/tables/index.js';
import { toHex } from '../../core/index.js';
import type { AgentRecord } from '../reconcile/record.js';
import { vipText } from './status-text.js';

/** What the numbers in events stand for at one moment. */
export interface EventNames {
  /** By row. */
  readonly vips: ReadonlyMap<number, EventVip>;
  /** By index of the real. */
  readonly servers: ReadonlyMap<number, { readonly name: string; readonly address: string }>;
}

export interface EventVip {
  readonly address: string;
  readonly port: number;
  readonly protocol: string;
  readonly pool: string;
  /** Octets of every CID that the pool's servers issue, where that is known. */
  readonly cidLength: number | undefined;
}

/** A sampled packet in words; `lb-agent events --json` prints it as it is. */
export interface NamedEvent {
  /** ISO 8601. */
  readonly time: string;
  readonly protocol: string;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  /** Hex; null where the packet has none, or none was looked for. */
  readonly cid: string | null;
  readonly reason: Reason | number;
  readonly remark: Reason | number | null;
  readonly vip: string | null;
  readonly pool: string | null;
  readonly server: string | null;
  readonly serverAddress: string | null;
  readonly octets: number;
}

const PROTOCOLS: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp' };

/** Octets of the longest CID (RFC 9000, section 17.2). More than this is what follows a short header. */
const LONGEST_CID = 20;

/** @param record without it, indices stand in the place of names */
export function eventNames(balancer: Balancer, record: AgentRecord | undefined): EventNames {
  const pools = new Map(record?.pools.map(({ name, index }) => [index, name]));
  // Quarantined configs may have CIDs of other lengths; all others of a pool have one.
  const lengths = new Map(
    record?.configs
      .filter(({ state }) => state !== 'quarantined')
      .map(({ pool, cidLength }) => [pool, cidLength]),
  );
  const names = new Map(record?.servers.map(({ real, name }) => [real, name]));
  return {
    vips: new Map(
      balancer.vips().map(({ vip, address, port, protocol, pool: index }) => {
        const pool = pools.get(index) ?? `pool ${index}`;
        return [vip, { address, port, protocol, pool, cidLength: lengths.get(pool) }];
      }),
    ),
    servers: new Map(
      balancer.reals().map(({ index, address }) => {
        const name = names.get(index) ?? `real ${index}`;
        return [index, { name, address }];
      }),
    ),
  };
}

/** @param now the same moment by two clocks: milliseconds since the epoch, CLOCK_MONOTONIC */
export function nameEvent(
  event: PacketEvent,
  names: EventNames,
  now: { wallMs: number; monotonicNs: bigint },
): NamedEvent {
  const ago = Number((now.monotonicNs - event.timestamp) / 1_000_000n);
  const vip = names.vips.get(event.vip);
  const server = names.servers.get(event.real);
  return {
    time: new Date(now.wallMs - ago).toISOString(),
    protocol: PROTOCOLS[event.protocol] ?? String(event.protocol),
    source: event.source,
    sourcePort: event.sourcePort,
    destination: event.destination,
    destinationPort: event.destinationPort,
    cid: cidText(event, vip?.cidLength),
    reason: event.reason,
    remark: event.remark,
    vip: vip === undefined ? null : vipText(vip.address, vip.port, vip.protocol),
    pool: vip?.pool ?? null,
    server: event.real === 0 ? null : (server?.name ?? `real ${event.real}`),
    serverAddress: server?.address || null,
    octets: event.octets,
  };
}

/** A short header does not say how long its CID is, so the length of the pool's CIDs decides. */
function cidText({ cid, cidLength }: PacketEvent, ofPool: number | undefined): string | null {
  if (cid.length === 0) return null;
  return toHex(cidLength > LONGEST_CID ? cid.subarray(0, ofPool ?? LONGEST_CID) : cid);
}

/** One line: always the same fields in the same order, `-` for one that the event does not have. */
export function eventLine(event: NamedEvent): string {
  const { time, protocol, cid, reason, remark, vip, server, serverAddress, octets } = event;
  const end = (address: string, port: number) =>
    `${isIPv6(address) ? `[${address}]` : address}:${port}`;
  const from = end(event.source, event.sourcePort);
  const to = end(event.destination, event.destinationPort);
  const name = server === null || serverAddress === null ? server : `${server}(${serverAddress})`;
  const fields = { cid, reason, remark, server: name, vip: vip?.replace(' ', '/'), octets };
  const told = Object.entries(fields).map(([field, value]) => `${field}=${value ?? '-'}`);
  return `${time} ${protocol} ${from} > ${to} ${told.join(' ')}`;
}

/** Which events to print; what is left out matches everything. */
export interface EventFilter {
  /** Outcome or remark. */
  readonly reason?: Reason | undefined;
  /** `port` undefined: every VIP of the address. */
  readonly vip?: { readonly address: string; readonly port: number | undefined } | undefined;
}

export function matches(event: PacketEvent, names: EventNames, filter: EventFilter): boolean {
  const { reason, vip } = filter;
  if (reason !== undefined && event.reason !== reason && event.remark !== reason) return false;
  if (vip === undefined) return true;
  const of = names.vips.get(event.vip);
  return of?.address === vip.address && (vip.port === undefined || of.port === vip.port);
}
