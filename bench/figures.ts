// SPDX-License-Identifier: Apache-2.0
import { Balancer, type BalancerCapacity, ringSize, serverIdRowsFor } from '../bpf/tables/index.js';
import { mapMemory } from '../test/system/map-memory.js';
import type { Figure } from './report.js';

const MEGABYTE = 1e6;
const MEMORY_TARGET_MB = 16;

/** What the verifier and the JIT say of the program. */
export function programFigures(balancer: Balancer): Figure[] {
  const { verifiedInstructions, translatedOctets, jitedOctets } = balancer.program.info;
  const figure = (name: string, value: number, unit: string): Figure => ({
    case: name,
    target: null,
    value: `${value} ${unit}`,
    met: undefined,
    json: { [unit]: value },
  });
  return [
    figure('program: verifier steps', verifiedInstructions, 'instructions'),
    figure('program: size in the kernel', translatedOctets / 8, 'instructions'),
    figure('program: machine code', jitedOctets, 'octets'),
  ];
}

/** The capacity of a small deployment: 10 VIPs of one pool, and 1000 servers with an ID each. */
function smallCapacity(): BalancerCapacity {
  return {
    vips: 10,
    pools: 1,
    configs: 8,
    reals: 1024,
    serverIdRows: serverIdRowsFor(1024, 3),
    ringEntries: ringSize(1024) + 1,
    flowsPerCpu: 65536,
    eventsOctets: 65536,
  };
}

/** Memory of all maps, as the kernel accounts for it. */
export async function memoryFigure(): Promise<Figure> {
  const before = new Set(mapMemory().keys());
  const balancer = await Balancer.load(smallCapacity());
  try {
    const octets = [...mapMemory()]
      .filter(([id]) => !before.has(id))
      .reduce((sum, [, size]) => sum + size, 0);
    const megabytes = octets / MEGABYTE;
    return {
      case: 'map memory, 1k IDs, 10 VIPs',
      target: `<= ${MEMORY_TARGET_MB} MB`,
      value: `${megabytes.toFixed(1)} MB`,
      met: megabytes <= MEMORY_TARGET_MB,
      json: { megabytes },
    };
  } finally {
    balancer.close();
  }
}
