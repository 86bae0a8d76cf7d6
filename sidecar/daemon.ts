// SPDX-License-Identifier: Apache-2.0
import { hostname } from 'node:os';
import { describeError } from '../core/index.js';
import type { Log } from '../daemon/log.js';
import { type MetricsServer, serveMetrics } from '../daemon/metrics-server.js';
import { daemonMetrics, RegistryHealth } from '../daemon/registry-health.js';
import { buildInfo } from '../daemon/version.js';
import { EtcdRegistry } from '../registry/etcd/store/etcd-registry.js';
import {
  type DesiredState,
  type NeedsKey,
  type StateSource,
  TransitionGuard,
} from '../registry/index.js';
import { type DaemonOptions, DEFAULT_LEASE_TTL } from './daemon-options.js';
import {
  openRegistration,
  type RegistrationFlags,
  readyOrAway,
} from './fleet/open-registration.js';
import type { Registration } from './fleet/registration.js';
import { observeRegistration } from './fleet/registration-metrics.js';
import { SidecarFleet } from './fleet/sidecar-fleet.js';
import { Issuer } from './issuing/issuer.js';
import { logIssuer } from './issuing/issuer-log.js';
import { NonceSupplyMonitor } from './issuing/nonce-supply-monitor.js';
import { type ServerView, viewOf } from './issuing/server-view.js';
import { KeptDocument } from './kept-document.js';
import { SidecarMetrics } from './metrics.js';
import { keysToFind, nameOfOwnServer, type OwnServer } from './own-server.js';
import { RegistryFollower } from './registry-follower.js';
import { RpcServer } from './rpc/server.js';
import { SidecarService } from './rpc/service.js';
import { Serving } from './serving.js';
import { OwnState } from './state/own-state.js';
import type { StateStore } from './state/state-store.js';

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
  readonly #guard: TransitionGuard;
  readonly #kept: KeptDocument;
  readonly #state: OwnState;
  #registration: Registration | undefined;
  #fleet: SidecarFleet | undefined;
  #issuer: Issuer | undefined;
  #service: SidecarService | undefined;
  #server: RpcServer | undefined;
  #follower: RegistryFollower | undefined;
  #metricsServer: MetricsServer | undefined;
  #rounds: NodeJS.Timeout | undefined;
  #own: OwnServer;
  /** The state with which it started; undefined before that is known. */
  first: DesiredState | undefined;
  #serving: Serving | undefined;
  #started = false;
  #failed = false;
  #reloadAsked = false;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#own = options.serverName;
    const shared = options.registry instanceof EtcdRegistry;
    this.#guard = new TransitionGuard({ refuse: options.guard, shared, log: options.log });
    this.#nonceSupply = new NonceSupplyMonitor(options.log);
    this.#state = new OwnState(options);
    this.#kept = new KeptDocument({
      ...options,
      needsKey: this.needsKey,
      guard: this.#guard,
      onRefused: (error) => this.#health.refused(describeError(error)),
    });
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
    const { registry, log, decapsulation } = this.#options;
    // Tunnels with packets of live connections come meanwhile, and the registry may be slow.
    if (decapsulation?.needsVips === false) await decapsulation.start();
    // Before it asks for IDs it has a state, and no other sidecar has it.
    if (this.#options.registration !== undefined) {
      await this.#state.open();
      await this.#register(this.#options.registration);
    }
    const state = await this.#kept.firstState();
    this.first = state;
    if (decapsulation?.needsVips === true) await decapsulation.start();
    const serverName = nameOfOwnServer(this.#own, state);
    const view = viewOf(state, serverName);
    // From now on it is this server, whichever IDs later documents give it.
    this.#own = serverName;
    const store = await this.#state.open();
    this.#state.warnOfNewNonces(store);
    const fleet = await this.#openFleet(store, view);
    const issuer = new Issuer({
      ...this.#options,
      store,
      view: fleet?.admitted ?? view,
      ...(fleet && { fenced: () => fleet.fenced !== undefined }),
    });
    this.#issuer = issuer;
    logIssuer(issuer, log);
    issuer.on('minting', () => this.check());
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
        this.#kept.keep(this.#health.revision);
        this.check();
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
    this.#serving = new Serving({
      issuer,
      server: this.#server,
      detached: () => decapsulation?.attached === false,
      log,
    });
    this.#metrics.observeClients({
      issuer,
      cidStreams: service.cidStreams,
      connections: this.#server.connections,
    });
    if (!this.#server.reflects) log.warn('no descriptors found: reflection is off');

    await follower.start();
    fleet?.start(issuer);
    if (this.#options.metrics !== undefined) {
      this.#metricsServer = await serveMetrics({
        where: this.#options.metrics,
        collect: () => this.#metrics.text(),
        onError: (error) => log.error({ error }, 'metrics cannot be collected'),
        // Whatever is wrong with it, it mends or says; that it answers is what it can show.
        probes: { healthz: () => [], readyz: () => this.#serving?.reasons ?? [] },
      });
    }
    await this.#server.listen(this.#options);
    // Not before: a start that fails leaves nothing that a later one would begin with.
    this.#kept.keep(this.#health.revision);
    this.check();
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
        ...{ ...options, registry, ttl, host: hostname() },
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
    const { registry, stateFolder, cidLifetime, log, leaseTtl: ttl } = this.#options;
    if (!(registry instanceof EtcdRegistry)) return;
    const of = { ...flags, registry, stateFolder, ttl: ttl ?? DEFAULT_LEASE_TTL, cidLifetime, log };
    this.#registration = await openRegistration(of);
    observeRegistration(this.#metrics.registry, this.#registration);
    await readyOrAway(this.#registration, log);
  }

  /** What a state was made of, to be kept once it is in force. */
  noteSource(state: DesiredState, source: StateSource): void {
    this.#kept.note(state, source);
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
    await this.#kept.close();
    // What others know of the state: an ID that was handed out, CIDs, the keys of tokens.
    const known =
      this.#fleet !== undefined ||
      this.#registration !== undefined ||
      this.#metrics.total > 0 ||
      this.#options.allowKeyExport;
    await this.#state.close({ failed: this.#failed, known });
    if (this.#server !== undefined) this.#log.info({ issued: this.#metrics.total }, 'stopped');
  }

  async #endRegistration(): Promise<void> {
    if (this.#started && this.#options.registration?.deregisterOnStop === true) {
      await this.#fleet?.forgetPasses();
      await this.#registration?.deregister();
    } else await this.#registration?.close();
  }

  /** To be called when something beside the registry changed that decides whether it serves. */
  check(): void {
    if (this.#issuer === undefined || this.#serving === undefined) return; // It is starting.
    this.#serving.check();
    this.#nonceSupply.check(this.#issuer.sources);
  }
}
