// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { PACKAGE_ROOT } from '../netns/process.js';
import { metricsOfSources, unknownIn } from './metric-names.js';

const metrics = metricsOfSources();
const read = (path: string) => readFileSync(join(PACKAGE_ROOT, path), 'utf8');

interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly description: string;
    readonly gridPos: {
      readonly x: number;
      readonly y: number;
      readonly w: number;
      readonly h: number;
    };
    readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
  }[];
  readonly templating: { readonly list: readonly { readonly query: string | { query: string } }[] };
}

it('what is asked for and is not there is found', () => {
  expect(metrics.size).toBeGreaterThan(50);
  const of = (expression: string) => unknownIn(expression, metrics);
  expect(of('sum by (pool) (rate(cidecar_balancer_packets_total{outcome="cid"}[5m]))')).toEqual([]);
  expect(of('cidecar_balancer_packet_total')).toEqual(['cidecar_balancer_packet_total']);
  expect(of('cidecar_agent_announced{pool="web"}')).toEqual(['cidecar_agent_announced{pool}']);
  expect(of('sum by (vip) (cidecar_agent_announced)')).toEqual(['by (vip)']);
});

it('alerts ask for what the daemons have, and name labels that they have', () => {
  const { groups } = parse(read('deploy/prometheus/alerts.yaml'));
  for (const { rules } of groups) {
    for (const { alert, expr, annotations } of rules) {
      expect([alert, unknownIn(expr, metrics)]).toEqual([alert, []]);
      const labels = [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, name]) => name);
      const there = [...expr.matchAll(/(?:cidecar|process)_\w+/g)].flatMap(([name]) => [
        ...(metrics.get(name) ?? []),
      ]);
      expect([alert, labels.filter((label) => !there.includes(label))]).toEqual([alert, []]);
    }
  }
});

describe.each(['balancers', 'sidecars'])('the dashboard of %s', (name) => {
  const { panels, templating }: Dashboard = JSON.parse(read(`deploy/grafana/${name}.json`));

  it('asks for what the daemons have', () => {
    for (const { title, targets } of panels) {
      for (const { expr, legendFormat } of targets) {
        expect([title, unknownIn(expr, metrics)]).toEqual([title, []]);
        const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
        const there = [...expr.matchAll(/(?:cidecar|process)_\w+/g)].flatMap(([metric]) => [
          ...(metrics.get(metric) ?? []),
        ]);
        expect([title, labels.filter((label) => !there.includes(label ?? ''))]).toEqual([
          title,
          [],
        ]);
      }
    }
    for (const { query } of templating.list) {
      const text = typeof query === 'string' ? query : query.query;
      expect(unknownIn(text, metrics)).toEqual([]);
    }
  });

  it('has panels that say what they show, side by side', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { title, description, gridPos } of panels) {
      expect([title, description]).toEqual([title, expect.stringMatching(/^.{10,}\.$/)]);
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect([title, taken.has(`${x} ${y}`)]).toEqual([title, false]);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });
});
