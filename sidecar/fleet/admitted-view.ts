// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../core/index.js';
import type { PoolConfig } from '../../registry/index.js';
import type { Mintable, ServerView } from '../issuing/server-view.js';
import type { Pass, Passes } from './passes.js';

export interface AdmittedBy {
  readonly passes: Passes;
  /** Names one meaning of a config ID. */
  readonly meaning: (config: PoolConfig) => string;
  /** Why nothing can be issued, where the gate is what keeps it. */
  readonly reason: string;
}

/**
 * The view with only what the gate let through. While the minting config waits, the sidecar goes
 * on under the config that it had, which balancers decode for as long as its mark stands: the
 * retiring one that was let through last.
 */
export function admittedView(view: ServerView, by: AdmittedBy): ServerView {
  // Where the registry wants nothing to be issued, nothing waits.
  if (view.mintable.length === 0) return view;
  const passing = view.mintable.flatMap((each) => passingOf(each, by));
  const minting = passing.filter(({ config }) => config.state === 'minting');
  const spare = passing.filter(({ config }) => config.state !== 'minting');
  const kept = minting.length > 0 ? [] : keptIn(view, by);
  const mintable = [...minting, ...kept, ...spare];
  return { ...view, mintable, reason: mintable.length > 0 ? '' : by.reason };
}

function keptIn({ configs, server }: ServerView, by: AdmittedBy): Mintable[] {
  const retiring = configs
    .filter(({ state }) => state === 'retiring')
    .flatMap((config) =>
      passingOf({ config, serverIds: server.serverIds.get(config.id) ?? [] }, by),
    );
  const since = ({ config }: Mintable) => by.passes.get(config.id)?.since ?? 0;
  const [latest] = retiring.sort((a, b) => since(b) - since(a));
  return latest === undefined ? [] : [latest];
}

function passingOf({ config, serverIds }: Mintable, by: AdmittedBy): Mintable[] {
  const pass = passOf(config, by);
  if (pass === undefined) return [];
  const ids = new Set(pass.ids);
  const passing = serverIds.filter((id) => ids.has(toHex(id)));
  return passing.length === 0 ? [] : [{ config, serverIds: passing }];
}

/** The pass of a config, if it is for its present meaning. */
export function passOf(
  config: PoolConfig,
  { passes, meaning }: Pick<AdmittedBy, 'passes' | 'meaning'>,
): Pass | undefined {
  const pass = passes.get(config.id);
  return pass?.meaning === meaning(config) ? pass : undefined;
}

/** What is to be let through and is not yet. */
export function missingIn(
  view: ServerView,
  by: Pick<AdmittedBy, 'passes' | 'meaning'>,
  spareWanted: boolean,
): Mintable[] {
  return view.mintable.filter(({ config, serverIds }) => {
    if (config.state !== 'minting' && !spareWanted) return false;
    const ids = new Set(passOf(config, by)?.ids);
    return serverIds.some((id) => !ids.has(toHex(id)));
  });
}
