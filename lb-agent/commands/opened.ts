// SPDX-License-Identifier: Apache-2.0
import type { FileLock } from '../../daemon/file-lock.js';
import type { MetricsServer } from '../../daemon/metrics-server.js';
import type { Watch } from '../../registry/index.js';
import type { Agent } from '../agent.js';
import type { AgentFleet } from '../fleet/agent-fleet.js';
import type { AuditLoop } from '../reconcile/audit-loop.js';
import type { ReconcileLoop } from '../reconcile/reconcile-loop.js';
import type { DocumentChanges } from './document-changes.js';
import type { HostView } from './host-view.js';

/** What a run of the agent has opened so far. */
export interface Opened {
  readonly view: HostView;
  lock?: FileLock;
  metrics?: MetricsServer;
  agent?: Agent;
  tunnelMtus?: { close(): void };
  interfaceErrors?: { close(): void };
  fleet?: AgentFleet;
  loop?: ReconcileLoop;
  audit?: AuditLoop;
  changes?: DocumentChanges;
  watch?: Watch;
}

/** Closes it; what is attached stays attached. */
export async function closeOpened(opened: Opened): Promise<void> {
  await opened.watch?.close();
  opened.tunnelMtus?.close();
  opened.interfaceErrors?.close();
  opened.audit?.close();
  await opened.view.close();
  await opened.fleet?.close();
  await opened.changes?.close();
  // Before the lock: no attempt may outlive it.
  await opened.loop?.close();
  await opened.metrics?.close();
  opened.agent?.close();
  await opened.lock?.release();
}
