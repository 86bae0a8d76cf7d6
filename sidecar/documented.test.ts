// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const text = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

it('every metric is in docs/sidecar.md', () => {
  const page = text('../docs/sidecar.md');
  for (const file of ['metrics.ts', '../daemon/fleet-metrics.ts']) {
    const names = [...text(file).matchAll(/name: '(cidecar_\w+)'/g)].map(([, name]) => name ?? '');
    expect(names.length).toBeGreaterThan(5);
    // The page leaves out what most of them begin with.
    const missing = names.filter((name) => {
      const short = name.replace('cidecar_sidecar_', '');
      return !new RegExp(`\`(?:${name}|${short})[\`{]`).test(page);
    });
    expect(missing).toEqual([]);
  }
});
