// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../netns/process.js';

/** Where both daemons define their metrics. */
const FILES = [
  ...['daemon/registry-health.ts', 'daemon/fleet-metrics.ts'],
  ...['lb-agent/observe/metrics.ts', 'lb-agent/observe/interface-errors.ts'],
  ...['lb-agent/fleet/metrics.ts', 'sidecar/metrics.ts', 'sidecar/fleet/registration-metrics.ts'],
];

/** In the names of metrics that there are two of. */
const UNIT = /\$\{unit\}/;

/** What Prometheus adds to every sample. */
const ADDED = ['job', 'instance'];

/** The labels of each metric that the daemons have, as their sources say. */
export function metricsOfSources(): Map<string, ReadonlySet<string>> {
  const found = new Map<string, ReadonlySet<string>>();
  const add = (name: string, labels: readonly string[]) =>
    found.set(name, new Set([...labels, ...ADDED]));
  for (const file of FILES) {
    const text = readFileSync(join(PACKAGE_ROOT, file), 'utf8');
    for (const [, kind, body = ''] of text.matchAll(
      /new (Gauge|Counter|Histogram)\(\{([\s\S]*?)registers/g,
    )) {
      const [, name = ''] = /name: ['`]([^'`]+)['`]/.exec(body) ?? [];
      const labels = wordsOf(/labelNames: \[([^\]]*)\]/.exec(body)?.[1]);
      const names = UNIT.test(name)
        ? ['packets', 'octets'].map((unit) => name.replace(UNIT, unit))
        : [name];
      for (const each of names) {
        if (kind === 'Histogram') add(`${each}_bucket`, [...labels, 'le']);
        else add(each, labels);
      }
    }
    for (const [, name = ''] of text.matchAll(/seconds\(\s*'(\w+)'/g)) add(name, []);
    for (const [, name, labels] of text.matchAll(/pair\('(\w+)',\s*'[^']*',\s*\[([^\]]*)\]/g)) {
      for (const unit of ['packets', 'octets']) add(`${name}_${unit}_total`, wordsOf(labels));
    }
  }
  return found;
}

function wordsOf(list = ''): string[] {
  return [...list.matchAll(/'(\w+)'/g)].map(([, word = '']) => word);
}

/** What an expression asks for that the daemons do not have: metrics, and labels of them. */
export function unknownIn(
  expression: string,
  metrics: ReadonlyMap<string, ReadonlySet<string>>,
): string[] {
  const unknown: string[] = [];
  const known = new Set<string>();
  for (const [, name = '', inside = ''] of expression.matchAll(
    /\b((?:cidecar|process)_\w+)(?:\{([^}]*)\})?/g,
  )) {
    const labels = metrics.get(name);
    if (labels === undefined) unknown.push(name);
    for (const label of labels ?? []) known.add(label);
    for (const [, label = ''] of inside.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) {
      if (labels?.has(label) === false) unknown.push(`${name}{${label}}`);
    }
  }
  for (const [, list = ''] of expression.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)) {
    for (const label of list.split(',').map((each) => each.trim())) {
      if (!known.has(label)) unknown.push(`by (${label})`);
    }
  }
  return unknown;
}
