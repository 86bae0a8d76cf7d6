// SPDX-License-Identifier: Apache-2.0

/** quiche wants a stateless reset token as the number that its 16 octets are, big endian. */
export function tokenNumber(token: Uint8Array): bigint {
  return BigInt(`0x${hex(token)}`);
}

export function hex({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('hex');
}
