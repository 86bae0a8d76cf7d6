// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import * as decap from './decap-layout.js';
import * as layout from './layout.js';
import { REASONS } from './reasons.js';

// This needs the compiler that builds the addon, so it runs where the kernel tests run.

const KERNEL = fileURLToPath(new URL('../kernel/', import.meta.url));

/** The structures whose sizes and offsets layout.ts and decap-layout.ts state. */
const STRUCTS: Record<string, Readonly<Record<string, number>>> = {
  vip_slot: layout.VIP_SLOT,
  cid_config: layout.CID_CONFIG,
  real: layout.REAL,
  counter: layout.COUNTER,
  settings: layout.SETTINGS,
  event: layout.EVENT,
  tunnel_mtu: layout.TUNNEL_MTU,
  decap_settings: decap.DECAP_SETTINGS,
  decap_prefix: decap.DECAP_PREFIX,
  decap_vip: decap.DECAP_VIP,
};

const VALUES: Record<string, number> = {
  'sizeof(struct vip_bucket)': layout.VIP_BUCKET.size,
  VIP_SLOTS_PER_BUCKET: layout.VIP_BUCKET.slots,
  VIP_QUIC: layout.VIP_QUIC,
  VIP_ADDRESS: layout.VIP_ADDRESS,
  CONFIGS_PER_POOL: layout.CONFIGS_PER_POOL,
  CID_EXTRACT: layout.CID_KIND.extract,
  CID_SINGLE_PASS: layout.CID_KIND['single-pass'],
  CID_FOUR_PASS: layout.CID_KIND['four-pass'],
  SERVER_IDS_DENSE: layout.SERVER_ID_TABLE.dense,
  SERVER_IDS_EXACT: layout.SERVER_ID_TABLE.exact,
  SERVER_IDS_WIDE: layout.SERVER_ID_TABLE.wide,
  'sizeof(struct server_id_row)': layout.SERVER_ID_ROW.size,
  ENCAP_NONE: layout.ENCAP.none,
  ENCAP_IP4: layout.ENCAP.ip4,
  ENCAP_IP6: layout.ENCAP.ip6,
  ENCAP_GUE4: layout.ENCAP.gue4,
  ENCAP_GUE6: layout.ENCAP.gue6,
  ENCAP_L2: layout.ENCAP.l2,
  REAL_DOWN: layout.REAL_DOWN,
  REAL_OVERHEAD_SHIFT: layout.REAL_OVERHEAD_SHIFT,
  'sizeof(struct flow_bucket)': layout.FLOW_BUCKET.size,
  FLOWS_PER_BUCKET: layout.FLOW_BUCKET.flows,
  REASONS_MAX: layout.REASONS_MAX,
  'sizeof(struct vip_stats)': layout.VIP_STATS.size,
  TUNNEL_MTU_ROWS: layout.TUNNEL_MTU_ROWS,
  EVENT_CID_OCTETS: layout.EVENT.cid_octets,
};

/** Compiles a program that prints `expressions`, one a line, and runs it. */
function printed(expressions: readonly string[]): number[] {
  const folder = mkdtempSync(join(tmpdir(), 'cidecar-layout-'));
  try {
    const source = join(folder, 'layout.c');
    const program = join(folder, 'layout');
    const lines = expressions.map((text) => `printf("%lu\\n", (unsigned long)(${text}));`);
    writeFileSync(
      source,
      `#include <stddef.h>\n#include <stdio.h>\n` +
        `#include "abi.h"\n#include "cid_config.h"\n#include "decap.h"\n` +
        `int main(void) { ${lines.join('\n')} return 0; }\n`,
    );
    execFileSync('gcc', ['-std=gnu11', '-I', KERNEL, '-o', program, source]);
    return execFileSync(program, { encoding: 'utf8' }).trim().split('\n').map(Number);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it('agrees with what a C compiler makes of the headers', () => {
  const expected: Record<string, number> = { ...VALUES };
  for (const [name, fields] of Object.entries(STRUCTS)) {
    for (const [field, value] of Object.entries(fields)) {
      if (field === 'cid_octets') continue;
      const text =
        field === 'size' ? `sizeof(struct ${name})` : `offsetof(struct ${name}, ${field})`;
      expected[text] = value;
    }
  }
  const names = Object.keys(expected);
  const values = printed(names);
  expect(Object.fromEntries(names.map((name, i) => [name, values[i]]))).toEqual(expected);
});

it('names every reason that the packet program counts', () => {
  const header = readFileSync(join(KERNEL, 'reason.h'), 'utf8');
  const reasons: Record<string, number> = {};
  for (const [, name, number] of header.matchAll(/\bREASON_([A-Z0-9_]+) = (\d+)/g)) {
    if (name !== 'CONFIG') reasons[name!.toLowerCase()] = Number(number);
    else for (let id = 0; id < 8; id++) reasons[`config_${id}`] = Number(number) + id;
  }
  expect(REASONS).toEqual(reasons);
});
