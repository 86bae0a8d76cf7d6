// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { documentSource } from '../file/document-source.js';
import { savedState } from '../last-good.js';
import type { DesiredState } from '../types.js';
import { firstState } from './first-state.js';
import { TransitionGuard } from './guard.js';
import { DOCUMENT, edited } from './testing/documents.js';

const LOSSY = edited([/name: web-2, .*\n/, 'name: web-2, address: 10.0.1.2, state: down }\n']);
const HARMLESS = edited([/(name: web-2, .*) \}/, '$1, weight: 50 }']);

/** A document as a daemon saves it; the content of a key file follows from its name. */
function saved(text: string): string {
  const names = [...text.matchAll(/(?:keyFile|resetKeyFile): (\w+)/g)].map(([, name = '']) => name);
  const keys = names.map((name) => [name, Buffer.from(name.padEnd(16)).toString('hex')]);
  return documentSource({ text, keyFiles: Object.fromEntries(keys) }).serialize() ?? '';
}

function stateOf(text: string): Promise<DesiredState> {
  return savedState(saved(text), 'saved', { signal: new AbortController().signal });
}

/** What a daemon begins with that had `before` in force and finds `after`. */
async function begun(refuse: boolean, before: string | undefined, after: string | Error) {
  const told: string[] = [];
  const note = ({ transition, error }: { transition?: string; error?: unknown }, text: string) =>
    void told.push(transition ?? `${text}: ${String(error)}`);
  const log = { warn: note, info: note, error: () => {} };
  const refused: string[] = [];
  const state = await firstState({
    read: () => (after instanceof Error ? Promise.reject(after) : stateOf(after)),
    sourceOf: () => undefined,
    saved: before === undefined ? undefined : { path: 'saved', text: before },
    guard: new TransitionGuard({ refuse, log }),
    log,
    onRefused: (error) => void refused.push(String(error)),
  });
  return { revision: state.revision, told, refused };
}

it('a daemon begins with what it had where its guard refuses the change', async () => {
  const [old, lossy, harmless] = await Promise.all([DOCUMENT, LOSSY, HARMLESS].map(stateOf));
  expect(await begun(true, saved(DOCUMENT), LOSSY)).toEqual({
    revision: old?.revision,
    told: [],
    refused: [expect.stringContaining('server-down-at-once')],
  });
  expect(await begun(false, saved(DOCUMENT), LOSSY)).toEqual({
    revision: lossy?.revision,
    told: ['server-down-at-once'],
    refused: [],
  });
  expect(await begun(true, saved(DOCUMENT), HARMLESS)).toEqual({
    revision: harmless?.revision,
    told: [],
    refused: [],
  });
  expect(await begun(true, undefined, LOSSY)).toMatchObject({ revision: lossy?.revision });
});

it('a daemon begins with what it had where the document is bad, if it had something', async () => {
  const { revision } = await stateOf(DOCUMENT);
  expect(await begun(false, saved(DOCUMENT), new Error('bad'))).toMatchObject({
    revision,
    refused: ['Error: bad'],
  });
  await expect(begun(false, undefined, new Error('bad'))).rejects.toThrow('bad');
});

it('what was saved and cannot be read does not keep a good document away', async () => {
  const { revision } = await stateOf(LOSSY);
  const { told, ...rest } = await begun(true, 'not one', LOSSY);
  expect(rest).toEqual({ revision, refused: [] });
  expect(told).toEqual([expect.stringContaining('the change is not checked')]);
});

it('a guard that is closed lets nothing through', async () => {
  const log = { warn: () => {}, info: () => {} };
  const guard = new TransitionGuard({ refuse: true, log });
  const [before, after] = [await stateOf(DOCUMENT), await stateOf(LOSSY)];
  guard.close();
  await expect(guard.check(before, after)).rejects.toMatchObject({ name: 'AbortError' });
  expect(guard.closed).toBe(true);
});

it('refuses nothing where hosts share the registry, and says so', async () => {
  const said: string[] = [];
  const log = { warn: (_: object, message: string) => void said.push(message), info: () => {} };
  const guard = new TransitionGuard({ refuse: true, shared: true, log });
  expect(said.join()).toMatch(/cidctl apply refuses there/);
  const [before, after] = [await stateOf(DOCUMENT), await stateOf(LOSSY)];
  await guard.check(before, after);
  const alone = new TransitionGuard({ refuse: true, log });
  await expect(alone.check(before, after)).rejects.toMatchObject({ code: 'TRANSITION_REFUSED' });
});
