// SPDX-License-Identifier: Apache-2.0
import { type Balancer, rowsOfShape, type Settings, wordsOf } from '../../../bpf/tables/index.js';
import { toHex } from '../../../core/index.js';
import type { Drift } from '../../reconcile/drift.js';
import { idChanges } from '../../reconcile/id-changes.js';
import type { IdChange, Operation } from '../../reconcile/operation.js';
import { type ConfigEntry, type Tables, vipKey } from '../../reconcile/tables.js';
import type { Applier } from './apply.js';
import { capacityOf } from './capacity.js';
import { idsByReal } from './read.js';

/** IDs or reals between two yields: about half a millisecond. */
const STEP = 4096;
/** Rows of 64 octets between two yields. */
const ROW_STEP = 16_384;

/**
 * Compares the kernel's tables with what was written to them, in small steps: yields after each,
 * null where nothing differs. What differs has to be mended before the next step. What leads to
 * other entries comes after them, so that mending a part leads no packet astray: reals, then
 * configs and their IDs, rings, VIPs, and last the reals that nothing names.
 */
export function* checkTables(
  { balancer, applier }: { readonly balancer: Balancer; readonly applier: Applier },
  expected: Tables,
): Generator<Drift | null, void, void> {
  yield* checkReals(balancer, applier, expected);
  for (const [pool, { configs }] of expected.pools) {
    for (const [config, entry] of configs) {
      const at = { balancer, pool, config, entry };
      yield checkConfig(at);
      yield* checkIds(at);
      yield* checkMoreIds(at);
    }
  }
  yield* strayConfigs(balancer, expected);
  for (const [ring, reals] of expected.rings) {
    if (applier.holdsRing(ring, reals)) yield null;
    else yield drift('rings', 1, `ring ${ring}`, [{ kind: 'change-ring', ring, reals }]);
  }
  yield* checkVips(balancer, applier, expected);
  yield* strayReals(balancer, expected);
}

/** All but those that readers of events set (lb-agent/commands/events.ts). */
export function auditedSettings(settings: Partial<Settings>): Partial<Settings> {
  const { sampleEvery: _every, eventsPerSecond: _rate, ...audited } = settings;
  return audited;
}

export function checkSettings(balancer: Balancer, settings: Partial<Settings>): Drift | null {
  const wanted = auditedSettings(settings);
  const present = balancer.settings;
  const names = Object.keys(wanted) as (keyof Settings)[];
  const differs = names.filter((name) => present[name] !== wanted[name]);
  if (!balancer.masksHold) return drift('settings', 1, 'the sizes of tables', RESTORE);
  if (differs.length === 0) return null;
  return drift('settings', differs.length, differs.join(', '), RESTORE);
}

const RESTORE: readonly Operation[] = [{ kind: 'restore-settings' }];

function drift(
  table: Drift['table'],
  count: number,
  what: string,
  operations: readonly Operation[],
): Drift {
  return { table, count, what, operations };
}

function* checkReals(balancer: Balancer, applier: Applier, expected: Tables) {
  let checked = 0;
  for (const [index, real] of expected.reals) {
    if (!applier.holdsReal(index, real)) {
      const what = `real ${index} (${real.address})`;
      yield drift('reals', 1, what, [{ kind: 'set-real', index, real }]);
    } else if (++checked % STEP === 0) yield null;
  }
  for (const [index, incarnation] of expected.vacated) {
    if (expected.reals.has(index) || balancer.real(index) !== undefined) continue;
    if (index >= capacityOf(balancer).reals || balancer.incarnation(index) === incarnation)
      continue;
    const what = `incarnation of real ${index}`;
    yield drift('reals', 1, what, [{ kind: 'note-incarnation', index, incarnation }]);
  }
  yield null;
}

function* strayReals(balancer: Balancer, expected: Tables) {
  for (const { index, address } of balancer.reals()) {
    if (expected.reals.has(index)) continue;
    const operations: Operation[] = [{ kind: 'clear-real', index }];
    const incarnation = expected.vacated.get(index);
    if (incarnation !== undefined) {
      operations.push({ kind: 'note-incarnation', index, incarnation });
    }
    yield drift('reals', 1, `real ${index} (${address}) is nobody's`, operations);
  }
  yield null;
}

interface ConfigAt {
  readonly balancer: Balancer;
  readonly pool: number;
  readonly config: number;
  readonly entry: ConfigEntry;
}

function setConfig({ pool, config, entry }: ConfigAt): Operation {
  return { kind: 'set-config', pool, config, entry };
}

function checkConfig(at: ConfigAt): Drift | null {
  const { balancer, pool, config, entry } = at;
  if (balancer.holdsConfig(pool, entry.decodePlan)) return null;
  return drift('configs', 1, `config ${config} of pool ${pool}`, [setConfig(at)]);
}

/** The table of IDs of a config, which somebody may have taken away since the step before. */
function* tableOf(at: ConfigAt): Generator<Drift | null, ReturnType<Balancer['idTable']>, void> {
  const { balancer, pool, config, entry } = at;
  if (!balancer.holdsConfig(pool, entry.decodePlan)) yield checkConfig(at);
  return balancer.idTable(pool, config);
}

/** IDs that lead to none or to another real. */
function* checkIds(at: ConfigAt) {
  const { pool, config, entry } = at;
  let table = yield* tableOf(at);
  let changes: IdChange[] = [];
  let checked = 0;
  const found = (): Drift | null => {
    if (changes.length === 0) return null;
    const what = `${changes.length} server IDs of config ${config} of pool ${pool}`;
    const operation: Operation = { kind: 'set-ids', pool, config, changes, entry };
    const result = drift('server_ids', changes.length, what, [operation]);
    changes = [];
    return result;
  };
  for (const [real, list] of entry.ids) {
    for (const serverId of list) {
      if (table.get(wordsOf(serverId)) !== real) changes.push({ serverId, real });
      if (++checked % STEP !== 0) continue;
      yield found();
      table = yield* tableOf(at);
    }
  }
  yield found();
}

/** IDs that nobody wrote. They are looked for only where the table has more than it should. */
function* checkMoreIds(at: ConfigAt) {
  const { balancer, pool, config, entry } = at;
  const { shape } = yield* tableOf(at);
  const rows = rowsOfShape(shape);
  const expected = [...entry.ids.values()].reduce((count, list) => count + list.count, 0);
  let occupied = 0;
  for (let first = 0; first < rows; first += ROW_STEP) {
    occupied += (yield* tableOf(at)).occupied(first, first + ROW_STEP);
    yield null;
  }
  if (occupied === expected || !balancer.holdsConfig(pool, entry.decodePlan)) return;
  const changes = idChanges({ ...entry, ids: idsByReal(balancer.serverIds(pool, config)) }, entry);
  const table = balancer.idTable(pool, config);
  const reachable = changes.every(
    ({ serverId, real }) => real !== 0 || table.get(wordsOf(serverId)) !== 0,
  );
  const count = Math.max(1, changes.length);
  const what = `${count} server IDs too many in config ${config} of pool ${pool}: ${changes
    .slice(0, 3)
    .map(({ serverId }) => toHex(serverId))
    .join(', ')}`;
  // An ID that stands twice, or where no packet finds it, goes only with the whole table.
  const repairs = reachable && occupied - changes.length === expected;
  yield drift('server_ids', count, what, [
    repairs ? { kind: 'set-ids', pool, config, changes, entry } : setConfig(at),
  ]);
}

function* strayConfigs(balancer: Balancer, expected: Tables) {
  for (const [pool, bits] of balancer.configNames()) {
    const configs = expected.pools.get(pool)?.configs.values() ?? [];
    if ([...configs].some(({ decodePlan }) => decodePlan.configBits.includes(bits))) continue;
    const what = `config ${bits} of pool ${pool} is nobody's`;
    yield drift('configs', 1, what, [{ kind: 'clear-config', pool, config: bits }]);
  }
  yield null;
}

function* checkVips(balancer: Balancer, applier: Applier, expected: Tables) {
  for (const [key, vip] of expected.vips) {
    if (applier.holdsVip(vip)) continue;
    yield drift('vip_table', 1, `VIP ${key}`, [{ kind: 'set-vip', vip }]);
  }
  yield null;
  const strays = balancer.unsweptVips;
  if (strays > 0) {
    yield drift('vip_table', strays, `${strays} slots that no packet finds`, [{ kind: 'sweep' }]);
  }
  for (const { vip: row, ...entry } of balancer.vips()) {
    const key = vipKey(entry);
    if (expected.vips.has(key)) continue;
    const vip = { ...entry, row };
    yield drift('vip_table', 1, `VIP ${key} is nobody's`, [{ kind: 'remove-vip', vip }]);
  }
  yield null;
}
