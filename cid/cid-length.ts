// SPDX-License-Identifier: Apache-2.0

/** Octets of the longest CID of QUIC version 1 (RFC 9000 section 17.2). */
export const MAX_CID_LENGTH = 20;
