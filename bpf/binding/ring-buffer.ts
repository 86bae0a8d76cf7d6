// SPDX-License-Identifier: Apache-2.0
import { guarded } from './errors.js';
import type { BpfMap } from './map.js';
import { addon, type NativeRingBuffer } from './native.js';

/**
 * Reads a BPF_MAP_TYPE_RINGBUF from the event loop, without a thread. It keeps the process
 * running until {@link close}.
 */
export class RingBuffer {
  readonly #native: NativeRingBuffer;

  /**
   * @param onEvents called once for each wake-up with all events since the one before, at most
   *   about 1 MiB of them; what it throws becomes an uncaught exception
   */
  constructor(map: BpfMap, onEvents: (events: Uint8Array[]) => void) {
    const deliver = (octets: Uint8Array, lengths: Uint32Array): void => {
      const events: Uint8Array[] = [];
      let offset = 0;
      for (const length of lengths) {
        events.push(octets.subarray(offset, offset + length));
        offset += length;
      }
      onEvents(events);
    };
    this.#native = guarded(() => new (addon().RingBuffer)(map.native, deliver));
  }

  close(): void {
    this.#native.close();
  }
}
