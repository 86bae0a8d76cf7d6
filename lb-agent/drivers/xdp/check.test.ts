// SPDX-License-Identifier: Apache-2.0
import { beforeEach, expect, it } from 'vitest';
import { ArrayView } from '../../../bpf/tables/array-view.js';
import { CidTables } from '../../../bpf/tables/cid-tables.js';
import type { Balancer } from '../../../bpf/tables/index.js';
import { CID_CONFIG, CONFIGS_PER_POOL, SERVER_ID_ROW } from '../../../bpf/tables/layout.js';
import { ManualClock } from '../../../bpf/tables/testing/manual-clock.js';
import { createCodec } from '../../../cid/index.js';
import { fromHex } from '../../../core/index.js';
import { IdList } from '../../reconcile/id-list.js';
import type { Operation } from '../../reconcile/operation.js';
import { NO_TABLES, type Tables } from '../../reconcile/tables.js';
import { Applier } from './apply.js';
import { checkTables } from './check.js';

const { decodePlan } = createCodec({
  ...{ scheme: 'quic-lb', configId: 0, serverIdLength: 3, nonceLength: 4 },
  ...{ serverUseLength: 0, lengthSelfEncoded: true, key: null },
});
const id = (hex: string) => fromHex(hex, 'server ID');
const entry = { decodePlan, ids: new Map([[1, IdList.of([id('000001'), id('000002')])]]) };
const EXPECTED: Tables = {
  ...NO_TABLES,
  pools: new Map([[0, { configs: new Map([[0, entry]]) }]]),
};

let cids: CidTables;
let applier: Applier;
let set: { balancer: Balancer; applier: Applier };
beforeEach(() => {
  cids = new CidTables(
    ArrayView.inMemory(2 * CONFIGS_PER_POOL, 4),
    ArrayView.inMemory(16, CID_CONFIG.size),
    ArrayView.inMemory(1024, SERVER_ID_ROW.size),
    new ManualClock(),
  );
  const balancer = {
    reals: () => [],
    vips: () => [],
    unsweptVips: 0,
    holdsConfig: cids.holds.bind(cids),
    configNames: cids.names.bind(cids),
    idTable: cids.idTable.bind(cids),
    serverIds: cids.serverIds.bind(cids),
    setConfig: cids.setConfig.bind(cids),
    setServerId: cids.setServerId.bind(cids),
    clearConfig: cids.clearConfig.bind(cids),
  } as unknown as Balancer;
  applier = new Applier(balancer, { source4: null, source6: null });
  set = { balancer, applier };
  applier.apply({ kind: 'set-config', pool: 0, config: 0, entry });
});

/** A pass, with what somebody does at each step; returns the kinds of what was mended. */
function pass(at: (step: number) => void = () => {}): Operation['kind'][] {
  const kinds: Operation['kind'][] = [];
  let step = 0;
  for (const drift of checkTables(set, EXPECTED)) {
    for (const operation of drift?.operations ?? []) {
      applier.apply(operation);
      kinds.push(operation.kind);
    }
    at(step++);
  }
  return kinds;
}

const ids = () => [...cids.serverIds(0, 0)].map(([, real]) => real);
const STEPS = 12;

it('finds nothing in what was written', () => {
  expect(pass()).toEqual([]);
});

it.each(Array.from({ length: STEPS }, (_, step) => step))(
  'survives that a config goes away after step %d, and has it back after the next pass',
  (when) => {
    pass((step) => {
      if (step === when) cids.clearConfig(0, 0);
    });
    pass();
    expect(ids()).toEqual([1, 1]);
    expect(pass()).toEqual([]);
  },
);

it('takes away IDs that nobody wrote, and leaves the others', () => {
  cids.setServerId(0, 0, id('000003'), 2);
  expect(pass()).toEqual(['set-ids']);
  expect([ids(), pass()]).toEqual([[1, 1], []]);
});

it('takes away a name for the config of another pool, and no row of that', () => {
  const index = ArrayView.inMemory(2 * CONFIGS_PER_POOL, 4);
  cids = new CidTables(
    index,
    ArrayView.inMemory(16, CID_CONFIG.size),
    ArrayView.inMemory(1024, SERVER_ID_ROW.size),
    new ManualClock(),
  );
  cids.setConfig(0, decodePlan, [[id('000001'), 1]]);
  const { configs } = cids.available();
  const named = [...cids.names()];
  index.store32(CONFIGS_PER_POOL * index.stride, index.load32(0));
  expect([...cids.names()]).toHaveLength(named.length + 1);
  cids.clearConfig(1, 0);
  expect([cids.available().configs, cids.holds(0, decodePlan)]).toEqual([configs, true]);
});
