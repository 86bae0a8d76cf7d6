// SPDX-License-Identifier: Apache-2.0
import type { CidecarError } from '../../core/index.js';
import type { PoolConfig } from '../../registry/index.js';

/** Live connections replace CIDs of generations up to this one before the deadline. */
export interface ReissueOrder {
  readonly throughGeneration: number;
  readonly deadline: Date;
}

export interface IssuerEvents {
  /** What is minted changed; CIDs of earlier generations and 0b111 CIDs not yet used are void. */
  switch: [];
  reissue: [ReissueOrder];
  /** `generation`, `configId`, `routable` or `reason` changed; comes after `switch`. */
  minting: [];
  /** Nonces were recorded as used, so fewer are left. */
  recorded: [];
  /** The tokens of this live config are no longer made as those issued before were. */
  tokensChanged: [PoolConfig];
  /** Recording works again after trouble. */
  recovered: [];
  /** Something to log; the issuer goes on. */
  trouble: [CidecarError];
}
