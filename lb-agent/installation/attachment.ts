// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import type { Logger } from 'pino';
import type { BpfLink, BpfProgram, XdpMode } from '../../bpf/index.js';
import { CidecarError, SayOnce } from '../../core/index.js';
import type { HostInterface } from '../reachability/next-hops/host-interface.js';
import type { PinFolder } from './pins.js';

const UNPINNED = 'the pins were removed: nothing will be attached when the agent ends. Restart it';

export interface AttachmentOptions {
  readonly interface: Pick<HostInterface, 'name' | 'index' | 'xdpMode'>;
  /** How to attach. */
  readonly mode: XdpMode;
  readonly pins: PinFolder;
  /** The index that an interface has now. @throws CidecarError INTERFACE_UNKNOWN */
  readonly indexOf: (name: string) => number;
  readonly log: Logger;
}

/**
 * What holds the packet program to the interface: a pinned link. The link outlives the
 * agent, but not the interface, and anybody who may can detach it; it then stays pinned and
 * holds nothing.
 */
export class Attachment {
  readonly #options: AttachmentOptions;
  #link: BpfLink | undefined;
  #mode: XdpMode;
  /** Why the program could not be attached again. */
  readonly #trouble = new SayOnce();

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
    if (this.attached()) this.#link?.update(program);
    else this.#attach(program, this.#options.mode);
  }

  /**
   * Attaches in the mode that is wanted, where the present one is another. The kernel knows
   * no change of mode, so for the time of two system calls nothing is attached. When the
   * interface refuses the new mode, the program goes on in the old one.
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
   * process, and whoever took pins and program away may have meant it.
   */
  check(program: BpfProgram): void {
    const { log, interface: host } = this.#options;
    if (!this.#pinned) {
      this.#say(UNPINNED);
      return;
    }
    try {
      if (this.attached()) return;
      this.#attach(program, this.#options.mode);
      log.error({ interface: host.name }, 'the program had been detached; it is attached again');
    } catch (error) {
      this.#say('the program is detached; trying again', error);
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

  #say(trouble: string, error?: unknown): void {
    const { log, interface: host } = this.#options;
    if (!this.#trouble.isNews(error ?? trouble)) return;
    log.error({ interface: host.name, ...(error === undefined ? {} : { error }) }, trouble);
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
    this.#trouble.over();
  }
}
