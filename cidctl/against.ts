// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../core/index.js';
import { readRegularFile } from '../core/regular-file.js';
import { journalOf } from '../daemon/last-good.js';
import { isEtcdAddress } from '../registry/etcd/index.js';
import {
  type DesiredState,
  type DocumentPlace,
  isLossy,
  isSavedEtcdState,
  isSavedState,
  placesIn,
  type RegistryOptions,
  SEVERITY_TEXT,
  savedState,
  type Transition,
  transitions,
} from '../registry/index.js';
import type { Io } from './io.js';
import { readState } from './read-state.js';

/** A document that was read, with its text. */
export interface ReadDocument {
  readonly file: string;
  readonly state: DesiredState;
  readonly text: string;
}

/** A transition, and where the new document has it. */
export interface PlacedTransition extends Transition, DocumentPlace {}

/** Octets; in JSON a document can be some times as long. */
const MAX_SAVED_OCTETS = 256 * 1024 * 1024;

/** How to read a registry; the same for the former state and for the one that follows it. */
export type ReadOptions = Pick<
  RegistryOptions,
  'registryOptions' | 'clusterSecret' | 'needsKey' | 'schemes'
>;

/** What a change begins at, of which only the kind is known yet. */
export interface Former {
  /** As the command line has it: a path or an address. */
  readonly name: string;
  /** Text of the last good state that a daemon keeps, with the keys in it. */
  readonly saved: string | undefined;
  /** Whether it comes from etcd, so that options of etcd are for it. */
  readonly fromEtcd: boolean;
}

export async function findFormer(name: string): Promise<Former> {
  if (isEtcdAddress(name)) return { name, saved: undefined, fromEtcd: true };
  const content = await readRegularFile(name, MAX_SAVED_OCTETS).catch(() => undefined);
  const text = content?.octets.toString();
  if (text === undefined || !isSavedState(text)) return { name, saved: undefined, fromEtcd: false };
  return { name, saved: text + (await journaled(name, text)), fromEtcd: isSavedEtcdState(text) };
}

/** What changed since a daemon saved a state as a whole. */
async function journaled(path: string, whole: string): Promise<string> {
  const journal = journalOf(path);
  try {
    return await journal.read(whole, MAX_SAVED_OCTETS);
  } catch (cause) {
    const message = 'the journal of this saved state cannot be read';
    throw new CidecarError('FILE_UNREADABLE', message, { file: journal.path, cause });
  }
}

/** What a change loses, as far as the keys of both sides were there. */
export interface Comparison {
  readonly transitions: readonly PlacedTransition[];
  /** Configs of which a key was not read, on either side, so that it was not compared. */
  readonly configsWithoutKeys: number;
}

/** What the change from a former state to this document loses. */
export async function compareWith(
  former: Former,
  now: ReadDocument,
  options: ReadOptions,
): Promise<Comparison> {
  const before = await readFormer(former, options);
  const found = transitions(before, now.state);
  const placeOf = placesIn(now.text, now.file);
  return {
    transitions: found.map((each) => ({ ...each, ...placeOf(each.path) })),
    configsWithoutKeys: new Set([...withoutKeys(before), ...withoutKeys(now.state)]).size,
  };
}

/** Names of the configs of which a key was not read. */
function withoutKeys({ pools }: DesiredState): string[] {
  return pools.flatMap(({ name, configs }) =>
    configs.filter(({ unread }) => unread !== undefined).map(({ id }) => `${name}/${id}`),
  );
}

async function readFormer({ name, saved, fromEtcd }: Former, options: ReadOptions) {
  if (saved === undefined) return readState(name, optionsFor(fromEtcd, options));
  return savedState(saved, name, { ...options, signal: new AbortController().signal });
}

/** Without the options of etcd, where they are for the other side of a comparison. */
export function optionsFor(etcd: boolean, options: ReadOptions): ReadOptions {
  return etcd ? options : { ...options, registryOptions: undefined, clusterSecret: undefined };
}

export function printComparison(
  file: string,
  former: string,
  { transitions: found, configsWithoutKeys }: Comparison,
  io: Io,
): void {
  for (const { line, field, name, severity, message, instead } of found) {
    io.out(`${file}:${line}: ${field}: ${name} (${SEVERITY_TEXT[severity]}): ${message}`);
    io.out(`  Instead: ${instead}`);
  }
  const lossy = found.filter(isLossy).length;
  const what =
    lossy === 0
      ? 'no connection is lost and no CID can repeat'
      : `${lossy} ${lossy === 1 ? 'thing is' : 'things are'} lost`;
  const configs = `${configsWithoutKeys} ${configsWithoutKeys === 1 ? 'config' : 'configs'}`;
  const asFar =
    configsWithoutKeys === 0 ? '' : `, as far as can be told without the keys of ${configs}`;
  io.out(`${file}: after ${former}, ${what}${asFar}`);
}

/** For programs: as printed, without the path of each transition. */
export function jsonComparison({ transitions: found, configsWithoutKeys }: Comparison): object {
  return {
    lossy: found.some(isLossy),
    transitions: found.map(({ path: _, ...rest }) => rest),
    ...(configsWithoutKeys > 0 && { configsWithoutKeys }),
  };
}
