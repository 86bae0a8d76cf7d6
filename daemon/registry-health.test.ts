// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { daemonMetrics, RegistryHealth } from './registry-health.js';

it('tells which revision is in force since when, and what was refused since when', async () => {
  let now = 10_000;
  const health = new RegistryHealth(() => now);
  const metrics = daemonMetrics('cid-sidecar', health);
  const value = async (name: string) => {
    const text = await metrics.metrics();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  };
  expect(await value('cidecar_registry_revision_since_seconds')).toBe(0);

  health.applied('aa');
  now = 20_000;
  health.applied('aa');
  expect(await value('cidecar_registry_revision_since_seconds')).toBe(10);
  expect(await value('cidecar_registry_last_apply_seconds')).toBe(20);
  expect(await value('cidecar_registry_revision_info{revision="aa"}')).toBe(1);

  health.refused('line 3');
  now = 30_000;
  health.refused('line 4');
  expect(await value('cidecar_registry_refused_since_seconds')).toBe(20);
  expect(await value('cidecar_registry_refused_total')).toBe(2);
  expect(health.refusal).toBe('line 4');

  health.accepted();
  health.applied('bb');
  expect(await value('cidecar_registry_refused_since_seconds')).toBe(0);
  expect(await value('cidecar_registry_revision_since_seconds')).toBe(30);
  const parts = { document: 'dd', pools: [{ name: 'web', cids: 'cc', resetTokens: 'tt' }] };
  now = 40_000;
  health.applyFailed();
  now = 50_000;
  health.applyFailed();
  expect(await value('cidecar_registry_apply_failing_since_seconds')).toBe(40);
  expect(await value('cidecar_registry_revision_since_seconds')).toBe(30);
  health.applied('bb', parts);
  expect(await value('cidecar_registry_apply_failing_since_seconds')).toBe(0);
  expect(await value('cidecar_registry_document_info{revision="dd"}')).toBe(1);
  const pool = 'cidecar_registry_pool_info{pool="web",cids="cc",reset_tokens="tt"}';
  expect(await value(pool)).toBe(1);
  const text = await metrics.metrics();
  expect(text).toContain('cidecar_registry_revision_info{revision="bb"} 1');
  expect(text).not.toContain('revision="aa"');
  expect(text).toMatch(/cidecar_build_info\{program="cid-sidecar",version="\d+\.\d+\.\d+"/);
  expect(await value('process_resident_memory_bytes')).toBeGreaterThan(1e6);
});
