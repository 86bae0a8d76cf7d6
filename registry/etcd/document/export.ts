// SPDX-License-Identifier: Apache-2.0
import { CidecarError, type Secret } from '../../../core/index.js';
import { configFieldsOf } from '../../document/shape.js';
import { keyFileIn, sealedField } from '../layout/values/config.js';
import type { ServerValue } from '../layout/values/desired.js';
import type { Assembly } from '../store/assembly.js';
import type { Keyring } from '../store/keyring.js';
import type { PoolAssembly } from '../store/pool-assembly.js';
import type { IdRun } from '../store/run-table.js';
import { hexOf, intervalOf } from './id-changes.js';

export interface ExportOptions {
  /**
   * Also what no document put in: servers that registered themselves, and IDs that were handed
   * out. For a registry that is lost, or for hosts that are to work from a file.
   */
  readonly all: boolean;
}

/**
 * The document of a valid state. Applied again it changes nothing. One line for each VIP, config
 * and server, so that two exports can be compared line by line.
 */
export function exportDocument({ pools }: Assembly, options: ExportOptions): string {
  if (pools.length === 0) return 'pools: {}\n';
  const lines = ['pools:'];
  for (const pool of pools) {
    lines.push(`  ${JSON.stringify(pool.name)}:`);
    for (const line of poolLines(pool, options)) lines.push(`    ${line}`);
  }
  return `${lines.join('\n')}\n`;
}

/**
 * The keys of a state by the names of their files; two configs can have one file.
 *
 * @throws CidecarError KEY_SEALED for a key that this host cannot open; KEY_INVALID where two
 * different keys have one name
 */
export function exportKeys({ pools }: Assembly, keyring: Keyring): Map<string, Secret> {
  const keys = new Map<string, Secret>();
  for (const { name: pool, configs } of pools) {
    for (const [config, { shape, sealed }] of configs.values) {
      for (const [field, key] of Object.entries(sealed)) {
        const file = keyFileIn(shape, field);
        if (file === undefined) continue;
        const opened = keyring.open(key, { pool, config, kind: sealedField(field) });
        if (keys.get(file)?.equals(opened) === false) {
          const message = `two different keys have the name ${file}, one of them that of config ${config} of pool ${pool}`;
          throw new CidecarError('KEY_INVALID', message);
        }
        keys.set(file, opened);
      }
    }
  }
  return keys;
}

function* poolLines(pool: PoolAssembly, options: ExportOptions): Generator<string> {
  const { value, configs } = pool;
  if (value === undefined) return;
  const { vips, allocation, rotation, health } = value;
  yield* list('vips', vips);
  yield* list(
    'configs',
    configs.values.map(([, { shape }]) => configFieldsOf(shape)),
  );
  yield* list('servers', serversOf(pool, options));
  if (allocation !== undefined) yield `allocation: ${flow(allocation)}`;
  if (rotation !== undefined) yield `rotation: ${flow(rotation)}`;
  if (health !== undefined) yield `health: ${flow(health)}`;
}

function* list(name: string, items: Iterable<object>): Generator<string> {
  const lines = [...items].map((item) => `  - ${flow(item)}`);
  yield lines.length === 0 ? `${name}: []` : `${name}:`;
  yield* lines;
}

function* serversOf(pool: PoolAssembly, { all }: ExportOptions): Generator<object> {
  const ids = idsByServer(pool, all);
  const entries = [...pool.servers.entries].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, value } of entries) {
    if (value.registered === true && !all) continue;
    const { address, ...rest } = value;
    const serverIds = ids.get(name);
    yield {
      name,
      address,
      ...(serverIds && { serverIds: Object.fromEntries(serverIds) }),
      ...withoutDefaults(rest),
    };
  }
}

const DEFAULTS: Readonly<Record<string, unknown>> = {
  weight: 100,
  state: 'active',
  encapsulation: 'ipip',
  resetTokens: 'cmac',
};

function withoutDefaults({
  registered: _,
  ...fields
}: Omit<ServerValue, 'address'>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([name, v]) => v !== DEFAULTS[name]));
}

/** The IDs of each server, by config, as texts. */
function idsByServer({ ids }: PoolAssembly, all: boolean): Map<string, Map<number, string>> {
  const byServer = new Map<string, Map<number, string>>();
  for (const config of ids.configs) {
    const texts = new Map<string, string[]>();
    for (const run of ids.runsOf(config)) {
      if (run.allocated && !all) continue;
      const list = texts.get(run.server) ?? [];
      texts.set(run.server, list);
      for (const id of idsOf(run)) list.push(id);
    }
    for (const [server, list] of texts) {
      const of = byServer.get(server) ?? new Map<number, string>();
      byServer.set(server, of.set(config, list.join(' ')));
    }
  }
  return byServer;
}

function* idsOf({ hex, count }: IdRun): Generator<string> {
  if (count === 1) yield hex;
  else {
    const { first, last } = intervalOf(hex, count);
    for (let id = first; id <= last; id += 1n) yield hexOf(id, hex.length);
  }
}

/** A mapping of YAML on one line; its values are JSON, which YAML reads. */
function flow(fields: object): string {
  const texts = Object.entries(fields).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const key = /^[A-Za-z]\w*$/.test(name) ? name : JSON.stringify(name);
    return [`${key}: ${isMapping(value) ? flow(value) : JSON.stringify(value)}`];
  });
  return `{ ${texts.join(', ')} }`;
}

function isMapping(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
