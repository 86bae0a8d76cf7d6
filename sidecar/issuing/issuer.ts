// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from 'node:events';
import { claimsFailover, FAILOVER_CONFIG_ID, FAILOVER_MIN_CID_LENGTH } from '../../cid/index.js';
import { CidecarError, toHex } from '../../core/index.js';
import type { PoolConfig } from '../../registry/index.js';
import type { NonceSpace } from '../state/nonce-space.js';
import { NonceSpaces } from '../state/nonce-spaces.js';
import type { StateStore } from '../state/state-store.js';
import { FailoverCids } from './failover-cids.js';
import { fittedView, unfitReason } from './fitted-view.js';
import type { IssuedCids } from './issued-cids.js';
import type { IssuerEvents, ReissueOrder } from './issuer-events.js';
import { type MintedCids, MintSource } from './mint-source.js';
import { ToldState } from './minting-state.js';
import { RecordingTrouble } from './recording-trouble.js';
import { ReissueOrders } from './reissue-orders.js';
import { ResetTokenKeys } from './reset-token-keys.js';
import type { ServerView } from './server-view.js';

export interface IssuerOptions {
  readonly store: StateStore;
  readonly view: ServerView;
  /** Milliseconds that connections have to replace the CIDs of a retiring config. */
  readonly reissueWithin: number;
  /**
   * Whether nothing may be issued but 0b111 CIDs, whatever the view says. Asked for each batch: a
   * process may have stood still since the view came.
   */
  readonly fenced?: () => boolean;
  /** Milliseconds since 1970; tests pass their own clock. */
  readonly now?: () => number;
}

/**
 * Issues CIDs under the config that the desired state says, and 0b111 CIDs while no config can
 * be used. One generation lasts until CIDs that were issued under it become void.
 */
export class Issuer extends EventEmitter<IssuerEvents> {
  /** Octets of every CID that is issued. Fixed for the life of the process. */
  readonly cidLength: number;
  /** How tokens are made. What it gives may not leave before `settle()`. */
  readonly keys: ResetTokenKeys;
  readonly #store: StateStore;
  readonly #orders: ReissueOrders;
  readonly #spaces: NonceSpaces;
  readonly #failover: FailoverCids;
  readonly #trouble: RecordingTrouble;
  readonly #fenced: () => boolean;
  #view: ServerView;
  #sources: readonly MintSource[] = [];
  /** Set while the generation that the sources belong to is not on disk: they are not used then. */
  #settling: Promise<void> | undefined;
  /** What the last events said. */
  readonly #told = new ToldState();

  constructor(options: IssuerOptions) {
    super();
    const { store, view, reissueWithin, fenced = () => false, now = Date.now } = options;
    this.#fenced = fenced;
    this.#store = store;
    this.#view = view;
    this.#orders = new ReissueOrders(store.orders, reissueWithin, now);
    this.cidLength = view.live[0]?.codec.cidLength ?? FAILOVER_MIN_CID_LENGTH;
    this.#spaces = new NonceSpaces(store, {
      now,
      onRecorded: () => this.emit('recorded'),
      onFailed: (error) => this.#noteTrouble(error),
    });
    this.keys = new ResetTokenKeys(store);
    this.#failover = new FailoverCids({
      resetKey: this.keys.failover,
      cidLength: this.cidLength,
      space: (form) => this.#spaces.ofFailover(form),
    });
    this.#trouble = new RecordingTrouble(now, () => void this.#record());
  }

  /** Begins to issue by the view given at construction. */
  async start(): Promise<void> {
    await this.apply(this.#view);
  }

  /**
   * Changes to another view. From the moment of the call nothing is minted by the old view;
   * resolves when the new one is in force.
   */
  async apply(wanted: ServerView): Promise<void> {
    const view = fittedView(wanted, this.cidLength);
    const changed = this.keys.changed(this.#view, view);
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
            config: this.keys.mintingFingerprint(lead.config, view.server),
            serverIds: lead.serverIds.map(toHex),
          },
    );
    if (grew) this.emit('reissue', this.#orders.order(before));
    const settled = this.#settle()
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

  /** Whether nothing may be issued but 0b111 CIDs, and what clients have is void soon. */
  get fenced(): boolean {
    return this.#fenced();
  }

  get view(): ServerView {
    return this.#view;
  }

  get generation(): number {
    return this.#store.generation.current;
  }

  /** The orders whose deadline is to come, the oldest first. */
  get reissues(): readonly ReissueOrder[] {
    return this.#orders.inForce;
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
    return this.#presentSource !== undefined;
  }

  /** The config ID of the CIDs that are issued now. */
  get configId(): number {
    return this.#presentSource?.config.id ?? FAILOVER_CONFIG_ID;
  }

  /** Why nonces cannot be recorded; undefined where they can, as far as is known. */
  get trouble(): CidecarError | undefined {
    return this.#trouble.error;
  }

  /** Whether a config of the pool claims 0b111, so that CIDs that mean failover need zeroes. */
  get zeroHostId(): boolean {
    return this.#view.live.some(({ codec }) => claimsFailover(codec));
  }

  /** Why CIDs are not routable; empty where they are. */
  get reason(): string {
    if (this.#view.mintable.length === 0) return this.#view.reason;
    if (this.#sources.length === 0) return unfitReason(this.#view, this.cidLength);
    if (this.source === undefined) return 'every nonce of every mintable config was used';
    return this.routable ? '' : (this.#trouble.error?.message ?? '');
  }

  /**
   * 1 to `count` CIDs, or undefined where none is ready; after `ready()` there may be some.
   *
   * @param serverUse octets that passed `checkServerUse`; 0b111 CIDs carry none
   */
  issue(count: number, serverUse?: Uint8Array): IssuedCids | undefined {
    if (this.#settling !== undefined) return undefined;
    const { pauses } = this.#trouble;
    if (!pauses && !this.#store.durable) return undefined;
    for (const source of this.#store.durable && !this.#fenced() ? this.#sources : []) {
      // What comes next may have no room, and its takers are told so at that change.
      if (serverUse !== undefined && serverUse.length > source.serverUseLength) continue;
      const minted = source.mint(count, serverUse);
      if (minted !== undefined) return this.#routableBatch(source, minted);
      // While nothing can be recorded, what later sources have in hand is better than 0b111 CIDs.
      if (!pauses && !source.space.exhausted) return undefined;
    }
    return this.#failoverBatch(count);
  }

  /** Throws ARGUMENT_INVALID where a config that is minted has no room for server-use octets. */
  checkServerUse(serverUse: Uint8Array): void {
    for (const source of this.#sources) source.checkServerUse(serverUse);
  }

  /** Resolves when `issue` has something to give, or when it is worth asking again. */
  async ready(): Promise<void> {
    await this.#settling;
    if (!this.#trouble.pauses) await this.#record();
    else if (!this.#failoverSpace.ready) await this.#trouble.pause();
  }

  /**
   * Resolves when what CIDs and tokens depend on is on disk. Throws STATE_UNWRITABLE or
   * STATE_REPLACED.
   */
  settle(): Promise<void> {
    return this.#store.settle();
  }

  /** The token of a 0b111 CID. Throws CID_UNKNOWN where it was not issued here. */
  failoverToken(cid: Uint8Array): Uint8Array {
    if (this.#failover.made(cid)) return this.keys.failoverTokens(this.#view.server).of(cid);
    throw new CidecarError('CID_UNKNOWN', 'the sidecar did not issue this 0b111 CID');
  }

  /** Where the next CID comes from, recorded already where nothing can be recorded. */
  get #presentSource(): MintSource | undefined {
    if (this.#trouble.error === undefined) return this.source;
    return this.#store.durable ? this.#sources.find(({ space }) => space.ready) : undefined;
  }

  get #failoverSpace(): NonceSpace {
    return this.#failover.space(this.zeroHostId);
  }

  /** Makes durable what `apply` changed, and has 0b111 CIDs in hand for a disk that fails later. */
  async #settle(): Promise<void> {
    await this.#failoverSpace.prepare().catch((error: CidecarError) => {
      if (error.code !== 'NONCES_EXHAUSTED') throw error; // Only 0b111 CIDs will be missing.
    });
    await this.settle();
  }

  /** Records what `issue` needs next, or notes why that failed. */
  async #record(): Promise<void> {
    try {
      // What is in hand takes no write, and only a write shows that the disk is well again.
      await (this.#trouble.error === undefined ? this.settle() : this.#store.save());
      await (this.source?.space ?? this.#failoverSpace).prepare();
      if (this.#trouble.ended()) this.emit('recovered');
      this.#announce();
    } catch (error) {
      if (!(error instanceof CidecarError)) throw error;
      this.#noteTrouble(error);
    }
  }

  #routableBatch(source: MintSource, minted: MintedCids): IssuedCids {
    if (this.#told.state?.configId !== source.config.id) this.#announce();
    return {
      ...minted,
      cidLength: this.cidLength,
      configId: source.config.id,
      generation: this.generation,
      routable: true,
    };
  }

  #failoverBatch(most: number): IssuedCids | undefined {
    if (this.#told.state?.routable !== false) this.#announce();
    const { cidLength, generation } = this;
    const tokens = this.keys.failoverTokens(this.#view.server);
    const made = this.#failover.issue(most, this.zeroHostId, tokens);
    if (made === undefined) return undefined;
    return { ...made, cidLength, configId: FAILOVER_CONFIG_ID, generation, routable: false };
  }

  #source(config: PoolConfig, serverId: Uint8Array): MintSource {
    const space = this.#spaces.of(config.codec, serverId);
    return new MintSource(config, serverId, space, this.keys.tokens(config, this.#view.server));
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
    const { isVoid, isNews } = this.#told.tell(now);
    if (isVoid) this.emit('switch');
    if (isNews) this.emit('minting');
  }
}
