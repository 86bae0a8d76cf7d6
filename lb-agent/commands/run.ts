// SPDX-License-Identifier: Apache-2.0
import { requireKernelSupport } from '../../bpf/index.js';
import { DEFAULT_SETTINGS, type Settings } from '../../bpf/tables/index.js';
import { describeError } from '../../core/index.js';
import type { FileLock } from '../../daemon/file-lock.js';
import { LastGood } from '../../daemon/last-good.js';
import { createLog } from '../../daemon/log.js';
import { type MetricsServer, serveMetrics } from '../../daemon/metrics-server.js';
import { warnOfOldNames } from '../../daemon/options/old-names.js';
import { daemonMetrics, RegistryHealth } from '../../daemon/registry-health.js';
import {
  type DesiredState,
  differences,
  type NeedsKey,
  openRegistry,
  type StateSource,
  serializeSource,
  stateFromSource,
} from '../../registry/index.js';
import { Agent } from '../agent.js';
import { AgentLock } from '../installation/pin-folder-lock.js';
import { PinFolder } from '../installation/pins.js';
import { metricsText } from '../observe/metrics.js';
import { type RunOptions, stateFile } from '../options.js';
import { HostChecks } from '../reachability/host-checks/host-checks.js';
import { type HostInterface, hostInterface } from '../reachability/next-hops/host-interface.js';
import { ipCommand, ipMonitor } from '../reachability/next-hops/ip.js';
import { NextHops } from '../reachability/next-hops/next-hops.js';
import { TunnelSources } from '../reachability/tunnel-sources/tunnel-sources.js';
import type { Goal } from '../reconcile/goal.js';
import { ReconcileLoop } from '../reconcile/reconcile-loop.js';
import { mergeVerdicts } from '../reconcile/verdict.js';

/** `lb-agent run`: returns after SIGTERM or SIGINT, with the balancer still attached. */
export async function run(options: RunOptions): Promise<void> {
  const log = createLog('lb-agent', options.logLevel);
  warnOfOldNames(log, options.oldNames);
  requireKernelSupport();
  const host = hostInterface(options.interface);
  let newest: { readonly revision: string; readonly source: StateSource } | undefined;
  const lastGood = new LastGood(`${stateFile(options)}.last-good`, log);
  const keepSource = (revision: string) => {
    if (newest?.revision === revision) void lastGood.save(serializeSource(newest.source));
  };
  const registry = openRegistry(options.registry, {
    needsKey: agentNeedsKey,
    onWarning: (warning) => log.warn({ warning }, 'registry document'),
    onSource: ({ revision }, source) => {
      newest = { revision, source };
    },
  });
  const health = new RegistryHealth();
  const desired = await registry.read().catch(async (error: unknown) => {
    // What was in force when this agent last ran, if it did.
    const saved = await lastGood.read();
    if (saved === undefined) throw error;
    const state = stateFromSource(saved, lastGood.path, { needsKey: agentNeedsKey });
    health.refused(describeError(error));
    log.error(
      { error, revision: state.revision },
      'the registry document is refused; starting from the last good one, which was saved',
    );
    return state;
  });
  const common = daemonMetrics('lb-agent', health);
  const ingress = { name: host.name, native: options.mode === 'native' };
  const ip = ipCommand();
  const checks = new HostChecks({ ingress, ip, log });
  const nextHops = new NextHops({
    mode: options.nextHop,
    ingress,
    ip,
    monitor: ipMonitor('neigh', 'route', 'link'),
    log,
  });
  const sources = new TunnelSources({
    interface: host.name,
    source4: options.source,
    source6: options.source6,
    ip,
    monitor: ipMonitor('address', 'route'),
    log,
  });
  const goalFor = (state: DesiredState): Goal => ({
    desired: state,
    verdicts: mergeVerdicts(nextHops.verdicts(state)),
    nextHop: nextHops.find,
  });

  const check = (state: DesiredState) => {
    sources.check(state);
    checks.check(state);
  };
  let lock: FileLock | undefined;
  let agent: Agent | undefined;
  let loop: ReconcileLoop | undefined;
  let metrics: MetricsServer | undefined;
  try {
    await Promise.all([sources.follow(desired), checks.follow(desired)]);
    check(desired);
    lock = await AgentLock.acquire(options.pinDir);
    // Before anything is attached: where they cannot be served, nothing is.
    if (options.metrics !== undefined) {
      metrics = await serveMetrics({
        where: options.metrics,
        collect: () => metricsText(agent, common),
        onError: (error) => log.error({ error }, 'metrics cannot be collected'),
      });
    }
    await nextHops.follow(desired);
    const running = await Agent.start(
      {
        interface: host,
        mode: options.mode,
        pins: new PinFolder(options.pinDir),
        stateFile: stateFile(options),
        settings: settingsOf(options, host),
        sources: sources.current,
        check,
        flowsPerCpu: options.flowsPerCpu,
        cooldownMs: options.cooldown * 1000,
        ...(options.object === undefined ? {} : { object: options.object }),
        log,
      },
      goalFor(desired),
    );
    agent = running;
    health.applied(desired.revision, desired.parts);
    keepSource(desired.revision);
    let applied = desired;
    const reconciling = new ReconcileLoop(async (goal) => {
      await running.reconcile(goal);
      health.applied(goal.desired.revision, goal.desired.parts);
      keepSource(goal.desired.revision);
      const changes = differences(applied, goal.desired);
      applied = goal.desired;
      if (changes.length > 0) log.info({ changes }, 'changed as the registry says');
    }, log);
    loop = reconciling;
    let inForce = desired;
    const want = () => reconciling.want(goalFor(inForce));
    nextHops.onChange(want);
    sources.onChange(() => {
      running.useSources(sources.current);
      want();
    });
    const watch = await registry.watch({
      onChange: (state) => {
        inForce = state;
        health.accepted();
        Promise.all([nextHops.follow(state), sources.follow(state), checks.follow(state)])
          .then(() => {
            running.useSources(sources.current);
            want();
          })
          .catch((error: unknown) => log.error({ error }, 'this host cannot be followed'));
      },
      onError: (error) => {
        health.refused(describeError(error));
        log.error({ error }, 'registry: the last good state stays in force');
      },
    });
    log.info({ interface: host.name, revision: desired.revision }, 'ready');
    const signal = await stopped();
    log.info({ signal }, 'stopping; the balancer stays attached');
    await watch.close();
  } finally {
    await Promise.all([nextHops.close(), sources.close()]);
    // Before the lock: no attempt may outlive it.
    await loop?.close();
    await metrics?.close();
    agent?.close();
    await lock?.release();
  }
}

/** A balancer reads CIDs that come to its VIPs, and makes no reset tokens. */
const agentNeedsKey: NeedsKey = ({ purpose, hasVips, state }) =>
  purpose === 'cids' && hasVips && state !== 'quarantined';

/** Every setting, so that an agent started without an option takes back what one before set. */
function settingsOf(options: RunOptions, host: HostInterface): Settings {
  return {
    hashSeed: options.hashSeed,
    // An IP packet has 65535 octets at most; loopback has one more.
    mtu: options.mtu ?? Math.min(host.mtu, 65_535),
    ingressMtu: Math.min(host.mtu, 65_535),
    sourceBits: 32 - (options.source?.prefixLength ?? 32),
    guePort: options.guePort,
    freshSeconds: options.freshTimeout,
    udpSeconds: options.udpTimeout,
    tcpSeconds: options.tcpTimeout,
    icmpPerSecond: options.icmpRate,
    icmpErrorsPerSecond: DEFAULT_SETTINGS.icmpErrorsPerSecond,
    // A reader of events sets these again; one that was killed has left them on.
    sampleEvery: DEFAULT_SETTINGS.sampleEvery,
    eventsPerSecond: DEFAULT_SETTINGS.eventsPerSecond,
  };
}

function stopped(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.once(signal, () => resolve(signal));
  });
}
