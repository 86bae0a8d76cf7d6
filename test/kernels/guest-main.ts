// SPDX-License-Identifier: Apache-2.0
/**
 * Runs in the virtual machine of another kernel. Checks that both programs load, that the balancer
 * agrees with the model on random packets, that events arrive in the ring buffer, and that a link
 * attaches and is found by its pin. Writes one line of JSON.
 */
import { rmSync } from 'node:fs';
import { release } from 'node:os';
import { BpfLink, BpfObject, ifindex, objectPath } from '../../bpf/binding/index.js';
import { Balancer } from '../../bpf/tables/index.js';
import { describeError } from '../../core/index.js';
import { pinToOneCpu } from '../fuzz/pin.js';
import { fuzz, report } from '../fuzz/run.js';
import { CAPACITY } from '../fuzz/setup.js';

/** What was found under a kernel. */
export interface KernelReport {
  readonly release: string;
  readonly programs: readonly {
    readonly name: string;
    readonly verifiedInstructions: number;
    readonly jitedOctets: number;
  }[];
  readonly packets: number;
  /** The first difference from the model; undefined if there was none. */
  readonly mismatch?: string;
  readonly attached: boolean;
}

const LINK = '/sys/fs/bpf/kernels-link';

async function main(packets: number, seed: number): Promise<KernelReport> {
  const programs = [];
  for (const name of ['balancer', 'decap']) {
    const object = await BpfObject.load(objectPath(name), { programs: [name] });
    const { verifiedInstructions, jitedOctets } = object.program(name).info;
    programs.push({ name, verifiedInstructions, jitedOctets });
    object.close();
  }
  pinToOneCpu();
  const { finding } = await fuzz({ seed, packets, packetsPerSetup: Math.ceil(packets / 4) });
  return {
    release: release(),
    programs,
    packets,
    ...(finding === undefined ? {} : { mismatch: report(finding) }),
    attached: await attaches(),
  };
}

async function attaches(): Promise<boolean> {
  const lo = ifindex('lo');
  const balancer = await Balancer.load({ ...CAPACITY, flowsPerCpu: 1024 });
  try {
    const link = balancer.attach(lo, 'generic');
    link.pin(LINK);
    // An upgrade under traffic replaces the program in a link.
    link.update(balancer.program);
    link.close();
    const pinned = BpfLink.openPinned(LINK);
    const attached = pinned.info().ifindex === lo;
    rmSync(LINK);
    pinned.close();
    return attached;
  } finally {
    balancer.close();
  }
}

const [packets = '4000', seed = '1'] = process.argv.slice(2);
main(Number(packets), Number(seed)).then(
  (result) => process.stdout.write(`${JSON.stringify(result)}\n`),
  (error: unknown) => {
    process.stdout.write(`${describeError(error)}\n`);
    process.exitCode = 1;
  },
);
