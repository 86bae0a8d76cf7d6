// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { tryRun } from '../netns/command.js';
import { PACKAGE_ROOT } from '../netns/process.js';
import { Scope } from '../netns/scope.js';

const RULES = join(PACKAGE_ROOT, 'deploy/prometheus/alerts.yaml');
const AGENT = 'instance="lb-1", job="cidecar-lb-agent"';
const SIDECAR = 'instance="web-1", job="cid-sidecar"';

/** A series, its values a minute apart where the alert fires, and where it does not. */
type Series = readonly [name: string, fires: string, silent: string];

const CASES: Record<string, readonly Series[]> = {
  CidecarBalancerDetached: [[`cidecar_balancer_attached{${AGENT}}`, '1x5 0x60', '1x60']],
  CidecarAgentRestarts: [
    [`process_start_time_seconds{${AGENT}}`, '1 2 3 4 5 5x60', '1x60'],
    [`cidecar_build_info{${AGENT}}`, '1x60', '1x60'],
  ],
  CidecarDocumentRefused: [[`cidecar_registry_refused_since_seconds{${AGENT}}`, '0 30x60', '0x60']],
  CidecarApplyFailing: [
    [`cidecar_registry_apply_failing_since_seconds{${AGENT}}`, '0 30x60', '0x60'],
  ],
  CidecarDocumentsDiffer: [
    [`cidecar_registry_document_info{${AGENT}, revision="a"}`, '1x60', '1x60'],
    [
      `cidecar_registry_document_info{instance="lb-2", job="cidecar-lb-agent", revision="b"}`,
      '1x60',
      '_x60',
    ],
  ],
  CidecarHostWithdrawn: [[`cidecar_agent_announced{${AGENT}}`, '0x60', '0x5 1x60']],
  CidecarHostDegraded: [[`cidecar_agent_degraded{${AGENT}}`, '1x60', '0x60']],
  CidecarAnnounceHookFailing: [[`cidecar_agent_announce_hook_failing{${AGENT}}`, '1x60', '0x60']],
  CidecarNoServer: [
    [
      `cidecar_balancer_packets_total{${AGENT}, pool="web", vip="udp 198.51.100.10 443", outcome="no_server"}`,
      '0+1x60',
      '7x60',
    ],
  ],
  CidecarUnknownServerIds: [
    [
      `cidecar_balancer_remark_packets_total{${AGENT}, pool="web", vip="v", remark="cid_unknown_server_id"}`,
      '0+2x60',
      '0+1x60',
    ],
    [
      `cidecar_balancer_packets_total{${AGENT}, pool="web", vip="v", outcome="cid"}`,
      '0+100x60',
      '0+1000x60',
    ],
  ],
  CidecarFlowTableSmall: [
    [
      `cidecar_balancer_remark_packets_total{${AGENT}, pool="web", vip="v", remark="flow_unremembered"}`,
      '0+2x60',
      '0+1x60',
    ],
    [
      `cidecar_balancer_packets_total{${AGENT}, pool="web", vip="v", outcome="flow"}`,
      '0+100x60',
      '0+1000x60',
    ],
  ],
  CidecarInterfaceErrors: [
    [
      `cidecar_interface_errors_total{${AGENT}, interface="eth0", counter="xdp_tx_errors"}`,
      '0+1x60',
      '9x60',
    ],
  ],
  CidecarTunnelDoesNotFit: [
    [`cidecar_balancer_tunnel_mtu_octets{${AGENT}, pool="web", server="web-1"}`, '1400x60', '_x60'],
  ],
  CidecarEtcdAway: [[`cidecar_fleet_connected{${AGENT}}`, '0x60', '1x60']],
  CidecarNotSeen: [[`cidecar_fleet_alive{${AGENT}}`, '0x60', '1x60']],
  CidecarAgentNotLive: [
    [`cidecar_agent_standing{${AGENT}, standing="joining"}`, '1x60', '1 1 _x60'],
  ],
  CidecarAgentBehind: [
    [`cidecar_fleet_revision{${AGENT}}`, '9x60', '9x60'],
    [`cidecar_agent_acknowledged_revision{${AGENT}}`, '8x60', '9x60'],
  ],
  CidecarUnmetRequests: [
    [`cidecar_controller_unmet_requests{${AGENT}, pool="web"}`, '2x60', '0x60'],
  ],
  CidecarSidecarNotRoutable: [[`cidecar_sidecar_routable{${SIDECAR}}`, '0x60', '1x60']],
  CidecarSidecarCannotRecord: [[`cidecar_sidecar_recording_failed{${SIDECAR}}`, '1x60', '0x60']],
  CidecarSidecarNoncesEnd: [
    [
      `cidecar_sidecar_nonces_left_ratio{${SIDECAR}, config_id="0", server_id="01"}`,
      '0.05x60',
      '0.5x60',
    ],
  ],
  CidecarDecapsulationDetached: [[`cidecar_sidecar_decap_attached{${SIDECAR}}`, '0x60', '1x60']],
  CidecarSidecarFenced: [[`cidecar_sidecar_fenced{${SIDECAR}}`, '1x60', '0x60']],
  CidecarSidecarWaitsForBalancers: [
    [`cidecar_sidecar_waiting_for_balancers{${SIDECAR}, config_id="0"}`, '1x60', '0x60'],
  ],
  CidecarSidecarNotRegistered: [[`cidecar_sidecar_registered{${SIDECAR}}`, '0x60', '1x60']],
  CidecarSidecarMissesIds: [[`cidecar_sidecar_missing_ids{${SIDECAR}}`, '2x60', '0x60']],
};

/** What fires for a while after something happened, and when it is looked at; 40 minutes else. */
const LOOKED_AT: Readonly<Record<string, string>> = { CidecarAgentRestarts: '10m' };

let scope: Scope;
beforeEach(() => {
  scope = new Scope('cdcalerts');
});
afterEach(() => scope.dispose());

async function promtool(...args: string[]): Promise<{ code: number | null; said: string }> {
  try {
    const { code, stdout, stderr } = await tryRun(['promtool', ...args]);
    return { code, said: stdout + stderr };
  } catch (cause) {
    throw new Error('promtool is missing: apt-get install prometheus, or scripts/setup.sh', {
      cause,
    });
  }
}

/** Has promtool feed these values to the rules; returns what it says of `expected` alerts. */
async function firing(alert: string, series: readonly Series[], fires: boolean) {
  const test = {
    rule_files: [RULES],
    evaluation_interval: '30s',
    tests: [
      {
        interval: '1m',
        input_series: series.map(([name, yes, no]) => ({ series: name, values: fires ? yes : no })),
        promql_expr_test: [
          {
            expr: `count(ALERTS{alertname="${alert}", alertstate="firing"}) or vector(0)`,
            eval_time: LOOKED_AT[alert] ?? '40m',
            exp_samples: [{ labels: '{}', value: fires ? 1 : 0 }],
          },
        ],
      },
    ],
  };
  const path = scope.path('test.yaml');
  writeFileSync(path, stringify(test));
  return promtool('test', 'rules', path);
}

const alerts = (): { alert: string; annotations: Record<string, string> }[] =>
  parse(readFileSync(RULES, 'utf8')).groups.flatMap((group: { rules: object[] }) => group.rules);

it('promtool takes the rules, and each has a test', async () => {
  expect(await promtool('check', 'rules', RULES)).toMatchObject({ code: 0 });
  expect(
    alerts()
      .map(({ alert }) => alert)
      .sort(),
  ).toEqual(Object.keys(CASES).sort());
  for (const { annotations } of alerts()) {
    expect(Object.keys(annotations)).toEqual(['summary', 'action']);
  }
});

it.each(['balancers', 'sidecars'])('promtool takes what the dashboard of %s asks', async (name) => {
  const path = join(PACKAGE_ROOT, 'deploy/grafana', `${name}.json`);
  const panels: { targets: { expr: string }[] }[] = JSON.parse(readFileSync(path, 'utf8')).panels;
  const rules = panels
    .flatMap(({ targets }) => targets)
    .map(({ expr }, i) => {
      return { record: `panel:${i}`, expr: expr.replaceAll('$__rate_interval', '5m') };
    });
  const file = scope.path('panels.yaml');
  writeFileSync(file, stringify({ groups: [{ name, rules }] }));
  expect(await promtool('check', 'rules', file)).toMatchObject({ code: 0 });
});

describe.each(Object.entries(CASES))('%s', (alert, series) => {
  it('fires where it should, and nowhere else', async () => {
    expect(await firing(alert, series, true)).toMatchObject({ code: 0 });
    expect(await firing(alert, series, false)).toMatchObject({ code: 0 });
  });
});
