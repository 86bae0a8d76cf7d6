// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { SayOnce, SerialWork } from '../../../core/index.js';
import type { DesiredState, Pool } from '../../../registry/index.js';
import type {
  HealthCounts,
  HealthRecord,
  HealthStore,
  ServerHealth,
} from '../../reconcile/health-record.js';
import type { Verdict } from '../../reconcile/verdict.js';
import type { Ip } from '../next-hops/ip.js';
import { readAddresses } from '../tunnel-sources/addresses.js';
import { chooseSource } from '../tunnel-sources/choose.js';
import { eatenAnswers, type ReadSetting, readSetting } from './eaten-answers.js';
import { HealthLog } from './health-log.js';
import { icmpHint } from './icmp-hint.js';
import { PoolHealth } from './pool-health.js';
import { familyOf, ProbeTarget } from './probe-target.js';
import { Prober, type ProberClock } from './prober.js';
import { type HostWays, type SourcesByFamily, waysTo } from './ways.js';
import { SocketWire, type Wire, type WireOptions } from './wire.js';

export interface HealthOptions {
  /** By which answers come in. */
  readonly device: { readonly name: string; readonly index: number };
  readonly guePort: number;
  readonly ip: Ip;
  readonly store: HealthStore;
  readonly log: Logger;
  readonly clock: ProberClock;
  /** Unix time in milliseconds. */
  readonly wallClock?: () => number;
  readonly openWire?: (options: WireOptions) => Promise<Wire>;
  readonly readSetting?: ReadSetting;
}

/** What others found out of the host by now. */
export type WaysOfHost = Pick<HostWays, 'outer' | 'nextHop'>;

/** Source ports of each family; a check of udp takes one for each probe under way. */
const PORTS_QUIC = 16;
const PORTS_UDP = 128;
/** Milliseconds after an outcome before pools decide, because outcomes come in bursts. */
const DECIDE_MS = 10;
/** Milliseconds for which a start waits for first answers. */
const FIRST_ROUND_MS = 3_000;
/** Milliseconds between two looks at what of this host drops answers. */
const LOOK_MS = 15_000;
/** Milliseconds for which a verdict waits for its record on disk. */
const SAVE_MS = 200;

/** Checks the servers of the pools that ask for it, and says which of them can be reached. */
export class Health {
  readonly #options: HealthOptions;
  readonly #prober: Prober;
  readonly #said: HealthLog;
  readonly #troubles = new SayOnce();
  readonly #before: HealthRecord | undefined;
  readonly #pools = new Map<string, PoolHealth>();
  /** Servers of the last state that were not checked in it, by pool, name and address. */
  #unchecked: ReadonlySet<string> = new Set();
  #targets = new Map<string, ProbeTarget>();
  #inner: SourcesByFamily = { source4: null, source6: null };
  #wire: { readonly wire: Wire; readonly of: string } | undefined;
  #eaten: ReadonlyMap<string, string> = new Map();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: (() => void) | undefined;
  readonly #dirty = new Set<string>();
  #deciding: (() => void) | undefined;
  #following: Promise<unknown> = Promise.resolve();
  readonly #saving = new SerialWork(() => this.#write());
  #onChange: (() => void) | undefined;
  #onProbed: (() => void) | undefined;
  #closed = false;

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#said = new HealthLog(options.log);
    this.#before = options.store.read();
    this.#prober = new Prober({
      clock: options.clock,
      onOutcome: (target) => this.#outcome(target),
      beforeGiveUp: () => this.#readErrors(),
    });
  }

  get counts(): HealthCounts {
    return this.#prober.counts;
  }

  get record(): HealthRecord {
    const pools = [...this.#pools.values()];
    return {
      servers: pools.flatMap(({ records }) => records),
      suspect: Object.fromEntries(
        pools.flatMap(({ name, suspect }) => (suspect === null ? [] : [[name, suspect]])),
      ),
    };
  }

  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  /** The servers to check from now on. */
  follow(desired: DesiredState, host: WaysOfHost): Promise<void> {
    // One at a time, because each may open sockets anew.
    const following = this.#following.then(() => this.#follow(desired, host));
    this.#following = following.catch(() => undefined);
    return following;
  }

  async #follow(desired: DesiredState, host: WaysOfHost): Promise<void> {
    const checked = desired.pools.filter(isChecked);
    try {
      await this.#openWire(checked);
      this.#troubles.over();
    } catch (error) {
      if (this.#troubles.isNews(error)) {
        this.#options.log.error(
          { error },
          'health checks cannot be sent; servers stay as they are',
        );
      }
      this.#closeWire();
    }
    if (this.#closed) return;
    this.#aim(checked, host);
    this.#unchecked = new Set(
      desired.pools
        .filter((pool) => !isChecked(pool))
        .flatMap(({ name, servers }) => servers.map((server) => keyOf(name, server))),
    );
    if (checked.length > 0) this.#lookSoon();
    this.#decide();
  }

  /** Resolves when each server was heard or missed once, or after some seconds. */
  async firstRound(): Promise<void> {
    const probed = () => [...this.#targets.values()].every((target) => target.probed);
    if (probed()) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(FIRST_ROUND_MS, resolve);
      this.#onProbed = () => {
        if (!probed()) return;
        cancel();
        resolve();
      };
    });
    this.#onProbed = undefined;
    this.#decide();
  }

  verdicts(): Verdict[] {
    return [...this.#pools.values()].flatMap((pool) => pool.verdicts());
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#following;
    this.#deciding?.();
    this.#looking?.();
    this.#prober.close();
    this.#closeWire();
    await this.#saving.idle();
  }

  async #openWire(checked: readonly Pool[]): Promise<void> {
    if (checked.length === 0) {
      this.#closeWire();
      return;
    }
    this.#inner = await this.#innerSources(checked);
    const places = checked.some(({ health }) => health?.check === 'udp') ? PORTS_UDP : PORTS_QUIC;
    const of = JSON.stringify([this.#inner, places]);
    if (this.#wire?.of === of || this.#closed) return;
    this.#closeWire();
    const { openWire = SocketWire.open } = this.#options;
    const onAnswer: WireOptions['onAnswer'] = (from, octets) => this.#prober.answered(from, octets);
    this.#wire = { wire: await openWire({ ...this.#inner, places, onAnswer }), of };
  }

  #closeWire(): void {
    this.#wire?.wire.close();
    this.#wire = undefined;
  }

  /** Addresses of this host to which answers come, never a VIP. */
  async #innerSources(checked: readonly Pool[]): Promise<SourcesByFamily> {
    const addresses = await readAddresses(this.#options.ip);
    const vips = new Set(checked.flatMap((pool) => pool.vips.map(({ address }) => address)));
    const needed = new Set(
      checked.flatMap(({ vips: own, servers }) =>
        [...own, ...servers].map((each) => familyOf(each.address)),
      ),
    );
    const choose = (family: 4 | 6) => {
      if (!needed.has(family)) return null;
      const current = this.#inner[`source${family}`];
      const about = { family, interface: this.#options.device.name, addresses, vips };
      return chooseSource({ ...about, routes: [], current }).address;
    };
    return { source4: choose(4), source6: choose(6) };
  }

  /** Targets that stay the same are the very ones that they were. */
  #aim(checked: readonly Pool[], { outer, nextHop }: WaysOfHost): void {
    const { guePort, device } = this.#options;
    const host = { inner: this.#inner, outer, nextHop, guePort, ifindex: device.index };
    const targets = new Map<string, ProbeTarget>();
    const names = new Set(checked.map(({ name }) => name));
    for (const name of this.#pools.keys()) if (!names.has(name)) this.#pools.delete(name);
    for (const pool of checked) {
      const { health } = pool;
      if (health === undefined) continue;
      const of = this.#poolOf(pool);
      const byServer = new Map<string, ProbeTarget[]>();
      const unchecked: string[] = [];
      for (const server of pool.servers) {
        if (server.state === 'down') continue;
        const ways = this.#wire === undefined ? [] : waysTo(server, pool, health, host);
        if (ways.length === 0) unchecked.push(server.name);
        for (const { way, alternatives } of ways) {
          const key = JSON.stringify([pool.name, server.name, health, way, alternatives]);
          const target =
            this.#targets.get(key) ??
            new ProbeTarget({
              ...{ server: server.name, pool: pool.name, health, way, alternatives },
              standing: this.#standingOf(pool, server, of),
            });
          targets.set(key, target);
          const own = byServer.get(server.name);
          if (own === undefined) byServer.set(server.name, [target]);
          else own.push(target);
        }
      }
      of.pool = pool;
      of.health = health;
      of.targets = byServer;
      this.#said.unchecked(pool.name, this.#wire === undefined ? [] : unchecked);
      this.#dirty.add(pool.name);
    }
    this.#targets = targets;
    this.#prober.follow([...targets.values()], this.#wire?.wire);
  }

  #poolOf(pool: Pool): PoolHealth {
    const known = this.#pools.get(pool.name);
    if (known !== undefined) return known;
    const before = (this.#before?.servers ?? []).filter((each) => each.pool === pool.name);
    const addresses = new Map(pool.servers.map(({ name, address }) => [name, address]));
    const still = before.filter(({ server, address }) => addresses.get(server) === address);
    const { health } = pool;
    if (health === undefined) throw new Error('a pool that is checked says how');
    const made = new PoolHealth(pool, health, still);
    this.#pools.set(pool.name, made);
    return made;
  }

  /** A server that carries traffic already goes on until it fails; one that is new has to prove itself. */
  #standingOf(
    pool: Pool,
    server: Pool['servers'][number],
    of: PoolHealth,
  ): ServerHealth['standing'] {
    const record = of.recordOf(server.name);
    if (record?.address === server.address) return record.standing;
    if (pool.health?.start === 'proven') return 'up';
    return this.#unchecked.has(keyOf(pool.name, server)) ? 'up' : 'unproven';
  }

  #outcome(target: ProbeTarget): void {
    this.#onProbed?.();
    const record = this.#pools.get(target.pool)?.recordOf(target.server);
    // What changes no decision: an answer of what is up, a further miss of what is down.
    const { standing, misses } = target;
    if (
      record?.standing === standing &&
      standing === 'up' &&
      misses === 0 &&
      !this.#suspects(target.pool)
    )
      return;
    if (record?.standing === standing && standing === 'down' && record.reason === target.reason)
      return;
    this.#dirty.add(target.pool);
    if (standing === 'down' && record?.standing !== 'down') this.#lookSoon();
    this.#deciding ??= this.#options.clock.after(DECIDE_MS, () => this.#decide());
  }

  #suspects(pool: string): boolean {
    return this.#pools.get(pool)?.suspect !== null;
  }

  #decide(): void {
    this.#deciding?.();
    this.#deciding = undefined;
    const now = (this.#options.wallClock ?? Date.now)();
    let changed = false;
    for (const name of this.#dirty) {
      const pool = this.#pools.get(name);
      if (pool === undefined) continue;
      const before = new Map(pool.records.map((each) => [each.server, each]));
      const suspected = pool.suspect;
      if (!pool.decide(this.#eatenOf(pool.pool), now)) continue;
      changed = true;
      this.#said.changed(pool, before, suspected);
    }
    this.#dirty.clear();
    if (changed) this.#save();
  }

  #eatenOf({ vips }: Pool): string | null {
    for (const { address } of vips) {
      const why = this.#eaten.get(address);
      if (why !== undefined) return why;
    }
    return null;
  }

  /** Tells once the record is on disk, so that an agent that is killed does not forget the dead. */
  #save(): void {
    let told = false;
    const tell = () => {
      if (told || this.#closed) return;
      told = true;
      this.#onChange?.();
    };
    const cancel = this.#options.clock.after(SAVE_MS, tell);
    void this.#saving.run().then(() => {
      cancel();
      tell();
    });
  }

  async #write(): Promise<void> {
    try {
      await this.#options.store.write(this.record);
      this.#troubles.over('disk');
    } catch (error) {
      if (!this.#troubles.isNews(error, 'disk')) return;
      this.#options.log.error({ error }, 'what the health checks say is not kept');
    }
  }

  #readErrors(): void {
    this.#wire?.wire.readErrors((family, octets) => {
      const hint = icmpHint(family, octets, this.#options.guePort);
      if (hint === undefined) return;
      if (hint.number !== undefined) {
        const target = this.#prober.quoted(hint.number);
        if (target !== undefined) target.hint = hint.says;
        return;
      }
      for (const target of this.#targets.values()) {
        if (target.misses > 0 && target.way.tunnel?.server === hint.destination) {
          target.hint = hint.says;
        }
      }
    });
  }

  #lookSoon(): void {
    const { clock } = this.#options;
    const wait = clock.now() - this.#lookedAt > LOOK_MS / 10 ? 0 : LOOK_MS;
    if (this.#looking !== undefined && wait > 0) return;
    this.#looking?.();
    this.#looking = clock.after(wait, () => {
      this.#looking = undefined;
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    const { ip, device, log, clock } = this.#options;
    const pools = [...this.#pools.values()];
    if (pools.length === 0 || this.#closed) return;
    this.#lookedAt = clock.now();
    try {
      const vips = pools.flatMap(({ pool }) => pool.vips.map(({ address }) => address));
      this.#eaten = await eatenAnswers(
        vips,
        device.name,
        ip,
        this.#options.readSetting ?? readSetting,
      );
      this.#said.eaten(this.#eaten);
    } catch (error) {
      if (this.#troubles.isNews(error, 'look'))
        log.warn({ error }, 'cannot read the routes to VIPs');
    }
    if (this.#closed) return;
    for (const { name } of pools) this.#dirty.add(name);
    this.#decide();
    this.#lookSoon();
  }
}

function isChecked({ health, vips }: Pool): boolean {
  return health !== undefined && vips.length > 0;
}

function keyOf(pool: string, { name, address }: { name: string; address: string }): string {
  return `${pool} ${name} ${address}`;
}
