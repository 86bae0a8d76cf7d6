// SPDX-License-Identifier: Apache-2.0
/**
 * Runs a pinned balancer on one packet again and again until standard input ends. Prints how
 * many runs there were, and how many did not go to the expected server. It is a process of its
 * own, because a run blocks the thread: node --import tsx traffic.ts FOLDER FRAME OUTER
 */
import type { BpfProgram } from '../../binding/index.js';
import { Balancer } from '../balancer.js';

const [folder, frame, outer] = process.argv.slice(2);
if (folder === undefined || frame === undefined || outer === undefined) process.exit(2);

const XDP_TX = 3;
const balancer = Balancer.openPinned(folder);
const program: BpfProgram = balancer.program;
const data = Buffer.from(frame, 'hex');
const destination = Buffer.from(outer, 'hex');
/** Offset of the destination of an outer IPv4 header that follows an Ethernet header. */
const DESTINATION = 14 + 16;

let stop = false;
process.stdin.on('end', () => {
  stop = true;
});
process.stdin.resume();

let runs = 0;
let wrong = 0;
function batch(): void {
  for (let i = 0; i < 500; i++) {
    const result = program.testRun({ data });
    const found = result.data.subarray(DESTINATION, DESTINATION + 4);
    runs++;
    if (result.retval !== XDP_TX || Buffer.compare(found, destination) !== 0) wrong++;
  }
  if (stop) process.stdout.write(JSON.stringify({ runs, wrong }));
  else setImmediate(batch);
}
process.stdout.write('\n');
batch();
