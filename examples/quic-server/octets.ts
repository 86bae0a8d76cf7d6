// SPDX-License-Identifier: Apache-2.0

/** The 16 octets of a stateless reset token as a big-endian number, which is what quiche takes. */
export function tokenNumber(token: Uint8Array): bigint {
  return BigInt(`0x${hex(token)}`);
}

export function hex({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('hex');
}
