// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import type { Logger } from 'pino';
import type { BpfLink, BpfProgram, XdpMode } from '../../bpf/index.js';
import { CidecarError, SayOnce } from '../../core/index.js';
import type { PinFolder } from './pins.js';

const UNPINNED = 'the pins were removed: nothing will be attached when the agent ends. Restart it';

/** An interface of this host. */
export interface HostLink {
  readonly name: string;
  readonly index: number;
  /** How an XDP program, whosever it is, is attached; null: none is. */
  readonly xdpMode: XdpMode | null;
}

export interface AttachmentOptions {
  readonly interface: HostLink;
  /** How to attach. */
  readonly mode: XdpMode;
  readonly pins: PinFolder;
  /** The index that an interface has now. @throws CidecarError INTERFACE_UNKNOWN */
  readonly indexOf: (name: string) => number;
  readonly log: Logger;
}

/**
 * What holds the packet program to the interface: a pinned link. The link outlives the agent,
 * but not the interface, and an operator can detach it; it then stays pinned and holds nothing.
 */
export class Attachment {
  readonly #options: AttachmentOptions;
  #link: BpfLink | undefined;
  #mode: XdpMode;
  /** Attached by {@link use}, where nothing was. */
  #ours = false;
  readonly #troubles = new SayOnce();

  private constructor(options: AttachmentOptions, link: BpfLink | undefined) {
    this.#options = options;
    this.#link = link;
    this.#mode = (this.attached() ? options.interface.xdpMode : null) ?? options.mode;
  }

  /** @throws CidecarError PIN_INVALID where the pinned link is that of another interface */
  static open(options: AttachmentOptions): Attachment {
    const { pins, interface: host } = options;
    const link = pins.openLink();
    const ifindex = link?.info().ifindex ?? 0;
    if (ifindex !== 0 && ifindex !== host.index) {
      link?.close();
      throw new CidecarError(
        'PIN_INVALID',
        `the program pinned here is attached to interface ${ifindex}, not to ${host.name} (${host.index})`,
        { file: pins.path },
      );
    }
    return new Attachment(options, link);
  }

  /** The program that is attached, or was when its interface went; undefined: none. */
  get programId(): number | undefined {
    return this.#link?.info().programId;
  }

  get mode(): XdpMode {
    return this.#mode;
  }

  attached(): boolean {
    return this.#link !== undefined && this.#link.info().ifindex !== 0;
  }

  /** Puts a program in the place of the present one, in one step, or attaches it. */
  use(program: BpfProgram): void {
    if (this.attached()) {
      this.#link?.update(program);
      return;
    }
    this.#attach(program, this.#options.mode);
    this.#ours = true;
  }

  /** Detaches what was not attached before this process attached it. */
  undo(): void {
    if (this.#ours && this.attached()) this.#link?.detach();
    this.#ours = false;
  }

  /**
   * Attaches in the mode that is wanted, where the present one is another. The kernel knows
   * no change of mode, so for the time of two system calls nothing is attached. When the
   * interface refuses the new mode, the program is attached in the old one again.
   */
  changeMode(program: BpfProgram): void {
    const { mode, log } = this.#options;
    const before = this.#mode;
    if (!this.attached() || before === mode) return;
    log.warn({ from: before, to: mode }, 'attaching anew in another mode');
    this.#link?.detach();
    try {
      this.#attach(program, mode);
    } catch (error) {
      this.#attach(program, before);
      throw error;
    }
  }

  /**
   * Attaches again what is attached no more: the interface was made anew, or somebody
   * detached the program. Never throws; until the interface is back it has to be called again.
   * Where somebody removed the pins, it only says so: what cannot be pinned ends with this
   * process, and they may have been removed on purpose.
   */
  check(program: BpfProgram): void {
    const { log, interface: host } = this.#options;
    if (!this.#pinned) {
      if (this.#troubles.isNews(UNPINNED)) log.error({ interface: host.name }, UNPINNED);
      return;
    }
    try {
      if (this.attached()) return;
      this.#attach(program, this.#options.mode);
      log.error({ interface: host.name }, 'the program had been detached; it is attached again');
    } catch (error) {
      if (!this.#troubles.isNews(error)) return;
      log.error({ interface: host.name, error }, 'the program is detached; trying again');
    }
  }

  /** @throws CidecarError PIN_INVALID where somebody removed the pinned link */
  requirePins(): void {
    const { pins } = this.#options;
    if (!this.#pinned) throw new CidecarError('PIN_INVALID', UNPINNED, { file: pins.path });
  }

  get #pinned(): boolean {
    return existsSync(this.#options.pins.linkPath);
  }

  /** What is pinned stays attached. */
  close(): void {
    this.#link?.close();
    this.#link = undefined;
  }

  #attach(program: BpfProgram, mode: XdpMode): void {
    const { pins, indexOf, interface: host } = this.#options;
    const link = program.attachXdp(indexOf(host.name), mode);
    try {
      link.pinReplacing(pins.linkPath);
    } catch (error) {
      link.close();
      throw error;
    }
    this.#link?.close();
    this.#link = link;
    this.#mode = mode;
    this.#troubles.over();
  }
}
