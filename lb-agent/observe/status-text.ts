// SPDX-License-Identifier: Apache-2.0
import type { ReasonCounters } from '../../bpf/tables/index.js';
import type { Status } from './status.js';

/** `lb-agent status` for people. */
export function statusText(status: Status): string {
  const { ifindex, mode, programId, revision, sampleEvery } = status;
  const where =
    ifindex === 0
      ? 'no interface: it was detached, or its interface is gone'
      : (status.interface ?? `interface ${ifindex}`);
  const parts = [
    `program ${programId} on ${where}${mode === null ? '' : ` (${mode})`}, revision ${revision ?? 'unknown'}${sampleEvery === 0 ? '' : `, one packet in ${sampleEvery} sampled`}`,
    ...revisions(status),
    section(
      'VIPS',
      ['POOL', 'VIP', 'QUIC'],
      status.vips.map(({ pool, address, port, protocol, quic }) => [
        pool,
        vipText(address, port, protocol),
        quic ? 'yes' : 'no',
      ]),
    ),
    section(
      'SERVERS',
      ['POOL', 'NAME', 'ADDRESS', 'ENCAP', 'STATE', 'WEIGHT', 'IDS', 'PACKETS', 'OCTETS'],
      status.servers.map((server) => [
        server.pool,
        server.name,
        server.address,
        server.encapsulation,
        server.state,
        server.weight ?? '?',
        server.serverIds,
        server.packets,
        server.octets,
      ]),
    ),
    ...unreachable(status),
    ...unhealthy(status),
    ...narrow(status),
    section(
      'CONFIGS',
      ['POOL', 'ID', 'ALGORITHM', 'STATE', 'IDS'],
      status.configs.map(({ pool, id, algorithm, state, serverIds }) => [
        pool,
        id,
        algorithm ?? '?',
        state ?? '?',
        serverIds,
      ]),
    ),
    section(
      'COUNTERS',
      ['OF', 'REASON', 'PACKETS', 'OCTETS'],
      [
        ...status.vips.flatMap(({ address, port, protocol, counters }) =>
          counterRows(vipText(address, port, protocol), counters),
        ),
        ...counterRows('no VIP', status.other),
      ],
    ),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** As `cidctl validate` and `cid-sidecar status` print them. */
function revisions({ revisionParts }: Status): string[] {
  if (revisionParts === null) return [];
  const { document, pools } = revisionParts;
  const rows = pools.map(({ name, cids, resetTokens }) => [name, cids, resetTokens]);
  const title = `REVISIONS (of the document alone ${document})`;
  return [section(title, ['POOL', 'WITH CID KEYS', 'WITH RESET KEYS'], rows)];
}

/** Only where there is something to say. */
function unreachable({ servers }: Status): string[] {
  const rows = servers.flatMap(({ name, unreachable: reason }) =>
    reason === null ? [] : [[name, reason]],
  );
  return rows.length === 0 ? [] : [section('UNREACHABLE', ['NAME', 'WHY'], rows)];
}

/** Only where there is something to say. */
function unhealthy({ unhealthy: servers, suspectChecks }: Status): string[] {
  const rows = servers.map(({ pool, server, standing, out, reason, since }) => [
    ...[pool, server, standing, out ? 'none' : 'yes'],
    ...[new Date(since).toISOString(), reason ?? ''],
  ]);
  const suspect = Object.entries(suspectChecks);
  const heads = ['POOL', 'NAME', 'CHECK', 'NEW FLOWS', 'SINCE', 'WHY'];
  return [
    ...(rows.length === 0 ? [] : [section('UNHEALTHY', heads, rows)]),
    ...(suspect.length === 0 ? [] : [section('SUSPECT CHECKS', ['POOL', 'WHY'], suspect)]),
  ];
}

/** Only where there is something to say. */
function narrow({ servers }: Status): string[] {
  const rows = servers.flatMap(({ name, narrow: found }) =>
    found === null ? [] : [[name, found.mtu, found.sent, found.packets, `${found.age} s ago`]],
  );
  const heads = ['NAME', 'FITS', 'SENT', 'ERRORS', 'LAST'];
  return rows.length === 0 ? [] : [section('TUNNELS THAT DO NOT FIT', heads, rows)];
}

export function vipText(address: string, port: number, protocol: string): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return `${protocol} ${host}:${port === 0 ? '*' : port}`;
}

function counterRows(of: string, counters: ReasonCounters): (string | number)[][] {
  return Object.entries(counters).map(([reason, { packets, octets }]) => [
    of,
    reason,
    packets,
    octets,
  ]);
}

function section(title: string, heads: string[], rows: (string | number)[][]): string {
  if (rows.length === 0) return `${title}\n  none`;
  const table = [heads, ...rows.map((row) => row.map(String))];
  const widths = heads.map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  const lines = table.map((row) => {
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    return `  ${cells.join('  ').trimEnd()}`;
  });
  return [title, ...lines].join('\n');
}
