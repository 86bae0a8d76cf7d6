// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ResetLimit } from '../../examples/quic-server/stateless-reset.js';
import { Rig } from './rig.js';

const TOKEN = randomBytes(16);
const OURS = randomBytes(12);

let rig: Rig;
let socket: Socket;
let answers: Buffer[];
let asked: number;

beforeEach(async () => {
  rig = await Rig.start();
  asked = 0;
  rig.pool.resetToken = async (cid) => {
    asked += 1;
    return Buffer.compare(cid, OURS) === 0 ? TOKEN : null;
  };
  answers = [];
  socket = createSocket('udp4', (datagram) => answers.push(datagram));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
});
afterEach(async () => {
  socket.close();
  await rig.stop();
});

/** A packet with a short header, `size` octets in all. */
function send(dcid: Uint8Array, size: number): void {
  const packet = Buffer.concat([Uint8Array.of(0x40), dcid, randomBytes(1500)]).subarray(0, size);
  const { port, host } = rig.server.address;
  socket.send(packet, port, host);
}

/** Waits until the server has answered what was sent before. */
async function through(): Promise<void> {
  await (await rig.open(2)).connection.echo();
}

describe('a packet of no connection', { timeout: 300_000 }, () => {
  it.each([
    [22, 21],
    [43, 42],
    [44, 43],
    [1200, 43],
  ])('of %i octets to a CID of ours is answered by %i', async (size, expected) => {
    send(OURS, size);
    await through();
    const [answer = Buffer.alloc(0), ...more] = answers;
    expect([answer.length, more]).toEqual([expected, []]);
    expect((answer[0] ?? 0) >> 6).toBe(0b01);
    expect(answer.subarray(-16)).toEqual(TOKEN);
  });

  it('is not answered if it is too small, or not to a CID of ours', async () => {
    send(OURS, 21);
    send(OURS, 12); // Too short for a CID.
    for (let i = 0; i < 10; i++) send(randomBytes(12), 100);
    await through();
    expect(answers).toEqual([]);
    expect(asked).toBe(11);
  });

  it('costs little however many there are', async () => {
    const began = performance.now();
    for (let i = 0; i < 50; i++) {
      for (let n = 0; n < 20; n++) send(OURS, 100);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await through();
    const seconds = (performance.now() - began) / 1000;
    expect(asked).toBeGreaterThan(30);
    expect(asked).toBeLessThanOrEqual(32 + 100 * seconds);
    expect(answers.length).toBeLessThanOrEqual(asked);
  });

  it('does not begin a talk without end with one that answers everything', async () => {
    rig.pool.resetToken = async () => TOKEN;
    const { port, host } = rig.server.address;
    socket.on('message', (answer) => socket.send(answer, port, host));
    send(OURS, 30);
    await through();
    await expect.poll(() => answers.at(-1)?.length).toBe(21);
    await through();
    expect(answers.map(({ length }) => length)).toEqual([29, 28, 27, 26, 25, 24, 23, 22, 21]);
  });

  it('is not answered for a CID that a connection has by then', async () => {
    const { connection } = await rig.open(2);
    rig.pool.resetToken = async () => TOKEN;
    send(Buffer.from(connection.destinationCid, 'hex'), 100);
    await through();
    expect(answers).toEqual([]);
    await connection.echo();
  });
});

it('resets begin again after a burst', () => {
  let now = 0;
  const limit = new ResetLimit(() => now);
  const passed = () => Array.from({ length: 1000 }, () => limit.pass()).filter(Boolean).length;
  expect(passed()).toBe(32);
  expect(passed()).toBe(0);
  now += 100;
  expect(passed()).toBe(10);
  now += 3_600_000;
  expect(passed()).toBe(32);
});
