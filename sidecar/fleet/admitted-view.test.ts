// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { toHex } from '../../core/index.js';
import { parseDocument } from '../../registry/index.js';
import { type ServerView, viewOf } from '../issuing/server-view.js';
import { type AdmittedBy, admittedView, missingIn } from './admitted-view.js';
import type { Pass } from './passes.js';

/** The view of web-1, whose configs 0, 1, ... have these states, and that has these IDs. */
function viewWith(states: readonly string[], ids: readonly string[] = ['000001']): ServerView {
  const configs = states.map((state, id) => {
    return { id, scheme: 'quic-lb', state, serverIdLength: 3, nonceLength: 8 };
  });
  const serverIds = Object.fromEntries(configs.map(({ id }) => [id, ids]));
  const servers = [{ name: 'web-1', address: '10.0.1.11', serverIds }];
  const document = { pools: { web: { configs, servers } } };
  const { state } = parseDocument(JSON.stringify(document), { file: 'd', readKeyFile: () => '' });
  return viewOf(state, 'web-1');
}

function passOf(pass: Partial<Pass>): Pass {
  return { meaning: '', since: 1, ids: ['000001'], ...pass };
}

function by(passes: Record<number, Partial<Pass>>): AdmittedBy {
  const entries = Object.entries(passes).map(
    ([config, pass]) => [Number(config), passOf({ meaning: `m${config}`, ...pass })] as const,
  );
  return { passes: new Map(entries), meaning: ({ id }) => `m${id}`, reason: 'waiting for lb-1' };
}

const issued = (view: ServerView, passes: Record<number, Partial<Pass>>) =>
  admittedView(view, by(passes)).mintable.map(
    ({ config, serverIds }) => `${config.id}: ${serverIds.map(toHex).join(' ')}`,
  );

describe('what may be issued', () => {
  it('is what passed, and nothing else', () => {
    const view = viewWith(['minting', 'staged']);
    expect(issued(view, {})).toEqual([]);
    expect(issued(view, { 0: {} })).toEqual(['0: 000001']);
    expect(issued(view, { 0: {}, 1: {} })).toEqual(['0: 000001', '1: 000001']);
    expect(issued(view, { 0: { meaning: 'another key' } })).toEqual([]);
  });

  it('says why it is nothing', () => {
    const view = viewWith(['minting']);
    expect(admittedView(view, by({})).reason).toBe('waiting for lb-1');
    expect(admittedView(view, by({ 0: {} })).reason).toBe('');
    const nothing = viewWith(['retiring']);
    expect(admittedView(nothing, by({ 0: {} })).reason).toBe('no config of the pool is minting');
  });

  it('has only IDs that passed', () => {
    const view = viewWith(['minting'], ['000001', '000002']);
    expect(issued(view, { 0: {} })).toEqual(['0: 000001']);
    expect(issued(view, { 0: { ids: ['000002', '000003'] } })).toEqual(['0: 000002']);
    expect(issued(view, { 0: { ids: ['000003'] } })).toEqual([]);
  });

  it('is what was issued before, while the minting config waits', () => {
    const view = viewWith(['retiring', 'minting']);
    expect(issued(view, { 0: {} })).toEqual(['0: 000001']);
    expect(issued(view, { 0: {}, 1: {} })).toEqual(['1: 000001']);
  });

  it('is of several that were issued before the one that passed last', () => {
    const view = viewWith(['retiring', 'retiring', 'minting']);
    expect(issued(view, { 0: { since: 5 }, 1: { since: 9 } })).toEqual(['1: 000001']);
    expect(issued(view, { 0: { since: 9 }, 1: { since: 5 } })).toEqual(['0: 000001']);
  });

  it('is no config that balancers do not decode any more', () => {
    expect(issued(viewWith(['quarantined', 'minting']), { 0: {} })).toEqual([]);
  });

  it('is nothing where the registry wants nothing', () => {
    expect(issued(viewWith(['retiring', 'staged']), { 0: {}, 1: {} })).toEqual([]);
  });

  it('is a spare config after the one that was issued before', () => {
    const view = viewWith(['retiring', 'minting', 'staged']);
    expect(issued(view, { 0: {}, 2: {} })).toEqual(['0: 000001', '2: 000001']);
  });
});

describe('what is to be let through', () => {
  const missing = (view: ServerView, passes: Record<number, Partial<Pass>>, spare = false) =>
    missingIn(view, by(passes), spare).map(({ config }) => config.id);

  it('is the minting config, and a spare one where that is wanted', () => {
    const view = viewWith(['minting', 'staged', 'retiring']);
    expect(missing(view, {})).toEqual([0]);
    expect(missing(view, {}, true)).toEqual([0, 1]);
    expect(missing(view, { 0: {}, 1: {} }, true)).toEqual([]);
  });

  it('is a config of which an ID, or another meaning, has not passed', () => {
    const view = viewWith(['minting'], ['000001', '000002']);
    expect(missing(view, { 0: {} })).toEqual([0]);
    expect(missing(view, { 0: { ids: ['000001', '000002', '000009'] } })).toEqual([]);
    expect(missing(viewWith(['minting']), { 0: { meaning: 'another key' } })).toEqual([0]);
  });
});
