// SPDX-License-Identifier: Apache-2.0
import type { z } from 'zod';
import type { Report } from './report.js';
import type { DocumentShape, PoolShape } from './shape.js';
import type { Path } from './source.js';
import type { Steps } from './steps.js';

/**
 * Configs of a pool that are read at all. There are seven IDs; a few more, so that a slip is
 * told as what it is.
 */
const MAX_CONFIGS = 16;

/** Pools, VIPs or servers that are checked in one go. */
const AT_ONCE = 200;

/**
 * Checks the form of a document and returns it with its defaults, or undefined where errors
 * were reported. The schema judges a value as a whole, which takes a second where there are a
 * hundred thousand servers; so it is given the document without its long lists, and then the
 * items of those in small documents around them.
 */
export function* readShape(
  value: unknown,
  schema: z.ZodType<DocumentShape>,
  report: Report,
): Steps<DocumentShape | undefined> {
  const reader = new ShapeReader(schema, report);
  const given = isMapping(value) ? value.pools : undefined;
  if (!isMapping(value) || !isMapping(given)) {
    return reader.check(value, (path) => path);
  }
  reader.check({ ...value, pools: {} }, (path) => path);
  const pools: [string, PoolShape][] = [];
  for (const names of chunksOf(Object.keys(given))) {
    yield;
    const short = names.map((name): [string, unknown] => {
      reader.checkConfigs(given[name], name);
      return [name, withoutLists(given[name])];
    });
    const checked = reader.check({ pools: Object.fromEntries(short) }, (path) => path);
    for (const name of names) {
      const pool = given[name];
      const vips = yield* reader.checkList(pool, name, 'vips');
      const servers = yield* reader.checkList(pool, name, 'servers');
      const shape = checked?.pools[name];
      if (shape !== undefined) pools.push([name, { ...shape, vips, servers }]);
    }
  }
  return reader.sound ? { pools: Object.fromEntries(pools) } : undefined;
}

class ShapeReader {
  readonly #schema: z.ZodType<DocumentShape>;
  readonly #report: Report;
  sound = true;

  constructor(schema: z.ZodType<DocumentShape>, report: Report) {
    this.#schema = schema;
    this.#report = report;
  }

  /** @param place where something stands in the whole document */
  check(value: unknown, place: (path: Path) => Path): DocumentShape | undefined {
    const result = this.#schema.safeParse(value);
    if (result.success) return result.data;
    this.sound = false;
    for (const issue of result.error.issues) reportIssue(issue, this.#report, place);
    return undefined;
  }

  checkConfigs(pool: unknown, poolName: string): void {
    const configs = isMapping(pool) ? pool.configs : undefined;
    if (!Array.isArray(configs) || configs.length <= MAX_CONFIGS) return;
    this.sound = false;
    const message = `has ${configs.length} configs; there are seven config IDs`;
    this.#report.error(['pools', poolName, 'configs'], message);
  }

  *checkList<Name extends 'vips' | 'servers'>(
    pool: unknown,
    poolName: string,
    name: Name,
  ): Steps<PoolShape[Name]> {
    const list: unknown = isMapping(pool) ? pool[name] : undefined;
    const all: unknown[] = [];
    if (Array.isArray(list)) {
      let begin = 0;
      for (const items of chunksOf<unknown>(list)) {
        yield;
        const first = begin;
        const shape = this.check({ pools: { some: { [name]: items } } }, (path) => {
          const [, , , index, ...rest] = path;
          return ['pools', poolName, name, first + Number(index), ...rest];
        });
        for (const item of shape?.pools.some?.[name] ?? []) all.push(item);
        begin += items.length;
      }
    }
    // Items of this very list, as the schema returned them.
    return all as PoolShape[Name];
  }
}

function withoutLists(pool: unknown): unknown {
  if (!isMapping(pool)) return pool;
  const { vips, configs, servers } = pool;
  const tooMany = Array.isArray(configs) && configs.length > MAX_CONFIGS;
  return {
    ...pool,
    ...(Array.isArray(vips) ? { vips: [] } : {}),
    ...(tooMany ? { configs: [] } : {}),
    ...(Array.isArray(servers) ? { servers: [] } : {}),
  };
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function* chunksOf<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let at = 0; at < items.length; at += AT_ONCE) yield items.slice(at, at + AT_ONCE);
}

/** Tells what a schema says of a value that stands at some place. */
export function reportIssue(
  issue: z.core.$ZodIssue,
  report: Report,
  place: (path: Path) => Path,
): void {
  const path = place(issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part)));
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
