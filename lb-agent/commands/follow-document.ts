// SPDX-License-Identifier: Apache-2.0
import { describeError } from '../../core/index.js';
import type { Log } from '../../daemon/log.js';
import type { DesiredState, Watch } from '../../registry/index.js';
import type { Agent } from '../agent.js';
import type { AgentFleet } from '../fleet/agent-fleet.js';
import { AuditLoop } from '../reconcile/audit-loop.js';
import { ReconcileLoop } from '../reconcile/reconcile-loop.js';
import type { AgentDocument } from './agent-document.js';
import { DocumentChanges } from './document-changes.js';
import type { HostView } from './host-view.js';
import type { Opened } from './opened.js';

export interface Following {
  readonly document: AgentDocument;
  readonly view: HostView;
  readonly agent: Agent;
  readonly fleet: AgentFleet;
  /** What the agent holds, and whether it came from the disk. */
  readonly desired: DesiredState;
  readonly fromDisk: boolean;
  readonly log: Log;
}

export interface FollowedDocument {
  /** The newest state that was accepted. */
  readonly wanted: () => DesiredState;
  readonly watch: Watch;
}

/** Has the balancer follow the registry and this host. What it opens is put into `opened`. */
export async function followDocument(of: Following, opened: Opened): Promise<FollowedDocument> {
  const { document, view, agent, fleet, desired, log } = of;
  const { health, guard, registry } = document;
  const reached = (state: DesiredState) => {
    health.applied(state.revision, state.parts);
    fleet.applied(state);
    // What was written is checked at once.
    opened.audit?.restart();
    void document.keep(state.revision, () => fleet.saved(state.revision));
  };
  reached(desired);
  if (of.fromDisk) fleet.saved(desired.revision);
  const loop = new ReconcileLoop(async (goal) => {
    try {
      await agent.reconcile(goal);
    } catch (error) {
      health.applyFailed();
      throw error;
    }
    reached(goal.desired);
    await opened.changes?.applied(goal.desired);
  }, log);
  opened.loop = loop;
  let wanted = desired;
  const want = () => loop.want(view.goal(wanted));
  const wantBySources = () => {
    agent.useSources(view.sources.current);
    want();
  };
  // Probes leave as tunnels do, and are told after them: packets must not wait for probes.
  const aimAnew = () =>
    view.followHealth(wanted).catch((error: unknown) => {
      log.error({ error }, 'health checks cannot be aimed anew');
    });
  view.onHealth(want);
  view.onNextHops(() => {
    want();
    void aimAnew();
  });
  view.onSources(() => {
    wantBySources();
    void aimAnew();
  });
  opened.audit = new AuditLoop({ pass: () => agent.audit(), onDoubt: want, log });
  const changes = new DocumentChanges({
    state: desired,
    guard,
    health,
    log,
    onAccepted: (state) => {
      wanted = state;
      view
        .follow(state)
        .then(wantBySources)
        .catch((error: unknown) => log.error({ error }, 'this host cannot be followed'));
    },
    onRefused: (error) => {
      health.refused(describeError(error));
      log.error({ error }, 'registry: the last good state stays in force');
    },
  });
  opened.changes = changes;
  const watch = await registry.watch({
    onChange: (state) => {
      fleet.wanted(state);
      changes.offer(state);
    },
    onError: (error) => changes.fail(error),
  });
  return { wanted: () => wanted, watch };
}
