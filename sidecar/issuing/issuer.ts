// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto';
import { EventEmitter } from 'node:events';
import {
  claimsFailover,
  FAILOVER_CONFIG_ID,
  FAILOVER_MIN_CID_LENGTH,
  type RandomFill,
  RESET_TOKEN_LENGTH,
  type ResetTokenKind,
  type TokenMaker,
} from '../../cid/index.js';
import { CidecarError, type Secret, toHex } from '../../core/index.js';
import type { PoolConfig, Server } from '../../registry/index.js';
import { NonceSpaces } from '../state/nonce-spaces.js';
import type { StateStore } from '../state/state-store.js';
import { FailoverCids } from './failover-cids.js';
import type { IssuedCids } from './issued-cids.js';
import type { IssuerEvents, ReissueOrder } from './issuer-events.js';
import { type MintedCids, MintSource } from './mint-source.js';
import { isNews, type MintingState, makesVoid } from './minting-state.js';
import { RecordingTrouble } from './recording-trouble.js';
import { kindOf, ResetTokenKeys } from './reset-token-keys.js';
import type { ServerView } from './server-view.js';

export interface IssuerOptions {
  readonly store: StateStore;
  readonly view: ServerView;
  /** Milliseconds that connections have to replace the CIDs of a retiring config. */
  readonly reissueWithin: number;
  /** Milliseconds since 1970; tests pass their own clock. */
  readonly now?: () => number;
  readonly random?: RandomFill;
}

/**
 * Issues CIDs under the config that the desired state says, and 0b111 CIDs while no config can
 * be used. One generation lasts until CIDs that were issued under it become void.
 */
export class Issuer extends EventEmitter<IssuerEvents> {
  /** Octets of every CID that is issued. Fixed for the life of the process. */
  readonly cidLength: number;
  readonly #store: StateStore;
  readonly #reissueWithin: number;
  readonly #now: () => number;
  readonly #spaces: NonceSpaces;
  readonly #keys: ResetTokenKeys;
  readonly #failover: FailoverCids;
  readonly #trouble: RecordingTrouble;
  #view: ServerView;
  #sources: readonly MintSource[] = [];
  /** Set while the generation that the sources belong to is not on disk: they are not used then. */
  #settling: Promise<void> | undefined;
  /** What the last events said. */
  #announced: MintingState | undefined;

  constructor(options: IssuerOptions) {
    super();
    const { store, view, reissueWithin, now = Date.now, random = randomFillSync } = options;
    this.#store = store;
    this.#view = view;
    this.#reissueWithin = reissueWithin;
    this.#now = now;
    this.cidLength = view.live[0]?.codec.cidLength ?? FAILOVER_MIN_CID_LENGTH;
    this.#spaces = new NonceSpaces(store, now, () => this.emit('recorded'));
    this.#keys = new ResetTokenKeys(store);
    this.#failover = new FailoverCids(this.#keys.failover, this.cidLength, random);
    this.#trouble = new RecordingTrouble(now, () => void this.ready());
  }

  /** Begins to issue by the view given at construction. */
  async start(): Promise<void> {
    await this.apply(this.#view);
  }

  /**
   * Changes to another view. From the moment of the call nothing is minted by the old view;
   * resolves when the new one is in force.
   */
  async apply(view: ServerView): Promise<void> {
    const changed = this.#keys.changed(this.#view, view);
    this.#view = view;
    for (const config of changed) this.emit('tokensChanged', config);
    const usable = view.mintable.filter(({ config }) => config.codec.cidLength === this.cidLength);
    this.#sources = usable.flatMap(({ config, serverIds }) =>
      serverIds.map((serverId) => this.#source(config, serverId)),
    );
    const [lead] = usable;
    const before = this.generation;
    const grew = this.#store.generation.switchTo(
      lead === undefined
        ? null
        : {
            config: this.#keys.mintingFingerprint(lead.config, view.server),
            serverIds: lead.serverIds.map(toHex),
          },
    );
    if (grew) this.#orderReissue(before);
    const settled = this.#store
      .save()
      .catch((error: CidecarError) => this.#noteTrouble(error))
      .finally(() => {
        if (this.#settling === settled) this.#settling = undefined;
      });
    this.#settling = settled;
    this.#announce();
    await settled;
  }

  close(): void {
    this.#trouble.close();
    this.removeAllListeners();
  }

  get view(): ServerView {
    return this.#view;
  }

  get generation(): number {
    return this.#store.generation.current;
  }

  /** The orders whose deadline is to come, the oldest first. */
  get reissues(): readonly ReissueOrder[] {
    return this.#store.orders.all
      .filter(({ deadline }) => deadline > this.#now())
      .map(({ throughGeneration, deadline }) => ({
        throughGeneration,
        deadline: new Date(deadline),
      }));
  }

  /** The newest of `reissues`. */
  get reissue(): ReissueOrder | undefined {
    return this.reissues.at(-1);
  }

  /** Where the next CID comes from; undefined where only 0b111 CIDs can be issued. */
  get source(): MintSource | undefined {
    return this.#sources.find(({ space }) => !space.exhausted);
  }

  get sources(): readonly MintSource[] {
    return this.#sources;
  }

  get routable(): boolean {
    return this.source !== undefined && this.#trouble.error === undefined;
  }

  /** The config ID of the CIDs that are issued now. */
  get configId(): number {
    return this.routable && this.source !== undefined ? this.source.config.id : FAILOVER_CONFIG_ID;
  }

  /** Whether a config of the pool claims 0b111, so that CIDs that mean failover need zeroes. */
  get zeroHostId(): boolean {
    return this.#view.live.some(({ codec }) => claimsFailover(codec));
  }

  /** Why CIDs are not routable; empty where they are. */
  get reason(): string {
    if (this.#view.mintable.length === 0) return this.#view.reason;
    if (this.#sources.length === 0) {
      const wanted = this.#view.mintable[0]?.config.codec.cidLength;
      return `the configs have CIDs of ${wanted} octets now; this process issues ${this.cidLength}`;
    }
    if (this.source === undefined) return 'every nonce of every mintable config was used';
    return this.#trouble.error?.message ?? '';
  }

  /** 1 to `count` CIDs, or undefined where none is ready; after `ready()` there are some. */
  issue(count: number): IssuedCids | undefined {
    if (this.#settling !== undefined) return undefined;
    const { pauses } = this.#trouble;
    if (!pauses && !this.#store.durable) return undefined;
    for (const source of pauses ? [] : this.#sources) {
      const minted = source.mint(count);
      if (minted !== undefined) return this.#routableBatch(source, minted);
      if (!source.space.exhausted) return undefined;
    }
    return this.#failoverBatch(count);
  }

  /** Resolves when `issue` has something to give. */
  async ready(): Promise<void> {
    await this.#settling;
    try {
      await this.settle();
      await this.source?.space.prepare();
      this.#trouble.ended();
      this.#announce();
    } catch (error) {
      if (!(error instanceof CidecarError)) throw error;
      if (error.code !== 'NONCES_EXHAUSTED') this.#noteTrouble(error);
    }
  }

  /**
   * Resolves when what CIDs and tokens depend on is on disk. Throws STATE_UNWRITABLE or
   * STATE_REPLACED.
   */
  settle(): Promise<void> {
    return this.#store.settle();
  }

  /** The key for the tokens of a config. Nothing made with it may leave before `settle()`. */
  resetKey(config: PoolConfig): Secret {
    return this.#keys.of(config);
  }

  /** How the tokens of this server are made. */
  get tokenKind(): ResetTokenKind {
    return kindOf(this.#view.server);
  }

  /** The tokens of a server's CIDs under a config, which may not leave before `settle()`. */
  tokens(config: PoolConfig, server: Server): TokenMaker {
    return this.#keys.tokens(config, server);
  }

  /** The token of a 0b111 CID. Throws CID_UNKNOWN where it was not issued here. */
  failoverToken(cid: Uint8Array): Uint8Array {
    if (this.#failover.made(cid)) return this.#keys.failoverTokens(this.#view.server).of(cid);
    throw new CidecarError('CID_UNKNOWN', 'the sidecar did not issue this 0b111 CID');
  }

  /** The key for the tokens of 0b111 CIDs. */
  get failoverResetKey(): Secret {
    return this.#keys.failover;
  }

  #routableBatch(source: MintSource, minted: MintedCids): IssuedCids {
    if (this.#announced?.configId !== source.config.id) this.#announce();
    return {
      ...minted,
      cidLength: this.cidLength,
      configId: source.config.id,
      generation: this.generation,
      routable: true,
    };
  }

  #failoverBatch(count: number): IssuedCids {
    if (this.#announced?.routable !== false) this.#announce();
    const { cidLength, generation } = this;
    const cids = this.#failover.make(count, this.zeroHostId);
    const tokens = new Uint8Array(count * RESET_TOKEN_LENGTH);
    this.#keys.failoverTokens(this.#view.server).batch(cids, cidLength, count, tokens);
    const configId = FAILOVER_CONFIG_ID;
    return { cids, tokens, count, cidLength, configId, generation, routable: false };
  }

  #source(config: PoolConfig, serverId: Uint8Array): MintSource {
    const space = this.#spaces.of(config.codec, serverId);
    return new MintSource(config, serverId, space, this.tokens(config, this.#view.server));
  }

  #orderReissue(throughGeneration: number): void {
    const now = this.#now();
    const deadline = now + this.#reissueWithin;
    this.#store.orders.keep({ throughGeneration, deadline }, now);
    this.emit('reissue', { throughGeneration, deadline: new Date(deadline) });
  }

  #noteTrouble(error: CidecarError): void {
    this.#trouble.began(error);
    this.emit('trouble', error);
    this.#announce();
  }

  // Called in the middle of issuing too: a watcher and a health check must not hear of 0b111
  // CIDs later than the clients that are given them.
  #announce(): void {
    const { generation, zeroHostId, configId, routable, reason } = this;
    const now = { generation, zeroHostId, configId, routable, reason };
    const before = this.#announced;
    this.#announced = now;
    if (before === undefined) return;
    if (makesVoid(before, now)) this.emit('switch');
    if (isNews(before, now)) this.emit('minting');
  }
}
