// SPDX-License-Identifier: Apache-2.0
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { parseArgs } from 'node:util';
import { serveParent } from '../netns/worker.js';

// Answers every datagram with this server's name and the datagram's number (its last four
// octets), from which the sender knows where each of its datagrams went.
const { values } = parseArgs({
  options: {
    name: { type: 'string', default: '' },
    address: { type: 'string', multiple: true, default: [] },
    port: { type: 'string', default: '443' },
  },
});

const NUMBER_LENGTH = 4;
let received = 0;
const sockets: Socket[] = [];

for (const address of values.address) {
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' });
  socket.on('error', () => undefined);
  socket.on('message', (datagram, from) => {
    received += 1;
    const number = datagram.subarray(datagram.length - NUMBER_LENGTH);
    socket.send([number, Buffer.from(values.name)], from.port, from.address);
  });
  socket.bind(Number(values.port), address);
  await once(socket, 'listening');
  sockets.push(socket);
}

interface SendRequest {
  readonly host: string;
  readonly port: number;
  /** Octets of UDP payload. */
  readonly size: number;
}

serveParent({
  received: () => received,
  /** Sends a datagram of this size from the VIP of the same family. */
  send: ({ host, port, size }: SendRequest) => {
    const index = values.address.findIndex((own) => isIPv6(own) === isIPv6(host));
    sockets[index]?.send(Buffer.alloc(size), port, host);
  },
});
