// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../../cid/index.js';
import { readAddress } from '../../core/address.js';
import type { CidecarError } from '../../core/index.js';
import type { DesiredState, NeedsKey, Pool, Vip } from '../types.js';
import { readConfigs } from './configs.js';
import { DocumentError } from './document-error.js';
import { checkFailoverSpace } from './failover-space.js';
import type { KeySource, ReadKeyFile } from './keys.js';
import { checkNonceSpaces } from './nonce-spaces.js';
import { readShape } from './read-shape.js';
import { type DocumentWarning, Report } from './report.js';
import { checkResetKeys } from './reset-keys.js';
import { revisionPartsSteps, revisionSteps } from './revision.js';
import { ServerIdBudget } from './server-ids.js';
import { readServers } from './servers.js';
import {
  builtInDocumentShape,
  type DocumentShape,
  documentShape,
  type PoolShape,
} from './shape.js';
import { fieldName, type Path, readSource } from './source.js';
import { ITEMS_PER_STEP, runAtOnce, runInSlices, type Steps } from './steps.js';
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
  const report = new Report(source, options.file);
  const form = options.schemes ? documentShape(options.schemes) : builtInDocumentShape;
  const shape = yield* readShape(source.value, form, report);
  if (shape === undefined) throw failure(report);
  const { readKeyFile, needsKey = () => true } = options;
  const keySource = { readKeyFile, needsKey };
  const budget = new ServerIdBudget();
  const pools: Pool[] = [];
  for (const [name, pool] of Object.entries(shape.pools)) {
    yield;
    pools.push(yield* readPool(name, pool, report, keySource, budget));
  }
  yield* checkVips(shape, report);
  yield* checkServers(shape, report);
  yield* checkNonceSpaces(shape, pools, report);
  checkResetKeys(shape, pools, report);
  if (report.errors.kept.length > 0) throw failure(report);
  const revision = yield* revisionSteps(text, pools);
  const parts = yield* revisionPartsSteps(text, pools);
  return { state: { revision, parts, pools }, warnings: warningsOf(report) };
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
function warningsOf({ warnings, file }: Report): DocumentWarning[] {
  const [last] = warnings.kept.slice(-1);
  if (last === undefined || warnings.more === 0) return warnings.kept;
  const message = `and ${warnings.more} more warnings`;
  return [...warnings.kept, { file, line: last.line, field: last.field, message }];
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
  const vips: Vip[] = [];
  for (const [index, vip] of shape.vips.entries()) {
    if (index % ITEMS_PER_STEP === 0) yield;
    const place: Path = [...path, 'vips', index];
    if (vip.protocol === 'tcp' && vip.quic === true) {
      report.error([...place, 'quic'], 'must be false on a tcp VIP: QUIC runs over udp');
    }
    const reading = readAddress(vip.address);
    if ('problem' in reading) {
      report.error([...place, 'address'], reading.problem);
      continue;
    }
    const { port, protocol } = vip;
    const quic = vip.quic ?? protocol === 'udp';
    vips.push({ address: reading.address.text, port, protocol, quic });
  }
  const servers = yield* readServers(shape, configs, path, report, budget);
  checkTakers(shape, path, report);
  const pool: Pool = { name, vips, configs, servers };
  checkFailoverSpace(shape, pool, path, report);
  // Without errors, the lists of the pool are those of the document, item by item.
  if (report.errors.kept.length === 0) checkSomethingMints(pool, path, report);
  return pool;
}

/** Warns of VIPs whose new connections no server takes. */
function checkTakers({ vips, servers }: PoolShape, path: Path, report: Report): void {
  if (vips.length === 0) return;
  const place = [...path, 'servers'];
  const lost = 'new connections to its VIPs are dropped';
  if (servers.length === 0) report.warn(place, `is empty: ${lost}`);
  else if (servers.every(({ weight }) => weight === 0)) {
    report.warn(place, `all have weight 0: ${lost}`);
  } else if (!servers.some(({ state, weight }) => state === 'active' && weight > 0)) {
    report.warn(place, `none is active, with a weight above 0: ${lost}`);
  }
}

/** A packet to one address, port and protocol has to belong to one pool. */
function* checkVips(document: DocumentShape, report: Report): Steps<void> {
  const owners = new Map<string, Path>();
  for (const [pool, { vips }] of Object.entries(document.pools)) {
    for (const [index, vip] of vips.entries()) {
      if (owners.size % ITEMS_PER_STEP === 0) yield;
      const key = `${canonical(vip.address)} ${vip.protocol} ${vip.port}`;
      const place: Path = ['pools', pool, 'vips', index];
      const rival = owners.get(key);
      if (rival === undefined) {
        owners.set(key, place);
        continue;
      }
      report.error(
        place,
        () =>
          `VIP ${vip.protocol} ${vip.address} port ${vip.port} is ${fieldName(rival)} too (${report.lineText(rival)}); a VIP belongs to one pool, once`,
      );
    }
  }
}

/** A sidecar finds its pool by the name of its server, so names are unique across pools. */
function* checkServers(document: DocumentShape, report: Report): Steps<void> {
  const owners = new Map<string, Path>();
  const vips = new Set(
    Object.values(document.pools).flatMap((pool) => pool.vips.map((vip) => canonical(vip.address))),
  );
  for (const [pool, { servers }] of Object.entries(document.pools)) {
    for (const [index, server] of servers.entries()) {
      if (index % ITEMS_PER_STEP === 0) yield;
      const place: Path = ['pools', pool, 'servers', index];
      const rival = owners.get(server.name);
      if (rival === undefined) owners.set(server.name, place);
      else {
        report.error(
          [...place, 'name'],
          () =>
            `${server.name} is the name of ${fieldName(rival)} too (${report.lineText(rival)}); names are unique in the document`,
        );
      }
      if (vips.has(canonical(server.address))) {
        report.error(
          [...place, 'address'],
          `${server.address} is a VIP: what is sent there would come back to the balancer`,
        );
      }
    }
  }
}

function canonical(text: string): string {
  const reading = readAddress(text);
  return 'address' in reading ? reading.address.text : text;
}
