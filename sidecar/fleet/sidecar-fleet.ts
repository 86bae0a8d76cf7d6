// SPDX-License-Identifier: Apache-2.0
import type { FleetHealth } from '../../daemon/fleet-metrics.js';
import { identityIn } from '../../daemon/identity.js';
import type { Log } from '../../daemon/log.js';
import { type LiveServerValue, revisionNumber } from '../../registry/etcd/layout/index.js';
import type { EtcdRegistry } from '../../registry/etcd/store/etcd-registry.js';
import type { PoolConfig } from '../../registry/index.js';
import type { Issuer } from '../issuing/issuer.js';
import type { ServerView } from '../issuing/server-view.js';
import { GateKeeper, type GateWait } from './gate-keeper.js';
import { mayBeOnOlder, type OlderConnections, olderForOthers } from './older-use.js';
import { PassFile } from './passes.js';
import { Presence } from './presence.js';
import type { Registration } from './registration.js';

export interface SidecarFleetOptions {
  readonly registry: EtcdRegistry;
  readonly stateFolder: string;
  /** Name of this host, for people. */
  readonly host: string;
  /** Seconds of the lease. */
  readonly ttl: number;
  /** Milliseconds that connections have to replace the CIDs of a retiring config. */
  readonly reissueWithin: number;
  /** Names one meaning of a config ID; see fingerprints.ts. */
  readonly meaning: (config: PoolConfig) => string;
  readonly log: Log;
  /** Where this server registered itself: its sign of life, and whether it may issue. */
  readonly registration?: Registration | undefined;
  /** What clients said of connections on CIDs of earlier generations. */
  readonly older: () => OlderConnections | undefined;
  /** What may be issued is another: it is to be admitted again. */
  readonly onAdmitted: () => void;
}

/** Milliseconds between looks at what has no event. */
const LOOK_EVERY = 1_000;
/** Part of the nonces of the minting config below which a staged one is wanted beside it. */
const SPARE_BELOW = 1 / 8;

/** The part that a sidecar has in a fleet. */
export class SidecarFleet implements FleetHealth {
  readonly #options: SidecarFleetOptions;
  readonly #identity: string;
  readonly #gate: GateKeeper;
  readonly #passes: PassFile;
  readonly #place: { readonly pool: string; readonly server: string };
  #presence: Presence | undefined;
  #issuer: Issuer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #connected = false;
  /** By config ID: when it was issued last, or might have been. Milliseconds. */
  readonly #issuedAt = new Map<number, number>();
  readonly #openedAt = performance.now();

  private constructor(
    options: SidecarFleetOptions,
    view: ServerView,
    identity: string,
    file: PassFile,
  ) {
    this.#options = options;
    this.#identity = identity;
    this.#passes = file;
    this.#place = { pool: view.poolName, server: view.server.name };
    const { client, keys } = options.registry;
    this.#gate = new GateKeeper(
      {
        ...options,
        ...this.#place,
        client,
        keys,
        identity,
        file,
        onWaiting: () => this.#say(),
        spareWanted: () => this.#spareWanted,
        mayBeInUse: (config) => this.#mayBeInUse(config),
        mayAct: () => this.#mayAct,
      },
      view,
    );
  }

  /**
   * @param view what the registry, or the disk, wants to be issued
   * @throws CidecarError where the state folder cannot be read or written
   */
  static async open(options: SidecarFleetOptions, view: ServerView): Promise<SidecarFleet> {
    const { stateFolder } = options;
    const place = { pool: view.poolName, server: view.server.name };
    const identity = await identityIn(stateFolder);
    return new SidecarFleet(options, view, identity, await PassFile.open(stateFolder, place));
  }

  /** Why nothing may be issued, for people; undefined where it may. */
  get fenced(): string | undefined {
    return (this.#options.registration ?? this.#presence)?.fenced;
  }

  /** UUID of the state folder. */
  get identity(): string {
    return this.#identity;
  }

  /** What may be issued now, of what the registry wants. */
  get admitted(): ServerView {
    return this.#fenced(this.#gate.admitted);
  }

  /** The registry wants this; returns what may be issued of it now. */
  admit(view: ServerView): ServerView {
    return this.#fenced(this.#gate.admit(view));
  }

  /** Begins to talk with etcd. */
  start(issuer: Issuer): void {
    this.#issuer = issuer;
    const { registry, registration, onAdmitted } = this.#options;
    const { client, keys } = registry;
    const value = () => this.#liveValue;
    if (registration !== undefined) registration.serve(value, onAdmitted);
    else {
      const onOwner = () => {
        this.#gate.readMarks();
        onAdmitted();
      };
      const of = { ...this.#options, ...this.#place, client, keys, value, onOwner };
      this.#presence = new Presence(of);
    }
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY).unref();
    this.#gate.start();
    // The fence may have opened, or the gate let something through, before anybody listened.
    onAdmitted();
  }

  get waits(): readonly GateWait[] {
    return this.#gate.waits;
  }

  get connected(): boolean {
    return this.#options.registry.connected;
  }

  get disconnectedForMs(): number | undefined {
    return this.#options.registry.disconnectedForMs;
  }

  get endpoint(): string {
    return this.#options.registry.client.endpoint;
  }

  get revision(): number {
    return revisionNumber(this.#issuer?.view.revision ?? '') ?? 0;
  }

  get alive(): boolean {
    return (this.#options.registration ?? this.#presence)?.alive ?? false;
  }

  get leaseAgeMs(): number | undefined {
    return (this.#options.registration ?? this.#presence)?.leaseAgeMs;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#gate.close();
    await this.#presence?.close();
  }

  /** STOP_SAVED: from now on the disk says that nothing is issued. To be called after the close. */
  async forgetPasses(): Promise<void> {
    for (const config of [...this.#passes.onDisk.keys()]) await this.#passes.take(config);
  }

  get #liveValue(): LiveServerValue {
    const agents = new Set(this.waits.flatMap((wait) => wait.agents.map(({ agent }) => agent)));
    const issuer = this.#issuer;
    return {
      identity: this.#identity,
      host: this.#options.host,
      issuing: issuer?.routable ? issuer.configId : null,
      waitingFor: [...agents].sort(),
      older: this.#older,
      noncesLeft: this.#noncesLeft,
    };
  }

  /** Of each config under which it has a mark, and issues no more. */
  get #older(): Record<string, number | null> {
    const issued = new Set(this.#issuer?.view.mintable.map(({ config }) => config.id));
    const older = olderForOthers(this.#options.older());
    const configs = [...this.#passes.onDisk.keys()].filter((config) => !issued.has(config));
    return Object.fromEntries(configs.map((config) => [String(config), older]));
  }

  /** Rounded, so that what is said is not another thing with each CID. */
  get #noncesLeft(): number | null {
    const issuer = this.#issuer;
    if (issuer === undefined || !issuer.routable) return null;
    const now = issuer.sources.filter(({ config }) => config.id === issuer.configId);
    if (now.length === 0) return null;
    const left = now.reduce((sum, { space }) => sum + space.leftCount, 0);
    return left === 0 ? 0 : Number(left.toPrecision(2));
  }

  #look(): void {
    const now = performance.now();
    for (const { config } of this.#issuer?.view.mintable ?? []) this.#issuedAt.set(config.id, now);
    // What was forced while it was away is found out.
    if (this.connected && !this.#connected) this.#gate.readMarks();
    this.#connected = this.connected;
    this.#say();
  }

  #say(): void {
    (this.#options.registration ?? this.#presence)?.say();
  }

  /** Where the server stands in the document, another sidecar may serve it, whose the marks are. */
  get #mayAct(): boolean {
    if (this.#options.registration !== undefined) return true;
    return this.#presence?.isKnown === true && this.fenced === undefined;
  }

  /** FENCE: nothing of what the gate let through, where others may take it by now. */
  #fenced(view: ServerView): ServerView {
    const reason = this.fenced;
    return reason === undefined ? view : { ...view, mintable: [], reason };
  }

  /**
   * Live connections replace their CIDs within the time of a reissue. It is counted from the time
   * that this process issued under the config last; for one that was issued by a process before,
   * from the start of this one.
   */
  #mayBeInUse(config: number): boolean {
    const issuer = this.#issuer;
    if (issuer === undefined || issuer.reissues.length > 0) return true;
    if (issuer.view.mintable.some((each) => each.config.id === config)) return true;
    const last = this.#issuedAt.get(config) ?? this.#openedAt;
    const { reissueWithin, older } = this.#options;
    return mayBeOnOlder({ sinceMs: performance.now() - last, reissueWithin, older: older() });
  }

  get #spareWanted(): boolean {
    const sources = this.#issuer?.sources ?? [];
    const minting = sources.filter(({ config }) => config.state === 'minting');
    return minting.length > 0 && minting.every(({ space }) => space.left < SPARE_BELOW);
  }
}
