// SPDX-License-Identifier: Apache-2.0

interface TestConfig {
  readonly id: number;
}

interface TestServer {
  readonly name: string;
  readonly address: string;
  /** The server ID that it has under every config. */
  readonly serverId: string;
  readonly state?: string;
  readonly resetTokens?: string;
}

const ONE_SERVER: TestServer = { name: 'web-1', address: '10.0.1.11', serverId: 'ed793a' };

/** A registry document with one pool, `web`. */
export function poolDocument(
  configs: readonly TestConfig[],
  servers: readonly TestServer[] = [ONE_SERVER],
): object {
  const vips = [{ address: '198.51.100.10', port: 443, protocol: 'udp' }];
  const entries = servers.map(({ serverId, ...rest }) => ({
    ...rest,
    serverIds: Object.fromEntries(configs.map(({ id }) => [id, [serverId]])),
  }));
  return { pools: { web: { vips, configs, servers: entries } } };
}

/** A QUIC-LB config, with CIDs of 12 octets unless `more` says otherwise. */
export function quicLb(id: number, state: string, keyFile?: string, more: object = {}): TestConfig {
  const lengths = { serverIdLength: 3, nonceLength: 8 };
  const key = keyFile === undefined ? {} : { keyFile };
  return Object.assign({ id, scheme: 'quic-lb', state }, lengths, key, more);
}
