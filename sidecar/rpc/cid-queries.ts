// SPDX-License-Identifier: Apache-2.0
import { configBitsOf, FAILOVER_CONFIG_ID, isOwn, MAX_CID_LENGTH } from '../../cid/index.js';
import { CidecarError, toHex } from '../../core/index.js';
import { CidOwner, type InspectResponse } from '../../proto/gen/cidecar/v1/sidecar.js';
import type { PoolConfig, Server } from '../../registry/index.js';
import type { Issuer } from '../issuing/issuer.js';

/** The most CIDs in one IsOwn. */
const MAX_IS_OWN = 4096;

/** Answers questions about CIDs by the configs and servers that the registry has now. */
export class CidQueries {
  readonly #issuer: Issuer;

  constructor(issuer: Issuer) {
    this.#issuer = issuer;
  }

  inspect(cid: Uint8Array): InspectResponse {
    requireCid(cid);
    const config = configOf(cid, this.#issuer.view.configs);
    if (config === undefined) return unread(isFailover(cid) ? 'failover-config' : 'config-unknown');
    if (config.unread?.includes('cids')) return unread('key-not-read');
    const decoded = config.codec.decode(cid);
    if (!decoded.routable) return unread(decoded.reason);
    const owner = this.#issuer.view.owner(config.id, decoded.serverId);
    const reason = whyNotRouted(config, owner);
    return {
      routable: reason === '',
      reason,
      configId: config.id,
      configState: config.state,
      algorithm: decoded.algorithm,
      serverId: decoded.serverId,
      nonce: decoded.nonce,
      serverUse: decoded.serverUse,
      owner: this.#ownerKind(owner),
      serverName: owner?.name ?? '',
    };
  }

  /**
   * The token of an own CID under a live config, or of a 0b111 CID that was issued here: the key
   * of those belongs to this server alone, so the answer tells nothing about other servers.
   * Throws FOREIGN_CID, CONFIG_UNKNOWN, CID_UNKNOWN, ARGUMENT_INVALID, STATE_UNWRITABLE or
   * STATE_REPLACED.
   */
  async resetToken(cid: Uint8Array): Promise<Uint8Array> {
    requireCid(cid);
    if (cid.length !== this.#issuer.cidLength) {
      throw new CidecarError(
        'ARGUMENT_INVALID',
        `the CID has ${cid.length} octets; CIDs of this server have ${this.#issuer.cidLength}`,
      );
    }
    const config = configOf(cid, this.#issuer.view.live);
    const decoded = config?.codec.decode(cid);
    // A config that claims 0b111 does not route the zeroes of a 0b111 CID.
    if (isFailover(cid) && !decoded?.routable) return this.#issuer.failoverToken(cid);
    if (config === undefined || decoded === undefined) {
      throw new CidecarError('CONFIG_UNKNOWN', `no live config has the bits ${firstBits(cid)}`);
    }
    const owner = decoded.routable
      ? this.#issuer.view.owner(config.id, decoded.serverId)
      : undefined;
    if (owner === undefined || !this.#mayAnswerFor(config, owner)) {
      const whose = owner === undefined ? 'no server' : `server ${owner.name}, which is not down`;
      throw new CidecarError('FOREIGN_CID', `the CID belongs to ${whose}`);
    }
    const token = this.#issuer.keys.tokens(config, owner).of(cid);
    await this.#issuer.settle(); // The key may have been made just now.
    return token;
  }

  /** One octet for each CID: 1 for an own one, else 0. Throws ARGUMENT_INVALID. */
  isOwn(cids: Uint8Array, cidLength: number): Uint8Array {
    const count = cids.length / cidLength;
    if (cidLength < 1 || cidLength > MAX_CID_LENGTH || !Number.isInteger(count) || count < 1) {
      throw new CidecarError(
        'ARGUMENT_INVALID',
        `${cids.length} octets are no CIDs of ${cidLength}`,
      );
    }
    if (count > MAX_IS_OWN) {
      throw new CidecarError(
        'ARGUMENT_INVALID',
        `${count} CIDs in one call; the limit is ${MAX_IS_OWN}`,
      );
    }
    const own = new Uint8Array(count);
    for (let i = 0; i < count; i++) {
      const cid = cids.subarray(i * cidLength, (i + 1) * cidLength);
      const config = configOf(cid, this.#issuer.view.live);
      const ids = config && this.#issuer.view.server.serverIds.get(config.id);
      if (config && ids && isOwn(config.codec, ids, cid)) own[i] = 1;
    }
    return own;
  }

  // RFC 9000, section 21.11: a server that answers for the CIDs of another one that is up lets
  // anybody reset its connections. Where the other one is down, resets help its clients; to make
  // its tokens takes a key that the servers share.
  #mayAnswerFor(config: PoolConfig, owner: Server): boolean {
    if (owner.name === this.#issuer.view.server.name) return true;
    return owner.state === 'down' && config.resetKey !== null;
  }

  #ownerKind(owner: Server | undefined): CidOwner {
    if (owner === undefined) return CidOwner.CID_OWNER_NOBODY;
    return owner.name === this.#issuer.view.server.name
      ? CidOwner.CID_OWNER_OWN
      : CidOwner.CID_OWNER_FOREIGN;
  }
}

function whyNotRouted(config: PoolConfig, owner: Server | undefined): string {
  if (config.state === 'quarantined') return 'config-quarantined';
  if (owner === undefined) return 'unknown-server-id';
  return owner.state === 'down' ? 'server-down' : '';
}

function unread(reason: string): InspectResponse {
  return {
    routable: false,
    reason,
    configId: 0,
    configState: '',
    algorithm: '',
    serverId: new Uint8Array(0),
    nonce: new Uint8Array(0),
    serverUse: new Uint8Array(0),
    owner: CidOwner.CID_OWNER_UNSPECIFIED,
    serverName: '',
  };
}

// The registry refuses two configs of a pool that answer to the same bits.
function configOf(cid: Uint8Array, configs: readonly PoolConfig[]): PoolConfig | undefined {
  const bits = firstBits(cid);
  return configs.find(({ codec }) => codec.decodePlan.configBits.includes(bits));
}

function isFailover(cid: Uint8Array): boolean {
  return firstBits(cid) === FAILOVER_CONFIG_ID;
}

function firstBits(cid: Uint8Array): number {
  return configBitsOf(cid[0] ?? 0);
}

function requireCid(cid: Uint8Array): void {
  if (cid.length >= 1 && cid.length <= MAX_CID_LENGTH) return;
  throw new CidecarError(
    'ARGUMENT_INVALID',
    `a CID has 1 to ${MAX_CID_LENGTH} octets, not ${cid.length}: ${toHex(cid.subarray(0, MAX_CID_LENGTH))}`,
  );
}
