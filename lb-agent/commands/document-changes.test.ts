// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { RegistryHealth } from '../../daemon/registry-health.js';
import { type DesiredState, parseDocument, TransitionGuard } from '../../registry/index.js';
import { DocumentChanges } from './document-changes.js';

/** A document of one pool, whose configs have states by their IDs. */
function documentOf(...states: string[]): DesiredState {
  const configs = states.map((state, id) => ({
    ...{ id, scheme: 'quic-lb', serverIdLength: 1, nonceLength: 8, state },
  }));
  const serverIds = Object.fromEntries(configs.map(({ id }) => [id, ['07']]));
  const servers = [{ name: 'web-1', address: '10.0.0.1', serverIds }];
  const text = JSON.stringify({ pools: { web: { configs, servers } } });
  return parseDocument(text, { file: 'd', readKeyFile: () => '' }).state;
}

const SOON = { timeout: 120_000 };
const MINTED = documentOf('minting');
const STAGED = documentOf('minting', 'staged');
const ROTATED = documentOf('retiring', 'minting');

let log: Record<string, unknown>[];
let health: RegistryHealth;
let accepted: DesiredState[];
let refused: string[];
beforeEach(() => {
  log = [];
  health = new RegistryHealth();
  accepted = [];
  refused = [];
});

function changesFrom(state: DesiredState, refuse: boolean): DocumentChanges {
  const logger = pino({}, { write: (line: string) => void log.push(JSON.parse(line)) });
  return new DocumentChanges({
    state,
    guard: new TransitionGuard({ refuse, log: logger }),
    health,
    log: logger,
    onAccepted: (each) => void accepted.push(each),
    onRefused: (error) => {
      refused.push(String(error));
      health.refused(String(error));
    },
  });
}

describe('with a guard', () => {
  it('what loses connections is refused, and over when it is corrected', async () => {
    const changes = changesFrom(MINTED, true);
    changes.offer(ROTATED);
    await expect
      .poll(() => refused, SOON)
      .toEqual([expect.stringContaining('minted-before-staged')]);
    expect(accepted).toEqual([]);
    changes.offer(MINTED);
    await expect.poll(() => accepted, SOON).toEqual([MINTED]);
    expect(health.refusal).toBe('');
    await changes.close();
  });

  it('what was refused is taken when the kernel has the step before it', async () => {
    const changes = changesFrom(MINTED, true);
    changes.offer(STAGED);
    await expect.poll(() => accepted, SOON).toEqual([STAGED]);
    // The kernel does not have it yet.
    changes.offer(ROTATED);
    await expect.poll(() => refused, SOON).toHaveLength(1);
    await changes.applied(STAGED);
    await expect.poll(() => accepted, SOON).toEqual([STAGED, ROTATED]);
    expect(health.refusal).toBe('');
    await changes.close();
  });

  it('what was refused and is no longer in the registry is not taken later', async () => {
    const changes = changesFrom(MINTED, true);
    changes.offer(STAGED);
    await expect.poll(() => accepted, SOON).toEqual([STAGED]);
    changes.offer(ROTATED);
    await expect.poll(() => refused, SOON).toHaveLength(1);
    changes.fail(new Error('bad'));
    await changes.applied(STAGED);
    await changes.close();
    expect(accepted).toEqual([STAGED]);
    expect(health.refusal).toContain('bad');
  });

  it('of several that come at once the last counts', async () => {
    const changes = changesFrom(MINTED, true);
    changes.offer(ROTATED);
    changes.offer(STAGED);
    await expect.poll(() => accepted, SOON).toEqual([STAGED]);
    expect(refused).toEqual([]);
    await changes.close();
  });
});

it('without a guard all is taken, with a warning when the kernel has it', async () => {
  const changes = changesFrom(MINTED, false);
  changes.offer(ROTATED);
  await expect.poll(() => accepted, SOON).toEqual([ROTATED]);
  expect(log).toEqual([]);
  await changes.applied(ROTATED);
  await changes.applied(ROTATED);
  expect(log).toMatchObject([
    { msg: 'changed as the registry says' },
    { transition: 'minted-before-staged', pool: 'web', effect: 'loses connections' },
  ]);
  await changes.close();
});
