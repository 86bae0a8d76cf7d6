// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from 'node:events';
import { beforeEach, expect, it } from 'vitest';
import type { SessionRequest } from '../../proto/gen/cidecar/v1/sidecar.js';
import { RequestWriter } from './request-writer.js';

class Stream extends EventEmitter {
  reads = true;
  readonly written: SessionRequest[] = [];
  write = (request: SessionRequest) => {
    this.written.push(request);
    return this.reads;
  };
}

let stream: Stream;
let writer: RequestWriter;

beforeEach(() => {
  stream = new Stream();
  writer = new RequestWriter(stream);
});

const question = (number: number) => ({
  number,
  about: { $case: 'own', value: new Uint8Array(8) } as const,
});
const heldBy = (connections: number) => ({ generations: [{ generation: 1, connections }] });

it('writes one request for each, while the sidecar reads', () => {
  writer.write({ credit: 5 });
  writer.write({ credit: 6 });
  expect(stream.written.map(({ credit }) => credit)).toEqual([5, 6]);
});

it('puts together what waits for a sidecar that does not read', () => {
  stream.reads = false;
  writer.write({ credit: 1 });
  for (let each = 0; each < 1000; each += 1) writer.write({ credit: 2 });
  writer.write({ held: heldBy(9), acknowledgedMinting: 3 });
  writer.write({ held: heldBy(8), questions: [question(1)] });
  writer.write({ questions: [question(2)] });
  expect(stream.written).toHaveLength(1);

  stream.emit('drain');
  expect(stream.written.slice(1)).toEqual([
    {
      credit: 2000,
      acknowledgedMinting: 3,
      held: heldBy(8),
      questions: [question(1), question(2)],
    },
  ]);

  stream.reads = true;
  stream.emit('drain');
  writer.write({ credit: 7 });
  expect(stream.written).toHaveLength(3);
});
