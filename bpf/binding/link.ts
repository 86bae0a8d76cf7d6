// SPDX-License-Identifier: Apache-2.0
import { guarded } from './errors.js';
import { addon, type NativeLink, type NativeLinkInfo, type NativeProgram } from './native.js';
import { pinAt, pinReplacingAt, removePin } from './pin.js';

export type LinkInfo = NativeLinkInfo;

/**
 * A program that a link can run, which is a BpfProgram. A link needs only the handle of it, and
 * so does not import the class, whose `attachXdp` makes links.
 */
export interface LinkableProgram {
  /** @internal */
  readonly native: NativeProgram;
}

/**
 * An attachment of a program to an interface. It ends when the last handle is closed and no
 * pin is left, or with {@link detach}.
 */
export class BpfLink {
  readonly #native: NativeLink;

  /** @internal Use {@link openPinned} or BpfProgram.attachXdp. */
  constructor(native: NativeLink) {
    this.#native = native;
  }

  /** @throws CidecarError PIN_INVALID when the path holds no link, KERNEL_PERMISSION. */
  static openPinned(path: string): BpfLink {
    return new BpfLink(guarded(() => addon().Link.openPinned(path)));
  }

  /** As the kernel says now. */
  info(): LinkInfo {
    return guarded(() => this.#native.info());
  }

  /**
   * Puts another program in the place of the present one: every packet meets the one or the
   * other.
   * @param expected refuse unless this is the present one
   * @throws CidecarError INTERFACE_BUSY when it is not
   */
  update(program: LinkableProgram, expected?: LinkableProgram): void {
    guarded(() => this.#native.update(program.native, expected?.native));
  }

  /** Ends the attachment, whoever else holds the link. */
  detach(): void {
    guarded(() => this.#native.detach());
  }

  /** @throws CidecarError PIN_INVALID when something is at the path, or it is not in bpffs. */
  pin(path: string): void {
    pinAt(this.#native, path);
  }

  /** Like {@link pin}, but takes the place of what is pinned there, atomically. */
  pinReplacing(path: string): void {
    pinReplacingAt(this.#native, path);
  }

  unpin(path: string): void {
    removePin(path);
  }

  close(): void {
    this.#native.close();
  }
}
