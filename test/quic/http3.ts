// SPDX-License-Identifier: Apache-2.0

const CONTROL_STREAM = 3; // The server's first unidirectional stream (RFC 9000 section 2.1).
const STREAM_TYPE_CONTROL = 0x00; // RFC 9114 section 6.2.1
const FRAME_DATA = 0x00;
const FRAME_HEADERS = 0x01;
const FRAME_SETTINGS = 0x04; // RFC 9114 section 7.2

/** ":status: 200", from the static table only (RFC 9204 section 4.5). */
const STATUS_200 = Uint8Array.of(0x00, 0x00, 0xc0 | 25);

/** Just enough HTTP/3 for a client to fetch a file: every request gets the same body. */
export class Http3Responder {
  readonly #response: Uint8Array;

  constructor(body: Uint8Array) {
    this.#response = Buffer.concat([frame(FRAME_HEADERS, STATUS_200), frame(FRAME_DATA, body)]);
  }

  /** What the server sends first, by stream: its empty settings. */
  opening(): { stream: number; data: Uint8Array }[] {
    const settings = frame(FRAME_SETTINGS, new Uint8Array());
    const data = Buffer.concat([Uint8Array.of(STREAM_TYPE_CONTROL), settings]);
    return [{ stream: CONTROL_STREAM, data }];
  }

  response(): Uint8Array {
    return this.#response;
  }
}

function frame(type: number, payload: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(type), variableLength(payload.length), payload]);
}

/** A variable-length integer in its four-octet form (RFC 9000 section 16). */
function variableLength(value: number): Uint8Array {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  octets[0] = (octets[0] ?? 0) | 0x80;
  return octets;
}
