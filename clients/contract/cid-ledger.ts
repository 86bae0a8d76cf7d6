// SPDX-License-Identifier: Apache-2.0

/** Octets of the counter that makes each CID of the scripted sidecar another. */
const COUNTER_LENGTH = 6;

interface Sent {
  readonly first: number;
  readonly count: number;
  /** Set when a client that acknowledged must not use it any more. */
  void: boolean;
}

/**
 * Makes the CIDs of a scripted sidecar, and knows of each CID that a client gave out whether it
 * may have done so. CIDs differ by a counter, so ten million need a bit each.
 */
export class CidLedger {
  #next = 1;
  readonly #sent: Sent[] = [];
  /** A bit for each counter. */
  #taken = new Uint8Array(1 << 16);
  readonly #made = new Set<string>();

  /** Packed CIDs and their tokens. */
  make(count: number, cidLength: number, configId: number): { cids: Buffer; tokens: Buffer } {
    const cids = Buffer.alloc(count * cidLength);
    const tokens = Buffer.alloc(count * 16);
    for (let i = 0; i < count; i += 1) {
      cids[i * cidLength] = (configId << 5) | (cidLength - 1);
      cids.writeUIntBE(this.#next + i, (i + 1) * cidLength - COUNTER_LENGTH, COUNTER_LENGTH);
      tokens.writeUIntBE(this.#next + i, i * 16, COUNTER_LENGTH);
    }
    this.#sent.push({ first: this.#next, count, void: false });
    this.#next += count;
    return { cids, tokens };
  }

  /** Everything that was sent until now is void once the client has acknowledged that. */
  mark(): () => void {
    const before = this.#sent.filter((sent) => !sent.void);
    return () => {
      for (const sent of before) sent.void = true;
    };
  }

  /** Whether the sidecar made it, and where its counter is. */
  knows(cid: Buffer): boolean {
    return this.#of(counterOf(cid)) !== undefined;
  }

  /** Throws where the client must not have given the CID out. */
  take(cid: Buffer, token: Buffer, routable: boolean, form: { length: number; zeroes: boolean }) {
    const hex = cid.toString('hex');
    if (cid.length !== form.length) throw new Error(`a CID of ${cid.length} octets: ${hex}`);
    if (token.length !== 16) throw new Error(`a token of ${token.length} octets`);
    if (!routable) {
      if (cid[0] !== (0xe0 | (form.length - 1))) throw new Error(`no 0b111 CID: ${hex}`);
      const zeroes = cid.subarray(1, 5).every((octet) => octet === 0);
      if (form.zeroes && !zeroes) throw new Error(`a 0b111 CID without its zeroes: ${hex}`);
      if (this.#made.has(hex)) throw new Error(`a 0b111 CID came twice: ${hex}`);
      this.#made.add(hex);
      return;
    }
    const counter = counterOf(cid);
    const sent = this.#of(counter);
    if (sent === undefined) throw new Error(`a CID that was not sent: ${hex}`);
    if (token.readUIntBE(0, COUNTER_LENGTH) !== counter) throw new Error(`another token: ${hex}`);
    if (sent.void) throw new Error(`a CID that is void: ${hex}`);
    if (!this.#first(counter)) throw new Error(`a CID came twice: ${hex}`);
  }

  /** Whether the counter was not taken before. */
  #first(counter: number): boolean {
    const [at, bit] = [counter >> 3, 1 << (counter & 7)];
    if (at >= this.#taken.length) {
      const more = new Uint8Array(2 * Math.max(at, this.#taken.length));
      more.set(this.#taken);
      this.#taken = more;
    }
    const before = this.#taken[at] ?? 0;
    this.#taken[at] = before | bit;
    return (before & bit) === 0;
  }

  #of(counter: number): Sent | undefined {
    let [low, high] = [0, this.#sent.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const sent = this.#sent[middle];
      if (sent === undefined) return undefined;
      if (counter < sent.first) high = middle - 1;
      else if (counter >= sent.first + sent.count) low = middle + 1;
      else return sent;
    }
    return undefined;
  }
}

function counterOf(cid: Buffer): number {
  return cid.readUIntBE(cid.length - COUNTER_LENGTH, COUNTER_LENGTH);
}
