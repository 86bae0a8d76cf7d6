// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { VIP_PORT, VIP4, VIP6 } from '../netns/topology.js';

export interface DocumentConfig {
  readonly id: number;
  readonly serverIdLength: number;
  readonly nonceLength: number;
  /** Octets of the server's own; none if left out. */
  readonly serverUseLength?: number;
  readonly encrypted: boolean;
  readonly state: 'staged' | 'minting' | 'retiring' | 'quarantined';
}

export interface DocumentServer {
  readonly name: string;
  readonly address: string;
  /** How the tokens of its CIDs are made; `cmac` if left out. */
  readonly resetTokens?: 'cmac' | 'hmac-sha256';
}

/** Four pass with CIDs of eight octets, which no other known balancer can read. */
export const FOUR_PASS: DocumentConfig = {
  id: 0,
  serverIdLength: 3,
  nonceLength: 4,
  encrypted: true,
  state: 'minting',
};

/**
 * The registry document of the system under test, with key files beside it: one pool with both
 * VIPs, in which every server has one ID under each config.
 */
export class SystemDocument {
  readonly #servers: readonly DocumentServer[];
  readonly #readsCids: boolean;
  readonly #health: object | undefined;
  readonly #keys = new Map<number, string>();
  #configs: readonly DocumentConfig[];

  constructor(
    readonly path: string,
    servers: readonly DocumentServer[],
    configs: readonly DocumentConfig[],
    health?: object,
  ) {
    this.#health = health;
    this.#servers = servers;
    this.#configs = configs;
    this.#readsCids = configs.length > 0;
    this.#write();
  }

  /** The ID that a server owns under a config, in hex. */
  static serverId(config: DocumentConfig, index: number): string {
    const tag = (0xed + config.id) & 0xff;
    return Buffer.from([tag, ...new Array(config.serverIdLength - 2).fill(0), index + 1])
      .subarray(0, config.serverIdLength)
      .toString('hex');
  }

  get configs(): readonly DocumentConfig[] {
    return this.#configs;
  }

  /** Path of a config's key file, which holds 32 hex digits. */
  keyFile(config: DocumentConfig): string {
    return join(dirname(this.path), `config-${config.id}.key`);
  }

  /** Replaces the document atomically, as a deployment tool would. */
  update(configs: readonly DocumentConfig[]): void {
    this.#configs = configs;
    this.#write();
  }

  #write(): void {
    for (const config of this.#configs) this.#writeKey(config);
    const pool = {
      ...(this.#health && { health: this.#health }),
      vips: [VIP4, VIP6].map((address) => ({
        address,
        port: VIP_PORT,
        protocol: 'udp',
        quic: this.#readsCids,
      })),
      configs: this.#configs.map(({ id, encrypted, ...lengthsAndState }) => ({
        id,
        scheme: 'quic-lb',
        ...lengthsAndState,
        ...(encrypted ? { keyFile: `config-${id}.key` } : {}),
      })),
      servers: this.#servers.map((server, index) => ({
        ...server,
        serverIds: Object.fromEntries(
          this.#configs.map((config) => [config.id, [SystemDocument.serverId(config, index)]]),
        ),
      })),
    };
    const temporary = `${this.path}.new`;
    writeFileSync(temporary, stringify({ pools: { web: pool } }));
    renameSync(temporary, this.path);
  }

  #writeKey(config: DocumentConfig): void {
    if (!config.encrypted || this.#keys.has(config.id)) return;
    const key = randomBytes(16).toString('hex');
    this.#keys.set(config.id, key);
    writeFileSync(this.keyFile(config), `${key}\n`, { mode: 0o600 });
  }
}
