// SPDX-License-Identifier: Apache-2.0
import { equalOctets } from '../../core/hex.js';
import type { CidCodec } from '../types.js';

/**
 * Whether `cid` decodes under `codec` to one of `serverIds`. A server must send stateless resets
 * only for these; otherwise it would be an oracle (RFC 9000 section 21.11).
 */
export function isOwn(codec: CidCodec, serverIds: readonly Uint8Array[], cid: Uint8Array): boolean {
  const decoded = codec.decode(cid);
  return decoded.routable && serverIds.some((serverId) => equalOctets(serverId, decoded.serverId));
}
