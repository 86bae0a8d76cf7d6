// SPDX-License-Identifier: Apache-2.0
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { RawSocket, type RawSocketKind } from '../../../bpf/index.js';

/** Where an answer came from, and to which of our ports. */
export interface Arrival {
  readonly family: 4 | 6;
  /** Of the source port, among those that probes take by turns. */
  readonly place: number;
  readonly address: string;
  readonly port: number;
}

export type SendingKind = Exclude<RawSocketKind, 'icmp' | 'icmpv6'>;

/** What probes are sent and answers received by. */
export interface Wire {
  /** How many source ports there are of a family. */
  places(family: 4 | 6): number;
  portOf(family: 4 | 6, place: number): number;
  /** @returns the errno of each, 0 for what was sent */
  send(kind: SendingKind, packets: readonly Uint8Array[]): Int32Array;
  /** Calls back when all that had arrived before this call has been handed over. */
  afterRead(then: () => void): void;
  /** Hands over errors of ICMP: of IPv4 with the IP header, of IPv6 without. */
  readErrors(each: (family: 4 | 6, octets: Uint8Array) => void): void;
  close(): void;
}

export interface WireOptions {
  /** Addresses of this host to which answers come; null where it has none of the family. */
  readonly source4: string | null;
  readonly source6: string | null;
  readonly places: number;
  readonly onAnswer: (from: Arrival, octets: Uint8Array) => void;
}

/** Datagrams of one socket that libuv hands over before it looks at others: after fewer, it is empty. */
const READ_AT_ONCE = 32;
/** Turns of the event loop after which arrivals that do not end are no reason to wait. */
const MOST_TURNS = 1000;
/** Octets of an error that are looked at. */
const ERROR_OCTETS = 1280;
/** Errors that are looked at in one go. */
const MOST_ERRORS = 256;

/** Sockets of this host. Answers come to ordinary ones, and probes leave by raw ones. */
export class SocketWire implements Wire {
  readonly #sockets: ReadonlyMap<4 | 6, readonly Socket[]>;
  readonly #ports: ReadonlyMap<4 | 6, readonly number[]>;
  readonly #raw = new Map<SendingKind, RawSocket>();
  readonly #errors: readonly (readonly [4 | 6, RawSocket])[];
  /** Datagrams of each socket in this turn of the event loop. */
  readonly #arrived = new Map<Socket, number>();
  readonly #buffer = new Uint8Array(ERROR_OCTETS);
  #closed = false;

  private constructor(sockets: ReadonlyMap<4 | 6, readonly Socket[]>, options: WireOptions) {
    this.#sockets = sockets;
    this.#ports = new Map(
      [...sockets].map(([family, own]) => [family, own.map((each) => each.address().port)]),
    );
    this.#errors = [...sockets.keys()].map((family) => {
      return [family, new RawSocket(family === 6 ? 'icmpv6' : 'icmp')] as const;
    });
    for (const [family, own] of sockets) {
      for (const [place, socket] of own.entries()) {
        socket.on('message', (octets, { address, port }) => {
          this.#arrived.set(socket, (this.#arrived.get(socket) ?? 0) + 1);
          options.onAnswer({ family, place, address, port }, octets);
        });
      }
    }
  }

  /** @throws CidecarError KERNEL_PERMISSION without CAP_NET_RAW; the errors of bind(2) */
  static async open(options: WireOptions): Promise<SocketWire> {
    const sockets = new Map<4 | 6, readonly Socket[]>();
    const opened: Socket[] = [];
    try {
      for (const [family, source] of [
        [4, options.source4],
        [6, options.source6],
      ] as const) {
        if (source === null) continue;
        const own: Socket[] = [];
        for (let place = 0; place < options.places; place++) {
          const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
          opened.push(socket);
          own.push(socket);
          socket.bind(0, source);
          await once(socket, 'listening');
          // An answer that is lost is a miss.
          socket.on('error', () => undefined);
        }
        sockets.set(family, own);
      }
      return new SocketWire(sockets, options);
    } catch (error) {
      for (const socket of opened) socket.close();
      throw error;
    }
  }

  places(family: 4 | 6): number {
    return this.#ports.get(family)?.length ?? 0;
  }

  portOf(family: 4 | 6, place: number): number {
    return this.#ports.get(family)?.[place] ?? 0;
  }

  send(kind: SendingKind, packets: readonly Uint8Array[]): Int32Array {
    let socket = this.#raw.get(kind);
    if (socket === undefined) {
      socket = new RawSocket(kind);
      this.#raw.set(kind, socket);
    }
    return socket.send(packets);
  }

  afterRead(then: () => void): void {
    const turn = (left: number) => {
      this.#arrived.clear();
      // Timers come before sockets, and this after both.
      setImmediate(() => {
        if (this.#closed) return;
        const more = [...this.#arrived.values()].some((count) => count >= READ_AT_ONCE);
        if (more && left > 0) turn(left - 1);
        else then();
      });
    };
    turn(MOST_TURNS);
  }

  readErrors(each: (family: 4 | 6, octets: Uint8Array) => void): void {
    for (const [family, socket] of this.#errors) {
      for (let left = MOST_ERRORS; left > 0; left--) {
        const octets = socket.receive(this.#buffer);
        if (octets === undefined) break;
        each(family, this.#buffer.subarray(0, octets));
      }
    }
  }

  close(): void {
    this.#closed = true;
    for (const sockets of this.#sockets.values()) for (const socket of sockets) socket.close();
    for (const socket of this.#raw.values()) socket.close();
    for (const [, socket] of this.#errors) socket.close();
  }
}
