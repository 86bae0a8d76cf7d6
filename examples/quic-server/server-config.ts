// SPDX-License-Identifier: Apache-2.0
import quiche from '@matrixai/quic/native/quiche.js';
import type { Config } from '@matrixai/quic/native/types.js';

/**
 * How often a connection's client may come from another address, plus one. quiche has one number
 * for this and for the CIDs that it takes from a client (active_connection_id_limit). It frees
 * the place of an address that was left only if the client gives up its CID for it, which hardly
 * any client does, and then drops what comes from a further one. A connection that has come so far
 * is closed (connection.ts): with 8, at the seventh rebind of a NAT.
 */
export const PATHS = 1024;

/** @param certificate the chain, and `privateKey` the key of its first, in PEM */
export function serverConfig(certificate: Uint8Array, privateKey: Uint8Array): Config {
  const [verifyPeer, allowFailure] = [false, false];
  const config = quiche.Config.withBoringSslCtx(
    verifyPeer,
    allowFailure,
    null,
    [privateKey],
    [certificate],
    null,
  );
  config.setApplicationProtos(['echo']);
  config.setMaxIdleTimeout(30_000);
  config.setInitialMaxData(1_000_000);
  config.setInitialMaxStreamDataBidiRemote(100_000);
  config.setInitialMaxStreamsBidi(100);
  config.setActiveConnectionIdLimit(PATHS);
  return config;
}
