// SPDX-License-Identifier: Apache-2.0
import { describeWaiting } from '../gate.js';
import type { StepName, StillOn, Wait } from './decision.js';
import type { RotationRecord } from './record.js';

/** At most so many are named of each kind. */
const NAMED = 5;

/** How far a rotation is, in one sentence. */
export function describeRecord(record: RotationRecord): string {
  const { step, from, to, outcome, aborted, forced } = record;
  const end = forced.length === 0 ? '' : `; forced: ${forced.map((each) => each.step).join(', ')}`;
  switch (step) {
    case 'asked':
      return `asked for by ${record.by}; the controller of the pool makes the new config${end}`;
    case 'staged':
      return `config ${to} is staged, config ${from} mints${end}`;
    case 'minting':
      return `config ${to} mints, config ${from} is retiring${end}`;
    case 'restoring':
      return `config ${from} is staged again, config ${to} still mints${end}`;
    case 'withdrawn':
      return `config ${from} mints, config ${to} is retiring: the rotation was aborted${end}`;
    case 'quarantined':
      return `config ${aborted === undefined ? from : to} is quarantined${end}`;
    case 'over':
      if (outcome === 'none') return 'there was no rotation yet';
      if (outcome === 'aborted') return `aborted by ${aborted?.by ?? record.by}${end}`;
      return `done: config ${to} took the place of config ${from}${end}`;
  }
}

const NEXT: Readonly<Partial<Record<StepName, string>>> = {
  stage: 'the new config is staged',
  'give IDs': 'servers get IDs under the new config',
  mint: 'the new config mints and the former one retires',
  quarantine: 'the config that leaves is quarantined',
  remove: 'the config that leaves is removed with its key',
  restore: 'the former config is staged again',
  'mint again': 'the former config mints again',
  withdraw: 'the new config retires',
  'give up': 'the rotation ends',
};

/** What comes next. */
export function describeNext(next: StepName): string | undefined {
  return NEXT[next];
}

/** What is waited for: a sentence without its full stop. */
export function describeWait(wait: Wait): string {
  switch (wait.kind) {
    case 'balancers':
      return wait.guard === 'GATE'
        ? `waiting for ${describeWaiting(wait.agents)} to hold revision ${wait.revision}`
        : `waiting for ${describeWaiting(wait.agents)} to have given the config up (revision ${wait.revision}); one that will not come back is counted out`;
    case 'server-ids':
      return `waiting for IDs of ${list(wait.servers)} under the new config`;
    case 'sidecars':
      return `waiting for ${list(wait.servers.map((each) => sidecarText(each, wait.config)))} to be done with config ${wait.config}`;
    case 'packets':
      return `waiting for ${wait.wanted} s without a packet under config ${wait.config}: ${list(wait.agents.map(({ agent, quiet }) => `${agent} ${quiet === null ? 'does not say when the last one came' : `had the last one ${quiet} s ago`}`))}`;
    case 'age':
      return `config ${wait.config} rested ${Math.floor(wait.seconds)} s of ${wait.of} s, for which a connection can last`;
    case 'refused':
      return `refused: ${wait.why}`;
    case 'changed':
      return wait.why;
    case 'paused':
      return `paused by ${wait.by}${wait.why === '' ? '' : `: ${wait.why}`}`;
  }
}

function sidecarText({ server, alive, connections, issuing }: StillOn, config: number): string {
  if (!alive) return `${server} (no sign of life)`;
  if (issuing === config) return `${server} (still issues under it)`;
  if (connections === undefined) return server;
  return `${server} (${connections} ${connections === 1 ? 'connection' : 'connections'})`;
}

function list(texts: readonly string[]): string {
  const shown = texts.slice(0, NAMED);
  const more = texts.length - shown.length;
  if (more > 0) return `${shown.join(', ')} and ${more} more`;
  if (shown.length <= 1) return shown.join('');
  return `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}
