// SPDX-License-Identifier: Apache-2.0
import { expect, it, vi } from 'vitest';
import { CidecarError } from '../core/index.js';
import type { DesiredState } from './types.js';
import { LastRead, WatchReports } from './watch-reports.js';

const state = (revision: string): DesiredState => ({ revision, pools: [] });
const AWAY = new CidecarError('REGISTRY_UNAVAILABLE', 'cannot reach the store');

/** A watch whose reports are a list: revisions, and codes of errors. */
function watchOf(lastRead = new LastRead()) {
  const reports: string[] = [];
  const watch = new WatchReports(
    {
      onChange: ({ revision }) => reports.push(revision),
      onError: (error) => reports.push(error instanceof CidecarError ? error.code : error.message),
    },
    lastRead,
  );
  return { watch, reports, lastRead };
}

it('does not report the state in force at the call, and each other state once', async () => {
  const { watch, reports } = watchOf();
  await watch.begin(async () => state('a'));
  for (const revision of ['a', 'b', 'b', 'a']) watch.found(state(revision));
  expect(reports).toEqual(['b', 'a']);
});

it('takes what was read before for the state in force, and looks for none', async () => {
  const lastRead = new LastRead();
  lastRead.handsOut(state('a'));
  const { watch, reports } = watchOf(lastRead);
  const look = vi.fn(async () => state('b'));
  await watch.begin(look);
  expect(look).not.toHaveBeenCalled();
  watch.found(state('a'));
  watch.found(state('b'));
  expect(reports).toEqual(['b']);
});

it('counts the first valid state as a change if there was none at the call', async () => {
  const { watch, reports } = watchOf();
  await watch.begin(() => Promise.reject(AWAY));
  watch.failed(AWAY);
  watch.found(state('a'));
  expect(reports).toEqual(['REGISTRY_UNAVAILABLE', 'a']);

  const quick = watchOf();
  await quick.watch.begin(() => Promise.reject(AWAY));
  quick.watch.found(state('a'));
  expect(quick.reports).toEqual(['a']);
});

it('reports an error once in a row, and the same state again after it', async () => {
  const { watch, reports } = watchOf();
  await watch.begin(async () => state('a'));
  const again = new CidecarError('REGISTRY_UNAVAILABLE', 'cannot reach the store');
  const bad = new CidecarError('DOCUMENT_INVALID', 'has no pools');
  for (const error of [AWAY, again, bad, AWAY]) watch.failed(error);
  watch.found(state('a'));
  watch.failed('no error object');
  expect(reports).toEqual([
    'REGISTRY_UNAVAILABLE',
    'DOCUMENT_INVALID',
    'REGISTRY_UNAVAILABLE',
    'a',
    'no error object',
  ]);
});

it('reports a state again that a read beside it saw otherwise, once', async () => {
  const { watch, reports, lastRead } = watchOf();
  await watch.begin(async () => state('a'));
  lastRead.handsOut(state('b'));
  watch.found(state('a'));
  watch.found(state('a'));
  lastRead.handsOut(state('a'));
  watch.found(state('a'));
  lastRead.fails();
  watch.found(state('a'));
  expect(reports).toEqual(['a', 'a']);
});

it('reports nothing after it was closed', async () => {
  const { watch, reports } = watchOf();
  await watch.begin(async () => state('a'));
  watch.close();
  watch.found(state('b'));
  watch.failed(AWAY);
  expect(reports).toEqual([]);
});

it('survives handlers that throw', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const thrown = new Error('of a handler');
  const fail = () => {
    throw thrown;
  };
  const watch = new WatchReports({ onChange: fail, onError: fail }, new LastRead());
  expect(() => watch.found(state('a'))).toThrow(thrown);
  expect(() => watch.failed(AWAY)).not.toThrow();
  expect(warned).toHaveBeenCalledWith(thrown);
  warned.mockRestore();
});
