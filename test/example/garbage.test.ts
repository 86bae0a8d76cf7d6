// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../fuzz/random.js';
import { quiche, quicheConfig } from '../quic/quiche.js';
import { Rig } from './rig.js';

const SEED = 20_260_101;
const DATAGRAMS = 3000;
/** Datagrams between two echoes of an honest client: as many as fit into a socket's buffer. */
const BURST = 50;
/**
 * An Initial that was changed after its packet is valid, and is half a handshake; it times out
 * after this.
 */
const IDLE_MS = 3000;
const VERSION_1 = [0, 0, 0, 1];
const UNKNOWN_VERSION = [0xab, 0xab, 0xab, 0xab];

let rig: Rig;
let socket: Socket;

beforeEach(async () => {
  rig = await Rig.start({ idleMs: IDLE_MS });
  socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
});
afterEach(async () => {
  socket.close();
  await rig.stop();
});

function send(datagram: Uint8Array): void {
  const { port, host } = rig.server.address;
  socket.send(datagram, port, host);
}

/** A first octet, a version, a DCID of eight octets, an empty SCID and `rest`. */
function longHeader(first: number, version: readonly number[], rest: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(first, ...version, 8), randomBytes(8), Buffer.of(0), rest]);
}

/** The first datagram of a client that speaks version 1. */
function initial(): Buffer {
  const client = { host: '127.0.0.1', port: socket.address().port };
  const { address } = rig.server;
  const config = quicheConfig(null);
  const quic = quiche.Connection.connect('test', randomBytes(8), client, address, config);
  const out = Buffer.alloc(1500);
  const [length] = quic.send(out) ?? [0];
  return out.subarray(0, length);
}

/** Waits until the server has read what was sent before. */
async function through(): Promise<void> {
  await (await rig.open(2)).connection.echo();
}

describe('the example server', { timeout: 300_000 }, () => {
  it.each([
    ['a single octet', Uint8Array.of(0xc0)],
    ['nothing', new Uint8Array()],
    ['a DCID that ends after the datagram', Uint8Array.of(0xc0, ...VERSION_1, 20, 1, 2, 3)],
    ['an Initial that is too small', longHeader(0xc0, VERSION_1, randomBytes(600))],
    ['a Handshake packet of nobody', longHeader(0xe0, VERSION_1, randomBytes(1200))],
    ['version negotiation', longHeader(0xc0, [0, 0, 0, 0], randomBytes(1200))],
    ['an unknown version, too small', longHeader(0xc0, UNKNOWN_VERSION, randomBytes(600))],
    ['a short header of nobody', Buffer.concat([Uint8Array.of(0x40), randomBytes(40)])],
  ])('drops %s', async (_, datagram) => {
    socket.on('message', () => expect.unreachable('an answer'));
    send(datagram);
    await through();
    expect(rig.server.open).toBe(1);
  });

  it.each([0x80, 0xc0, 0xd0, 0xff])('answers unknown versions: first octet %i', async (first) => {
    const asked = longHeader(first, UNKNOWN_VERSION, randomBytes(1200));
    send(asked);
    const [answer] = (await once(socket, 'message')) as [Buffer];
    // RFC 9000, section 17.2.1: version 0, the CIDs exchanged, and the known versions.
    expect(answer.readUInt32BE(1)).toBe(0);
    expect(answer.subarray(5)).toEqual(
      Buffer.concat([Buffer.of(0, 8), asked.subarray(6, 14), Uint8Array.from(VERSION_1)]),
    );
    expect(rig.server.open).toBe(0);
    expect(rig.pool.taken).toEqual([]);
  });

  it(`serves on under ${DATAGRAMS} datagrams of garbage, seed ${SEED}`, async () => {
    const random = new Random(SEED);
    const honest = await rig.open(3);
    const known = Buffer.from(honest.connection.destinationCid, 'hex');
    const template = initial();
    let initials = 0;
    const make: readonly (() => Uint8Array)[] = [
      () => random.octets(random.below(1400)),
      () => Uint8Array.of(0xc0 | random.below(64), ...random.octets(random.below(60))),
      () => template.subarray(0, random.below(template.length)),
      () => longHeader(random.between(0x80, 0xff), UNKNOWN_VERSION, random.octets(1200)),
      () => Buffer.concat([Uint8Array.of(0x40), known, random.octets(random.below(100))]),
      () => {
        initials += 1;
        const changed = Buffer.from(template);
        for (let n = random.between(1, 8); n > 0; n--) {
          changed[random.below(changed.length)] = random.below(256);
        }
        return changed;
      },
    ];
    for (let sent = 0; sent < DATAGRAMS; sent += BURST) {
      for (let i = 0; i < BURST; i++) send(random.pick(make)());
      await honest.connection.echo();
    }
    // Only datagrams that could begin a connection cost a CID, and those connections time out.
    expect(rig.pool.taken.length).toBeLessThanOrEqual(3 + initials);
    honest.connection.close();
    await expect.poll(() => rig.server.open, { timeout: 60_000 }).toBe(0);
  });
});
