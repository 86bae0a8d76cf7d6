// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BpfObject, type BpfProgram, objectPath } from '../../bpf/binding/index.js';
import { configure } from '../../sidecar/host/decapsulation.js';
import { ethernet, filler, ipv4, udp } from '../packets/build.js';

const PASS = 2;
const DROP = 1;

let object: BpfObject;
let program: BpfProgram;
beforeEach(async () => {
  object = await BpfObject.load(objectPath('decap'));
  program = object.program('decap');
});
afterEach(() => {
  program.close();
  object.close();
});

/** The verdict on a packet in GUE variant 1, and whether it was unwrapped. */
function result(port: number, source: string): { retval: number; unwrapped: boolean } {
  const inner = ipv4(
    { source: '192.0.2.1', destination: '198.51.100.10' },
    udp({ source: 40000, destination: 443 }, filler(40)),
  );
  const tunnel = udp({ source: 50000, destination: port, checksum: 0 }, inner.encode(undefined));
  const data = ethernet(ipv4({ source, destination: '10.0.1.11' }, tunnel));
  const { retval, data: out } = program.testRun({ data });
  return { retval, unwrapped: out.length < data.length };
}

test('the flags of the sidecar: GUE of this port, from these sources', () => {
  configure(object, { sources: ['10.0.0.0/8'], guePort: 7000 });
  expect(result(7000, '10.0.0.7')).toEqual({ retval: PASS, unwrapped: true });
  expect(result(6080, '10.0.0.7')).toEqual({ retval: PASS, unwrapped: false });
  expect(result(7000, '192.0.2.7')).toEqual({ retval: DROP, unwrapped: false });
});

test('without flags: GUE of port 6080, from everywhere', () => {
  configure(object, { sources: [] });
  expect(result(6080, '192.0.2.7')).toEqual({ retval: PASS, unwrapped: true });
  expect(result(7000, '192.0.2.7')).toEqual({ retval: PASS, unwrapped: false });
});
