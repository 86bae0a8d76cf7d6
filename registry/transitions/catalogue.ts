// SPDX-License-Identifier: Apache-2.0

/**
 * What a transition does: `loses` connections, `repeats` CIDs or nonces (it can make them come a
 * second time), or is only a `note`, because it is harmless if it is done as the pages say.
 */
export type Severity = 'loses' | 'repeats' | 'note';

interface Kind {
  readonly severity: Severity;
  /** What to do instead: a whole sentence, or two. */
  readonly instead: string;
}

const STAGE =
  'Add a config with a free ID and state staged, wait until every balancer has it, then make it minting and the old one retiring.';
const DRAIN = 'Make the server draining first, and wait until no more packets come for it.';
const RETIRE =
  'Make it retiring, wait for --reissue-within and until no more packets come under it, and only then quarantined.';

/**
 * Every transition that is found, by its name. Names are stable: people give them to --force,
 * and programs compare them. docs/registry.md has the same table.
 */
export const TRANSITIONS = {
  // Pools.
  'pool-removed': {
    severity: 'loses',
    instead: 'Drain its servers first; a pool whose servers are draining or down can go.',
  },
  'pool-emptied': { severity: 'loses', instead: `${DRAIN} Do so with one server after another.` },
  'no-server-takes-connections': {
    severity: 'loses',
    instead: 'Leave one server active, with a weight above 0, for as long as the pool has VIPs.',
  },
  'pool-renamed': {
    severity: 'note',
    instead:
      'Leave everything else of the pool as it is in the same change; metrics and logs have the new name from then on.',
  },

  // VIPs.
  'vip-removed': {
    severity: 'loses',
    instead:
      'Send new clients elsewhere first (DNS), and remove the VIP when no more packets come for it.',
  },
  'vip-moved': {
    severity: 'loses',
    instead: 'Give the other pool a VIP of its own, and send new clients there.',
  },
  'vip-quic-off': {
    severity: 'loses',
    instead:
      'Leave quic on for as long as QUIC connections come to the VIP; plain UDP can have another port.',
  },
  'vip-quic-on': {
    severity: 'note',
    instead:
      'Do this while the VIP has no QUIC connections whose CIDs are not of this pool: some could be read as those of another server.',
  },

  // Configs.
  'key-changed': { severity: 'loses', instead: STAGE },
  'layout-changed': { severity: 'loses', instead: STAGE },
  'config-id-reused': {
    severity: 'loses',
    instead:
      'Remove the quarantined config when no client can remember its CIDs, and give its ID to another one in a later change; or take a free ID.',
  },
  'minted-before-staged': { severity: 'loses', instead: STAGE },
  'minting-config-removed': { severity: 'loses', instead: RETIRE },
  'minting-config-quarantined': { severity: 'loses', instead: RETIRE },
  'retiring-config-removed': {
    severity: 'loses',
    instead:
      'Make it quarantined when no more packets come under it, and remove it when no client can remember it.',
  },
  'config-back-to-staged': {
    severity: 'loses',
    instead: 'Make it retiring, as every config that was minted; that can be taken back as well.',
  },
  'config-revived': {
    severity: 'repeats',
    instead: 'Take another config with a new key, and stage it.',
  },
  'config-in-use': {
    severity: 'loses',
    instead:
      'Make it retiring and wait until no server has a mark for it (`cidctl configs` shows them); `cidctl servers forget` takes those of a server that is gone.',
  },
  'config-not-forgotten': {
    severity: 'loses',
    instead:
      'Wait until the balancers have acknowledged the quarantine (`cidctl agents` shows it); `cidctl agents count-out` takes out one that is gone.',
  },
  'config-not-rested': {
    severity: 'loses',
    instead:
      'Quarantine it, and remove it or give its ID another meaning when the longest connection is over (connectionAge of the allocation, a day without it), as the controller of the pool measures it.',
  },
  'quarantine-undone': {
    severity: 'note',
    instead: 'This gives connections that were left their route back, if no ID changed hands.',
  },
  'nothing-mints': {
    severity: 'loses',
    instead: 'Make another config minting in the same change.',
  },
  'server-mints-nothing': {
    severity: 'loses',
    instead: 'Give the server an ID under the new config while that is staged.',
  },
  'nonce-length-changed': { severity: 'repeats', instead: STAGE },
  'self-encoding-changed': {
    severity: 'note',
    instead:
      'Balancers of cidecar read both forms. Where others read the length from the first octet, stage another config.',
  },
  'cid-length-changed': {
    severity: 'note',
    instead:
      'Restart each server together with its sidecar, drained, one after the other; running sidecars keep their length until then.',
  },
  'cid-length-does-not-fit': {
    severity: 'loses',
    instead:
      'First raise serverUseLength to the new length and restart each server together with its sidecar, then rotate to the longer config.',
  },
  'reset-key-changed': {
    severity: 'note',
    instead: 'Take another reset key with another config, in a rotation.',
  },
  'reset-key-kept': {
    severity: 'repeats',
    instead: 'Give a config ID that gets another meaning another resetKeyFile too.',
  },

  // Servers.
  'server-removed': { severity: 'loses', instead: DRAIN },
  'server-moved-to-pool': {
    severity: 'loses',
    instead: `${DRAIN} Then remove it, and add it to the other pool with other server IDs.`,
  },
  'server-down-at-once': { severity: 'loses', instead: DRAIN },
  'server-address-changed': {
    severity: 'loses',
    instead:
      'Add the new address as a server of another name with other IDs, and drain this one; or make it draining, then down, before its address changes.',
  },
  'server-renamed': {
    severity: 'note',
    instead:
      'Stop its sidecar first, and start it by the new name with its old state folder (docs/sidecar.md, "Rename a server").',
  },
  'encapsulation-changed': {
    severity: 'note',
    instead: 'Make sure first that the server unwraps the new kind of tunnel.',
  },
  'reset-tokens-changed': {
    severity: 'note',
    instead: 'Do this while the server has no connections.',
  },

  // Server IDs.
  'server-id-moved': {
    severity: 'loses',
    instead: 'Give the new owner an ID that nobody had under this key, or rotate.',
  },
  'down-server-id-moved': {
    severity: 'repeats',
    instead: 'Give the new owner an ID that nobody had under this key, or rotate.',
  },
  'staged-server-id-moved': {
    severity: 'note',
    instead:
      'Wait until every balancer has the change before the config is minting; a sidecar that ran out of nonces may have issued under it already.',
  },
  'server-ids-removed': {
    severity: 'loses',
    instead:
      'Leave the IDs until their config is quarantined, or until the server is drained and down.',
  },
  'resting-server-id-given': {
    severity: 'repeats',
    instead:
      'Wait until its rest is over (`cidctl ids list` shows it), or give the new owner an ID that nobody had under this key.',
  },
  'nonce-space-moved': {
    severity: 'repeats',
    instead: 'Give the new owner an ID that nobody had under this key, or another key.',
  },
} as const satisfies Readonly<Record<string, Kind>>;

export type TransitionName = keyof typeof TRANSITIONS;

export const TRANSITION_NAMES = Object.keys(TRANSITIONS) as readonly TransitionName[];

/** Severities as people read them. */
export const SEVERITY_TEXT: Readonly<Record<Severity, string>> = {
  loses: 'loses connections',
  repeats: 'can repeat CIDs',
  note: 'note',
};
