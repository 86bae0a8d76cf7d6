// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { createCodec } from '../cid/index.js';
import { Agent } from '../lb-agent/agent.js';
import { PinFolder } from '../lb-agent/installation/pins.js';
import { hostInterface } from '../lb-agent/reachability/next-hops/host-interface.js';
import type { Goal } from '../lb-agent/reconcile/goal.js';
import { REPLY } from '../lb-agent/reconcile/next-hop.js';
import { type DesiredState, type Server, unpackIds } from '../registry/index.js';
import type { AgentRow } from './agent.js';
import { benchHealthProbes } from './health-probes.js';

const IDS = 1_000_000;
const SERVERS = 1_000;
const CHANGED = 1_000;
const CHANGES = 11;

/** benchAgent runs this program with a pin folder and a state file as arguments. */
const [pinFolder = '', stateFile = ''] = process.argv.slice(2);

const codec = createCodec({
  scheme: 'quic-lb',
  configId: 0,
  serverIdLength: 3,
  nonceLength: 4,
  serverUseLength: 0,
  lengthSelfEncoded: true,
  key: null,
});

/** IDs 0 to 999,999. In `moved` blocks of them the next server is the owner. */
function stateOf(revision: number): DesiredState {
  const lists = Array.from({ length: SERVERS }, (): number[] => []);
  for (let id = 0; id < IDS; id++) {
    const home = Math.floor(id / (IDS / SERVERS));
    const moves = revision % 2 === 1 && id % (IDS / CHANGED) === revision;
    lists[(home + (moves ? 1 : 0)) % SERVERS]?.push(id);
  }
  const servers = lists.map((ids, index): Server => {
    // One buffer for each server, as the registry makes them.
    const octets = Buffer.alloc(3 * ids.length);
    for (const [i, id] of ids.entries()) octets.writeUIntBE(id, 3 * i, 3);
    return {
      name: `s${index}`,
      address: `10.${index >> 8}.${index & 255}.1`,
      serverIds: new Map([[0, unpackIds(octets, 3)]]),
      weight: 100,
      state: 'active',
      encapsulation: 'ipip',
    };
  });
  return {
    revision: String(revision),
    pools: [
      {
        name: 'web',
        vips: [{ address: '198.51.100.10', port: 443, protocol: 'udp', quic: true }],
        configs: [{ id: 0, codec, state: 'minting', resetKey: null }],
        servers,
      },
    ],
  };
}

function goalOf(desired: DesiredState): Goal {
  return { desired, verdicts: new Map(), nextHop: () => REPLY };
}

const rows: AgentRow[] = [];
const states = Array.from({ length: CHANGES + 1 }, (_, revision) => stateOf(revision));
const [first, ...later] = states;
if (first === undefined) throw new Error('no state to start from');

let started = performance.now();
const agent = await Agent.start(
  {
    interface: hostInterface('eth0'),
    mode: 'native',
    pins: new PinFolder(pinFolder),
    stateFile,
    settings: {},
    sources: { source4: '192.0.2.1', source6: null },
    check: () => {},
    flowsPerCpu: 2 ** 14,
    cooldownMs: 120_000,
    log: pino({ level: 'silent' }),
  },
  goalOf(first),
);
rows.push({ case: 'agent: 1M IDs cold', milliseconds: performance.now() - started });

const times: number[] = [];
for (const state of later) {
  started = performance.now();
  await agent.reconcile(goalOf(state));
  times.push(performance.now() - started);
}
times.sort((a, b) => a - b);
rows.push({ case: 'agent: a 1k change', milliseconds: times[times.length >> 1] ?? Number.NaN });
agent.close();
const { cpu, perSecond } = await benchHealthProbes();
rows.push({
  case: `agent: CPU of a second of health checks, ${Math.round(perSecond)} probes`,
  milliseconds: cpu,
});
process.stdout.write(`${JSON.stringify(rows)}\n`);
