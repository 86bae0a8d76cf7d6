// SPDX-License-Identifier: Apache-2.0
import { availableParallelism, loadavg } from 'node:os';
import { benchAgent } from './agent.js';
import { benchClients, type ClientRow } from './clients.js';
import { benchFleet } from './fleet/fleet.js';
import type { FleetFailure, FleetRow } from './fleet/row.js';
import { benchFlood, type FloodRow } from './flood.js';
import { benchIssue } from './issue.js';
import { benchMint } from './mint.js';
import type { Figure } from './report.js';
import { benchVeth, type VethRow } from './veth.js';

export interface Suite {
  readonly title: string;
  run(): Promise<readonly Figure[]>;
}

/** Least rate by case. A case without one is for information. */
const LEAST_PER_SECOND: ReadonlyMap<string, number> = new Map([
  ['mint plaintext, 8 octets', 8e6],
  ['mint four-pass with token, 8 octets', 2.5e6],
  ['CIDs over gRPC, four pass with token', 2e6],
]);

function rate(row: { readonly case: string; readonly perSecond: number }): Figure {
  const least = LEAST_PER_SECOND.get(row.case);
  return {
    case: row.case,
    target: least === undefined ? null : `>= ${millions(least)}`,
    value: millions(row.perSecond),
    met: least === undefined ? undefined : row.perSecond >= least,
    json: { perSecond: row.perSecond },
  };
}

function millions(perSecond: number): string {
  return `${(perSecond / 1e6).toFixed(2)} M/s`;
}

/** Most milliseconds by case. */
const MOST_MILLISECONDS: ReadonlyMap<string, number> = new Map([
  ['agent: 1M IDs cold', 3000],
  ['agent: a 1k change', 20],
]);

function duration(row: { readonly case: string; readonly milliseconds: number }): Figure {
  const most = MOST_MILLISECONDS.get(row.case);
  return {
    case: row.case,
    target: most === undefined ? null : `<= ${most} ms`,
    value: `${row.milliseconds.toFixed(1)} ms`,
    met: most === undefined ? undefined : row.milliseconds <= most,
    json: { milliseconds: row.milliseconds },
  };
}

/** The most of a row of a fleet; the other rows are for information. */
const MOST_OF_FLEET: ReadonlyMap<string, number> = new Map([
  ['change to all 50 agents, p99', 250],
  ['change to the kernel, 50 agents, p99', 250],
  ['200 sidecars register at once', 5_000],
  ['IDs that two of them have', 0],
  ['1M IDs from etcd to the kernel, from the start of the agent', 3_000],
]);

const COUNTED: ReadonlySet<FleetRow['unit']> = new Set(['octets', 'keys', 'IDs']);
/** The share of the CPUs that others may take where a time is that of a quiet machine. */
const QUIET = 0.1;

function fleet({ case: name, value, unit, others = 0 }: FleetRow): Figure {
  const most = MOST_OF_FLEET.get(name);
  const text = `${value.toFixed(COUNTED.has(unit) ? 0 : 1)} ${unit}`;
  const busy = `, machine not quiet: ${(100 * others).toFixed(0)} % went to others`;
  return {
    case: name,
    target: most === undefined ? null : `<= ${most} ${unit}`,
    value: others > QUIET ? `${text}${busy}` : text,
    met: most === undefined ? undefined : value <= most,
    json: { value, ...(others > 0 && { others }) },
  };
}

async function benchFleetFigures(): Promise<Figure[]> {
  const { rows, failures } = await benchFleet();
  return [...rows.map(fleet), ...failures.map(unended)];
}

function unended({ part, reason }: FleetFailure): Figure {
  const [line = ''] = reason.split('\n');
  return { case: part, target: 'comes to its end', value: line, met: false, json: {} };
}

/** A row that lost a packet or sent one to a wrong server has failed, at any speed. */
function throughput(row: VethRow): Figure {
  const { perSecond, packets, lost, astray } = row;
  return {
    case: row.case,
    target: 'none lost or astray',
    value: `${millions(perSecond)}, ${lost} lost, ${astray} astray of ${millions(packets).replace('/s', '')}`,
    met: lost === 0 && astray === 0,
    json: { perSecond, packets, lost, astray },
  };
}

/** A row in which others lost a packet to the flood has failed, whatever the flood costs. */
function flood(row: FloodRow): Figure {
  const { netNs, packets, legitimate, lost } = row;
  return {
    case: row.case,
    target: 'no other packet lost',
    value: `${netNs} ns a packet, ${lost} of ${legitimate} others lost`,
    met: lost === 0,
    json: { netNs, packets, legitimate, lost },
  };
}

function client({ language, figures }: ClientRow): Figure {
  const name = `client in ${language}`;
  const least = { case: name, target: null, met: undefined };
  if (figures === undefined) {
    const value = `not built: npm run test:clients -- --only ${language}`;
    return { ...least, value, json: {} };
  }
  const { take_ns, cids_per_second, memory_octets, threads } = figures;
  const memory = `${(memory_octets / 1e6).toFixed(1)} MB`;
  return {
    ...least,
    value: `take ${take_ns.toFixed(0)} ns, ${millions(cids_per_second)}, ${memory}, ${threads} threads`,
    json: {
      takeNs: take_ns,
      perSecond: cids_per_second,
      memoryOctets: memory_octets,
      threads,
    },
  };
}

/** With the load, since what a client costs is measured in time. */
async function benchClientFigures(): Promise<Figure[]> {
  const [load = 0] = loadavg();
  const cores = availableParallelism();
  const machine: Figure = {
    case: 'load of the machine before',
    target: null,
    value: `${load.toFixed(1)} on ${cores} cores`,
    met: undefined,
    json: { load, cores },
  };
  return [machine, ...(await benchClients()).map(client)];
}

/** The suites beside the packet rows, by the name that --only takes. */
export const OTHER_SUITES: Readonly<Record<string, Suite>> = {
  veth: { title: 'frames over veth', run: async () => (await benchVeth()).map(throughput) },
  flood: { title: 'floods', run: async () => (await benchFlood()).map(flood) },
  mint: { title: 'minting, one core', run: async () => benchMint().map(rate) },
  agent: { title: 'the agent', run: async () => (await benchAgent()).map(duration) },
  fleet: { title: 'a fleet on etcd', run: benchFleetFigures },
  clients: { title: 'clients', run: benchClientFigures },
  issue: { title: 'issuing over a unix socket', run: async () => (await benchIssue()).map(rate) },
};
