// SPDX-License-Identifier: Apache-2.0
import { dirname } from 'node:path';
import { makeFolders } from '../../core/index.js';
import type { FleetHealth } from '../../daemon/fleet-metrics.js';
import { identityIn } from '../../daemon/identity.js';
import type { EtcdRegistry } from '../../registry/etcd/store/etcd-registry.js';
import type { DesiredState } from '../../registry/index.js';
import { Announcer, type AnnouncerOptions } from '../announcing/announcer.js';
import { Controller } from './controller.js';
import { Facts } from './facts.js';
import type { FleetTimes } from './fleet-times.js';
import { HeldRevisions } from './held-revisions.js';
import type { Place } from './machine.js';
import { mayAttach } from './may-attach.js';
import { type Member, MemberFile } from './member-file.js';
import { Membership } from './membership.js';
import { type PacketCounts, QuietTimes } from './quiet-times.js';
import { Rotations } from './rotations.js';
import type { Standing } from './standing.js';

export interface AgentFleetOptions extends PacketCounts, FleetTimes, AnnouncerOptions {
  /** Undefined where the registry is no etcd: the agent then is alone. */
  readonly registry: EtcdRegistry | undefined;
  /** Name of the agent. */
  readonly agent: string;
  readonly host: string;
  /** By what it is known when it has lost its state folder. */
  readonly place?: Place;
  /** Seconds of the lease. */
  readonly ttl: number;
  /** Whether the balancer is attached. */
  readonly attached: () => boolean;
}

/** Milliseconds between two looks at what has no event. */
const LOOK_EVERY = 1_000;
/** Seconds between two counts of packets, and two reports of them. */
const COUNT_EVERY = 5;
/** Milliseconds without etcd after which an agent that joined before may start without it. */
const AWAY_MS = 5_000;

/** The part that an agent has in a fleet. */
export class AgentFleet implements FleetHealth {
  readonly #options: AgentFleetOptions;
  readonly #memberFile: MemberFile;
  #member: Member | undefined;
  readonly #membership: Membership | undefined;
  readonly #facts: Facts | undefined;
  readonly #controller: Controller | undefined;
  readonly #rotations: Rotations | undefined;
  readonly #quiet: QuietTimes;
  readonly #announcer: Announcer;
  readonly #timer: NodeJS.Timeout;
  #looks = 0;
  #inForce: DesiredState | undefined;
  readonly #held = new HeldRevisions();
  #starting = true;
  /** Whether it holds what was saved, because etcd did not answer. */
  #fromDisk = false;
  #waiting: (() => void)[] = [];

  private constructor(
    options: AgentFleetOptions,
    memberFile: MemberFile,
    member: Member | undefined,
    identity: string,
  ) {
    this.#options = options;
    this.#memberFile = memberFile;
    this.#member = member;
    this.#quiet = new QuietTimes(options);
    const { registry, place } = options;
    this.#announcer = new Announcer(options);
    if (registry !== undefined) {
      const { client, keys } = registry;
      const common = { ...options, client, keys };
      this.#membership = new Membership({
        ...common,
        owner: { identity, host: options.host, ...place },
        onChange: () => this.#look(),
        rememberOut: () => this.#memberFile.require('out'),
      });
      const lease = () => this.#membership?.lease;
      this.#facts = new Facts({ ...common, lease });
      const controller = new Controller({
        ...common,
        lease,
        onTerms: () => this.#rotations?.look(controller.terms),
      });
      this.#controller = controller;
      this.#rotations = new Rotations({
        ...common,
        keyring: registry.keyring,
        ...options.rotation,
      });
    }
    this.#timer = setInterval(() => this.#tick(), LOOK_EVERY).unref();
  }

  /** Throws STATE_UNWRITABLE and others where it cannot remember who it is. */
  static async open(options: AgentFleetOptions): Promise<AgentFleet> {
    const { registry, stateFile, log } = options;
    const memberFile = new MemberFile(`${stateFile}.fleet`, log);
    if (registry === undefined) return new AgentFleet(options, memberFile, undefined, '');
    makeFolders(dirname(stateFile), 0o755);
    const identity = await identityIn(dirname(stateFile));
    return new AgentFleet(options, memberFile, await memberFile.read(), identity);
  }

  /** The registry has this state, which is to be applied. States come in the order of etcd. */
  wanted(state: DesiredState): void {
    const before = this.#held.newest;
    if (this.#held.wanted(state.revision)) {
      const fields = { before, revision: this.#held.newest };
      const text = 'etcd went back in time: this agent joins anew by what etcd has now';
      this.#options.log.warn(fields, text);
      this.#membership?.restored();
      this.#controller?.restored();
    }
    this.#controller?.desired(state);
  }

  /** The kernel holds this state. */
  applied(state: DesiredState): void {
    if (this.#held.newest === 0) this.wanted(state);
    this.#inForce = state;
    this.#held.applied(state.revision);
    this.#facts?.holds(state);
    this.#hold();
  }

  /** The disk holds the state of this revision: the agent would start from it, or a later one. */
  saved(revision: string): void {
    this.#held.saved(revision);
    this.#hold();
  }

  /**
   * Resolves when the program may be attached: when the others wait for this agent before they
   * free what it may route by. That is so when it is live, when it is known to hold no more than
   * it holds, and, as far as it knows, when it joined before and was not counted out; by the last
   * it may start from its disk while etcd is away.
   *
   * @param fromDisk whether it holds what was saved, because etcd did not answer
   */
  async mayAttach(fromDisk: boolean): Promise<void> {
    this.#fromDisk = fromDisk;
    if (fromDisk) this.#announcer.startsFromDisk();
    while (!this.#mayAttach()) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** The start is over: from now on the router is told. */
  started(): void {
    this.#starting = false;
    this.#look();
  }

  /** Of the pools that it hands out IDs for. */
  get controller(): Pick<Controller, 'pools' | 'counts'> | undefined {
    return this.#controller;
  }

  get standing(): Standing | 'alone' {
    return this.#membership?.standing ?? 'alone';
  }

  get acknowledged(): number | undefined {
    return this.#membership?.acknowledged;
  }

  get announced(): boolean {
    return this.#announcer.announced;
  }

  /** What was decided for the router, and whether the hook passes it on. */
  get announcer(): Pick<Announcer, 'announcing' | 'hookFails'> {
    return this.#announcer;
  }

  /** The agent ends: has the router told. Resolves when the hook did so; at once without one. */
  async withdraw(): Promise<void> {
    this.#announcer.stop();
    this.#starting = false;
    this.#look();
    await this.#announcer.withdrawn();
  }

  get connected(): boolean {
    return this.#options.registry?.connected ?? false;
  }

  get disconnectedForMs(): number | undefined {
    return this.#options.registry?.disconnectedForMs;
  }

  get endpoint(): string {
    return this.#options.registry?.client.endpoint ?? '';
  }

  get revision(): number {
    return this.#held.inKernel;
  }

  get alive(): boolean {
    return this.standing === 'live';
  }

  get leaseAgeMs(): number | undefined {
    return this.#membership?.leaseAgeMs;
  }

  /** Ends the sign of life; what was acknowledged stays so, and the hook hears nothing more. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#announcer.close();
    await this.#rotations?.close();
    await this.#controller?.close();
    await this.#facts?.close();
    await this.#membership?.close();
  }

  #hold(): void {
    const { acknowledgeable } = this.#held;
    if (acknowledgeable > 0) this.#membership?.holds(acknowledgeable);
    this.#look();
  }

  #tick(): void {
    this.#looks += 1;
    const { countEvery = COUNT_EVERY } = this.#options;
    if (this.#looks % countEvery === 0) {
      this.#facts?.quiet(this.#quiet.count(this.#inForce?.pools ?? []));
    }
    this.#look();
    this.#announce(true);
  }

  #look(): void {
    const { standing } = this;
    if (standing === 'live') this.#remember('joined');
    if (standing === 'counted out') this.#remember('out');
    this.#announcer.note(this.#isFresh);
    this.#facts?.say();
    this.#controller?.look();
    for (const resolve of this.#waiting.splice(0)) resolve();
    this.#announce();
  }

  get #isFresh(): boolean {
    if (this.#options.registry === undefined) return true;
    return this.connected && this.alive && this.#held.inKernel >= this.#held.newest;
  }

  #announce(ticks = false): void {
    // A start that takes long without the program attached: until then the router is told so.
    if (this.#starting && (!ticks || this.#options.attached())) return;
    this.#announcer.decide({
      attached: this.#options.attached(),
      standing: this.standing,
      fresh: this.#isFresh,
      wasAwaited: this.#membership?.wasAwaited,
      away: this.#isAway,
      member: this.#member,
    });
  }

  get #isAway(): boolean {
    return this.#fromDisk || (this.disconnectedForMs ?? 0) >= AWAY_MS;
  }

  #remember(member: Member): void {
    if (this.#member === member) return;
    this.#member = member;
    void this.#memberFile.note(member);
  }

  #mayAttach(): boolean {
    if (this.#membership === undefined || this.#options.attached()) return true;
    const { standing, waitedFor } = this.#membership;
    const of = { standing, waitedFor, member: this.#member, inKernel: this.#held.inKernel };
    return mayAttach({ ...of, away: this.#isAway });
  }
}
