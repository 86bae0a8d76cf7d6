// SPDX-License-Identifier: Apache-2.0
import { describeError, SayOnce } from '../../core/index.js';
import type { Log } from '../../daemon/log.js';

/** The decapsulating program, attached to an interface. */
export interface Attachment {
  attached(): boolean;
  /** Packets and octets by reason, those of 0 left out. */
  counters(): DecapsulationCounter[];
  /** More addresses that tunnels may lead to. @throws CidecarError MAP_FULL */
  allowVips(vips: readonly string[]): void;
  /** Detaches the program, unless the link is pinned: then it goes on unwrapping. */
  close(): void;
}

export interface DecapsulationCounter {
  readonly reason: string;
  readonly packets: number;
  readonly octets: number;
}

export interface KeeperOptions {
  readonly interface: string;
  /** Prefixes that tunnels may come from; none means any. */
  readonly sources: readonly string[];
  /**
   * The addresses that tunnels may lead to at first; undefined: any address of this host, and
   * {@link DecapsulationKeeper.allowVips} changes nothing.
   */
  readonly vips?: () => readonly string[];
  /** @param vips the addresses that tunnels may lead to; undefined: any */
  attach(vips: readonly string[] | undefined): Promise<Attachment>;
  readonly log: Log;
  /** The program is attached again, or no longer. */
  onChange(): void;
}

/** Milliseconds between two looks at the link, and so the longest time without the program. */
const LOOK_EVERY = 500;

/**
 * Keeps the decapsulating program attached: an interface that is made anew has none, and without
 * it the server gets no packets although everything else looks well.
 */
export class DecapsulationKeeper {
  readonly #options: KeeperOptions;
  readonly #failures = new SayOnce();
  readonly #refusedVips = new SayOnce();
  /** Undefined: any address. */
  #vips: Set<string> | undefined;
  #attachment: Attachment | undefined;
  #error = '';
  #attaching: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Whether it can start only when the VIPs of the document are known. */
  get needsVips(): boolean {
    return this.#options.vips !== undefined;
  }

  /** Attaches for the first time; rejects where that fails. */
  async start(): Promise<void> {
    const { sources, log, vips, interface: name } = this.#options;
    if (vips !== undefined) this.#vips = new Set(vips());
    if (this.#closed) return;
    await this.#attach();
    if (sources.length === 0) {
      log.warn(
        { interface: name },
        'tunnels of anybody are unwrapped: give the prefixes of the balancers by --decap-sources',
      );
    }
    if (this.#closed) return;
    this.#timer = setInterval(() => this.look(), LOOK_EVERY).unref();
  }

  /**
   * Unwraps tunnels to these addresses too. None is taken back while the process runs: balancers
   * may route to a VIP for longer than the document of this host has it.
   */
  allowVips(vips: readonly string[]): void {
    const allowed = this.#vips;
    const more = vips.filter((vip) => allowed?.has(vip) === false);
    if (allowed === undefined || more.length === 0) return;
    for (const vip of more) allowed.add(vip);
    this.#tell(more);
  }

  get interface(): string {
    return this.#options.interface;
  }

  get attached(): boolean {
    return this.#attachment !== undefined;
  }

  /** Why it is not attached; empty where it is. */
  get error(): string {
    return this.attached ? '' : this.#error;
  }

  counters(): DecapsulationCounter[] {
    return this.#attachment?.counters() ?? [];
  }

  /** Looks at the link; resolves when the program is attached again, or cannot be for now. */
  async look(): Promise<void> {
    if (this.#closed) return;
    const { log, onChange, interface: name } = this.#options;
    if (this.#attachment !== undefined) {
      if (this.#attachment.attached()) return;
      this.#attachment.close();
      this.#attachment = undefined;
      this.#error = 'it was detached, or its interface is gone';
      log.error({ interface: name }, 'tunnels are no longer unwrapped: attaching again');
      onChange();
    }
    this.#attaching ??= this.#attach()
      .then(onChange, (error: unknown) => {
        this.#error = describeError(error);
        if (this.#failures.isNews(error)) {
          log.error({ interface: name, error }, 'cannot attach the decapsulating program');
        }
      })
      .finally(() => {
        this.#attaching = undefined;
      });
    await this.#attaching;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#attachment?.close();
    this.#attachment = undefined;
  }

  #tell(vips: readonly string[]): void {
    const { log, interface: name } = this.#options;
    try {
      this.#attachment?.allowVips(vips);
    } catch (error) {
      if (!this.#refusedVips.isNews(error)) return;
      log.error({ interface: name, error }, 'tunnels to new VIPs are not unwrapped');
    }
  }

  async #attach(): Promise<void> {
    const { attach, sources, log, interface: name } = this.#options;
    const vips = this.#vips && [...this.#vips];
    const attachment = await attach(vips);
    if (this.#closed) {
      attachment.close();
      return;
    }
    this.#attachment = attachment;
    this.#failures.over();
    log.info({ interface: name, sources, to: vips ?? 'any address' }, 'tunnels are unwrapped');
    // Those that came meanwhile.
    if (this.#vips !== undefined) this.#tell([...this.#vips].slice(vips?.length));
  }
}
