// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const text = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

it('every option of the program is in docs/lb-agent.md', () => {
  const options = [...text('program.ts').matchAll(/'--([a-z0-9-]+)[ ']/g)].map(([, name]) => name);
  expect(options.length).toBeGreaterThan(20);
  const page = text('../docs/lb-agent.md');
  const missing = options.filter((name) => !page.includes(`\`--${name}`));
  expect(missing).toEqual([]);
});

it('every metric of a fleet is in docs/lb-agent.md', () => {
  const page = text('../docs/lb-agent.md');
  for (const file of ['fleet/metrics.ts', '../daemon/fleet-metrics.ts']) {
    const names = [...text(file).matchAll(/name: '(cidecar_\w+)'/g)].map(([, name]) => name ?? '');
    expect(names.length).toBeGreaterThan(2);
    expect(names.filter((name) => !new RegExp(`\`${name}[\`{]`).test(page))).toEqual([]);
  }
});

it('every metric of drift is in docs/lb-agent.md', () => {
  const page = text('../docs/lb-agent.md');
  const names = [...text('observe/drift-metrics.ts').matchAll(/name: '(cidecar_\w+)'/g)];
  expect(names).toHaveLength(2);
  expect(names.filter(([, name]) => !page.includes(`\`${name}\``))).toEqual([]);
});
