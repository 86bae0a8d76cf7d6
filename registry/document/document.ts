// SPDX-License-Identifier: Apache-2.0
import { createHash, createHmac } from 'node:crypto';
import type { z } from 'zod';
import type { Schemes } from '../../cid/index.js';
import { readAddress } from '../../core/address.js';
import type { CidecarError, Secret } from '../../core/index.js';
import type { DesiredState, Pool, Vip } from '../types.js';
import { type ReadKeyFile, readConfigs } from './configs.js';
import { DocumentError } from './document-error.js';
import { type DocumentWarning, Report } from './report.js';
import { readServers } from './servers.js';
import {
  builtInDocumentShape,
  type DocumentShape,
  documentShape,
  type PoolShape,
} from './shape.js';
import { fieldName, type Path, readSource } from './source.js';

export interface DocumentOptions {
  /** Name of the document in messages. */
  readonly file: string;
  /** Reads a key file; its path is as the document gives it. */
  readonly readKeyFile: ReadKeyFile;
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
  const source = readSource(text, options.file);
  const report = new Report(source, options.file);
  const form = options.schemes ? documentShape(options.schemes) : builtInDocumentShape;
  const shape = form.safeParse(source.value);
  if (!shape.success) {
    for (const issue of shape.error.issues) reportIssue(issue, report);
    throw failure(report);
  }
  const pools = Object.entries(shape.data.pools).map(([name, pool]) =>
    readPool(name, pool, report, options.readKeyFile),
  );
  checkVips(shape.data, report);
  checkServers(shape.data, report);
  if (report.errors.length > 0) throw failure(report);
  return { state: { revision: revisionOf(text, pools), pools }, warnings: report.warnings };
}

function failure(report: Report): DocumentError {
  const errors = [...report.errors].sort((a, b) => lineOf(a) - lineOf(b));
  const [first, ...rest] = errors;
  if (first === undefined) throw new Error('a document that does not validate has an error');
  return new DocumentError([first, ...rest]);
}

function lineOf(error: CidecarError): number {
  return error.place.line ?? 0;
}

function reportIssue(issue: z.core.$ZodIssue, report: Report): void {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  switch (issue.code) {
    case 'unrecognized_keys':
      for (const key of issue.keys) report.error([...path, key], 'is no field that is known here');
      return;
    case 'invalid_key': {
      const [inner] = issue.issues;
      report.error(path, inner?.message ?? issue.message);
      return;
    }
    default:
      report.error(path, issue.message);
  }
}

function readPool(name: string, shape: PoolShape, report: Report, readKeyFile: ReadKeyFile): Pool {
  const path: Path = ['pools', name];
  const configs = readConfigs(shape, path, report, readKeyFile);
  const vips = shape.vips.flatMap((vip, index): Vip[] => {
    const place: Path = [...path, 'vips', index];
    if (vip.protocol === 'tcp' && vip.quic === true) {
      report.error([...place, 'quic'], 'must be false on a tcp VIP: QUIC runs over udp');
    }
    const reading = readAddress(vip.address);
    if ('problem' in reading) {
      report.error([...place, 'address'], reading.problem);
      return [];
    }
    const { port, protocol } = vip;
    const quic = vip.quic ?? protocol === 'udp';
    return [{ address: reading.address.text, port, protocol, quic }];
  });
  const servers = readServers(shape, configs, path, report);
  checkTakers(shape, path, report);
  return { name, vips, configs, servers };
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
function checkVips(document: DocumentShape, report: Report): void {
  const owners = new Map<string, Path>();
  for (const [pool, { vips }] of Object.entries(document.pools)) {
    vips.forEach((vip, index) => {
      const key = `${canonical(vip.address)} ${vip.protocol} ${vip.port}`;
      const place: Path = ['pools', pool, 'vips', index];
      const rival = owners.get(key);
      if (rival === undefined) {
        owners.set(key, place);
        return;
      }
      report.error(
        place,
        `VIP ${vip.protocol} ${vip.address} port ${vip.port} is ${fieldName(rival)} too (${report.place(rival)}); a VIP belongs to one pool, once`,
      );
    });
  }
}

/** A sidecar finds its pool by the name of its server, so names are unique across pools. */
function checkServers(document: DocumentShape, report: Report): void {
  const owners = new Map<string, Path>();
  const vips = new Set(
    Object.values(document.pools).flatMap((pool) => pool.vips.map((vip) => canonical(vip.address))),
  );
  for (const [pool, { servers }] of Object.entries(document.pools)) {
    servers.forEach((server, index) => {
      const place: Path = ['pools', pool, 'servers', index];
      const rival = owners.get(server.name);
      if (rival === undefined) owners.set(server.name, place);
      else {
        report.error(
          [...place, 'name'],
          `${server.name} is the name of ${fieldName(rival)} too (${report.place(rival)}); names are unique in the document`,
        );
      }
      if (vips.has(canonical(server.address))) {
        report.error(
          [...place, 'address'],
          `${server.address} is a VIP: what is sent there would come back to the balancer`,
        );
      }
    });
  }
}

function canonical(text: string): string {
  const reading = readAddress(text);
  return 'address' in reading ? reading.address.text : text;
}

/**
 * Equal on every host for equal documents and keys. Of a key it contains the HMAC of the text
 * under that key, because the revision is logged and must not be the hash of a bare key.
 */
function revisionOf(text: string, pools: readonly Pool[]): string {
  const hash = createHash('sha256').update(text);
  const add = (key: Secret | null) => {
    const mark = key === null ? 'none' : createHmac('sha256', key.reveal()).update(text).digest();
    hash.update(mark);
  };
  for (const pool of pools) {
    for (const config of pool.configs) {
      const { secrets } = config.codec;
      for (const secret of secrets.length === 0 ? [null] : secrets) add(secret);
      add(config.resetKey);
    }
  }
  return hash.digest('hex').slice(0, 16);
}
