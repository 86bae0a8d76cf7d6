// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto';
import { EventEmitter } from 'node:events';
import {
  FAILOVER_CONFIG_ID,
  FAILOVER_MIN_CID_LENGTH,
  type RandomFill,
  RESET_TOKEN_LENGTH,
  type ResetTokenKind,
  type TokenMaker,
  tokenMaker,
} from '../../cid/index.js';
import { Backoff, CidecarError, type Secret, toHex } from '../../core/index.js';
import type { PoolConfig, Server } from '../../registry/index.js';
import { NonceSpace } from '../state/nonce-space.js';
import type { StateStore } from '../state/state-store.js';
import { FailoverCids } from './failover-cids.js';
import { type MintedCids, MintSource } from './source.js';
import type { ServerView } from './view.js';

/** One batch that leaves the sidecar; every CID in it is new. */
export interface IssuedCids extends MintedCids {
  readonly cidLength: number;
  readonly configId: number;
  readonly generation: number;
  readonly routable: boolean;
}

/** Live connections replace CIDs of generations up to this one, before the deadline. */
export interface ReissueOrder {
  readonly throughGeneration: number;
  readonly deadline: Date;
}

export interface IssuerEvents {
  /** What is minted changed; CIDs of earlier generations and 0b111 CIDs not yet used are void. */
  switch: [];
  reissue: [ReissueOrder];
  /** What `generation`, `configId`, `routable` or `reason` says changed; behind `switch`. */
  minting: [];
  /** Nonces were recorded as used, and fewer are left. */
  recorded: [];
  /** Tokens of this live config are made in another way than those issued before. */
  tokensChanged: [PoolConfig];
  /** Something to log; the issuer goes on. */
  trouble: [CidecarError];
}

export interface IssuerOptions {
  readonly store: StateStore;
  readonly view: ServerView;
  /** Milliseconds that connections have to replace the CIDs of a config that is retiring. */
  readonly reissueWithin: number;
  readonly now?: () => number;
  readonly random?: RandomFill;
}

interface Told {
  readonly generation: number;
  readonly zeroHostId: boolean;
  readonly configId: number;
  readonly routable: boolean;
  readonly reason: string;
}

/** Milliseconds for which issuing goes without a source whose nonces could not be recorded. */
const RETRY_MS = 1_000;

/**
 * Issues CIDs under the config that the desired state says, and 0b111 ones while there is
 * none to issue under. One generation lasts until CIDs already issued become void.
 */
export class Issuer extends EventEmitter<IssuerEvents> {
  /** Octets of every CID that leaves here. Fixed for the life of the process. */
  readonly cidLength: number;
  readonly #store: StateStore;
  readonly #reissueWithin: number;
  readonly #now: () => number;
  readonly #spaces = new Map<string, NonceSpace>();
  readonly #failover: FailoverCids;
  #view: ServerView;
  #sources: readonly MintSource[] = [];
  /** The sources may be used: the generation they belong to is on disk. */
  #settled: Promise<void> | undefined;
  #troubled: CidecarError | undefined;
  #retryAt = 0;
  readonly #retry = new Backoff({ firstMs: RETRY_MS, longestMs: RETRY_MS });
  /** What the last events were about. */
  #told: Told | undefined;

  constructor(options: IssuerOptions) {
    super();
    const { store, view, reissueWithin, now = Date.now, random = randomFillSync } = options;
    this.#store = store;
    this.#view = view;
    this.#reissueWithin = reissueWithin;
    this.#now = now;
    this.cidLength = view.live[0]?.codec.cidLength ?? FAILOVER_MIN_CID_LENGTH;
    this.#failover = new FailoverCids(store.failoverResetKey, this.cidLength, random);
  }

  /** Begins to issue by the view given at construction. */
  async start(): Promise<void> {
    await this.apply(this.#view);
  }

  /**
   * Goes over to another view. What the old one minted is not minted any more from the
   * moment of the call; resolves when the new one is.
   */
  async apply(view: ServerView): Promise<void> {
    const tokensBefore = this.#tokenFingerprints();
    this.#view = view;
    const tokens = this.#tokenFingerprints();
    for (const config of view.live) {
      const name = this.#configFingerprint(config);
      const earlier = tokensBefore.get(name);
      if (earlier !== undefined && earlier !== tokens.get(name)) this.emit('tokensChanged', config);
    }
    const before = this.#store.generation;
    const usable = view.mintable.filter(({ config }) => config.codec.cidLength === this.cidLength);
    this.#sources = usable.flatMap(({ config, serverIds }) =>
      serverIds.map((serverId) => this.#source(config, serverId)),
    );
    const lead = usable[0];
    const grew = this.#store.switchTo(
      lead === undefined
        ? null
        : {
            config: this.#mintingFingerprint(lead.config),
            serverIds: lead.serverIds.map(toHex),
          },
    );
    if (grew) this.#orderReissue(before);
    const settled = this.#store
      .save()
      .catch((error: CidecarError) => this.#trouble(error))
      .finally(() => {
        if (this.#settled === settled) this.#settled = undefined;
      });
    this.#settled = settled;
    this.#tell();
    await settled;
  }

  close(): void {
    this.#retry.cancel();
    this.removeAllListeners();
  }

  get view(): ServerView {
    return this.#view;
  }

  get generation(): number {
    return this.#store.generation;
  }

  /** The orders in force, oldest first: each until its deadline. */
  get reissues(): readonly ReissueOrder[] {
    return this.#store.orders
      .filter(({ deadline }) => deadline > this.#now())
      .map(({ throughGeneration, deadline }) => ({
        throughGeneration,
        deadline: new Date(deadline),
      }));
  }

  /** The newest of them. */
  get reissue(): ReissueOrder | undefined {
    return this.reissues.at(-1);
  }

  /** Where the next CID comes from; undefined: nowhere, 0b111. */
  get source(): MintSource | undefined {
    return this.#sources.find(({ space }) => !space.exhausted);
  }

  get sources(): readonly MintSource[] {
    return this.#sources;
  }

  get routable(): boolean {
    return this.source !== undefined && this.#troubled === undefined;
  }

  /** Of the CIDs that are issued now. */
  get configId(): number {
    return this.routable && this.source !== undefined ? this.source.config.id : FAILOVER_CONFIG_ID;
  }

  /** Whether a config of the pool reads 0b111 as its own, so that 0b111 CIDs need its host ID 0. */
  get zeroHostId(): boolean {
    return this.#view.live.some(({ codec }) => codec.plan.configBits.includes(FAILOVER_CONFIG_ID));
  }

  /** Why CIDs are not routable; empty where they are. */
  get reason(): string {
    if (this.#view.mintable.length === 0) return this.#view.reason;
    if (this.#sources.length === 0) {
      const wanted = this.#view.mintable[0]?.config.codec.cidLength;
      return `the configs have CIDs of ${wanted} octets now; this process issues ${this.cidLength}`;
    }
    if (this.source === undefined) return 'every nonce of every mintable config was used';
    return this.#troubled?.message ?? '';
  }

  /** 1 to `count` CIDs, or undefined: none is ready, but will be after `ready()`. */
  issue(count: number): IssuedCids | undefined {
    if (this.#settled !== undefined) return undefined;
    const inTrouble = this.#now() < this.#retryAt;
    if (!inTrouble && !this.#store.durable) return undefined;
    for (const source of inTrouble ? [] : this.#sources) {
      const minted = source.mint(count);
      if (minted !== undefined) return this.#routableBatch(source, minted);
      if (!source.space.exhausted) return undefined;
    }
    return this.#failoverBatch(count);
  }

  /** Resolves when `issue` has something to give. */
  async ready(): Promise<void> {
    await this.#settled;
    try {
      await this.settle();
      await this.source?.space.prepare();
      this.#troubled = undefined;
      this.#retryAt = 0;
      this.#retry.reset();
      this.#tell();
    } catch (error) {
      if (!(error instanceof CidecarError)) throw error;
      if (error.code !== 'NONCES_EXHAUSTED') this.#trouble(error);
    }
  }

  /**
   * Resolves when what CIDs and tokens depend on is on disk. Throws STATE_UNWRITABLE or
   * STATE_REPLACED.
   */
  settle(): Promise<void> {
    return this.#store.settle();
  }

  /**
   * The key behind the tokens of a config: the registry's, or one made here, of which nothing
   * may leave before `settle()`.
   */
  resetKey(config: PoolConfig): Secret {
    return config.resetKey ?? this.#store.resetKey(this.#configFingerprint(config));
  }

  /** How the tokens of this server are made. */
  get tokenKind(): ResetTokenKind {
    return this.#view.server.resetTokens ?? 'cmac';
  }

  /** The tokens of a server's CIDs under a config; for the key see `resetKey`. */
  tokens(config: PoolConfig, server: Server): TokenMaker {
    return tokenMaker(server.resetTokens ?? 'cmac', this.resetKey(config));
  }

  /** The token of a 0b111 CID. Throws CID_UNKNOWN where it was not issued here. */
  failoverToken(cid: Uint8Array): Uint8Array {
    if (this.#failover.made(cid)) return this.#failoverTokens.of(cid);
    throw new CidecarError('CID_UNKNOWN', 'the sidecar did not issue this 0b111 CID');
  }

  /** The key behind the tokens of 0b111 CIDs. */
  get failoverResetKey(): Secret {
    return this.#store.failoverResetKey;
  }

  get #failoverTokens(): TokenMaker {
    return tokenMaker(this.tokenKind, this.failoverResetKey);
  }

  #routableBatch(source: MintSource, minted: MintedCids): IssuedCids {
    if (this.#told?.configId !== source.config.id) this.#tell();
    return {
      ...minted,
      cidLength: this.cidLength,
      configId: source.config.id,
      generation: this.generation,
      routable: true,
    };
  }

  #failoverBatch(count: number): IssuedCids {
    if (this.#told?.routable !== false) this.#tell();
    const { cidLength } = this;
    const cids = this.#failover.make(count, this.zeroHostId);
    const tokens = new Uint8Array(count * RESET_TOKEN_LENGTH);
    this.#failoverTokens.batch(cids, cidLength, count, tokens);
    const { generation } = this;
    return {
      cids,
      tokens,
      count,
      cidLength,
      configId: FAILOVER_CONFIG_ID,
      generation,
      routable: false,
    };
  }

  #source(config: PoolConfig, serverId: Uint8Array): MintSource {
    const fingerprint = this.#store.fingerprints.space(config.codec, serverId);
    let space = this.#spaces.get(fingerprint);
    if (space === undefined) {
      const record = this.#store.space(fingerprint, config.codec.nonceLength);
      space = new NonceSpace(this.#store, record, this.#now, () => this.emit('recorded'));
      this.#spaces.set(fingerprint, space);
    }
    return new MintSource(config, serverId, space, this.tokens(config, this.#view.server));
  }

  /** By config: how its tokens are made. */
  #tokenFingerprints(): Map<string, string> {
    return new Map(
      this.#view.live.map((config) => [
        this.#configFingerprint(config),
        this.#mintingFingerprint(config),
      ]),
    );
  }

  #mintingFingerprint({ id, codec, resetKey }: PoolConfig): string {
    return this.#store.fingerprints.minting(id, codec, resetKey, this.tokenKind);
  }

  #configFingerprint(config: PoolConfig): string {
    return this.#store.fingerprints.config(config.id, config.codec);
  }

  #orderReissue(throughGeneration: number): void {
    const now = this.#now();
    const deadline = now + this.#reissueWithin;
    this.#store.order({ throughGeneration, deadline }, now);
    this.emit('reissue', { throughGeneration, deadline: new Date(deadline) });
  }

  #trouble(error: CidecarError): void {
    this.#troubled = error;
    this.#retryAt = this.#now() + RETRY_MS;
    // Clients with a pool full of 0b111 CIDs ask for nothing, so nobody else would try.
    this.#retry.retry(() => void this.ready());
    this.emit('trouble', error);
    this.#tell();
  }

  // Also in the middle of issuing: a watcher and a health check must not hear of 0b111 CIDs
  // later than those who get them.
  #tell(): void {
    const { generation, zeroHostId, configId, routable, reason } = this;
    const before = this.#told;
    this.#told = { generation, zeroHostId, configId, routable, reason };
    if (before === undefined) return;
    const voids =
      generation !== before.generation ||
      zeroHostId !== before.zeroHostId ||
      (routable && !before.routable);
    if (voids) this.emit('switch');
    if (voids || configId !== before.configId || routable !== before.routable) this.emit('minting');
    else if (reason !== before.reason) this.emit('minting');
  }
}
