// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

// HTTP/2 frames made by hand (RFC 9113, sections 4 and 6), for what no library would send.

export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PING = 6;
export const WINDOW_UPDATE = 8;

const END_HEADERS = 0x4;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const CANCEL = Buffer.from([0, 0, 0, 8]);

export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, payload]);
}

/** Opens a call of a method of the sidecar's service. */
export function openCall(stream: number, method: string): Buffer {
  // HPACK (RFC 7541): indexed fields, then literals without indexing.
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  const block = Buffer.concat([
    Buffer.from([0x83, 0x86, 0x04]), // POST, http, :path
    text(`/cidecar.v1.SidecarService/${method}`),
    Buffer.from([0x01]), // :authority
    text('localhost'),
    Buffer.from([0x0f, 0x10]), // content-type
    text('application/grpc'),
    Buffer.from([0x00]),
    text('te'),
    text('trailers'),
  ]);
  return frame(HEADERS, END_HEADERS, stream, block);
}

/** One gRPC message on a call. */
export function message(stream: number, protobuf: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(protobuf.length, 1);
  return frame(DATA, 0, stream, Buffer.concat([prefix, protobuf]));
}

export function reset(stream: number): Buffer {
  return frame(RST_STREAM, 0, stream, CANCEL);
}

/** A connection to a unix socket on which preface and settings were sent. */
export class RawConnection {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  #ended = false;

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        this.#ended = true;
        resolve(undefined);
      });
    });
    this.socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, Buffer.alloc(0))]));
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Waits while the other side does not keep up. Resolves with false once the connection is gone.
   */
  async send(...frames: readonly Uint8Array[]): Promise<boolean> {
    if (this.#ended || this.socket.destroyed) return false;
    if (!this.socket.write(Buffer.concat(frames))) {
      await Promise.race([once(this.socket, 'drain').catch(() => {}), this.closed]);
    }
    // The rest of this process gets its turn, however fast the other side reads.
    await new Promise(setImmediate);
    return !this.#ended;
  }

  destroy(): Promise<unknown> {
    this.socket.destroy();
    return this.closed;
  }
}
