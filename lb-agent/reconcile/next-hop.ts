// SPDX-License-Identifier: Apache-2.0

/** Where packets for a real go when they leave this host. */
export type NextHop =
  /** Back to the neighbour that each packet came from. */
  | { readonly kind: 'reply' }
  | {
      readonly kind: 'neighbour';
      /** Its link address, 6 octets. */
      readonly mac: Uint8Array;
      /** The interface to leave by; 0 is the one that the packet came in by. */
      readonly ifindex: number;
      /** Link address of that interface, 6 octets. */
      readonly sourceMac: Uint8Array;
    };

export const REPLY: NextHop = { kind: 'reply' };

export function sameNextHop(a: NextHop, b: NextHop): boolean {
  if (a.kind === 'reply' || b.kind === 'reply') return a.kind === b.kind;
  return (
    a.ifindex === b.ifindex &&
    Buffer.compare(a.mac, b.mac) === 0 &&
    Buffer.compare(a.sourceMac, b.sourceMac) === 0
  );
}
