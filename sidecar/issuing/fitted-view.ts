// SPDX-License-Identifier: Apache-2.0
import type { PoolConfig } from '../../registry/index.js';
import type { ServerView } from './server-view.js';

/**
 * The view with configs whose CIDs have the length that this process has issued from its start,
 * as far as they can have it. A QUIC stack reads short headers by one length, so a server keeps
 * it for as long as it has connections, while the registry may be on its way to another length;
 * balancers route both, because they read no server-use octets.
 */
export function fittedView(view: ServerView, cidLength: number): ServerView {
  if (view.configs.every(({ codec }) => codec.cidLength === cidLength)) return view;
  const fitted = new Map(view.configs.map((config) => [config, ofLength(config, cidLength)]));
  const of = (config: PoolConfig) => fitted.get(config) ?? config;
  return {
    ...view,
    configs: view.configs.map(of),
    live: view.live.map(of),
    mintable: view.mintable.map(({ config, serverIds }) => ({ config: of(config), serverIds })),
  };
}

function ofLength(config: PoolConfig, cidLength: number): PoolConfig {
  if (config.codec.cidLength === cidLength) return config;
  const codec = config.codec.ofLength?.(cidLength);
  return codec === undefined ? config : { ...config, codec };
}

/** Why nothing of a view can be issued in CIDs of `cidLength` octets. */
export function unfitReason({ mintable }: ServerView, cidLength: number): string {
  const wanted = mintable[0]?.config.codec.cidLength;
  return `the configs have CIDs of ${wanted} octets now; this process issues ${cidLength}, and no padding makes them equal: restart the server with its sidecar`;
}
