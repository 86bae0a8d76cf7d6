// SPDX-License-Identifier: Apache-2.0
import { isNameOfAnother, type SeenName } from '../../registry/etcd/fleet/index.js';
import type { AgentNameValue } from '../../registry/etcd/layout/index.js';
import type { OwnRecord } from './own-record.js';

/** Another agent that has the name. */
export interface OtherAgent {
  /** Whether it gives no sign of life. */
  readonly away: boolean;
  /** Whether it is this agent, before it lost its state folder; its lease is not over yet. */
  readonly isFormer: boolean;
  readonly identity: string | undefined;
  readonly host: string | undefined;
}

/** ACK_OWNER: the other agent of this name, awake or not; undefined where there is none. */
export function otherOfName(
  { name, live, acknowledged }: OwnRecord,
  own: AgentNameValue,
): OtherAgent | undefined {
  const alive = live.modRevision !== 0;
  const owner = name.value;
  if (alive && live.value?.identity !== own.identity) {
    const { identity, host } = live.value ?? {};
    const isFormer =
      owner !== undefined && owner.identity === identity && !isNameOfAnother(owner, own);
    return { away: false, isFormer, identity, host };
  }
  // Earlier versions of cidctl and lb-agent count agents out, and detach them, without this key.
  if (acknowledged === undefined) return undefined;
  if (owner === undefined || !isNameOfAnother(owner, own)) return undefined;
  return { away: !alive, isFormer: false, identity: owner.identity, host: owner.host };
}

export function describeOther(agent: string, { away, isFormer }: OtherAgent): string {
  if (isFormer) {
    return 'this agent has lost its state folder, and its sign of life from before is still there: it joins when the lease of that is over';
  }
  return away
    ? `another agent has this name, and others wait for it though it is away: give this one another --agent, or see to it that the other gets no packets and run cidctl agents count-out ${agent}. This one does not join`
    : 'another agent has this name: give one of them another --agent. This one does not join';
}

export function seenOf({ name, live }: OwnRecord): SeenName {
  return { name: name.modRevision, live: live.modRevision };
}
