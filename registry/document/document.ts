// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../../cid/index.js';
import type { CidecarError } from '../../core/index.js';
import type { DesiredState, NeedsKey, Pool } from '../types.js';
import { readConfigs } from './configs.js';
import { DocumentError } from './document-error.js';
import { checkFailoverSpace } from './failover-space.js';
import { checkHealth } from './health.js';
import { type KeySource, type ReadKeyFile, readKey } from './keys.js';
import { checkNonceSpaces } from './nonce-spaces.js';
import { readShape } from './read-shape.js';
import { type DocumentWarning, placesOf, Report } from './report.js';
import { checkResetKeys } from './reset-keys.js';
import { revisionPartsSteps, revisionSteps } from './revision.js';
import { ServerIdBudget } from './server-ids.js';
import { checkServers } from './server-names.js';
import { readServers } from './servers.js';
import {
  builtInDocumentShape,
  type DocumentShape,
  documentShape,
  type PoolShape,
} from './shape.js';
import { type Path, readSource } from './source.js';
import { runAtOnce, runInSlices, type Steps } from './steps.js';
import { checkTakers } from './takers.js';
import { checkVips, readVips } from './vips.js';
import { checkSomethingMints } from './what-mints.js';

export interface DocumentOptions {
  /** Name of the document in messages. */
  readonly file: string;
  /** Reads a key file; its path is as the document gives it. */
  readonly readKeyFile: ReadKeyFile;
  /** Which keys have to be there; every one unless said otherwise. */
  readonly needsKey?: NeedsKey | undefined;
  /** What configs may be of; the built-in ones unless said otherwise. */
  readonly schemes?: Schemes;
}

export interface ParsedDocument {
  readonly state: DesiredState;
  readonly warnings: readonly DocumentWarning[];
  /** The fields as the document gives them, with defaults. */
  readonly shape: DocumentShape;
}

/**
 * Reads a document, or throws a DocumentError that holds all errors of the first stage that
 * fails. The stages are YAML, the form of each field, and rules about several fields.
 */
export function parseDocument(text: string, options: DocumentOptions): ParsedDocument {
  return runAtOnce(documentSteps(text, options));
}

/**
 * The same in slices of a few milliseconds, so that a daemon serves and hears signals while it
 * reads a large document.
 *
 * @param signal when it is aborted, the reading ends soon and throws its reason
 */
export function parseDocumentInSlices(
  text: string,
  options: DocumentOptions,
  signal: AbortSignal,
): Promise<ParsedDocument> {
  return runInSlices(documentSteps(text, options), signal);
}

function* documentSteps(text: string, options: DocumentOptions): Steps<ParsedDocument> {
  const source = yield* readSource(text, options.file);
  const report = new Report(placesOf(source, options.file));
  const form = options.schemes ? documentShape(options.schemes) : builtInDocumentShape;
  const shape = yield* readShape(source.value, form, report);
  if (shape === undefined) throw failure(report);
  const { readKeyFile, needsKey = () => true } = options;
  const keySource: KeySource = {
    readKey: (file, _, warn) => readKey(readKeyFile(file, warn), file),
    needsKey,
  };
  const budget = new ServerIdBudget();
  const pools: Pool[] = [];
  for (const [name, pool] of Object.entries(shape.pools)) {
    yield;
    pools.push(yield* readPool(name, pool, report, keySource, budget));
  }
  yield* checkVips(
    Object.entries(shape.pools).map(([name, { vips }]) => ({ name, vips })),
    report,
  );
  yield* checkServers(shape, report);
  yield* checkNonceSpaces(shape, pools, report);
  checkResetKeys(shape, pools, report);
  if (report.errors.kept.length > 0) throw failure(report);
  const revision = yield* revisionSteps(text, pools);
  const parts = yield* revisionPartsSteps(text, pools);
  return { state: { revision, parts, pools }, warnings: warningsOf(report), shape };
}

function failure(report: Report): DocumentError {
  const errors = [...report.errors.kept].sort((a, b) => lineOf(a) - lineOf(b));
  const [first, ...rest] = errors;
  if (first === undefined) throw new Error('a document that does not validate has an error');
  return new DocumentError([first, ...rest], report.errors.more);
}

function lineOf(error: CidecarError): number {
  return error.place.line ?? 0;
}

/** In the order of the document's checks; the last one says how many there are beyond those. */
function warningsOf({ warnings }: Report): DocumentWarning[] {
  const [last] = warnings.kept.slice(-1);
  if (last === undefined || warnings.more === 0) return warnings.kept;
  const message = `and ${warnings.more} more warnings`;
  return [...warnings.kept, { ...last, message }];
}

function* readPool(
  name: string,
  shape: PoolShape,
  report: Report,
  keySource: KeySource,
  budget: ServerIdBudget,
): Steps<Pool> {
  const path: Path = ['pools', name];
  const configs = readConfigs(name, shape, path, report, keySource);
  const vips = yield* readVips(shape.vips, [...path, 'vips'], report);
  const servers = yield* readServers(shape, configs, path, report, budget);
  checkTakers(shape, path, report);
  const pool: Pool = { name, vips, configs, servers, ...policiesOf(shape) };
  checkHealth(shape, path, report);
  checkFailoverSpace(shape, pool, path, report);
  // Without errors, the lists of the pool are those of the document, item by item.
  if (report.errors.kept.length === 0) checkSomethingMints(pool, path, report);
  return pool;
}

function policiesOf({
  allocation,
  rotation,
  health,
}: PoolShape): Pick<Pool, 'allocation' | 'rotation' | 'health'> {
  return {
    ...(allocation && { allocation }),
    ...(rotation && { rotation }),
    ...(health && { health }),
  };
}
