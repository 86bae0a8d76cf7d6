// SPDX-License-Identifier: Apache-2.0
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { HostPort } from '../quic/quiche.js';

export interface ProbeRequest {
  readonly server: HostPort;
  /** Sources of the datagrams, each with a socket of its own. */
  readonly sources: readonly ProbeSource[];
  readonly probes: readonly Probe[];
  /** The most datagrams that are sent and not yet answered. */
  readonly window: number;
}

export interface ProbeSource {
  readonly address: string;
  /** 0 for any free port. */
  readonly port: number;
}

export interface Probe {
  /** Index of the socket to send from. */
  readonly source: number;
  /** In hex. The prober appends the datagram's number. */
  readonly payload: string;
}

/** What became of the probes. */
export interface ProbeReport {
  /** For each probe the name of the server that answered; null if none did. */
  readonly answers: readonly (string | null)[];
  /** How many answers came more than once. */
  readonly duplicates: number;
}

const NUMBER_LENGTH = 4;
const LOST_AFTER_MS = 2000;

/** Sends datagrams, and learns from the answers where each of them arrived. */
export async function probe(request: ProbeRequest): Promise<ProbeReport> {
  const { server, probes } = request;
  const answers: (string | null)[] = probes.map(() => null);
  let duplicates = 0;
  let next = 0;
  let open = 0;
  const sockets = await Promise.all(request.sources.map(openSocket));
  await new Promise<void>((resolve) => {
    // Each answer restarts this timer; when none has come for this long, the others are lost.
    let timer = setTimeout(resolve, LOST_AFTER_MS);
    const fill = () => {
      while (open < request.window && next < probes.length) {
        const { source, payload } = probes[next] as Probe;
        const number = Buffer.alloc(NUMBER_LENGTH);
        number.writeUInt32BE(next);
        sockets[source]?.send([Buffer.from(payload, 'hex'), number], server.port, server.host);
        next += 1;
        open += 1;
      }
      clearTimeout(timer);
      if (open === 0) resolve();
      else timer = setTimeout(resolve, LOST_AFTER_MS);
    };
    for (const socket of sockets) {
      socket.on('message', (answer) => {
        const number = answer.readUInt32BE(0);
        if (answers[number] !== null) {
          duplicates += 1;
          return;
        }
        answers[number] = answer.subarray(NUMBER_LENGTH).toString('latin1');
        open -= 1;
        fill();
      });
    }
    fill();
  });
  for (const socket of sockets) socket.close();
  return { answers, duplicates };
}

async function openSocket({ address, port }: ProbeSource): Promise<Socket> {
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' });
  socket.on('error', () => undefined);
  socket.bind(port, address);
  await once(socket, 'listening');
  return socket;
}
