// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { CidecarError, describeError, SayOnce } from '../core/index.js';
import { LastGood } from '../daemon/last-good.js';
import type { Log } from '../daemon/log.js';
import { type MetricsAddress, type MetricsServer, serveMetrics } from '../daemon/metrics-server.js';
import { daemonMetrics, RegistryHealth } from '../daemon/registry-health.js';
import { buildInfo } from '../daemon/version.js';
import { EtcdRegistry } from '../registry/etcd/store/etcd-registry.js';
import {
  type DesiredState,
  firstState,
  type NeedsKey,
  type Registry,
  type StateSource,
  TransitionGuard,
} from '../registry/index.js';
import { openRegistration, type RegistrationFlags } from './fleet/open-registration.js';
import type { Registration } from './fleet/registration.js';
import { SidecarFleet } from './fleet/sidecar-fleet.js';
import type { DecapsulationKeeper } from './host/decapsulation-keeper.js';
import { Issuer } from './issuing/issuer.js';
import { NonceSupplyMonitor } from './issuing/nonce-supply-monitor.js';
import { type ServerView, viewOf } from './issuing/server-view.js';
import { SidecarMetrics } from './metrics.js';
import { keysToFind, nameOfOwnServer, type OwnServer } from './own-server.js';
import { RegistryFollower } from './registry-follower.js';
import { type RpcListeners, RpcServer } from './rpc/server.js';
import { SidecarService } from './rpc/service.js';
import { type StateStart, StateStore } from './state/state-store.js';

export interface DaemonOptions extends RpcListeners {
  readonly registry: Registry;
  /** Seconds of the lease by which others know it to be awake, where hosts share the registry. */
  readonly leaseTtl?: number;
  /** How this server registers itself; without it the document names it. */
  readonly registration?: RegistrationFlags;
  /** Path of the file of cluster secrets, to open the keys of a saved state. */
  readonly clusterSecret?: string | undefined;
  /** A name, or what it is found by when this starts. */
  readonly serverName: OwnServer;
  readonly stateFolder: string;
  readonly stateStart: StateStart;
  /** Milliseconds that connections have to replace the CIDs of a retiring config. */
  readonly reissueWithin: number;
  readonly allowKeyExport: boolean;
  /** Milliseconds for which a client that hears nothing may use its CIDs. */
  readonly cidLifetime: number;
  readonly maxStreams: number;
  /** Whether changes of the document that lose connections or can repeat CIDs are refused. */
  readonly guard: boolean;
  /** Where metrics are served; without it there are none. */
  readonly metrics?: MetricsAddress;
  readonly log: Log;
  /** What unwraps the balancers' tunnels; left out, this process attaches nothing. */
  readonly decapsulation?: DecapsulationKeeper;
}

/** Seconds. */
export const DEFAULT_LEASE_TTL = 10;
/** Milliseconds between two rounds of what is counted and measured now and then. */
const ROUND_EVERY = 10_000;
/** Milliseconds that calls have to end before they are cut off. */
const STOP_WITHIN = 5_000;

/** The sidecar: follows the registry, issues, serves. */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #log: Log;
  readonly #startedAt = new Date();
  readonly #health = new RegistryHealth();
  readonly #metrics = new SidecarMetrics(daemonMetrics('cid-sidecar', this.#health));
  readonly #nonceSupply: NonceSupplyMonitor;
  readonly #lastGood: LastGood;
  readonly #guard: TransitionGuard;
  /** By revision. */
  readonly #sources = new Map<string, StateSource>();
  #store: StateStore | undefined;
  #registration: Registration | undefined;
  #fleet: SidecarFleet | undefined;
  #issuer: Issuer | undefined;
  #service: SidecarService | undefined;
  #server: RpcServer | undefined;
  #follower: RegistryFollower | undefined;
  #metricsServer: MetricsServer | undefined;
  #rounds: NodeJS.Timeout | undefined;
  readonly #trouble = new SayOnce();
  #own: OwnServer;
  #serving: boolean | undefined;
  #started = false;
  #failed = false;
  #reloadAsked = false;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#own = options.serverName;
    this.#lastGood = new LastGood(join(options.stateFolder, 'last-good'), options.log);
    const shared = options.registry instanceof EtcdRegistry;
    this.#guard = new TransitionGuard({ refuse: options.guard, shared, log: options.log });
    this.#nonceSupply = new NonceSupplyMonitor(options.log);
  }

  /** The sidecar serves when this resolves. On an error everything that was begun is undone. */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      this.#failed = true;
      await this.stop();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { registry, stateFolder, stateStart, log, decapsulation } = this.#options;
    const open = async () => {
      this.#store ??= await StateStore.open({ folder: stateFolder, start: stateStart });
      return this.#store;
    };
    // Before it asks for IDs it has a state, and no other sidecar has it.
    if (this.#options.registration !== undefined) {
      await open();
      await this.#register(this.#options.registration);
    }
    const state = await this.#firstState(registry);
    const serverName = nameOfOwnServer(this.#own, state);
    const view = viewOf(state, serverName);
    // From now on it is this server, whichever IDs later documents give it.
    this.#own = serverName;
    const store = await open();
    if (stateStart === 'init-if-missing' && store.begun) {
      log.warn(
        { folder: stateFolder },
        'there was no state, so one is begun, with nonces at random places: if this server had one before, CIDs can repeat those issued then, with a probability of about (CIDs before + CIDs after) / 256^nonceLength, without a key (CIDs before x CIDs after) / 256^nonceLength',
      );
    }
    if (stateStart === 'reset') {
      log.warn(
        'nonces begin anew at random places: CIDs can repeat those issued before the reset, with a probability of about (CIDs before + CIDs after) / 256^nonceLength, without a key (CIDs before x CIDs after) / 256^nonceLength',
      );
    }

    const fleet = await this.#openFleet(store, view);
    const registration = this.#registration;
    const issuer = new Issuer({
      ...this.#options,
      store,
      view: fleet?.admitted ?? view,
      ...(registration && { fenced: () => registration.fenced !== undefined }),
    });
    this.#issuer = issuer;
    issuer.on('trouble', (error) => {
      if (this.#trouble.isNews(error)) log.error({ error }, 'nonces cannot be recorded');
    });
    issuer.on('reissue', (order) => log.info(order, 'live connections are to get new CIDs'));
    issuer.on('tokensChanged', ({ id }) =>
      log.warn(
        { configId: id },
        'reset tokens of a live config are made in another way now: until the reissue is over, the tokens of CIDs issued before cannot be made again; take another reset key with another config',
      ),
    );
    issuer.on('minting', () => this.#check());
    issuer.on('recovered', () => {
      this.#trouble.over();
      log.info('nonces can be recorded again');
    });
    issuer.on('recorded', () => this.#nonceSupply.check(issuer.sources));
    await issuer.start();
    await issuer.ready();
    this.#health.applied(state.revision, state.parts);
    this.#registration?.desired(state);
    this.#registration?.inForce(view.revision);
    this.#metrics.observeIssuer(issuer, this.#nonceSupply);
    if (decapsulation !== undefined) this.#metrics.observeDecapsulation(decapsulation);

    const follower = new RegistryFollower({
      registry,
      state,
      issuer,
      log,
      health: this.#health,
      guard: this.#guard,
      ...(fleet && { admit: (wanted: ServerView) => fleet.admit(wanted) }),
      onFollowed: (state) => {
        this.#registration?.desired(state);
        this.#registration?.inForce(state.revision);
        this.#keepSource();
        this.#check();
      },
    });
    this.#follower = follower;
    const service = new SidecarService({
      ...this.#options,
      issuer,
      metrics: this.#metrics,
      status: {
        started: this.#startedAt,
        issued: () => this.#metrics.total,
        registry: this.#health,
        build: buildInfo(),
        ...(fleet && { fleet }),
        ...(decapsulation && { decapsulation }),
      },
    });
    this.#service = service;
    this.#server = new RpcServer({
      handlers: service.handlers,
      limits: { streams: this.#options.maxStreams },
      onRefusal: (method, error) => service.noteRefusal(method, error),
    });
    this.#metrics.observeClients({
      issuer,
      cidStreams: service.cidStreams,
      connections: this.#server.connections,
    });
    if (!this.#server.reflects) log.warn('no descriptors found: reflection is off');

    this.#keepSource();
    await follower.start();
    fleet?.start(issuer);
    if (this.#options.metrics !== undefined) {
      this.#metricsServer = await serveMetrics({
        where: this.#options.metrics,
        collect: () => this.#metrics.text(),
        onError: (error) => log.error({ error }, 'metrics cannot be collected'),
      });
    }
    await this.#server.listen(this.#options);
    this.#check();
    this.#rounds = setInterval(() => {
      service.flushRefusals();
      this.#nonceSupply.measure(issuer.sources);
    }, ROUND_EVERY).unref();
    log.info(
      {
        server: serverName,
        pool: view.poolName,
        socket: this.#options.socket.path,
        tls: this.#server.tlsAddress,
      },
      'serving',
    );
    this.#started = true;
    if (this.#reloadAsked) await this.reload();
  }

  /** Where hosts share the registry, what is issued is what all balancers hold. */
  async #openFleet(store: StateStore, view: ServerView): Promise<SidecarFleet | undefined> {
    const {
      registration: _,
      registry,
      leaseTtl: ttl = DEFAULT_LEASE_TTL,
      ...options
    } = this.#options;
    if (!(registry instanceof EtcdRegistry)) return undefined;
    const fleet: SidecarFleet = await SidecarFleet.open(
      {
        ...{ ...options, registry, ttl },
        registration: this.#registration,
        older: () => this.#service?.cidStreams.olderCids,
        meaning: ({ id, codec }) => store.fingerprints.config(id, codec),
        onAdmitted: () => void this.#follower?.readmit(() => fleet.admitted),
      },
      view,
    );
    this.#fleet = fleet;
    this.#metrics.observeFleet(fleet);
    return fleet;
  }

  /** Whether a document without this key is bad for this sidecar. */
  readonly needsKey: NeedsKey = (use) => keysToFind(this.#own)(use);
  async #register(flags: RegistrationFlags): Promise<void> {
    const { registry, stateFolder, cidLifetime, log } = this.#options;
    const { leaseTtl: ttl = DEFAULT_LEASE_TTL } = this.#options;
    if (!(registry instanceof EtcdRegistry)) return;
    const of = { ...flags, registry, stateFolder, ttl, cidLifetime, log };
    this.#registration = await openRegistration(of);
    try {
      await this.#registration.ready();
    } catch (error) {
      if (!(error instanceof CidecarError) || error.code !== 'REGISTRY_UNAVAILABLE') throw error;
      log.warn({ error }, 'this server cannot register at present');
    }
  }

  /** What a state was made of, to be kept once it is in force. */
  noteSource({ revision }: DesiredState, source: StateSource): void {
    this.#sources.set(revision, source);
    // Only the newest can still come into force, and the one in force is on disk.
    for (const other of this.#sources.keys()) if (other !== revision) this.#sources.delete(other);
  }

  async #firstState(registry: Registry): Promise<DesiredState> {
    const text = await this.#lastGood.read();
    return firstState({
      clusterSecret: this.#options.clusterSecret,
      needsKey: this.needsKey,
      read: () => registry.read(),
      sourceOf: ({ revision }) => this.#sources.get(revision),
      saved: text === undefined ? undefined : { path: this.#lastGood.path, text },
      guard: this.#guard,
      log: this.#log,
      onRefused: (error) => this.#health.refused(describeError(error)),
    });
  }

  #keepSource(): void {
    const source = this.#sources.get(this.#health.revision);
    if (source !== undefined) void this.#lastGood.save(() => source.serialize());
  }

  /**
   * Reads the registry now, as on SIGHUP. During the start this is put off to its end, because
   * the start may work from an older document.
   */
  async reload(): Promise<void> {
    if (this.#started) await this.#follower?.reload();
    else this.#reloadAsked = true;
  }

  /** Ends the streams so that what was sent arrives, then gives up everything that is held. */
  async stop(): Promise<void> {
    clearInterval(this.#rounds);
    this.#guard.close();
    await this.#follower?.stop();
    await this.#fleet?.close();
    this.#service?.finish();
    await this.#server?.stop(STOP_WITHIN);
    await this.#metricsServer?.close();
    this.#service?.flushRefusals();
    this.#issuer?.close();
    await this.#endRegistration();
    await this.#closeStore();
    if (this.#server !== undefined) this.#log.info({ issued: this.#metrics.total }, 'stopped');
  }

  /**
   * A start with --init that failed late would be refused the next time because of the state that
   * it left. Where nothing can have left this process, and nobody else knows of the state, it is
   * taken back.
   */
  async #closeStore(): Promise<void> {
    const store = this.#store;
    if (store === undefined) return;
    const { stateStart, allowKeyExport } = this.#options;
    const known = this.#fleet !== undefined || this.#registration !== undefined;
    const unused = !known && this.#metrics.total === 0 && !allowKeyExport;
    if (!this.#failed || stateStart !== 'init' || !unused) return store.close();
    await store.withdraw().catch((error: unknown) => {
      this.#log.warn({ error }, 'the state that --init began cannot be removed');
    });
  }

  async #endRegistration(): Promise<void> {
    if (this.#started && this.#options.registration?.deregisterOnStop === true) {
      await this.#fleet?.forgetPasses();
      await this.#registration?.deregister();
    } else await this.#registration?.close();
  }

  /** To be called when something beside the registry changed that decides whether it serves. */
  check(): void {
    this.#check();
  }

  // The health service has no field for the reason, so that is logged.
  #check(): void {
    const issuer = this.#issuer;
    const server = this.#server;
    if (issuer === undefined || server === undefined) return; // The start is not through yet.
    const detached = this.#options.decapsulation?.attached === false;
    const serving = issuer.routable && !detached;
    if (this.#serving !== serving) {
      this.#serving = serving;
      server.setServing(serving);
      if (!issuer.routable) {
        this.#log.warn({ reason: issuer.reason }, '0b111 CIDs are issued: not serving');
      } else if (detached) {
        this.#log.warn('tunnels of the balancers are not unwrapped: not serving');
      }
    }
    this.#nonceSupply.check(issuer.sources);
  }
}
