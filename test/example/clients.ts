// SPDX-License-Identifier: Apache-2.0
import { ClientConnection } from '../quic/client-connection.js';
import { type HostPort, quicheConfig } from '../quic/quiche.js';

const TIMEOUT_MS = 20_000;

/** A client that holds at most `limit` CIDs of the server. */
export class Client {
  readonly connection: ClientConnection;

  private constructor(connection: ClientConnection) {
    this.connection = connection;
  }

  static async open(server: HostPort, limit: number): Promise<Client> {
    const config = quicheConfig(null);
    config.setActiveConnectionIdLimit(limit);
    return new Client(await ClientConnection.open(config, server, '127.0.0.1', TIMEOUT_MS));
  }

  /** The first octet of the CID that it sends to now. */
  get firstOctet(): number {
    return Number.parseInt(this.connection.destinationCid.slice(0, 2), 16);
  }
}
