// SPDX-License-Identifier: Apache-2.0
import quiche from '@matrixai/quic/native/quiche.js';
import type { Config, Connection, Host } from '@matrixai/quic/native/types.js';

export { isLongHeader, shortHeaderDcid } from '../../examples/quic-server/datagram.js';
export { hex, tokenNumber } from '../../examples/quic-server/octets.js';

/**
 * The raw binding of Cloudflare's quiche 0.18, a QUIC stack that npm alone installs. It is old:
 * only tests and the demonstration use it.
 */
export { quiche };
export type QuicheConfig = Config;
export type QuicheConnection = Connection;
export type HostPort = Host;

export const ECHO_PROTOCOL = 'echo';
export const H3_PROTOCOL = 'h3';

/**
 * The active_connection_id_limit of both ends. It also bounds the rebinds and migrations of one
 * connection, because quiche refuses more path changes than this.
 */
export const ACTIVE_CID_LIMIT = 24;

/** Octets of the largest datagram. 1200 fits every path (RFC 9000 section 14). */
export const MAX_DATAGRAM = 1200;

const MAX_IDLE_MS = 60_000;
const WINDOW = 10_000_000;

export interface TlsFiles {
  readonly certificate: Uint8Array;
  readonly privateKey: Uint8Array;
}

/** @param cidLimit the active_connection_id_limit, 2 or more */
export function quicheConfig(tls: TlsFiles | null, cidLimit = ACTIVE_CID_LIMIT): QuicheConfig {
  const config = quiche.Config.withBoringSslCtx(
    false, // The tests' certificate is self-signed, and the peer's identity does not matter.
    false,
    null,
    tls === null ? null : [tls.privateKey],
    tls === null ? null : [tls.certificate],
    null,
  );
  config.setApplicationProtos(tls === null ? [ECHO_PROTOCOL] : [ECHO_PROTOCOL, H3_PROTOCOL]);
  config.setMaxIdleTimeout(MAX_IDLE_MS);
  config.setMaxRecvUdpPayloadSize(1500);
  config.setMaxSendUdpPayloadSize(MAX_DATAGRAM);
  config.setInitialMaxData(WINDOW);
  config.setInitialMaxStreamDataBidiLocal(WINDOW);
  config.setInitialMaxStreamDataBidiRemote(WINDOW);
  config.setInitialMaxStreamDataUni(WINDOW);
  config.setInitialMaxStreamsBidi(100);
  config.setInitialMaxStreamsUni(100);
  config.setActiveConnectionIdLimit(cidLimit);
  return config;
}
