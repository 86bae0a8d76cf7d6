// SPDX-License-Identifier: Apache-2.0
import type { ProberClock } from '../prober-clock.js';
import type { Arrival, SendingKind, Wire } from '../wire.js';

/** A clock that stands until it is moved. */
export class PlayedClock implements ProberClock {
  #now = 0;
  #nonces = 0;
  #timers: { at: number; call: () => void; open: boolean }[] = [];

  readonly now = () => this.#now;
  readonly random = () => 0.5;
  readonly nonce = () => ++this.#nonces;
  readonly after = (milliseconds: number, call: () => void) => {
    const timer = { at: this.#now + milliseconds, call, open: true };
    this.#timers.push(timer);
    return () => {
      timer.open = false;
    };
  };

  /** Time passes; timers are called when they are due. */
  pass(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      this.#timers = this.#timers.filter(({ open }) => open);
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      next.open = false;
      next.call();
    }
    this.#now = end;
  }

  /** As when the process does something else: timers that were due meanwhile come late. */
  stall(milliseconds: number): void {
    this.#now += milliseconds;
    this.pass(0);
  }
}

export interface PlayedProbe {
  readonly at: number;
  readonly kind: SendingKind;
  readonly octets: Uint8Array;
}

/** A wire that keeps what is sent, and reads when it is told to. */
export class PlayedWire implements Wire {
  readonly sent: PlayedProbe[] = [];
  /** What waits for the sockets to be read. */
  #unread: (() => void)[] = [];
  readsAtOnce = true;

  constructor(
    readonly clock: PlayedClock,
    readonly count = 16,
  ) {}

  places(): number {
    return this.count;
  }

  portOf(_family: 4 | 6, place: number): number {
    return 40_000 + place;
  }

  send(kind: SendingKind, packets: readonly Uint8Array[]): Int32Array {
    const at = this.clock.now();
    for (const octets of packets) this.sent.push({ at, kind, octets: Uint8Array.from(octets) });
    return new Int32Array(packets.length);
  }

  afterRead(then: () => void): void {
    if (this.readsAtOnce) then();
    else this.#unread.push(then);
  }

  read(): void {
    const waiting = this.#unread;
    this.#unread = [];
    for (const then of waiting) then();
  }

  readErrors(): void {}
  close(): void {}
}

const TO_INNER_UDP = 20 + 20;

/** The Version Negotiation of a server to a probe in IPIP over IPv4. */
export function answerTo({ octets }: PlayedProbe): { from: Arrival; answer: Uint8Array } {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const place = view.getUint16(TO_INNER_UDP) - 40_000;
  const port = view.getUint16(TO_INNER_UDP + 2);
  const address = octets.subarray(36, 40).join('.');
  const payload = octets.subarray(TO_INNER_UDP + 8);
  const [dcid, scid] = [payload.subarray(6, 14), payload.subarray(15, 23)];
  const answer = Uint8Array.from([
    ...[0xaa, 0, 0, 0, 0, 8],
    ...scid,
    ...[8, ...dcid],
    ...[0x5a, 0x6a, 0x7a, 0x8a, 0, 0, 0, 1],
  ]);
  return { from: { family: 4, place, address, port }, answer };
}
