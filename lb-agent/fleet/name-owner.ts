// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { isNameOfAnother, type SeenName } from '../../registry/etcd/fleet/index.js';
import type { AgentNameValue } from '../../registry/etcd/layout/index.js';
import type { MembershipOptions } from './membership-options.js';
import type { OwnRecord } from './own-record.js';

type Self = Pick<MembershipOptions, 'identity' | 'machine' | 'host'>;

/** Another agent that has the name. */
export interface Other {
  /** Whether it gives no sign of life. */
  readonly away: boolean;
  readonly identity: string | undefined;
  readonly host: string | undefined;
}

/** ACK_OWNER: the other agent of this name, awake or not. */
export function otherOf({ name, live }: OwnRecord, self: Self): Other | undefined {
  const alive = live.modRevision !== 0;
  if (alive && live.value?.identity !== self.identity) {
    // Its own before it lost its state folder is over in a moment.
    return { away: false, identity: live.value?.identity, host: live.value?.host };
  }
  const owner = name.value;
  if (owner === undefined || !isNameOfAnother(owner, ownerOf(self))) return undefined;
  return { away: !alive, identity: owner.identity, host: owner.host };
}

/** What this agent writes as the owner of its name. */
export function ownerOf({ identity, machine, host }: Self): AgentNameValue {
  return { identity, ...(machine !== undefined && { machine }), host };
}

/** What a transaction compares, so that nobody took the name meanwhile. */
export function seenOf({ name, live }: OwnRecord): SeenName {
  return { name: name.modRevision, live: live.modRevision };
}

export function logNameTaken(log: Logger, agent: string, identity: string, other: Other): void {
  log.error(
    { agent, identity, other: other.identity, host: other.host },
    other.away
      ? `another agent has this name, and others wait for it though it is away: give this one another --agent, or see to it that the other gets no packets and run cidctl agents count-out ${agent}. This one does not join`
      : 'another agent has this name: give one of them another --agent. This one does not join',
  );
}
