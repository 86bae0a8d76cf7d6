// SPDX-License-Identifier: Apache-2.0
import { hostname } from 'node:os';
import { requireKernelSupport } from '../../bpf/index.js';
import { CidecarError, describeError } from '../../core/index.js';
import type { FileLock } from '../../daemon/file-lock.js';
import { LastGood } from '../../daemon/last-good.js';
import { createLog } from '../../daemon/log.js';
import { type MetricsServer, serveMetrics } from '../../daemon/metrics-server.js';
import { warnOfOldNames } from '../../daemon/options/old-names.js';
import { daemonMetrics, RegistryHealth } from '../../daemon/registry-health.js';
import { EtcdRegistry } from '../../registry/etcd/store/etcd-registry.js';
import {
  type DesiredState,
  firstState,
  openRegistry,
  type Registry,
  type StateSource,
  TransitionGuard,
} from '../../registry/index.js';
import { Agent } from '../agent.js';
import { AgentFleet } from '../fleet/agent-fleet.js';
import { observeAgentFleet } from '../fleet/metrics.js';
import { AgentLock } from '../installation/pin-folder-lock.js';
import { PinFolder } from '../installation/pins.js';
import { configPackets } from '../observe/config-packets.js';
import { metricsText } from '../observe/metrics.js';
import { serverPackets } from '../observe/server-packets.js';
import { watchTunnelMtus } from '../observe/tunnel-mtu-warnings.js';
import { agentName, type RunOptions, stateFile } from '../options.js';
import { HostChecks } from '../reachability/host-checks/host-checks.js';
import { LinkMtu } from '../reachability/link-mtu/link-mtu.js';
import { hostInterface } from '../reachability/next-hops/host-interface.js';
import { ipCommand, ipMonitor } from '../reachability/next-hops/ip.js';
import { NextHops } from '../reachability/next-hops/next-hops.js';
import { TunnelSources } from '../reachability/tunnel-sources/tunnel-sources.js';
import type { Goal } from '../reconcile/goal.js';
import { ReconcileLoop } from '../reconcile/reconcile-loop.js';
import { mergeVerdicts } from '../reconcile/verdict.js';
import { DocumentChanges } from './document-changes.js';
import { agentNeedsKey } from './needed-keys.js';
import { linkSettings, settingsOf } from './settings.js';

/** Milliseconds before what could not be saved is saved again. */
const SAVE_AGAIN_MS = 5_000;

/** `lb-agent run`: returns after SIGTERM or SIGINT, with the balancer still attached. */
export async function run(options: RunOptions): Promise<void> {
  const opened: { registry?: Registry } = {};
  try {
    await runUntilStopped(options, opened);
  } finally {
    await opened.registry?.close?.();
  }
}

async function runUntilStopped(
  options: RunOptions,
  opened: { registry?: Registry },
): Promise<void> {
  const log = createLog('lb-agent', options.logLevel);
  warnOfOldNames(log, options.oldNames);
  requireKernelSupport();
  const host = hostInterface(options.interface);
  let newest: { readonly revision: string; readonly source: StateSource } | undefined;
  const lastGood = new LastGood(`${stateFile(options)}.last-good`, log);
  let fleet: AgentFleet | undefined;
  const keepSource = async (revision: string): Promise<void> => {
    const { source } = newest?.revision === revision ? newest : {};
    if (source === undefined) return;
    if (await lastGood.save(() => source.serialize())) fleet?.saved(revision);
    // What is not on disk is not acknowledged, so it is tried again.
    else if (newest?.revision === revision) {
      setTimeout(() => void keepSource(revision), SAVE_AGAIN_MS).unref();
    }
  };
  const registry = openRegistry(options.registry, {
    registryOptions: options.registryOptions,
    clusterSecret: options.clusterSecret,
    needsKey: agentNeedsKey,
    onWarning: (warning) => log.warn({ warning }, 'registry document'),
    onSource: ({ revision }, source) => {
      newest = { revision, source };
    },
  });
  opened.registry = registry;
  const shared = registry instanceof EtcdRegistry ? registry : undefined;
  const name = shared && agentName(options);
  const health = new RegistryHealth();
  const guard = new TransitionGuard({
    refuse: options.guard,
    shared: shared !== undefined,
    log,
  });
  let fromDisk = false;
  let etcdAway = false;
  // What was in force when this agent last ran, if it did.
  const saved = await lastGood.read();
  const desired = await firstState({
    clusterSecret: options.clusterSecret,
    needsKey: agentNeedsKey,
    read: () => registry.read(),
    sourceOf: ({ revision }) => (newest?.revision === revision ? newest.source : undefined),
    saved: saved === undefined ? undefined : { path: lastGood.path, text: saved },
    guard,
    log,
    onRefused: (error) => {
      health.refused(describeError(error));
      fromDisk = true;
      etcdAway = error instanceof CidecarError && error.code === 'REGISTRY_UNAVAILABLE';
    },
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
  let changes: DocumentChanges | undefined;
  let linkMtu: LinkMtu | undefined;
  let tunnelMtus: { close(): void } | undefined;
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
    const running = await Agent.prepare(
      {
        interface: host,
        mode: options.mode,
        pins: new PinFolder(options.pinDir),
        stateFile: stateFile(options),
        settings: settingsOf(options, host.mtu),
        serverMtus: options.serverMtu,
        sources: sources.current,
        check,
        flowsPerCpu: options.flowsPerCpu,
        attachLater: shared !== undefined,
        cooldownMs: options.cooldown * 1000,
        ...(options.object === undefined ? {} : { object: options.object }),
        log,
      },
      goalFor(desired),
    );
    agent = running;
    linkMtu = new LinkMtu(
      { interface: host.name, mtu: host.mtu, ip, monitor: ipMonitor('link'), log },
      (mtu) => running.useSettings(linkSettings(options, mtu)),
    );
    tunnelMtus = watchTunnelMtus(running, log);
    const inFleet = await AgentFleet.open({
      registry: shared,
      agent: name ?? '',
      host: hostname(),
      stateFile: stateFile(options),
      ttl: options.leaseTtl,
      withdrawAfterMs: options.withdrawWhenStale && options.withdrawWhenStale * 1000,
      hook: options.announceHook,
      log,
      attached: () => running.attached(),
      configPackets: () => configPackets(running.balancer, running.record),
      serverPackets: () => serverPackets(running.balancer, running.record),
    });
    fleet = inFleet;
    observeAgentFleet(common, inFleet);
    const reached = (state: DesiredState) => {
      health.applied(state.revision, state.parts);
      inFleet.applied(state);
      void keepSource(state.revision);
    };
    reached(desired);
    if (fromDisk) inFleet.saved(desired.revision);
    const reconciling = new ReconcileLoop(async (goal) => {
      await running.reconcile(goal);
      reached(goal.desired);
      await changes?.applied(goal.desired);
    }, log);
    loop = reconciling;
    let wanted = desired;
    const want = () => reconciling.want(goalFor(wanted));
    nextHops.onChange(want);
    sources.onChange(() => {
      running.useSources(sources.current);
      want();
    });
    const following = new DocumentChanges({
      state: desired,
      guard,
      health,
      log,
      onAccepted: (state) => {
        wanted = state;
        Promise.all([nextHops.follow(state), sources.follow(state), checks.follow(state)])
          .then(() => {
            running.useSources(sources.current);
            want();
          })
          .catch((error: unknown) => log.error({ error }, 'this host cannot be followed'));
      },
      onRefused: (error) => {
        health.refused(describeError(error));
        log.error({ error }, 'registry: the last good state stays in force');
      },
    });
    changes = following;
    const watch = await registry.watch({
      onChange: (state) => {
        inFleet.wanted(state);
        following.offer(state);
      },
      onError: (error) => following.fail(error),
    });
    const stop = stopped();
    let stopping = false;
    const attached = inFleet.mayAttach(etcdAway).then(async () => {
      if (!stopping) await running.attach();
    });
    if (!running.attached()) log.info('attaching when the others wait for this agent');
    const early = await Promise.race([attached, stop]);
    stopping = early !== undefined;
    if (early === undefined) {
      inFleet.started();
      log.info({ interface: host.name, revision: wanted.revision }, 'ready');
    }
    const signal = await stop;
    log.info({ signal }, 'stopping; what is attached stays attached');
    await watch.close();
    if (early !== undefined) running.abandon();
  } finally {
    tunnelMtus?.close();
    await Promise.all([nextHops.close(), sources.close(), linkMtu?.close()]);
    await fleet?.close();
    await changes?.close();
    // Before the lock: no attempt may outlive it.
    await loop?.close();
    await metrics?.close();
    agent?.close();
    await lock?.release();
  }
}

function stopped(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.once(signal, () => resolve(signal));
  });
}
